/*
 * Between a pool's queue and its backends: lending, waiting, opening, giving
 * up.
 *
 * A backend that comes back goes idle at once and is handed on at the end of
 * the turn, in the order of the queue. Nobody is called from inside
 * somebody else's call, and whoever asks while others wait stands behind
 * them.
 */
#include "pool/pool_priv.h"

#include <errno.h>
#include <stdlib.h>

/* ---- choosing --------------------------------------------------------- */

enum {
	LOOK_AT = 32, /* idle backends compared for the best fit */
	FIT_GOOD = 4, /* its settings are right, nobody misses it */
	FIT_BEST = 5, /* it holds something of this client's */
};

static bool is_fit(const struct lease *l, const struct backend *b)
{
	if (!b->pool->pools->config->test_scatter)
		return true;
	return b->last_session != l->session ||
	       (l->prefer && b->sequence_owner == l->prefer);
}

/* Fewer things to restore is better; the last one used is warmest. */
static int fit(const struct lease *l, const struct backend *b)
{
	if (l->prefer && b->sequence_owner == l->prefer)
		return FIT_BEST;
	return 1 + 2 * (b->settings == l->settings) + !b->is_sticky;
}

static struct backend *choose_idle(const struct lease *l)
{
	struct backend *best = NULL;
	int best_fit = 0;
	int n = 0;

	list_each (node, &l->flavour->backends[BACKEND_IDLE]) {
		struct backend *b = list_entry(node, struct backend, link);
		int f = is_fit(l, b) ? fit(l, b) : 0;

		if (f > best_fit) {
			best = b;
			best_fit = f;
		}
		if (++n == LOOK_AT ||
			best_fit >= (l->prefer ? FIT_BEST : FIT_GOOD))
			break;
	}
	return best;
}

static uint64_t rested_ms(const struct backend *b)
{
	return loop_now(b->pools->loop) - b->state_at;
}

/*
 * A server that goes says so to its idle connections, and this turn may not
 * have come to that yet. Among busy ones nobody looks: they were just heard.
 */
static bool is_alive(struct backend *b)
{
	if (rested_ms(b) < RESTED_MS)
		return true;
	stream_look(&b->stream);
	if (b->must_close)
		backend_close(b);
	return b->state == BACKEND_IDLE;
}

static struct backend *choose_alive(const struct lease *l)
{
	struct backend *b;

	do {
		b = choose_idle(l);
	} while (b && !is_alive(b));
	return b;
}

static void lend(struct lease *l, struct backend *b)
{
	backend_enter(b, BACKEND_LEASED);
	b->last_session = l->session;
	b->n_leases++;
}

struct backend *pool_lease(struct lease *l)
{
	struct pool *pool = l->flavour->pool;
	struct backend *b = NULL;

	if (!pool->n_waiting && !pool->is_paused)
		b = choose_alive(l);
	if (b) {
		lend(l, b);
		return b;
	}
	l->since_us = loop_clock_us();
	list_push_back(&pool->waiting, &l->link);
	pool->n_waiting++;
	pool_touch(pool);
	return NULL;
}

static void dequeue(struct lease *l)
{
	list_remove(&l->link);
	l->flavour->pool->n_waiting--;
}

bool pool_lease_apart(struct lease *l, struct fault *f)
{
	struct pool *pool = l->flavour->pool;
	struct pools *pools = pool->pools;
	uint32_t max = (uint32_t)pools->config->max_server_connections;

	if (page_permit_take(pools->page, pools->worker, -1, 0, max) !=
		PAGE_TAKEN) {
		fault_set(f, FAULT_BUSY, "all %u server connections are in use",
			max);
		fault_hint(f,
			"HOWDAH_MAX_SERVER_CONNECTIONS sets how many there may be.");
		return false;
	}
	l->apart = backend_create(l->flavour, false);
	l->apart->is_apart = true;
	l->apart->must_close = true;
	l->apart->apart = l;
	login_start(l->apart);
	return true;
}

