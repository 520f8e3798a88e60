#pragma once

/* What the files of main/ share. */
#include <stdio.h>

#include "config/config.h"

enum {
	EXIT_WRONG = 2
}; /* arguments or configuration */

struct command;

/* Runs with what stands behind the command's name, NULL-terminated; returns
 * the exit status. May take arguments out. */
typedef int command_fn(const struct command *self, char **args);

struct command {
	const char *name;
	const char *flags; /* those that every option of a config lacks */
	command_fn *run;
};

command_fn command_serve, command_migrate, command_check, command_uninstall,
	command_help;

/* ---- help.c ----------------------------------------------------------- */

void help_print(FILE *out);

/* "howdah: there is no command ..., did you mean ..." */
void help_unknown(const char *name);

/* ---- settings.c ------------------------------------------------------- */

/* Takes "--name" out of the arguments; true when it was there. */
bool args_take(char **args, const char *name);

/* What a config is read from; args are the flags. */
struct config_sources settings_sources(const struct command *self, char **args);

/* Reads the configuration and tells on standard error what is wrong with it,
 * a line each. 0, or -EINVAL. */
int settings_load(const struct config_sources *sources, struct config **ret);
