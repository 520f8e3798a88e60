/*
 * What the client says in the extended protocol: Parse, Bind and their kin
 * up to Sync. Names of statements are translated here.
 */
#include "session/front.h"

#include <stdlib.h>

/* Generation a statement's Parse must have for the client's transaction: one
 * that changed the catalogue itself trusts nothing that was parsed before. */
static uint64_t generation_now(struct session *s)
{
	if (s->residue & SQL_DDL)
		return UINT64_MAX;
	return page_ddl_generation(s->door->page);
}

/* Is it sure that what is sent next will not be refused or skipped because
 * of something sent before it? */
static bool is_certain(struct session *s)
{
	struct backend *b = s->backend;

	if (!b)
		return true;
	if (b->tx == 'E')
		return false;
	for (uint32_t i = 0; i < b->replies.len; i++)
		if (reply_ends_ready(backend_reply(b, i)))
			return false;
	return true;
}

/*
 * What an earlier batch does to the client's names is not known before its
 * answers have come: one error, and the rest of it was skipped. A message
 * that names a statement waits for that.
 */
static bool names_are_known(struct session *s)
{
	struct backend *b = s->backend;
	struct reply *last;

	if (s->names_past)
		return false;
	if (!b || !b->replies.len || !(s->residue & SQL_DEALLOCATES))
		return true;
	/* DEALLOCATE ALL takes those before it, and none behind it. */
	last = backend_reply(b, b->replies.len - 1);
	if (!reply_ends_ready(last) && !(last->flags & REPLY_FLUSHED)) {
		pg_put_empty(&s->door->out, PG_FRONT_FLUSH);
		last->flags |= REPLY_FLUSHED;
		session_send_back(s);
	}
	return false;
}

static void expect_name(
	struct session *s, struct reply *r, struct name *n, enum undo undo)
{
	r->name = name_ref(n);
	r->undo = (uint8_t)undo;
	s->names_open++;
}

/* ---- putting statements on the backend -------------------------------- */

static void close_on_backend(struct session *s, struct statement *st)
{
	struct reply *r;

	pg_put_close(&s->door->out, 'S', slice_str(st->server_name));
	r = backend_expect(s->backend, REPLY_CLOSE, REPLY_INJECTED);
	r->statement = statement_ref(st);
	r->undo = UNDO_CLOSE;
	backend_forget(s->backend, st);
}

/* Sends its Parse under our own name; room is made for it first. */
static struct reply *parse_on_backend(
	struct session *s, struct statement *st, uint8_t flags)
{
	struct backend *b = s->backend;
	struct statement *old;
	uint64_t generation;
	struct reply *r;

	if (backend_has(b, st, &generation))
		close_on_backend(s, st);
	while ((old = backend_evictee(b)))
		close_on_backend(s, old);
	pg_put_parse(&s->door->out, slice_str(st->server_name), st->sql,
		st->n_oids, st->oids);
	r = backend_expect(b, REPLY_PARSE, flags);
	r->statement = statement_ref(st);
	r->undo = UNDO_PARSE;
	backend_prepared(b, st, page_ddl_generation(s->door->page));
	return r;
}

/* Asks what its rows look like now; the client's message waits for it. */
static void verify_shape(struct session *s, struct name *n)
{
	struct reply *r;

	pg_put_describe(
		&s->door->out, 'S', slice_str(n->statement->server_name));
	r = backend_expect(
		s->backend, REPLY_DESCRIBE_STATEMENT, REPLY_INJECTED);
	r->name = name_ref(n);
	pg_put_empty(&s->door->out, PG_FRONT_FLUSH);
	s->is_barred = true;
}

/*
 * Makes sure that a named statement is on the backend, as new as the client
 * knows it. When it is newer, or just put there, and the client was told what
 * its rows look like, they must still look so. False: wait for the answer.
 */
static bool have_named(struct session *s, struct name *n)
{
	uint64_t generation = 0;
	bool is_new = !backend_has(s->backend, n->statement, &generation) ||
		      generation < n->generation;

	if (is_new)
		parse_on_backend(s, n->statement, REPLY_INJECTED);
	if (n->told && (is_new || generation > n->generation) && is_certain(s))
		verify_shape(s, n);
	session_send_back(s);
	return !s->is_barred;
}

