/*
 * src/wire/sql: what the bodies of stored functions do to the session, by
 * their words.
 */
#include "sql_help.h"

struct stored_case {
	const char *body;
	const char *flags;    /* as put_flags() writes them */
	const char *settings; /* custom ones, each with a blank behind it */
};

#define COMPOSED " CUSTOM_SETTING SEED HIDDEN"

static const struct stored_case settings[] = {
	{ "begin perform set_config('work_mem', '1MB', false); end", " HIDDEN",
		"" },
	{ "select pg_catalog.set_config ( 'App.Name' , $1, true)", " HIDDEN",
		"app.name " },
	{ "select set_config('a.b'::text, 'x', true)", " HIDDEN", "a.b " },
	{ "select set_config(E'a.b', 'x', true)", " HIDDEN", "a.b " },
	{ "select set_config('a.b.c', 'x', true), set_config('d.e', '', true)",
		" HIDDEN", "a.b.c d.e " },
	{ "execute 'select set_config(''a.b'', ''x'', false)'", " HIDDEN",
		"a.b " },
	{ "select set_config('seed', '0.5', false)", " SEED HIDDEN", "" },
	{ "select set_config('a.' || k, v, false)", COMPOSED, "" },
	{ "select set_config('a' || k, v, false)", COMPOSED, "" },
	{ "select set_config(k, v, false)", COMPOSED, "" },
	{ "select set_config($1, $2, false)", COMPOSED, "" },
	{ "select set_config(name || 'x', v, false)", COMPOSED, "" },
	{ "execute format('select set_config(%L, %L, false)', k, v)", COMPOSED,
		"" },
	{ "select set_config('a-b', v, false)", COMPOSED, "" },
	{ "select set_config('a b.c', v, false)", COMPOSED, "" },
	{ "select set_config('a.b", COMPOSED, "" },
	{ "-- set_config is not called", " HIDDEN", "" },
	/* SET */
	{ "begin set work_mem = '1MB'; end", " HIDDEN", "" },
	{ "begin set local work_mem to '1MB'; end", " HIDDEN", "" },
	{ "begin set session a.b to '1MB'; end", " HIDDEN", "a.b " },
	{ "begin SET LOCAL A.B = 1; end", " HIDDEN", "a.b " },
	{ "begin set \"a\".\"b\" = 1; end", " HIDDEN", "a.b " },
	{ "begin set a . b = 1; end", " HIDDEN", "a.b " },
	{ "begin set seed = 0.5; end", " SEED HIDDEN", "" },
	{ "begin set role x; set time zone 'UTC'; end", " HIDDEN", "" },
	{ "begin reset a.b; end", " HIDDEN", "a.b " },
	{ "begin reset all; end", " HIDDEN", "" },
	{ "execute 'set a.b = 1'", " HIDDEN", "a.b " },
	{ "execute 'set local ' || k || '= 1'", COMPOSED, "" },
	{ "execute format('SET %I = %L', k, v)", COMPOSED, "" },
	{ "execute 'set a.' || k", COMPOSED, "" },
	{ "execute sql || ' set ' || list", " HIDDEN", "" },
	/* the SET of others */
	{ "update t set a = 1", "", "" },
	{ "update only t as x set a = 1 where b", "", "" },
	{ "update \"t\" set a.b = 1", "", "" },
	{ "insert into t values (1) on conflict do update set a = 1", "", "" },
	{ "merge into t using s on a = b when matched then update set a = 1",
		"", "" },
	{ "update t -- why\n set a = 1", " HIDDEN", "" },
	{ "if tg_op = 'UPDATE' then set work_mem = 1; end if", " HIDDEN", "" },
	{ "select 1 for update; set work_mem = 1", " HIDDEN", "" },
	{ "-- the update\nset work_mem = 1", " HIDDEN", "" },
	{ "/* update */ set work_mem = 1", " HIDDEN", "" },
	{ "update t set a = 1; set work_mem = 1", " HIDDEN", "" },
	{ "select gd from t", "", "" },
	{ "select offset, reset_at, preset from t", "", "" },
};

