/* src/config/flag.c, env.c, load.c: lines as flags up to an empty one, then
 * as variables of the environment. What is wrong is told, what is not loads,
 * and flags win. */
#include <stdlib.h>

#include "config/config_priv.h"

enum {
	LINES_MAX = 32
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The defaults. */
static const struct config *get_old(void)
{
	static struct config *old;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };

	if (!old)
		check(config_load(&(struct config_sources){ 0 }, &old,
			      &problems, &warnings) == 0);
	return old;
}

/* Cuts lines off a NUL-terminated text, up to an empty one. */
static void cut_lines(char **text, char *lines[LINES_MAX + 1])
{
	size_t n = 0;

	while (n < LINES_MAX && *text && **text && **text != '\n') {
		lines[n++] = *text;
		*text = strchr(*text, '\n');
		if (*text)
			*(*text)++ = '\0';
	}
	lines[n] = NULL;
	if (*text && **text)
		(*text)++;
}

static void check_loaded(const struct config *c, char *const *flag_lines)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	struct flags flags;

	check(flags_read(flag_lines, "", &flags, &problems) == 0 &&
		!problems.len);
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (option_row(id)->when == OPTION_RELOAD && flags.value[id])
			check(c->sources[id] == OPTION_BY_FLAG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xstrndup((const char *)data, len);
	CLEANUP(config_destroyp) struct config *next = NULL;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	char *flags[LINES_MAX + 1], *environment[LINES_MAX + 1];
	char *rest = copy;
	struct config_sources sources = {
		.flags = flags,
		.environment = environment,
	};
	int r;

	/* It would read any file of this machine. */
	if (memmem(data, len, "--env-file", 10))
		return 0;
	cut_lines(&rest, flags);
	cut_lines(&rest, environment);
	r = config_next(get_old(), &sources, &next, &problems, &warnings);
	check((r < 0) == (problems.len != 0) && (r < 0) == !next);
	check(!problems.len || problems.data[problems.len - 1] == '\n');
	check(!warnings.len || warnings.data[warnings.len - 1] == '\n');
	if (r == 0)
		check_loaded(next, flags);
	return 0;
}
