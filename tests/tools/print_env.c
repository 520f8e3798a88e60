/*
 * print_env FILE: what Howdah reads in a .env file, in its own environment.
 * Writes "NAME=value" and a NUL for each variable of the file; the tests hold
 * it against what other programs read there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/config_priv.h"

extern char **environ;

static bool read_all(const char *path, struct buf *ret)
{
	FILE *file = fopen(path, "r");
	size_t n = 1;

	while (file && n) {
		n = fread(buf_reserve(ret, 4096), 1, 4096, file);
		ret->len += n;
	}
	return file && fclose(file) == 0;
}

static void print(const struct env *env)
{
	list_each (link, &env->order) {
		const struct env_var *var =
			list_entry(link, struct env_var, link);

		if (var->line)
			printf("%s=%s%c", var->name, var->value, '\0');
	}
}

int main(int argc, char **argv)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	CLEANUP(env_deinit) struct env env;
	int r;

	env_init(&env, environ);
	if (argc != 2 || !read_all(argv[1], &text)) {
		fputs("usage: print_env FILE\n", stderr);
		return 2;
	}
	r = dotenv_read(buf_slice(&text), argv[1], &env, &problems, &warnings);
	fprintf(stderr, "%.*s%.*s", (int)problems.len, problems.data,
		(int)warnings.len, warnings.data);
	if (r < 0)
		return 1;
	print(&env);
	return 0;
}
