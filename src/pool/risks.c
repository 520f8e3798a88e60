/*
 * Looking at a database for code that its statements run unseen.
 *
 * For each database there is one set of names (struct sql_risks), shared by
 * its pools. A backend that comes back asks proto/risks.sql for it before
 * anybody else gets that backend: when the database is new, when this gateway
 * has seen code of it change, and now and then for changes nobody told of.
 *
 *     unknown ──look──► known ──DDL seen──► stale ──look──► known
 *                         └───time──look──────┘
 *
 * While it is unknown or stale, and when the look fails, every statement is
 * taken for one that runs such code: what is left behind is looked for.
 */
#include "pool/pool_priv.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	LOOK_AGAIN_MS = 1000, /* after one that failed; doubled every time */
	LOOK_AGAIN_MAX_MS = 60 * 1000,
	/* How many times as long as a look took nothing is looked at again:
	 * after DDL, and otherwise. */
	LOOK_REST = 3,
	LOOK_REST_LONG = 200,
	VERSION_FIRST = 2,
	VERSION_STALE = 1, /* added: versions are even */
};

struct risks {
	struct table_node node; /* in pools */
	struct pools *pools;	/* borrowed */
	uint32_t n_refs;	/* pools */
	struct log_scope log;
	char *database;
	uint64_t hash;
	/* What is known. */
	struct sql_risks *set; /* ref; NULL: nothing is risky */
	struct buf settings;
	uint64_t generation; /* of the code in the page */
	uint32_t version;
	bool is_known;
	uint32_t n_failures; /* since a look succeeded */
	uint32_t n_lost;     /* the same, without a word of the server's */
	/* When it will be looked at again: after DDL, and anyhow. */
	uint64_t stale_at;
	uint64_t again_at;
	/* The look under way. */
	struct backend *backend; /* NULL: there is none */
	struct graph *graph;
	uint64_t graph_generation;
	uint64_t began_at;
	bool is_broken;
};

/* ---- life ------------------------------------------------------------- */

static bool risks_is_of(const struct table_node *node, const void *key)
{
	return slice_is(*(const struct slice *)key,
		container_of(node, struct risks, node)->database);
}

struct risks *risks_get(struct pools *pools, struct slice database)
{
	struct table *t = &pools->risks;
	uint64_t hash = table_hash(t, database.data, database.len);
	struct table_node *node = table_find(t, hash, risks_is_of, &database);
	struct risks *r;

	if (node) {
		r = container_of(node, struct risks, node);
		r->n_refs++;
		return r;
	}
	r = xnew(struct risks);
	r->n_refs = 1;
	r->pools = pools;
	r->log = (struct log_scope){ "database", ++pools->n_ids };
	r->database = slice_dup(database);
	r->hash = page_hash(pools->page, database);
	r->version = VERSION_FIRST;
	table_add(t, hash, &r->node);
	return r;
}

void risks_unref(struct risks *r)
{
	if (--r->n_refs)
		return;
	table_remove(&r->pools->risks, &r->node);
	sql_risks_unref(r->set);
	buf_deinit(&r->settings);
	graph_destroy(r->graph);
	free(r->database);
	free(r);
}

/* ---- what is known ---------------------------------------------------- */

static bool is_fresh(const struct risks *r)
{
	return r->is_known &&
	       page_code_generation(r->pools->page, r->hash) == r->generation;
}

struct pool_code pool_code(const struct pool *pool)
{
	const struct risks *r = pool->risks;
	struct pool_code code = {
		.risks = r->set,
		.version = r->version,
		.generation = page_code_generation(r->pools->page, r->hash),
	};

	if (r->n_failures)
		code.always = SQL_HIDDEN | SQL_WRITES;
	else if (!is_fresh(r))
		code.always = SQL_HIDDEN;
	if (!is_fresh(r))
		code.version |= VERSION_STALE;
	return code;
}

void pool_code_changed(struct pool *pool)
{
	page_code_seen(pool->pools->page, pool->risks->hash);
}

struct slice pool_settings(const struct pool *pool)
{
	return buf_slice(&pool->risks->settings);
}

void risks_forget(struct pools *pools, const char *database)
{
	table_each (node, &pools->risks) {
		struct risks *r = container_of(node, struct risks, node);

		if (!database || !strcmp(r->database, database))
			r->is_known = false;
	}
}

/* ---- the end of a look ------------------------------------------------ */

static void look_over(struct risks *r)
{
	graph_destroy(r->graph);
	r->graph = NULL;
	r->backend = NULL;
	r->is_broken = false;
}

static void plan_next(struct risks *r, uint64_t now)
{
	uint64_t took = now - r->began_at;
	uint64_t every = r->pools->config->test_look_every;

	r->stale_at = now + took * LOOK_REST;
	r->again_at = now + MAX(every, took * LOOK_REST_LONG);
}

static void try_again(struct risks *r, uint32_t n_times)
{
	uint64_t wait = (uint64_t)LOOK_AGAIN_MS << MIN(n_times, 10);

	r->again_at = loop_now(r->pools->loop) + MIN(wait, LOOK_AGAIN_MAX_MS);
	r->stale_at = r->again_at;
	metrics_inc(&r->pools->metrics, METRIC_look_failures);
	look_over(r);
}

