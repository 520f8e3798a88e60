/* src/wire/pg/read.c: any bytes as a startup packet. PostgreSQL's own loop
 * judges its layout, and what is taken reads the same once written. */
#include <stdlib.h>

#include "wire/pg/pg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* ProcessStartupPacket() of PostgreSQL 15, whose buffer has a NUL behind. */
static bool is_good_layout(const char *buf, size_t len)
{
	size_t offset = 0;

	while (offset < len) {
		size_t value;

		if (!buf[offset])
			break;
		value = offset + strlen(buf + offset) + 1;
		if (value >= len)
			break;
		offset = value + strlen(buf + value) + 1;
	}
	return offset == len - 1;
}

static void check_login(const struct pg_startup *s)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	CLEANUP(buf_deinit) struct buf pairs = { 0 };
	struct slice rest = s->params, name, value;
	struct pg_startup other;
	struct fault f;

	while (pg_startup_next(&rest, &name, &value)) {
		check(name.len);
		buf_put_cstr(&pairs, name);
		buf_put_cstr(&pairs, value);
	}
	check(!rest.len);
	check(slice_equal(buf_slice(&pairs), s->params));
	if (s->params.len)
		check(slice_equal(pg_startup_get(s->params, name), value));
	check(!pg_startup_get(s->params, SLICE("")).data);
	pg_put_startup(&again, s->params);
	check(pg_startup_parse(slice_from(buf_slice(&again), 4), &other, &f) ==
		0);
	check(slice_equal(other.params, s->params));
}

static void check_cancel(const struct pg_startup *s)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	struct pg_startup other;
	struct fault f;

	pg_put_cancel(&again, s->pid, s->key);
	check(pg_startup_parse(slice_from(buf_slice(&again), 4), &other, &f) ==
		0);
	check(other.kind == PG_STARTUP_CANCEL && other.pid == s->pid);
	check(slice_equal(other.key, s->key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(freep) char *text = xstrndup((const char *)data, len);
	struct pg_startup s = { .kind = PG_STARTUP_SSL };
	struct fault f = { 0 };
	bool is_good = pg_startup_parse(slice_of(copy, len), &s, &f) == 0;

	check(is_good == !f.text[0]);
	if (len > 4 && text[0] == 0 && text[1] == 3)
		check(is_good == is_good_layout(text + 4, len - 4));
	if (is_good && s.kind == PG_STARTUP_LOGIN)
		check_login(&s);
	else if (is_good && s.kind == PG_STARTUP_CANCEL)
		check_cancel(&s);
	return 0;
}
