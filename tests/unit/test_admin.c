/* The console's language: rows, texts, what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "session/admin.h"

static struct admin_command parse(const char *text)
{
	struct admin_command c = { 0 };
	struct fault f = { 0 };

	if (admin_parse(slice_str(text), &c, &f) < 0)
		fail_msg("%s: %s", text, f.text);
	return c;
}

static void assert_parsed(const char *text, const char *name,
	const char *argument, const char *value)
{
	struct admin_command c = parse(text);

	assert_string_equal(c.row->name, name);
	if (argument)
		assert_string_equal(c.argument, argument);
	else
		assert_null(c.argument);
	if (value)
		assert_string_equal(c.value, value);
	else
		assert_null(c.value);
	admin_command_deinit(&c);
}

static void test_commands(void **state)
{
	(void)state;
	assert_parsed("SHOW POOLS", "POOLS", NULL, NULL);
	assert_parsed("\n show\tpools -- all", "POOLS", NULL, NULL);
	assert_parsed("/* a /* b */ c */sHoW/**/Stats_Totals", "STATS_TOTALS",
		NULL, NULL);
	assert_parsed("pause", "PAUSE", NULL, NULL);
	assert_parsed("PAUSE my-db", "PAUSE", "my-db", NULL);
	assert_parsed("PAUSE \"My \"\"db\"\"\"", "PAUSE", "My \"db\"", NULL);
	assert_parsed("kill 'it''s'", "KILL", "it's", NULL);
	assert_parsed("reload", "RELOAD", NULL, NULL);
	assert_parsed("deallocate A", "DEALLOCATE", "a", NULL);
	assert_parsed("deallocate prepare \"A\"", "DEALLOCATE", "A", NULL);
	assert_parsed("DEALLOCATE ALL", "DEALLOCATE", NULL, NULL);
	assert_parsed("DEALLOCATE \"all\"", "DEALLOCATE", "all", NULL);
	assert_parsed("DISCARD PLANS", "DISCARD", "plans", NULL);
	assert_parsed("set a=b", "SET", "a", "b");
	assert_parsed("SET a = 10s", "SET", "a", "10s");
	assert_parsed("set session a to 'x = ''y'''", "SET", "a", "x = 'y'");
	assert_parsed("set \"a\" TO \"\"", "SET", "a", "");
	assert_parsed("set p = /etc/a,b:1", "SET", "p", "/etc/a,b:1");
	assert_parsed(
		"begin isolation level serializable", "BEGIN", NULL, NULL);
}

static void test_settings_of_drivers(void **state)
{
	static const char *const texts[] = { "SET DateStyle = ISO, MDY",
		"set names 'utf8'", "SET TIME ZONE INTERVAL '+01:00'",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
		"set default_transaction_read_only to on" };
	struct admin_command c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		c = parse(texts[i]);
		assert_true(c.is_ignored);
		admin_command_deinit(&c);
	}
	c = parse("SET pool_size = 3");
	assert_false(c.is_ignored);
	admin_command_deinit(&c);
}

static void assert_refused(
	const char *text, const char *words, const char *hint)
{
	struct admin_command c = { 0 };
	struct fault f = { 0 };

	assert_true(admin_parse(slice_str(text), &c, &f) < 0);
	assert_null(c.row);
	assert_int_equal(f.code, FAULT_SYNTAX);
	if (!strstr(f.text, words))
		fail_msg("%s: \"%s\" lacks \"%s\"", text, f.text, words);
	if (hint && !strstr(f.hint, hint))
		fail_msg("%s: \"%s\" lacks \"%s\"", text, f.hint, hint);
}

static void test_what_is_wrong(void **state)
{
	(void)state;
	assert_refused("", "\"\"", "RECONNECT");
	assert_refused("select 1", "\"select\"", "SHOW HELP");
	assert_refused("SHOW", "incomplete", "SHOW HELP");
	assert_refused("SHOW polls", "polls", "SHOW POOLS");
	assert_refused("SHOW elephants", "elephants", "SHOW HELP");
	assert_refused("RELAOD", "RELAOD", "RELOAD");
	assert_refused("PAUSE a b", "\"b\"", "PAUSE [database]");
	assert_refused("PAUSE =", "\"=\"", "PAUSE [database]");
	assert_refused("RELOAD now", "\"now\"", "It is RELOAD.");
	assert_refused("SHOW POOLS now", "\"now\"", "It is SHOW POOLS.");
	assert_refused("KILL", "incomplete", "KILL database.");
	assert_refused("KILL a b", "\"b\"", "KILL database.");
	assert_refused("DEALLOCATE", "incomplete", "DEALLOCATE name");
	assert_refused("DEALLOCATE a b", "\"b\"", NULL);
	assert_refused("SET", "incomplete", "SET name = value");
	assert_refused("SET a b", "\"b\"", NULL);
	assert_refused("SET a = b c", "\"c\"", NULL);
	assert_refused("PAUSE 'a", "unterminated", NULL);
	assert_refused("PAUSE /* a", "unterminated", NULL);
	assert_refused("'show' pools", "show", NULL);
}

