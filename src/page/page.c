/*
 * The shared page: one anonymous mapping that forks inherit.
 *
 *     struct page │ counters of worker 0, 1, ... │ cells of worker 0, 1, ...
 *
 * A cell is written by its worker alone, so giving back is a plain store.
 * Taking compares a sum of cells with a bound before it adds, and for that
 * takers exclude each other with one lock: takes are as rare as connections.
 * The lock is robust, for its holder may be killed. Nothing needs repair
 * then: the sums never include more than the cells say, and those of the
 * dead are zeroed by page_worker_died().
 */
#include "page/page.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	CACHE_LINE = 64
};

typedef _Atomic uint32_t cell;

/* What one worker holds and wants. */
struct page_cells {
	alignas(CACHE_LINE) cell clients;
	cell pinned;
	cell logins;
	cell permits; /* of all pools and of none */
	cell waiting; /* for all pools */
	cell has_pool[PAGE_POOLS];
	cell pool_permits[PAGE_POOLS];
	cell pool_waiting[PAGE_POOLS];
	cell pool_stuck[PAGE_POOLS];
	cell address_logins[PAGE_ADDRESSES];
};

struct page {
	size_t size;
	unsigned n_workers;
	unsigned n_counters;
	size_t counters_stride;	    /* in counters */
	_Atomic uint64_t *counters; /* the same address in every process */
	struct page_cells *cells;
	uint64_t hash_key[2];
	uint8_t ticket_key[PAGE_TICKET_KEY];
	uint8_t secret[PAGE_SECRET];
	int bells[PAGE_WORKERS_MAX];
	alignas(CACHE_LINE) pthread_mutex_t takers;
	alignas(CACHE_LINE) _Atomic uint64_t ddl_generation;
	_Atomic uint64_t code_generations[PAGE_CODES];
	_Atomic uint64_t pool_keys[PAGE_POOLS]; /* where a worker has_pool */
	_Atomic uint64_t paused[PAGE_PAUSED];	/* 0: free */
};

