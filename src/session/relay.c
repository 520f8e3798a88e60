/*
 * What the server says: everything a leased backend sends comes through
 * relay_input(). Each answer belongs to the first entry of what the backend
 * owes; answers to our own messages are swallowed, the others go to the
 * client as they are, whole runs of them in one copy.
 *
 * When the last one has come and the server is idle, the backend is looked
 * at for what the client left behind and given back.
 */
#include "session/front.h"
#include "session/listen.h"

/* One message of the server, of which the beginning is here. */
struct relay_message {
	char type;
	struct slice bytes; /* with the head */
	struct slice body;  /* what is here of it */
};

/* ---- taking back ------------------------------------------------------ */

/* An entry that failed, or was skipped because one before it had. */
static void undo_one(
	struct session *s, struct backend *b, struct reply *r, bool has_failed)
{
	struct name *n = r->name;

	switch ((enum undo)r->undo) {
	case UNDO_PARSE_NAMED:
		names_remove(s, n);
		backend_forget(b, r->statement);
		break;
	case UNDO_PARSE:
		backend_forget(b, r->statement);
		break;
	case UNDO_NAME:
		names_remove(s, n);
		break;
	case UNDO_UNNAMED:
		/* PostgreSQL drops the old one before it looks at the new. */
		statement_unref(s->unnamed);
		s->unnamed = has_failed ? NULL : statement_ref(r->statement);
		break;
	case UNDO_CLOSE:
		backend_prepared(b, r->statement, 0);
		break;
	case UNDO_CLOSE_NAME:
		names_put_back(s, n);
		break;
	case UNDO_NOTHING:
		break;
	}
}

/* Its outcome is known. */
static void count_name(struct session *s, const struct reply *r)
{
	if (!undo_is_of_name(r->undo))
		return;
	if (s->names_past)
		s->names_past--;
	else
		s->names_open--;
}

static void reply_deinit(struct reply *r)
{
	statement_unref(r->statement);
	name_unref(r->name);
	r->statement = NULL;
	r->name = NULL;
}

void relay_undo(struct session *s, uint32_t from)
{
	struct backend *b = s->backend;

	while (b->replies.len > from) {
		struct reply *r = backend_reply(b, b->replies.len - 1);

		undo_one(s, b, r, from == 0 && b->replies.len == 1);
		reply_deinit(r);
		backend_unexpect(b);
	}
	if (!from) {
		s->names_past = 0;
		s->names_open = 0;
	}
}

void relay_forget(struct backend *b)
{
	for (uint32_t i = 0; i < b->replies.len; i++) {
		struct reply *r = backend_reply(b, i);

		name_unref(r->name);
		r->name = NULL;
	}
}

static void pop(struct session *s)
{
	count_name(s, backend_head(s->backend));
	reply_deinit(backend_head(s->backend));
	backend_pop(s->backend);
}

/* Ends of COPY data that no COPY wanted. */
static void drop_copy_ends(struct session *s)
{
	struct reply *r;

	while ((r = backend_head(s->backend)) && r->kind == REPLY_COPY_END)
		pop(s);
}

/* Answers of ours whose turn has come. */
static void emit_local(struct session *s)
{
	struct reply *r;

	while ((r = backend_head(s->backend)) &&
		(r->kind == REPLY_LOCAL || r->kind == REPLY_COPY_END)) {
		if (r->kind == REPLY_LOCAL)
			pg_put_empty(&s->door->out, r->local);
		pop(s);
	}
	session_send(s);
}

/* ---- COPY ------------------------------------------------------------- */

/*
 * While COPY reads the client's data, PostgreSQL ignores Sync. The ones sent
 * behind the COPY and before the end of its data may be ignored, then.
 */
static void copy_in_begins(struct session *s)
{
	struct backend *b = s->backend;

	s->in_copy = true;
	s->has_copied = true;
	for (uint32_t i = 1; i < b->replies.len; i++) {
		struct reply *r = backend_reply(b, i);

		if (r->kind == REPLY_COPY_END) {
			s->in_copy = false;
			return;
		}
		if (r->kind == REPLY_SYNC)
			r->flags |= REPLY_MAYBE;
	}
}

