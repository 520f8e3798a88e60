/*
 * What the client says: every message of a logged-in client comes through
 * front_input(). It is sent on as it is wherever that is right; this file
 * and batch.c (the extended protocol) hold the exceptions.
 *
 * A message is judged by its head. Small ones are looked at whole; a long
 * one streams through, and the text of a long Query is scanned on its way.
 */
#include "session/front.h"

#include <stdlib.h>

#include "session/listen.h"

/* ---- getting a backend ------------------------------------------------ */

static void front_attach(struct session *s, struct backend *b)
{
	s->backend = b;
	s->is_keeping = true;
	s->kept_in_batch = s->in_batch;
	b->kept.len = 0;
	s->request_us = loop_now_us(s->door->loop);
	b->transaction_us = s->request_us;
	backend_lend(b, &relay_ops, s);
	if (residue_needs_restore(s)) {
		session_enter(s, SESSION_RESTORING);
		residue_restore(s);
		return;
	}
	session_enter(s, SESSION_ACTIVE);
}

void front_fail(struct session *s, const struct fault *f)
{
	struct buf *out = &s->door->out;
	struct slice bytes = stream_pending(&s->stream);
	struct pg_head head = { 0 };

	pg_put_fault(out, "ERROR", f);
	if (pg_head_parse(bytes, &head) == PG_HEAD_OK &&
		(head.type == PG_FRONT_QUERY ||
			head.type == PG_FRONT_FUNCTION_CALL)) {
		size_t here = MIN(bytes.len, PG_HEAD + (size_t)head.len);

		s->front_left = (uint32_t)(PG_HEAD + head.len - here);
		s->is_dropping = s->front_left != 0;
		stream_consume(&s->stream, here);
		pg_put_ready(out, 'I');
	} else {
		s->is_skipping = true;
	}
	session_send(s);
}

static void on_front_lease(
	struct lease *l, struct backend *b, const struct lease_error *error)
{
	struct session *s = container_of(l, struct session, lease);

	if (b) {
		front_attach(s, b);
	} else if (error->raw.len) {
		session_fatal_raw(s, error->raw);
		return;
	} else {
		session_enter(s, SESSION_READY);
		front_fail(s, &error->fault);
	}
	session_continue(s);
}

/* Time runs from the first message the server has to answer. */
static void exchange_begins(struct session *s)
{
	s->request_us = loop_now_us(s->door->loop);
	if (s->backend->tx == 'I')
		s->backend->transaction_us = s->request_us;
}

bool front_need_backend(struct session *s)
{
	struct backend *b = s->backend;

	if (b) {
		if (!b->replies.len)
			exchange_begins(s);
		return s->state == SESSION_ACTIVE;
	}
	s->lease = (struct lease){
		.flavour = s->flavour,
		.settings = s->settings,
		.session = s->log.id,
		.prefer = s->uses_sequences ? s->log.id : 0,
		.done = on_front_lease,
	};
	b = pool_lease(&s->lease);
	if (!b) {
		session_enter(s, SESSION_WAITING);
		return false;
	}
	front_attach(s, b);
	return s->state == SESSION_ACTIVE;
}

/* ---- sending on ------------------------------------------------------- */

size_t front_forward(struct session *s, const struct front_message *m)
{
	session_write_back(s, m->bytes);
	s->front_left = (uint32_t)(m->whole - m->bytes.len);
	return m->bytes.len;
}

size_t front_drop(struct session *s, const struct front_message *m)
{
	s->front_left = (uint32_t)(m->whole - m->bytes.len);
	s->is_dropping = s->front_left != 0;
	return m->bytes.len;
}

size_t front_need_whole(struct session *s, const struct front_message *m)
{
	if (m->whole > s->stream.in_limit)
		stream_set_limit(&s->stream, m->whole);
	return 0;
}

bool front_has_start(struct session *s, const struct front_message *m)
{
	if (m->is_whole || m->bytes.len >= FRONT_WHOLE)
		return true;
	stream_set_limit(&s->stream, FRONT_WHOLE);
	return false;
}