/* ---- life ------------------------------------------------------------- */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static void takers_init(struct page *page)
{
	pthread_mutexattr_t attr;

	check(pthread_mutexattr_init(&attr) == 0);
	check(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	check(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	check(pthread_mutex_init(&page->takers, &attr) == 0);
	pthread_mutexattr_destroy(&attr);
}

static void fill_random(void *bytes, size_t len)
{
	check(getrandom(bytes, len, 0) == (ssize_t)len);
}

struct page *page_create(unsigned n_workers, unsigned n_counters)
{
	unsigned n_areas = n_workers + 1; /* the supervisor's is the last */
	size_t stride = round_up(n_counters * sizeof(uint64_t), CACHE_LINE);
	size_t counters_at = round_up(sizeof(struct page), CACHE_LINE);
	size_t cells_at = counters_at + n_areas * stride;
	size_t size = cells_at + n_areas * sizeof(struct page_cells);
	struct page *page;

	check(n_workers >= 1 && n_workers <= PAGE_WORKERS_MAX);
	page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(page != MAP_FAILED);
	page->size = size;
	page->n_workers = n_workers;
	page->n_counters = n_counters;
	page->counters_stride = stride / sizeof(uint64_t);
	page->counters = (void *)((char *)page + counters_at);
	page->cells = (void *)((char *)page + cells_at);
	fill_random(page->hash_key, sizeof(page->hash_key));
	fill_random(page->ticket_key, sizeof(page->ticket_key));
	fill_random(page->secret, sizeof(page->secret));
	takers_init(page);
	for (unsigned i = 0; i < n_workers; i++) {
		page->bells[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(page->bells[i] >= 0);
	}
	return page;
}

void page_destroy(struct page *page)
{
	if (!page)
		return;
	for (unsigned i = 0; i < page->n_workers; i++)
		close(page->bells[i]);
	munmap(page, page->size);
}

unsigned page_workers(const struct page *page)
{
	return page->n_workers;
}

uint64_t page_hash(const struct page *page, struct slice bytes)
{
	return sip_hash(page->hash_key, 0, bytes.data, bytes.len);
}

static struct page_cells *cells_of(struct page *page, unsigned worker)
{
	check(worker <= page->n_workers);
	return &page->cells[worker];
}

/* ---- counters --------------------------------------------------------- */

_Atomic uint64_t *page_counters(struct page *page, unsigned worker)
{
	check(worker <= page->n_workers);
	return page->counters + worker * page->counters_stride;
}

uint64_t page_counter_sum(struct page *page, unsigned counter)
{
	uint64_t sum = 0;

	check(counter < page->n_counters);
	for (unsigned i = 0; i <= page->n_workers; i++)
		sum += atomic_load_explicit(
			page_counters(page, i) + counter, memory_order_relaxed);
	return sum;
}

/* ---- taking and giving ------------------------------------------------ */

static void takers_lock(struct page *page)
{
	int r = pthread_mutex_lock(&page->takers);

	if (r == EOWNERDEAD)
		r = pthread_mutex_consistent(&page->takers);
	check(r == 0);
}

static void takers_unlock(struct page *page)
{
	check(pthread_mutex_unlock(&page->takers) == 0);
}

/* A worker's cell of the same kind as this one of worker 0. */
static cell *cell_of(struct page *page, unsigned worker, cell *first)
{
	check(worker <= page->n_workers);
	return (cell *)((char *)first + worker * sizeof(struct page_cells));
}

/* All cells of one kind, given worker 0's. */
static uint32_t sum_cells(struct page *page, cell *first)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i <= page->n_workers; i++)
		sum += *cell_of(page, i, first);
	return sum;
}

static void cell_give(cell *c)
{
	uint32_t held = *c;

	check(held > 0);
	*c = held - 1;
}

/* One more of a kind, when the sum of all stays within max. */
static bool cell_take(
	struct page *page, unsigned worker, cell *first, uint32_t max)
{
	cell *own = cell_of(page, worker, first);
	bool fits;

	takers_lock(page);
	fits = sum_cells(page, first) < max;
	if (fits)
		*own = *own + 1;
	takers_unlock(page);
	return fits;
}

/* ---- permits ---------------------------------------------------------- */

static unsigned pool_find(struct page *page, uint64_t key_hash)
{
	unsigned unused = PAGE_POOLS;

	for (unsigned slot = 0; slot < PAGE_POOLS; slot++) {
		bool has_users =
			sum_cells(page, &page->cells->has_pool[slot]) != 0;

		if (has_users && page->pool_keys[slot] == key_hash)
			return slot;
		if (!has_users && unused == PAGE_POOLS)
			unused = slot;
	}
	return unused;
}

int page_pool_enter(struct page *page, unsigned worker, uint64_t key_hash,
	unsigned *ret_slot)
{
	unsigned slot;

	takers_lock(page);
	slot = pool_find(page, key_hash);
	if (slot < PAGE_POOLS) {
		page->pool_keys[slot] = key_hash;
		cells_of(page, worker)->has_pool[slot] = 1;
		*ret_slot = slot;
	}
	takers_unlock(page);
	return slot < PAGE_POOLS ? 0 : -ENOSPC;
}

void page_pool_leave(struct page *page, unsigned worker, unsigned slot)
{
	page_waiting_set(page, worker, slot, 0);
	page_stuck_set(page, worker, slot, 0);
	cells_of(page, worker)->has_pool[slot] = 0;
}

enum page_take page_permit_take(struct page *page, unsigned worker, int slot,
	uint32_t pool_max, uint32_t gateway_max)
{
	struct page_cells *all = page->cells;
	struct page_cells *own = cells_of(page, worker);
	enum page_take outcome = PAGE_TAKEN;

	check(slot < PAGE_POOLS);
	takers_lock(page);
	if (slot >= 0 && sum_cells(page, &all->pool_permits[slot]) >= pool_max)
		outcome = PAGE_POOL_FULL;
	else if (sum_cells(page, &all->permits) >= gateway_max)
		outcome = PAGE_GATEWAY_FULL;
	if (outcome == PAGE_TAKEN) {
		own->permits = own->permits + 1;
		if (slot >= 0)
			own->pool_permits[slot] = own->pool_permits[slot] + 1;
	}
	takers_unlock(page);
	return outcome;
}

void page_permit_give(struct page *page, unsigned worker, int slot)
{
	struct page_cells *own = cells_of(page, worker);

	check(slot < PAGE_POOLS);
	if (slot >= 0)
		cell_give(&own->pool_permits[slot]);
	cell_give(&own->permits);
}

uint32_t page_permits_used(struct page *page)
{
	return sum_cells(page, &page->cells->permits);
}

uint32_t page_pool_used(struct page *page, unsigned slot)
{
	check(slot < PAGE_POOLS);
	return sum_cells(page, &page->cells->pool_permits[slot]);
}

void page_waiting_set(
	struct page *page, unsigned worker, unsigned slot, uint32_t n_waiting)
{
	struct page_cells *own = cells_of(page, worker);

	check(slot < PAGE_POOLS);
	own->waiting = own->waiting - own->pool_waiting[slot] + n_waiting;
	own->pool_waiting[slot] = n_waiting;
}

/* Read one by one and without the own cell: a difference of two sums could
 * be negative while others change theirs. */
static uint32_t sum_others(struct page *page, unsigned worker, cell *first)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i <= page->n_workers; i++)
		if (i != worker)
			sum += *cell_of(page, i, first);
	return sum;
}

