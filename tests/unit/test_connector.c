/*
 * Connectors: every way to succeed, to fail and to be given up, and that the
 * callback comes once, or never after connector_close().
 */
#include "tests/unit/loop_help.h"

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

/*
 * Names that stand for several addresses need a resolver of our own: this one
 * takes the C library's place in this program, and passes other names on.
 */
static struct sockaddr_in two_places[2];
static struct addrinfo two_found[2];

int getaddrinfo(const char *host, const char *service,
	const struct addrinfo *hints, struct addrinfo **ret)
{
	int (*other)(const char *, const char *, const struct addrinfo *,
		struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

	if (!host || strcmp(host, "two-places.test"))
		return other(host, service, hints, ret);
	for (int i = 0; i < 2; i++)
		two_found[i] = (struct addrinfo){
			.ai_family = AF_INET,
			.ai_addr = (struct sockaddr *)&two_places[i],
			.ai_addrlen = sizeof(two_places[i]),
			.ai_next = i ? NULL : &two_found[1],
		};
	*ret = two_found;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	void (*other)(struct addrinfo *) = dlsym(RTLD_NEXT, "freeaddrinfo");

	if (list != two_found)
		other(list);
}

static void two_places_at(uint16_t first, uint16_t second)
{
	for (int i = 0; i < 2; i++)
		two_places[i] = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons(i ? second : first),
		};
}

struct caller {
	struct connector c;
	struct loop *loop;
	int fd;
	int error;
	int n_done;
	int n_closed;
	bool closes; /* inside done */
};

static void on_connector_closed(struct connector *c)
{
	container_of(c, struct caller, c)->n_closed++;
}

static void on_done(struct connector *c, int fd, int error)
{
	struct caller *k = container_of(c, struct caller, c);

	assert_int_equal(k->n_closed, 0);
	k->n_done++;
	k->fd = fd;
	k->error = error;
	if (k->closes)
		connector_close(c, on_connector_closed);
}

static struct caller *caller_create(void)
{
	struct caller *k = xnew(struct caller);

	k->loop = loop_create();
	k->fd = -1;
	return k;
}

static void caller_open(
	struct caller *k, const char *host, uint16_t port, uint64_t timeout_ms)
{
	turn(k->loop); /* the loop's clock stood still while we prepared */
	connector_open(&k->c, k->loop, host, port, timeout_ms, on_done);
	assert_int_equal(k->n_done, 0);
}

static void caller_destroy(struct caller *k)
{
	int n_done = k->n_done;

	if (!k->closes)
		connector_close(&k->c, on_connector_closed);
	turn_until(k->loop, k->n_closed);
	loop_destroy(k->loop);
	assert_int_equal(k->n_closed, 1);
	assert_int_equal(k->n_done, n_done);
	if (k->fd >= 0)
		close(k->fd);
	free(k);
}

/* A listening socket that answers nobody: its backlog is full, so the kernel
 * drops what comes next. */
struct wall {
	int fd;
	int filling[16];
	int n_filling;
};

static bool wall_build(
	struct wall *w, int family, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);

	*w = (struct wall){ .fd = listen_on(family, port, 0, ret_port) };
	if (w->fd < 0)
		return false;
	getsockname(w->fd, (struct sockaddr *)&to, &len);
	while (w->n_filling < 16) {
		int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct pollfd wait = { .fd = fd, .events = POLLOUT };

		w->filling[w->n_filling++] = fd;
		connect(fd, (struct sockaddr *)&to, len);
		if (poll(&wait, 1, 200) == 0)
			return true;
	}
	return false;
}

static void wall_tear_down(struct wall *w)
{
	for (int i = 0; i < w->n_filling; i++)
		close(w->filling[i]);
	if (w->fd >= 0)
		close(w->fd);
}

/* A port of loopback that nobody listens on. */
static uint16_t free_port(void)
{
	uint16_t port;
	int fd = listen_on(AF_INET, 0, 1, &port);

	close(fd);
	return port;
}