static const struct stored_case words[] = {
	{ "", "", "" },
	{ "begin new.a = now(); return new; end", "", "" },
	{ "begin insert into log select count(*) from t; end", "", "" },
	{ "perform pg_advisory_lock(1)", " HIDDEN", "" },
	{ "perform pg_advisory_xact_lock(1)", "", "" },
	{ "perform pg_advisory_unlock_all()", " HIDDEN", "" },
	{ "create temp table t (a int)", " HIDDEN", "" },
	{ "create table pg_temp.t (a int)", " HIDDEN", "" },
	{ "select temperature from templates", "", "" },
	{ "listen a", " HIDDEN", "" },
	{ "UNLISTEN *", " HIDDEN", "" },
	{ "perform pg_notify('a', 'b')", " NOTIFIES", "" },
	{ "notify a", " NOTIFIES", "" },
	{ "execute 'prepare p as select 1'", " HIDDEN", "" },
	{ "execute sql using a", " HIDDEN", "" },
	{ "execute 'deallocate all'", " DEALLOCATES HIDDEN", "" },
	{ "execute 'declare c cursor with hold for select 1'", " HIDDEN", "" },
	{ "declare c cursor for select 1; begin open c; end", "", "" },
	{ "perform setseed(0.5)", " SEED HIDDEN", "" },
	{ "return nextval('s')", " SEQUENCE", "" },
	{ "return setval('s', 1)", " SEQUENCE", "" },
	{ "return lastval()", " SEQUENCE_READ", "" },
	{ "return currval('s')", " SEQUENCE_READ", "" },
	{ "select * from pg_prepared_statements", " SEES_PREPARED HIDDEN", "" },
	{ "update pg_settings set setting = 1", " HIDDEN", "" },
	{ "select query_to_xml(q, true, true, '')", " HIDDEN", "" },
	/* LOAD */
	{ "begin load 'auto_explain'; end", " LOADS HIDDEN", "" },
	{ "execute 'load ''auto_explain'''", " LOADS HIDDEN", "" },
	{ "-- x\nload 'y'", " LOADS HIDDEN", "" },
	{ "raise notice 'failed to load'; select load from t", "", "" },
	{ "if kind = 'load' then return 'x'; end if", "", "" },
};

/* In PL/Perl and PL/Python. */
static const struct stored_case globals[] = {
	{ "$_SHARED{a} = 1", " LOADS HIDDEN", "" },
	{ "GD['a'] = 1", " LOADS HIDDEN", "" },
	{ "return a", "", "" },
};

struct seen {
	struct buf settings;
	struct buf words;
};

static void on_setting(void *ctx, struct slice name)
{
	struct seen *seen = ctx;

	buf_append_slice(&seen->settings, name);
	buf_put_u8(&seen->settings, ' ');
}

static void on_word(void *ctx, struct slice word)
{
	struct seen *seen = ctx;

	buf_append_slice(&seen->words, word);
	buf_put_u8(&seen->words, ' ');
}

/* The body in pieces of that size, each copied. */
static char *read_body(
	const struct stored_case *c, bool has_globals, size_t piece)
{
	struct seen seen = { 0 };
	struct sql_stored s;
	size_t len = strlen(c->body);
	struct buf shown = { 0 };

	memset(&s, 0xa5, sizeof(s));
	s.setting_seen = on_setting;
	s.word_seen = on_word;
	s.ctx = &seen;
	s.has_globals = has_globals;
	sql_stored_begin(&s);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = MIN(piece, len - at);
		CLEANUP(freep) char *copy = xmemdup(c->body + at, n);

		sql_stored_feed(&s, slice_of(copy, n));
	}
	sql_stored_end(&s);
	put_flags(&shown, s.flags);
	buf_printf(&shown, "|%.*s", (int)seen.settings.len,
		seen.settings.len ? seen.settings.data : "");
	buf_deinit(&seen.settings);
	buf_deinit(&seen.words);
	return buf_take_str(&shown);
}

