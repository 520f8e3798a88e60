/*
 * One server connection: its state, what it owes, what is prepared on it.
 * Whoever has it (its tenant) sees its bytes; this file only keeps the books.
 */
#include "pool/pool_priv.h"

#include <stdlib.h>

struct prepared {
	struct table_node node;
	struct list lru;
	struct statement *statement; /* ref */
	uint64_t generation;
};

struct backend_row {
	const char *label;
	unsigned next;
};

#define TO(name) BIT(BACKEND_##name)
static const struct backend_row rows[] = {
#define BACKEND_STATE(name, label, next) { label, next },
#include "pool/backend_states.def"
#undef BACKEND_STATE
};

_Static_assert(ARRAY_SIZE(rows) == BACKEND_STATES, "one row per state");

const char *backend_state_name(enum backend_state state)
{
	return rows[state].label;
}

/* Logged in or not, lent or not: what the gauges tell. */
static void count_change(struct backend *b, enum backend_state next)
{
	struct metrics *metrics = &b->pools->metrics;

	if (b->state == BACKEND_LOGIN && next != BACKEND_CLOSING) {
		metrics_inc(metrics, METRIC_server_connects);
		metrics_inc(metrics, METRIC_servers);
	}
	if (b->state != BACKEND_LOGIN && next == BACKEND_CLOSING)
		metrics_dec(metrics, METRIC_servers);
	if (b->state == BACKEND_LEASED)
		metrics_dec(metrics, METRIC_servers_busy);
	if (next == BACKEND_LEASED)
		metrics_inc(metrics, METRIC_servers_busy);
}

/* The one writer of ->state. */
void backend_enter(struct backend *b, enum backend_state state)
{
	check(rows[b->state].next & BIT(state));
	log_debug(&b->log, "backend.enter", "%s", rows[state].label);
	count_change(b, state);
	b->flavour->n_backends[b->state]--;
	b->flavour->n_backends[state]++;
	b->state = state;
	b->state_at = loop_now(b->pools->loop);
	list_remove(&b->link);
	/* The one used last is lent first: it is warm. */
	list_push_front(&b->flavour->backends[state], &b->link);
}

struct backend *backend_create(struct flavour *flavour, bool is_reserve)
{
	struct backend *b = xnew(struct backend);
	struct pools *pools = flavour->pool->pools;

	b->pools = pools;
	b->pool = flavour->pool;
	b->counts = &flavour->pool->counts;
	b->flavour = flavour_ref(flavour);
	b->log = (struct log_scope){ "backend", ++pools->n_ids };
	b->is_reserve = is_reserve;
	b->tx = 'I';
	b->opened_at = loop_now(pools->loop);
	b->state = BACKEND_LOGIN;
	b->state_at = b->opened_at;
	table_init(&b->prepared);
	list_init(&b->prepared_lru);
	list_init(&b->cancels);
	list_init(&b->cancel_waiters);
	list_push_front(&flavour->backends[BACKEND_LOGIN], &b->link);
	flavour->n_backends[BACKEND_LOGIN]++;
	pools->n_open++;
	return b;
}

void backend_lend(
	struct backend *b, const struct backend_ops *ops, void *tenant)
{
	b->ops = ops;
	b->tenant = tenant;
}

/* ---- what it owes ----------------------------------------------------- */

static void replies_grow(struct backend *b)
{
	uint32_t cap = b->replies.cap ? b->replies.cap * 2 : 8;
	struct reply *ring = xcalloc(cap, sizeof(*ring));

	for (uint32_t i = 0; i < b->replies.len; i++)
		ring[i] = *backend_reply(b, i);
	free(b->replies.ring);
	b->replies.ring = ring;
	b->replies.cap = cap;
	b->replies.head = 0;
}

struct reply *backend_expect(
	struct backend *b, enum reply_kind kind, uint8_t flags)
{
	struct reply *r;

	if (b->replies.len == b->replies.cap)
		replies_grow(b);
	b->replies.len++;
	r = backend_reply(b, b->replies.len - 1);
	*r = (struct reply){ .kind = (uint8_t)kind, .flags = flags };
	return r;
}

