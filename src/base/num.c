#include "base/num.h"

#include <errno.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "", 1000 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "min", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 86400 * 1000 },
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "b", 1 },
	{ "kb", 1024 },
	{ "mb", 1024 * 1024 },
	{ "gb", 1024 * 1024 * 1024 },
};

int num_parse_u64(struct slice text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!text.len)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned char)text.data[i] - '0';

		if (digit > 9)
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, digit, &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

int num_parse_u16(struct slice text, uint16_t *ret_value)
{
	uint64_t value;
	int r = num_parse_u64(text, &value);

	if (r < 0)
		return r;
	if (value > UINT16_MAX)
		return -ERANGE;
	*ret_value = (uint16_t)value;
	return 0;
}

static int parse_with_unit(struct slice text, const struct unit *units,
	size_t n_units, uint64_t *ret_value)
{
	size_t digits = 0;
	struct slice suffix;
	uint64_t value;
	int r;

	while (digits < text.len && text.data[digits] >= '0' &&
		text.data[digits] <= '9')
		digits++;
	r = num_parse_u64(slice_of(text.data, digits), &value);
	if (r < 0)
		return r;
	suffix = slice_trim(slice_from(text, digits));
	for (size_t i = 0; i < n_units; i++) {
		if (!slice_is_nocase(suffix, units[i].name))
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return -ERANGE;
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

int num_parse_duration(struct slice text, uint64_t *ret_ms)
{
	return parse_with_unit(text, durations, ARRAY_SIZE(durations), ret_ms);
}

int num_parse_size(struct slice text, uint64_t *ret_bytes)
{
	return parse_with_unit(text, sizes, ARRAY_SIZE(sizes), ret_bytes);
}
