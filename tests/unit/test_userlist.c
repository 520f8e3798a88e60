/* The users file: what it means, what is wrong with it and on which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth_priv.h"

/* Rows as "line:user=secret;" one behind the other. */
static int collect(void *owner, const struct userlist_row *row, struct fault *f)
{
	struct buf *rows = owner;

	(void)f;
	buf_printf(rows, "%zu:%.*s=%.*s;", row->line, (int)row->user.len,
		row->user.data, (int)row->secret.len, row->secret.data);
	return 0;
}

static void assert_rows(struct slice text, const char *expected)
{
	CLEANUP(buf_deinit) struct buf rows = { 0 };
	struct fault f;

	assert_int_equal(userlist_parse(text, collect, &rows, &f), 0);
	buf_put_u8(&rows, 0);
	assert_string_equal(rows.data, expected);
}

static void reads_what_pgbouncer_reads(void **state)
{
	(void)state;
	assert_rows(SLICE(""), "");
	assert_rows(SLICE("\n \t\r\n\n"), "");
	assert_rows(SLICE("\"a\" \"b\""), "1:a=b;");
	assert_rows(SLICE("\"a\" \"b\"\n"), "1:a=b;");
	assert_rows(SLICE("\r\n  \"a\"\t \"b\"  \r\n"), "2:a=b;");
}

static void unescapes_doubled_quotes(void **state)
{
	(void)state;
	assert_rows(SLICE("\"a\"\"b\" \"\"\"c\"\"\""), "1:a\"b=\"c\";");
	assert_rows(SLICE("\"a\" \"\""), "1:a=;");
	assert_rows(SLICE("\"a\" \"\"\"\""), "1:a=\";");
}

static void skips_comments_and_further_fields(void **state)
{
	(void)state;
	assert_rows(SLICE("; \"x\" \"y\"\n# \"x\" \"y\"\n  ;\n\"a\" \"b\" more "
			  "\"and\" more\n\"c\" \"d\"; no comment needed\n"),
		"4:a=b;5:c=d;");
	assert_rows(SLICE("\"a\" \";b#\""), "1:a=;b#;");
}

static void assert_complaint(struct slice text, const char *complaint)
{
	CLEANUP(buf_deinit) struct buf rows = { 0 };
	struct fault f;

	assert_int_equal(userlist_parse(text, collect, &rows, &f), -EINVAL);
	assert_int_equal(f.code, FAULT_BAD_VALUE);
	assert_string_equal(f.text, complaint);
}

#define EXPECTED "expected \"user\" \"secret\", both in double quotes"
#define OPEN	 "a double quote is not closed on its line"

static void names_the_line_that_is_wrong(void **state)
{
	(void)state;
	assert_complaint(SLICE("a b"), "line 1: " EXPECTED);
	assert_complaint(SLICE("\n\n\"a\""), "line 3: " EXPECTED);
	assert_complaint(SLICE("\"a\" b"), "line 1: " EXPECTED);
	assert_complaint(SLICE("\"a\"\"b\""), "line 1: " EXPECTED);
	assert_complaint(SLICE("\"a\" x \"b\""), "line 1: " EXPECTED);
	assert_complaint(SLICE("\"a\" \"b\n\"c\" \"d\""), "line 1: " OPEN);
	assert_complaint(SLICE("\"a\"\n\"b\""), "line 1: " EXPECTED);
	assert_complaint(SLICE("\"a\" \"b\"\n\"c"), "line 2: " OPEN);
	assert_complaint(SLICE("\"a\" \"b\"\""), "line 1: " OPEN);
	assert_complaint(
		SLICE("\"\" \"b\""), "line 1: the user's name is empty");
	assert_complaint(
		SLICE("\"a\0b\" \"c\""), "line 1: a NUL byte inside quotes");
	assert_complaint(
		SLICE("\"a\" \"b\0\""), "line 1: a NUL byte inside quotes");
}

