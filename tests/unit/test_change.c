/* src/config/change.c: a reload, and the console's SET. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct config *load(const char *const *environment)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};
	struct config *c = NULL;

	assert_int_equal(config_load(&sources, &c, &problems, &warnings), 0);
	return c;
}

/* The next config, or NULL; what was said must be that. */
static struct config *next(const struct config *old,
	const char *const *environment, const char *said)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};
	struct config *c = NULL;
	int r = config_next(old, &sources, &c, &problems, &warnings);

	assert_int_equal(r < 0, c == NULL);
	assert_int_equal(r < 0, problems.len != 0);
	buf_append_slice(&problems, buf_slice(&warnings));
	buf_put_u8(&problems, 0);
	assert_string_equal(problems.data, said);
	return c;
}

static void test_reload(void **state)
{
	CLEANUP(config_destroyp)
	struct config *old =
		load(LIST("HOWDAH_POOL_SIZE=3", "HOWDAH_MAX_PINNED=4"));
	CLEANUP(config_destroyp)
	struct config *new = next(old, LIST("HOWDAH_POOL_SIZE=5"), "");

	(void)state;
	assert_int_equal(new->pool_size, 5);
	assert_int_equal(new->max_pinned, 10);
	assert_int_equal(new->sources[OPTION_ID_max_pinned], OPTION_BY_DEFAULT);
	assert_int_equal(old->pool_size, 3);
	assert_string_equal(new->plan.user, "root");
	assert_int_equal(new->pg_endpoints.at[0].port, 6432);
	assert_true(new->pg_endpoints.at != old->pg_endpoints.at);
}

static void test_restart(void **state)
{
	CLEANUP(config_destroyp)
	struct config *old = load(LIST("HOWDAH_PG_LISTEN=127.0.0.1:1",
		"HOWDAH_DATABASE_URL="
		"postgresql://a:b@pg.invalid,other.invalid/c"));
	CLEANUP(config_destroyp)
	struct config *new = next(old,
		LIST("HOWDAH_PG_LISTEN=:2",
			"HOWDAH_DATABASE_URL=postgresql://x",
			"HOWDAH_POOL_SIZE=5", "HOWDAH_TEST_SCATTER=yes"),
		"HOWDAH_PG_LISTEN=:2: needs a restart; until then it stays "
		"127.0.0.1:1\n"
		"HOWDAH_DATABASE_URL=***: needs a restart; until then it stays "
		"***\n"
		"HOWDAH_TEST_SCATTER=yes: needs a restart; until then it stays "
		"no\n");

	(void)state;
	assert_int_equal(new->pool_size, 5);
	assert_string_equal(new->pg_listen, "127.0.0.1:1");
	assert_int_equal(new->pg_endpoints.at[0].port, 1);
	assert_string_equal(new->plan.upstream.password, "b");
	assert_string_equal(new->plan.upstream.hosts[1].host, "other.invalid");
	assert_int_equal(
		new->sources[OPTION_ID_pg_listen], OPTION_BY_ENVIRONMENT);
}

static void test_bad_reload(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(LIST("X="));

	(void)state;
	assert_null(next(old, LIST("HOWDAH_POOL_SIZE=none"),
		"HOWDAH_POOL_SIZE=none: give a whole number from 1 to 10000\n"));
	assert_null(next(old, LIST("HOWDAH_TLS_KEY=a"),
		"HOWDAH_TLS_KEY is set and HOWDAH_TLS_CERT is not; TLS needs "
		"both\n"));
	assert_null(next(old, LIST("HOWDAH_WORKERS=x"),
		"HOWDAH_WORKERS=x: give a whole number from 0 to 64\n"));
	assert_int_equal(old->pool_size, 20);
}

static void assert_set_fails(const struct config *old, const char *name,
	const char *value, enum fault_code code, const char *text,
	const char *hint)
{
	struct config *new = NULL;
	struct fault f;

	assert_true(config_set(old, slice_str(name), slice_str(value), &new,
			    &f) < 0);
	assert_null(new);
	assert_int_equal(f.code, code);
	assert_string_equal(f.text, text);
	assert_string_equal(f.hint, hint);
}

static void test_set(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(LIST("X="));
	CLEANUP(config_destroyp) struct config *new = NULL;
	CLEANUP(config_destroyp) struct config *third = NULL;
	CLEANUP(config_destroyp) struct config *reloaded = NULL;
	struct fault f;

	(void)state;
	assert_int_equal(
		config_set(old, SLICE("pool_size"), SLICE("7"), &new, &f), 0);
	assert_int_equal(new->pool_size, 7);
	assert_int_equal(new->sources[OPTION_ID_pool_size], OPTION_BY_SET);
	assert_int_equal(old->pool_size, 20);
	assert_int_equal(config_set(new, SLICE("HOWDAH_DRAIN_TIMEOUT"),
				 SLICE("1min"), &third, &f),
		0);
	assert_int_equal(third->drain_timeout, 60000);
	assert_int_equal(third->pool_size, 7);
	/* what SET changed is forgotten by a reload */
	reloaded = next(third, LIST("X="), "");
	assert_int_equal(reloaded->pool_size, 20);
}

static void test_bad_set(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(LIST("X="));

	(void)state;
	assert_set_fails(old, "pool_sise", "7", FAULT_UNDEFINED,
		"there is no option \"pool_sise\"", "did you mean pool_size?");
	assert_set_fails(old, "x", "7", FAULT_UNDEFINED,
		"there is no option \"x\"", "SHOW CONFIG names them all");
	assert_set_fails(old, "workers", "2", FAULT_NOT_IN_STATE,
		"workers cannot be changed without a restart",
		"set HOWDAH_WORKERS and restart");
	assert_set_fails(old, "test_scatter", "yes", FAULT_NOT_IN_STATE,
		"test_scatter cannot be changed without a restart",
		"set HOWDAH_TEST_SCATTER and restart");
	assert_set_fails(old, "pool_size", "many", FAULT_BAD_VALUE,
		"pool_size = many: give a whole number from 1 to 10000", "");
	assert_set_fails(old, "tls_required", "yes", FAULT_BAD_VALUE,
		"HOWDAH_TLS_REQUIRED is set without TLS; give HOWDAH_TLS_CERT "
		"and HOWDAH_TLS_KEY",
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_bad_reload),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_bad_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
