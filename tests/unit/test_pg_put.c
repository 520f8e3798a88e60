/*
 * src/wire/pg/put.c: every message byte for byte as the protocol's chapter
 * "Message Formats" has it, and read back where read.c can.
 */
#include "cut_help.h"

#include "wire/pg/pg.h"

/* The whole of a buffer, which is empty then. */
static void assert_put(struct buf *b, struct slice expected)
{
	assert_slice(buf_slice(b), expected);
	b->len = 0;
}

#define assert_message(b, literal) assert_put(b, SLICE(literal))

/* One message, its length word right; its body. */
static struct slice body_of(const struct buf *b, char type)
{
	struct pg_head head;

	assert_int_equal(pg_head_parse(buf_slice(b), &head), PG_HEAD_OK);
	assert_int_equal(head.type, type);
	assert_int_equal(PG_HEAD + head.len, b->len);
	return slice_from(buf_slice(b), PG_HEAD);
}

static void test_startup(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice params = SLICE("user\0ann\0database\0db\0");
	struct pg_startup s;
	struct fault f;

	(void)state;
	pg_put_startup(&b, params);
	assert_int_equal(
		pg_startup_parse(slice_from(buf_slice(&b), 4), &s, &f), 0);
	assert_int_equal(s.kind, PG_STARTUP_LOGIN);
	assert_slice(s.params, params);
	assert_message(&b, "\0\0\0\x1e\0\3\0\0user\0ann\0database\0db\0\0");
	pg_put_startup(&b, SLICE(""));
	assert_message(&b, "\0\0\0\x09\0\3\0\0\0");
	pg_put_ssl_request(&b);
	assert_message(&b, "\0\0\0\x08\x04\xd2\x16\x2f");
	pg_put_cancel(&b, 0x01020304, SLICE("key!"));
	assert_int_equal(
		pg_startup_parse(slice_from(buf_slice(&b), 4), &s, &f), 0);
	assert_int_equal(s.pid, 0x01020304);
	assert_text(s.key, "key!");
	assert_message(&b, "\0\0\0\x10\x04\xd2\x16\x2e\1\2\3\4key!");
}

static void test_of_a_server(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	(void)state;
	pg_put_auth(&b, PG_AUTH_OK, (struct slice){ 0 });
	assert_message(&b, "R\0\0\0\x08\0\0\0\0");
	pg_put_auth(&b, PG_AUTH_SASL, SLICE("SCRAM-SHA-256\0\0"));
	assert_message(&b, "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");
	pg_put_parameter(&b, SLICE("TimeZone"), SLICE("UTC"));
	assert_message(&b, "S\0\0\0\x11TimeZone\0UTC\0");
	pg_put_key(&b, 7, SLICE("abcd"));
	assert_message(&b, "K\0\0\0\x0c\0\0\0\7abcd");
	pg_put_ready(&b, 'T');
	assert_message(&b, "Z\0\0\0\5T");
	pg_put_complete(&b, "SELECT 1");
	assert_message(&b, "C\0\0\0\x0dSELECT 1\0");
	pg_put_negotiate(&b, 2, 1, SLICE("_pq_.x\0"));
	assert_message(&b, "v\0\0\0\x13\0\3\0\2\0\0\0\1_pq_.x\0");
	pg_put_notification(&b, 9, SLICE("ch"), SLICE("hello"));
	assert_message(&b, "A\0\0\0\x11\0\0\0\x09"
			   "ch\0hello\0");
	pg_put_empty(&b, PG_BACK_NO_DATA);
	assert_message(&b, "n\0\0\0\4");
}

static void test_faults(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice body;
	struct fault f = { 0 };

	(void)state;
	fault_set(&f, FAULT_BUSY, "sorry");
	fault_detail(&f, "so many");
	fault_hint(&f, "wait");
	pg_put_fault(&b, "FATAL", &f);
	body = body_of(&b, 'E');
	assert_text(body, "SFATAL\0VFATAL\0C53300\0Msorry\0"
			  "Dso many\0Hwait\0\0");
	assert_text(pg_error_field(body, 'C'), "53300");
	assert_text(pg_error_field(body, 'H'), "wait");
	b.len = 0;
	pg_put_notice(&b, "WARNING", "01000", "mind");
	assert_text(body_of(&b, 'N'), "SWARNING\0VWARNING\0C01000\0Mmind\0\0");
}

