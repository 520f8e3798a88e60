/* src/config/help.c: every option once, in 80 columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

static void test_help(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice lines;

	(void)state;
	config_help(&b);
	buf_put_u8(&b, 0);
	for (enum option_id id = 0; id < OPTION_ID_END; id++) {
		const struct option_row *row = option_row(id);
		CLEANUP(freep)
		char *variable = xasprintf(" %s\n", row->variable);

		assert_int_equal(
			count(b.data, variable), row->when != OPTION_TEST);
	}
	assert_int_equal(count(b.data, "\ntests\n"), 0);
	assert_int_equal(count(b.data, "\nclients\n"), 1);
	lines = slice_of(b.data, b.len - 1);
	while (lines.data) {
		struct slice line = slice_cut(&lines, '\n');

		assert_in_range(line.len, 0, 80);
		assert_true(!line.len || line.data[line.len - 1] != ' ');
	}
}

static void test_option(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	(void)state;
	config_help(&b);
	buf_put_u8(&b, 0);
	assert_non_null(strstr(b.data,
		"\n  --pool-size=NUMBER                     HOWDAH_POOL_SIZE\n"
		"        server connections of the whole gateway for one "
		"database and user\n"
		"        (default 20; 1 to 10000; reload)\n"));
	assert_non_null(strstr(b.data,
		"\n  --log-format=logfmt|json               HOWDAH_LOG\n"
		"        shape of the log lines (default logfmt)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
