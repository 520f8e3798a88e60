/*
 * One client: its states, how it begins and how it ends.
 *
 *     session ──lease──► pool ──► backend
 *        ▲                          │
 *        └────── relay_ops ◄────────┘
 *
 * A session owns its stream; a backend is its own only while it has the
 * lease. The session's memory goes when its stream has closed.
 */
#include "session/session_priv.h"

#include <stdlib.h>

#include "session/listen.h"
#include "session/prepared.h"

struct session_row {
	const char *label;
	unsigned next;
};

#define TO(name) BIT(SESSION_##name)
static const struct session_row rows[] = {
#define SESSION_STATE(name, label, next) { label, next },
#include "session/session_states.def"
#undef SESSION_STATE
};

_Static_assert(ARRAY_SIZE(rows) == SESSION_STATES, "one row per state");

const char *session_state_name(enum session_state state)
{
	return rows[state].label;
}

/* The one writer of ->state. */
void session_enter(struct session *s, enum session_state next)
{
	struct door *door = s->door;

	check(rows[s->state].next & BIT(next));
	log_debug(&s->log, "session.enter", "%s", rows[next].label);
	door->n_sessions[s->state]--;
	door->n_sessions[next]++;
	list_move(&s->link, &door->sessions[next]);
	s->state = (uint8_t)next;
	s->state_at = loop_now(door->loop);
}

/* ---- sending ---------------------------------------------------------- */

void session_send(struct session *s)
{
	metrics_add(
		&s->door->metrics, METRIC_client_bytes_out, s->door->out.len);
	stream_write_slice(&s->stream, buf_slice(&s->door->out));
	s->door->out.len = 0;
}

void session_write_back(struct session *s, struct slice bytes)
{
	stream_write_slice(&s->backend->stream, bytes);
	metrics_add(&s->door->metrics, METRIC_server_bytes_out, bytes.len);
}

void session_send_back(struct session *s)
{
	session_write_back(s, buf_slice(&s->door->out));
	s->door->out.len = 0;
}

/* ---- its stream ------------------------------------------------------- */

static struct session *of_stream(struct stream *stream)
{
	return container_of(stream, struct session, stream);
}

static size_t on_session_input(struct stream *stream, struct slice bytes)
{
	struct session *s = of_stream(stream);

	switch ((enum session_state)s->state) {
	case SESSION_STARTUP:
	case SESSION_AUTH:
		return startup_input(s, bytes);
	case SESSION_READY:
	case SESSION_ACTIVE:
		return front_input(s, bytes);
	case SESSION_CONSOLE:
		return console_input(s, bytes);
	case SESSION_FINISHING:
		return bytes.len;
	default:
		return 0; /* kept until it can go on */
	}
}

void session_continue(struct session *s)
{
	struct slice bytes = stream_pending(&s->stream);

	if (bytes.len && !s->stream.is_closing) {
		size_t used = on_session_input(&s->stream, bytes);

		if (!s->stream.is_closing)
			stream_consume(&s->stream, used);
	}
	session_check_eof(s);
}

void session_check_eof(struct session *s)
{
	if (!s->has_eof || s->stream.is_closing)
		return;
	switch ((enum session_state)s->state) {
	case SESSION_WAITING:
	case SESSION_RESTORING:
	case SESSION_PROBING:
		return; /* goes on by itself */
	case SESSION_AUTH:
		if (startup_is_waiting(s))
			return;
		break;
	case SESSION_ACTIVE:
		if (front_hears_out(s))
			return;
		break;
	case SESSION_CONSOLE:
		if (console_is_busy(s))
			return;
		break;
	default:
		break;
	}
	session_finish(s);
}

static void on_session_eof(struct stream *stream)
{
	struct session *s = of_stream(stream);

	s->has_eof = true;
	session_check_eof(s);
}

static void session_drop(struct session *s);

static void on_session_failed(struct stream *stream, int error)
{
	struct session *s = of_stream(stream);

	log_debug(&s->log, "session.lost", "%s", strerror(-error));
	session_drop(s);
}

static void on_session_drained(struct stream *stream)
{
	struct session *s = of_stream(stream);

	if (s->backend)
		stream_resume(&s->backend->stream);
	else if (s->console)
		console_drained(s);
}

static void on_session_secured(struct stream *stream)
{
	startup_secured(of_stream(stream));
}

static void on_session_closed(struct stream *stream)
{
	struct session *s = of_stream(stream);
	struct door *door = s->door;

	list_remove(&s->link);
	list_remove(&s->in_all);
	door->n_sessions[s->state]--;
	free(s);
	door_part_closed(door);
}

