/* The SQL of proto/sql: cut into statements, and complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "migrate/migrate_priv.h"

static void test_statements(void **state)
{
	struct slice script = SLICE("-- a file\n\n-- name: one\n-- why\n"
				    "SELECT '-- name: no';\n\n"
				    "-- name: two \nSELECT 2;\n");
	struct sql_statement s;

	(void)state;
	assert_true(sql_next(&script, &s));
	assert_true(slice_is(s.name, "one"));
	assert_true(slice_is(s.text, "-- why\nSELECT '-- name: no';"));
	assert_true(sql_next(&script, &s));
	assert_true(slice_is(s.name, "two"));
	assert_true(slice_is(s.text, "SELECT 2;"));
	assert_false(sql_next(&script, &s));
}

static void test_cut_at_every_length(void **state)
{
	static const char text[] = "x\n-- name: one\nA;\n-- name: two\nB;";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = xmemdup(text, len);
		struct slice script = slice_of(copy, len);
		struct sql_statement s;
		int n = 0;

		while (sql_next(&script, &s))
			n++;
		assert_int_equal(n, (len >= 11) + (len >= 27));
		free(copy);
	}
}

/* Each object of proto/chat.def has a statement that makes it. */
static void test_everything_can_be_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_chat_tables; i++)
		free(sql_named("chat", chat_tables[i].name));
	for (size_t i = 0; i < n_chat_indexes; i++)
		if (chat_indexes[i].kind != CHAT_PRIMARY)
			free(sql_named("chat", chat_indexes[i].name));
	for (size_t i = 0; i < n_chat_keys; i++)
		free(sql_named("chat", chat_keys[i].name));
	for (size_t i = 0; i < n_chat_migrations; i++)
		free(sql_named("prisma", chat_migrations[i]));
}

static void test_own_names(void **state)
{
	struct slice script = sql_file("indexes");
	struct sql_statement s;
	int n = 0;

	(void)state;
	while (sql_next(&script, &s)) {
		CLEANUP(freep)
		char *quoted =
			xasprintf("\"%.*s\"", (int)s.name.len, s.name.data);
		CLEANUP(freep) char *text = slice_dup(s.text);

		assert_true(slice_starts_with(s.name, SLICE("howdah_")));
		assert_non_null(strstr(text, quoted));
		assert_non_null(strstr(text, "CREATE INDEX CONCURRENTLY"));
		n++;
	}
	assert_true(n > 0);
}

static void test_one_line(void **state)
{
	CLEANUP(freep) char *line = run_one_line("A  b,\n\n    c;\n");

	(void)state;
	assert_string_equal(line, "A b, c;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_everything_can_be_made),
		cmocka_unit_test(test_own_names),
		cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
