/* src/pool/greeting.c: any bytes as the messages of a greeting. Kept is the
 * last one of each name, and no more than there is room for. */
#include <errno.h>

#include "pool/pool_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_kept(const struct buf *greeting, struct slice body)
{
	struct slice name, value, found;
	CLEANUP(freep) char *text = NULL;

	check(pg_parameter_read(body, &name, &value));
	text = slice_dup(name);
	found = greeting_get(greeting, text);
	check(found.data && slice_equal(found, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(buf_deinit) struct buf greeting = { 0 };
	struct slice rest = slice_of(copy, len);
	struct pg_head head;

	while (pg_head_parse(rest, &head) == PG_HEAD_OK &&
		head.len <= rest.len - PG_HEAD) {
		struct slice message = slice_of(rest.data, PG_HEAD + head.len);
		size_t before = greeting.len;
		int r = greeting_put(&greeting, message);

		check(r == 0 || r == -EPROTO || r == -E2BIG);
		check(greeting.len <= GREETING_MAX);
		if (r == 0)
			check_kept(&greeting, slice_from(message, PG_HEAD));
		else
			check(greeting.len == before);
		rest = slice_from(rest, message.len);
	}
	return 0;
}