uint32_t page_waiting_elsewhere(
	struct page *page, unsigned worker, unsigned slot)
{
	check(slot < PAGE_POOLS);
	return sum_others(page, worker, &page->cells->pool_waiting[slot]);
}

uint32_t page_waiting_anywhere(struct page *page, unsigned worker)
{
	return sum_others(page, worker, &page->cells->waiting);
}

void page_stuck_set(
	struct page *page, unsigned worker, unsigned slot, uint32_t n_stuck)
{
	check(slot < PAGE_POOLS);
	cells_of(page, worker)->pool_stuck[slot] = n_stuck;
}

bool page_pool_is_stuck(struct page *page, unsigned slot)
{
	uint32_t used = page_pool_used(page, slot);

	return used && sum_cells(page, &page->cells->pool_stuck[slot]) >= used;
}

/* ---- caps ------------------------------------------------------------- */

bool page_client_enter(struct page *page, unsigned worker, uint32_t max)
{
	return cell_take(page, worker, &page->cells->clients, max);
}

void page_client_leave(struct page *page, unsigned worker)
{
	cell_give(&cells_of(page, worker)->clients);
}

bool page_pinned_enter(struct page *page, unsigned worker, uint32_t max)
{
	return cell_take(page, worker, &page->cells->pinned, max);
}

void page_pinned_leave(struct page *page, unsigned worker)
{
	cell_give(&cells_of(page, worker)->pinned);
}

bool page_login_enter(struct page *page, unsigned worker, struct slice address,
	uint32_t max, uint32_t max_per_address, uint32_t *ret_slot)
{
	struct page_cells *all = page->cells;
	struct page_cells *own = cells_of(page, worker);
	uint32_t slot = (uint32_t)(page_hash(page, address) % PAGE_ADDRESSES);
	bool fits;

	takers_lock(page);
	fits = sum_cells(page, &all->logins) < max &&
	       sum_cells(page, &all->address_logins[slot]) < max_per_address;
	if (fits) {
		own->logins = own->logins + 1;
		own->address_logins[slot] = own->address_logins[slot] + 1;
		*ret_slot = slot;
	}
	takers_unlock(page);
	return fits;
}

