/* A configuration packed by one process is the same in another, and bytes
 * that are no such thing are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "config/config.h"

static struct config *load(const char *const *environment)
{
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct config *c = NULL;

	assert_int_equal(config_load(&sources, &c, &problems, &warnings), 0);
	return c;
}

static const char *const changed[] = { "HOWDAH_POOL_SIZE=33",
	"HOWDAH_QUERY_WAIT_TIMEOUT=1500ms", "HOWDAH_LOG_LEVEL=debug",
	"HOWDAH_ADMIN_USERS=ann, bob", "HOWDAH_WORKERS=3", NULL };

static void test_round_trip(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(NULL);
	CLEANUP(config_destroyp) struct config *next = load(changed);
	CLEANUP(config_destroyp) struct config *got = NULL;
	CLEANUP(buf_deinit) struct buf packed = { 0 };
	CLEANUP(buf_deinit) struct buf again = { 0 };

	(void)state;
	config_pack(next, &packed);
	assert_int_equal(config_unpack(old, buf_slice(&packed), &got), 0);
	assert_int_equal(got->pool_size, 33);
	assert_int_equal(got->query_wait_timeout, 1500);
	assert_string_equal(got->log_level, "debug");
	assert_string_equal(got->admin_users, "ann, bob");
	assert_int_equal(got->workers, old->workers);
	assert_int_equal(
		got->sources[OPTION_ID_pool_size], OPTION_BY_ENVIRONMENT);
	assert_int_equal(
		got->sources[OPTION_ID_max_clients], OPTION_BY_DEFAULT);
	config_pack(got, &again);
	assert_true(slice_equal(buf_slice(&packed), buf_slice(&again)));
}

/* Every cut either falls between two options or is refused. */
static void test_cut_anywhere(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(NULL);
	CLEANUP(buf_deinit) struct buf packed = { 0 };
	size_t n_good = 0;
	size_t n_reload = 0;

	(void)state;
	config_pack(old, &packed);
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		n_reload += option_row(id)->when == OPTION_RELOAD;
	for (size_t len = 0; len <= packed.len; len++) {
		CLEANUP(config_destroyp) struct config *got = NULL;
		char *bytes = xmemdup(packed.data, len);
		int r = config_unpack(old, slice_of(bytes, len), &got);

		assert_true(r == 0 || r == -EINVAL);
		assert_int_equal(r == 0, got != NULL);
		n_good += r == 0;
		free(bytes);
	}
	assert_int_equal(n_good, n_reload + 1);
}

static void test_start_options_are_refused(void **state)
{
	CLEANUP(config_destroyp) struct config *old = load(NULL);
	CLEANUP(config_destroyp) struct config *got = NULL;
	CLEANUP(buf_deinit) struct buf packed = { 0 };

	(void)state;
	buf_put_u16(&packed, OPTION_ID_workers);
	buf_put_u8(&packed, OPTION_BY_FLAG);
	buf_put_cstr(&packed, SLICE("7"));
	assert_int_equal(config_unpack(old, buf_slice(&packed), &got), -EINVAL);
	packed.len = 0;
	buf_put_u16(&packed, OPTION_ID_END);
	buf_put_u8(&packed, OPTION_BY_FLAG);
	buf_put_cstr(&packed, SLICE("7"));
	assert_int_equal(config_unpack(old, buf_slice(&packed), &got), -EINVAL);
	assert_null(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_start_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
