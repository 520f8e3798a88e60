#pragma once

/*
 * What the files of the admin console share.
 *
 *   admin.c             texts and commands
 *   console.c           one console client: one command at a time
 *   console_extended.c  what it says in the extended protocol
 *   console_rows.c      rows on their way to it
 *   gather.c            asking all workers
 *   source.c            what one worker answers
 *   sockets.c           the same: rows of clients and server connections
 *   show.c              rows made of what all have answered
 *   command.c           PAUSE and its kin
 *
 * A command is a row of proto/admin.def with a step function. It is called
 * when the command begins, and again whenever what it waited for is there
 * (gather_begin(), gather_page(), console_wait(), room for more rows), until
 * it says console_done() or console_fail(). It counts its steps in c->stage.
 *
 * Rows go into c->rows; rows_send() gives them to the client as it takes
 * them, and nobody makes more in between.
 */
#include "session/source.h"

enum {
	CONSOLE_NAMES_MAX = 64, /* statements one client may have prepared */
	CONSOLE_NAMES_BYTES = 256 * 1024, /* and the room they may take */
	CONSOLE_MESSAGE_MAX = STREAM_READ_MAX - PG_HEAD, /* bytes of a body */
	GATHER_MS = 2000, /* for the other workers to answer */
};

/* One question to other workers. */
struct gather {
	uint64_t id; /* 0: none is open */
	enum admin_source source;
	uint64_t pending;    /* a bit for each worker that owes an answer */
	uint64_t late;	     /* for each that has not answered in time */
	uint64_t told;	     /* for each of those the client knows of */
	uint64_t own_cursor; /* our own next page */
	bool is_own_done;
	bool is_page;	     /* rows of one worker, not records of all */
	uint64_t give_up_at; /* loop_now() */
	struct table records;
};

/* A statement the client has prepared, or bound. */
struct prepared_command {
	struct list link;
	struct admin_command command; /* row NULL: the empty statement */
	uint32_t n_refs;
	size_t size;
	char name[];
};

struct console {
	struct session *session; /* NULL once the client has gone */
	struct door *door;
	struct timer timer;
	char *user;
	char *database;
	char *application;
	bool is_plain; /* asked for as pgbouncer: no columns of ours */
	char tx;       /* I, or T behind BEGIN */
	/* the command under way */
	struct admin_command command; /* row NULL: none */
	unsigned stage;
	uint64_t mark; /* the step's own */
	struct gather gather;
	unsigned worker; /* whose rows come next */
	uint64_t cursor; /* and from where on */
	struct buf rows;
	size_t rows_at; /* those before have left */
	/* the messages */
	struct buf text; /* the rest of a Query */
	size_t text_at;
	bool is_simple;	  /* a Query is being answered */
	bool is_skipping; /* up to Sync */
	struct list names;
	size_t n_names;
	size_t names_size;
	struct prepared_command *portal; /* ref, or NULL */
	char *portal_name;
	uint32_t binary; /* a bit for each column of the portal */
};

/* ---- console.c -------------------------------------------------------- */

/* Carries out c->command, which is set. */
void console_start(struct console *c);
/* It is over. */
void console_done(struct console *c);
void console_fail(struct console *c, const struct fault *f);
/* An ErrorResponse; in the extended protocol the rest is skipped. */
void console_error(struct console *c, const struct fault *f);
void console_notice(struct console *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The columns the client gets; ret_n_all: those that rows are made with. */
const struct pg_column *console_columns(const struct console *c,
	const struct admin_row *row, size_t *ret_n, size_t *ret_n_all);
/* ReadyForQuery. */
void console_ready(struct console *c);
/* Has the client ended its side of the connection? Asks the socket, too: what
 * is not read yet may hide the end. */
bool console_is_left(const struct console *c);
/* Calls the step again after so long. */
void console_wait(struct console *c, uint64_t ms);
void console_step(struct console *c);

/* ---- console_extended.c ----------------------------------------------- */

/* One message of the extended protocol. False: it is none. */
bool extended_message(struct console *c, char type, struct slice body);
/* Drops the portal. */
void extended_drop(struct console *c);
/* Forgets a prepared statement, or all when NULL. False: there is none. */
bool extended_forget(struct console *c, const char *name);
void extended_deinit(struct console *c);

/* ---- console_rows.c --------------------------------------------------- */

/* False: not all has left; the step is called when there is room. */
bool rows_send(struct console *c);

/* ---- command.c -------------------------------------------------------- */

/* The command is given up: what a PAUSE has begun is taken back. */
void command_abandon(struct console *c);

/* ---- gather.c --------------------------------------------------------- */

/* Asks all workers, this one included, what source has for the command's
 * database. The step comes next when all have answered, or GATHER_MS are
 * over; then gather_sorted() has the records. */
void gather_begin(struct console *c, enum admin_source source);
/* Asks c->worker, another one, for rows from c->cursor on. The step comes
 * next with rows in c->rows, and c->worker and c->cursor moved on. */
void gather_page(struct console *c, enum admin_source source);
/* The same of the others, and nobody waits for their answers. */
void gather_tell(struct console *c, enum admin_source source);
/* The timer has fired while a question is open. */
void gather_tick(struct console *c);
/* Tells the client which workers have not answered. */
void gather_tell_late(struct console *c);
/* The records in the order of their keys, in an array for the caller to
 * free. */
struct record **gather_sorted(struct console *c, size_t *ret_n);
/* Drops the open question and the records. */
void gather_clear(struct console *c);
