/* Arguments and subcommands. */
#include "main/main_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command commands[] = {
#define COMMAND(name, flags, arguments, what, more)                            \
	{ #name, flags "help", command_##name },
#include "main/commands.def"
#undef COMMAND
};

/* A descriptor that we open must not become our standard output. */
static void open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return !strcmp(word, a) || !strcmp(word, b);
}

static int run_command(const struct command *command, char **args)
{
	char *topic[] = { (char *)command->name, NULL };

	for (char **at = args; *at; at++)
		if (is_one_of(*at, "--help", "-h"))
			return command_help(command, topic);
	return command->run(command, args);
}

/* What was to be read by somebody or something has not got there whole. */
static int end(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "howdah: writing to standard output: %s\n",
		strerror(errno));
	return status ? status : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct command *command;

	open_standard_files();
	log_open();
	if (argc < 2) {
		help_print(stderr);
		return EXIT_WRONG;
	}
	if (is_one_of(argv[1], "--help", "-h")) {
		help_print(stdout);
		return end(EXIT_SUCCESS);
	}
	if (is_one_of(argv[1], "--version", "-V")) {
		puts("howdah " HOWDAH_VERSION);
		return end(EXIT_SUCCESS);
	}
	command = find_command(argv[1]);
	if (command)
		return end(run_command(command, argv + 2));
	help_unknown(argv[1]);
	return EXIT_WRONG;
}
