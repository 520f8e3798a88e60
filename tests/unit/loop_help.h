#pragma once

/*
 * What the tests of loop/ share: a loop that is turned by hand, and one end
 * of a socket played by the test itself with plain system calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop_priv.h"

enum {
	GIVE_UP_MS = 20000
};

/* One turn, at most some milliseconds long when nothing happens. */
static inline void turn(struct loop *loop)
{
	int fd = uv_backend_fd(&loop->uv);
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	uv_run(&loop->uv, UV_RUN_NOWAIT);
	loop_end_turn(loop); /* a loop with nothing to wait for skips it */
	poll(&wait, 1, 1);
}

/* Turns until the condition holds; a hang is a failure, not a wait. */
#define turn_until(loop, condition)                                            \
	do {                                                                   \
		uint64_t end_ = uv_hrtime() / 1000000 + GIVE_UP_MS;            \
		while (!(condition)) {                                         \
			turn(loop);                                            \
			if (uv_hrtime() / 1000000 > end_)                      \
				fail_msg("never came: %s", #condition);        \
		}                                                              \
	} while (0)

/* For what must not happen: turns that give it every chance. */
static inline void turn_some(struct loop *loop)
{
	for (int i = 0; i < 20; i++)
		turn(loop);
}

/* A listening socket on loopback, its port chosen by the kernel. */
static inline int listen_on(
	int family, uint16_t port, int backlog, uint16_t *ret_port)
{
	struct sockaddr_in6 a6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(port),
	};
	struct sockaddr_in a4 = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	bool is_6 = family == AF_INET6;
	struct sockaddr *address = is_6 ? (void *)&a6 : (void *)&a4;
	socklen_t len = is_6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, address, len) < 0 || listen(fd, backlog) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, address, &len), 0);
	*ret_port = ntohs(is_6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

/* A TCP connection over loopback: unlike a socketpair it can be reset. */
static inline void tcp_pair(int ret_fds[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint16_t port;
	int listening = listen_on(AF_INET, 0, 8, &port);

	assert_true(listening >= 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(port);
	ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(ret_fds[0], (struct sockaddr *)&to, sizeof(to)), 0);
	ret_fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ret_fds[1] >= 0);
	close(listening);
	assert_int_equal(fcntl(ret_fds[0], F_SETFL, O_NONBLOCK), 0);
}

/* Closes with a reset instead of a goodbye. */
static inline void reset_socket(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
