/*
 * What one worker contributes to a command of the console: pages of records
 * (numbers under a key, to be added up), pages of rows (sockets.c), or a
 * deed. Whoever asks says where to go on; nothing is remembered in between.
 */
#include "session/source.h"

#include <stdlib.h>
#include <unistd.h>

#include "session/console.h"
#include "session/listen.h"

enum {
	KILL_AT_ONCE = 512
}; /* clients looked at in one turn */

/* ---- records ---------------------------------------------------------- */

struct record *record_create(struct slice key)
{
	struct record *r = xcalloc(1, sizeof(*r) + key.len);

	r->key_len = key.len;
	if (key.len)
		memcpy(r->key, key.data, key.len);
	return r;
}

void record_put(struct buf *page, const struct record *r)
{
	buf_put_u16(page, (uint16_t)r->key_len);
	buf_append(page, r->key, r->key_len);
	for (size_t i = 0; i < RECORD_SUMS; i++)
		buf_put_u64(page, r->sums[i]);
	for (size_t i = 0; i < RECORD_MAXES; i++)
		buf_put_u64(page, r->maxes[i]);
}

struct record *record_read(struct reader *page)
{
	uint16_t len = reader_u16(page);
	struct slice key = reader_bytes(page, len);
	struct record *r;

	if (page->is_bad)
		return NULL;
	r = record_create(key);
	for (size_t i = 0; i < RECORD_SUMS; i++)
		r->sums[i] = reader_u64(page);
	for (size_t i = 0; i < RECORD_MAXES; i++)
		r->maxes[i] = reader_u64(page);
	if (page->is_bad) {
		free(r);
		return NULL;
	}
	return r;
}

/* ---- pools ------------------------------------------------------------ */

struct listed_pool {
	const struct pool *pool;
	struct pool_stats stats;
	uint64_t n_pinned;
};

struct pool_list {
	struct listed_pool *at;
	size_t n;
	uint64_t from; /* the first slot wanted */
};

static void list_pool(
	void *ctx, struct pool *pool, const struct pool_stats *stats)
{
	struct pool_list *list = ctx;

	if (stats->slot < list->from)
		return;
	list->at = xrealloc(list->at, (list->n + 1) * sizeof(*list->at));
	list->at[list->n++] = (struct listed_pool){ pool, *stats, 0 };
}

static int by_slot(const void *a, const void *b)
{
	unsigned x = ((const struct listed_pool *)a)->stats.slot;
	unsigned y = ((const struct listed_pool *)b)->stats.slot;

	return (x > y) - (x < y);
}

/* Only we know why a client keeps its server connection. */
static void count_pinned(const struct door *door, struct pool_list *list)
{
	list_each (node, &door->sessions[SESSION_ACTIVE]) {
		struct session *s = list_entry(node, struct session, link);

		for (size_t i = 0; s->pins && i < list->n; i++)
			list->at[i].n_pinned +=
				list->at[i].pool == flavour_pool(s->flavour);
	}
}

static void put_counts(uint64_t *sums, const struct pool_counts *counts)
{
	_Static_assert(sizeof(*counts) == POOL_COUNTS * sizeof(*sums),
		"nothing but numbers");
	memcpy(sums, counts, sizeof(*counts));
}

static struct record *create_pool_record(const char *database, const char *user)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };

	buf_put_cstr(&key, slice_str(database));
	buf_put_cstr(&key, slice_str(user));
	return record_create(buf_slice(&key));
}

static void put_pool(struct buf *page, const struct listed_pool *listed)
{
	const struct pool_stats *stats = &listed->stats;
	CLEANUP(freep)
	struct record *r = create_pool_record(stats->database, stats->user);

	r->sums[POOL_CLIENTS] = stats->n_clients;
	r->sums[POOL_WAITING] = stats->n_waiting;
	r->sums[POOL_APART] = stats->n_apart;
	r->sums[POOL_RESERVE] = stats->n_reserve;
	r->sums[POOL_IN_TRANSACTION] = stats->n_in_transaction;
	r->sums[POOL_PINNED] = listed->n_pinned;
	r->sums[POOL_CLOSE_NEEDED] = stats->n_must_close;
	r->sums[POOL_CANCELLED] = stats->n_cancelled;
	r->sums[POOL_CANCELS] = stats->n_cancels;
	for (size_t i = 0; i < BACKEND_STATES; i++)
		r->sums[POOL_BACKENDS + i] = stats->n_backends[i];
	put_counts(r->sums + POOL_TOTAL, &stats->counts);
	put_counts(r->sums + POOL_RECENT, &stats->recent);
	r->maxes[POOL_LONGEST_WAIT_US] = stats->longest_wait_us;
	r->maxes[POOL_RECENT_MS] = stats->recent_ms;
	record_put(page, r);
}

static void put_worker(struct buf *page, const struct door *door)
{
	CLEANUP(freep) struct record *r = record_create(SLICE(""));

	for (int i = 0; i < SESSION_FINISHING; i++) {
		enum worker_number n = i == SESSION_CONSOLE    ? WORKER_CONSOLES
				       : i <= SESSION_GREETING ? WORKER_LOGINS
							       : WORKER_CLIENTS;

		r->sums[n] += door->n_sessions[i];
	}
	record_put(page, r);
}

