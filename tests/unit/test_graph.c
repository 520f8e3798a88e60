/*
 * src/pool/graph.c: from rows of the catalogue to names whose use may change
 * a session. Ids are small numbers here; 0 is any statement, 1 any DDL.
 */
#include "sql_help.h"

#include "pool/pool_priv.h"

struct graph_case {
	const char *what;
	/* Rows: kind id ref mode text, the columns apart by a bar. */
	const char *rows[16];
	/* What the names make of statements. */
	struct sql_case texts[6];
};

static const struct graph_case cases[] = {
	{ "nothing", { "n|9||r|t" },
		{ { "insert into t values (1)", "INSERT WRITES" } } },
	{ "a trigger",
		{ "n|9||r|t", "n|8||g|f", "e|7|8|=|", "e|9|7|w|",
			"f|8||plpgsql|begin perform pg_advisory_lock(1); end" },
		{ { "insert into t values (1)", "INSERT HIDDEN WRITES" },
			{ "select 1 from t", "SELECT" },
			{ "select a.f from a", "SELECT" } } },
	{ "a trigger of a table behind a view",
		{ "n|9||r|t", "n|6||r|v", "x|8|||", "e|7|8|=|", "e|9|7|w|",
			"e|5|9|=|", "e|6|5|=|" },
		{ { "insert into v values (1)", "INSERT HIDDEN WRITES" },
			{ "select 1 from v", "SELECT" } } },
	{ "a view",
		{ "n|9||r|v", "n|6||r|w", "w|8|||pg_advisory_lock", "e|9|8|=|",
			"e|5|9|=|", "e|6|5|=|" },
		{ { "select 1 from v", "SELECT HIDDEN" },
			{ "select 1 from w", "SELECT HIDDEN" } } },
	{ "functions that call each other, named before their bodies",
		{ "n|7||f|a", "n|8||f|b", "n|9||f|c", "n|6||r|t",
			"f|7||plpgsql|select public.B()",
			"f|8||sql|select c(); select b()",
			"f|9||sql|select a(); listen x", "e|6|7|w|" },
		{ { "insert into t values (1)", "INSERT HIDDEN WRITES" } } },
	{ "a body in pieces",
		{ "n|9||f|f", "f|9||plpgsql|begin perform pg_adv",
			"b|9||plpgsql|isory_lock(1); end" },
		{ { "select f()", "SELECT OPAQUE HIDDEN WRITES" } } },
	{ "a body that writes to a table with a trigger",
		{ "n|9||r|t", "x|7|||", "e|9|7|w|", "n|6||f|f", "n|5||f|g",
			"f|6||sql|insert into t values (1)",
			"f|5||sql|select count(*) from t" },
		{ { "select a.f from a", "SELECT HIDDEN WRITES" },
			{ "select a.g from a", "SELECT" } } },
	{ "a view that writes",
		{ "n|9||f|f", "f|9||plpgsql|insert into t values (1)",
			"n|8||r|v", "e|7|9|=|", "e|8|7|=|", "n|6||r|t",
			"e|6|9|w|" },
		{ { "select 1 from v", "SELECT WRITES" },
			{ "select a.f from a", "SELECT" },
			{ "insert into t values (1)", "INSERT WRITES" } } },
	{ "a policy with a query of a table that is only risky to change",
		{ "n|9||r|t", "x|7|||", "e|9|7|w|", "n|6||r|u", "e|5|9|u|",
			"e|6|5|=|" },
		{ { "select 1 from u", "SELECT" },
			{ "insert into u values (1)", "INSERT WRITES" } } },
	{ "a domain",
		{ "n|9||t|d", "n|6||r|t", "x|8|||", "e|7|8|=|", "e|9|7|=|",
			"e|6|9|r|" },
		{ { "select 1::d", "SELECT HIDDEN" },
			{ "select 1 from t", "SELECT HIDDEN" } } },
	{ "an operator", { "x|8|||", "e|7|8|=|", "e|0|7|=|" },
		{ { "select 1", "SELECT HIDDEN" }, { "begin", "BEGIN TX" } } },
	{ "an event trigger", { "x|8|||", "e|7|8|=|", "e|1|7|=|" },
		{ { "select 1", "SELECT" },
			{ "grant a to b", "GRANT HIDDEN WRITES" } } },
	{ "what cannot be seen",
		{ "n|9||f|f", "l|9|||", "n|8||f|g",
			"f|8||plpgsql|perform setseed(0)" },
		{ { "select f()", "SELECT LOADS OPAQUE HIDDEN WRITES" },
			{ "select g()",
				"SELECT SEED OPAQUE HIDDEN WRITES" } } },
	{ "harmless functions",
		{ "n|9||f|f", "h|9|||f", "n|8||f|g", "h|8|||g", "n|7||f|g",
			"n|6||f|h", "h|6|||h", "x|6|||" },
		{ { "select f()", "SELECT VOLATILE" },
			{ "select g()", "SELECT OPAQUE WRITES" },
			{ "select h()", "SELECT OPAQUE HIDDEN WRITES" } } },
	{ "sequences of triggers move with every INSERT",
		{ "n|9||r|t", "n|8||f|f", "e|9|8|w|",
			"f|8||plpgsql|select nextval('s')", "n|7||r|v",
			"w|6|||nextval", "e|7|6|=|" },
		{ { "insert into t values (1)", "INSERT WRITES" },
			{ "select 1 from v", "SELECT SEQUENCE" } } },
	{ "names of several words",
		{ "n|9||r|Order Lines", "x|8|||", "e|9|8|=|", "n|6||f|f",
			"f|6||sql|select 1 from \"Order Lines\"" },
		{ { "select 1 from \"Order Lines\"", "SELECT HIDDEN" },
			{ "select a.f from a", "SELECT HIDDEN" } } },
};

