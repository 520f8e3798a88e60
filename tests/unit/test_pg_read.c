/*
 * src/wire/pg/read.c: bodies whole, cut at every length, with a byte behind,
 * and with lengths that lie.
 */
#include "cut_help.h"

#include <errno.h>

#include "wire/pg/pg.h"

/* ---- message heads ---------------------------------------------------- */

/* The head is the only part of the protocol that comes byte by byte: nothing
 * is said before all of it is there, and nothing changes behind it. */
static void test_head_cut(void **state)
{
	struct slice bytes = SLICE("Q\0\0\0\x0eselect 1\0");

	(void)state;
	each_cut (cut, bytes) {
		struct pg_head head = { 0 };
		enum pg_head_result r = pg_head_parse(cut, &head);

		if (cut.len < PG_HEAD) {
			assert_int_equal(r, PG_HEAD_MORE);
			continue;
		}
		assert_int_equal(r, PG_HEAD_OK);
		assert_int_equal(head.type, 'Q');
		assert_int_equal(head.len, 10);
	}
}

static void test_head_lengths(void **state)
{
	static const struct {
		struct slice bytes;
		enum pg_head_result r;
		uint32_t len;
	} rows[] = {
		{ SLICE("Z\0\0\0\0"), PG_HEAD_BAD, 0 },
		{ SLICE("Z\0\0\0\3"), PG_HEAD_BAD, 0 },
		{ SLICE("Z\0\0\0\4"), PG_HEAD_OK, 0 },
		{ SLICE("Z\0\0\0\5"), PG_HEAD_OK, 1 },
		{ SLICE("Z\x7f\xff\xff\xff"), PG_HEAD_OK, 0x7ffffffb },
		{ SLICE("Z\x80\0\0\0"), PG_HEAD_OK, 0x7ffffffc },
		{ SLICE("Z\xff\xff\xff\xff"), PG_HEAD_OK, 0xfffffffb },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pg_head head = { 0 };

		assert_int_equal(
			pg_head_parse(rows[i].bytes, &head), rows[i].r);
		assert_int_equal(head.len, rows[i].len);
	}
}

static void test_front_limits(void **state)
{
	static const char small[] = "CcfDEHSX";
	static const char large[] = "BdFPQ";

	(void)state;
	for (int type = 0; type < 256; type++) {
		uint32_t limit = 0;

		if (type && strchr(small, type))
			limit = 9996;
		if (type && strchr(large, type))
			limit = 0x3ffffffa;
		assert_int_equal(pg_front_limit((char)type), limit);
	}
}

/* ---- startup packets -------------------------------------------------- */

#define V3	 "\0\3\0\0"
#define LOGIN	 V3 "user\0ann\0database\0\0user\0bob\0\0"
#define LAYOUT	 "invalid startup packet layout: expected terminator as last byte"
#define VERSIONS ": server supports 3.0 to 3.2"
#define KEY_32	 "0123456789abcdef0123456789abcdef"
#define KEY_256	 KEY_32 KEY_32 KEY_32 KEY_32 KEY_32 KEY_32 KEY_32 KEY_32

static int parse(struct slice body, struct pg_startup *ret, struct fault *f)
{
	CLEANUP(freep) char *copy = xmemdup(body.data, body.len);

	memset(ret, 0xa5, sizeof(*ret));
	*f = (struct fault){ 0 };
	return pg_startup_parse(slice_of(copy, body.len), ret, f);
}

static void test_startup_login(void **state)
{
	struct pg_startup s;
	struct fault f;
	struct slice rest, name, value;

	(void)state;
	assert_int_equal(pg_startup_parse(SLICE(LOGIN), &s, &f), 0);
	assert_int_equal(s.kind, PG_STARTUP_LOGIN);
	assert_int_equal(s.major, 3);
	assert_int_equal(s.minor, 0);
	rest = s.params;
	assert_true(pg_startup_next(&rest, &name, &value));
	assert_text(name, "user");
	assert_text(value, "ann");
	assert_true(pg_startup_next(&rest, &name, &value));
	assert_text(name, "database");
	assert_text(value, "");
	assert_true(pg_startup_next(&rest, &name, &value));
	assert_false(pg_startup_next(&rest, &name, &value));
	/* the last one counts, and "" is not the same as nothing */
	assert_text(pg_startup_get(s.params, SLICE("user")), "bob");
	assert_non_null(pg_startup_get(s.params, SLICE("database")).data);
	assert_null(pg_startup_get(s.params, SLICE("use")).data);
	assert_null(pg_startup_get(s.params, SLICE("")).data);
	assert_null(pg_startup_get((struct slice){ 0 }, SLICE("user")).data);
}

