/*
 * A config after another: by a reload, or by the console's SET. Both make a
 * whole new one beside the old, which stays as it is.
 */
#include "config/config_priv.h"

#include <errno.h>

static bool is_equal(
	const struct config *a, const struct config *b, enum option_id id)
{
	union option_value x = option_get(a, id), y = option_get(b, id);

	switch (option_row(id)->type) {
	case OPTION_FLAG:
		return x.flag == y.flag;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return x.number == y.number;
	default:
		return slice_equal(x.text, y.text);
	}
}

/* Takes one option over from what was read, or tells why not yet. */
static void take_over(struct config *c, const struct config *read,
	enum option_id id, struct buf *warnings)
{
	if (option_row(id)->when == OPTION_RELOAD) {
		option_put(c, id, option_get(read, id), read->sources[id]);
		return;
	}
	if (is_equal(c, read, id))
		return;
	config_put_option(warnings, read, id);
	buf_append_str(warnings, "needs a restart; until then it stays ");
	config_show(c, id, warnings);
	buf_append_str(warnings, "\n");
}

int config_next(const struct config *old, const struct config_sources *sources,
	struct config **ret, struct buf *ret_problems, struct buf *ret_warnings)
{
	CLEANUP(config_destroyp) struct config *c = config_copy(old);
	CLEANUP(config_destroyp) struct config *read = config_create();
	CLEANUP(env_deinit) struct env env;
	int r;

	env_init(&env, sources->environment);
	r = config_read(sources, &env, read, ret_problems, ret_warnings);
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		take_over(c, read, id, ret_warnings);
	if (rules_check(c, ret_problems, ret_warnings) < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

/* The first of the lines, as a fault. */
static int refuse(struct fault *f, const struct buf *lines)
{
	struct slice all = buf_slice(lines);
	struct slice line = slice_cut(&all, '\n');

	fault_set(f, FAULT_BAD_VALUE, "%.*s", (int)line.len, line.data);
	return -EINVAL;
}

static int refuse_name(struct fault *f, struct slice name)
{
	const char *nearest = option_nearest(name, false);

	fault_set(f, FAULT_UNDEFINED, "there is no option \"%.*s\"",
		(int)MIN(name.len, 64), name.data);
	if (nearest)
		fault_hint(f, "did you mean %s?", nearest);
	else
		fault_hint(f, "SHOW CONFIG names them all");
	return -EINVAL;
}

int config_set(const struct config *old, struct slice name, struct slice value,
	struct config **ret, struct fault *f)
{
	CLEANUP(config_destroyp) struct config *c = config_copy(old);
	CLEANUP(buf_deinit) struct buf why = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	enum option_id id = option_find(name);
	union option_value parsed;

	if (id == OPTION_ID_END)
		return refuse_name(f, name);
	if (option_row(id)->when != OPTION_RELOAD) {
		fault_set(f, FAULT_NOT_IN_STATE,
			"%s cannot be changed without a restart",
			option_row(id)->field);
		fault_hint(f, "set %s and restart", option_row(id)->variable);
		return -EINVAL;
	}
	buf_append_str(&why, option_row(id)->field);
	if (option_row(id)->type != OPTION_SECRET) {
		buf_append_str(&why, " = ");
		put_value(&why, value);
	}
	buf_append_str(&why, ": ");
	if (option_parse(option_row(id), value, &parsed, &why) < 0)
		return refuse(f, &why);
	option_put(c, id, parsed, OPTION_BY_SET);
	why.len = 0;
	if (rules_check(c, &why, &warnings) < 0)
		return refuse(f, &why);
	*ret = TAKE(c);
	return 0;
}
