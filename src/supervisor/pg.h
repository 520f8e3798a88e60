#pragma once

/* PostgreSQL as programs, folders and processes; embedded.c puts the pieces
 * in order. */
#include <sys/types.h>

#include "loop/loop.h"
#include "supervisor/child.h"

enum {
	PG_PORT = 5432, /* of the socket file's name; there is no TCP */
	PG_OLDEST = 13, /* major version */
};

/* ---- pg_find.c: what is installed, and who runs it -------------------- */

struct pg_programs {
	char *bin; /* the folder of initdb and postgres; owned */
	unsigned major;
};

struct pg_account {
	uid_t uid;
	gid_t gid;
	char *name;    /* owned */
	bool is_other; /* we are root and must become it */
};

/*
 * Looks in the configured folder alone, else along PATH, then in Debian's
 * places, newest first. wanted is the major version of an existing database,
 * 0 for any. May run `postgres -V`, and waits for it. -ENOENT with *f set.
 */
int pg_find_programs(const char *configured, unsigned wanted,
	struct pg_programs *ret, struct fault *f);
void pg_programs_deinit(struct pg_programs *p);

/* PostgreSQL refuses to run as root: then it is the owner of an existing
 * database, else postgres, else nobody. -ENOENT with *f set. */
int pg_find_account(const char *dir, struct pg_account *ret, struct fault *f);
void pg_account_deinit(struct pg_account *a);

/* ---- pg_dir.c: a database folder -------------------------------------- */

/* Its major version; 0: there is none. -EINVAL with *f set: something else
 * is there. */
int pg_dir_version(const char *dir, unsigned *ret, struct fault *f);

/* An empty folder of that account. -errno with *f set. */
int pg_dir_make(const char *dir, const struct pg_account *a, struct fault *f);

/* Only passwords from now on; then new becomes dir, whole. */
int pg_dir_finish(const char *new, const char *dir, struct fault *f);

/* Who works in it. */
struct pg_users {
	pid_t postmaster; /* of its pid file; 0: none */
	bool is_ours;	  /* the postmaster was started by a Howdah */
	pid_t other;	  /* any other process; 0: none */
};
void pg_dir_users(const char *dir, struct pg_users *ret);

/* The pid file of a server that has gone. */
void pg_dir_forget_server(const char *dir);

/* Has this postmaster written that it takes connections? */
bool pg_dir_is_ready(const char *dir, pid_t postmaster);

/* ---- pg_text.c: what they say, read ----------------------------------- */

enum {
	PG_LINE_MAX = 8192, /* bytes of a log line that are looked at */
};

/* The major version in PG_VERSION; 0: that is none. */
unsigned pg_text_major(struct slice file);

/* From "postgres (PostgreSQL) 15.20 (Debian ...)"; 0: it is not that. */
unsigned pg_text_version(struct slice line);

/* The number of a process alone on its line; 0: it is none. */
pid_t pg_text_pid(struct slice text);

/* postmaster.pid, perhaps cut. */
struct pg_pid_file {
	pid_t postmaster; /* 0: none that could be one */
	bool is_ready;	  /* it takes connections */
};
struct pg_pid_file pg_text_pid_file(struct slice file);

/* What is to be remembered of a log that comes in pieces; zeroed is fine. */
struct pg_words {
	struct buf line;   /* one that is not yet complete */
	char error[256];   /* the first since pg_words_reset(), "" when none */
	bool is_disk_full; /* somebody said so since then */
};
void pg_words_feed(struct pg_words *w, struct slice bytes);
void pg_words_reset(struct pg_words *w);
void pg_words_deinit(struct pg_words *w);

/* ---- pg_log.c: what they say, kept ------------------------------------ */

/*
 * Standard output and error of all of them go through one pipe into
 * postgres.log, not into Howdah's own log: PostgreSQL quotes statements, and
 * those may hold secrets.
 */
struct pg_log {
	struct watch watch;
	int pipe[2];
	char *path;
	int file; /* -1: could not be opened */
	uint64_t size;
	struct pg_words words; /* since pg_log_reset() */
};

int pg_log_open(struct pg_log *log, struct loop *loop, const char *data_dir);
void pg_log_reset(struct pg_log *log);

/* Reads what is there: the last words of a child that has ended. */
void pg_log_drain(struct pg_log *log);
void pg_log_close(struct pg_log *log);

/* ---- pg_spawn.c ------------------------------------------------------- */

/* Stands for the database folder among the arguments. */
extern const char pg_dir_argument[];

struct pg_command {
	const struct pg_programs *programs;
	const struct pg_account *account;
	const char *program;	 /* "postgres" */
	const char *const *args; /* NULL-terminated, without the program */
	const char *dir;
	int input;  /* standard input; -1: none */
	int output; /* standard output and error */
};

/* Runs it in a session of its own; SIGINT tells it when we have died.
 * -errno. */
int pg_spawn(struct children *children, struct child *child, child_fn *ended,
	const struct pg_command *command);
