/*
 * Cancelling what a backend runs.
 *
 * A cancel request travels on a connection of its own, and PostgreSQL closes
 * that connection after it has sent the signal. So a backend whose requests
 * are all closed cannot be hit by one any more, and only then it may be lent
 * to somebody else.
 *
 * Who has read the key can cancel, too: the connection is encrypted where that
 * of the backend is.
 */
#include "pool/pool_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CANCEL_MS = 10000
};

struct cancel {
	struct connector connector;
	struct stream stream;
	struct timer deadline;
	struct pools *pools;
	struct backend *backend; /* NULL once it is gone */
	struct list link;	 /* in the backend's cancels */
	size_t host;
	uint32_t pid;
	struct buf key;
	uint8_t n_open;
	bool is_ending;
	bool awaits_ssl; /* the one byte that answers SSLRequest */
};

static void cancel_part_closed(struct cancel *c)
{
	struct pools *pools = c->pools;

	if (--c->n_open)
		return;
	buf_deinit(&c->key);
	free(c);
	pools_part_closed(pools);
}

static void on_cancel_connector_closed(struct connector *connector)
{
	cancel_part_closed(container_of(connector, struct cancel, connector));
}

static void on_cancel_deadline_closed(struct timer *timer)
{
	cancel_part_closed(container_of(timer, struct cancel, deadline));
}

static void on_cancel_stream_closed(struct stream *s)
{
	cancel_part_closed(container_of(s, struct cancel, stream));
}

static void tell_waiters(struct backend *b)
{
	struct list *node;

	while ((node = list_pop(&b->cancel_waiters))) {
		struct cancel_waiter *w =
			list_entry(node, struct cancel_waiter, link);

		w->done(w);
	}
}

/* The request is over, one way or another. */
static void cancel_end(struct cancel *c)
{
	struct backend *b = c->backend;

	if (c->is_ending)
		return;
	c->is_ending = true;
	list_remove(&c->link);
	connector_close(&c->connector, on_cancel_connector_closed);
	timer_close(&c->deadline, on_cancel_deadline_closed);
	if (c->stream.ops)
		stream_close(&c->stream);
	if (!b || !list_empty(&b->cancels))
		return;
	tell_waiters(b);
	if (b->state == BACKEND_SETTLING)
		pool_release(b);
}

/* The request was never made. */
static void cancel_give_up(struct cancel *c, const char *why)
{
	log_warn(c->backend ? &c->backend->log : NULL, "cancel.failed", "%s",
		why);
	cancel_end(c);
}

static void send_request(struct cancel *c)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };

	pg_put_cancel(&message, c->pid, buf_slice(&c->key));
	stream_write_slice(&c->stream, buf_slice(&message));
}

static void secure(struct cancel *c)
{
	server_secure(c->pools->server, c->host, &c->stream);
	send_request(c);
}

static void on_ssl_answer(struct cancel *c, struct slice bytes)
{
	c->awaits_ssl = false;
	if (slice_is(bytes, "S"))
		secure(c);
	else if (slice_is(bytes, "N") && server_may_go_plain(c->pools->server))
		send_request(c);
	else
		cancel_give_up(c, "the server does not speak TLS");
}

static size_t on_cancel_input(struct stream *s, struct slice bytes)
{
	struct cancel *c = container_of(s, struct cancel, stream);

	/* PostgreSQL answers nothing to the request itself. */
	if (c->awaits_ssl && !c->is_ending)
		on_ssl_answer(c, bytes);
	return bytes.len;
}

static void on_cancel_eof(struct stream *s)
{
	cancel_end(container_of(s, struct cancel, stream));
}

/* A connection reset is an end, too. */
static void on_cancel_failed(struct stream *s, int error)
{
	struct cancel *c = container_of(s, struct cancel, stream);

	if (error == -EPROTO)
		cancel_give_up(c, stream_error_text(s, error));
	else
		cancel_end(c);
}

static const struct stream_ops cancel_stream_ops = {
	.input = on_cancel_input,
	.eof = on_cancel_eof,
	.failed = on_cancel_failed,
	.closed = on_cancel_stream_closed,
};

static void ask_for_tls(struct cancel *c)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };

	pg_put_ssl_request(&message);
	stream_write_slice(&c->stream, buf_slice(&message));
	c->awaits_ssl = true;
}

static void on_cancel_connected(struct connector *connector, int fd, int error)
{
	struct cancel *c = container_of(connector, struct cancel, connector);
	const struct server *server = c->pools->server;
	const char *why;

	(void)error;
	if (fd < 0) {
		cancel_give_up(c, connector->text);
		return;
	}
	c->n_open++;
	stream_open(&c->stream, c->pools->loop, fd, &cancel_stream_ops);
	if (!server_accept(server, c->host, fd, &why))
		cancel_give_up(c, why);
	else if (!server_has_tls(server, c->host))
		send_request(c);
	else if (server->is_direct)
		secure(c);
	else
		ask_for_tls(c);
}

/* An unanswered request may still hit: its backend must not be lent. */
static void on_cancel_deadline(struct timer *timer)
{
	struct cancel *c = container_of(timer, struct cancel, deadline);

	if (c->backend)
		c->backend->must_close = true;
	cancel_end(c);
}

bool backend_cancel(struct backend *b, struct cancel_waiter *w)
{
	struct cancel *c;

	if (!b->key.len)
		return false;
	if (w)
		list_push_back(&b->cancel_waiters, &w->link);
	if (!list_empty(&b->cancels))
		return true; /* the one under way will do */
	c = xnew(struct cancel);
	c->pools = b->pools;
	c->backend = b;
	c->pid = b->pid;
	c->host = b->host;
	c->n_open = 2;
	buf_append_slice(&c->key, buf_slice(&b->key));
	list_push_back(&b->cancels, &c->link);
	b->pools->n_open++;
	timer_init(&c->deadline, b->pools->loop, on_cancel_deadline);
	timer_start(&c->deadline, CANCEL_MS, 0);
	server_connect(b->pools->server, b->host, &c->connector, b->pools->loop,
		CANCEL_MS, on_cancel_connected);
	return true;
}

void cancel_orphan(struct backend *b)
{
	struct list *node;

	while ((node = list_pop(&b->cancels)))
		list_entry(node, struct cancel, link)->backend = NULL;
	tell_waiters(b);
}
