/*
 * Asking all workers.
 *
 *     console ──ADMIN_ASK (id, source, cursor, database)──► other doors
 *             ◄─ADMIN_ROW (id, page)──
 *             ◄─ADMIN_DONE (id, where to go on, 0 at the end)──
 *
 * A worker answers each question with one page at most and remembers
 * nothing; who wants more asks again. So what is on its way is bounded by a
 * page for each worker, and a client that reads slowly slows nobody else.
 */
#include <stdlib.h>

#include "session/console.h"

/* ---- records ---------------------------------------------------------- */

static bool record_equal(const struct table_node *node, const void *key)
{
	const struct record *r = container_of(node, struct record, node);

	return slice_equal(
		slice_of(r->key, r->key_len), *(const struct slice *)key);
}

/* Takes the record. */
static void record_add(struct table *records, struct record *r)
{
	struct slice key = slice_of(r->key, r->key_len);
	uint64_t hash = table_hash(records, key.data, key.len);
	struct table_node *node = table_find(records, hash, record_equal, &key);
	struct record *all;

	if (!node) {
		table_add(records, hash, &r->node);
		return;
	}
	all = container_of(node, struct record, node);
	for (size_t i = 0; i < RECORD_SUMS; i++)
		all->sums[i] += r->sums[i];
	for (size_t i = 0; i < RECORD_MAXES; i++)
		all->maxes[i] = MAX(all->maxes[i], r->maxes[i]);
	free(r);
}

