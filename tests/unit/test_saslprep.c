/*
 * Passwords that are not ASCII: libpq, which has PostgreSQL's own SASLprep,
 * makes verifiers of random ones; the keys derived here must be theirs, or
 * the password refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <libpq-fe.h>
#include <stdlib.h>

#include "wire/crypto/crypto.h"

enum {
	N_PASSWORDS = 250,
	SEED = 20261121
};

/* What a password may be made of, and for which of it libpq may refuse the
 * password or forget about SASLprep. */
static const struct {
	uint32_t first, last;
} blocks[] = {
	{ 0x20, 0x7e },	      /* ASCII */
	{ 0xa0, 0x17f },      /* Latin, with what SASLprep maps */
	{ 0x180, 0x24f },     /* some of it unassigned in Unicode 3.2 */
	{ 0x300, 0x36f },     /* accents */
	{ 0x370, 0x52f },     /* Greek, Cyrillic */
	{ 0x5d0, 0x64a },     /* Hebrew, Arabic: right to left */
	{ 0x900, 0xd7f },     /* India */
	{ 0x1100, 0x11ff },   /* Hangul in parts */
	{ 0x1e00, 0x206f },   /* Vietnamese, Greek, odd spaces, controls */
	{ 0x2070, 0x27bf },   /* signs */
	{ 0x3000, 0x33ff },   /* kana */
	{ 0x4e00, 0x9fff },   /* Han */
	{ 0xac00, 0xd7a3 },   /* Hangul */
	{ 0xe000, 0xe0ff },   /* private use: prohibited */
	{ 0xf900, 0xffff },   /* compatibility forms, full width */
	{ 0x1d400, 0x1d7ff }, /* mathematical letters */
	{ 0x1f300, 0x1f6ff }, /* pictures */
	{ 0x20000, 0x2a6ff }, /* more Han */
	{ 0x2f800, 0x2fa1f }, /* compatibility Han */
};

static void put_utf8(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_put_u8(out, (uint8_t)code);
	} else if (code < 0x800) {
		buf_put_u8(out, (uint8_t)(0xc0 | code >> 6));
		buf_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_put_u8(out, (uint8_t)(0xe0 | code >> 12));
		buf_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
		buf_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	} else {
		buf_put_u8(out, (uint8_t)(0xf0 | code >> 18));
		buf_put_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
		buf_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
		buf_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	}
}

/* Mostly of one block, as people's are, with something else thrown in. */
static char *random_password(void)
{
	size_t home = (size_t)rand() % ARRAY_SIZE(blocks);
	size_t len = 1 + (size_t)rand() % 8;
	struct buf text = { 0 };

	for (size_t i = 0; i < len; i++) {
		size_t n =
			rand() % 4 ? home : (size_t)rand() % ARRAY_SIZE(blocks);
		uint32_t span = blocks[n].last - blocks[n].first + 1;

		put_utf8(&text, blocks[n].first + (uint32_t)rand() % span);
	}
	/* Now and then, no UTF-8. */
	if (rand() % 8 == 0)
		text.data[(size_t)rand() % text.len] =
			(char)(0x80 + rand() % 128);
	return buf_take_str(&text);
}

/* Does libpq's verifier of it hold the keys we derive? */
static int compare_with_libpq(PGconn *conn, const char *password)
{
	struct scram_verifier v;
	struct scram_keys keys;
	char *made =
		PQencryptPasswordConn(conn, password, "user", "scram-sha-256");
	int r;

	assert_non_null(made);
	assert_int_equal(scram_verifier_parse(slice_str(made), &v), 0);
	PQfreemem(made);
	r = scram_keys_derive(slice_str(password), &v.salt, &keys);
	if (r == SCRAM_E_PASSWORD)
		return r;
	assert_int_equal(r, 0);
	assert_true(scram_verifier_match(&v, &keys));
	return 0;
}

/* libpq encrypts on a connection that leads nowhere, too. */
static PGconn *open_nowhere(void)
{
	PGconn *conn = PQconnectStart("host=/nonexistent");

	assert_non_null(conn);
	return conn;
}

static void random_passwords(void **state)
{
	PGconn *conn = open_nowhere();
	size_t n_refused = 0;

	(void)state;
	srand(SEED);
	for (size_t i = 0; i < N_PASSWORDS; i++) {
		CLEANUP(freep) char *password = random_password();

		n_refused += compare_with_libpq(conn, password) != 0;
	}
	PQfinish(conn);
	/* Neither way was left untried. */
	assert_in_range(n_refused, N_PASSWORDS / 10, N_PASSWORDS * 8 / 10);
}

static void known_passwords(void **state)
{
	static const struct {
		const char *password;
		int r;
	} cases[] = {
		{ "", 0 },
		{ "\x7f\x01\t", 0 },
		{ "pa\xe9", 0 },		   /* Latin-1, not UTF-8 */
		{ "\xc0\x80\xc2\xa0", 0 },	   /* overlong: not UTF-8 */
		{ "\xed\xa0\x80\xc2\xa0", 0 },	   /* a surrogate: not UTF-8 */
		{ "\xf4\x90\x80\x80\xc2\xa0", 0 }, /* beyond Unicode */
		{ "\xc2\xa0\xe2\x82", 0 },	   /* cut */
		{ "\xf8\x88\x80\x80\x80", 0 },
		{ "a\u00a0b", SCRAM_E_PASSWORD },
		{ "a\u00adb", SCRAM_E_PASSWORD },
		{ "m\u00b2", SCRAM_E_PASSWORD },
		{ "e\u0301", SCRAM_E_PASSWORD },
		{ "\uff41", SCRAM_E_PASSWORD },
		{ "\u1100\u1161", SCRAM_E_PASSWORD },
		{ "\u212b", SCRAM_E_PASSWORD },
		{ "\U0002fa1d", SCRAM_E_PASSWORD },
		{ "\u00a7\u00e9\u20ac", 0 },
	};
	PGconn *conn = open_nowhere();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(compare_with_libpq(conn, cases[i].password),
			cases[i].r);
	PQfinish(conn);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_passwords),
		cmocka_unit_test(random_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
