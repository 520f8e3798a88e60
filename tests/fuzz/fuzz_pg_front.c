/* src/wire/pg: any bytes as messages of a client. Cut anywhere, heads and
 * names are the same; a body that is taken is what writing it again gives. */
#include <stdlib.h>

#include "wire/pg/pg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct slice body_of(const struct buf *message)
{
	return slice_from(buf_slice(message), PG_HEAD);
}

static void read_parse(struct slice body)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	struct pg_parse p;

	if (!pg_parse_read(body, &p))
		return;
	pg_put_parse(&again, p.name, p.sql, p.n_oids, p.oids);
	check(slice_equal(body_of(&again), body));
}

static void read_target(struct slice body)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	struct slice name;
	char kind;

	if (!pg_target_read(body, &kind, &name))
		return;
	pg_put_describe(&again, kind, name);
	check(slice_equal(body_of(&again), body));
	again.len = 0;
	pg_put_close(&again, kind, name);
	check(slice_equal(body_of(&again), body));
}

static void read_bind(struct slice body)
{
	struct slice portal, statement, rest, cut_portal, cut_statement, more;

	if (!pg_bind_names(body, &portal, &statement, &rest))
		return;
	check(portal.len + statement.len + 2 + rest.len == body.len);
	body.len -= rest.len;
	check(pg_bind_names(body, &cut_portal, &cut_statement, &more));
	check(slice_equal(portal, cut_portal) && !more.len);
	check(slice_equal(statement, cut_statement));
	body.len--;
	check(!pg_bind_names(body, &cut_portal, &cut_statement, &more));
}

static void read_one(struct slice body)
{
	CLEANUP(freep) char *copy = xmemdup(body.data, body.len);

	body.data = copy;
	read_parse(body);
	read_bind(body);
	read_target(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = slice_of(data, len);
	struct pg_head head, cut;

	read_one(rest);
	while (pg_head_parse(rest, &head) == PG_HEAD_OK) {
		struct slice body = slice_from(rest, PG_HEAD);

		for (size_t n = 0; n < PG_HEAD; n++)
			check(pg_head_parse(slice_of(rest.data, n), &cut) ==
				PG_HEAD_MORE);
		check(pg_head_parse(slice_of(rest.data, PG_HEAD), &cut) ==
			PG_HEAD_OK);
		check(cut.type == head.type && cut.len == head.len);
		if (head.len > body.len)
			break;
		check(pg_front_limit(head.type) <= PG_LARGE_MAX);
		read_one(slice_of(body.data, head.len));
		rest = slice_from(body, head.len);
	}
	return 0;
}
