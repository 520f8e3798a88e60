/* src/config/option.c, text.c: the rows, their values, their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

/* A value in and out again: the canonical text, or "!" and what is right. */
static char *round_trip(const struct option_row *row, const char *text)
{
	CLEANUP(buf_deinit) struct buf why = { 0 };
	struct buf shown = { 0 };
	union option_value value;

	if (option_parse(row, slice_str(text), &value, &why) == 0)
		option_format(row, value, &shown);
	else
		buf_printf(&shown, "!%.*s", (int)why.len, why.data);
	return buf_take_str(&shown);
}

static void assert_value(
	const struct option_row *row, const char *text, const char *expected)
{
	CLEANUP(freep) char *shown = round_trip(row, text);

	assert_string_equal(shown, expected);
}

/* What the code takes for granted of every row. */
static void test_rows(void **state)
{
	(void)state;
	for (enum option_id id = 0; id < OPTION_ID_END; id++) {
		const struct option_row *row = option_row(id);
		bool is_number = row->type == OPTION_COUNT ||
				 row->type == OPTION_SIZE ||
				 row->type == OPTION_DURATION;
		bool is_secret = row->type == OPTION_SECRET && *row->def;

		assert_value(row, row->def, is_secret ? "***" : row->def);
		if (is_number && *row->min)
			assert_value(row, row->min, row->min);
		if (is_number && *row->max)
			assert_value(row, row->max, row->max);
		for (const char *c = row->field; *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_' ||
				    (*c >= '0' && *c <= '9'));
		assert_int_equal(option_find(slice_str(row->field)), id);
		assert_int_equal(option_find(slice_str(row->variable)), id);
	}
	assert_int_equal(option_find(SLICE("POOL_SIZE")), OPTION_ID_END);
	assert_int_equal(option_find(SLICE("pool")), OPTION_ID_END);
	assert_int_equal(option_find(SLICE("")), OPTION_ID_END);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(option_type_name(OPTION_FLAG), "flag");
	assert_string_equal(option_type_name(OPTION_CHOICE), "choice");
	assert_string_equal(option_when_name(OPTION_START), "start");
	assert_string_equal(option_when_name(OPTION_TEST), "test");
	assert_string_equal(option_source_name(OPTION_BY_DEFAULT), "default");
	assert_string_equal(option_source_name(OPTION_BY_FILE), ".env");
	assert_string_equal(option_source_name(OPTION_BY_SET), "set");
}

static void test_flags(void **state)
{
	static const struct option_row row = {
		.type = OPTION_FLAG, .min = "", .max = ""
	};

	(void)state;
	assert_value(&row, "yes", "yes");
	assert_value(&row, "True", "yes");
	assert_value(&row, "ON", "yes");
	assert_value(&row, " 1\n", "yes");
	assert_value(&row, "no", "no");
	assert_value(&row, "false", "no");
	assert_value(&row, "off", "no");
	assert_value(&row, "0", "no");
	assert_value(&row, "maybe", "!give yes or no");
	assert_value(&row, "", "!give yes or no");
}

static void test_counts(void **state)
{
	static const struct option_row row = {
		.type = OPTION_COUNT, .min = "2", .max = "10"
	};
	static const struct option_row open = {
		.type = OPTION_COUNT, .min = "", .max = ""
	};
	static const char why[] = "!give a whole number from 2 to 10";

	(void)state;
	assert_value(&row, "2", "2");
	assert_value(&row, " 10 ", "10");
	assert_value(&row, "007", "7");
	assert_value(&row, "1", why);
	assert_value(&row, "11", why);
	assert_value(&row, "-3", why);
	assert_value(&row, "3.0", why);
	assert_value(&row, "3k", why);
	assert_value(&row, "", why);
	assert_value(&row, "99999999999999999999", why);
	assert_value(&open, "18446744073709551615", "18446744073709551615");
	assert_value(&open, "x", "!give a whole number");
}