static void apart_done(struct backend *b, const struct lease_error *error)
{
	struct lease *l = b->apart;

	b->apart = NULL;
	l->apart = NULL;
	if (error)
		backend_close(b);
	else
		lend(l, b);
	l->done(l, error ? NULL : b, error);
}

void lease_cancel(struct lease *l)
{
	if (l->apart) {
		struct backend *b = l->apart;

		l->apart = NULL;
		b->apart = NULL;
		backend_close(b);
	}
	if (!list_linked(&l->link))
		return;
	dequeue(l);
	pool_touch(l->flavour->pool);
}

/* ---- opening ---------------------------------------------------------- */

static uint32_t pool_count_state(struct pool *pool, enum backend_state state)
{
	uint32_t n = 0;

	table_each (node, &pool->flavours)
		n += container_of(node, struct flavour, node)
			     ->n_backends[state];
	return n;
}

/* The longest idle backend of another flavour, to make room. */
static struct backend *idle_of_other(struct pool *pool, struct flavour *but)
{
	struct backend *oldest = NULL;

	table_each (node, &pool->flavours) {
		struct flavour *f = container_of(node, struct flavour, node);
		struct backend *b;

		if (f == but || list_empty(&f->backends[BACKEND_IDLE]))
			continue;
		b = list_entry(
			f->backends[BACKEND_IDLE].prev, struct backend, link);
		if (!oldest || b->state_at < oldest->state_at)
			oldest = b;
	}
	return oldest;
}

static struct backend *idle_of_other_pool(struct pool *but)
{
	table_each (node, &but->pools->pools) {
		struct pool *pool = container_of(node, struct pool, node);
		struct backend *b =
			pool == but ? NULL : idle_of_other(pool, NULL);

		if (b && !pool->n_waiting)
			return b;
	}
	return NULL;
}

/* What those do who have this worker's backends. */
struct holders {
	uint32_t n_running;
	uint32_t n_transactions; /* idle in one */
	uint32_t n_held;	 /* for session state */
};

static struct holders pool_holders(struct pool *pool)
{
	struct holders h = { 0 };

	table_each (node, &pool->flavours) {
		struct flavour *f = container_of(node, struct flavour, node);

		list_each (at, &f->backends[BACKEND_LEASED]) {
			struct backend *b =
				list_entry(at, struct backend, link);

			h.n_running += b->replies.len != 0;
			h.n_transactions += !b->replies.len && b->tx != 'I';
			h.n_held += !b->replies.len && b->tx == 'I';
		}
	}
	return h;
}

/* For whoever waits, here or in another worker. */
static void tell_stuck(struct pool *pool)
{
	struct pools *pools = pool->pools;
	struct holders h;

	if (!pool->n_waiting &&
		!page_waiting_elsewhere(pools->page, pools->worker, pool->slot))
		return;
	h = pool_holders(pool);
	page_stuck_set(pools->page, pools->worker, pool->slot,
		h.n_transactions + h.n_held);
}

static bool take_permit(struct pool *pool, struct flavour *f, bool is_reserve)
{
	struct pools *pools = pool->pools;
	const struct config *c = pools->config;
	uint32_t size = (uint32_t)(is_reserve ? c->max_server_connections
					      : c->pool_size);
	struct backend *victim;

	switch (page_permit_take(pools->page, pools->worker, (int)pool->slot,
		size, (uint32_t)c->max_server_connections)) {
	case PAGE_TAKEN:
		return true;
	case PAGE_POOL_FULL:
		victim = idle_of_other(pool, f);
		break;
	default:
		victim = idle_of_other(pool, f);
		if (!victim)
			victim = idle_of_other_pool(pool);
		break;
	}
	/* Its permit is free now; the next round takes it. */
	if (victim)
		backend_close(victim);
	return false;
}