void front_answer(struct session *s, char type)
{
	if (s->backend && s->backend->replies.len) {
		backend_expect(s->backend, REPLY_LOCAL, 0)->local = type;
		return;
	}
	pg_put_empty(&s->door->out, type);
	session_send(s);
}

static void inject_query(struct session *s, const char *sql)
{
	pg_put_query(&s->door->out, slice_str(sql));
	backend_expect(s->backend, REPLY_QUERY, REPLY_INJECTED);
	/* A simple Query drops the unnamed statement. */
	s->backend->unnamed_owner = 0;
}

/* In the middle of a batch a Query would end it; names of our own leave the
 * client's unnamed statement and portal alone. */
static void inject_extended(struct session *s, const char *sql)
{
	static const struct slice name = { "howdah_own", 10 };
	struct buf *out = &s->door->out;
	struct backend *b = s->backend;
	size_t begun;

	pg_put_parse(out, name, slice_str(sql), 0, SLICE(""));
	begun = pg_begin(out, PG_FRONT_BIND);
	buf_put_cstr(out, name);
	buf_put_cstr(out, name);
	buf_append(out, "\0\0\0\0\0\0", 6);
	pg_end(out, begun);
	begun = pg_begin(out, PG_FRONT_EXECUTE);
	buf_put_cstr(out, name);
	buf_put_u32(out, 0);
	pg_end(out, begun);
	pg_put_close(out, 'S', name);
	backend_expect(b, REPLY_PARSE, REPLY_INJECTED);
	backend_expect(b, REPLY_BIND, REPLY_INJECTED);
	backend_expect(b, REPLY_EXECUTE, REPLY_INJECTED);
	backend_expect(b, REPLY_CLOSE, REPLY_INJECTED);
}

void front_inject(struct session *s, const char *sql)
{
	if (s->in_batch)
		inject_extended(s, sql);
	else
		inject_query(s, sql);
	session_send_back(s);
}

void front_refuse(struct session *s, enum fault_code code)
{
	struct buf *out = &s->door->out;
	struct reply *r;

	/* No parser takes this, so nothing can come of it but an error. */
	if (s->in_batch) {
		pg_put_parse(out, SLICE("howdah_own"), SLICE("refused"), 0,
			SLICE(""));
		r = backend_expect(s->backend, REPLY_PARSE, REPLY_REFUSED);
	} else {
		pg_put_query(out, SLICE("refused"));
		r = backend_expect(s->backend, REPLY_QUERY, REPLY_REFUSED);
	}
	r->fault = (uint8_t)code;
	session_send_back(s);
}

/* ---- what a statement does -------------------------------------------- */

/* What it may leave behind for which its client would be pinned. */
static const uint32_t pinning = SQL_TEMP | SQL_ADVISORY | SQL_HOLD |
				SQL_PREPARES | SQL_CUSTOM_SETTING | SQL_SEED |
				SQL_LOADS | SQL_ROLE;

/* Other clients' statements must not be seen. */
static void hide_others(struct session *s)
{
	struct backend *b = s->backend;
	struct statement *st;

	if (!b->prepared.len)
		return;
	while ((st = backend_any_prepared(b))) {
		struct reply *r =
			backend_expect(b, REPLY_CLOSE, REPLY_INJECTED);

		pg_put_close(&s->door->out, 'S', slice_str(st->server_name));
		r->statement = statement_ref(st);
		r->undo = UNDO_CLOSE;
		backend_forget(b, st);
	}
	if (!s->in_batch) {
		pg_put_empty(&s->door->out, PG_FRONT_SYNC);
		backend_expect(b, REPLY_SYNC, REPLY_INJECTED);
	}
	session_send_back(s);
}

/* SQL sees the client's names for its statements: give them to the server,
 * and keep the client on it. */
