/*
 * src/wire/sql: the lexer, where statements end, the tables, and what hostile
 * texts cost. tests/unit/test_sql_flags.c has what statements do.
 */
#include "sql_help.h"

#include <time.h>

/* Texts with a LISTEN in them: it counts if and only if it is one. */
static const struct sql_case hidden[] = {
	{ "", "" },
	{ " \t\r\n\f\v", "" },
	{ ";;; ; -- x\n;/* ; */;", "" },
	{ "-- listen x", "" },
	{ "-- a\rlisten x", "LISTEN \"x\" LISTENS" },
	{ "-- a\nlisten x--", "LISTEN \"x\" LISTENS" },
	{ "/* listen y; */listen x", "LISTEN \"x\" LISTENS" },
	{ "/* /* */ listen y; */listen x", "LISTEN \"x\" LISTENS" },
	{ "/*/listen y;*/listen x", "LISTEN \"x\" LISTENS" },
	{ "/*/*/listen y;*/*/listen x", "LISTEN \"x\" LISTENS" },
	{ "/***/listen x", "LISTEN \"x\" LISTENS" },
	{ "/**//*/**/*/listen x", "LISTEN \"x\" LISTENS" },
	{ "//*listen y*/ listen x", "OTHER OPAQUE WRITES" },
	{ "listen/**/x/*", "LISTEN \"x\" LISTENS ..." },
	{ "select 1 +--listen y\n2;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 1 +/*listen y*/2;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 1 */*;listen y*/2;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 1 - -2;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select @-/*;listen y;/**/*/1", "SELECT" },
	{ "select 1 / *;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	/* strings */
	{ "select ';listen y'", "SELECT" },
	{ "select 'a'';listen y'", "SELECT" },
	{ "select 'a\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 'a\\'';listen y'", "SELECT" },
	{ "select e'a\\';listen y'", "SELECT" },
	{ "select E'a\\\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select e'\\''';listen y'", "SELECT" },
	{ "select e '\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select fe'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select n'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select b'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select X'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select b'0'';listen y'", "SELECT" },
	{ "select U&'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select u&'\\'';listen y'", "SELECT" },
	{ "select u &'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select u&1;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select u&--\n1;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 'listen", "SELECT ..." },
	{ "select e'\\", "SELECT ..." },
	{ "'", " ..." },
	/* strings that go on in another line */
	{ "select e'a'\n'\\';listen y'", "SELECT" },
	{ "select e'a' \t\f\r'\\';listen y'", "SELECT" },
	{ "select e'a' -- '\n -- '\n'\\';listen y'", "SELECT" },
	{ "select e'a'--\n'\\';listen y'", "SELECT" },
	{ "select e'a' '\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select e'a'/*\n*/'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select e'a' -\n'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 'a'\ne'\\';listen y'", "SELECT" },
	{ "select 'a'\n-- b", "SELECT" },
	{ "select 'a' -", "SELECT" },
	/* dollar quotes */
	{ "select $$;listen y$$", "SELECT" },
	{ "select $$;listen y$x$;listen y$$", "SELECT" },
	{ "select $a$;listen y$$;listen y$a$", "SELECT" },
	{ "select $a$;listen y$aa$;$a;$a $a$;listen x",
		"SELECT; LISTEN \"x\" LISTENS" },
	{ "select $a$;listen y$b$a$;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $A$;listen y$a$;listen y$A$", "SELECT" },
	{ "select $\303\244$;listen y$\303\244$;listen x",
		"SELECT; LISTEN \"x\" LISTENS" },
	{ "select a$$;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select a$b$;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $1$$;listen y$$", "SELECT" },
	{ "select 1$$;listen y$$", "SELECT" },
	{ "select $1;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $1$2;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $a;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $ $;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $a b$;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select $$a$", "SELECT ..." },
	{ "select $", "SELECT" },
	{ "select $a", "SELECT" },
	/* identifiers */
	{ "select \";listen y\"", "SELECT" },
	{ "select \"a\"\";listen y\"", "SELECT" },
	{ "select \"\\\";listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select \"a'\";listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select \"a", "SELECT ..." },
	{ "listen a$b1", "LISTEN \"a$b1\" LISTENS" },
	{ "listen _\303\204x", "LISTEN \"_\303\204x\" LISTENS" },
	{ "LISTEN FooBar", "LISTEN \"foobar\" LISTENS" },
	{ "LISTEN \"FooBar\"", "LISTEN \"FooBar\" LISTENS" },
	{ "LISTEN \"Foo\"\"Bar\"", "LISTEN \"Foo\"Bar\" LISTENS" },
	{ "LISTEN \"a;b\"", "LISTEN \"a;b\" LISTENS" },
	/* numbers, parameters, colons */
	{ "select 1e5,.5,5.,1.5e-3,1..2;listen x",
		"SELECT; LISTEN \"x\" LISTENS" },
	{ "select 1e--5\n5;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select a::int, b[1:2], f(x:=1) ;listen x",
		"SELECT OPAQUE WRITES; LISTEN \"x\" LISTENS" },
	{ "select 'a'::text;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 1;\001{}\\;listen x",
		"SELECT; OTHER OPAQUE WRITES; LISTEN \"x\" LISTENS" },
};

static const struct sql_case old_strings[] = {
	{ "select 'a\\';listen y'", "SELECT" },
	{ "select 'a\\\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select n'\\';listen y'", "SELECT" },
	{ "select e'\\';listen y'", "SELECT" },
	{ "select b'\\';listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select b'0''\\';listen y'", "SELECT" },
	{ "select $$\\$$;listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select \"\\\";listen x", "SELECT; LISTEN \"x\" LISTENS" },
	{ "select 'a'\n'\\';listen y'", "SELECT" },
};

static const struct sql_case splits[] = {
	{ "select 1", "SELECT" },
	{ "select 1;", "SELECT" },
	{ ";select 1;;select 2", "SELECT; SELECT" },
	{ "(select 1; select 2); select 3", "SELECT; SELECT" },
	{ "select (1", "SELECT ..." },
	{ "select 1);select 2", "SELECT; SELECT" },
	{ "create rule r as on insert to t do (select 1; listen y); listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	/* function bodies */
	{ "create function f() returns int begin atomic select 1; select 2; "
	  "end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create procedure p() begin atomic end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create or replace procedure p() begin atomic ;; end",
		"CREATE DDL CODE WRITES" },
	{ "create function f() returns int begin atomic select case when a "
	  "then case b when 1 then 2 end else 3 end; end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function f() returns int begin atomic select 1 end; "
	  "select 1 as end; select x.end; select begin from t; end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function f() returns int begin/**/atomic create function g() "
	  "begin atomic select 1; end; select 1; end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function f() begin atomic select (1;2); end; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function f() begin atomic listen x;",
		"CREATE DDL CODE WRITES ..." },
	/* no bodies */
	{ "create function begin() returns int language sql as $$end$$; "
	  "listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function f(begin atomic) returns int return 1; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function \"begin\" atomic; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create function a.begin atomic; listen x",
		"CREATE DDL CODE WRITES; LISTEN \"x\" LISTENS" },
	{ "create table begin atomic; listen x",
		"CREATE DDL WRITES; LISTEN \"x\" LISTENS" },
	{ "begin atomic; listen x", "BEGIN TX; LISTEN \"x\" LISTENS" },
	{ "drop function begin atomic; listen x",
		"DROP DDL WRITES DROPS_STATE; LISTEN \"x\" LISTENS" },
};

/* 63 bytes are kept, and no half of a character. */
#define A10    "aaaaaaaaaa"
#define A60    A10 A10 A10 A10 A10 A10
#define UMLAUT "\303\244"
#define EURO   "\342\202\254"
#define SMILE  "\360\237\230\200"
static const struct sql_case clips[] = {
	{ "listen " A60 "bcd", "LISTEN \"" A60 "bcd\" LISTENS" },
	{ "listen " A60 "bcde", "LISTEN \"" A60 "bcd\" LISTENS" },
	{ "listen " A60 A60 A60, "LISTEN \"" A60 "aaa\" LISTENS" },
	{ "listen " A60 "BC" UMLAUT, "LISTEN \"" A60 "bc\" LISTENS" },
	{ "listen " A60 "B" UMLAUT, "LISTEN \"" A60 "b" UMLAUT "\" LISTENS" },
	{ "listen " A60 EURO EURO, "LISTEN \"" A60 EURO "\" LISTENS" },
	{ "listen " A60 "b" EURO, "LISTEN \"" A60 "b\" LISTENS" },
	{ "listen " A60 SMILE, "LISTEN \"" A60 "\" LISTENS" },
	{ "listen \"" A60 "BC" UMLAUT "\"", "LISTEN \"" A60 "BC\" LISTENS" },
	{ "listen \"" A60 "\"\"\"\"\"\"\"\"\"",
		"LISTEN \"" A60 "\"\"\"\" LISTENS" },
};

static void test_hidden(void **state)
{
	(void)state;
	RUN_CASES(hidden);
}

static void test_old_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(old_strings); i++)
		sql_run(old_strings[i].text, old_strings[i].expected, false);
}

