/*
 * Pools and flavours: who exists, who comes and who goes. What happens
 * between a queue and its backends is in balance.c.
 */
#include "pool/pool_priv.h"

#include <errno.h>
#include <stdlib.h>

/* ---- flavours --------------------------------------------------------- */

static bool flavour_equal(const struct table_node *node, const void *key)
{
	const struct flavour *f = container_of(node, struct flavour, node);

	return slice_equal(buf_slice(&f->params), *(const struct slice *)key);
}

static struct flavour *flavour_create(struct pool *pool, struct slice params)
{
	struct flavour *f = xnew(struct flavour);

	f->pool = pool;
	buf_append_slice(&f->params, params);
	for (size_t i = 0; i < BACKEND_STATES; i++)
		list_init(&f->backends[i]);
	table_init(&f->statements);
	table_add(&pool->flavours,
		table_hash(&pool->flavours, params.data, params.len), &f->node);
	return f;
}

struct flavour *flavour_ref(struct flavour *f)
{
	f->n_refs++;
	return f;
}

/* The pool outlives its flavours. */
void flavour_unref(struct flavour *f)
{
	if (!f || --f->n_refs)
		return;
	table_remove(&f->pool->flavours, &f->node);
	table_deinit(&f->statements);
	buf_deinit(&f->params);
	buf_deinit(&f->greeting);
	free(f);
}

struct slice flavour_greeting(const struct flavour *f)
{
	return buf_slice(&f->greeting);
}

struct pools *flavour_pools(const struct flavour *f)
{
	return f->pool->pools;
}

struct pool *flavour_pool(const struct flavour *f)
{
	return f->pool;
}

struct pool_counts *flavour_counts(struct flavour *f)
{
	return &f->pool->counts;
}

void flavour_count_client(struct flavour *f, int change)
{
	f->pool->n_clients += (uint32_t)change;
}

/* ---- pools ------------------------------------------------------------ */

const char *pool_database(const struct pool *pool)
{
	return pool->database;
}

const char *pool_user(const struct pool *pool)
{
	return pool->user;
}

static bool pool_equal(const struct table_node *node, const void *key)
{
	const struct pool *pool = container_of(node, struct pool, node);
	const struct slice *names = key;

	return slice_is(names[0], pool->database) &&
	       slice_is(names[1], pool->user);
}

static struct pool *pool_create(struct pools *pools, struct slice database,
	struct slice user, uint64_t hash)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	struct pool *pool;
	unsigned slot;

	buf_put_cstr(&key, database);
	buf_put_cstr(&key, user);
	if (page_pool_enter(pools->page, pools->worker,
		    page_hash(pools->page, buf_slice(&key)), &slot) < 0)
		return NULL;
	pool = xnew(struct pool);
	pool->pools = pools;
	pool->slot = slot;
	pool->log = (struct log_scope){ "pool", slot };
	pool->database = slice_dup(database);
	pool->user = slice_dup(user);
	pool->secret = secret_get(pools, user);
	pool->host = server_first_host(pools->server);
	pool->backoff_ms = BACKOFF_FIRST_MS;
	pool->older_at = loop_now(pools->loop);
	pool->newer_at = pool->older_at;
	pool->is_paused = pools_is_paused(pools, pool->database);
	pool->risks = risks_get(pools, database);
	list_init(&pool->waiting);
	table_init(&pool->flavours);
	table_add(&pools->pools, hash, &pool->node);
	return pool;
}

void pool_destroy(struct pool *pool)
{
	check(!pool->n_waiting && !pool->flavours.len);
	page_pool_leave(pool->pools->page, pool->pools->worker, pool->slot);
	list_remove(&pool->dirty);
	risks_unref(pool->risks);
	table_deinit(&pool->flavours);
	free(pool->database);
	free(pool->user);
	free(pool);
}

/* What kept it from opening backends may be over. */
static void pool_retry(struct pool *pool)
{
	pool->retry_at = 0;
	pool->backoff_ms = BACKOFF_FIRST_MS;
	pool_touch(pool);
}

struct flavour *flavour_get(struct pools *pools, struct slice database,
	struct slice user, struct slice params,
	const struct pool_secret *secret)
{
	struct slice names[] = { database, user };
	uint64_t hash = table_hash(&pools->pools, database.data, database.len);
	struct table_node *node;
	struct pool *pool;

	hash = table_hash_more(&pools->pools, hash, user.data, user.len);
	node = table_find(&pools->pools, hash, pool_equal, names);
	pool = node ? container_of(node, struct pool, node)
		    : pool_create(pools, database, user, hash);
	if (!pool)
		return NULL;
	if (secret && secret_set(pool->secret, secret))
		pool_retry(pool);
	hash = table_hash(&pool->flavours, params.data, params.len);
	node = table_find(&pool->flavours, hash, flavour_equal, &params);
	return flavour_ref(node ? container_of(node, struct flavour, node)
				: flavour_create(pool, params));
}

/* ---- all of them ------------------------------------------------------ */

/* Nobody uses it, and it never was of use: anybody can ask for a database
 * that does not exist. The others are kept for their numbers. */
static struct pool *find_useless(struct pools *pools)
{
	pools_each_pool(pool, pools)
	{
		if (!pool->is_proven && !pool->flavours.len && !pool->n_waiting)
			return pool;
	}
	return NULL;
}

static void on_tick(struct timer *timer)
{
	struct pools *pools = container_of(timer, struct pools, tick);
	uint64_t now = loop_now(pools->loop);
	struct pool *useless;

	pools_each_pool(pool, pools) pool_tick(pool, now);
	while ((useless = find_useless(pools))) {
		table_remove(&pools->pools, &useless->node);
		pool_destroy(useless);
	}
}