/* Names of any length stay within the texts of a fault. */
static void test_long_words(void **state)
{
	char *text = xcalloc(1, 70000);
	struct admin_command c = { 0 };
	struct fault f;

	(void)state;
	memset(text, 'x', 69999);
	assert_true(admin_parse(slice_str(text), &c, &f) < 0);
	memcpy(text, "show ", 5);
	assert_true(admin_parse(slice_str(text), &c, &f) < 0);
	memcpy(text, "kill ", 5);
	assert_true(admin_parse(slice_str(text), &c, &f) < 0);
	assert_int_equal(f.code, FAULT_TOO_LARGE);
	text[5 + ADMIN_NAME_MAX] = '\0';
	assert_int_equal(admin_parse(slice_str(text), &c, &f), 0);
	assert_int_equal(strlen(c.argument), ADMIN_NAME_MAX);
	admin_command_deinit(&c);
	free(text);
}

static void assert_statements(const char *text, const char *const *expected)
{
	struct slice rest = slice_str(text);
	struct slice statement;
	size_t n = 0;

	for (; admin_next(&rest, &statement); n++) {
		assert_non_null(expected[n]);
		statement = slice_trim(statement);
		assert_int_equal(statement.len, strlen(expected[n]));
		assert_memory_equal(statement.data, expected[n], statement.len);
	}
	assert_null(expected[n]);
}

static void test_statements(void **state)
{
	(void)state;
	assert_statements("", (const char *[]){ NULL });
	assert_statements(" ; ;-- a;b\n;/* ; */", (const char *[]){ NULL });
	assert_statements("a", (const char *[]){ "a", NULL });
	assert_statements("a;b c ;", (const char *[]){ "a", "b c", NULL });
	assert_statements("a ';' \";\" b;c",
		(const char *[]){ "a ';' \";\" b", "c", NULL });
	assert_statements("a 'b;c", (const char *[]){ "a 'b;c", NULL });
	assert_statements(";;a/*;*/b", (const char *[]){ "a/*;*/b", NULL });
}

/* However a text is cut, nothing behind the cut is read. */
static void test_cut_anywhere(void **state)
{
	static const char text[] =
		"show pools; set /* c /* d */ */ \"a\"\"b\" = 'c''d' ; pause x--";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = xmemdup(text, len); /* guarded by the sanitizer */
		struct slice rest = slice_of(copy, len), statement;

		while (admin_next(&rest, &statement)) {
			struct admin_command c;
			struct fault f;

			if (admin_parse(statement, &c, &f) == 0)
				admin_command_deinit(&c);
		}
		free(copy);
	}
}

static void test_rows(void **state)
{
	const struct admin_row *row;
	size_t n, n_pgbouncer;

	(void)state;
	for (size_t i = 0; (row = admin_row(i)); i++) {
		const struct pg_column *columns =
			admin_columns(row, &n, &n_pgbouncer);

		assert_true(n <= 32);
		assert_true(n_pgbouncer <= n);
		assert_int_equal(n > 0, columns != NULL);
		if (!row->is_show)
			assert_int_equal(n, 0);
		if (row->is_show && admin_is_listed(row))
			assert_true(n > 0);
	}
	row = parse("show dns_zones").row;
	assert_string_equal(
		admin_columns(row, &n, &n_pgbouncer)[2].name, "count");
	assert_int_equal(n, 3);
	assert_int_equal(n_pgbouncer, 3);
	row = parse("show config").row;
	assert_string_equal(
		admin_columns(row, &n, &n_pgbouncer)[4].name, "variable");
	assert_int_equal(n_pgbouncer, 4);
}

static void test_copy(void **state)
{
	struct admin_command a = parse("set a = b"), b;

	(void)state;
	admin_command_copy(&a, &b);
	admin_command_deinit(&a);
	assert_string_equal(b.argument, "a");
	assert_string_equal(b.value, "b");
	admin_command_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_settings_of_drivers),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
