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

static void accept_pause(struct listener *l, int error)
{
	log_warn(NULL, "listener.paused", "accept: %s", strerror(error));
	uv_poll_stop(&l->poll);
	timer_start(&l->pause, PAUSE_MS, 0);
}

/* False when nobody waits, or nobody can be taken in. */
static bool accept_one(struct listener *l)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int one = 1;
	int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
		SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			errno == ENOMEM)
			accept_pause(l, errno);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (peer.ss_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	l->accept(l, fd, (struct sockaddr *)&peer);
	return true;
}

static void on_listener_ready(uv_poll_t *poll, int status, int events)
{
	struct listener *l = container_of(poll, struct listener, poll);

	(void)status;
	(void)events;
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
		snprintf(text, size, "[%s]:%u", address,
			ntohs(in6->sin6_port));
		return;
	default:
		snprintf(text, size, "unix");
	}
}