/* A DataRow's body; an empty column is NULL. */
static void put_row(struct buf *b, const char *row)
{
	struct slice rest = slice_str(row);

	buf_put_u16(b, 5);
	for (int i = 0; i < 5; i++) {
		struct slice one = i < 4 ? slice_cut(&rest, '|') : rest;

		buf_put_u32(b, one.len ? (uint32_t)one.len : UINT32_MAX);
		buf_append_slice(b, one);
	}
}

static bool add(struct graph *g, const char *row)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	put_row(&b, row);
	return graph_add(g, buf_slice(&b));
}

static void run_case(const struct graph_case *c)
{
	struct graph *g = graph_create();
	struct sql_risks *risks;
	struct sql_scanner s;

	for (size_t i = 0; c->rows[i]; i++)
		assert_true(add(g, c->rows[i]));
	risks = graph_risks(g);
	for (size_t i = 0; c->texts[i].text; i++) {
		CLEANUP(freep) char *shown = NULL;

		sql_scan_begin(&s, true);
		sql_scan_risks(&s, risks, 0);
		sql_scan_feed(&s, slice_str(c->texts[i].text));
		shown = summary_show(sql_scan_end(&s));
		if (strcmp(shown, c->texts[i].expected) != 0)
			print_error("%s: in: %s\n", c->what, c->texts[i].text);
		assert_string_equal(shown, c->texts[i].expected);
	}
	sql_risks_unref(risks);
	graph_destroy(g);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i]);
}

static void test_settings(void **state)
{
	struct graph *g = graph_create();
	struct slice expected = SLICE("a.b\0c.d\0e.f\0");

	(void)state;
	assert_true(add(g, "c||||a.b"));
	assert_true(add(g, "f|9||sql|select set_config('c.d', 'x', true)"));
	assert_true(add(g, "f|8||plpgsql|begin set a.b = 1; set e.f = 1; end"));
	sql_risks_unref(graph_risks(g));
	assert_true(slice_equal(graph_settings(g), expected));
	graph_destroy(g);
}

/* More settings than can be asked for: whatever is run may have set one. */
static void test_too_many_settings(void **state)
{
	struct graph *g = graph_create();
	struct sql_risks *risks;
	struct sql_scanner s;
	char row[64];

	(void)state;
	add(g, "n|9||r|v");
	add(g, "x|9|||");
	for (int i = 0; i < 201; i++) {
		snprintf(row, sizeof(row), "c||||a.b%d", i);
		assert_true(add(g, row));
	}
	risks = graph_risks(g);
	sql_scan_begin(&s, true);
	sql_scan_risks(&s, risks, 0);
	sql_scan_feed(&s, SLICE("select 1 from v"));
	assert_int_equal(
		sql_scan_end(&s)->flags, SQL_HIDDEN | SQL_CUSTOM_SETTING);
	sql_risks_unref(risks);
	graph_destroy(g);
}

/* What is no row of ours is refused, and so is all that follows. */
static void test_nonsense(void **state)
{
	static const char *const rows[] = { "z|9|||", "nn|9||r|t", "n|x||r|t",
		"e|9|x|=|", "e|9|8||", "e|9||=|" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct graph *g = graph_create();

		assert_false(add(g, rows[i]));
		assert_false(add(g, "n|9||r|t"));
		graph_destroy(g);
	}
	for (size_t len = 0; len < 12; len++) {
		struct graph *g = graph_create();
		CLEANUP(buf_deinit) struct buf b = { 0 };

		put_row(&b, "n|9||r|t");
		assert_false(graph_add(g, slice_of(b.data, len)));
		graph_destroy(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_too_many_settings),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