static void open_one(struct flavour *f, bool is_reserve)
{
	struct backend *b = backend_create(f, is_reserve);

	if (is_reserve) {
		metrics_inc(&f->pool->pools->metrics, METRIC_reserve_opened);
		log_warn(&f->pool->log, "pool.reserve",
			"%s/%s: every backend is idle in a transaction or pinned while %u clients wait; opening a reserve",
			f->pool->database, f->pool->user, f->pool->n_waiting);
	}
	login_start(b);
}

/* Opens what the queue needs, a few at once. */
static void open_needed(struct pool *pool)
{
	uint64_t now = loop_now(pool->pools->loop);
	uint32_t n_opening = pool_count_state(pool, BACKEND_LOGIN);

	if (now < pool->retry_at || pool->pools->is_closing || pool->is_paused)
		return;
	list_each (node, &pool->waiting) {
		struct lease *l = list_entry(node, struct lease, link);

		if (l->flavour->n_backends[BACKEND_LOGIN] >= pool->n_waiting ||
			n_opening >= CONNECTS_AT_ONCE)
			return;
		if (!take_permit(pool, l->flavour, false))
			return;
		open_one(l->flavour, false);
		n_opening++;
	}
}

static void open_reserve(struct pool *pool, uint64_t now)
{
	struct list *first = list_first(&pool->waiting);
	struct lease *l;

	if (!first || pool->is_paused || now < pool->retry_at ||
		!page_pool_is_stuck(pool->pools->page, pool->slot))
		return;
	l = list_entry(first, struct lease, link);
	if (loop_clock_us() - l->since_us < RESERVE_AFTER_MS * 1000)
		return;
	if (take_permit(pool, l->flavour, true))
		open_one(l->flavour, true);
}

/* ---- handing over ----------------------------------------------------- */

static struct lease *next_served(struct pool *pool, struct backend **ret_b)
{
	list_each (node, &pool->waiting) {
		struct lease *l = list_entry(node, struct lease, link);
		struct backend *b = choose_alive(l);

		if (b) {
			*ret_b = b;
			return l;
		}
	}
	return NULL;
}

static void count_wait(struct pool *pool, const struct lease *l)
{
	struct metrics *metrics = &pool->pools->metrics;
	uint64_t us = loop_clock_us() - l->since_us;

	pool->counts.wait_us += us;
	metrics_inc(metrics, METRIC_waits);
	metrics_add(metrics, METRIC_wait_time, us);
}

static void hand_over(struct pool *pool)
{
	struct backend *b;
	struct lease *l;

	while (!pool->is_paused && pool->n_waiting &&
		pool_count_state(pool, BACKEND_IDLE) &&
		(l = next_served(pool, &b))) {
		dequeue(l);
		count_wait(pool, l);
		lend(l, b);
		l->done(l, b, NULL);
	}
}

/* With one backend left to get, scattering gives way. */
static void hand_over_scattered(struct pool *pool)
{
	struct list *first = list_first(&pool->waiting);
	struct lease *l;
	struct list *idle;

	if (!first || !pool->pools->config->test_scatter)
		return;
	l = list_entry(first, struct lease, link);
	idle = list_first(&l->flavour->backends[BACKEND_IDLE]);
	if (!idle || l->flavour->n_backends[BACKEND_LOGIN] ||
		!is_alive(list_entry(idle, struct backend, link)))
		return;
	dequeue(l);
	lend(l, list_entry(idle, struct backend, link));
	l->done(l, list_entry(idle, struct backend, link), NULL);
}

/* ---- between workers -------------------------------------------------- */

static uint32_t fair_share(const struct pools *pools)
{
	uint32_t n = page_workers(pools->page);

	return (uint32_t)MAX(1, pools->config->pool_size / n);
}

static uint32_t pool_held(struct pool *pool)
{
	uint32_t n = 0;

	for (int state = 0; state < BACKEND_CLOSING; state++)
		n += pool_count_state(pool, (enum backend_state)state);
	return n;
}

/* Asks the others when this worker has less than its share of the pool. Who
 * is at work looks by himself; the bell is for those who sleep. */
