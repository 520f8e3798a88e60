/* PostgreSQL's md5 passwords: what a real server stored and wanted to hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "wire/crypto/crypto.h"

/* PostgreSQL 15: CREATE ROLE md5user PASSWORD 'pencil' */
#define STORED "md50098e7fab7b4d8d091067152a80b3f12"

static void makes_the_secret_postgres_makes(void **state)
{
	struct md5_secret secret;

	(void)state;
	assert_int_equal(
		md5_secret_make(SLICE("pencil"), SLICE("md5user"), &secret), 0);
	assert_memory_equal(secret.text, STORED, MD5_SECRET_LEN);
	/* The example of PgBouncer's documentation. */
	assert_int_equal(
		md5_secret_make(SLICE("1234"), SLICE("admin"), &secret), 0);
	assert_memory_equal(secret.text, "md545f2603610af569b6155c45067268c6b",
		MD5_SECRET_LEN);
}

/* md5(md5hex || 01020304), computed with coreutils' md5sum. */
static void answers_a_challenge(void **state)
{
	static const uint8_t salt[MD5_SALT_LEN] = { 1, 2, 3, 4 };
	struct md5_secret secret, answer;

	(void)state;
	memcpy(secret.text, STORED, MD5_SECRET_LEN);
	assert_int_equal(md5_secret_answer(&secret, salt, &answer), 0);
	assert_memory_equal(answer.text, "md5d8952cad425cbeb4f00aba7f8e35ff33",
		MD5_SECRET_LEN);
}

static void knows_a_secret_when_it_sees_one(void **state)
{
	struct slice stored = SLICE(STORED);

	(void)state;
	for (size_t cut = 0; cut < stored.len; cut++)
		assert_false(md5_secret_is(slice_of(stored.data, cut)));
	assert_true(md5_secret_is(stored));
	assert_false(md5_secret_is(SLICE(STORED "0")));
	assert_false(
		md5_secret_is(SLICE("md5 098e7fab7b4d8d091067152a80b3f12")));
	assert_false(
		md5_secret_is(SLICE("md5A098e7fab7b4d8d091067152a80b3f12")));
	assert_false(
		md5_secret_is(SLICE("MD50098e7fab7b4d8d091067152a80b3f12")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_secret_postgres_makes),
		cmocka_unit_test(answers_a_challenge),
		cmocka_unit_test(knows_a_secret_when_it_sees_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