/* Takes the ignored ones out, and the end of the data: of that COPY alone,
 * for one Query may hold several. Returns how many were ignored. */
static uint32_t copy_in_ends(struct session *s)
{
	struct backend *b = s->backend;
	uint32_t n = b->replies.len;
	uint32_t n_maybe = 0;
	bool is_past = false;

	if (!s->has_copied)
		return 0;
	s->has_copied = false;
	s->in_copy = false;
	for (uint32_t i = 0; i < n; i++) {
		struct reply r = *backend_reply(b, 0);
		bool is_maybe = !is_past && r.flags & REPLY_MAYBE;
		bool is_end = !is_past && r.kind == REPLY_COPY_END;

		/* Round once: what stays goes to the back in its order. */
		b->replies.head++;
		b->replies.len--;
		is_past |= is_end;
		if (is_maybe)
			n_maybe++;
		if (!is_maybe && !is_end)
			*backend_expect(b, REPLY_SYNC, 0) = r;
	}
	return n_maybe;
}

/* ---- the end of an exchange ------------------------------------------- */

static void keep_or_give_back(struct session *s)
{
	struct backend *b = s->backend;

	if (s->pins)
		return;
	s->is_native = false;
	s->backend = NULL;
	session_enter(s, SESSION_READY);
	pool_release(b);
}

void relay_settled(struct session *s)
{
	keep_or_give_back(s);
	if (s->has_eof)
		session_check_eof(s);
	else if (s->door->is_draining)
		door_drain_one(s);
}

/* An uncertain Sync may still be answered: a query of ours tells where its
 * answer would have come. */
static void put_fence(struct session *s)
{
	s->is_uncertain = false;
	front_inject(s, "SELECT 1");
}

static void ddl_committed(struct session *s)
{
	struct door *door = s->door;

	if (s->residue & (SQL_DDL | SQL_OPAQUE))
		page_ddl_seen(door->page);
	if (s->residue & SQL_CODE)
		pool_code_changed(s->backend->pool);
	if (s->residue & SQL_SETTING_DDL) {
		pools_evict(door->pools, NULL);
		door->env.send(door->env.owner, -1, CONTROL_EVICT, SLICE(""));
	}
}

/* An exchange, or its transaction with it, is over. */
static void count_exchange(struct session *s, char status)
{
	struct backend *b = s->backend;
	struct pool_counts *counts = b->counts;
	struct metrics *metrics = &s->door->metrics;
	uint64_t now = loop_now_us(s->door->loop);
	uint64_t transaction_us = now - b->transaction_us;

	counts->query_us += now - s->request_us;
	metrics_add(metrics, METRIC_query_time, now - s->request_us);
	if (b->replies.len)
		s->request_us = now; /* the server goes on with the next */
	if (status != 'I')
		return;
	counts->transactions++;
	counts->transaction_us += transaction_us;
	b->transaction_us = now;
	metrics_inc(metrics, METRIC_transactions);
	metrics_add(metrics, METRIC_transaction_time, transaction_us);
}

/* True when the ReadyForQuery is the client's to see now. */
static bool exchange_ended(struct session *s, char status)
{
	struct backend *b = s->backend;

	s->tx = status;
	count_exchange(s, status);
	if (status != 'I') {
		s->state_at = loop_now(s->door->loop);
		return true;
	}
	ddl_committed(s);
	residue_look_at_code(s);
	if (b->replies.len || s->in_batch || s->front_left) {
		s->residue &= ~(uint32_t)SQL_COMMITS;
		return true;
	}
	if (s->is_uncertain) {
		put_fence(s);
		return true;
	}
	if (residue_needs_probe(s)) {
		residue_probe(s);
		return false;
	}
	s->residue = 0;
	s->has_failed = false;
	return true;
}

