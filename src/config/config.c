/* The life of a config, and how its options are named and shown. */
#include "config/config_priv.h"

#include <stdlib.h>

struct config *config_create(void)
{
	struct config *c = xnew(struct config);
	struct buf why = { 0 };

	for (enum option_id id = 0; id < OPTION_ID_END; id++) {
		const struct option_row *row = option_row(id);
		union option_value value;

		check(!option_parse(row, slice_str(row->def), &value, &why));
		option_put(c, id, value, OPTION_BY_DEFAULT);
	}
	return c;
}

static bool has_text(enum option_id id)
{
	enum option_type type = option_row(id)->type;

	return type == OPTION_TEXT || type == OPTION_SECRET ||
	       type == OPTION_CHOICE;
}

void config_destroy(struct config *c)
{
	if (!c)
		return;
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (has_text(id))
			secret_freep(
				(char **)((char *)c + option_row(id)->offset));
	endpoints_deinit(&c->pg_endpoints);
	endpoints_deinit(&c->http_endpoints);
	endpoints_deinit(&c->s3_endpoints);
	door_plan_deinit(&c->plan);
	free(c);
}

void config_destroyp(struct config **c)
{
	config_destroy(*c);
	*c = NULL;
}

struct config *config_copy(const struct config *from)
{
	struct config *c = xnew(struct config);

	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		option_put(c, id, option_get(from, id), from->sources[id]);
	endpoints_copy(&from->pg_endpoints, &c->pg_endpoints);
	endpoints_copy(&from->http_endpoints, &c->http_endpoints);
	endpoints_copy(&from->s3_endpoints, &c->s3_endpoints);
	plan_copy(&from->plan, &c->plan);
	return c;
}

void config_put_name(struct buf *b, const struct config *c, enum option_id id)
{
	if (c->sources[id] == OPTION_BY_FLAG)
		flag_put(b, option_row(id)->field);
	else
		buf_append_str(b, option_row(id)->variable);
}

void config_put_option(struct buf *b, const struct config *c, enum option_id id)
{
	config_put_name(b, c, id);
	buf_append_str(b, "=");
	config_show(c, id, b);
	buf_append_str(b, ": ");
}

void config_show(const struct config *c, enum option_id id, struct buf *ret)
{
	option_format(option_row(id), option_get(c, id), ret);
}