/* The client's unnamed statement: other clients have theirs there, too. */
static void have_unnamed(struct session *s)
{
	struct backend *b = s->backend;
	struct statement *st = s->unnamed;

	if (b->unnamed_owner == s->log.id)
		return;
	if (st) {
		pg_put_parse(&s->door->out, SLICE(""), st->sql, st->n_oids,
			st->oids);
		backend_expect(b, REPLY_PARSE, REPLY_INJECTED);
	} else {
		pg_put_close(&s->door->out, 'S', SLICE(""));
		backend_expect(b, REPLY_CLOSE, REPLY_INJECTED);
	}
	session_send_back(s);
	b->unnamed_owner = s->log.id;
}

/* ---- Parse ------------------------------------------------------------ */

static bool is_fresh(struct session *s, const struct statement *st)
{
	return st->parsed_at && st->parsed_ddl >= generation_now(s) &&
	       loop_now(s->door->loop) - st->parsed_at < STATEMENT_FRESH_MS;
}

static size_t parse_unnamed(
	struct session *s, const struct front_message *m, struct statement *st)
{
	struct reply *r = backend_expect(s->backend, REPLY_PARSE, 0);

	r->undo = UNDO_UNNAMED;
	r->statement = s->unnamed; /* its ref */
	s->unnamed = statement_ref(st);
	s->backend->unnamed_owner = s->log.id;
	return front_forward(s, m);
}

/* PostgreSQL analyses a text before it looks whether the name is free: let
 * it say what is wrong, under the name it knows. */
static void parse_duplicate(
	struct session *s, const struct pg_parse *p, struct name *n)
{
	struct statement *st = n->statement;
	uint64_t generation;
	struct reply *r;

	if (!backend_has(s->backend, st, &generation))
		parse_on_backend(s, st, REPLY_INJECTED);
	pg_put_parse(&s->door->out, slice_str(st->server_name), p->sql,
		p->n_oids, p->oids);
	r = backend_expect(s->backend, REPLY_PARSE, REPLY_RENAMED);
	r->name = name_ref(n);
	session_send_back(s);
}

static void parse_named(
	struct session *s, const struct pg_parse *p, struct statement *st)
{
	struct name *n = names_add(s, p->name, st);
	struct backend *b = s->backend;
	uint64_t generation;
	struct reply *r;

	n->generation = page_ddl_generation(s->door->page);
	if (backend_has(b, st, &generation) &&
		generation >= generation_now(s) && is_fresh(s, st) &&
		is_certain(s)) {
		if (!b->replies.len) {
			front_answer(s, PG_BACK_PARSE_COMPLETE);
			name_unref(n);
			return;
		}
		r = backend_expect(b, REPLY_LOCAL, 0);
		r->local = PG_BACK_PARSE_COMPLETE;
	} else {
		r = parse_on_backend(s, st, 0);
		session_send_back(s);
	}
	expect_name(
		s, r, n, r->undo == UNDO_PARSE ? UNDO_PARSE_NAMED : UNDO_NAME);
	name_unref(n);
}

/* Too long to keep a copy: it goes to the server under the client's own name
 * and the client stays with that server. */
static size_t parse_large(struct session *s, const struct front_message *m)
{
	struct slice name = slice_of(m->body.data, slice_find(m->body, '\0'));

	if (!front_has_start(s, m) || !front_need_backend(s))
		return 0;
	s->in_batch = true;
	s->residue |= SQL_OPAQUE;
	if (!name.len) {
		statement_unref(s->unnamed);
		s->unnamed = NULL;
		s->backend->unnamed_owner = s->log.id;
	}
	s->has_large = true;
	backend_expect(s->backend, REPLY_PARSE, 0);
	return front_forward(s, m);
}

/* A Parse that needs no backend: the text is known to be good. */
static bool parse_is_local(
	struct session *s, const struct pg_parse *p, struct statement *st)
{
	struct name *n;

	if (s->backend || !p->name.len || !is_fresh(s, st) ||
		names_find(s, p->name))
		return false;
	n = names_add(s, p->name, st);
	n->generation = page_ddl_generation(s->door->page);
	name_unref(n);
	front_answer(s, PG_BACK_PARSE_COMPLETE);
	s->in_batch = true;
	return true;
}

static size_t parse_raw(struct session *s, const struct front_message *m)
{
	if (!front_need_backend(s))
		return 0;
	s->in_batch = true;
	backend_expect(s->backend, REPLY_PARSE, 0);
	return front_forward(s, m);
}