/* What is given back after the message is on its way to the client. */
static void after_ready(struct session *s)
{
	struct backend *b = s->backend;

	if (b->replies.len)
		return;
	listen_flush(s);
	residue_settled(s);
	if (s->state == SESSION_ACTIVE && b->tx == 'I' && !b->replies.len &&
		!s->in_batch && !s->front_left)
		relay_settled(s);
}

/* ---- messages --------------------------------------------------------- */

enum relay_verdict {
	RELAY_FORWARD,
	RELAY_SWALLOW
};

/* The server's message does not fit what was sent to it. */
static enum relay_verdict on_nonsense(
	struct session *s, const struct relay_message *m)
{
	log_error(&s->backend->log, "backend.protocol",
		"message '%c' does not fit what was sent", m->type);
	s->backend->must_close = true;
	buf_deinit(&s->backend->fatal);
	s->is_nonsense = true;
	return RELAY_SWALLOW;
}

static enum relay_verdict on_ready(
	struct session *s, const struct relay_message *m)
{
	struct backend *b = s->backend;
	struct reply *r = backend_head(b);
	char status = m->body.data[0];
	bool is_ours, is_stray;

	b->tx = status;
	/* The answer to a Sync that COPY did not ignore after all. */
	is_stray = !r || (s->is_uncertain && !reply_ends_ready(r)) ||
		   (r->flags & REPLY_INJECTED && r->kind == REPLY_QUERY &&
			   !(r->flags & REPLY_SEEN));
	if (is_stray)
		return RELAY_FORWARD;
	if (!reply_ends_ready(r))
		return on_nonsense(s, m);
	is_ours = r->flags & REPLY_INJECTED;
	pop(s);
	drop_copy_ends(s);
	if (is_ours) {
		s->tx = status;
		return RELAY_SWALLOW;
	}
	return exchange_ended(s, status) ? RELAY_FORWARD : RELAY_SWALLOW;
}

/* An error's text with our name of a statement in it, as the client knows
 * the statement. */
static void forward_renamed(
	struct session *s, const struct relay_message *m, const struct name *n)
{
	struct buf *out = &s->door->out;
	struct slice ours = slice_str(n->statement->server_name);
	struct slice body = m->body;
	size_t begun = pg_begin(out, PG_BACK_ERROR_RESPONSE);
	const char *at = memmem(body.data, body.len, ours.data, ours.len);

	if (at) {
		size_t before = (size_t)(at - body.data);

		buf_append(out, body.data, before);
		buf_append(out, n->text, n->len);
		body = slice_from(body, before + ours.len);
	}
	buf_append_slice(out, body);
	pg_end(out, begun);
	session_send(s);
}

/* The entries of the batch that failed are skipped by the server, up to its
 * Sync. */
static void skip_batch(struct session *s)
{
	struct backend *b = s->backend;
	uint32_t at = 0;

	while (at < b->replies.len && backend_reply(b, at)->kind != REPLY_SYNC)
		at++;
	if (at == b->replies.len) {
		relay_undo(s, 0);
		s->is_skipping = s->in_batch;
		return;
	}
	for (uint32_t i = at; i-- > 0;)
		undo_one(s, b, backend_reply(b, i), i == 0);
	while (at--)
		pop(s);
}

static enum relay_verdict on_error(
	struct session *s, const struct relay_message *m)
{
	struct backend *b = s->backend;
	struct reply *r = backend_head(b);
	struct slice severity = pg_error_field(m->body, 'V');
	enum relay_verdict verdict = RELAY_FORWARD;
	struct fault f;

