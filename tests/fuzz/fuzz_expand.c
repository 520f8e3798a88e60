/* src/config/expand.c: any bytes as a text with ${...} in it. What comes out
 * stays within its room, and a text without a $ is itself. */
#include <stdlib.h>

#include "config/config_priv.h"

enum {
	ROOM = 200
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const environment[] = { "SET=set",
		"EMPTY=", "LONG=0123456789abcdef0123456789abcdef", NULL };
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(buf_deinit) struct buf value = { 0 };
	CLEANUP(buf_deinit) struct buf unset = { 0 };
	CLEANUP(env_deinit) struct env env;
	struct slice text = slice_of(copy, len);
	struct fault f = { 0 };
	struct expansion x = { &env, ROOM, 0, &unset, &f };
	int r;

	env_init(&env, (char *const *)environment);
	r = expand(&x, text, &value);
	check(!x.depth);
	check((r < 0) == (f.text[0] != '\0'));
	check(r < 0 || value.len + x.room == ROOM);
	if (slice_find(text, '$') < len)
		return 0;
	check(!unset.len && (r == 0) == (len <= ROOM));
	if (r == 0)
		check(slice_equal(buf_slice(&value), text));
	return 0;
}
