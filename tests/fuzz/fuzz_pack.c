/* src/config/pack.c: any bytes as options that another process packed. What
 * is taken packs to bytes that make the same configuration. */
#include <errno.h>
#include <stdlib.h>

#include "config/config_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The defaults. */
static const struct config *get_old(void)
{
	static struct config *old;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };

	if (!old)
		check(config_load(&(struct config_sources){ 0 }, &old,
			      &problems, &warnings) == 0);
	return old;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(config_destroyp) struct config *got = NULL;
	CLEANUP(config_destroyp) struct config *same = NULL;
	CLEANUP(buf_deinit) struct buf packed = { 0 };
	CLEANUP(buf_deinit) struct buf again = { 0 };
	int r = config_unpack(get_old(), slice_of(copy, len), &got);

	check(r == 0 ? got != NULL : r == -EINVAL && !got);
	if (r < 0)
		return 0;
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (option_row(id)->when != OPTION_RELOAD)
			check(got->sources[id] == OPTION_BY_DEFAULT);
	config_pack(got, &packed);
	check(config_unpack(get_old(), buf_slice(&packed), &same) == 0);
	config_pack(same, &again);
	check(slice_equal(buf_slice(&packed), buf_slice(&again)));
	return 0;
}
