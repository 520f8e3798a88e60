#pragma once

/*
 * What the admin console understands: the rows of proto/admin.def, and texts
 * turned into commands by them. Pure functions, no clients, no time.
 */
#include "wire/pg/pg.h"

enum admin_source {
#define ADMIN_SOURCE(name) ADMIN_SOURCE_##name,
#include "proto/admin.def"
	ADMIN_SOURCES
};

enum admin_arguments {
	ADMIN_NONE,
	ADMIN_DATABASE,
	ADMIN_VICTIM,
	ADMIN_SETTING,
	ADMIN_NAME,
	ADMIN_ANY
};

enum {
	ADMIN_NAME_MAX = 1000 /* bytes of a database's name: more than enough */
};

struct console;

/* Does the next thing a command needs, and makes the rows of a table: see
 * console.h. */
typedef void admin_step_fn(struct console *c);
typedef void admin_rows_fn(struct console *c);

#define ADMIN_SHOW(name, reach, source, rows, help)                            \
	admin_step_fn reach_##reach;                                           \
	admin_rows_fn rows;
#define ADMIN_COMMAND(name, arguments, step, help) admin_step_fn step;
#include "proto/admin.def"

struct admin_row {
	const char *name;
	bool is_show;
	enum admin_arguments arguments;
	enum admin_source source;
	admin_step_fn *step;
	admin_rows_fn *rows;
	const char *help; /* of what we do not have: what there is instead */
};

/* Every one of them, in the order of SHOW HELP; NULL after the last. */
const struct admin_row *admin_row(size_t nth);

/* The columns of a table; none of anything else. Ours are the last ones, and
 * are not counted among those of PgBouncer. */
const struct pg_column *admin_columns(
	const struct admin_row *row, size_t *ret_n, size_t *ret_n_pgbouncer);

/* What the console is called where PgBouncer lists itself. */
#define CONSOLE_NAME "pgbouncer"

/* Is that the console, and not a database? */
bool admin_is_console(const char *database);

/* Does SHOW HELP tell of it? */
bool admin_is_listed(const struct admin_row *row);

/* "[database]" for people. */
const char *admin_arguments_text(enum admin_arguments arguments);

/* A text taken apart. */
struct admin_command {
	const struct admin_row *row;
	/* Owned, or NULL: the database, the name of what is SET, of a
	 * statement or of what is discarded. */
	char *argument;
	char *value;	 /* owned: what it is SET to, else NULL */
	bool is_ignored; /* SET of what only PostgreSQL has */
};

void admin_command_deinit(struct admin_command *command);
void admin_command_copy(
	const struct admin_command *from, struct admin_command *ret);

/*
 * Cuts the first statement off *text, up to its semicolon; comments and
 * empty statements go with it. False when nothing is left.
 */
bool admin_next(struct slice *text, struct slice *ret_statement);

/* Reads one statement. 0, or -EINVAL with *f set. */
int admin_parse(
	struct slice statement, struct admin_command *ret, struct fault *f);