static const struct stream_ops session_stream_ops = {
	.input = on_session_input,
	.eof = on_session_eof,
	.failed = on_session_failed,
	.drained = on_session_drained,
	.secured = on_session_secured,
	.closed = on_session_closed,
};

/* ---- beginning and end ------------------------------------------------ */

void session_create(struct door *door, int fd, const struct sockaddr *peer)
{
	struct session *s = xnew(struct session);

	s->door = door;
	s->log = (struct log_scope){ "session", ++door->n_ids };
	s->tx = 'I';
	s->is_unix = peer->sa_family == AF_UNIX;
	s->connected_at = loop_now(door->loop);
	s->state = SESSION_STARTUP;
	s->state_at = s->connected_at;
	list_push_back(&door->sessions[SESSION_STARTUP], &s->link);
	list_push_back(&door->all, &s->in_all);
	door->n_sessions[SESSION_STARTUP]++;
	door->n_open++;
	stream_open(&s->stream, door->loop, fd, &session_stream_ops);
	startup_begin(s, peer);
}

/* Gives back everything but the stream. */
static void session_release(struct session *s)
{
	struct pools *pools = s->door->pools;
	struct backend *b = s->backend;

	startup_end(s);
	console_end(s);
	cancel_key_drop(s);
	if (s->is_counted)
		page_client_leave(s->door->page, s->door->worker);
	s->is_counted = false;
	if (s->lease.flavour)
		lease_cancel(&s->lease);
	if (b) {
		s->backend = NULL;
		relay_forget(b);
		/* A batch without its Sync is a transaction, and to clean up
		 * behind it would commit it. */
		if (s->pins || residue_is_suspect(s) || s->front_left ||
			s->in_batch || s->state == SESSION_RESTORING ||
			s->state == SESSION_PROBING)
			b->must_close = true;
		pool_abandon(b);
	}
	residue_unpin(s);
	listen_drop(s);
	names_clear(s);
	statement_unref(s->unnamed);
	s->unnamed = NULL;
	free(s->doom);
	s->doom = NULL;
	settings_unref(pools, s->settings);
	settings_unref(pools, s->initial);
	s->settings = NULL;
	s->initial = NULL;
	if (s->flavour)
		flavour_count_client(s->flavour, -1);
	flavour_unref(s->flavour);
	s->flavour = NULL;
}

void session_finish(struct session *s)
{
	if (s->state == SESSION_FINISHING || s->stream.is_closing)
		return;
	session_release(s);
	session_enter(s, SESSION_FINISHING);
	stream_finish(&s->stream);
}

/* The connection is gone; nobody hears last words. */
static void session_drop(struct session *s)
{
	if (s->state != SESSION_FINISHING) {
		session_release(s);
		session_enter(s, SESSION_FINISHING);
	}
	stream_close(&s->stream);
}

void session_fatal(struct session *s, const struct fault *f)
{
	if (s->state == SESSION_FINISHING)
		return;
	pg_put_fault(&s->door->out, "FATAL", f);
	session_send(s);
	session_finish(s);
}

static void session_end(struct session *s, const struct fault *f)
{
	if (f)
		session_fatal(s, f);
	else
		session_finish(s);
}

void session_doom(struct session *s, const struct fault *f)
{
	struct backend *b = s->backend;

	if (!b || !b->replies.len) {
		session_end(s, f);
		return;
	}
	s->is_doomed = true;
	s->doom = f ? xmemdup(f, sizeof(*f)) : NULL;
	/* Without a Sync behind them, answers wait for a Flush. */
	pg_put_empty(&s->door->out, PG_FRONT_FLUSH);
	session_send_back(s);
}

bool session_meets_doom(struct session *s)
{
	CLEANUP(freep) struct fault *f = NULL;

	if (!s->is_doomed || (s->backend && s->backend->replies.len))
		return false;
	f = TAKE(s->doom);
	session_end(s, f);
	return true;
}

void session_complain(struct session *s, const char *what)
{
	struct door *door = s->door;
	uint32_t held;

	metrics_inc(&door->metrics, METRIC_protocol_errors);
	if (log_limit_pass(&door->log_bad, 5, &held))
		log_warn(&s->log, "session.protocol", "%s (%u more like it)",
			what, held);
}

void session_fatal_raw(struct session *s, struct slice body)
{
	struct buf *out = &s->door->out;
	size_t begun;

	if (s->state == SESSION_FINISHING)
		return;
	begun = pg_begin(out, PG_BACK_ERROR_RESPONSE);
	buf_append_slice(out, body);
	pg_end(out, begun);
	session_send(s);
	session_finish(s);
}
