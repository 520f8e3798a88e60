/* src/base/reader.c: numbers and texts in network order; an overrun sticks. */
#include "cut_help.h"

#define WHOLE                                                                  \
	"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"         \
	"text\0"                                                               \
	"ab"

static bool read_all(struct reader *r)
{
	assert_true(reader_u8(r) == 1 || r->is_bad);
	assert_true(reader_u16(r) == 0x0203 || r->is_bad);
	assert_true(reader_u32(r) == 0x04050607 || r->is_bad);
	assert_true(reader_u64(r) == 0x08090a0b0c0d0e0f || r->is_bad);
	assert_true(slice_is(reader_cstr(r), "text") || r->is_bad);
	assert_true(slice_is(reader_bytes(r, 2), "ab") || r->is_bad);
	return reader_done(r);
}

static void test_cut(void **state)
{
	(void)state;
	each_cut (cut, SLICE(WHOLE)) {
		struct reader r = reader_of(cut);

		assert_int_equal(read_all(&r), cut.len == sizeof(WHOLE) - 1);
		assert_int_equal(r.is_bad, cut.len < sizeof(WHOLE) - 1);
	}
}

/* Behind an overrun there are zeros, though bytes are left. */
static void test_overrun_sticks(void **state)
{
	struct reader r = reader_of(SLICE("\x01\x02\x03"));

	(void)state;
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.is_bad);
	assert_int_equal(reader_left(&r), 3);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_u16(&r), 0);
	assert_int_equal(reader_u64(&r), 0);
	assert_text(reader_bytes(&r, 1), "");
	assert_text(reader_bytes(&r, 0), "");
	assert_text(reader_cstr(&r), "");
	assert_false(reader_done(&r));
}

static void test_lengths_that_lie(void **state)
{
	static const size_t lengths[] = { 4, 5, 1u << 31, SIZE_MAX / 2,
		SIZE_MAX - 3, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct reader r = reader_of(SLICE("abc"));

		assert_text(reader_bytes(&r, lengths[i]), "");
		assert_true(r.is_bad);
	}
}

static void test_nothing(void **state)
{
	struct reader r = reader_of((struct slice){ 0 });

	(void)state;
	assert_true(reader_done(&r));
	assert_text(reader_bytes(&r, 0), "");
	assert_true(reader_done(&r));
	assert_text(reader_cstr(&r), "");
	assert_false(reader_done(&r));
}

/* Something left is not done; a text may be empty and may hold anything. */
static void test_done(void **state)
{
	struct reader r = reader_of(SLICE("\0\xff\0x"));

	(void)state;
	assert_text(reader_cstr(&r), "");
	assert_text(reader_cstr(&r), "\xff");
	assert_false(reader_done(&r));
	assert_int_equal(reader_u8(&r), 'x');
	assert_true(reader_done(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_overrun_sticks),
		cmocka_unit_test(test_lengths_that_lie),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