static void assert_lengths(
	size_t n_name, size_t n_secret, const char *complaint)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf rows = { 0 };
	struct fault f;
	int r;

	buf_put_u8(&text, '"');
	for (size_t i = 0; i < n_name; i++)
		buf_put_u8(&text, 'n');
	buf_append_str(&text, "\" \"");
	for (size_t i = 0; i < n_secret; i++)
		buf_append_str(&text, "\"\"");
	buf_put_u8(&text, '"');
	r = userlist_parse(buf_slice(&text), collect, &rows, &f);
	assert_int_equal(r, complaint ? -EINVAL : 0);
	if (complaint)
		assert_string_equal(f.text, complaint);
}

static void bounds_names_and_secrets(void **state)
{
	(void)state;
	assert_lengths(AUTH_USER_MAX, AUTH_SECRET_MAX, NULL);
	assert_lengths(AUTH_USER_MAX + 1, 1,
		"line 1: the user's name is longer than 63 bytes");
	assert_lengths(1, AUTH_SECRET_MAX + 1,
		"line 1: the secret is longer than 2048 bytes");
}

static int refuse(void *owner, const struct userlist_row *row, struct fault *f)
{
	(void)owner;
	if (row->line < 3)
		return 0;
	return userlist_complain(f, row->line, "enough");
}

static void passes_on_what_the_reader_says(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(userlist_parse(SLICE("\"a\" \"b\"\n\"a\" \"b\"\n"
					      "\"a\" \"b\"\nbroken"),
				 refuse, NULL, &f),
		-EINVAL);
	assert_string_equal(f.text, "line 3: enough");
}

/* Cut anywhere, the rows that were whole are there and nothing else. */
static void survives_cuts(void **state)
{
	struct slice text = SLICE("\"al\" \"a1\"\n;c\n\"bob\" \"b\" x\n");
	const char *all = "1:al=a1;3:bob=b;";

	(void)state;
	for (size_t cut = 0; cut <= text.len; cut++) {
		CLEANUP(buf_deinit) struct buf rows = { 0 };
		size_t n_whole = (cut >= 9) * 8 + (cut >= 22) * 8;
		struct fault f;

		userlist_parse(slice_of(text.data, cut), collect, &rows, &f);
		assert_int_equal(rows.len, n_whole);
		if (n_whole)
			assert_memory_equal(rows.data, all, n_whole);
	}
}

/* ---- files ------------------------------------------------------------ */

static char *write_file(struct slice text)
{
	char *path = xstrdup("/tmp/howdah-userlist-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.data, text.len), text.len);
	close(fd);
	return path;
}

static void loads_a_file(void **state)
{
	CLEANUP(freep) char *path = write_file(SLICE("\"a\" \"b\"\n"));
	CLEANUP(buf_deinit) struct buf rows = { 0 };
	struct fault f;

	(void)state;
	assert_int_equal(userlist_load(path, collect, &rows, &f), 0);
	assert_memory_equal(rows.data, "1:a=b;", rows.len);
	unlink(path);
}

static void names_the_file_that_is_wrong(void **state)
{
	CLEANUP(freep) char *path = write_file(SLICE("\"a\" \"b\"\nc\n"));
	CLEANUP(freep)
	char *expected = xasprintf("%s, line 2: " EXPECTED, path);
	CLEANUP(buf_deinit) struct buf rows = { 0 };
	struct fault f;

	(void)state;
	assert_int_equal(userlist_load(path, collect, &rows, &f), -EINVAL);
	assert_string_equal(f.text, expected);
	assert_int_equal(truncate(path, AUTH_FILE_MAX + 1L), 0);
	assert_int_equal(userlist_load(path, collect, &rows, &f), -EFBIG);
	unlink(path);
	assert_int_equal(userlist_load(path, collect, &rows, &f), -ENOENT);
	assert_non_null(strstr(f.text, "No such file"));
	assert_int_equal(userlist_load("/tmp", collect, &rows, &f), -EINVAL);
	assert_string_equal(f.text, "cannot read /tmp: not a regular file");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_pgbouncer_reads),
		cmocka_unit_test(unescapes_doubled_quotes),
		cmocka_unit_test(skips_comments_and_further_fields),
		cmocka_unit_test(names_the_line_that_is_wrong),
		cmocka_unit_test(bounds_names_and_secrets),
		cmocka_unit_test(passes_on_what_the_reader_says),
		cmocka_unit_test(survives_cuts),
		cmocka_unit_test(loads_a_file),
		cmocka_unit_test(names_the_file_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
