/* src/config/option.c: any bytes as the value of any option, which the first
 * byte picks. What is taken reads the same as it is shown. */
#include <stdlib.h>

#include "config/config_priv.h"

enum {
	NAME_MAX_LEN = 16 /* of those whose neighbours are looked for */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_taken(const struct option_row *row, union option_value value)
{
	CLEANUP(buf_deinit) struct buf shown = { 0 };
	CLEANUP(buf_deinit) struct buf again = { 0 };
	CLEANUP(buf_deinit) struct buf why = { 0 };
	union option_value same;

	option_format(row, value, &shown);
	if (row->type == OPTION_SECRET) {
		check(slice_is(buf_slice(&shown), value.text.len ? "***" : ""));
		return;
	}
	check(option_parse(row, buf_slice(&shown), &same, &why) == 0);
	option_format(row, same, &again);
	check(slice_equal(buf_slice(&shown), buf_slice(&again)));
	check(!why.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(buf_deinit) struct buf why = { 0 };
	struct reader r = reader_of(slice_of(copy, len));
	const struct option_row *row =
		option_row((enum option_id)(reader_u8(&r) % OPTION_ID_END));
	struct slice text = reader_bytes(&r, reader_left(&r));
	union option_value value;

	if (text.len <= NAME_MAX_LEN) {
		option_nearest(text, false);
		option_nearest(text, true);
	}
	if (option_parse(row, text, &value, &why) < 0)
		check(why.len);
	else
		check_taken(row, value);
	return 0;
}