	if (!r || slice_is(severity, "FATAL") || slice_is(severity, "PANIC")) {
		b->fatal.len = 0;
		buf_append_slice(&b->fatal, m->body);
		return RELAY_SWALLOW;
	}
	s->has_failed = true;
	r->flags |= REPLY_SEEN;
	if (r->flags & REPLY_REFUSED) {
		fault_set(&f, (enum fault_code)r->fault, NULL);
		residue_refusal_text(s, &f);
		pg_put_fault(&s->door->out, "ERROR", &f);
		session_send(s);
		verdict = RELAY_SWALLOW;
	} else if (r->flags & REPLY_RENAMED) {
		forward_renamed(s, m, r->name);
		verdict = RELAY_SWALLOW;
	} else if (r->flags & REPLY_INJECTED && r->kind == REPLY_QUERY) {
		return RELAY_SWALLOW;
	}
	if (copy_in_ends(s))
		s->is_uncertain = true;
	s->is_barred = false;
	r = backend_head(b);
	if (r && !reply_ends_ready(r))
		skip_batch(s);
	return verdict;
}

static enum relay_verdict on_parse_complete(struct session *s, struct reply *r)
{
	bool is_ours = r->flags & REPLY_INJECTED;

	if (r->statement) {
		r->statement->parsed_at = loop_now(s->door->loop);
		r->statement->parsed_ddl = page_ddl_generation(s->door->page);
	}
	pop(s);
	return is_ours ? RELAY_SWALLOW : RELAY_FORWARD;
}

static enum relay_verdict on_simple_complete(struct session *s, struct reply *r)
{
	bool is_ours = r->flags & REPLY_INJECTED;

	pop(s);
	return is_ours ? RELAY_SWALLOW : RELAY_FORWARD;
}

/*
 * What a client relies on in a row description: names and types of the
 * columns, not which table they come from. Never 0, which stands for "not
 * told".
 */
static uint64_t shape_of(struct session *s, const struct relay_message *m)
{
	const struct table *t = &s->door->by_pid;
	struct reader r = reader_of(m->body);
	uint16_t n = m->type == PG_BACK_ROW_DESCRIPTION ? reader_u16(&r) : 0;
	uint64_t hash = table_hash(t, &n, sizeof(n));

	while (n-- && !r.is_bad) {
		struct slice name = reader_cstr(&r);
		struct slice type;

		reader_bytes(&r, 6); /* table and column */
		type = reader_bytes(&r, 10);
		reader_u16(&r); /* format */
		hash = table_hash_more(t, hash, name.data, name.len);
		hash = table_hash_more(t, hash, type.data, type.len);
	}
	return hash | 1;
}

static enum relay_verdict on_description(
	struct session *s, struct reply *r, const struct relay_message *m)
{
	struct name *n = r->name;
	bool is_ours = r->flags & REPLY_INJECTED;

	if (r->kind != REPLY_DESCRIBE && r->kind != REPLY_DESCRIBE_STATEMENT)
		return is_ours ? RELAY_SWALLOW : RELAY_FORWARD;
	if (n && is_ours) {
		n->is_changed = shape_of(s, m) != n->told;
		s->is_barred = false;
	} else if (n) {
		n->told = shape_of(s, m);
		n->is_changed = false;
	}
	if (n)
		backend_has(s->backend, n->statement, &n->generation);
	pop(s);
	return is_ours ? RELAY_SWALLOW : RELAY_FORWARD;
}

/* Some commands undo what we keep books of. */
static void note_tag(struct session *s, struct slice body)
{
	struct slice tag = slice_of(body.data, slice_find(body, '\0'));

	if (slice_is(tag, "ROLLBACK")) {
		s->was_rolled_back = true;
		return;
	}
	if (slice_is(tag, "DISCARD ALL"))
		residue_discarded(s);
	else if (!slice_is(tag, "DEALLOCATE ALL"))
		return;
	backend_forget_all(s->backend);
	names_clear(s);
}

static enum relay_verdict on_complete(
	struct session *s, struct reply *r, const struct relay_message *m)
{
	bool is_ours = r->flags & REPLY_INJECTED;

	r->flags |= REPLY_SEEN;
	if (m->type == PG_BACK_COMMAND_COMPLETE && !is_ours &&
		(m->body.data[0] == 'D' || m->body.data[0] == 'R'))
		note_tag(s, m->body);
	if (r->kind == REPLY_EXECUTE)
		pop(s);
	if (m->type == PG_BACK_COMMAND_COMPLETE)
		copy_in_ends(s);
	return is_ours ? RELAY_SWALLOW : RELAY_FORWARD;
}

