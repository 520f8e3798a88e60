#include "main/main_priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

bool args_take(char **args, const char *name)
{
	bool is_there = false;
	char **to = args;

	for (; *args; args++) {
		if (strcmp(*args, name))
			*to++ = *args;
		else
			is_there = true;
	}
	*to = NULL;
	return is_there;
}

struct config_sources settings_sources(const struct command *self, char **args)
{
	return (struct config_sources){
		.flags = args,
		.other_flags = self->flags,
		.environment = environ,
		.env_file = ".env",
	};
}

static void tell(const char *what, const struct buf *lines)
{
	struct slice rest = buf_slice(lines);

	while (rest.len) {
		struct slice line = slice_cut(&rest, '\n');

		fprintf(stderr, "howdah: %s%.*s\n", what, (int)line.len,
			line.data);
	}
}

int settings_load(const struct config_sources *sources, struct config **ret)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	int r = config_load(sources, ret, &problems, &warnings);

	tell("warning: ", &warnings);
	tell("", &problems);
	if (r == 0)
		log_setup_words(
			(*ret)->log_level, (*ret)->log_format, "howdah");
	return r;
}