static void test_splits(void **state)
{
	(void)state;
	RUN_CASES(splits);
}

static void test_clips(void **state)
{
	(void)state;
	RUN_CASES(clips);
}

static void test_many_statements(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct sql_scanner s;
	const struct sql_summary *sum;

	(void)state;
	for (size_t i = 0; i < SQL_MAX_STATEMENTS; i++)
		buf_printf(&b, "select %zu;", i);
	sum = sql_scan(&s, buf_slice(&b), true);
	assert_int_equal(sum->n_statements, SQL_MAX_STATEMENTS);
	assert_false(sum->is_truncated);
	assert_int_equal(sum->flags, 0);
	buf_printf(&b, "listen x;begin");
	sum = sql_scan(&s, buf_slice(&b), true);
	assert_int_equal(sum->n_statements, SQL_MAX_STATEMENTS + 2);
	assert_true(sum->is_truncated);
	assert_int_equal(
		sum->flags, SQL_LISTENS | SQL_TX | SQL_OPAQUE | SQL_WRITES);
}

/* The longest tag that can be remembered, and a longer one. */
static void test_long_tag(void **state)
{
	sql_run("select $" A60 "bcd$;listen y$" A60 "bcd$", "SELECT", true);
	sql_run("select $" A60 "bcd$;listen y$" A60 "bce$", "SELECT ...", true);
	(void)state;
	for (const char *const *text =
			(const char *const[]){ "select $" A60 "bcde$a$" A60
					       "bcde$;listen x",
				"$" A60 "bcde$", NULL };
		*text; text++) {
		struct sql_scanner s;
		const struct sql_summary *sum =
			sql_scan(&s, slice_str(*text), true);

		assert_true(sum->is_truncated);
		assert_int_equal(sum->flags, SQL_ANYTHING);
	}
}