static void go_native(struct session *s)
{
	struct buf *out = &s->door->out;
	struct backend *b = s->backend;
	struct name *n;

	while ((n = names_any(s))) {
		struct statement *st = n->statement;

		pg_put_parse(out, slice_of(n->text, n->len), st->sql,
			st->n_oids, st->oids);
		backend_expect(b, REPLY_PARSE, REPLY_INJECTED);
		names_remove(s, n);
		if (!s->in_batch && !s->names) {
			pg_put_empty(out, PG_FRONT_SYNC);
			backend_expect(b, REPLY_SYNC, REPLY_INJECTED);
		}
	}
	session_send_back(s);
	s->is_native = true;
}

static void evict_everywhere(struct session *s, const struct sql_statement *e)
{
	struct door *door = s->door;

	pools_evict(door->pools, *e->name ? e->name : NULL);
	listen_evict(door, *e->name ? e->name : NULL);
	door->env.send(door->env.owner, -1, CONTROL_EVICT, slice_str(e->name));
}

/* currval() and lastval() of another client must not be seen: without our
 * own ones on this backend there are none. */
static void claim_sequences(struct session *s)
{
	if (s->backend->sequence_owner != s->log.id)
		front_inject(s, "DISCARD SEQUENCES");
	s->backend->sequence_owner = s->log.id;
	s->backend->is_sticky = true;
}

/* Its backend listens to nothing; before that changes it gets the channels
 * the client has, so that afterwards the whole can be read from it. */
static void show_channels(struct session *s)
{
	CLEANUP(buf_deinit) struct buf sql = { 0 };

	if (!s->listening || s->shows_channels)
		return;
	listen_put_commands(s, &sql);
	buf_put_u8(&sql, 0);
	s->shows_channels = true;
	s->was_rolled_back = false;
	front_inject(s, sql.data);
}

bool front_prepare_effect(
	struct session *s, const struct sql_statement *effect, uint32_t flags)
{
	struct backend *b = s->backend;

	if (s->pins & PIN_REPLICATION)
		return true;
	if (flags & pinning && !(flags & SQL_DROPS_STATE) && !s->pins &&
		!residue_may_pin(s)) {
		metrics_inc(&s->door->metrics, METRIC_pins_refused);
		front_refuse(s, FAULT_BUSY);
		return false;
	}
	if (!s->is_native &&
		(flags & (SQL_PREPARES | SQL_EXECUTES | SQL_SEES_PREPARED) ||
			(flags & SQL_DEALLOCATES && !effect->is_all)))
		go_native(s);
	if (flags & SQL_SEES_PREPARED)
		hide_others(s);
	if (flags & (SQL_LISTENS | SQL_OPAQUE | SQL_HIDDEN))
		show_channels(s);
	if (flags & (SQL_SEQUENCE | SQL_SEQUENCE_READ))
		s->uses_sequences = true;
	if (flags & SQL_SEQUENCE_READ) {
		claim_sequences(s);
	} else if (flags & (SQL_SEQUENCE | SQL_WRITES | SQL_OPAQUE)) {
		b->sequence_owner = s->log.id;
		b->is_sticky = s->uses_sequences;
	}
	if (flags & SQL_DATABASE_DDL)
		evict_everywhere(s, effect);
	s->residue |= flags;
	return true;
}

void front_parameter(struct session *s, struct slice body)
{
	/* The encodings only clients may have. */
	static const char *const odd[] = { "BIG5", "GBK", "GB18030", "JOHAB",
		"SHIFT_JIS_2004", "SJIS", "UHC" };
	struct reader r = reader_of(body);
	struct slice name = reader_cstr(&r);
	struct slice value = reader_cstr(&r);

	if (slice_is(name, "standard_conforming_strings"))
		s->has_old_strings = slice_is(value, "off");
	if (!slice_is(name, "client_encoding"))
		return;
	s->has_odd_encoding = false;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (slice_is_nocase(value, odd[i]))
			s->has_odd_encoding = true;
}

static bool is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] & 0x80)
			return false;
	return true;
}

struct pool_code front_code(struct session *s)
{
	struct pool_code code = pool_code(flavour_pool(s->flavour));

