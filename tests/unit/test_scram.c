/* SCRAM secrets against those that PostgreSQL 15 stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "wire/crypto/crypto.h"

#define S "SCRAM-SHA-256$4096:"

/* CREATE ROLE ... PASSWORD ...; SELECT rolpassword FROM pg_authid. */
static const struct {
	const char *password;
	const char *stored;
} made_by_postgres[] = {
	{ "pencil", S
		"XPWtyG0j/SK39PoMil93Rg==$ptI0gNNws48tB4RoPkfKIQV0aysXUzt8BR3nR67cUqw=:acVf62erxcF6RALBJ2Wxh9yJ4UodQlCNqTpVWYezmMQ=" },
	{ "p\"w d,=$:'\\", S
		"224Wz0GiQTXT3n7sXDFOyQ==$Plz50dK0iS0zlHAU62xym8CUHWmVasSv7ii9iGq71qc=:SBJ8hfm7V4Cy15C+affR48erCjOfJplMKwS7eavOF/A=" },
	/* ASCII controls */
	{ "\x01\x7f control", S
		"ESdPg+8c2BidkZT7+9nIng==$gln+LcubtBd6xEqNeBBrhGE5z/WV1FrHxWfApGJgPxo=:mPFJ4BXxPJJLN2GmwaNAnZhYwKv2nY/r+QajId88B00=" },
	{ "Z\u00fcrich-\u00c6r\u00f8", S
		"H491P26MobWPJblTWkDEVA==$tSRXXvszX4KeFhId7fSCOB7UGU5//pq3hbr3gfwGD24=:7hHVEHSprfQ1/QY4UJyLKuaOHaqrXWBqbF7iJeNDx30=" },
	/* Cyrillic, Japanese, Korean */
	{ "\u043f\u0430\u0440\u043e\u043b\u044c", S
		"XQyNKQ3z0px6EjDtu4jGow==$zjcCpOaIDyD3Grze28Iu3zcQVzePTt8NsWZVatqKOmQ=:QZyuHpsZ5TXeqTUALFd6ZgFxcZDogfA3c56DehlkH4Q=" },
	{ "\u5408\u3044\u8a00\u8449", S
		"G78G14+xV9mOq9WiXgnxeg==$T6c0++wjPwAjieBNfELNhb8aA8BK0Jsxu5aR2prTAn0=:lf555pp2VCVsfYNkncajMKCokqpHIMr+7Y59TDXjVGk=" },
	{ "\ube44\ubc00\ubc88\ud638", S
		"JNfEpsw/88WRl3EmrqvGmg==$jMBPHBn0FtDYbOOpBwAYdDzLeCQSkcupSHmb9/EZojU=:GgGZloGx/G5YgSehgydINoOQDOOLkIzNglPjgEyo+Uw=" },
	/* an elephant: unassigned in Unicode 3.2 */
	{ "pa\U0001f418ss", S
		"W2ZTEfx9o0Ia5bK5t0JvgA==$FRe4V6fKjzRaG/rBliWJjT9G1Awhdk1/PH/sAr6j7Ys=:cz7kAhkCXYTK9jlhSa4IqxkYZZWvHBthUZReMIp9NhE=" },
	/* Hebrew, and Hebrew breaking the rules on direction */
	{ "\u05e1\u05d5\u05d3", S
		"Kt6S7Auhnnxs19HHacZ4KQ==$w2UFvhKoQpnQJnmcuk4GaXsbk7OOzMnumjwBG+MKMcQ=:ZC/Vi+ovzXSpIY1a6Rj3JnaXle5QE7RuQbZdw1+7DO4=" },
	{ "x\u05e1\u05d5\u05d3", S
		"mAGp91IDbxPjKyx33qBZNA==$c/HW32IYtxNghWE8QGe9QgfIHqTZ55LccX5NuA2jSrE=:e86AviYqdiAV11YNQtQNVmLPxg64uU3eOL41nS17138=" },
	/* a prohibited control character, an unassigned letter */
	{ "a\xc2\x85\u00e9", S
		"qklLLTPdj6AZi78aUCtSrw==$mprff9QzpiP2hsi8Q/SHbZCU5YRPL9fKa3Y3kzvbTGs=:Uim9+VK28td5cjeHkqilml2tGglM1XeUavF5mNY05fA=" },
	{ "tab\u0221x", S
		"/AQqC1AIMZirkR14hIjh3A==$iAifN8kzO7HZ7A7GiLk6um6QJvQr+eg7jZqWDYJpkOk=:M98SAFgd/PWD0JlSekz1CtAOb1p78K/y9Ts5mSQIrak=" },
};

