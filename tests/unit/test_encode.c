/* base64 and hex: RFC 4648's vectors, and all that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "wire/crypto/crypto.h"

static const struct {
	const char *bytes;
	const char *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xfe\xfb\xef\xbe", "//77774=" },
};

static void encodes_and_decodes_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		char bytes[16];
		size_t len;

		base64_encode(&text, slice_str(vectors[i].bytes));
		assert_true(slice_is(buf_slice(&text), vectors[i].text));
		assert_int_equal(base64_decode(buf_slice(&text), bytes,
					 sizeof(bytes), &len),
			0);
		assert_true(slice_is(slice_of(bytes, len), vectors[i].bytes));
	}
}

static void decodes_what_it_encodes(void **state)
{
	uint8_t bytes[257], again[257];

	(void)state;
	crypto_random(bytes, sizeof(bytes));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		size_t len;

		base64_encode(&text, slice_of(bytes, n));
		assert_int_equal(text.len, BASE64_LEN(n));
		assert_int_equal(
			base64_decode(buf_slice(&text), again, n, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(again, bytes, n);
	}
}

static void refuses_what_is_not_base64(void **state)
{
	static const char *const bad[] = { "=", "==", "===", "====", "A", "AA",
		"AAA", "A===", "AA=A", "=AAA", "AAAA=", "AAAA====", "AA==AAAA",
		"AAA=AAAA", "A A=", "AAA\n", "AAA-", "AAA_", "AAA\x80",
		"AB==", "AAB=", "AA==\n" };
	char bytes[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(slice_str(bad[i]), bytes,
					 sizeof(bytes), &len),
			-EINVAL);
	assert_int_equal(
		base64_decode(slice_of("AA\0A", 4), bytes, sizeof(bytes), &len),
		-EINVAL);
}

static void stays_within_the_room(void **state)
{
	struct slice text = SLICE("Zm9vYmE=");
	char bytes[5];
	size_t len = 99;

	(void)state;
	for (size_t max = 0; max < 5; max++)
		assert_int_equal(
			base64_decode(text, bytes, max, &len), -ERANGE);
	assert_int_equal(len, 99);
	assert_int_equal(base64_decode(text, bytes, 5, &len), 0);
	assert_int_equal(len, 5);
}

/* Cut anywhere but at a group it is refused; at a group it is a prefix. */
static void tells_cut_texts(void **state)
{
	struct slice text = SLICE("Zm9vYmFyZm9vYmE=");
	char bytes[16];

	(void)state;
	for (size_t cut = 0; cut <= text.len; cut++) {
		size_t len = 0;
		int r = base64_decode(
			slice_of(text.data, cut), bytes, sizeof(bytes), &len);

		assert_int_equal(r, cut % 4 ? -EINVAL : 0);
		assert_memory_equal(bytes, "foobarfooba", len);
	}
}

static void writes_hex(void **state)
{
	char text[HEX_LEN(4)];

	(void)state;
	hex_encode(slice_of("\x00\x7f\xab\xff", 4), text);
	assert_memory_equal(text, "007fabff", sizeof(text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_and_decodes_the_vectors),
		cmocka_unit_test(decodes_what_it_encodes),
		cmocka_unit_test(refuses_what_is_not_base64),
		cmocka_unit_test(stays_within_the_room),
		cmocka_unit_test(tells_cut_texts),
		cmocka_unit_test(writes_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
