/* Metrics: sums over processes, what a death takes along, and rows that
 * Prometheus accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>

#include "metrics/metrics.h"

static void test_sums(void **state)
{
	struct page *page = page_create(2, METRIC_ID_END);
	struct metrics m[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		metrics_init(&m[i], page, i);
		metrics_inc(&m[i], METRIC_queries);
		metrics_add(&m[i], METRIC_client_bytes_in, UINT32_MAX);
		metrics_inc(&m[i], METRIC_clients);
	}
	metrics_dec(&m[0], METRIC_clients);
	metrics_set(&m[1], METRIC_waiting, 7);
	assert_int_equal(metrics_get(&m[1], METRIC_waiting), 7);
	assert_int_equal(metrics_sum(page, METRIC_queries), 3);
	assert_int_equal(metrics_sum(page, METRIC_client_bytes_in),
		3 * (uint64_t)UINT32_MAX);
	assert_int_equal(metrics_sum(page, METRIC_clients), 2);
	metrics_worker_died(page, 1);
	assert_int_equal(metrics_sum(page, METRIC_queries), 3);
	assert_int_equal(metrics_sum(page, METRIC_clients), 1);
	assert_int_equal(metrics_sum(page, METRIC_waiting), 0);
	page_destroy(page);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static void test_rows(void **state)
{
	(void)state;
	for (enum metric_id id = 0; id < METRIC_ID_END; id++) {
		const struct metric_row *row = metric_row(id);

		for (const char *c = row->name; *c; c++)
			assert_true(islower(*c) || *c == '_');
		assert_int_equal(ends_with(row->name, "_total"),
			row->kind == METRIC_COUNTER);
		assert_true(*row->what);
		for (enum metric_id other = 0; other < id; other++)
			assert_string_not_equal(
				row->name, metric_row(other)->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