static void ask_others(struct pool *pool)
{
	struct pools *pools = pool->pools;
	uint64_t now = loop_now(pools->loop);
	uint32_t n = 0;

	if (pool->n_waiting && pool_held(pool) < fair_share(pools))
		n = MIN(pool->n_waiting, fair_share(pools) - pool_held(pool));
	else if (pool->n_waiting)
		n = 1; /* for what is idle elsewhere */
	page_waiting_set(pools->page, pools->worker, pool->slot, n);
	if (!n || pool_count_state(pool, BACKEND_LOGIN) ||
		now - pool->rung_at < RING_MS)
		return;
	pool->rung_at = now;
	page_ring_others(pools->page, pools->worker);
}

/*
 * Gives up what idles here while others wait: at once what is more than this
 * worker's share, and of its share what nobody has needed for a while. (To
 * open a connection costs a hundred statements: one that is idle for a moment
 * only must not wander to and fro.)
 */
static void give_to_others(struct pool *pool)
{
	struct pools *pools = pool->pools;
	struct backend *b;

	if (!page_waiting_elsewhere(pools->page, pools->worker, pool->slot))
		return;
	b = idle_of_other(pool, NULL);
	if (!b || (pool_held(pool) <= fair_share(pools) &&
			  (pool->n_waiting || rested_ms(b) < SURPLUS_MS)))
		return;
	backend_close(b);
}

void pool_balance(struct pool *pool)
{
	if (page_waiting_anywhere(pool->pools->page, pool->pools->worker))
		give_to_others(pool);
	hand_over(pool);
	if (!pool->n_waiting) {
		page_waiting_set(
			pool->pools->page, pool->pools->worker, pool->slot, 0);
		return;
	}
	open_needed(pool);
	hand_over_scattered(pool);
	ask_others(pool);
}

/* ---- coming and going ------------------------------------------------- */

static void fail_lease(struct lease *l, const struct lease_error *error)
{
	dequeue(l);
	l->done(l, NULL, error);
}

void pool_opened(struct backend *b)
{
	struct pool *pool = b->pool;

	pool->is_proven = true;
	if (b->apart) {
		apart_done(b, NULL);
		return;
	}
	pool->backoff_ms = BACKOFF_FIRST_MS;
	pool->retry_at = 0;
	pool_release(b);
}

/* The server is not there, not ready, full or out of its mind: it may be well
 * later. Any other refusal would be the same again. */
static bool is_final(struct slice sqlstate)
{
	static const char *const passing[] = { "08", "53", "57P" };

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		if (slice_starts_with(sqlstate, slice_str(passing[i])))
			return false;
	return true;
}

static void fail_flavour(struct flavour *f, const struct lease_error *error)
{
	list_each_safe (node, &f->pool->waiting) {
		struct lease *l = list_entry(node, struct lease, link);

		if (l->flavour == f)
			fail_lease(l, error);
	}
}

static void back_off(struct pool *pool, uint64_t now)
{
	uint64_t jitter = loop_clock_us() % (pool->backoff_ms / 2 + 1);

	pool->host = (pool->host + 1) % pool->pools->upstream->n_hosts;
	pool->retry_at = now + pool->backoff_ms + jitter;
	pool->backoff_ms = MIN(pool->backoff_ms * 2, BACKOFF_MAX_MS);
}

void pool_open_failed(
	struct backend *b, struct slice raw, const struct fault *f)
{
	struct lease_error error = { .raw = raw, .fault = *f };
	struct slice sqlstate =
		raw.len ? pg_error_field(raw, 'C')
			: slice_str(fault_row(f->code)->sqlstate);
	struct slice text = pg_error_field(raw, 'M');
	struct flavour *flavour = flavour_ref(b->flavour);
	struct pool *pool = b->pool;
	uint32_t held;

