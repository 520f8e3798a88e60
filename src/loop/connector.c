/*
 * Connecting: a name is looked up on libuv's thread pool, then every address
 * is tried in turn. One deadline holds for all of it; an address has an equal
 * share of what is left, so that a silent one does not cost us the next.
 * Nothing here blocks the loop.
 */
#include "loop/loop_priv.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void try_next(struct connector *c);

static void connector_part_closed(struct connector *c)
{
	if (--c->n_open)
		return;
	uv_freeaddrinfo(c->addresses);
	c->addresses = NULL;
	if (c->closed)
		c->closed(c);
}

static void on_poll_closed(uv_handle_t *handle)
{
	connector_part_closed(
		container_of((uv_poll_t *)handle, struct connector, poll));
}

/* libuv must forget the descriptor before anybody else uses or closes it. */
static void stop_polling(struct connector *c)
{
	if (!c->is_polling)
		return;
	c->is_polling = false;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

static void connector_report(struct connector *c, int fd, int error)
{
	connector_fn *done = c->done;

	timer_stop(&c->deadline);
	c->done = NULL;
	if (done)
		done(c, fd, error);
	else if (fd >= 0)
		close(fd);
}

static void connector_fail(struct connector *c, int error, const char *why)
{
	stop_polling(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	snprintf(c->text, sizeof(c->text), "%.96s:%u: %s", c->host, c->port,
		why);
	connector_report(c, -1, error);
}

static void connector_won(struct connector *c)
{
	int one = 1;
	int fd = c->fd;

	stop_polling(c);
	if (c->host[0] != '/') {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	c->fd = -1;
	connector_report(c, fd, 0);
}

static void on_poll_closed_then_next(uv_handle_t *handle)
{
	struct connector *c =
		container_of((uv_poll_t *)handle, struct connector, poll);

	if (c->done)
		try_next(c);
	connector_part_closed(c);
}

/* This address failed, and the handle belonged to its descriptor: the next
 * one can use it when libuv is done with it. */
static void give_up_address(struct connector *c, int error)
{
	c->error = error;
	c->is_polling = false;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed_then_next);
	close(c->fd);
	c->fd = -1;
}

static void on_connect_ready(uv_poll_t *poll, int status, int events)
{
	struct connector *c = container_of(poll, struct connector, poll);
	int error = 0;
	socklen_t len = sizeof(error);

	(void)status;
	(void)events;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		give_up_address(c, -error);
	else
		connector_won(c);
}

static int start_connect(
	struct connector *c, const struct sockaddr *to, socklen_t len)
{
	c->fd = socket(
		to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, to, len) < 0 && errno != EINPROGRESS) {
		int error = -errno;

		close(c->fd);
		c->fd = -1;
		return error;
	}
	check(uv_poll_init(&c->loop->uv, &c->poll, c->fd) == 0);
	c->is_polling = true;
	c->n_open++;
	uv_poll_start(&c->poll, UV_WRITABLE, on_connect_ready);
	return 0;
}

static void share_deadline(struct connector *c)
{
	uint64_t now = loop_now(c->loop);
	uint64_t left_ms = c->end_at > now ? c->end_at - now : 0;
	unsigned n = 1;

	for (struct addrinfo *later = c->next; later; later = later->ai_next)
		n++;
	timer_start(&c->deadline, left_ms / n, 0);
}

static void try_next(struct connector *c)
{
	while (c->next) {
		struct addrinfo *address = c->next;
		int r;

		c->next = address->ai_next;
		share_deadline(c);
		r = start_connect(c, address->ai_addr, address->ai_addrlen);
		if (r == 0)
			return;
		c->error = r;
	}
	connector_fail(c, c->error, strerror(-c->error));
}

static void on_looked_up(
	uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
	struct connector *c = container_of(lookup, struct connector, lookup);

	c->is_looking = false;
	c->addresses = found;
	if (!c->done) {
		; /* closed, or the deadline was first */
	} else if (status < 0) {
		connector_fail(c, -EHOSTUNREACH, uv_strerror(status));
	} else {
		c->next = found;
		try_next(c);
	}
	connector_part_closed(c);
}

/* Callers expect the answer after connector_open() has returned, so the
 * deadline gives it, and at once. */
static void fail_later(struct connector *c, int error)
{
	c->error = error;
	timer_start(&c->deadline, 0, 0);
}

static void connect_unix(struct connector *c)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int n = snprintf(to.sun_path, sizeof(to.sun_path), "%s/.s.PGSQL.%u",
		c->host, c->port);
	int r = -ENAMETOOLONG;

	if (n > 0 && (size_t)n < sizeof(to.sun_path))
		r = start_connect(c, (struct sockaddr *)&to, sizeof(to));
	if (r < 0)
		fail_later(c, r);
}

static void look_up(struct connector *c)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", c->port);
	r = uv_getaddrinfo(&c->loop->uv, &c->lookup, on_looked_up, c->host,
		service, &hints);
	if (r < 0) {
		/* Not a name at all; libuv looks before it asks anybody. */
		fail_later(c, r);
		return;
	}
	c->is_looking = true;
	c->n_open++;
}

static void on_deadline(struct timer *timer)
{
	struct connector *c = container_of(timer, struct connector, deadline);

	if (c->is_polling && c->next)
		give_up_address(c, -ETIMEDOUT);
	else if (c->is_polling || c->is_looking)
		connector_fail(c, -ETIMEDOUT, "no answer in time");
	else
		connector_fail(c, c->error, strerror(-c->error));
}

void connector_open(struct connector *c, struct loop *loop, const char *host,
	uint16_t port, uint64_t timeout_ms, connector_fn *done)
{
	size_t len = strlen(host);

	*c = (struct connector){ .loop = loop, .port = port, .fd = -1 };
	c->done = done;
	c->end_at = loop_now(loop) + timeout_ms;
	snprintf(c->host, sizeof(c->host), "%s", host);
	timer_init(&c->deadline, loop, on_deadline);
	timer_start(&c->deadline, timeout_ms, 0);
	c->n_open = 1;
	if (len >= sizeof(c->host))
		fail_later(c, -ENAMETOOLONG);
	else if (host[0] == '/')
		connect_unix(c);
	else
		look_up(c);
}

static void on_deadline_closed(struct timer *timer)
{
	connector_part_closed(container_of(timer, struct connector, deadline));
}

void connector_close(struct connector *c, void (*closed)(struct connector *c))
{
	c->closed = closed;
	c->done = NULL;
	if (c->is_looking)
		uv_cancel((uv_req_t *)&c->lookup);
	stop_polling(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	timer_close(&c->deadline, on_deadline_closed);
}