static void test_counts(void **state)
{
	struct sql_scanner s;
	const struct sql_summary *sum;

	(void)state;
	sum = sql_scan(&s, SLICE("select ((a), 'b'/*c*/), $1;"), true);
	assert_int_equal(sum->n_tokens, 11);
	assert_int_equal(sum->max_depth, 2);
	assert_true(sizeof(s) < 2048);
}

/* A row of a table, or the head of a section: the names of one length. */
struct row {
	const char *name;
	size_t section;
};

static const struct row word_rows[] = {
#define LENGTH(n)		     { NULL, n },
#define WORD(text, call, next, verb) { #text, 0 },
#include "proto/sql_words.def"
#undef WORD
};

static const struct row function_rows[] = {
#define FUNCTION(name, flags) { #name, 0 },
#include "proto/functions.def"
#undef FUNCTION
};

static const struct row builtin_rows[] = {
#define BUILTIN(name) { #name, 0 },
#include "proto/builtins.def"
#undef BUILTIN
#undef LENGTH
};

/* By length, then by bytes, each once. */
static void assert_sorted(const struct row *rows, size_t n)
{
	size_t section = 0;

	for (size_t i = 0; i < n; i++) {
		if (!rows[i].name) {
			section++;
			assert_int_equal(rows[i].section, section);
			continue;
		}
		assert_int_equal(strlen(rows[i].name), section);
		if (rows[i - 1].name &&
			strcmp(rows[i - 1].name, rows[i].name) >= 0)
			fail_msg("%s is not before %s", rows[i - 1].name,
				rows[i].name);
	}
}

static void test_sorted(void **state)
{
	(void)state;
	assert_sorted(word_rows, ARRAY_SIZE(word_rows));
	assert_sorted(function_rows, ARRAY_SIZE(function_rows));
	assert_sorted(builtin_rows, ARRAY_SIZE(builtin_rows));
}

/* A word is not looked up among the functions: it must not have flags there. */
static void test_words_have_no_flags(void **state)
{
	static const char *const words[] = {
#define LENGTH(n)
#define WORD(text, call, next, verb) #text,
#include "proto/sql_words.def"
#undef WORD
	};
	static const struct {
		const char *name;
		uint32_t flags;
	} functions[] = {
#define FUNCTION(name, flags) { #name, flags },
#include "proto/functions.def"
#undef FUNCTION
#undef LENGTH
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			assert_false(functions[i].flags &&
				     !strcmp(functions[i].name, words[j]));
	}
}