static void run_case(const struct stored_case *c, bool has_globals)
{
	struct buf expected = { 0 };
	CLEANUP(freep) char *wanted = NULL;
	size_t len = strlen(c->body);

	buf_printf(&expected, "%s|%s", c->flags, c->settings);
	wanted = buf_take_str(&expected);
	for (size_t piece = 1; piece <= len + 1; piece++) {
		CLEANUP(freep) char *shown = read_body(c, has_globals, piece);

		if (strcmp(shown, wanted) != 0)
			print_error("in: %s\n", c->body);
		assert_string_equal(shown, wanted);
	}
}

static void test_settings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		run_case(&settings[i], false);
}

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		run_case(&words[i], false);
	for (size_t i = 0; i < ARRAY_SIZE(globals); i++)
		run_case(&globals[i], true);
}

/* What a body mentions, and the word an object is found by. */
static void test_mentions(void **state)
{
	static const struct {
		const char *name;
		const char *word;
	} names[] = {
		{ "orders", "orders" },
		{ "Order Lines", "order" },
		{ "a.b", "a" },
		{ "t$1", "t" },
		{ "\303\204x", "\303\204x" },
		{ "$", "" },
	};
	struct seen seen = { 0 };
	struct sql_stored s = { .word_seen = on_word, .ctx = &seen };
	CLEANUP(freep) char *shown = NULL;

	(void)state;
	sql_stored_begin(&s);
	sql_stored_feed(&s, SLICE("Select a_1 from \"Order Lines\", p.q(2x)"));
	sql_stored_end(&s);
	shown = buf_take_str(&seen.words);
	assert_string_equal(shown, "select a_1 from order lines p q 2x ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char room[SQL_NAME_MAX + 1] = { 0 };

		sql_stored_word(slice_str(names[i].name), room);
		assert_string_equal(room, names[i].word);
	}
}

static void test_writes(void **state)
{
	static const char *const writing[] = { "insert into t", "execute x",
		"DELETE FROM t", "call p()", "truncate t" };
	struct sql_stored s = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(writing); i++) {
		sql_stored_begin(&s);
		sql_stored_feed(&s, slice_str(writing[i]));
		sql_stored_end(&s);
		assert_true(s.is_writing);
	}
	sql_stored_begin(&s);
	sql_stored_feed(&s, SLICE("select inserted, updated from deleted"));
	sql_stored_end(&s);
	assert_false(s.is_writing);
}

/* A name that is longer than is kept counts as one that is not known. */
static void test_long_name(void **state)
{
	struct sql_stored s = { .setting_seen = on_setting };
	struct seen seen = { 0 };
	char name[200];

	(void)state;
	memset(name, 'a', sizeof(name));
	s.ctx = &seen;
	for (size_t part = 40; part <= 60; part += 20) {
		sql_stored_begin(&s);
		sql_stored_feed(&s, SLICE("set "));
		for (int i = 0; i < 3; i++) {
			sql_stored_feed(&s, slice_of(name, part));
			sql_stored_feed(&s, i < 2 ? SLICE(".") : SLICE(" "));
		}
		sql_stored_feed(&s, SLICE("= 1"));
		sql_stored_end(&s);
		assert_int_equal(seen.settings.len, 3 * 40 + 3);
		assert_int_equal(!(s.flags & SQL_CUSTOM_SETTING), part == 40);
	}
	buf_deinit(&seen.settings);
}

/* Functions of pg_catalog that an expression calls. */
static void test_calls(void **state)
{
	(void)state;
	assert_int_equal(sql_stored_call(SLICE("random")), 0);
	assert_int_equal(sql_stored_call(SLICE("nextval")), SQL_SEQUENCE);
	assert_int_equal(sql_stored_call(SLICE("set_config")),
		SQL_HIDDEN | SQL_CUSTOM_SETTING | SQL_SEED);
	assert_int_equal(
		sql_stored_call(SLICE("pg_advisory_lock")), SQL_HIDDEN);
	assert_int_equal(sql_stored_call(SLICE("pg_notify")), SQL_NOTIFIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_mentions),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
