/* src/pool/greeting.c and the readers of wire/pg it stands on: what servers
 * say of themselves, well formed or not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pool/pool_priv.h"

static int put(struct buf *greeting, struct slice body)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };
	size_t begun = pg_begin(&message, PG_BACK_PARAMETER_STATUS);

	buf_append_slice(&message, body);
	pg_end(&message, begun);
	return greeting_put(greeting, buf_slice(&message));
}

static void assert_value(
	const struct buf *greeting, const char *name, const char *value)
{
	assert_true(slice_is(greeting_get(greeting, name), value));
}

static void the_last_of_a_name(void **state)
{
	CLEANUP(buf_deinit) struct buf g = { 0 };

	(void)state;
	assert_null(greeting_get(&g, "a").data);
	assert_int_equal(put(&g, SLICE("a\0one\0")), 0);
	assert_int_equal(put(&g, SLICE("b\0\0")), 0);
	assert_int_equal(put(&g, SLICE("a\0two\0")), 0);
	assert_value(&g, "a", "two");
	assert_value(&g, "b", "");
	assert_non_null(greeting_get(&g, "b").data);
	assert_int_equal(g.len, 2 * PG_HEAD + 6 + 3);
}

static void malformed(void **state)
{
	static const struct slice bodies[] = {
		{ "", 0 },
		{ "a", 1 },
		{ "a\0b", 3 },
		{ "a\0b\0c", 5 },
		{ "a\0b\0\0", 5 },
		{ "\0b\0", 3 },
	};
	CLEANUP(buf_deinit) struct buf g = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		assert_int_equal(put(&g, bodies[i]), -EPROTO);
	assert_int_equal(g.len, 0);
}

static void bounded(void **state)
{
	CLEANUP(buf_deinit) struct buf g = { 0 };
	CLEANUP(buf_deinit) struct buf body = { 0 };
	int n = 0;

	(void)state;
	for (;;) {
		int r;

		body.len = 0;
		buf_printf(&body, "name%d", n);
		buf_put_u8(&body, 0);
		for (int i = 0; i < 1000; i++)
			buf_put_u8(&body, 'x');
		buf_put_u8(&body, 0);
		r = put(&g, buf_slice(&body));
		if (r == -E2BIG)
			break;
		assert_int_equal(r, 0);
		n++;
	}
	assert_true(n >= 10 && g.len <= GREETING_MAX);
	assert_int_equal(put(&g, SLICE("name0\0short\0")), 0);
	assert_value(&g, "name0", "short");
}

static void errors(void **state)
{
	static const struct {
		struct slice body;
		bool is_good;
	} rows[] = {
		{ SLICE("SFATAL\0C28000\0Mno\0\0"), true },
		{ SLICE("SFATAL\0VFATAL\0C57P03\0Mno\0Fa.c\0L1\0\0"), true },
		{ SLICE("SFATAL\0C28000\0Mno\0"), false },
		{ SLICE("SFATAL\0C28000\0Mno"), false },
		{ SLICE("SFATAL\0C28000\0Mno\0\0x"), false },
		{ SLICE("SFATAL\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C28000\0\0"), false },
		{ SLICE("C28000\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C2800\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C280000\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C2800a\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C28 00\0Mno\0\0"), false },
		{ SLICE("SFATAL\0C28000\0M\0\0"), false },
		{ SLICE("\0"), false },
		{ SLICE(""), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (pg_error_is_good(rows[i].body) != rows[i].is_good)
			fail_msg("row %zu", i);
	for (size_t len = 0; len < rows[1].body.len; len++)
		assert_false(
			pg_error_is_good(slice_of(rows[1].body.data, len)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_a_name),
		cmocka_unit_test(malformed),
		cmocka_unit_test(bounded),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