	if (!s->code_seen)
		s->code_seen = code.generation + 1;
	return code;
}

const struct sql_summary *front_scan(
	struct session *s, struct slice text, const struct pool_code *code)
{
	struct sql_scanner *scanner = &s->door->scanner;
	const struct sql_summary *summary;

	sql_scan_begin(scanner, !s->has_old_strings);
	sql_scan_risks(scanner, code->risks, code->always);
	sql_scan_feed(scanner, text);
	summary = sql_scan_end(scanner);
	if (!summary->n_statements)
		scanner->summary.statements[0] = (struct sql_statement){ 0 };
	if (s->has_odd_encoding && !is_ascii(text))
		scanner->summary.flags |= SQL_ANYTHING;
	return summary;
}

/* ---- Query ------------------------------------------------------------ */

/* What asyncpg sends when a connection goes back to its pool. */
static const char asyncpg_reset[] = "SELECT pg_advisory_unlock_all();\n"
				    "CLOSE ALL;\n"
				    "UNLISTEN *;\n"
				    "RESET ALL;";

static void answer_asyncpg_reset(struct session *s)
{
	struct buf *out = &s->door->out;
	size_t begun = pg_begin(out, PG_BACK_ROW_DESCRIPTION);

	buf_put_u16(out, 1);
	buf_put_cstr(out, SLICE("pg_advisory_unlock_all"));
	buf_put_u32(out, 0);
	buf_put_u16(out, 0);
	buf_put_u32(out, 2278); /* void */
	buf_put_u16(out, 4);
	buf_put_u32(out, UINT32_MAX);
	buf_put_u16(out, 0);
	pg_end(out, begun);
	begun = pg_begin_row(out, 1);
	pg_put_field(out, SLICE(""));
	pg_end(out, begun);
	pg_put_complete(out, "SELECT 1");
	pg_put_complete(out, "CLOSE CURSOR ALL");
	pg_put_complete(out, "UNLISTEN");
	pg_put_complete(out, "RESET");
}

static void drop_unnamed(struct session *s)
{
	statement_unref(s->unnamed);
	s->unnamed = NULL;
}

/* A client without a backend and without settings of its own has nothing
 * that these could reset: no backend is needed to say so. */
static bool query_is_virtual(struct session *s, struct slice sql)
{
	struct buf *out = &s->door->out;

	if (s->backend || s->in_batch || s->settings != s->initial)
		return false;
	if (slice_is(sql, asyncpg_reset)) {
		answer_asyncpg_reset(s);
		listen_drop(s);
	} else if (!s->uses_sequences &&
		   (slice_is_nocase(sql, "DISCARD ALL") ||
			   slice_is_nocase(sql, "DISCARD ALL;"))) {
		names_clear(s);
		listen_drop(s);
		pg_put_complete(out, "DISCARD ALL");
	} else {
		return false;
	}
	drop_unnamed(s);
	pg_put_ready(out, 'I');
	session_send(s);
	return true;
}

void front_count_query(struct session *s)
{
	s->backend->counts->queries++;
	metrics_inc(&s->door->metrics, METRIC_queries);
}

/* The text of a body that holds one string. */
static struct slice query_text(const struct front_message *m)
{
	return slice_of(m->body.data, slice_find(m->body, '\0'));
}

/* It drops the unnamed statement, unless it is skipped itself. */
static void query_sent(struct session *s)
{
	struct reply *r = backend_expect(s->backend, REPLY_QUERY, 0);

	r->undo = UNDO_UNNAMED;
	r->statement = s->unnamed; /* its ref */
	s->unnamed = NULL;
	s->backend->unnamed_owner = 0;
	front_count_query(s);
}

void front_drop_scanner(struct session *s)
{
	free(s->scanner);
	s->scanner = NULL;
	sql_risks_unref(s->scan_risks);
	s->scan_risks = NULL;
}