/* A parameter may be of a type that runs code, and no text names that. */
static bool has_own_types(const struct statement *st)
{
	enum {
		FIRST_OF_USERS = 16384
	};
	struct reader r = reader_of(st->oids);

	while (reader_left(&r))
		if (reader_u32(&r) >= FIRST_OF_USERS)
			return true;
	return false;
}

/* A text that Parse accepts holds one statement. What it does may be another
 * thing after DDL. */
static void classify(struct session *s, struct statement *st)
{
	struct pool_code code = front_code(s);
	const struct sql_summary *summary;

	if (st->classified == code.version)
		return;
	summary = front_scan(s, st->sql, &code);
	st->effect = summary->statements[0];
	st->effect.flags |= summary->flags;
	if (code.risks && has_own_types(st))
		st->effect.flags |= SQL_HIDDEN;
	st->classified = code.version;
}

size_t batch_parse(struct session *s, const struct front_message *m)
{
	struct statement *st;
	struct pg_parse p;
	struct name *n;
	size_t used = 0;

	if (m->whole > STATEMENT_KEEP)
		return parse_large(s, m);
	if (!m->is_whole)
		return front_need_whole(s, m);
	if (!pg_parse_read(m->body, &p) ||
		(s->is_native && p.name.len && !names_find(s, p.name)))
		return parse_raw(s, m);
	if (p.name.len && !names_are_known(s))
		return 0;
	st = statement_intern(s->flavour, s->settings, p.sql, p.n_oids, p.oids);
	classify(s, st);
	if (parse_is_local(s, &p, st)) {
		used = m->whole;
	} else if (front_need_backend(s)) {
		s->in_batch = true;
		n = names_find(s, p.name);
		if (!p.name.len)
			used = parse_unnamed(s, m, st);
		else if (n)
			parse_duplicate(s, &p, n);
		else if (names_count(s) >= NAMES_MAX)
			front_refuse(s, FAULT_TOO_LARGE);
		else
			parse_named(s, &p, st);
		used = m->whole;
	}
	statement_unref(st);
	return used;
}

/* ---- Bind, Describe, Close -------------------------------------------- */

/* A name the server must not know as one of ours. */
static bool is_reserved(struct slice name)
{
	return slice_starts_with(name, SLICE("howdah_"));
}

static void bind_renamed(struct session *s, const struct front_message *m,
	struct slice portal, struct slice rest, const char *server_name)
{
	struct buf *out = &s->door->out;
	struct slice target = slice_str(server_name);
	size_t tail = m->whole - m->bytes.len;
	size_t begun = pg_begin(out, PG_FRONT_BIND);

	buf_put_cstr(out, portal);
	buf_put_cstr(out, target);
	buf_append_slice(out, rest);
	buf_patch_u32(out, begun, (uint32_t)(out->len - begun + tail));
	session_send_back(s);
	s->front_left = (uint32_t)tail;
}

/* What its statement will do once it is executed. False: refused. */
static bool bind_effect(struct session *s, struct statement *st)
{
	if (st)
		classify(s, st);
	if (!st || !st->effect.flags)
		return true;
	return front_prepare_effect(s, &st->effect, st->effect.flags);
}

static size_t bind_forward(struct session *s, const struct front_message *m)
{
	backend_expect(s->backend, REPLY_BIND, 0);
	return front_forward(s, m);
}

size_t batch_bind(struct session *s, const struct front_message *m)
{
	struct slice portal, statement, rest;
	struct reply *r;
	struct name *n;

	if (!front_has_start(s, m))
		return 0;
	if (!pg_bind_names(m->body, &portal, &statement, &rest))
		statement = (struct slice){ 0 }; /* the server will say so */
	if ((statement.len && !names_are_known(s)) || !front_need_backend(s))
		return 0;
	s->in_batch = true;
	front_count_query(s);
	if (!statement.len) {
		if (!bind_effect(s, s->unnamed))
			return front_drop(s, m);
		have_unnamed(s);
		return bind_forward(s, m);
	}
	n = names_find(s, statement);
	if (!n) {
		if (is_reserved(statement)) {
			front_refuse(s, FAULT_NO_STATEMENT);
			return front_drop(s, m);
		}
		return bind_forward(s, m);
	}
	if (!bind_effect(s, n->statement))
		return front_drop(s, m);
	if (!names_find(s, statement)) /* became the server's own name */
		return bind_forward(s, m);
	if (!have_named(s, n))
		return 0;
	if (n->is_changed) {
		front_refuse(s, FAULT_PLAN_CHANGED);
		return front_drop(s, m);
	}
	bind_renamed(s, m, portal, rest, n->statement->server_name);
	r = backend_expect(s->backend, REPLY_BIND, REPLY_RENAMED);
	r->name = name_ref(n);
	return m->bytes.len;
}