static enum relay_verdict on_message(
	struct session *s, const struct relay_message *m)
{
	struct reply *r = backend_head(s->backend);

	switch (m->type) {
	case PG_BACK_READY_FOR_QUERY:
		return on_ready(s, m);
	case PG_BACK_ERROR_RESPONSE:
		return on_error(s, m);
	case PG_BACK_PARAMETER_STATUS:
		front_parameter(s, m->body);
		return r && r->flags & REPLY_INJECTED ? RELAY_SWALLOW
						      : RELAY_FORWARD;
	case PG_BACK_NOTICE_RESPONSE:
		return r && r->flags & REPLY_INJECTED ? RELAY_SWALLOW
						      : RELAY_FORWARD;
	case PG_BACK_NOTIFICATION:
		/* Most of them come over the hub, too. */
		if (listen_overhear(s, m->body, &s->door->out))
			session_send(s);
		return RELAY_SWALLOW;
	default:
		break;
	}
	if (!r)
		return on_nonsense(s, m);
	switch (m->type) {
	case PG_BACK_PARSE_COMPLETE:
		return on_parse_complete(s, r);
	case PG_BACK_BIND_COMPLETE:
	case PG_BACK_CLOSE_COMPLETE:
		return on_simple_complete(s, r);
	case PG_BACK_ROW_DESCRIPTION:
	case PG_BACK_NO_DATA:
		return on_description(s, r, m);
	case PG_BACK_COMMAND_COMPLETE:
	case PG_BACK_EMPTY_QUERY_RESPONSE:
	case PG_BACK_PORTAL_SUSPENDED:
		return on_complete(s, r, m);
	case PG_BACK_COPY_IN_RESPONSE:
		copy_in_begins(s);
		return RELAY_FORWARD;
	case PG_BACK_COPY_BOTH_RESPONSE:
	case PG_BACK_COPY_OUT_RESPONSE:
	case PG_BACK_COPY_DATA:
	case PG_BACK_COPY_DONE:
	case PG_BACK_DATA_ROW:
	case PG_BACK_FUNCTION_RESPONSE:
	case PG_BACK_PARAMETER_DESCRIPTION:
		return r->flags & REPLY_INJECTED ? RELAY_SWALLOW
						 : RELAY_FORWARD;
	default:
		return on_nonsense(s, m);
	}
}

/* ---- one after the other ---------------------------------------------- */

/* Rows and COPY data stream; what is looked into must be whole, unless it is
 * so long that its beginning has to do. */
static bool may_stream(char type, size_t whole)
{
	return type == PG_BACK_DATA_ROW || type == PG_BACK_COPY_DATA ||
	       whole > STREAM_READ_MAX;
}

/* A run of bytes for the client that has not been copied yet. */
struct run {
	const char *begin;
	size_t len;
};

static void run_flush(struct session *s, struct run *run)
{
	if (!run->len)
		return;
	stream_write(&s->stream, run->begin, run->len);
	metrics_add(&s->door->metrics, METRIC_client_bytes_out, run->len);
	run->len = 0;
}

static void run_add(struct run *run, struct slice bytes)
{
	if (!run->len)
		run->begin = bytes.data;
	run->len += bytes.len;
}

static size_t relay_body(struct session *s, struct backend *b,
	struct slice rest, struct run *run)
{
	struct slice part = slice_of(rest.data, MIN(rest.len, b->body_left));

	b->body_left -= (uint32_t)part.len;
	if (!s->is_swallowing)
		run_add(run, part);
	return part.len;
}

/* The bytes used; 0: wait for more. */
static size_t relay_one(struct session *s, struct backend *b, struct slice rest,
	struct run *run)
{
	struct relay_message m = { 0 };
	enum relay_verdict verdict;
	struct pg_head head;
	struct reply *r = backend_head(b);
	size_t whole;

