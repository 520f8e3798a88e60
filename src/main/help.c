#include "main/main_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct topic {
	const char *name;
	const char *arguments;
	const char *what;
	const char *more;
};

static const struct topic topics[] = {
#define COMMAND(name, flags, arguments, what, more)                            \
	{ #name, arguments, what, more },
#include "main/commands.def"
#undef COMMAND
};

static const struct {
	int status;
	const char *what;
} exits[] = {
#define EXIT(status, what) { status, what },
#include "main/exits.def"
#undef EXIT
};

static const char head[] =
	"Howdah " HOWDAH_VERSION
	": thousands of chat sessions on a few PostgreSQL connections.\n"
	"\n"
	"  howdah COMMAND [OPTION...]\n"
	"  howdah help COMMAND\n"
	"  howdah --version\n"
	"\n"
	"Commands\n";

void help_print(FILE *out)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	buf_append_str(&b, head);
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		buf_printf(&b, "  %-10s %s\n", topics[i].name, topics[i].what);
	buf_append_str(&b, "\nExit status\n");
	for (size_t i = 0; i < ARRAY_SIZE(exits); i++)
		buf_printf(&b, "  %d  %s\n", exits[i].status, exits[i].what);
	buf_append_str(&b, "\nOptions\n");
	config_help(&b);
	fwrite(b.data, 1, b.len, out);
}

static const struct topic *find_topic(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (!strcmp(topics[i].name, name))
			return &topics[i];
	return NULL;
}

int command_help(const struct command *self, char **args)
{
	const struct topic *topic;

	(void)self;
	if (!args[0]) {
		help_print(stdout);
		return EXIT_SUCCESS;
	}
	topic = find_topic(args[0]);
	if (!topic) {
		help_unknown(args[0]);
		return EXIT_WRONG;
	}
	printf("howdah %s %s\n  %s\n\n%s%s", topic->name, topic->arguments,
		topic->what, topic->more, *topic->more ? "\n" : "");
	puts("`howdah --help` lists the options that every command takes, and "
	     "exit statuses.");
	return EXIT_SUCCESS;
}

/* What may stand where a command does. */
static const char *const words[] = {
#define COMMAND(name, flags, arguments, what, more) #name,
#include "main/commands.def"
#undef COMMAND
	"--help",
	"--version",
};

static const char *nearest_word(struct slice wanted)
{
	const char *nearest = NULL;
	size_t best = wanted.len / 2 + 1;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t d = slice_distance(wanted, slice_str(words[i]));

		if (d >= best)
			continue;
		best = d;
		nearest = words[i];
	}
	return nearest;
}

void help_unknown(const char *name)
{
	const char *nearest = nearest_word(slice_str(name));

	fprintf(stderr, "howdah: there is no command \"%s\"; ", name);
	if (nearest)
		fprintf(stderr, "did you mean \"%s\"?\n", nearest);
	else if (*name == '-')
		fprintf(stderr,
			"flags stand behind the command: howdah serve %s\n",
			name);
	else
		fprintf(stderr, "`howdah --help` lists them\n");
}