void page_login_leave(struct page *page, unsigned worker, uint32_t slot)
{
	struct page_cells *own = cells_of(page, worker);

	check(slot < PAGE_ADDRESSES);
	cell_give(&own->address_logins[slot]);
	cell_give(&own->logins);
}

uint32_t page_clients(struct page *page)
{
	return sum_cells(page, &page->cells->clients);
}

uint32_t page_pinned(struct page *page)
{
	return sum_cells(page, &page->cells->pinned);
}

uint32_t page_logins(struct page *page)
{
	return sum_cells(page, &page->cells->logins);
}

/* ---- small shared numbers --------------------------------------------- */

uint64_t page_ddl_generation(struct page *page)
{
	return page->ddl_generation;
}

void page_ddl_seen(struct page *page)
{
	page->ddl_generation++;
}

uint64_t page_code_generation(const struct page *page, uint64_t database)
{
	return page->code_generations[database % PAGE_CODES];
}

void page_code_seen(struct page *page, uint64_t database)
{
	page->code_generations[database % PAGE_CODES]++;
}

/* Never 0, which is a free place. */
static uint64_t pause_key(uint64_t database)
{
	return database | 1;
}

static _Atomic uint64_t *paused_find(struct page *page, uint64_t key)
{
	for (size_t i = 0; i < ARRAY_SIZE(page->paused); i++)
		if (page->paused[i] == key)
			return &page->paused[i];
	return NULL;
}

enum page_pause page_pause_set(
	struct page *page, uint64_t database, bool is_paused)
{
	uint64_t key = pause_key(database);
	enum page_pause outcome = PAGE_PAUSE_CHANGED;
	_Atomic uint64_t *at, *free_one;

	takers_lock(page);
	at = paused_find(page, key);
	free_one = paused_find(page, 0);
	if (is_paused == (at != NULL)) {
		outcome = PAGE_PAUSE_SAME;
	} else if (at) {
		*at = 0;
	} else if (free_one) {
		*free_one = key;
	} else {
		outcome = PAGE_PAUSE_FULL;
	}
	takers_unlock(page);
	return outcome;
}

bool page_is_paused(const struct page *page, uint64_t database)
{
	for (size_t i = 0; i < ARRAY_SIZE(page->paused); i++)
		if (page->paused[i] == pause_key(database))
			return true;
	return false;
}

const uint8_t *page_ticket_key(const struct page *page)
{
	return page->ticket_key;
}

const uint8_t *page_secret(const struct page *page, size_t *ret_len)
{
	*ret_len = sizeof(page->secret);
	return page->secret;
}

/* ---- death and bells -------------------------------------------------- */

static void zero_cells(cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cells[i] = 0;
}

void page_worker_died(struct page *page, unsigned worker)
{
	struct page_cells *own = cells_of(page, worker);

	own->clients = 0;
	own->pinned = 0;
	own->logins = 0;
	own->permits = 0;
	own->waiting = 0;
	zero_cells(own->has_pool, PAGE_POOLS);
	zero_cells(own->pool_permits, PAGE_POOLS);
	zero_cells(own->pool_waiting, PAGE_POOLS);
	zero_cells(own->pool_stuck, PAGE_POOLS);
	zero_cells(own->address_logins, PAGE_ADDRESSES);
	page_ring_others(page, worker);
}

int page_bell(const struct page *page, unsigned worker)
{
	check(worker < page->n_workers);
	return page->bells[worker];
}

void page_ring(struct page *page, unsigned worker)
{
	uint64_t one = 1;
	ssize_t n = write(page_bell(page, worker), &one, sizeof(one));

	(void)n; /* full: it has been rung, and not looked, 2^64 times */
}

void page_ring_others(struct page *page, unsigned worker)
{
	for (unsigned i = 0; i < page->n_workers; i++)
		if (i != worker)
			page_ring(page, i);
}

void page_bell_clear(struct page *page, unsigned worker)
{
	uint64_t count;
	ssize_t n = read(page_bell(page, worker), &count, sizeof(count));

	(void)n; /* nothing to read: nobody rang */
}