static void test_every_fault_reads_back(void **state)
{
	(void)state;
	for (int code = 0; code < FAULT_COUNT; code++) {
		CLEANUP(buf_deinit) struct buf b = { 0 };
		const struct fault_row *row = fault_row((enum fault_code)code);
		struct slice body;
		struct fault f = { 0 };

		fault_set(&f, (enum fault_code)code, NULL);
		pg_put_fault(&b, "ERROR", &f);
		body = body_of(&b, 'E');
		assert_text(pg_error_field(body, 'S'), "ERROR");
		assert_text(pg_error_field(body, 'V'), "ERROR");
		assert_slice(
			pg_error_field(body, 'C'), slice_str(row->sqlstate));
		assert_slice(pg_error_field(body, 'M'), slice_str(row->text));
		assert_text(pg_error_field(body, 'D'), "");
		assert_slice(pg_error_field(body, 'R'),
			code == FAULT_PLAN_CHANGED
				? SLICE("RevalidateCachedQuery")
				: SLICE(""));
	}
}

static void test_rows(void **state)
{
	static const struct pg_column columns[] = {
		{ "a", PG_TYPE_TEXT },
		{ "bc", PG_TYPE_INT4 },
		{ "d", PG_TYPE_INT8 },
	};
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice value;
	struct reader r;
	size_t begun;

	(void)state;
	pg_put_row_description(&b, columns, 3, BIT(1));
	assert_message(&b,
		"T\0\0\0\x43\0\3"
		"a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
		"bc\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\1"
		"d\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0");
	begun = pg_begin_row(&b, 3);
	pg_put_field(&b, SLICE("x"));
	pg_put_null(&b);
	pg_put_field(&b, SLICE(""));
	pg_end(&b, begun);
	r = reader_of(body_of(&b, 'D'));
	assert_int_equal(reader_u16(&r), 3);
	assert_true(pg_row_next(&r, &value));
	assert_text(value, "x");
	assert_true(pg_row_next(&r, &value));
	assert_null(value.data);
	assert_true(pg_row_next(&r, &value));
	assert_int_equal(value.len, 0);
	assert_true(reader_done(&r));
}

static void test_of_a_client(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice oids = SLICE("\0\0\0\x17\0\0\0\x19");
	struct pg_parse p;
	struct slice name;
	char kind;

	(void)state;
	pg_put_query(&b, SLICE("select 1"));
	assert_message(&b, "Q\0\0\0\x0dselect 1\0");
	pg_put_parse(&b, SLICE("s"), SLICE("select $1"), 2, oids);
	assert_true(pg_parse_read(body_of(&b, 'P'), &p));
	assert_text(p.name, "s");
	assert_text(p.sql, "select $1");
	assert_int_equal(p.n_oids, 2);
	assert_slice(p.oids, oids);
	b.len = 0;
	pg_put_close(&b, 'S', SLICE("s"));
	assert_true(pg_target_read(body_of(&b, 'C'), &kind, &name));
	assert_int_equal(kind, 'S');
	assert_text(name, "s");
	b.len = 0;
	pg_put_describe(&b, 'P', SLICE(""));
	assert_message(&b, "D\0\0\0\6P\0");
	pg_put_password(&b, SLICE("c=biws"));
	assert_message(&b, "p\0\0\0\x0a"
			   "c=biws");
	pg_put_sasl_initial(&b, "SCRAM-SHA-256", SLICE("n,,"));
	assert_message(&b, "p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\3n,,");
}

/* Messages follow each other; each length is its own. */
static void test_one_behind_the_other(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct slice rest;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		CLEANUP(buf_deinit) struct buf sql = { 0 };

		memset(buf_reserve(&sql, i + 1), 'x', i);
		sql.len = i;
		pg_put_query(&b, buf_slice(&sql));
		pg_put_ready(&b, 'I');
	}
	rest = buf_slice(&b);
	while (rest.len) {
		struct pg_head head;

		assert_int_equal(pg_head_parse(rest, &head), PG_HEAD_OK);
		assert_int_equal(head.type, n % 2 ? 'Z' : 'Q');
		assert_int_equal(head.len, n % 2 ? 1 : n / 2 + 1);
		rest = slice_from(rest, PG_HEAD + head.len);
		n++;
	}
	assert_int_equal(n, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_of_a_server),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_every_fault_reads_back),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_of_a_client),
		cmocka_unit_test(test_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