static void test_durations(void **state)
{
	static const struct option_row row = {
		.type = OPTION_DURATION, .min = "100ms", .max = "30d"
	};
	static const char why[] = "!give a time such as 250ms, 30s, 5min, 2h "
				  "or 7d from 100ms to 30d";

	(void)state;
	assert_value(&row, "100ms", "100ms");
	assert_value(&row, "1500ms", "1500ms");
	assert_value(&row, "30", "30s");
	assert_value(&row, "60s", "1min");
	assert_value(&row, "90s", "90s");
	assert_value(&row, "120min", "2h");
	assert_value(&row, "24h", "1d");
	assert_value(&row, "30 d", "30d");
	assert_value(&row, "31d", why);
	assert_value(&row, "1 month", why);
}

static void test_sizes(void **state)
{
	static const struct option_row row = {
		.type = OPTION_SIZE, .min = "", .max = "1GB"
	};

	(void)state;
	assert_value(&row, "0", "0");
	assert_value(&row, "512", "512");
	assert_value(&row, "1024", "1kB");
	assert_value(&row, "1536kb", "1536kB");
	assert_value(&row, "2048 kB", "2MB");
	assert_value(&row, "1024MB", "1GB");
	assert_value(&row, "2GB",
		"!give a size such as 64kB, 16MB or 1GB to "
		"1GB");
}

static void test_texts(void **state)
{
	static const struct option_row text = {
		.type = OPTION_TEXT, .min = "", .max = ""
	};
	static const struct option_row secret = {
		.type = OPTION_SECRET, .min = "", .max = ""
	};
	static const struct option_row choice = {
		.type = OPTION_CHOICE, .min = "error|warn|info", .max = ""
	};
	CLEANUP(buf_deinit) struct buf why = { 0 };
	union option_value value;

	(void)state;
	assert_value(&text, " a b ", " a b ");
	assert_value(&text, "", "");
	assert_value(&secret, "x", "***");
	assert_value(&secret, "", "");
	assert_value(&choice, "Warn", "warn");
	assert_value(&choice, "", "!give error, warn or info");
	assert_value(&choice, "war", "!give error, warn or info");
	assert_value(&choice, "warn|info", "!give error, warn or info");
	assert_true(option_parse(&text, SLICE("a\0b"), &value, &why) < 0);
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(option_nearest(SLICE("HOWDAH_POOLSIZE"), true),
		"HOWDAH_POOL_SIZE");
	assert_string_equal(option_nearest(SLICE("HOWDAH_LOGLEVEL"), true),
		"HOWDAH_LOG_LEVEL");
	assert_string_equal(option_nearest(SLICE("HOWDAH_WROKERS"), true),
		"HOWDAH_WORKERS");
	assert_null(option_nearest(SLICE("HOWDAH_COLOUR"), true));
	assert_null(option_nearest(SLICE("HOWDAH_"), true));
	assert_string_equal(
		option_nearest(SLICE("pool_sise"), false), "pool_size");
	assert_string_equal(
		option_nearest(SLICE("max_client"), false), "max_clients");
	assert_null(option_nearest(SLICE("x"), false));
}

static void test_distance(void **state)
{
	char wide[65];

	(void)state;
	memset(wide, 'a', sizeof(wide));
	assert_int_equal(slice_distance(SLICE(""), SLICE("")), 0);
	assert_int_equal(slice_distance(SLICE("abc"), SLICE("")), 3);
	assert_int_equal(slice_distance(SLICE(""), SLICE("abc")), 3);
	assert_int_equal(slice_distance(SLICE("abc"), SLICE("abc")), 0);
	assert_int_equal(slice_distance(SLICE("abc"), SLICE("axc")), 1);
	assert_int_equal(slice_distance(SLICE("abc"), SLICE("acb")), 1);
	assert_int_equal(slice_distance(SLICE("ab"), SLICE("xaby")), 2);
	assert_int_equal(slice_distance(SLICE("kitten"), SLICE("sitting")), 3);
	assert_int_equal(slice_distance(slice_of(wide, 64), SLICE("a")), 63);
	assert_int_equal(
		slice_distance(slice_of(wide, 65), SLICE("a")), SIZE_MAX);
}

static void test_put_value(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	char wide[70];

	(void)state;
	put_value(&b, SLICE("a\tb\n\x7f\xc3\xa9"));
	assert_true(slice_is(buf_slice(&b), "a?b??\xc3\xa9"));
	b.len = 0;
	memset(wide, 'x', sizeof(wide));
	put_value(&b, slice_of(wide, sizeof(wide)));
	assert_int_equal(b.len, 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_put_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