	switch (pg_head_parse(rest, &head)) {
	case PG_HEAD_MORE:
		return 0;
	case PG_HEAD_BAD:
		m.type = rest.data[0];
		on_nonsense(s, &m);
		return 0;
	default:
		break;
	}
	whole = PG_HEAD + (size_t)head.len;
	if (rest.len < whole && !may_stream(head.type, whole))
		return 0;
	m.type = head.type;
	m.bytes = slice_of(rest.data, MIN(rest.len, whole));
	m.body = slice_from(m.bytes, PG_HEAD);
	if (r && (r->kind == REPLY_RESTORE || r->kind == REPLY_PROBE)) {
		if (m.bytes.len < whole)
			return 0;
		run_flush(s, run);
		residue_message(s, m.type, m.body);
		return whole;
	}
	/* Rows are the bulk: no need to ask what they are. */
	if (m.type == PG_BACK_DATA_ROW && r && !(r->flags & REPLY_INJECTED)) {
		verdict = RELAY_FORWARD;
	} else {
		run_flush(s, run);
		verdict = on_message(s, &m);
	}
	b->body_left = (uint32_t)(whole - m.bytes.len);
	s->is_swallowing = verdict == RELAY_SWALLOW;
	if (verdict == RELAY_FORWARD)
		run_add(run, m.bytes);
	if (m.type == PG_BACK_READY_FOR_QUERY || r != backend_head(b)) {
		run_flush(s, run);
		emit_local(s);
	}
	if (m.type == PG_BACK_READY_FOR_QUERY)
		after_ready(s);
	return m.bytes.len;
}

/* A FATAL is no answer to what was asked; nor is what hardly has begun. */
static bool is_last_word(struct slice bytes)
{
	struct pg_head head;

	if (pg_head_parse(bytes, &head) != PG_HEAD_OK)
		return true;
	return head.type == PG_BACK_ERROR_RESPONSE &&
	       slice_is(pg_error_field(slice_from(bytes, PG_HEAD), 'V'),
		       "FATAL");
}

/* A slow reader pauses its server connection, and nobody else's. */
static void relay_press(struct session *s, struct backend *b)
{
	if (stream_out_len(&s->stream) <= STREAM_OUT_HIGH)
		return;
	stream_flush(&s->stream);
	if (stream_out_len(&s->stream) > STREAM_OUT_HIGH && s->backend == b)
		stream_pause(&b->stream);
}

static size_t on_relay_input(
	void *tenant, struct backend *b, struct slice bytes)
{
	struct session *s = tenant;
	struct run run = { 0 };
	size_t used = 0;

	if (s->is_keeping && s->state == SESSION_ACTIVE && !is_last_word(bytes))
		loss_heard(s);
	while (used < bytes.len && s->backend == b && !s->is_nonsense) {
		struct slice rest = slice_from(bytes, used);
		size_t n = b->body_left ? relay_body(s, b, rest, &run)
					: relay_one(s, b, rest, &run);

		if (!n)
			break;
		used += n;
	}
	run_flush(s, &run);
	b->counts->bytes_out += used;
	metrics_add(&s->door->metrics, METRIC_server_bytes_in, used);
	relay_press(s, b);
	if (s->is_nonsense) {
		struct fault f;

		fault_set(&f, FAULT_INTERNAL,
			"the server's answer does not fit the question");
		session_fatal(s, &f);
		return used;
	}
	if (session_meets_doom(s))
		return used;
	if (s->stream.in_len)
		session_continue(s);
	else if (s->has_eof)
		session_check_eof(s);
	return used;
}

static void on_relay_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)b;
	loss_met(tenant, error);
}

static void on_relay_drained(void *tenant, struct backend *b)
{
	(void)b;
	session_continue(tenant);
}

const struct backend_ops relay_ops = {
	.input = on_relay_input,
	.lost = on_relay_lost,
	.drained = on_relay_drained,
};