static void derives_what_postgres_stored(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made_by_postgres); i++) {
		struct slice stored = slice_str(made_by_postgres[i].stored);
		struct slice password = slice_str(made_by_postgres[i].password);
		struct scram_verifier v, made;
		struct scram_keys keys;

		assert_int_equal(scram_verifier_parse(stored, &v), 0);
		assert_int_equal(
			scram_keys_derive(password, &v.salt, &keys), 0);
		scram_verifier_make(&keys, &v.salt, &made);
		assert_memory_equal(
			made.stored_key, v.stored_key, SCRAM_KEY_LEN);
		assert_memory_equal(
			made.server_key, v.server_key, SCRAM_KEY_LEN);
		assert_true(scram_verifier_match(&v, &keys));
		keys.client_key[31] ^= 1;
		assert_false(scram_verifier_match(&v, &keys));
		keys.client_key[31] ^= 1;
		keys.server_key[0] ^= 1;
		assert_false(scram_verifier_match(&v, &keys));
	}
}

static void writes_what_it_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made_by_postgres); i++) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		struct scram_verifier v;

		assert_int_equal(
			scram_verifier_parse(
				slice_str(made_by_postgres[i].stored), &v),
			0);
		scram_verifier_format(&v, &text);
		assert_true(
			slice_is(buf_slice(&text), made_by_postgres[i].stored));
	}
}

static void refuses_cut_and_spoilt_verifiers(void **state)
{
	struct slice good = slice_str(made_by_postgres[0].stored);
	struct scram_verifier v;

	(void)state;
	for (size_t cut = 0; cut < good.len; cut++)
		assert_int_equal(
			scram_verifier_parse(slice_of(good.data, cut), &v),
			-EINVAL);
	for (size_t at = 0; at < good.len; at++) {
		CLEANUP(freep) char *spoilt = slice_dup(good);

		spoilt[at] = '!';
		assert_int_equal(
			scram_verifier_parse(slice_str(spoilt), &v), -EINVAL);
	}
}

static void bounds_what_a_verifier_asks_for(void **state)
{
#define KEY    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEYS   "$" KEY ":" KEY
#define SALT16 "XPWtyG0j/SK39PoMil93Rg=="
#define HALF   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "SCRAM-SHA-256$1:" SALT16 KEYS, 0 },
		{ "SCRAM-SHA-256$10000000:" SALT16 KEYS, 0 },
		{ "SCRAM-SHA-256$10000001:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-256$18446744073709551617:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-256$0:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-256$-1:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-256$:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-256$4096:" KEYS, -EINVAL },
		{ "SCRAM-SHA-256$4096:AA==" KEYS, 0 },
		/* 63, 66 bytes of salt */
		{ "SCRAM-SHA-256$4096:" HALF
		  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" KEYS,
			0 },
		{ "SCRAM-SHA-256$4096:" HALF HALF KEYS, -EINVAL },
		{ "SCRAM-SHA-256$4096:" SALT16 KEYS ":" KEY, -EINVAL },
		{ "SCRAM-SHA-256$4096:" SALT16 "$" KEY ":AAAA", -EINVAL },
		{ "SCRAM-SHA-256$4096:" SALT16 "$" HALF "AAAA:" KEY, -EINVAL },
		{ "scram-sha-256$4096:" SALT16 KEYS, -EINVAL },
		{ "SCRAM-SHA-1$4096:" SALT16 KEYS, -EINVAL },
	};
	struct scram_verifier v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			scram_verifier_parse(slice_str(cases[i].text), &v),
			cases[i].r);
}

static void invents_the_same_salt_for_the_same_user(void **state)
{
	struct scram_salt a, b;

	(void)state;
	scram_salt_make(SLICE("secret"), SLICE("alice"), &a);
	scram_salt_make(SLICE("secret"), SLICE("alice"), &b);
	assert_true(scram_salt_equal(&a, &b));
	assert_int_equal(a.iterations, SCRAM_ITERATIONS);
	assert_int_equal(a.len, SCRAM_SALT_LEN);
	scram_salt_make(SLICE("secret"), SLICE("alicf"), &b);
	assert_false(scram_salt_equal(&a, &b));
	scram_salt_make(SLICE("secreu"), SLICE("alice"), &b);
	assert_false(scram_salt_equal(&a, &b));
	b = a;
	b.iterations++;
	assert_false(scram_salt_equal(&a, &b));
	b = a;
	b.len--;
	assert_false(scram_salt_equal(&a, &b));
}

static void makes_printable_nonces(void **state)
{
	char a[SCRAM_NONCE_LEN], b[SCRAM_NONCE_LEN];

	(void)state;
	scram_nonce_make(a);
	scram_nonce_make(b);
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		assert_true(a[i] > ' ' && a[i] < 0x7f && a[i] != ',');
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(derives_what_postgres_stored),
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(refuses_cut_and_spoilt_verifiers),
		cmocka_unit_test(bounds_what_a_verifier_asks_for),
		cmocka_unit_test(invents_the_same_salt_for_the_same_user),
		cmocka_unit_test(makes_printable_nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
