#pragma once

/*
 * The one page that supervisor and workers share, typed and by name: what
 * must be common and nothing else. Made before the first fork; every field
 * is atomic or written once before that fork.
 *
 * Nothing here is a running total that a crash could leave wrong: every
 * count is a cell of the worker that made it, and a total is the sum of the
 * cells. What a worker held is gone when its cells are zeroed.
 *
 * Besides the workers, numbered from 0, the supervisor has cells of its own
 * under the number page_workers().
 */
#include <stdatomic.h>

#include "base/base.h"

enum {
	PAGE_WORKERS_MAX = 64,
	PAGE_POOLS = 1024,     /* pools of one gateway */
	PAGE_ADDRESSES = 4096, /* slots counting logins per client address */
	PAGE_PAUSED = 64,      /* databases paused at a time */
	PAGE_CODES = 256,      /* numbers for changes of databases' code */
	PAGE_TICKET_KEY = 80,  /* bytes of a TLS session ticket key */
	PAGE_SECRET = 32,
};

struct page;

/* counters: how many 64-bit counters each worker has. Ends the process when
 * memory or descriptors are short. */
struct page *page_create(unsigned n_workers, unsigned n_counters);
void page_destroy(struct page *page);

unsigned page_workers(const struct page *page);

/* SipHash under a key made with the page: all workers hash pool keys alike,
 * and nobody outside can choose colliding ones. */
uint64_t page_hash(const struct page *page, struct slice bytes);

/* ---- counters: one writer (the worker), many readers ------------------ */

_Atomic uint64_t *page_counters(struct page *page, unsigned worker);

/* Over all workers and the supervisor. */
uint64_t page_counter_sum(struct page *page, unsigned counter);

/* ---- permits ---------------------------------------------------------- */

/*
 * A worker takes a permit to open a server connection and gives it back when
 * that is closed. Two bounds hold at once: the whole gateway's, and one per
 * pool (database and user), whose size the taker names.
 */

/* A worker has a pool: its slot, found or taken by the hash of its key, is
 * the same for all that have it. -ENOSPC when all PAGE_POOLS are in use. */
int page_pool_enter(struct page *page, unsigned worker, uint64_t key_hash,
	unsigned *ret_slot);
/* It has it no more, and nothing of it: when nobody has, the slot is free. */
void page_pool_leave(struct page *page, unsigned worker, unsigned slot);

enum page_take {
	PAGE_TAKEN,
	PAGE_POOL_FULL,	   /* this pool has its size */
	PAGE_GATEWAY_FULL, /* the hard cap is reached */
};

/* slot < 0: a connection that belongs to no pool (listeners, migrations). */
enum page_take page_permit_take(struct page *page, unsigned worker, int slot,
	uint32_t pool_max, uint32_t gateway_max);
void page_permit_give(struct page *page, unsigned worker, int slot);
uint32_t page_permits_used(struct page *page);
uint32_t page_pool_used(struct page *page, unsigned slot);

/*
 * Who waits for a permit of a pool: a worker sets how many of its clients
 * wait and lack a connection; others with idle ones give them up.
 */
void page_waiting_set(
	struct page *page, unsigned worker, unsigned slot, uint32_t n_waiting);
/* Clients of all other workers that wait for this pool. */
uint32_t page_waiting_elsewhere(
	struct page *page, unsigned worker, unsigned slot);
/* Any pool at all, of any other worker. */
uint32_t page_waiting_anywhere(struct page *page, unsigned worker);

/*
 * Who has permits and gets nothing done with them: a worker sets how many of
 * a pool's connections idle in transactions or are held for session state.
 */
void page_stuck_set(
	struct page *page, unsigned worker, unsigned slot, uint32_t n_stuck);
/* Is that every one of them, in all workers? Not when there is none. */
bool page_pool_is_stuck(struct page *page, unsigned slot);

/* ---- caps and small shared numbers ------------------------------------ */

/* Counts one up when that stays within max; false when it would not. */
bool page_client_enter(struct page *page, unsigned worker, uint32_t max);
void page_client_leave(struct page *page, unsigned worker);
bool page_pinned_enter(struct page *page, unsigned worker, uint32_t max);
void page_pinned_leave(struct page *page, unsigned worker);
/* Connections that have not logged in: in all, and by address. The address
 * is hashed to a slot; *ret_slot goes to page_login_leave(). */
bool page_login_enter(struct page *page, unsigned worker, struct slice address,
	uint32_t max, uint32_t max_per_address, uint32_t *ret_slot);
void page_login_leave(struct page *page, unsigned worker, uint32_t slot);

uint32_t page_clients(struct page *page);
uint32_t page_pinned(struct page *page);
uint32_t page_logins(struct page *page);

/* DDL seen by this gateway: prepared statements older than this number may
 * have another shape now. */
uint64_t page_ddl_generation(struct page *page);
void page_ddl_seen(struct page *page);

/* Changes of the code behind the names of a database (functions, triggers,
 * views, ...) that this gateway has seen. The database is named by its
 * page_hash(); some share a number. */
uint64_t page_code_generation(const struct page *page, uint64_t database);
void page_code_seen(struct page *page, uint64_t database);

/*
 * Which databases the operator has paused: here, so that a worker started
 * later knows. A database is named by its page_hash(), all of them by
 * PAGE_ALL_DATABASES. Changing it rings nobody.
 */
enum {
	PAGE_ALL_DATABASES = 0
};

enum page_pause {
	PAGE_PAUSE_CHANGED,
	PAGE_PAUSE_SAME, /* it was so already */
	PAGE_PAUSE_FULL, /* PAGE_PAUSED are paused already */
};

enum page_pause page_pause_set(
	struct page *page, uint64_t database, bool is_paused);
bool page_is_paused(const struct page *page, uint64_t database);

/* Random once per gateway, PAGE_TICKET_KEY bytes: TLS session tickets of all
 * workers. */
const uint8_t *page_ticket_key(const struct page *page);

/* Random once per gateway, for mock SCRAM salts of unknown users. */
const uint8_t *page_secret(const struct page *page, size_t *ret_len);

/* Gives back everything a dead worker held and rings the others, who may
 * have waited for it; counters stay. For the supervisor, who has seen that
 * the process is gone. */
void page_worker_died(struct page *page, unsigned worker);

/*
 * Bells: an eventfd per worker, made with the page and inherited. Ringing
 * wakes that worker, whose watch on page_bell() then looks at the page.
 */
int page_bell(const struct page *page, unsigned worker);
void page_ring(struct page *page, unsigned worker);
void page_ring_others(struct page *page, unsigned worker);
void page_bell_clear(struct page *page, unsigned worker);