/* The message as it is, with an answer of that kind. */
static size_t target_raw(
	struct session *s, const struct front_message *m, enum reply_kind kind)
{
	if (!front_need_backend(s))
		return 0;
	s->in_batch = true;
	backend_expect(s->backend, kind, 0);
	return front_forward(s, m);
}

size_t batch_describe(struct session *s, const struct front_message *m)
{
	uint64_t generation;
	struct slice name;
	struct reply *r;
	struct name *n;
	char kind;

	if (!m->is_whole)
		return front_need_whole(s, m);
	if (!pg_target_read(m->body, &kind, &name) || kind != 'S')
		return target_raw(s, m, REPLY_DESCRIBE);
	if ((name.len && !names_are_known(s)) || !front_need_backend(s))
		return 0;
	s->in_batch = true;
	n = names_find(s, name);
	if (!n) {
		if (!name.len)
			have_unnamed(s);
		return target_raw(s, m, REPLY_DESCRIBE_STATEMENT);
	}
	if (!backend_has(s->backend, n->statement, &generation) ||
		generation < n->generation)
		parse_on_backend(s, n->statement, REPLY_INJECTED);
	pg_put_describe(
		&s->door->out, 'S', slice_str(n->statement->server_name));
	r = backend_expect(s->backend, REPLY_DESCRIBE_STATEMENT, 0);
	r->name = name_ref(n);
	session_send_back(s);
	return m->whole;
}

size_t batch_close(struct session *s, const struct front_message *m)
{
	struct slice name;
	struct name *n;
	char kind;

	if (!m->is_whole)
		return front_need_whole(s, m);
	if (!pg_target_read(m->body, &kind, &name) || kind != 'S' ||
		!name.len || (s->is_native && !names_find(s, name))) {
		if (!s->backend && kind == 'S' && !name.len && s->unnamed) {
			statement_unref(s->unnamed);
			s->unnamed = NULL;
		}
		return target_raw(s, m, REPLY_CLOSE);
	}
	if (!names_are_known(s))
		return 0;
	s->in_batch = true;
	n = names_find(s, name);
	if (s->backend && s->backend->replies.len) {
		struct reply *r = backend_expect(s->backend, REPLY_LOCAL, 0);

		r->local = PG_BACK_CLOSE_COMPLETE;
		if (n)
			expect_name(s, r, n, UNDO_CLOSE_NAME);
	} else {
		front_answer(s, PG_BACK_CLOSE_COMPLETE);
	}
	if (n)
		names_remove(s, n);
	return m->whole;
}

/* ---- Execute, Flush, Sync --------------------------------------------- */

size_t batch_execute(struct session *s, const struct front_message *m)
{
	if (!m->is_whole)
		return front_need_whole(s, m);
	return target_raw(s, m, REPLY_EXECUTE);
}

size_t batch_flush(struct session *s, const struct front_message *m)
{
	if (!m->is_whole)
		return front_need_whole(s, m);
	if (!s->backend)
		return m->whole; /* nothing is owed */
	if (s->backend->replies.len)
		backend_reply(s->backend, s->backend->replies.len - 1)->flags |=
			REPLY_FLUSHED;
	return front_forward(s, m);
}

size_t batch_sync(struct session *s, const struct front_message *m)
{
	if (!m->is_whole)
		return front_need_whole(s, m);
	s->in_batch = false;
	s->is_skipping = false;
	if (!s->backend) {
		pg_put_ready(&s->door->out, 'I');
		session_send(s);
		return m->whole;
	}
	s->names_past = (uint16_t)(s->names_past + s->names_open);
	s->names_open = 0;
	backend_expect(s->backend, REPLY_SYNC, s->in_copy ? REPLY_MAYBE : 0);
	return front_forward(s, m);
}
