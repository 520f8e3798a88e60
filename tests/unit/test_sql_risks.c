/*
 * src/wire/sql: what a database adds to what a text says. The set of names of
 * these tests:
 *
 *     v       reading it may change the session (a view)
 *     t       changing it may (a table with a trigger), and moves sequences
 *     f       a function that seeds random()
 *     harmless()  one that only computes
 */
#include "sql_help.h"

static const struct sql_case mentions[] = {
	{ "select 1 from a", "SELECT" },
	{ "select 1 from v", "SELECT HIDDEN" },
	{ "table V", "TABLE HIDDEN" },
	{ "select 1 from \"v\"", "SELECT HIDDEN" },
	{ "select 1 from \"V\"", "SELECT" },
	{ "select 1 from public.v", "SELECT HIDDEN" },
	{ "select 'v' -- v", "SELECT" },
	{ "select vv, v1 from va", "SELECT" },
	{ "select 1 from t", "SELECT" },
	{ "select 1 from t for update", "SELECT HIDDEN WRITES" },
	{ "insert into t values (1)", "INSERT HIDDEN WRITES" },
	{ "insert into a select b from t", "INSERT HIDDEN WRITES" },
	{ "with x as (delete from t returning 1) select 1 from x",
		"SELECT HIDDEN WRITES" },
	{ "copy t from stdin", "COPY HIDDEN WRITES" },
	{ "copy t to stdout", "COPY" },
	{ "select 1 from t; insert into a values (1)",
		"SELECT; INSERT WRITES" },
	{ "truncate t", "TRUNCATE HIDDEN WRITES" },
	{ "prepare p as insert into t values (1)",
		"PREPARE \"p\" PREPARES HIDDEN WRITES" },
	{ "explain analyze update t set a = 1", "EXPLAIN HIDDEN WRITES" },
	{ "declare c cursor for select 1 from v", "DECLARE \"c\" HIDDEN" },
	/* functions */
	{ "select f(1)", "SELECT SEED OPAQUE HIDDEN WRITES" },
	{ "select a.f from a", "SELECT SEED HIDDEN" },
	{ "do $$ begin perform f(); end $$", "DO SEED OPAQUE HIDDEN WRITES" },
	{ "create function g() returns int language sql as 'select f()'",
		"CREATE DDL CODE WRITES" },
	{ "create view w as select f()", "CREATE HIDDEN DDL CODE WRITES" },
	{ "select harmless(1)", "SELECT VOLATILE" },
	{ "select a.harmless(1), b", "SELECT VOLATILE" },
	{ "select other(1)", "SELECT OPAQUE WRITES" },
	/* what is made of such names runs it, too */
	{ "create view w as select a from v", "CREATE HIDDEN DDL CODE WRITES" },
	{ "create table p partition of t default",
		"CREATE HIDDEN DDL CODE WRITES" },
	{ "create table p partition of a default", "CREATE DDL WRITES" },
	{ "alter table a add foreign key (b) references t",
		"ALTER HIDDEN DDL CODE WRITES" },
	/* names are not all there is in upkeep */
	{ "vacuum", "VACUUM HIDDEN WRITES" },
	{ "analyze", "ANALYZE HIDDEN WRITES" },
	{ "refresh materialized view a", "REFRESH HIDDEN WRITES" },
	{ "drop table a", "DROP DDL WRITES DROPS_STATE" },
	{ "begin", "BEGIN TX" },
};

static const struct sql_case always[] = {
	{ "select 1", "SELECT HIDDEN" },
	{ "(values (1))", "VALUES HIDDEN" },
	{ "insert into a values (1)", "INSERT HIDDEN WRITES" },
	{ "create index i on a (b)", "CREATE HIDDEN CODE WRITES" },
	{ "declare c cursor for select 1", "DECLARE \"c\" HIDDEN" },
	{ "execute p", "EXECUTE \"p\" EXECUTES OPAQUE HIDDEN WRITES" },
	{ "begin", "BEGIN TX" },
	{ "commit", "COMMIT TX COMMITS" },
	{ "set work_mem = 1", "SET \"work_mem\" SETS" },
	{ "show work_mem", "SHOW" },
	{ "fetch c", "FETCH" },
	{ "listen a", "LISTEN \"a\" LISTENS" },
	{ "savepoint a", "SAVEPOINT \"a\" TX" },
};

