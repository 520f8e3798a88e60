/* What is UTF-8 stays, what is not becomes question marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/base.h"

static void assert_mended(const char *text, const char *expected)
{
	size_t len = strlen(text);
	char *copy = xmemdup(text, len); /* guarded by the sanitizer */

	utf8_mend(copy, len);
	assert_memory_equal(copy, expected, len);
	free(copy);
}

static void test_good(void **state)
{
	static const char *const texts[] = { "", "plain", "n\xc3\xa4me",
		"\xe2\x82\xac", "\xf0\x9f\x90\x98", "\xed\x9f\xbf\xee\x80\x80",
		"\xf4\x8f\xbf\xbf", "\x7f\x01" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_mended(texts[i], texts[i]);
}

static void test_bad(void **state)
{
	(void)state;
	assert_mended("a\xff", "a?");
	assert_mended("\xc3", "?");
	assert_mended("\xc3(", "?(");
	assert_mended("\xc0\xaf", "??");	   /* overlong */
	assert_mended("\xe0\x9f\xbf", "???");	   /* the same */
	assert_mended("\xed\xa0\x80", "???");	   /* a surrogate */
	assert_mended("\xf4\x90\x80\x80", "????"); /* beyond the last */
	assert_mended("\xf0\x9f\x90", "???");	   /* cut */
	assert_mended("\xe2\x82 \xc3\xa4", "?? \xc3\xa4");
	assert_mended("\x80\xbf", "??");
}

/* Cut at every length, whatever is whole stays whole. */
static void test_cut(void **state)
{
	static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98";
	static const size_t whole[] = { 0, 0, 2, 2, 2, 5, 5, 5, 5, 9 };

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = xmemdup(text, len);

		utf8_mend(copy, len);
		assert_memory_equal(copy, text, whole[len]);
		for (size_t i = whole[len]; i < len; i++)
			assert_int_equal(copy[i], '?');
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