/* What is said n times, between a beginning and an end that is said once. */
struct hostile {
	const char *begin;
	const char *again;
	const char *end;
};

static const struct hostile hostiles[] = {
	{ "select 1", "+1", "" },
	{ "select 1", " + a", "" },
	{ "select ", "(", "" },
	{ "select ", "f(", "" },
	{ "select ", "a(", "1" },
	{ "", "(select ", "" },
	{ "select 1", ")", "" },
	{ "", "/*", "" },
	{ "", "/*/", "" },
	{ "/*", "*", "" },
	{ "", "--\n", "" },
	{ "", "--", "" },
	{ "", ";", "" },
	{ "", "a;", "" },
	{ "'", "''", "" },
	{ "e'", "\\", "" },
	{ "e'", "\\'", "'" },
	{ "", "'a'\n", "" },
	{ "'a'\n", "--\n", "" },
	{ "'a'\n", "-", "" },
	{ "\"", "\"\"", "" },
	{ "$$", "$a", "" },
	{ "$a$", "$a", "" },
	{ "$aaaaaaaaaaaaaaaaaaaaaaaaaaaa$", "$aaaaaaaaaaaaaaaaaaaaaaaaaaab",
		"" },
	{ "", "$", "" },
	{ "", "$a$", "" },
	{ "", "$1", "" },
	{ "", "a", "" },
	{ "", "a.", "" },
	{ "", "u&", "" },
	{ "", "u&\"", "" },
	{ "", "1", "" },
	{ "", "1.e", "" },
	{ "", ":", "" },
	{ "", "[", "" },
	{ "", "with a as (", "" },
	{ "with a as (select 1)", ", b(x) as (select 1)", "" },
	{ "", "set_config(", "" },
	{ "select ", "set_config('a',", "" },
	{ "set a", ".a", "" },
	{ "set search_path to ", "'pg_tem', ", "" },
	{ "set search_path to '", "pg_tepg_te", "'" },
	{ "do '", "set a.b ", "'" },
	{ "do '", "execute ", "" },
	{ "do $$", "$", "" },
	{ "create function f() ", "begin atomic ", "" },
	{ "create function f() begin atomic ", "end;", "" },
	{ "create database a ", "template ", "" },
	{ "explain ", "verbose ", "" },
	{ "", "\377", "" },
	{ "select ", "pg_catalog.pg_stat_get_bgwriter_buf_written_checkpoin(",
		"" },
};

static struct slice hostile_text(
	struct buf *b, const struct hostile *h, size_t len)
{
	buf_printf(b, "%s", h->begin);
	while (b->len < len)
		buf_printf(b, "%s", h->again);
	buf_printf(b, "%s", h->end);
	return buf_slice(b);
}

static double cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The least of several runs: noise only adds. */
static double scan_time(struct slice text)
{
	double least = 1e9;

	for (int i = 0; i < 5; i++) {
		struct sql_scanner s;
		double began = cpu_time();

		sql_scan(&s, text, true);
		least = MIN(least, cpu_time() - began);
	}
	return least;
}

static void run_hostile(const struct hostile *h)
{
	CLEANUP(buf_deinit) struct buf once = { 0 };
	CLEANUP(buf_deinit) struct buf twice = { 0 };
	struct slice text = hostile_text(&once, h, 100000);
	struct slice more = hostile_text(&twice, h, 200000);
	struct sql_scanner whole;
	struct sql_scanner cut;

	sql_scan(&whole, text, true);
	assert_true(whole.summary.n_tokens <= text.len);
	assert_true(whole.summary.n_statements <= whole.summary.n_tokens);
	sql_scan_begin(&cut, true);
	for (size_t i = 0; i < text.len; i++)
		sql_scan_feed(&cut, slice_of(text.data + i, 1));
	assert_same_summary(&whole.summary, sql_scan_end(&cut));
	/* Twice the text, twice the time; four times would be a square. */
	if (scan_time(more) > 4 * scan_time(text) &&
		scan_time(more) > 4 * scan_time(text))
		fail_msg("not linear: %s %s ...", h->begin, h->again);
}

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++)
		run_hostile(&hostiles[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_old_strings),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_clips),
		cmocka_unit_test(test_many_statements),
		cmocka_unit_test(test_long_tag),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_words_have_no_flags),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