static void look_failed(struct risks *r, struct slice why)
{
	if (!r->n_failures)
		log_warn(&r->log, "database.code",
			"%s: what its functions do cannot be found out, so every statement is taken for one that may change a session: %.*s",
			r->database, (int)MIN(why.len, 200), why.data);
	if (!r->n_failures++)
		r->version += 2;
	r->is_known = true;
	r->generation = r->graph_generation;
	try_again(r, r->n_failures - 1);
}

/* The server goes away: what is known stays so. But should it be the look
 * that ends it, do not look too often. */
static void look_lost(struct risks *r)
{
	log_debug(&r->log, "database.code", "%s: the look was cut short",
		r->database);
	try_again(r, r->n_lost++);
}

static void tell(const struct risks *r, size_t n_before)
{
	size_t n = r->set ? sql_risks_count(r->set) : 0;

	if (r->set && sql_risks_always(r->set))
		log_info(&r->log, "database.code",
			"%s: an operator, a cast or a type runs code that may change a session, so every statement may",
			r->database);
	else if (n || n_before)
		log_info(&r->log, "database.code",
			"%s: %zu names run code that may change a session",
			r->database, n);
}

static bool is_same(const struct sql_risks *a, const struct sql_risks *b)
{
	return a == b || (a && b && sql_risks_equal(a, b));
}

static void look_done(struct risks *r)
{
	struct sql_risks *set = graph_risks(r->graph);
	bool was_known = r->is_known && !r->n_failures;
	size_t n_before;

	if (sql_risks_are_none(set)) {
		sql_risks_unref(set);
		set = NULL;
	}
	buf_deinit(&r->settings);
	buf_append_slice(&r->settings, graph_settings(r->graph));
	r->generation = r->graph_generation;
	r->is_known = true;
	r->n_failures = 0;
	r->n_lost = 0;
	metrics_inc(&r->pools->metrics, METRIC_looks);
	plan_next(r, loop_now(r->pools->loop));
	look_over(r);
	if (was_known && is_same(set, r->set)) {
		sql_risks_unref(set);
		return;
	}
	n_before = r->set ? sql_risks_count(r->set) : 0;
	r->version += 2;
	sql_risks_unref(r->set);
	r->set = set;
	tell(r, n_before);
}

/* ---- a look ----------------------------------------------------------- */

/* False: the backend is not ours any more. */
static bool look_message(
	struct risks *r, struct backend *b, char type, struct slice body)
{
	struct slice text = pg_error_field(body, 'M');

	switch (type) {
	case PG_BACK_DATA_ROW:
		if (!r->is_broken && !graph_add(r->graph, body))
			r->is_broken = true;
		return true;
	case PG_BACK_ERROR_RESPONSE:
		look_failed(r, text);
		r->backend = b; /* until it is ready again */
		return true;
	case PG_BACK_READY_FOR_QUERY:
		if (!r->graph)
			look_over(r);
		else if (r->is_broken)
			look_failed(r, SLICE("there is too much of them"));
		else
			look_done(r);
		pool_release(b);
		return false;
	default:
		return true;
	}
}

static size_t on_look_input(void *tenant, struct backend *b, struct slice bytes)
{
	struct risks *r = tenant;
	struct pg_head head;
	size_t used = 0;

	for (;;) {
		struct slice rest = slice_from(bytes, used);
		size_t whole;

		if (pg_head_parse(rest, &head) != PG_HEAD_OK)
			return used;
		whole = PG_HEAD + (size_t)head.len;
		if (whole > STREAM_READ_MAX) {
			backend_close(b);
			return bytes.len;
		}
		if (rest.len < whole)
			return used;
		used += whole;
		if (!look_message(r, b, head.type,
			    slice_of(rest.data + PG_HEAD, head.len)))
			return used;
	}
}

static void on_look_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)tenant;
	(void)b;
	(void)error; /* risks_orphan() follows */
}

static const struct backend_ops look_ops = {
	.input = on_look_input,
	.lost = on_look_lost,
};

bool risks_are_wanted(const struct pool *pool)
{
	const struct risks *r = pool->risks;
	uint64_t now = loop_now(r->pools->loop);

	if (r->backend || r->pools->is_closing)
		return false;
	return now >= r->again_at || (!is_fresh(r) && now >= r->stale_at);
}

void risks_look(struct backend *b)
{
	struct risks *r = b->pool->risks;
	CLEANUP(buf_deinit) struct buf message = { 0 };

	r->backend = b;
	r->graph = graph_create();
	r->graph_generation = page_code_generation(r->pools->page, r->hash);
	r->began_at = loop_now(r->pools->loop);
	backend_enter(b, BACKEND_CLEANING);
	backend_lend(b, &look_ops, r);
	b->unnamed_owner = 0;
	pg_put_query(&message, slice_str(risks_sql));
	stream_write_slice(&b->stream, buf_slice(&message));
}

bool risks_are_looked_at(const struct backend *b)
{
	return b->pool->risks->backend == b;
}

void risks_orphan(struct backend *b)
{
	struct risks *r = b->pool->risks;

	if (r->backend != b)
		return;
	if (r->graph && !r->pools->is_closing)
		look_lost(r);
	look_over(r);
}