static void on_turn(void *owner)
{
	struct pools *pools = owner;
	struct list *node;

	while ((node = list_pop(&pools->dirty)))
		pool_balance(list_entry(node, struct pool, dirty));
}

void pool_touch(struct pool *pool)
{
	if (!list_linked(&pool->dirty))
		list_push_back(&pool->pools->dirty, &pool->dirty);
}

struct pools *pools_create(const struct pools_env *env, struct fault *f)
{
	const struct upstream *up = env->upstream;
	struct pools *pools = xnew(struct pools);

	pools->loop = env->loop;
	pools->page = env->page;
	pools->worker = env->worker;
	pools->config = env->config;
	pools->upstream = up;
	metrics_init(&pools->metrics, env->page, env->worker);
	pools->server = server_create(up, f);
	if (!pools->server) {
		free(pools);
		return NULL;
	}
	table_init(&pools->pools);
	table_init(&pools->secrets);
	table_init(&pools->settings);
	table_init(&pools->risks);
	list_init(&pools->dirty);
	timer_init(&pools->tick, pools->loop, on_tick);
	timer_start(&pools->tick, POOL_TICK_MS, POOL_TICK_MS);
	loop_on_turn(pools->loop, on_turn, pools);
	pools->n_open = 1; /* the timer */
	return pools;
}

static void reload_secrets(
	struct pools *pools, pool_secret_fn *secret_of, void *owner)
{
	table_each (node, &pools->secrets) {
		struct secret *s = container_of(node, struct secret, node);
		struct pool_secret next = { 0 };
		bool is_there = secret_of(owner, slice_str(s->user), &next);

		secret_set(s, is_there ? &next : NULL);
		pool_secret_deinit(&next);
	}
}

void pools_reload(struct pools *pools, const struct config *next,
	pool_secret_fn *secret_of, void *owner)
{
	pools->config = next;
	reload_secrets(pools, secret_of, owner);
	pools_each_pool(pool, pools) pool_retry(pool);
}

void pools_bell(struct pools *pools)
{
	pools_each_pool(pool, pools) pool_touch(pool);
}

void pools_part_closed(struct pools *pools)
{
	if (--pools->n_open == 0 && pools->closed)
		pools->closed(pools->owner);
}

static void on_tick_closed(struct timer *timer)
{
	pools_part_closed(container_of(timer, struct pools, tick));
}

static void flavour_close_backends(struct flavour *f)
{
	for (int state = 0; state < BACKEND_CLOSING; state++) {
		struct list *node;

		while ((node = list_first(&f->backends[state])))
			backend_close(list_entry(node, struct backend, link));
	}
}

void pools_close(struct pools *pools, void (*closed)(void *owner), void *owner)
{
	pools->is_closing = true;
	pools->closed = closed;
	pools->owner = owner;
	pools_each_pool(pool, pools)
	{
		table_each (node, &pool->flavours)
			flavour_close_backends(
				container_of(node, struct flavour, node));
	}
	timer_close(&pools->tick, on_tick_closed);
}

void pools_destroy(struct pools *pools)
{
	struct table_node *node;

	if (!pools)
		return;
	while ((node = table_any(&pools->pools))) {
		table_remove(&pools->pools, node);
		pool_destroy(container_of(node, struct pool, node));
	}
	while ((node = table_any(&pools->secrets))) {
		table_remove(&pools->secrets, node);
		secret_destroy(container_of(node, struct secret, node));
	}
	server_destroy(pools->server);
	table_deinit(&pools->pools);
	table_deinit(&pools->secrets);
	table_deinit(&pools->settings);
	table_deinit(&pools->risks);
	free(pools);
}

/* ---- the operator's commands ------------------------------------------ */

static bool is_of(const struct pool *pool, const char *database)
{
	return !database || !strcmp(pool->database, database);
}

static void flavour_evict(struct flavour *f)
{
	for (int state = 0; state < BACKEND_CLOSING; state++)
		list_each (node, &f->backends[state])
			list_entry(node, struct backend, link)->must_close =
				true;
	for (struct list *node;
		(node = list_first(&f->backends[BACKEND_IDLE]));)
		backend_close(list_entry(node, struct backend, link));
}

void pools_evict(struct pools *pools, const char *database)
{
	risks_forget(pools, database);
	pools_each_pool(pool, pools)
	{
		if (!is_of(pool, database))
			continue;
		table_each (node, &pool->flavours)
			flavour_evict(container_of(node, struct flavour, node));
	}
}

void pools_look_paused(struct pools *pools)
{
	pools_each_pool(pool, pools)
	{
		pool->is_paused = pools_is_paused(pools, pool->database);
		pool_touch(pool);
	}
}

static uint64_t pause_hash(const struct pools *pools, const char *database)
{
	return database ? page_hash(pools->page, slice_str(database))
			: PAGE_ALL_DATABASES;
}

bool pools_is_paused(const struct pools *pools, const char *database)
{
	return page_is_paused(pools->page, PAGE_ALL_DATABASES) ||
	       page_is_paused(pools->page, pause_hash(pools, database));
}

static enum page_pause set_paused(
	struct pools *pools, const char *database, bool is_paused)
{
	enum page_pause outcome = page_pause_set(
		pools->page, pause_hash(pools, database), is_paused);

	pools_look_paused(pools);
	return outcome;
}

enum page_pause pools_pause(struct pools *pools, const char *database)
{
	return set_paused(pools, database, true);
}

enum page_pause pools_resume(struct pools *pools, const char *database)
{
	return set_paused(pools, database, false);
}
