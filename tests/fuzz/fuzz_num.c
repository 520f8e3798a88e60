/* src/base/num.c: any bytes as a number, a duration, a size. What is taken
 * is what its digits say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The number that leads the text, as a decimal text without zeros before. */
static void check_digits(struct slice text, uint64_t value)
{
	char shown[24];

	while (text.len > 1 && text.data[0] == '0')
		text = slice_from(text, 1);
	snprintf(shown, sizeof(shown), "%llu", (unsigned long long)value);
	check(slice_is(text, shown));
}

static size_t count_digits(struct slice text)
{
	size_t n = 0;

	while (n < text.len && text.data[n] >= '0' && text.data[n] <= '9')
		n++;
	return n;
}

static bool is_divided(uint64_t value, uint64_t by)
{
	return value % by == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct slice text = slice_of(copy, len);
	struct slice digits = slice_of(copy, count_digits(text));
	uint64_t value, plain = 0;
	uint16_t small;
	int r = num_parse_u64(text, &value);

	if (r == 0)
		check_digits(text, value);
	else if (digits.len == len && len)
		check(r == -ERANGE);
	else /* what comes first is told */
		check(r == -EINVAL || (r == -ERANGE && digits.len >= 20));
	if (num_parse_u16(text, &small) == 0)
		check(r == 0 && small == value);
	else
		check(r < 0 || value > UINT16_MAX);
	num_parse_u64(digits, &plain);
	if (num_parse_duration(text, &value) == 0)
		check(value >= plain && (!plain || is_divided(value, plain)));
	if (num_parse_size(text, &value) == 0)
		check(value >= plain && (!plain || is_divided(value, plain)));
	return 0;
}
