/* The text of a failed login, taken apart: libpq gives nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "db/db_priv.h"

static const struct login_text {
	const char *text;
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
} texts[] = {
	{ "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  "
	  "28P01: password authentication failed for user \"x\"\n"
	  "LOCATION:  auth_failed, auth.c:326\n",
		"28P01", "password authentication failed for user \"x\"", "",
		"" },
	/* severities are translated, and may hold anything */
	{ "FATAL\xc3\x89:  3D000: la base \"a: b\" n'existe pas\n"
	  "DETAIL:  Cherchez.\nHINT:  Trouvez: 28P01\n",
		"3D000", "la base \"a: b\" n'existe pas", "Cherchez.",
		"Trouvez: 28P01" },
	/* libpq's own have no SQLSTATE */
	{ "connection to server at \"::1\", port 1 failed: Connection refused\n"
	  "\tIs the server running on that host?\n",
		"",
		"connection to server at \"::1\", port 1 failed: Connection "
		"refused",
		"", "" },
	{ "fe_sendauth: no password supplied\n", "",
		"fe_sendauth: no password supplied", "", "" },
	{ "FATAL:  28p01: lower case is none", "",
		"FATAL:  28p01: lower case is none", "", "" },
	{ "FATAL:  28P01:no blank", "", "FATAL:  28P01:no blank", "", "" },
	{ "FATAL:  28P01: ", "28P01", "", "", "" },
	{ "", "", "", "", "" },
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct db_fault f = { .stage = DB_LOGIN };

		db_fault_parse(slice_str(texts[i].text), &f);
		assert_string_equal(f.sqlstate, texts[i].sqlstate);
		assert_string_equal(f.message, texts[i].message);
		assert_string_equal(f.detail, texts[i].detail);
		assert_string_equal(f.hint, texts[i].hint);
		assert_int_equal(f.stage, DB_LOGIN);
	}
}

/* Cut anywhere, from memory of just that size: nothing beyond is read, and a
 * SQLSTATE is there exactly when all of it is. */
static void test_cut_at_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct slice whole = slice_str(texts[i].text);
		const char *at = strstr(texts[i].text, "P01: ");
		size_t needed = at ? (size_t)(at - texts[i].text) + 5 : 0;

		for (size_t len = 0; len <= whole.len; len++) {
			char *copy = xmemdup(whole.data, len);
			struct db_fault f = { 0 };

			db_fault_parse(slice_of(copy, len), &f);
			if (!strcmp(texts[i].sqlstate, "28P01"))
				assert_int_equal(!!*f.sqlstate, len >= needed);
			free(copy);
		}
	}
}

static void test_long_texts_are_cut(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct db_fault f = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_append_str(&text, "too much ");
	db_fault_parse(buf_slice(&text), &f);
	assert_int_equal(strlen(f.message), sizeof(f.message) - 1);
}

static void test_put(void **state)
{
	struct db_fault f = { .sqlstate = "23505", .detail = "Twice." };
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	snprintf(f.message, sizeof(f.message), "no");
	db_fault_put(&f, &text);
	assert_true(slice_is(buf_slice(&text), "no (23505); Twice."));
	assert_true(db_fault_is(&f, "23505"));
	assert_false(db_fault_is(&f, "2350"));
}

static void test_quoting(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	db_put_name(&text, "a\"b");
	db_put_literal(&text, "it's");
	assert_true(slice_is(buf_slice(&text), "\"a\"\"b\"'it''s'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_quoting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
