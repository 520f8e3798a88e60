#pragma once

/*
 * The chat tables: made, compared, repaired; Howdah's own indexes on them;
 * and the doctor. For processes that have nothing else to do: everything here
 * blocks, and prints or logs for itself.
 *
 * Locks. Tables are made in one transaction under the advisory lock 72707369
 * that Prisma's migrations take, so that `prisma migrate deploy` waits for us
 * and we for it. Indexes are built later, outside that lock: a CREATE INDEX
 * CONCURRENTLY waits for every older transaction, also for one that waits for
 * the lock, and would never end (deadlock). They have MIGRATE_INDEX_LOCK of
 * their own, which is only tried, again perhaps, and never waited for.
 */
#include <stdio.h>

#include "base/base.h"
#include "config/config.h"

/* Advisory lock of whoever builds indexes: "howdah" and the number 1. */
#define MIGRATE_INDEX_LOCK "7525364775374028801"

/*
 * What became of it: outcomes, and the exit statuses of the subcommands (2
 * stays free for wrong arguments). Each has been told when a call returns.
 */
enum {
	MIGRATE_E_FAILED = 1,	   /* the server refused a statement, ... */
	MIGRATE_E_UNREACHABLE = 3, /* no connection, or it was lost */
	MIGRATE_E_RIGHTS = 4,	   /* the role may not; told which GRANT */
	MIGRATE_E_POOLER = 5,	   /* the upstream is a transaction pooler */
	MIGRATE_E_BUSY = 6,	   /* somebody else holds the lock */
	MIGRATE_E_DRIFT = 7,	   /* tables differ so that Chainlit fails */
	MIGRATE_E_MISSING = 8,	   /* is_status: something is not there yet */
};

struct migrate_options {
	FILE *out;	 /* for people; NULL: to the log, as migrate.* */
	bool is_status;	 /* only tell what is there and what is missing */
	bool is_dry_run; /* print the SQL instead of running it */
	bool is_repair;	 /* change tables that differ, too */
	bool is_certain; /* uninstall_run() only: do it, do not just tell */
	uint64_t connect_timeout_ms; /* 0: 15 s */
	uint64_t lock_timeout_ms;    /* 0: 60 s; for Prisma's lock */
	uint64_t index_wait_ms;	     /* to try MIGRATE_INDEX_LOCK; 0: once */
	/* The variable that leads to the upstream, for what is said; NULL:
	 * HOWDAH_DATABASE_URL. */
	const char *url_name;
	bool is_embedded; /* the server is ours, and may not run just now */
};

/*
 * Makes the database, when it is missing and the role may, and the chat
 * tables with Prisma's record of them. A complete schema is left as it is,
 * extra columns are fine. One that differs is reported, each difference with
 * the statement that repairs it; is_repair runs these, all or none, and says
 * of each what it does to the data. 0 or an outcome.
 */
int migrate_run(
	const struct upstream *upstream, const struct migrate_options *options);

/*
 * Builds what indexes of Howdah's own are missing, concurrently with the
 * application, and rebuilds those that an interrupted build left invalid. May
 * take long; a child process of the supervisor's runs it after migrate_run().
 * 0 when all are there, MIGRATE_E_BUSY when somebody else is building them,
 * or another outcome. Of the options, is_status and is_dry_run matter.
 */
int migrate_indexes(
	const struct upstream *upstream, const struct migrate_options *options);

/* `howdah migrate`: migrate_run(), then migrate_indexes(), which waits for
 * another builder as long as for Prisma. */
int migrate_command(
	const struct upstream *upstream, const struct migrate_options *options);

/*
 * Takes everything of Howdah's own away (indexes named howdah_*, the schema
 * howdah) and nothing of Chainlit's; tells what it would do unless
 * is_certain. 0 or an outcome.
 */
int uninstall_run(
	const struct upstream *upstream, const struct migrate_options *options);

struct check_options {
	FILE *out;
	/* What config_load() said, lines; "" when all was well. */
	struct slice problems;
	struct slice warnings;
	uint64_t max_server_connections;
	uint64_t connect_timeout_ms; /* 0: 15 s */
	bool is_embedded;     /* the server is ours, and may not run just now */
	const char *url_name; /* as in migrate_options */
	/* As clients of the door come to the server; NULL: as we do. */
	const struct upstream *client;
};

/*
 * The doctor: one line a finding, "ok|warn|fail  what  -> what to do". The
 * upstream is NULL when the configuration did not load. 0, or
 * MIGRATE_E_FAILED when a line says fail.
 */
int check_run(
	const struct upstream *upstream, const struct check_options *options);