static size_t front_long_query(struct session *s, const struct front_message *m)
{
	struct pool_code code;

	if (!front_has_start(s, m) || !front_need_backend(s))
		return 0;
	code = front_code(s);
	s->scan_risks = sql_risks_ref(code.risks);
	s->scanner = xnew(struct sql_scanner);
	sql_scan_begin(s->scanner, !s->has_old_strings);
	sql_scan_risks(s->scanner, s->scan_risks, code.always);
	sql_scan_feed(s->scanner, m->body);
	query_sent(s);
	return front_forward(s, m);
}

static size_t front_query(struct session *s, const struct front_message *m)
{
	const struct sql_summary *summary;
	struct pool_code code;

	if (!m->is_whole)
		return m->whole > STREAM_READ_MAX ? front_long_query(s, m)
						  : front_need_whole(s, m);
	if (query_is_virtual(s, query_text(m)))
		return m->whole;
	code = front_code(s);
	summary = front_scan(s, query_text(m), &code);
	/* Which backend is best may follow from the text. */
	s->uses_sequences |= !!(summary->flags & SQL_SEQUENCE_READ);
	if (!front_need_backend(s))
		return 0;
	if (!front_prepare_effect(s, &summary->statements[0], summary->flags))
		return m->whole;
	query_sent(s);
	return front_forward(s, m);
}

/* The rest of a message that streams through. */
static size_t front_stream(struct session *s, struct slice bytes)
{
	struct slice part = slice_of(bytes.data, MIN(bytes.len, s->front_left));

	s->front_left -= (uint32_t)part.len;
	if (!s->is_dropping)
		session_write_back(s, part);
	if (s->scanner)
		sql_scan_feed(s->scanner, part);
	if (s->front_left)
		return part.len;
	s->is_dropping = false;
	if (s->scanner) {
		s->residue |= sql_scan_end(s->scanner)->flags;
		if (s->has_odd_encoding)
			s->residue |= SQL_ANYTHING;
		front_drop_scanner(s);
	}
	return part.len;
}

/* ---- the others ------------------------------------------------------- */

static size_t front_function(struct session *s, const struct front_message *m)
{
	if (!front_has_start(s, m) || !front_need_backend(s))
		return 0;
	s->residue |= SQL_OPAQUE;
	backend_expect(s->backend, REPLY_FUNCTION, 0);
	return front_forward(s, m);
}

/* COPY data that comes while no COPY runs is ignored, as in PostgreSQL. */
static size_t front_copy(struct session *s, const struct front_message *m)
{
	if (!s->backend)
		return front_drop(s, m);
	if (m->type != PG_FRONT_COPY_DATA) {
		if (!m->is_whole)
			return front_need_whole(s, m);
		if (s->backend->replies.len)
			backend_expect(s->backend, REPLY_COPY_END, 0);
		s->in_copy = false;
	}
	return front_forward(s, m);
}

static size_t front_terminate(struct session *s, const struct front_message *m)
{
	s->has_eof = true;
	stream_pause(&s->stream);
	session_check_eof(s);
	return m->bytes.len;
}

static const struct {
	char type;
	front_fn *fn;
} handlers[] = {
	{ PG_FRONT_QUERY, front_query },
	{ PG_FRONT_PARSE, batch_parse },
	{ PG_FRONT_BIND, batch_bind },
	{ PG_FRONT_DESCRIBE, batch_describe },
	{ PG_FRONT_EXECUTE, batch_execute },
	{ PG_FRONT_CLOSE, batch_close },
	{ PG_FRONT_FLUSH, batch_flush },
	{ PG_FRONT_SYNC, batch_sync },
	{ PG_FRONT_COPY_DATA, front_copy },
	{ PG_FRONT_COPY_DONE, front_copy },
	{ PG_FRONT_COPY_FAIL, front_copy },
	{ PG_FRONT_FUNCTION_CALL, front_function },
	{ PG_FRONT_TERMINATE, front_terminate },
};

/* ---- one after the other ---------------------------------------------- */

/* A length that cannot be: PostgreSQL hangs up without a word, because
 * nothing that follows could be trusted. */
