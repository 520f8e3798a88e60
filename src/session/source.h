#pragma once

/*
 * What one worker contributes to a command of the console.
 *
 * A page is either records or rows. Records are added up by their key over
 * the workers. A row is the fields of a DataRow as text, each behind its
 * length; how many there are, the table's columns say.
 */
#include "session/admin.h"
#include "session/session_priv.h"

enum {
	CONSOLE_PAGE = 32 * 1024, /* no more is added to a page beyond that */
	RECORD_SUMS = 32,
	RECORD_MAXES = 2,
};

struct record {
	struct table_node node;
	uint64_t sums[RECORD_SUMS];   /* added */
	uint64_t maxes[RECORD_MAXES]; /* the greatest stays */
	size_t key_len;
	char key[];
};

struct record *record_create(struct slice key);
void record_put(struct buf *page, const struct record *r);
/* NULL when the page is malformed. */
struct record *record_read(struct reader *page);

enum {
	POOL_COUNTS = sizeof(struct pool_counts) / sizeof(uint64_t)
};

/* The sums of a pool, whose key is database\0user\0. */
enum {
	POOL_CLIENTS,
	POOL_WAITING,
	POOL_APART,
	POOL_RESERVE,
	POOL_IN_TRANSACTION, /* their clients are idle in one */
	POOL_PINNED,	     /* their clients keep them */
	POOL_CLOSE_NEEDED,
	POOL_CANCELLED,
	POOL_CANCELS,
	POOL_BACKENDS,				     /* one for each state */
	POOL_TOTAL = POOL_BACKENDS + BACKEND_STATES, /* struct pool_counts */
	POOL_RECENT = POOL_TOTAL + POOL_COUNTS,	     /* the same */
	POOL_NUMBERS = POOL_RECENT + POOL_COUNTS,
};

enum {
	POOL_LONGEST_WAIT_US,
	POOL_RECENT_MS
};

/* Those of a worker, which come with its pools under the key "". */
enum worker_number {
	WORKER_CLIENTS, /* logged in */
	WORKER_LOGINS,
	WORKER_CONSOLES,
};

/* Those of a kind of object, whose name is the key. */
enum {
	MEMORY_USED,
	MEMORY_BYTES
};

enum {
	MEMORY_SIZE /* of one */
};

_Static_assert((int)POOL_NUMBERS <= (int)RECORD_SUMS, "room for a pool");

/*
 * Adds one page (or does one part of what there is to do) and returns where
 * to go on, 0 at the end; cursor 0 is the beginning. argument is a database,
 * or NULL for all. A page stays below MAIL_PAYLOAD_MAX.
 */
typedef uint64_t source_fn(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page);

uint64_t source_run(enum admin_source source, struct door *door,
	const char *argument, uint64_t cursor, struct buf *page);

/* sockets.c */
source_fn source_clients;
source_fn source_servers;
source_fn source_sockets;
source_fn source_active_sockets;
/* The door's port that the client has come to; 0: a unix socket. */
uint16_t socket_local_port(const struct session *s);
