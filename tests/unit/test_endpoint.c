/* src/config/endpoint.c: listener lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

/* The list as it is shown, a + behind what only this machine reaches; or
 * "!" and what would be right. */
static char *run(struct slice text)
{
	CLEANUP(endpoints_deinit) struct endpoints list = { 0 };
	struct buf result = { 0 };
	struct fault f;

	if (endpoints_parse(text, "/data", &list, &f) < 0)
		buf_printf(&result, "!%s", f.text);
	endpoints_resolve(&list);
	for (size_t i = 0; i < list.n; i++) {
		buf_append_str(&result, i ? " " : "");
		endpoint_put(&result, &list.at[i]);
		buf_append_str(&result, list.at[i].is_loopback ? "+" : "");
	}
	return buf_take_str(&result);
}

static void assert_list(const char *text, const char *expected)
{
	CLEANUP(freep) char *result = run(slice_str(text));

	assert_string_equal(result, expected);
}

static void test_forms(void **state)
{
	(void)state;
	assert_list("off", "");
	assert_list(" OFF ", "");
	assert_list("127.0.0.1:6432", "127.0.0.1:6432+");
	assert_list("127.9.9.9:1", "127.9.9.9:1+");
	assert_list(" 10.0.0.1:65535 ", "10.0.0.1:65535");
	assert_list("[::1]:6432", "[::1]:6432+");
	assert_list("[::]:6432", "[::]:6432");
	assert_list("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80+");
	assert_list("[2001:db8::5]:80", "[2001:db8::5]:80");
	assert_list("[fe80::1%lo]:80", "[fe80::1%lo]:80");
	assert_list("localhost:6432", "localhost:6432+");
	assert_list("a.LOCALHOST:6432", "a.LOCALHOST:6432+");
	assert_list(":6432", ":6432");
	assert_list("0.0.0.0:6432", "0.0.0.0:6432");
	assert_list("unix:/run/howdah/s", "unix:/run/howdah/s+");
	assert_list("unix:.s.PGSQL.6432", "unix:/data/.s.PGSQL.6432+");
	assert_list("127.0.0.1:1,[::1]:2 , unix:/a,:3",
		"127.0.0.1:1+ [::1]:2+ unix:/a+ :3");
}

static void test_kinds(void **state)
{
	CLEANUP(endpoints_deinit) struct endpoints list = { 0 };
	struct fault f;
	int r;

	(void)state;
	r = endpoints_parse(SLICE(":1,[::1]:2,unix:x"), ".", &list, &f);
	assert_int_equal(r, 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.at[0].kind, ENDPOINT_TCP);
	assert_string_equal(list.at[0].host, "");
	assert_int_equal(list.at[0].port, 1);
	assert_string_equal(list.at[0].path, "");
	assert_string_equal(list.at[1].host, "::1");
	assert_int_equal(list.at[2].kind, ENDPOINT_UNIX);
	assert_string_equal(list.at[2].path, "./x");
}

static void test_wrong(void **state)
{
	static const char nothing[] =
		"!\"\": between the commas stands nothing";
	static const char port[] = ": the port is a number from 1 to 65535";
	static const char host[] = ": the host is a name or an address; all "
				   "addresses are written :6432";
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "a:0", port },
		{ "a:", port },
		{ "a:65536", port },
		{ "a:6432x", port },
		{ "*:6432", host },
		{ "a b:1", host },
		{ "[]:1", host },
		{ "off:x/y:1", ": an IPv6 address is written in brackets, "
			       "[::1]:6432" },
		{ "::1:6432", ": an IPv6 address is written in brackets, "
			      "[::1]:6432" },
		{ "[1.2.3.4]:1", ": between [ and ] stands an IPv6 address" },
		{ "6432", ": write host:port, :port for all addresses, "
			  "unix:/path or off" },
		{ "unix:", ": write unix: and the path of a socket file" },
		{ "unix:/run/", ": write unix: and the path of a socket file" },
	};

	(void)state;
	assert_list("", nothing);
	assert_list("127.0.0.1:1,,b:2", nothing);
	assert_list("127.0.0.1:1,", nothing);
	assert_list("127.0.0.1:1,off", "!\"off\": off stands alone");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(freep)
		char *expected =
			xasprintf("!\"%s\"%s", rows[i].text, rows[i].why);

		assert_list(rows[i].text, expected);
	}
}

static void test_bounds(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *many = NULL;
	CLEANUP(freep) char *fits = NULL;
	CLEANUP(freep) char *absolute = NULL;
	CLEANUP(freep) char *relative = NULL;
	char path[128];

	(void)state;
	memset(path, 'p', sizeof(path));
	memcpy(path, "unix:/", 6);
	fits = run(slice_of(path, 5 + 107));
	assert_int_equal(fits[0], 'u');
	absolute = run(slice_of(path, 5 + 108));
	assert_non_null(strstr(absolute, ": the path is longer than the 107 "
					 "bytes"));
	path[5] = 'p';
	relative = run(slice_of(path, 5 + 102));
	assert_non_null(strstr(relative, ": with the data folder before it "
					 "the path is longer"));
	for (int i = 1; i <= 17; i++)
		buf_printf(&text, "%sx.localhost:%d", i > 1 ? "," : "", i);
	many = run(buf_slice(&text));
	assert_string_equal(
		many, "!\"x.localhost:17\": more than 16 listeners");
}

static void test_cut(void **state)
{
	static const char text[] = "127.0.0.1:6432,[::1]:6432 ,unix:/run/x,"
				   "unix:y,:99,localhost:8";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		char *copy = xmemdup(text, cut);
		CLEANUP(endpoints_deinit) struct endpoints list = { 0 };
		struct fault f;
		int r = endpoints_parse(
			slice_of(copy, cut), "/data", &list, &f);

		free(copy);
		assert_int_equal(r == 0, list.n != 0);
	}
}

static bool overlaps(const char *a, const char *b)
{
	CLEANUP(endpoints_deinit) struct endpoints x = { 0 };
	CLEANUP(endpoints_deinit) struct endpoints y = { 0 };
	struct fault f;

	assert_int_equal(endpoints_parse(slice_str(a), "/data", &x, &f), 0);
	assert_int_equal(endpoints_parse(slice_str(b), "/data", &y, &f), 0);
	assert_int_equal(
		endpoint_overlaps(x.at, y.at), endpoint_overlaps(y.at, x.at));
	return endpoint_overlaps(x.at, y.at);
}

static void test_overlaps(void **state)
{
	(void)state;
	assert_true(overlaps("127.0.0.1:1", "127.0.0.1:1"));
	assert_true(overlaps("localhost:1", "LOCALHOST:1"));
	assert_true(overlaps(":1", "127.0.0.1:1"));
	assert_true(overlaps("0.0.0.0:1", "[::1]:1"));
	assert_true(overlaps("unix:x", "unix:/data/x"));
	assert_false(overlaps("127.0.0.1:1", "127.0.0.1:2"));
	assert_false(overlaps("127.0.0.1:1", "[::1]:1"));
	assert_false(overlaps("unix:x", "unix:y"));
	assert_false(overlaps("unix:x", ":1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