static void test_connects(void **state)
{
	struct caller *k = caller_create();
	uint16_t port;
	int listening = listen_on(AF_INET, 0, 4, &port);

	(void)state;
	caller_open(k, "127.0.0.1", port, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_true(k->fd >= 0);
	assert_true(fcntl(k->fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(k->fd, F_GETFL) & O_NONBLOCK);
	assert_false(timer_is_active(&k->c.deadline));
	caller_destroy(k);
	close(listening);
}

static void test_close_inside_done(void **state)
{
	struct caller *k = caller_create();
	uint16_t port;
	int listening = listen_on(AF_INET, 0, 4, &port);

	(void)state;
	k->closes = true;
	caller_open(k, "127.0.0.1", port, GIVE_UP_MS);
	turn_until(k->loop, k->n_closed);
	assert_int_equal(k->n_done, 1);
	assert_true(k->fd >= 0);
	caller_destroy(k);
	close(listening);
}

static void test_refused(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	caller_open(k, "127.0.0.1", free_port(), GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->fd, -1);
	assert_int_equal(k->error, -ECONNREFUSED);
	assert_non_null(strstr(k->c.text, "127.0.0.1:"));
	assert_non_null(strstr(k->c.text, "Connection refused"));
	caller_destroy(k);
}

static void test_refused_and_closed_inside_done(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	k->closes = true;
	caller_open(k, "127.0.0.1", free_port(), GIVE_UP_MS);
	turn_until(k->loop, k->n_closed);
	assert_int_equal(k->error, -ECONNREFUSED);
	caller_destroy(k);
}

static void test_no_such_host(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	caller_open(k, "no-such-host.invalid", 5432, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_true(k->error < 0);
	assert_true(strlen(k->c.text) > 0);
	caller_destroy(k);
}

/* What a configuration may hold must never end the process. */
static void test_senseless_host_names(void **state)
{
	static const char *const names[] = { "", "\xff\xfe", "a b", "..",
		"xn--\x80" };
	char endless[4096];

	(void)state;
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		struct caller *k = caller_create();

		caller_open(k, i < ARRAY_SIZE(names) ? names[i] : endless,
			free_port(), GIVE_UP_MS);
		turn_until(k->loop, k->n_done);
		assert_true(k->error < 0);
		caller_destroy(k);
	}
}

static void test_unix_socket(void **state)
{
	struct caller *k = caller_create();
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/howdah-test-XXXXXX";
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", folder);
	assert_int_equal(
		bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	listen(listening, 4);
	caller_open(k, folder, 5432, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_true(k->fd >= 0);
	caller_destroy(k);
	close(listening);
	unlink(at.sun_path);
	rmdir(folder);
}

static void test_unix_socket_fails_after_the_call(void **state)
{
	struct caller *k = caller_create();
	char endless[200];

	(void)state;
	caller_open(k, "/no/such/folder", 5432, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, -ENOENT);
	caller_destroy(k);

	memset(endless, '/', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	k = caller_create();
	caller_open(k, endless, 5432, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, -ENAMETOOLONG);
	caller_destroy(k);
}

static void test_deadline_while_connecting(void **state)
{
	struct caller *k = caller_create();
	struct wall wall;
	uint16_t port;

	(void)state;
	assert_true(wall_build(&wall, AF_INET, 0, &port));
	caller_open(k, "127.0.0.1", port, 50);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, -ETIMEDOUT);
	assert_int_equal(k->fd, -1);
	caller_destroy(k);
	wall_tear_down(&wall);
}

static void test_deadline_while_looking_up(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	caller_open(k, "127.0.0.1", 1, 0);
	/* The thread's answer waits for a turn's sockets; timers are first. */
	uv_run(&k->loop->uv, UV_RUN_NOWAIT);
	turn_until(k->loop, k->n_done);
	assert_true(k->error < 0);
	caller_destroy(k);
}

/* The first address swallows packets, the second one listens: a deadline for
 * both must leave the second its share. */
static void test_silent_address_leaves_time_for_the_next(void **state)
{
	struct caller *k = caller_create();
	struct wall wall;
	uint16_t silent;
	uint16_t port;
	int listening = listen_on(AF_INET, 0, 4, &port);

	(void)state;
	assert_true(wall_build(&wall, AF_INET, 0, &silent));
	two_places_at(silent, port);
	caller_open(k, "two-places.test", 1, 500);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, 0);
	assert_true(k->fd >= 0);
	caller_destroy(k);
	wall_tear_down(&wall);
	close(listening);
}

static void test_refused_address_gives_way_to_the_next(void **state)
{
	struct caller *k = caller_create();
	uint16_t port;
	int listening = listen_on(AF_INET, 0, 4, &port);

	(void)state;
	two_places_at(free_port(), port);
	caller_open(k, "two-places.test", 1, GIVE_UP_MS);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, 0);
	assert_true(k->fd >= 0);
	caller_destroy(k);
	close(listening);
}

/* The reason told is that of the last address. */
static void test_refused_then_silent(void **state)
{
	struct caller *k = caller_create();
	struct wall wall;
	uint16_t silent;

	(void)state;
	assert_true(wall_build(&wall, AF_INET, 0, &silent));
	two_places_at(free_port(), silent);
	caller_open(k, "two-places.test", 1, 100);
	turn_until(k->loop, k->n_done);
	assert_int_equal(k->error, -ETIMEDOUT);
	caller_destroy(k);
	wall_tear_down(&wall);
}

static void test_close_while_looking_up(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	caller_open(k, "127.0.0.1", 1, GIVE_UP_MS);
	caller_destroy(k);
}

static void test_close_while_connecting(void **state)
{
	struct caller *k = caller_create();
	struct wall wall;
	uint16_t port;

	(void)state;
	assert_true(wall_build(&wall, AF_INET, 0, &port));
	caller_open(k, "127.0.0.1", port, GIVE_UP_MS);
	turn_until(k->loop, k->n_done || k->c.is_polling);
	caller_destroy(k);
	wall_tear_down(&wall);
}

static void test_close_while_failing(void **state)
{
	struct caller *k = caller_create();

	(void)state;
	caller_open(k, "/no/such/folder", 5432, GIVE_UP_MS);
	caller_destroy(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_close_inside_done),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_and_closed_inside_done),
		cmocka_unit_test(test_no_such_host),
		cmocka_unit_test(test_senseless_host_names),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_unix_socket_fails_after_the_call),
		cmocka_unit_test(test_deadline_while_connecting),
		cmocka_unit_test(test_deadline_while_looking_up),
		cmocka_unit_test(test_silent_address_leaves_time_for_the_next),
		cmocka_unit_test(test_refused_address_gives_way_to_the_next),
		cmocka_unit_test(test_refused_then_silent),
		cmocka_unit_test(test_close_while_looking_up),
		cmocka_unit_test(test_close_while_connecting),
		cmocka_unit_test(test_close_while_failing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