static void test_startup_requests(void **state)
{
	struct pg_startup s;
	struct fault f;

	(void)state;
	assert_int_equal(parse(SLICE("\x04\xd2\x16\x2f"), &s, &f), 0);
	assert_int_equal(s.kind, PG_STARTUP_SSL);
	assert_int_equal(parse(SLICE("\x04\xd2\x16\x30"), &s, &f), 0);
	assert_int_equal(s.kind, PG_STARTUP_GSS);
	assert_int_equal(
		parse(SLICE("\x04\xd2\x16\x2e\1\2\3\4abcd"), &s, &f), 0);
	assert_int_equal(s.kind, PG_STARTUP_CANCEL);
	assert_int_equal(s.pid, 0x01020304);
	assert_int_equal(s.key.len, 4);
	assert_int_equal(
		parse(SLICE("\x04\xd2\x16\x2e\1\2\3\4" KEY_256), &s, &f), 0);
	assert_int_equal(s.key.len, 256);
}

/* In PostgreSQL 15's words; what it takes is taken. */
static void test_startup_refused(void **state)
{
	static const struct {
		struct slice body;
		const char *text; /* NULL: it is fine */
	} rows[] = {
		{ SLICE(""), "invalid length of startup packet" },
		{ SLICE("\0\3\0"), "invalid length of startup packet" },
		{ SLICE(V3), LAYOUT },
		{ SLICE(V3 "\0"), NULL },
		/* PostgreSQL looks where the last byte is, not what */
		{ SLICE(V3 "x"), NULL },
		{ SLICE(V3 "user\0ann\0x"), NULL },
		{ SLICE(V3 "\0\0"), LAYOUT },
		{ SLICE(V3 "\0x"), LAYOUT },
		{ SLICE(V3 "user"), LAYOUT },
		{ SLICE(V3 "user\0"), LAYOUT },
		{ SLICE(V3 "user\0ann"), LAYOUT },
		{ SLICE(V3 "user\0ann\0"), LAYOUT },
		{ SLICE(V3 "user\0ann\0\0"), NULL },
		{ SLICE(V3 "user\0ann\0\0\0"), LAYOUT },
		{ SLICE(V3 "user\0ann\0\0database\0x\0\0"), LAYOUT },
		{ SLICE("\0\3\xff\xff\0"), NULL },
		{ SLICE("\0\2\0\0\0"),
			"unsupported frontend protocol 2.0" VERSIONS },
		{ SLICE("\0\4\0\1\0"),
			"unsupported frontend protocol 4.1" VERSIONS },
		{ SLICE("\x04\xd2\x16\x2d\0"),
			"unsupported frontend protocol 1234.5677" VERSIONS },
		{ SLICE("\x04\xd2\x16\x2e"),
			"invalid length of cancel request packet" },
		{ SLICE("\x04\xd2\x16\x2e\1\2\3\4abc"),
			"invalid length of cancel request packet" },
		{ SLICE("\x04\xd2\x16\x2e\1\2\3\4" KEY_256 "x"),
			"invalid length of cancel request packet" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pg_startup s;
		struct fault f;
		int r = parse(rows[i].body, &s, &f);

		assert_int_equal(r, rows[i].text ? -EPROTO : 0);
		assert_string_equal(f.text, rows[i].text ? rows[i].text : "");
	}
}

/* Whoever asks for a cancel gets no answer, however wrong it is. */
static void test_startup_bad_cancel_is_known(void **state)
{
	struct slice whole = SLICE("\x04\xd2\x16\x2e\1\2\3\4abcd");

	(void)state;
	each_cut (cut, whole) {
		struct pg_startup s = { .kind = PG_STARTUP_LOGIN };
		struct fault f;
		int r = pg_startup_parse(cut, &s, &f);

		assert_int_equal(r, cut.len < whole.len ? -EPROTO : 0);
		assert_int_equal(s.kind,
			cut.len < 4 ? PG_STARTUP_LOGIN : PG_STARTUP_CANCEL);
	}
}

static void test_startup_cut(void **state)
{
	/* where one byte stands behind a value, as the terminator would */
	static const size_t good[] = { 5, 14, 24, 33 };
	size_t n_good = 0;

	(void)state;
	each_cut (cut, SLICE(LOGIN)) {
		struct pg_startup s;
		struct fault f;
		bool is_good =
			n_good < ARRAY_SIZE(good) && cut.len == good[n_good];

		assert_int_equal(pg_startup_parse(cut, &s, &f) == 0, is_good);
		n_good += is_good;
	}
	assert_int_equal(n_good, ARRAY_SIZE(good));
}

/* A walk over what is no list of pairs ends, within it. */
static void test_pairs_cut(void **state)
{
	struct slice whole = SLICE("a\0b\0\0c\0\0\0d\0e\0");

	(void)state;
	each_cut (cut, whole) {
		struct slice rest = cut, name, value;
		size_t n = 0;

		while (pg_startup_next(&rest, &name, &value)) {
			assert_true(value.data + value.len < rest.data + 1);
			n++;
		}
		assert_true(n <= 4);
		pg_startup_get(cut, SLICE("d"));
	}
}

/* ---- Parse, Bind, Describe, Close ------------------------------------- */

static void test_parse(void **state)
{
	struct slice whole = SLICE("s\0select $1\0\0\2\0\0\0\x17\0\0\0\x19");
	struct pg_parse p;

	(void)state;
	each_cut (cut, whole)
		assert_int_equal(pg_parse_read(cut, &p), cut.len == whole.len);
	assert_true(pg_parse_read(whole, &p));
	assert_text(p.name, "s");
	assert_text(p.sql, "select $1");
	assert_int_equal(p.n_oids, 2);
	assert_text(p.oids, "\0\0\0\x17\0\0\0\x19");
	assert_true(pg_parse_read(SLICE("\0\0\0\0"), &p));
	assert_int_equal(p.name.len + p.sql.len + p.oids.len, 0);
}

static void test_parse_refused(void **state)
{
	static const struct slice bad[] = {
		SLICE("s\0select 1\0\0\0more"),
		SLICE("s\0select 1\0\xff\xff"),
		SLICE("s\0select 1\0\0\2\0\0\0\x17"),
		SLICE("s\0select 1\0\0\0\0"),
		SLICE("\0\0\0"),
		SLICE("select 1"),
	};
	struct pg_parse p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(pg_parse_read(bad[i], &p));
}

/* The names are known as soon as they are there, and stay the same. */
static void test_bind_names(void **state)
{
	struct slice whole = SLICE("portal\0statement\0\0\0\0\1\0\0\0\1x\0\0");
	size_t names_len = sizeof("portal") + sizeof("statement");

	(void)state;
	each_cut (cut, whole) {
		struct slice portal, statement, rest;
		bool r = pg_bind_names(cut, &portal, &statement, &rest);

		assert_int_equal(r, cut.len >= names_len);
		if (!r)
			continue;
		assert_text(portal, "portal");
		assert_text(statement, "statement");
		assert_slice(rest, slice_from(cut, names_len));
	}
}

static void test_target(void **state)
{
	struct slice whole = SLICE("Sname\0"), name;
	char kind;

	(void)state;
	each_cut (cut, whole)
		assert_int_equal(pg_target_read(cut, &kind, &name),
			cut.len == whole.len);
	assert_true(pg_target_read(whole, &kind, &name));
	assert_int_equal(kind, 'S');
	assert_text(name, "name");
	assert_true(pg_target_read(SLICE("P\0"), &kind, &name));
	assert_text(name, "");
	/* which kinds there are is the server's to say */
	assert_true(pg_target_read(SLICE("X\0"), &kind, &name));
	assert_false(pg_target_read(SLICE("S\0\0"), &kind, &name));
	assert_false(pg_target_read(SLICE("Sa\0b"), &kind, &name));
}

/* ---- errors and rows -------------------------------------------------- */

static void test_error_fields(void **state)
{
	struct slice whole =
		SLICE("SERROR\0VERROR\0C42P01\0Mno such table\0M\0\0Hnever\0");

	(void)state;
	assert_text(pg_error_field(whole, 'V'), "ERROR");
	assert_text(pg_error_field(whole, 'C'), "42P01");
	assert_text(pg_error_field(whole, 'M'), "no such table");
	assert_text(pg_error_field(whole, 'D'), "");
	assert_text(pg_error_field(whole, 'H'), ""); /* behind the end */
	assert_text(pg_error_field(whole, '\0'), "");
	/* cut, a field is whole or empty */
	each_cut (cut, whole) {
		struct slice code = pg_error_field(cut, 'C');

		assert_slice(code, cut.len >= 21 ? SLICE("42P01") : SLICE(""));
	}
}

/* Cut anywhere it is none, nor with anything behind its end. */
static void test_good_errors(void **state)
{
	static const struct slice bad[] = {
		SLICE("SERROR\0C42P01\0Mno\0\0\0"),
		SLICE("SERROR\0C42P01\0Mno\0\0Hnever\0"),
		SLICE("SERROR\0C42P0\0Mno\0\0"),
		SLICE("SERROR\0C42P011\0Mno\0\0"),
		SLICE("SERROR\0C42p01\0Mno\0\0"),
		SLICE("SERROR\0C42P01\0M\0\0"),
		SLICE("S\0C42P01\0Mno\0\0"),
		SLICE("C42P01\0Mno\0\0"),
		SLICE("\0"),
	};
	struct slice whole = SLICE("SERROR\0C42P01\0Mno\0\0");

	(void)state;
	each_cut (cut, whole)
		assert_int_equal(pg_error_is_good(cut), cut.len == whole.len);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(pg_error_is_good(bad[i]));
}

static void test_parameter(void **state)
{
	struct slice whole = SLICE("TimeZone\0UTC\0"), name, value;

	(void)state;
	each_cut (cut, whole)
		assert_int_equal(pg_parameter_read(cut, &name, &value),
			cut.len == whole.len);
	assert_true(pg_parameter_read(whole, &name, &value));
	assert_text(name, "TimeZone");
	assert_text(value, "UTC");
	assert_true(pg_parameter_read(SLICE("a\0\0"), &name, &value));
	assert_false(pg_parameter_read(SLICE("\0a\0"), &name, &value));
	assert_false(pg_parameter_read(SLICE("a\0b\0\0"), &name, &value));
}

static void test_rows(void **state)
{
	struct slice whole = SLICE("\0\0\0\3one\xff\xff\xff\xff\0\0\0\0");
	struct slice value;
	struct reader r;

	(void)state;
	r = reader_of(whole);
	assert_true(pg_row_next(&r, &value));
	assert_text(value, "one");
	assert_true(pg_row_next(&r, &value));
	assert_null(value.data);
	assert_true(pg_row_next(&r, &value));
	assert_non_null(value.data);
	assert_int_equal(value.len, 0);
	assert_true(reader_done(&r));
	assert_false(pg_row_next(&r, &value));
	assert_false(pg_row_next(&r, &value)); /* it sticks */
	each_cut (cut, whole) {
		size_t n = 0;

		r = reader_of(cut);
		while (pg_row_next(&r, &value))
			n++;
		assert_int_equal(
			n, (cut.len >= 7) + (cut.len >= 11) + (cut.len >= 15));
	}
}

static void test_row_lengths_that_lie(void **state)
{
	static const struct slice bad[] = {
		SLICE("\0\0\0\4one"), SLICE("\x7f\xff\xff\xffone"),
		SLICE("\x80\0\0\0one"),
		SLICE("\xff\xff\xff\xfeone"), /* only -1 is NULL */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct reader r = reader_of(bad[i]);
		struct slice value;

		assert_false(pg_row_next(&r, &value));
		assert_int_equal(value.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_cut),
		cmocka_unit_test(test_head_lengths),
		cmocka_unit_test(test_front_limits),
		cmocka_unit_test(test_startup_login),
		cmocka_unit_test(test_startup_requests),
		cmocka_unit_test(test_startup_refused),
		cmocka_unit_test(test_startup_bad_cancel_is_known),
		cmocka_unit_test(test_startup_cut),
		cmocka_unit_test(test_pairs_cut),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_refused),
		cmocka_unit_test(test_bind_names),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_error_fields),
		cmocka_unit_test(test_good_errors),
		cmocka_unit_test(test_parameter),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_row_lengths_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
