/* src/supervisor/pg_text.c: what PostgreSQL's files and programs say, cut
 * anywhere and made up. */
#include "cut_help.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "supervisor/pg.h"

static void test_major(void **state)
{
	static const struct {
		struct slice file;
		unsigned major;
	} rows[] = {
		{ SLICE("15\n"), 15 }, { SLICE("9.6\n"), 0 }, { SLICE(""), 0 },
		{ SLICE("\n"), 0 }, { SLICE("0\n"), 0 }, { SLICE("-15\n"), 0 },
		{ SLICE("15\nx"), 0 }, { SLICE("15\0"), 0 },
		{ SLICE("4294967311\n"), 0 }, /* 2^32 + 15 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(pg_text_major(rows[i].file), rows[i].major);
}

static void test_version(void **state)
{
	struct slice whole = SLICE("postgres (PostgreSQL) 15.20 (Debian)\n");

	(void)state;
	each_cut (cut, whole) {
		unsigned expected = cut.len >= 24 ? 15 : 0;

		assert_int_equal(
			pg_text_version(cut), cut.len == 23 ? 1 : expected);
	}
	assert_int_equal(pg_text_version(SLICE("(PostgreSQL) 18devel")), 18);
	assert_int_equal(pg_text_version(SLICE("(PostgreSQL) -1")), 0);
	assert_int_equal(pg_text_version(SLICE("(PostgreSQL) 4294967311")), 0);
	assert_int_equal(pg_text_version(SLICE("psql 15")), 0);
}

static void test_pid(void **state)
{
	(void)state;
	assert_int_equal(pg_text_pid(SLICE("4711\n")), 4711);
	assert_int_equal(pg_text_pid(SLICE(" 4711 ")), 4711);
	assert_int_equal(pg_text_pid(SLICE("2147483647")), INT_MAX);
	assert_int_equal(pg_text_pid(SLICE("2147483648")), 0);
	assert_int_equal(pg_text_pid(SLICE("4294967297")), 0); /* not 1 */
	assert_int_equal(pg_text_pid(SLICE("-4711")), 0);      /* single-user */
	assert_int_equal(pg_text_pid(SLICE("")), 0);
	assert_int_equal(pg_text_pid(SLICE("4711x")), 0);
}

#define PID_FILE                                                               \
	"4711\n/var/lib/postgresql/15/main\n1764403200\n5432\n/run\n*\n"       \
	"    5432001         3\nready   \n"

static void test_pid_file(void **state)
{
	struct slice whole = SLICE(PID_FILE);

	(void)state;
	each_cut (cut, whole) {
		struct pg_pid_file file = pg_text_pid_file(cut);

		/* a cut number is another one: who uses it looks closer */
		if (cut.len >= 4)
			assert_int_equal(file.postmaster, 4711);
		assert_int_equal(file.is_ready, cut.len >= whole.len - 4);
	}
	assert_false(pg_text_pid_file(SLICE("1\n2\n3\n4\n5\n6\n7\nstopping"))
			     .is_ready);
	assert_false(
		pg_text_pid_file(SLICE("1\n2\n3\n4\n5\n6\nready\n")).is_ready);
	assert_int_equal(pg_text_pid_file(SLICE("x\n1\n")).postmaster, 0);
}

/* ---- the log ---------------------------------------------------------- */

struct log_case {
	struct slice text;
	const char *error;
	bool is_disk_full;
};

#define FULL "No space left on device"
#define X100                                                                   \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct log_case log_cases[] = {
	{ SLICE(""), "", false },
	{ SLICE("LOG:  starting\nLOG:  ready\n"), "", false },
	{ SLICE("12:00 FATAL:  lock file exists\nFATAL:  second\n"),
		"FATAL:  lock file exists", false },
	{ SLICE("initdb: error: could not write: " FULL "\n"),
		"error: could not write: " FULL, true },
	{ SLICE("WARNING: " FULL "\nPANIC:  over\n"), "PANIC:  over", true },
	{ SLICE("FATAL:  not yet"), "", false },
	{ SLICE("\n\n\nERROR:\n"), "ERROR:", false },
	/* a NUL hides nothing behind it */
	{ SLICE("LOG:  \0 FATAL:  here\n"), "FATAL:  here", false },
	{ SLICE("FATAL:  a\0b\n"), "FATAL:  a", false },
	{ SLICE("FATAL:  " X100 X100 X100 "\n"),
		"FATAL:  " X100 X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxx",
		false },
};

static void assert_words(const struct pg_words *w, const struct log_case *c)
{
	assert_string_equal(w->error, c->error);
	assert_int_equal(w->is_disk_full, c->is_disk_full);
}

static void feed(struct pg_words *w, struct slice bytes)
{
	CLEANUP(freep) char *copy = xmemdup(bytes.data, bytes.len);

	pg_words_feed(w, slice_of(copy, bytes.len));
}

/* Whole, in two pieces cut at every length, and byte by byte. */
static void test_log(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(log_cases); i++) {
		const struct log_case *c = &log_cases[i];
		CLEANUP(pg_words_deinit) struct pg_words bytes = { 0 };

		for (size_t at = 0; at <= c->text.len; at++) {
			CLEANUP(pg_words_deinit) struct pg_words w = { 0 };

			feed(&w, slice_of(c->text.data, at));
			feed(&w, slice_from(c->text, at));
			assert_words(&w, c);
		}
		for (size_t at = 0; at < c->text.len; at++)
			feed(&bytes, slice_of(c->text.data + at, 1));
		assert_words(&bytes, c);
		pg_words_reset(&bytes);
		assert_string_equal(bytes.error, "");
		assert_false(bytes.is_disk_full);
	}
}

/* Of a line without an end the beginning is kept, in whatever pieces it
 * comes; the next line is read as ever. */
static void test_long_lines(void **state)
{
	static const size_t pieces[] = { 1, 7, 8191, 8192, 8193, 100000 };
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	memset(buf_reserve(&text, 20000), 'x', 20000);
	text.len = 20000;
	memcpy(text.data + PG_LINE_MAX, "FATAL:  too late", 16);
	buf_append_str(&text, "\nFATAL:  next\n");
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		CLEANUP(pg_words_deinit) struct pg_words w = { 0 };
		struct slice rest = buf_slice(&text);

		while (rest.len) {
			size_t n = MIN(rest.len, pieces[i]);

			feed(&w, slice_of(rest.data, n));
			assert_true(w.line.len <= PG_LINE_MAX);
			rest = slice_from(rest, n);
		}
		assert_string_equal(w.error, "FATAL:  next");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_major),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_pid_file),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
