#pragma once

/*
 * The process in front: lock file, listening sockets, embedded PostgreSQL,
 * migrations, workers. It never touches a client's byte.
 *
 * Signals: TERM and INT drain, a second one stops at once; HUP reloads (and
 * drains when the terminal it was started from is gone).
 */
#include "config/config.h"
#include "page/page.h"

/* What a worker is given, in its own process just forked: its sockets, and
 * copies of everything the pointers lead to. */
struct supervisor_post {
	unsigned index;
	struct page *page;
	const struct config *config;
	const struct upstream *upstream;
	int control; /* the worker's end of its control socket; its own */
	struct supervisor_listener {
		int fd;
		bool is_unix;
	} * listeners;
	size_t n_listeners;
};

/* Lives a worker's life; returns its exit status. */
typedef int supervisor_work_fn(const struct supervisor_post *post);

/* Work that may block, done in a child process of its own. */
enum supervisor_chore {
	CHORE_MIGRATE, /* once, before the first worker */
	CHORE_INDEX,   /* afterwards, beside the workers */
};

enum supervisor_done {
	CHORE_DONE,
	CHORE_FAILED,	   /* for good; it has been logged */
	CHORE_UNREACHABLE, /* the database did not answer: try again */
};

typedef enum supervisor_done supervisor_chore_fn(enum supervisor_chore chore,
	const struct config *config, const struct upstream *upstream);

struct supervisor_env {
	struct config *config;		      /* the supervisor's from now on */
	const struct config_sources *sources; /* for reloads */
	supervisor_work_fn *work;
	supervisor_chore_fn *chore;
};

/* Exit statuses of `howdah serve`. */
enum {
	SUPERVISOR_OK = 0,	/* ended because it was told to */
	SUPERVISOR_FAILED = 1,	/* could not start; the log says why */
	SUPERVISOR_REFUSED = 2, /* a door cannot use the configuration */
};

/* Runs until told to end. Nothing may have started a thread before. */
int supervisor_run(const struct supervisor_env *env);

/*
 * Where the database is, started or not: the configured server, or the
 * embedded one's socket inside the data directory. For upstream_deinit().
 * -errno with *f set when the data directory cannot be used.
 */
int supervisor_upstream(
	const struct config *config, struct upstream *ret, struct fault *f);
