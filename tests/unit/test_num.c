/* src/base/num.c: texts to numbers, all of it or not at all. */
#include "cut_help.h"

#include <errno.h>

enum parser {
	U64,
	U16,
	DURATION,
	SIZE
};

struct row {
	enum parser parser;
	const char *text;
	int r;
	uint64_t value;
};

static const struct row rows[] = {
	{ U64, "0", 0, 0 },
	{ U64, "007", 0, 7 },
	{ U64, "18446744073709551615", 0, UINT64_MAX },
	{ U64, "18446744073709551616", -ERANGE, 0 },
	{ U64, "99999999999999999999", -ERANGE, 0 },
	{ U64, "184467440737095516150", -ERANGE, 0 },
	{ U64, "", -EINVAL, 0 },
	{ U64, "-1", -EINVAL, 0 },
	{ U64, "+1", -EINVAL, 0 },
	{ U64, " 1", -EINVAL, 0 },
	{ U64, "1 ", -EINVAL, 0 },
	{ U64, "1x", -EINVAL, 0 },
	{ U64, "0x1", -EINVAL, 0 },
	{ U64, "\xd9\xa1", -EINVAL, 0 }, /* an Arabic 1 */
	{ U16, "65535", 0, 65535 },
	{ U16, "65536", -ERANGE, 0 },
	{ U16, "18446744073709551616", -ERANGE, 0 },
	{ U16, "", -EINVAL, 0 },
	{ DURATION, "30", 0, 30000 },
	{ DURATION, "250ms", 0, 250 },
	{ DURATION, "2 MIN", 0, 120000 },
	{ DURATION, "1h", 0, 3600000 },
	{ DURATION, "7d", 0, 604800000 },
	{ DURATION, "18446744073709551615ms", 0, UINT64_MAX },
	{ DURATION, "18446744073709551615", -ERANGE, 0 },
	{ DURATION, "213503982335d", -ERANGE, 0 },
	{ DURATION, "1m", -EINVAL, 0 },
	{ DURATION, "1s2", -EINVAL, 0 },
	{ DURATION, "ms", -EINVAL, 0 },
	{ DURATION, "", -EINVAL, 0 },
	{ SIZE, "512", 0, 512 },
	{ SIZE, "64kB", 0, 65536 },
	{ SIZE, "16mb", 0, 16777216 },
	{ SIZE, "1 GB", 0, 1073741824 },
	{ SIZE, "17179869184GB", -ERANGE, 0 },
	{ SIZE, "1TB", -EINVAL, 0 },
	{ SIZE, "1.5GB", -EINVAL, 0 },
};

static int parse(enum parser parser, struct slice text, uint64_t *ret)
{
	uint16_t small = (uint16_t)*ret;
	int r = 0;

	switch (parser) {
	case U64:
		return num_parse_u64(text, ret);
	case U16:
		r = num_parse_u16(text, &small);
		*ret = r < 0 ? *ret : small;
		return r;
	case DURATION:
		return num_parse_duration(text, ret);
	case SIZE:
		return num_parse_size(text, ret);
	}
	return r;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct slice text = slice_str(rows[i].text);
		CLEANUP(freep) char *copy = xmemdup(text.data, text.len);
		uint64_t value = 4711;

		text.data = copy;
		assert_int_equal(
			parse(rows[i].parser, text, &value), rows[i].r);
		/* What is refused changes nothing. */
		assert_int_equal(value, rows[i].r < 0 ? 4711 : rows[i].value);
	}
}

/* A number cut short is a smaller number, or none. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		each_cut (cut, slice_str(rows[i].text)) {
			uint64_t value = 0;
			int r = parse(rows[i].parser, cut, &value);

			assert_true(r == 0 || r == -EINVAL || r == -ERANGE);
			assert_true(r == 0 || value == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
