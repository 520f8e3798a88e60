/* src/config/change.c: any bytes as "name=value" of the console's SET. One
 * option changes or none, and what was before stays as it is. */
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

static void check_changed(const struct config *next, struct slice name)
{
	enum option_id changed = option_find(name);

	for (enum option_id id = 0; id < OPTION_ID_END; id++) {
		CLEANUP(buf_deinit) struct buf before = { 0 };
		CLEANUP(buf_deinit) struct buf after = { 0 };

		check(get_old()->sources[id] == OPTION_BY_DEFAULT);
		check(next->sources[id] ==
			(id == changed ? OPTION_BY_SET : OPTION_BY_DEFAULT));
		config_show(get_old(), id, &before);
		config_show(next, id, &after);
		if (id != changed)
			check(slice_equal(
				buf_slice(&before), buf_slice(&after)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(config_destroyp) struct config *next = NULL;
	struct slice value = slice_of(copy, len);
	struct slice name = slice_cut(&value, '=');
	struct fault f = { 0 };

	if (config_set(get_old(), name, value, &next, &f) < 0)
		check(!next && f.text[0]);
	else
		check_changed(next, name);
	return 0;
}