/* The console itself, as PgBouncer lists it: some exporters take a table
 * without rows for a failure. Averages of it nobody needs. */
static void put_console(struct buf *page, const struct door *door)
{
	CLEANUP(freep)
	struct record *r = create_pool_record(CONSOLE_NAME, CONSOLE_NAME);
	struct pool_counts counts = {
		.transactions = door->n_commands,
		.queries = door->n_commands,
	};

	r->sums[POOL_CLIENTS] = door->n_sessions[SESSION_CONSOLE];
	put_counts(r->sums + POOL_TOTAL, &counts);
	record_put(page, r);
}

static uint64_t source_pools(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	struct pool_list list = { .from = cursor };
	uint64_t next = 0;

	(void)argument;
	if (!cursor) {
		put_worker(page, door);
		put_console(page, door);
	}
	pools_each(door->pools, list_pool, &list);
	count_pinned(door, &list);
	if (list.n)
		qsort(list.at, list.n, sizeof(*list.at), by_slot);
	for (size_t i = 0; i < list.n && !next; i++) {
		put_pool(page, &list.at[i]);
		if (page->len > CONSOLE_PAGE)
			next = list.at[i].stats.slot + 1;
	}
	free(list.at);
	return next;
}

/* ---- states, memory --------------------------------------------------- */

static void add_backends(
	void *ctx, struct pool *pool, const struct pool_stats *stats)
{
	struct record *r = ctx;

	(void)pool;
	for (size_t i = 0; i < BACKEND_STATES; i++)
		r->sums[SESSION_STATES + i] += stats->n_backends[i];
}

static uint64_t source_states(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	CLEANUP(freep) struct record *r = record_create(SLICE(""));

	_Static_assert(
		(int)SESSION_STATES + (int)BACKEND_STATES <= (int)RECORD_SUMS,
		"room");
	(void)argument;
	(void)cursor;
	for (size_t i = 0; i < SESSION_STATES; i++)
		r->sums[i] = door->n_sessions[i];
	pools_each(door->pools, add_backends, r);
	record_put(page, r);
	return 0;
}

static void put_memory(
	struct buf *page, const char *what, size_t size, size_t n)
{
	CLEANUP(freep) struct record *r = record_create(slice_str(what));

	r->sums[MEMORY_USED] = n;
	r->sums[MEMORY_BYTES] = n * size;
	r->maxes[MEMORY_SIZE] = size;
	record_put(page, r);
}

/* What the kernel says this process has in memory. */
static size_t resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long all, resident = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident;
}

static uint64_t source_memory(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	struct pools_memory pools;
	size_t n_sessions = 0;

	(void)argument;
	(void)cursor;
	for (size_t i = 0; i < SESSION_STATES; i++)
		n_sessions += door->n_sessions[i];
	pools_memory(door->pools, &pools);
	put_memory(page, "resident", (size_t)sysconf(_SC_PAGESIZE),
		resident_pages());
	put_memory(page, "session", sizeof(struct session), n_sessions);
	put_memory(page, "console", sizeof(struct console),
		door->n_sessions[SESSION_CONSOLE]);
	for (size_t i = 0; i < ARRAY_SIZE(pools.of); i++)
		put_memory(page, pools.of[i].what, pools.of[i].size,
			pools.of[i].n);
	return 0;
}

/* ---- deeds ------------------------------------------------------------ */

static uint64_t source_pauses(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)argument;
	(void)cursor;
	(void)page;
	pools_look_paused(door->pools);
	return 0;
}

static uint64_t source_evict(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)cursor;
	(void)page;
	pools_evict(door->pools, argument);
	listen_evict(door, argument);
	return 0;
}

static bool is_of(const struct session *s, const char *database)
{
	return s->flavour &&
	       (!database || !strcmp(pool_database(flavour_pool(s->flavour)),
				     database));
}

/* Clients first: what they run is cancelled, which closing would not do. */
static uint64_t source_kill(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	struct fault f;
	unsigned n = 0;

	fault_set(&f, FAULT_SHUTDOWN, NULL);
	list_each_safe (node, &door->all) {
		struct session *s = list_entry(node, struct session, in_all);

		if (s->log.id <= cursor)
			continue;
		if (n++ == KILL_AT_ONCE)
			return s->log.id - 1;
		if (is_of(s, argument))
			session_fatal(s, &f);
	}
	return source_evict(door, argument, 0, page);
}

/* ------------------------------------------------------------------------ */

static uint64_t source_none(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)door;
	(void)argument;
	(void)cursor;
	(void)page;
	return 0;
}

uint64_t source_run(enum admin_source source, struct door *door,
	const char *argument, uint64_t cursor, struct buf *page)
{
	static source_fn *const fns[] = {
#define ADMIN_SOURCE(name) source_##name,
#include "proto/admin.def"
	};

	check(source < ADMIN_SOURCES);
	return fns[source](door, argument, cursor, page);
}
