/* The digests against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "wire/crypto/crypto.h"

static void assert_hex(
	const uint8_t digest[CRYPTO_SHA256_LEN], const char *expected)
{
	char text[HEX_LEN(CRYPTO_SHA256_LEN) + 1] = { 0 };

	hex_encode(slice_of(digest, CRYPTO_SHA256_LEN), text);
	assert_string_equal(text, expected);
}

/* FIPS 180-4 */
static void sha256(void **state)
{
	uint8_t digest[CRYPTO_SHA256_LEN];

	(void)state;
	crypto_sha256(SLICE("abc"), digest);
	assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223"
			   "b00361a396177a9cb410ff61f20015ad");
	crypto_sha256(SLICE(""), digest);
	assert_hex(digest, "e3b0c44298fc1c149afbf4c8996fb924"
			   "27ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 2 and 6 */
static void hmac_sha256(void **state)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	char key[131];

	(void)state;
	crypto_hmac_sha256(
		SLICE("Jefe"), SLICE("what do ya want for nothing?"), digest);
	assert_hex(digest, "5bdcc146bf60754e6a042426089575c7"
			   "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	crypto_hmac_sha256(slice_of(key, sizeof(key)),
		SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
		digest);
	assert_hex(digest, "60e431591ee0b67f0d8a26aacbf5b77f"
			   "8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 7914, section 11: the first block of each */
static void pbkdf2_sha256(void **state)
{
	uint8_t key[CRYPTO_SHA256_LEN];

	(void)state;
	crypto_pbkdf2_sha256(SLICE("passwd"), SLICE("salt"), 1, key);
	assert_hex(key, "55ac046e56e3089fec1691c22544b605"
			"f94185216dde0465e68b9d57c20dacbc");
	crypto_pbkdf2_sha256(SLICE("Password"), SLICE("NaCl"), 80000, key);
	assert_hex(key, "4ddcd8f60b98be21830cee5ef22701f9"
			"641a4418d04c0414aeff08876b34ab56");
}

static void random_differs(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	crypto_random(a, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256),
		cmocka_unit_test(hmac_sha256),
		cmocka_unit_test(pbkdf2_sha256),
		cmocka_unit_test(random_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
