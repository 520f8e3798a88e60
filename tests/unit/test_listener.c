/* Listeners: who is taken in, and what happens when nobody can be. */
#include "tests/unit/loop_help.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>

enum {
	CLIENTS = 5
};

struct door {
	struct listener l;
	struct loop *loop;
	int fd;
	uint16_t port;
	int clients[CLIENTS];
	int accepted[CLIENTS];
	int n_accepted;
	int n_closed;
	bool closes; /* on the first client */
	bool drains; /* on the first client */
	char peer[PEER_TEXT_MAX];
};

static void on_listener_closed(struct listener *l)
{
	container_of(l, struct door, l)->n_closed++;
}

static void on_accept(struct listener *l, int fd, const struct sockaddr *peer)
{
	struct door *d = container_of(l, struct door, l);

	assert_true(d->n_accepted < CLIENTS);
	assert_int_equal(d->n_closed, 0);
	d->accepted[d->n_accepted++] = fd;
	peer_text(peer, d->peer, sizeof(d->peer));
	if (d->closes)
		listener_close(l, on_listener_closed);
	if (d->drains) {
		d->drains = false;
		listener_drain(l);
	}
}

static struct door *door_create(int family)
{
	struct door *d = xnew(struct door);

	d->loop = loop_create();
	d->fd = listen_on(family, 0, 16, &d->port);
	for (int i = 0; i < CLIENTS; i++)
		d->clients[i] = -1;
	if (d->fd >= 0)
		listener_open(&d->l, d->loop, d->fd, on_accept);
	return d;
}

static void door_destroy(struct door *d)
{
	if (!d->closes)
		listener_close(&d->l, on_listener_closed);
	turn_until(d->loop, d->n_closed);
	assert_int_equal(d->n_closed, 1);
	loop_destroy(d->loop);
	for (int i = 0; i < d->n_accepted; i++)
		close(d->accepted[i]);
	for (int i = 0; i < CLIENTS; i++)
		if (d->clients[i] >= 0)
			close(d->clients[i]);
	close(d->fd);
	free(d);
}

/* Connects without the loop's help: the backlog takes it. */
static void clients_connect(struct door *d, int n)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(d->port),
	};

	for (int i = 0; i < n; i++) {
		d->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(d->clients[i], (struct sockaddr *)&to,
					 sizeof(to)),
			0);
	}
}

static void test_accepts_all(void **state)
{
	struct door *d = door_create(AF_INET);
	struct sockaddr_in me;
	socklen_t len = sizeof(me);
	char expected[64];

	(void)state;
	clients_connect(d, CLIENTS);
	turn_until(d->loop, d->n_accepted == CLIENTS);
	getsockname(d->clients[CLIENTS - 1], (struct sockaddr *)&me, &len);
	snprintf(
		expected, sizeof(expected), "127.0.0.1:%u", ntohs(me.sin_port));
	assert_string_equal(d->peer, expected);
	assert_true(fcntl(d->accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(d->accepted[0], F_GETFD) & FD_CLOEXEC);
	door_destroy(d);
}

static void test_close_inside_accept(void **state)
{
	struct door *d = door_create(AF_INET);

	(void)state;
	d->closes = true;
	clients_connect(d, 3);
	turn_until(d->loop, d->n_closed);
	assert_int_equal(d->n_accepted, 1);
	door_destroy(d);
}

static void test_drain_takes_who_waits_and_no_more(void **state)
{
	struct door *d = door_create(AF_INET);

	(void)state;
	d->drains = true;
	clients_connect(d, 3);
	turn_until(d->loop, d->n_accepted == 3);
	clients_connect(d, 1);
	turn_some(d->loop);
	assert_int_equal(d->n_accepted, 3);
	door_destroy(d);
}

static void test_out_of_descriptors_is_a_pause(void **state)
{
	struct door *d = door_create(AF_INET);
	struct rlimit limit;
	struct rlimit none;
	int next;

	(void)state;
	clients_connect(d, 2);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	next = dup(d->fd);
	close(next);
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn_until(d->loop, timer_is_active(&d->l.pause));
	assert_int_equal(d->n_accepted, 0);
	assert_false(uv_is_active((uv_handle_t *)&d->l.poll));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	turn_until(d->loop, d->n_accepted == 2);
	door_destroy(d);
}

/* Without a pause a listener that cannot accept makes every turn busy. */
static void test_a_dead_socket_is_a_pause(void **state)
{
	struct door *d = door_create(AF_INET);

	(void)state;
	shutdown(d->fd, SHUT_RDWR);
	turn_until(d->loop, timer_is_active(&d->l.pause));
	assert_int_equal(d->n_accepted, 0);
	door_destroy(d);
}

static void test_peer_text(void **state)
{
	struct sockaddr_in6 six = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(5432),
	};
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	char text[PEER_TEXT_MAX];

	(void)state;
	peer_text((struct sockaddr *)&six, text, sizeof(text));
	assert_string_equal(text, "[::1]:5432");
	peer_text((struct sockaddr *)&local, text, sizeof(text));
	assert_string_equal(text, "unix");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_all),
		cmocka_unit_test(test_close_inside_accept),
		cmocka_unit_test(test_drain_takes_who_waits_and_no_more),
		cmocka_unit_test(test_out_of_descriptors_is_a_pause),
		cmocka_unit_test(test_a_dead_socket_is_a_pause),
		cmocka_unit_test(test_peer_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