struct reply *backend_reply(struct backend *b, uint32_t nth)
{
	check(nth < b->replies.len);
	return &b->replies.ring[(b->replies.head + nth) & (b->replies.cap - 1)];
}

void backend_pop(struct backend *b)
{
	check(b->replies.len);
	b->replies.head++;
	b->replies.len--;
}

void backend_unexpect(struct backend *b)
{
	check(b->replies.len);
	b->replies.len--;
}

/* ---- what is prepared on it ------------------------------------------- */

static bool prepared_equal(const struct table_node *node, const void *key)
{
	return container_of(node, struct prepared, node)->statement == key;
}

static uint64_t prepared_hash(
	const struct backend *b, const struct statement *st)
{
	return table_hash(&b->prepared, &st->id, sizeof(st->id));
}

static struct prepared *prepared_find(
	struct backend *b, const struct statement *st)
{
	struct table_node *node = table_find(
		&b->prepared, prepared_hash(b, st), prepared_equal, st);

	return node ? container_of(node, struct prepared, node) : NULL;
}

bool backend_has(
	struct backend *b, const struct statement *st, uint64_t *ret_generation)
{
	struct prepared *p = prepared_find(b, st);

	if (!p)
		return false;
	list_move(&p->lru, &b->prepared_lru);
	*ret_generation = p->generation;
	return true;
}

void backend_prepared(
	struct backend *b, struct statement *st, uint64_t generation)
{
	struct prepared *p = prepared_find(b, st);

	if (!p) {
		p = xnew(struct prepared);
		p->statement = statement_ref(st);
		table_add(&b->prepared, prepared_hash(b, st), &p->node);
	}
	p->generation = generation;
	list_move(&p->lru, &b->prepared_lru);
}

static void prepared_destroy(struct backend *b, struct prepared *p)
{
	table_remove(&b->prepared, &p->node);
	list_remove(&p->lru);
	statement_unref(p->statement);
	free(p);
}

void backend_forget(struct backend *b, const struct statement *st)
{
	struct prepared *p = prepared_find(b, st);

	if (p)
		prepared_destroy(b, p);
}

void backend_forget_all(struct backend *b)
{
	struct table_node *node;

	while ((node = table_any(&b->prepared)))
		prepared_destroy(b, container_of(node, struct prepared, node));
}

struct statement *backend_any_prepared(struct backend *b)
{
	struct list *first = list_first(&b->prepared_lru);

	return first ? list_entry(first, struct prepared, lru)->statement
		     : NULL;
}

struct statement *backend_evictee(struct backend *b)
{
	if (b->prepared.len < b->pools->config->max_prepared)
		return NULL;
	return backend_any_prepared(b);
}

/* ---- its stream ------------------------------------------------------- */

static struct backend *of_stream(struct stream *s)
{
	return container_of(s, struct backend, stream);
}

static size_t on_backend_input(struct stream *s, struct slice bytes)
{
	struct backend *b = of_stream(s);
	const struct backend_ops *ops;
	size_t used = 0;

	/* Who has it may change in the middle: the next one reads on. */
	do {
		ops = b->ops;
		used += ops->input(b->tenant, b, slice_from(bytes, used));
	} while (b->ops && b->ops != ops && used < bytes.len);
	return b->ops ? used : bytes.len;
}

/* Only a read gets here: what the server said last was relayed before. */
static void backend_lost(struct backend *b)
{
	const struct backend_ops *ops = b->ops;
	void *tenant = b->tenant;

	if (b->state != BACKEND_LOGIN)
		metrics_inc(&b->pools->metrics, METRIC_server_lost);
	b->must_close = true;
	b->ops = NULL;
	if (ops)
		ops->lost(tenant, b, buf_slice(&b->fatal));
	backend_close(b);
}

static void on_backend_eof(struct stream *s)
{
	backend_lost(of_stream(s));
}

static void on_backend_failed(struct stream *s, int error)
{
	struct backend *b = of_stream(s);

	log_debug(&b->log, "backend.failed", "%s", stream_error_text(s, error));
	b->error = error;
	backend_lost(b);
}

