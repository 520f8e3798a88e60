/*
 * What a server connection says of itself: ParameterStatus messages as they
 * came, the last one of each name.
 */
#include "pool/pool_priv.h"

#include <errno.h>

/* Cuts the next message off; false at the end. */
static bool next_one(struct slice *rest, struct slice *ret_message,
	struct slice *ret_name, struct slice *ret_value)
{
	struct pg_head head;

	if (pg_head_parse(*rest, &head) != PG_HEAD_OK)
		return false;
	*ret_message = slice_of(rest->data, PG_HEAD + head.len);
	*rest = slice_from(*rest, ret_message->len);
	return pg_parameter_read(
		slice_from(*ret_message, PG_HEAD), ret_name, ret_value);
}

int greeting_put(struct buf *greeting, struct slice message)
{
	struct slice rest = buf_slice(greeting);
	struct slice one, name, value, new_name;
	struct buf next = { 0 };

	if (!pg_parameter_read(slice_from(message, PG_HEAD), &new_name, &value))
		return -EPROTO;
	while (next_one(&rest, &one, &name, &value))
		if (!slice_equal(name, new_name))
			buf_append_slice(&next, one);
	if (message.len > GREETING_MAX - MIN(next.len, GREETING_MAX)) {
		buf_deinit(&next);
		return -E2BIG;
	}
	buf_append_slice(&next, message);
	buf_deinit(greeting);
	*greeting = next;
	return 0;
}

struct slice greeting_get(const struct buf *greeting, const char *wanted)
{
	struct slice rest = buf_slice(greeting);
	struct slice one, name, value;

	while (next_one(&rest, &one, &name, &value))
		if (slice_is(name, wanted))
			return value;
	return (struct slice){ 0 };
}