	metrics_inc(&pool->pools->metrics, METRIC_server_failures);
	if (b->apart) {
		apart_done(b, &error);
		flavour_unref(flavour);
		return;
	}
	if (raw.len)
		fault_set(&pool->trouble, FAULT_NOT_READY, "%.*s",
			(int)MIN(text.len, 200), text.data);
	else
		pool->trouble = *f;
	if (log_limit_pass(&pool->log_trouble, 1, &held))
		log_warn(&pool->log, "backend.refused", "%s/%s: %s",
			pool->database, pool->user, pool->trouble.text);
	if (is_final(sqlstate))
		fail_flavour(flavour, &error);
	else
		back_off(pool, loop_now(pool->pools->loop));
	backend_close(b);
	flavour_unref(flavour);
}

void pool_release(struct backend *b)
{
	check(!b->replies.len && b->tx == 'I');
	b->ops = &idle_ops;
	b->tenant = NULL;
	if (b->must_close || (b->is_reserve && !b->pool->n_waiting)) {
		backend_close(b);
		return;
	}
	if (!list_empty(&b->cancels)) {
		backend_enter(b, BACKEND_SETTLING);
		return;
	}
	if (risks_are_wanted(b->pool)) {
		risks_look(b);
		return;
	}
	backend_enter(b, BACKEND_IDLE);
	if (b->pool->n_waiting ||
		page_waiting_anywhere(b->pools->page, b->pools->worker))
		pool_touch(b->pool);
}

/* ---- time ------------------------------------------------------------- */

/* Waited too long: what those do who have the server connections. */
static void wait_fault(struct pool *pool, struct fault *f)
{
	const struct config *c = pool->pools->config;
	struct holders h = pool_holders(pool);

	fault_set(f, FAULT_BUSY,
		"no server connection of the pool %.60s/%.60s became free within %llu ms (query_wait_timeout)",
		pool->database, pool->user,
		(unsigned long long)c->query_wait_timeout);
	fault_detail(f,
		"Of the %u that this worker has, %u run statements, %u are idle in transactions, %u are held for session state.",
		pool_held(pool), h.n_running, h.n_transactions, h.n_held);
	fault_hint(f,
		"HOWDAH_POOL_SIZE sets how many a pool has; SHOW CLIENTS tells who has them.");
}

static void time_out_waiting(struct pool *pool, uint64_t now_us)
{
	const struct config *c = pool->pools->config;
	struct lease_error error = { 0 };
	struct list *node;

	while (c->query_wait_timeout && (node = list_first(&pool->waiting))) {
		struct lease *l = list_entry(node, struct lease, link);

		if (now_us - l->since_us < c->query_wait_timeout * 1000)
			return;
		if (pool->retry_at)
			error.fault = pool->trouble;
		else
			wait_fault(pool, &error.fault);
		metrics_inc(&pool->pools->metrics, METRIC_wait_timeouts);
		fail_lease(l, &error);
	}
}

static void retire_idle(struct flavour *f, uint64_t now)
{
	const struct config *c = f->pool->pools->config;

	list_each_safe (node, &f->backends[BACKEND_IDLE]) {
		struct backend *b = list_entry(node, struct backend, link);
		bool is_old = b->close_at && now >= b->close_at;
		bool is_unused = c->server_idle_timeout &&
				 now - b->state_at >= c->server_idle_timeout;

		if (is_old || is_unused || b->must_close)
			backend_close(b);
	}
	list_each_safe (node, &f->backends[BACKEND_CLEANING]) {
		struct backend *b = list_entry(node, struct backend, link);
		uint64_t limit =
			risks_are_looked_at(b) ? LOOKING_MS : CLEANING_MS;

		if (now - b->state_at >= limit)
			backend_close(b);
	}
}

void pool_tick(struct pool *pool, uint64_t now)
{
	table_each (node, &pool->flavours)
		retire_idle(container_of(node, struct flavour, node), now);
	time_out_waiting(pool, loop_clock_us());
	pool_count_period(pool, now);
	tell_stuck(pool);
	open_reserve(pool, now);
	if (pool->n_waiting || page_waiting_elsewhere(pool->pools->page,
				       pool->pools->worker, pool->slot))
		pool_touch(pool);
}
