/* src/config/address.c: does a URL lead to our own listener? No name here
 * needs a resolver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "config/config_priv.h"

static bool serves(const char *listeners, const char *url)
{
	CLEANUP(endpoints_deinit) struct endpoints e = { 0 };
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	struct fault f;
	bool is_served = false;

	assert_int_equal(
		endpoints_parse(slice_str(listeners), "/data", &e, &f), 0);
	assert_int_equal(upstream_parse(slice_str(url), &u, &f), 0);
	for (size_t i = 0; i < u.n_hosts; i++)
		is_served = is_served || endpoints_serve(&e, &u.hosts[i]);
	return is_served;
}

static void test_loopback(void **state)
{
	(void)state;
	assert_true(serves("127.0.0.1:6432", "postgresql://127.0.0.1:6432"));
	assert_true(serves("127.0.0.1:6432", "postgresql://localhost:6432"));
	assert_true(serves("[::1]:6432", "postgresql://LocalHost:6432"));
	assert_true(serves("localhost:6432", "postgresql://[::1]:6432"));
	assert_true(serves("localhost:6432", "postgresql://x.localhost:6432"));
	assert_true(serves("127.0.0.1:6432", "postgresql://0.0.0.0:6432"));
	assert_true(serves(
		"127.0.0.1:6432", "postgresql://[::ffff:127.0.0.1]:6432"));
	assert_true(serves(":1,[::1]:6432", "postgresql://[0:0::1]:6432"));
	assert_false(serves("127.0.0.1:6432", "postgresql://127.0.0.1:5432"));
	assert_false(serves("127.0.0.1:6432", "postgresql://127.0.0.2:6432"));
	assert_false(serves("127.0.0.1:6432", "postgresql://[::1]:6432"));
	assert_false(serves("off", "postgresql://127.0.0.1:6432"));
}

static void test_everywhere(void **state)
{
	(void)state;
	assert_true(serves(":6432", "postgresql://127.0.0.1:6432"));
	assert_true(serves(":6432", "postgresql://127.8.8.8:6432"));
	assert_true(serves("0.0.0.0:6432", "postgresql://localhost:6432"));
	assert_true(serves("[::]:6432", "postgresql://localhost:6432"));
	assert_false(serves(":6432", "postgresql://192.0.2.7:6432"));
	assert_false(serves(":6432", "postgresql://localhost:5432"));
}

static void test_elsewhere(void **state)
{
	(void)state;
	assert_true(serves("192.0.2.7:6432", "postgresql://192.0.2.7:6432"));
	assert_false(serves("192.0.2.7:6432", "postgresql://localhost:6432"));
	/* a listener by name is ours by the same name */
	assert_true(
		serves("Gate.invalid:6432", "postgresql://gate.invalid:6432"));
	/* where hostaddr is given, that is what is connected to */
	assert_true(serves(
		"127.0.0.1:6432", "host=db hostaddr=127.0.0.1 port=6432"));
	assert_false(serves("127.0.0.1:6432",
		"host=localhost hostaddr=192.0.2.7 port=6432"));
	/* one of several is enough */
	assert_true(serves("127.0.0.1:6432",
		"postgresql://192.0.2.7:6432,127.0.0.1:6432"));
}

static void test_unix(void **state)
{
	(void)state;
	assert_true(serves("unix:/run/howdah/.s.PGSQL.6432",
		"host=/run/howdah port=6432"));
	assert_true(serves("unix:.s.PGSQL.6432", "host=/data/ port=6432"));
	assert_true(serves("unix:/.s.PGSQL.6432", "host=/ port=6432"));
	assert_false(serves("unix:/run/howdah/.s.PGSQL.6432",
		"host=/run/howdah port=5432"));
	assert_false(serves(
		"unix:/run/howdah/.s.PGSQL.6432", "host=/run port=6432"));
	assert_false(serves("unix:/run/howdah/.s.PGSQL.6432",
		"postgresql://localhost:6432"));
	assert_false(serves(":6432", "host=/run/howdah port=6432"));
	assert_false(serves("unix:/a/.s.PGSQL.6432", "host=@/a port=6432"));
}

/* Every address this machine really has is ours on :6432. */
static void test_interfaces(void **state)
{
	struct ifaddrs *list;

	(void)state;
	assert_int_equal(getifaddrs(&list), 0);
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr_in *in = (const void *)i->ifa_addr;
		char host[INET_ADDRSTRLEN], url[64];

		if (!in || in->sin_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(url, sizeof(url), "postgresql://%s:6432", host);
		assert_true(serves(":6432", url));
	}
	freeifaddrs(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_everywhere),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