static void add_page(struct console *c, struct slice page)
{
	struct reader r = reader_of(page);

	while (reader_left(&r)) {
		struct record *record = record_read(&r);

		check(record);
		record_add(&c->gather.records, record);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a;
	const struct record *y = *(struct record *const *)b;

	return slice_order(
		slice_of(x->key, x->key_len), slice_of(y->key, y->key_len));
}

struct record **gather_sorted(struct console *c, size_t *ret_n)
{
	struct record **all = xcalloc(c->gather.records.len + 1, sizeof(*all));
	size_t n = 0;

	table_each (node, &c->gather.records)
		all[n++] = container_of(node, struct record, node);
	qsort(all, n, sizeof(*all), by_key);
	*ret_n = n;
	return all;
}

void gather_clear(struct console *c)
{
	struct gather *g = &c->gather;
	struct table_node *node;

	while ((node = table_any(&g->records))) {
		table_remove(&g->records, node);
		free(container_of(node, struct record, node));
	}
	table_deinit(&g->records);
	table_init(&g->records);
	g->id = 0;
	g->pending = 0;
	g->late = 0;
}

/* ---- asking ----------------------------------------------------------- */

static void put_question(struct console *c, int worker, uint64_t id,
	enum admin_source source, uint64_t cursor)
{
	struct door *door = c->door;
	CLEANUP(buf_deinit) struct buf payload = { 0 };

	buf_put_u64(&payload, id);
	buf_put_u8(&payload, (uint8_t)source);
	buf_put_u64(&payload, cursor);
	if (c->command.argument)
		buf_append_str(&payload, c->command.argument);
	door->env.send(door->env.owner, worker, CONTROL_ADMIN_ASK,
		buf_slice(&payload));
}

static void ask(struct console *c, int worker, uint64_t cursor)
{
	put_question(c, worker, c->gather.id, c->gather.source, cursor);
}

/* Under a number that no console has. */
void gather_tell(struct console *c, enum admin_source source)
{
	put_question(c, MAIL_OTHERS, ++c->door->n_ids, source, 0);
}

static void open_question(struct console *c, enum admin_source source)
{
	struct gather *g = &c->gather;

	gather_clear(c);
	g->id = ++c->door->n_ids;
	g->source = source;
	g->give_up_at = loop_now(c->door->loop) + GATHER_MS;
}

void gather_begin(struct console *c, enum admin_source source)
{
	struct gather *g = &c->gather;
	unsigned n = page_workers(c->door->page);

	open_question(c, source);
	g->is_page = false;
	g->is_own_done = false;
	g->own_cursor = 0;
	g->pending = (n == 64 ? 0 : UINT64_C(1) << n) - 1;
	g->pending &= ~(UINT64_C(1) << c->door->worker);
	if (g->pending)
		ask(c, MAIL_OTHERS, 0);
	console_wait(c, 0);
}

void gather_page(struct console *c, enum admin_source source)
{
	open_question(c, source);
	c->gather.is_page = true;
	c->gather.is_own_done = true;
	c->gather.pending = UINT64_C(1) << c->worker;
	ask(c, (int)c->worker, c->cursor);
	console_wait(c, GATHER_MS);
}

/* ---- answers ---------------------------------------------------------- */

static void settle(struct console *c)
{
	if (c->gather.pending || !c->gather.is_own_done)
		return;
	c->gather.id = 0;
	console_step(c);
}

static void own_page(struct console *c)
{
	struct gather *g = &c->gather;
	CLEANUP(buf_deinit) struct buf page = { 0 };

	g->own_cursor = source_run(
		g->source, c->door, c->command.argument, g->own_cursor, &page);
	add_page(c, buf_slice(&page));
	g->is_own_done = !g->own_cursor;
}

/* The rows of this one are over. */
static void next_worker(struct console *c)
{
	c->worker++;
	c->cursor = 0;
}

void gather_tick(struct console *c)
{
	struct gather *g = &c->gather;
	uint64_t now = loop_now(c->door->loop);

	if (!g->is_own_done) {
		own_page(c);
		if (!g->is_own_done)
			console_wait(c, 0);
		else if (now < g->give_up_at)
			console_wait(c, g->give_up_at - now);
		settle(c);
		return;
	}
	if (now >= g->give_up_at) {
		g->late = g->pending;
		g->pending = 0;
		if (g->is_page)
			next_worker(c);
	} else {
		console_wait(c, g->give_up_at - now);
	}
	settle(c);
}

void gather_tell_late(struct console *c)
{
	struct gather *g = &c->gather;

	for (unsigned i = 0; i < PAGE_WORKERS_MAX; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (!(g->late & bit) || g->told & bit)
			continue;
		g->told |= bit;
		console_notice(c, "worker %u has not answered within %d s", i,
			GATHER_MS / 1000);
	}
}

static void on_answered(struct console *c, unsigned worker, uint64_t next)
{
	struct gather *g = &c->gather;

	if (g->is_page) {
		c->cursor = next;
		if (!next)
			next_worker(c);
	} else if (next) {
		ask(c, (int)worker, next);
		return;
	}
	g->pending &= ~(UINT64_C(1) << worker);
	settle(c);
}

static struct console *find_asker(struct door *door, uint64_t id)
{
	list_each (node, &door->sessions[SESSION_CONSOLE]) {
		struct session *s = list_entry(node, struct session, link);

		if (s->console && s->console->gather.id == id)
			return s->console;
	}
	return NULL;
}

static void on_answer(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload)
{
	struct reader r = reader_of(payload);
	uint64_t id = reader_u64(&r);
	struct console *c = find_asker(door, id);

	/* Too late, or its client has gone. */
	if (!c || !(c->gather.pending & UINT64_C(1) << from_worker))
		return;
	if (kind == CONTROL_ADMIN_DONE) {
		on_answered(c, from_worker, reader_u64(&r));
	} else {
		struct slice page = reader_bytes(&r, reader_left(&r));

		if (c->gather.is_page)
			buf_append_slice(&c->rows, page);
		else
			add_page(c, page);
	}
}

/* ---- answering -------------------------------------------------------- */

static void answer(struct door *door, unsigned to_worker, uint64_t id,
	uint64_t next, struct slice page)
{
	CLEANUP(buf_deinit) struct buf payload = { 0 };

	buf_put_u64(&payload, id);
	if (page.len) {
		buf_append_slice(&payload, page);
		check(payload.len <= MAIL_PAYLOAD_MAX);
		door->env.send(door->env.owner, (int)to_worker,
			CONTROL_ADMIN_ROW, buf_slice(&payload));
		payload.len = sizeof(id);
	}
	buf_put_u64(&payload, next);
	door->env.send(door->env.owner, (int)to_worker, CONTROL_ADMIN_DONE,
		buf_slice(&payload));
}

static void on_question(
	struct door *door, unsigned from_worker, struct slice payload)
{
	struct reader r = reader_of(payload);
	uint64_t id = reader_u64(&r);
	uint8_t source = reader_u8(&r);
	uint64_t cursor = reader_u64(&r);
	CLEANUP(freep) char *argument = NULL;
	CLEANUP(buf_deinit) struct buf page = { 0 };

	if (reader_left(&r))
		argument = slice_dup(reader_bytes(&r, reader_left(&r)));
	cursor = source_run(
		(enum admin_source)source, door, argument, cursor, &page);
	answer(door, from_worker, id, cursor, buf_slice(&page));
}

void console_control(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload)
{
	switch (kind) {
	case CONTROL_ADMIN_ASK:
		on_question(door, from_worker, payload);
		break;
	case CONTROL_ADMIN_ROW:
	case CONTROL_ADMIN_DONE:
		on_answer(door, from_worker, kind, payload);
		break;
	default:
		break;
	}
}