static size_t bad_length(struct session *s)
{
	session_complain(s, "invalid message length");
	session_doom(s, NULL);
	return 0;
}

static size_t bad_type(struct session *s, char type)
{
	struct fault f;

	fault_set(&f, FAULT_PROTOCOL, "invalid frontend message type %d",
		(unsigned char)type);
	session_complain(s, f.text);
	session_doom(s, &f);
	return 0;
}

/* In the middle of COPY PostgreSQL looks no further than the type, raises an
 * error that tells where the COPY was, and ends the connection. */
static size_t not_of_copy(struct session *s, struct slice head)
{
	session_complain(s, "a message that does not belong into COPY");
	session_write_back(s, head);
	s->is_out_of_step = true;
	return head.len;
}

static bool is_of_copy(char type)
{
	return type == PG_FRONT_COPY_DATA || type == PG_FRONT_COPY_DONE ||
	       type == PG_FRONT_COPY_FAIL || type == PG_FRONT_FLUSH ||
	       type == PG_FRONT_SYNC;
}

static size_t front_message(struct session *s, struct slice bytes)
{
	struct front_message m = { 0 };
	struct pg_head head;
	uint32_t limit;

	switch (pg_head_parse(bytes, &head)) {
	case PG_HEAD_MORE:
		return 0;
	case PG_HEAD_BAD:
		return bad_length(s);
	default:
		break;
	}
	if (s->in_copy && !is_of_copy(head.type))
		return not_of_copy(s, slice_of(bytes.data, PG_HEAD));
	limit = pg_front_limit(head.type);
	if (!limit)
		return bad_type(s, head.type);
	if (head.len > limit)
		return bad_length(s);
	m.type = head.type;
	m.whole = PG_HEAD + (size_t)head.len;
	m.bytes = slice_of(bytes.data, MIN(bytes.len, m.whole));
	m.body = slice_from(m.bytes, PG_HEAD);
	m.is_whole = m.bytes.len == m.whole;
	if (s->is_skipping && m.type != PG_FRONT_SYNC &&
		m.type != PG_FRONT_TERMINATE)
		return front_drop(s, &m);
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].type == m.type)
			return handlers[i].fn(s, &m);
	return 0;
}

/* Nobody may fill our memory by not reading what is written to it. */
static bool is_clogged(struct session *s)
{
	if (stream_out_len(&s->stream) > STREAM_OUT_HIGH)
		return true;
	return s->backend &&
	       (stream_out_len(&s->backend->stream) > STREAM_OUT_HIGH ||
		       s->backend->replies.len > REPLIES_MAX);
}

size_t front_input(struct session *s, struct slice bytes)
{
	size_t used = 0;

	while (used < bytes.len && !s->is_barred && !s->is_doomed &&
		!s->is_out_of_step && !is_clogged(s) &&
		(s->state == SESSION_READY || s->state == SESSION_ACTIVE)) {
		struct slice rest = slice_from(bytes, used);
		size_t n = s->front_left ? front_stream(s, rest)
					 : front_message(s, rest);

		if (!n)
			break;
		if (s->is_keeping && s->backend)
			loss_keep(s, slice_of(rest.data, n));
		used += n;
	}
	if (s->flavour)
		flavour_counts(s->flavour)->bytes_in += used;
	metrics_add(&s->door->metrics, METRIC_client_bytes_in, used);
	if (s->stream.in_limit > STREAM_READ_MAX && used == bytes.len)
		stream_set_limit(&s->stream, STREAM_READ_MAX);
	return s->state == SESSION_FINISHING ? bytes.len : used;
}

bool front_hears_out(struct session *s)
{
	struct backend *b = s->backend;

	if (!b || (!b->replies.len && !s->is_out_of_step))
		return false;
	/* Half a message, half a batch, COPY without its end: let the server
	 * see the end as PostgreSQL would, and say what it says. */
	if (s->front_left || s->in_copy || s->in_batch)
		stream_end(&b->stream);
	return true;
}
