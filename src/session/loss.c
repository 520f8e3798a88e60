/*
 * A server connection is lost under a client. Who waits between two
 * transactions never hears of it. A statement that only looks is asked again
 * elsewhere; any other fails, loudly and once, and the client stays. Inside
 * a transaction the client's session has lost its footing: it is told and
 * ends.
 *
 * For asking again, what a client says is kept (with the backend, so that
 * nobody allocates) until the first answer.
 */
#include "session/front.h"

void loss_heard(struct session *s)
{
	s->is_keeping = false;
	s->n_reruns = 0;
}

void loss_keep(struct session *s, struct slice bytes)
{
	struct buf *kept = &s->backend->kept;

	if (kept->len + bytes.len > RERUN_MAX)
		loss_heard(s);
	else
		buf_append_slice(kept, bytes);
}

/* ---- asking again ----------------------------------------------------- */

/*
 * Nobody can tell whether a server had begun with what it was asked when it
 * went. Of a statement that only looks, it does not matter. Of one that has
 * run for a while it does: it may have been ended on purpose.
 */
static bool may_ask_again(const struct session *s)
{
	uint64_t asked_us = loop_now_us(s->door->loop) - s->request_us;

	if (s->pins || s->n_reruns == RERUNS)
		return false;
	if (s->state == SESSION_RESTORING)
		return true; /* it was not asked yet */
	return s->is_keeping && !(s->residue & ~(uint32_t)SQL_HIDDEN) &&
	       !s->is_native && !s->has_large && !s->front_left &&
	       asked_us < RERUN_YOUNG_MS * 1000;
}

static void ask_again(struct session *s)
{
	s->n_reruns++;
	metrics_inc(&s->door->metrics, METRIC_reruns);
	log_debug(&s->log, "session.rerun", "the server went without a word");
	relay_undo(s, 0);
	if (s->state != SESSION_RESTORING) {
		s->in_batch = s->kept_in_batch;
		stream_unread(&s->stream, buf_slice(&s->backend->kept));
	}
	s->is_keeping = false;
	s->is_skipping = false;
	s->is_barred = false;
	s->shows_channels = false;
	s->residue = 0;
	s->code_seen = 0;
	s->backend = NULL;
	session_enter(s, SESSION_READY);
	session_continue(s);
}

/* ---- failing ---------------------------------------------------------- */

/* Of what was on its way: how many answers a client that stays is owed. */
static uint32_t count_ready(struct backend *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->replies.len; i++) {
		const struct reply *r = backend_reply(b, i);

		n += reply_ends_ready(r) && !(r->flags & REPLY_INJECTED);
	}
	return n;
}

static bool is_shutdown(struct slice error)
{
	return slice_is(pg_error_field(error, 'C'), "57P01");
}

/* The server goes, or was told to end one of its processes: no fault of this
 * client's. Any other FATAL is about the client. */
static bool is_about_server(struct slice error)
{
	return !error.len ||
	       slice_starts_with(pg_error_field(error, 'C'), SLICE("57P0"));
}

/* COMMIT has left, or a statement that commits by itself. A server process
 * that was told to go, or has a reason to, and says so, has not got that far.
 */
static bool is_outcome_unknown(
	const struct session *s, struct slice error, uint32_t n_ready)
{
	const uint32_t effects = SQL_WRITES | SQL_OPAQUE | SQL_COMMITS;

	if (s->tx != 'I')
		return s->residue & SQL_COMMITS;
	return n_ready && s->residue & effects && is_about_server(error) &&
	       !is_shutdown(error);
}

static void lost_fault(struct session *s, struct slice error, uint32_t n_ready,
	struct fault *f)
{
	struct slice text = pg_error_field(error, 'M');

	if (is_outcome_unknown(s, error, n_ready))
		fault_set(f, FAULT_OUTCOME_UNKNOWN, NULL);
	else if (is_shutdown(error))
		fault_set(f, FAULT_SHUTDOWN, "%.*s", (int)MIN(text.len, 200),
			text.data);
	else if (text.len)
		fault_set(f, FAULT_CONNECTION_LOST,
			"the server closed the connection: %.*s",
			(int)MIN(text.len, 180), text.data);
	else
		fault_set(f, FAULT_CONNECTION_LOST,
			"the server closed the connection unexpectedly");
}

/* Each exchange that was on its way fails; the client stays. */
static void fail_exchanges(
	struct session *s, const struct fault *f, uint32_t n_ready)
{
	struct buf *out = &s->door->out;

	for (uint32_t i = 0; i < n_ready; i++) {
		pg_put_fault(out, "ERROR", f);
		pg_put_ready(out, 'I');
	}
	if (s->in_batch) {
		if (!n_ready)
			pg_put_fault(out, "ERROR", f);
		s->is_skipping = true;
	}
	session_send(s);
}

/* Can the client go on with another backend as if only this exchange had
 * failed? */
static bool may_stay(struct session *s, struct backend *b, struct slice error)
{
	bool is_cut = b->body_left && !s->is_swallowing;

	return s->state == SESSION_ACTIVE && s->tx == 'I' && !s->pins &&
	       !is_cut && !s->front_left && !s->is_uncertain && !s->has_eof &&
	       is_about_server(error);
}

/* The last words of the server are the client's, but for those about a
 * COMMIT: they would be taken for a failure. */
static void end_with(
	struct session *s, const struct fault *f, struct slice error)
{
	if (s->has_eof && !error.len)
		session_finish(s);
	else if (error.len && f->code != FAULT_OUTCOME_UNKNOWN)
		session_fatal_raw(s, error);
	else
		session_fatal(s, f);
}

void loss_met(struct session *s, struct slice error)
{
	struct backend *b = s->backend;
	uint32_t n_ready = count_ready(b);
	struct fault f;

	if (may_ask_again(s)) {
		ask_again(s);
		return;
	}
	lost_fault(s, error, n_ready, &f);
	relay_undo(s, 0);
	if (!may_stay(s, b, error)) {
		end_with(s, &f, error);
		return;
	}
	s->backend = NULL;
	s->residue = 0;
	s->in_copy = false;
	s->is_barred = false;
	session_enter(s, SESSION_READY);
	fail_exchanges(s, &f, n_ready);
	session_continue(s);
}
