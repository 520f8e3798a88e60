/*
 * The options that may change while running, packed for another process that
 * has the same START options: the supervisor reads and checks a new
 * configuration once, and every worker gets what it read.
 *
 *     id u16, source u8, value as a user would write it, NUL; and so on
 */
#include "config/config_priv.h"

#include <errno.h>

static void pack_one(const struct config *c, enum option_id id, struct buf *ret)
{
	const struct option_row *row = option_row(id);
	union option_value value = option_get(c, id);

	buf_put_u16(ret, (uint16_t)id);
	buf_put_u8(ret, (uint8_t)c->sources[id]);
	if (row->type == OPTION_SECRET)
		buf_append_slice(ret, value.text); /* elsewhere it is masked */
	else
		option_format(row, value, ret);
	buf_put_u8(ret, 0);
}

void config_pack(const struct config *c, struct buf *ret)
{
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (option_row(id)->when == OPTION_RELOAD)
			pack_one(c, id, ret);
}

/* What was packed from a good config parses: anything else is not ours. */
static int unpack_one(struct reader *r, struct config *c)
{
	CLEANUP(buf_deinit) struct buf why = { 0 };
	uint16_t id = reader_u16(r);
	uint8_t source = reader_u8(r);
	struct slice text = reader_cstr(r);
	union option_value value;

	if (r->is_bad || id >= OPTION_ID_END || source > OPTION_BY_SET ||
		option_row(id)->when != OPTION_RELOAD ||
		option_parse(option_row(id), text, &value, &why) < 0)
		return -EINVAL;
	option_put(c, id, value, source);
	return 0;
}

int config_unpack(
	const struct config *old, struct slice packed, struct config **ret)
{
	CLEANUP(config_destroyp) struct config *c = config_copy(old);
	struct reader r = reader_of(packed);

	while (reader_left(&r)) {
		int rc = unpack_one(&r, c);

		if (rc < 0)
			return rc;
	}
	*ret = TAKE(c);
	return 0;
}