static const struct sql_case ddl[] = {
	{ "select 1", "SELECT" },
	{ "insert into a values (1)", "INSERT WRITES" },
	{ "create index i on a (b)", "CREATE HIDDEN CODE WRITES" },
	{ "grant select on a to b", "GRANT HIDDEN WRITES" },
	{ "comment on table a is 'b'", "COMMENT HIDDEN WRITES" },
	{ "select 1 into a", "SELECT HIDDEN DDL WRITES" },
};

static const struct sql_case odd[] = {
	{ "select 1 from a", "SELECT" },
	{ "select 1 from \303\244", "SELECT HIDDEN" },
	{ "select 1 from \344", "SELECT HIDDEN" }, /* the same in Latin 1 */
	{ "select '\303\244'", "SELECT" },
};

static void run(const struct sql_risks *risks, uint32_t flags,
	const struct sql_case *cases, size_t n)
{
	struct sql_scanner s;

	for (size_t i = 0; i < n; i++) {
		CLEANUP(freep) char *shown = NULL;

		sql_scan_begin(&s, true);
		sql_scan_risks(&s, risks, flags);
		feed(&s, cases[i].text, strlen(cases[i].text));
		shown = summary_show(sql_scan_end(&s));
		if (strcmp(shown, cases[i].expected) != 0)
			print_error("in: %s\n", cases[i].text);
		assert_string_equal(shown, cases[i].expected);
	}
}

#define RUN(risks, flags, cases) run(risks, flags, cases, ARRAY_SIZE(cases))

static struct sql_risks *example(void)
{
	struct sql_risks *risks = sql_risks_create();

	sql_risks_add(risks, SLICE("v"), SQL_HIDDEN, 0);
	sql_risks_add(risks, SLICE("t"), 0, SQL_HIDDEN);
	sql_risks_add(risks, SLICE("f"), SQL_HIDDEN | SQL_SEED, 0);
	sql_risks_add_harmless(risks, SLICE("harmless"));
	return risks;
}

static void test_mentions(void **state)
{
	struct sql_risks *risks = example();

	(void)state;
	RUN(risks, 0, mentions);
	assert_int_equal(sql_risks_count(risks), 3);
	sql_risks_unref(risks);
}

static void test_always(void **state)
{
	struct sql_risks *risks = sql_risks_create();

	(void)state;
	assert_true(sql_risks_are_none(risks));
	RUN(NULL, SQL_HIDDEN, always);
	sql_risks_add_always(risks, SQL_HIDDEN);
	assert_false(sql_risks_are_none(risks));
	RUN(risks, 0, always);
	sql_risks_unref(risks);
}

static void test_ddl(void **state)
{
	struct sql_risks *risks = sql_risks_create();

	(void)state;
	sql_risks_add_ddl(risks, SQL_HIDDEN);
	RUN(risks, 0, ddl);
	sql_risks_unref(risks);
}

static void test_odd_names(void **state)
{
	struct sql_risks *risks = sql_risks_create();

	(void)state;
	sql_risks_add(risks, SLICE("\303\266"), SQL_HIDDEN, 0);
	RUN(risks, 0, odd);
	sql_risks_unref(risks);
}

static void test_equal(void **state)
{
	struct sql_risks *a = example(), *b = example(), *c = example();

	(void)state;
	assert_true(sql_risks_equal(a, b));
	sql_risks_add(b, SLICE("t"), 0, SQL_HIDDEN);
	assert_true(sql_risks_equal(a, b));
	sql_risks_add(b, SLICE("t"), SQL_HIDDEN, 0);
	assert_false(sql_risks_equal(a, b));
	sql_risks_add_harmless(c, SLICE("h"));
	assert_false(sql_risks_equal(a, c));
	sql_risks_unref(sql_risks_ref(a));
	sql_risks_unref(a);
	sql_risks_unref(b);
	sql_risks_unref(c);
}

/* Many names, and each is found. */
static void test_many(void **state)
{
	struct sql_risks *risks = sql_risks_create();
	struct sql_scanner s;
	char text[64];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "name_%d", i * 7);
		sql_risks_add(risks, slice_str(text), SQL_HIDDEN, 0);
	}
	for (int i = 0; i < 5000; i++) {
		bool is_in = i % 7 == 0;

		snprintf(text, sizeof(text), "select 1 from name_%d", i);
		sql_scan_begin(&s, true);
		sql_scan_risks(&s, risks, 0);
		sql_scan_feed(&s, slice_str(text));
		assert_int_equal(
			!!(sql_scan_end(&s)->flags & SQL_HIDDEN), is_in);
	}
	sql_risks_unref(risks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mentions),
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_ddl),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