static void on_backend_drained(struct stream *s)
{
	struct backend *b = of_stream(s);

	if (b->ops && b->ops->drained)
		b->ops->drained(b->tenant, b);
}

void backend_free(struct backend *b)
{
	struct pools *pools = b->pools;

	cancel_orphan(b);
	list_remove(&b->link);
	b->flavour->n_backends[b->state]--;
	backend_forget_all(b);
	settings_unref(pools, b->settings);
	for (uint32_t i = 0; i < b->replies.len; i++)
		statement_unref(backend_reply(b, i)->statement);
	free(b->replies.ring);
	buf_deinit(&b->key);
	buf_deinit(&b->fatal);
	buf_deinit(&b->kept);
	table_deinit(&b->prepared);
	flavour_unref(b->flavour);
	free(b);
	pools_part_closed(pools);
}

static void on_backend_closed(struct stream *s)
{
	backend_free(of_stream(s));
}

static void on_backend_secured(struct stream *s)
{
	(void)s; /* login.c goes on with the next bytes */
}

const struct stream_ops backend_stream_ops = {
	.input = on_backend_input,
	.eof = on_backend_eof,
	.failed = on_backend_failed,
	.drained = on_backend_drained,
	.secured = on_backend_secured,
	.closed = on_backend_closed,
};

void backend_close(struct backend *b)
{
	struct pools *pools = b->pools;
	if (b->state == BACKEND_CLOSING)
		return;
	b->ops = NULL;
	b->tenant = NULL;
	backend_enter(b, BACKEND_CLOSING);
	page_permit_give(pools->page, pools->worker,
		b->is_apart ? -1 : (int)b->pool->slot);
	if (page_waiting_anywhere(pools->page, pools->worker))
		page_ring_others(pools->page, pools->worker);
	pool_touch(b->pool);
	risks_orphan(b);
	if (b->login)
		login_abort(b);
	else
		stream_close(&b->stream);
}

/* ---- while nobody has it ---------------------------------------------- */

/* What a server may say of itself while nobody asks; the rest would be taken
 * for an answer to the next one's question. */
static bool idle_message(struct backend *b, char type, struct slice message)
{
	switch (type) {
	case PG_BACK_PARAMETER_STATUS: /* later greetings tell it */
		return greeting_put(&b->flavour->greeting, message) == 0;
	case PG_BACK_NOTICE_RESPONSE:
	case PG_BACK_NOTIFICATION:
		return true;
	case PG_BACK_ERROR_RESPONSE: /* it will close the connection */
		b->must_close = true;
		return true;
	default:
		return false;
	}
}

static void end_nonsense(struct backend *b, char type)
{
	uint32_t held;

	if (log_limit_pass(&b->pool->log_trouble, 1, &held))
		log_warn(&b->log, "backend.nonsense",
			"it says %c while nobody asks it; closed",
			type > ' ' && type < 0x7f ? type : '?');
	backend_close(b);
}

static size_t on_idle_input(void *tenant, struct backend *b, struct slice bytes)
{
	size_t used = 0;

	(void)tenant;
	while (used < bytes.len) {
		struct slice rest = slice_from(bytes, used);
		struct pg_head head = { .type = rest.data[0] };
		enum pg_head_result r = pg_head_parse(rest, &head);
		size_t whole = PG_HEAD + (size_t)head.len;

		if (r == PG_HEAD_MORE ||
			(r == PG_HEAD_OK && whole <= STREAM_READ_MAX &&
				rest.len < whole))
			break;
		if (r == PG_HEAD_BAD || whole > STREAM_READ_MAX ||
			!idle_message(
				b, head.type, slice_of(rest.data, whole))) {
			end_nonsense(b, head.type);
			return bytes.len;
		}
		used += whole;
	}
	return used;
}

static void on_idle_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)tenant;
	(void)error;
	log_info(&b->log, "backend.lost", "while it was idle");
}

const struct backend_ops idle_ops = {
	.input = on_idle_input,
	.lost = on_idle_lost,
};
