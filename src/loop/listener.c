/*
 * Listening sockets. They are opened by somebody else and lent; a worker
 * that ends leaves them usable for its replacement.
 */
#include "loop/loop_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPTS_PER_TURN = 64,
	PAUSE_MS = 100, /* out of descriptors: somebody may close one */
};

static void on_listener_ready(uv_poll_t *poll, int status, int events);

/* Trying again at once would only burn the turn. */
static void accept_pause(struct listener *l, int error)
{
	uint32_t held;

	if (log_limit_pass(&l->log_limit, 1, &held))
		log_warn(NULL, "listener.paused", "accept: %s (%u times more)",
			strerror(error), held);
	uv_poll_stop(&l->poll);
	timer_start(&l->pause, PAUSE_MS, 0);
}

/* accept(2) also reports what became of a connection while it waited; the
 * ones behind it are not concerned. */
static bool is_about_one(int error)
{
	static const int errors[] = { ECONNABORTED, EINTR, EPROTO, ENETDOWN,
		ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET, ENOPROTOOPT };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i] == error)
			return true;
	return false;
}

/* False when nobody waits, nobody can be taken in, or l was closed. */
static bool accept_one(struct listener *l)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int one = 1;
	int fd;

	if (uv_is_closing((uv_handle_t *)&l->poll))
		return false;
	fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
		SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (is_about_one(errno))
			return true;
		if (errno != EAGAIN)
			accept_pause(l, errno);
		return false;
	}
	if (peer.ss_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	l->accept(l, fd, (struct sockaddr *)&peer);
	return true;
}

/* An error condition stopped libuv's handle; accept() says which it is. */
static void on_listener_ready(uv_poll_t *poll, int status, int events)
{
	struct listener *l = container_of(poll, struct listener, poll);

	(void)events;
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_listener_ready);
	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(l))
			return;
}

static void on_listener_pause(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, pause);

	uv_poll_start(&l->poll, UV_READABLE, on_listener_ready);
}

void listener_open(struct listener *l, struct loop *loop, int fd,
	listener_accept_fn *accept)
{
	*l = (struct listener){ .loop = loop, .fd = fd, .accept = accept };
	timer_init(&l->pause, loop, on_listener_pause);
	check(uv_poll_init(&loop->uv, &l->poll, fd) == 0);
	check(uv_poll_start(&l->poll, UV_READABLE, on_listener_ready) == 0);
	l->n_open = 2;
}

void listener_drain(struct listener *l)
{
	while (accept_one(l))
		;
	if (uv_is_closing((uv_handle_t *)&l->poll))
		return;
	timer_stop(&l->pause);
	uv_poll_stop(&l->poll);
}

static void listener_part_closed(struct listener *l)
{
	if (--l->n_open == 0 && l->closed)
		l->closed(l);
}

static void on_listener_closed(uv_handle_t *handle)
{
	listener_part_closed(
		container_of((uv_poll_t *)handle, struct listener, poll));
}

static void on_listener_pause_closed(struct timer *timer)
{
	listener_part_closed(container_of(timer, struct listener, pause));
}

void listener_close(struct listener *l, void (*closed)(struct listener *l))
{
	if (uv_is_closing((uv_handle_t *)&l->poll))
		return;
	l->closed = closed;
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	timer_close(&l->pause, on_listener_pause_closed);
}

void peer_text(const struct sockaddr *peer, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
	char address[INET6_ADDRSTRLEN];

	switch (peer->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, address, sizeof(address));
		snprintf(text, size, "%s:%u", address, ntohs(in->sin_port));
		return;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
		snprintf(text, size, "[%s]:%u", address, ntohs(in6->sin6_port));
		return;
	default:
		snprintf(text, size, "unix");
	}
}
