/*
 * Writing messages. Each function appends one whole message; the length
 * word is patched at the end, so that no writer counts bytes.
 */
#include "wire/pg/pg.h"

#include "base/check.h"

enum {
	CODE_PROTOCOL_3 = 3 << 16,
	CODE_CANCEL = 1234 << 16 | 5678,
	CODE_SSL = 1234 << 16 | 5679,
};

size_t pg_begin(struct buf *b, char type)
{
	size_t begun;

	buf_put_u8(b, (uint8_t)type);
	begun = b->len;
	buf_put_u32(b, 0);
	return begun;
}

void pg_end(struct buf *b, size_t begun)
{
	buf_patch_u32(b, begun, (uint32_t)(b->len - begun));
}

void pg_put_empty(struct buf *b, char type)
{
	pg_end(b, pg_begin(b, type));
}

/* ---- startup ---------------------------------------------------------- */

void pg_put_startup(struct buf *b, struct slice params)
{
	size_t begun = b->len;

	buf_put_u32(b, 0);
	buf_put_u32(b, CODE_PROTOCOL_3);
	buf_append_slice(b, params);
	buf_put_u8(b, 0);
	pg_end(b, begun);
}

void pg_put_ssl_request(struct buf *b)
{
	buf_put_u32(b, 8);
	buf_put_u32(b, CODE_SSL);
}

void pg_put_cancel(struct buf *b, uint32_t pid, struct slice key)
{
	buf_put_u32(b, (uint32_t)(12 + key.len));
	buf_put_u32(b, CODE_CANCEL);
	buf_put_u32(b, pid);
	buf_append_slice(b, key);
}

/* ---- a server's ------------------------------------------------------- */

void pg_put_auth(struct buf *b, enum pg_auth code, struct slice data)
{
	size_t begun = pg_begin(b, PG_BACK_AUTHENTICATION);

	buf_put_u32(b, code);
	buf_append_slice(b, data);
	pg_end(b, begun);
}

void pg_put_parameter(struct buf *b, struct slice name, struct slice value)
{
	size_t begun = pg_begin(b, PG_BACK_PARAMETER_STATUS);

	buf_put_cstr(b, name);
	buf_put_cstr(b, value);
	pg_end(b, begun);
}

void pg_put_key(struct buf *b, uint32_t pid, struct slice key)
{
	size_t begun = pg_begin(b, PG_BACK_BACKEND_KEY_DATA);

	buf_put_u32(b, pid);
	buf_append_slice(b, key);
	pg_end(b, begun);
}

void pg_put_ready(struct buf *b, char status)
{
	size_t begun = pg_begin(b, PG_BACK_READY_FOR_QUERY);

	buf_put_u8(b, (uint8_t)status);
	pg_end(b, begun);
}

void pg_put_complete(struct buf *b, const char *tag)
{
	size_t begun = pg_begin(b, PG_BACK_COMMAND_COMPLETE);

	buf_put_cstr(b, slice_str(tag));
	pg_end(b, begun);
}

void pg_put_negotiate(
	struct buf *b, uint16_t minor, uint32_t n, struct slice unknown)
{
	size_t begun = pg_begin(b, PG_BACK_NEGOTIATE_PROTOCOL);

	buf_put_u32(b, CODE_PROTOCOL_3 | minor);
	buf_put_u32(b, n);
	buf_append_slice(b, unknown);
	pg_end(b, begun);
}

static void put_error_field(struct buf *b, char field, const char *text)
{
	buf_put_u8(b, (uint8_t)field);
	buf_put_cstr(b, slice_str(text));
}

static size_t begin_error(struct buf *b, char type, const char *severity,
	const char *sqlstate, const char *text)
{
	size_t begun = pg_begin(b, type);

	put_error_field(b, 'S', severity);
	put_error_field(b, 'V', severity);
	put_error_field(b, 'C', sqlstate);
	put_error_field(b, 'M', text);
	return begun;
}

static void end_error(struct buf *b, size_t begun)
{
	buf_put_u8(b, 0);
	pg_end(b, begun);
}

void pg_put_fault(struct buf *b, const char *severity, const struct fault *f)
{
	size_t begun = begin_error(b, PG_BACK_ERROR_RESPONSE, severity,
		fault_row(f->code)->sqlstate, f->text);

	if (f->detail[0])
		put_error_field(b, 'D', f->detail);
	if (f->hint[0])
		put_error_field(b, 'H', f->hint);
	/* Drivers (asyncpg, pgjdbc) know this one by the function of PostgreSQL
	 * that raises it, and then prepare anew. */
	if (f->code == FAULT_PLAN_CHANGED)
		put_error_field(b, 'R', "RevalidateCachedQuery");
	end_error(b, begun);
}

void pg_put_notice(struct buf *b, const char *severity, const char *sqlstate,
	const char *text)
{
	end_error(b, begin_error(b, PG_BACK_NOTICE_RESPONSE, severity, sqlstate,
			     text));
}

void pg_put_notification(
	struct buf *b, uint32_t pid, struct slice channel, struct slice payload)
{
	size_t begun = pg_begin(b, PG_BACK_NOTIFICATION);

	buf_put_u32(b, pid);
	buf_put_cstr(b, channel);
	buf_put_cstr(b, payload);
	pg_end(b, begun);
}

static uint16_t type_len(uint32_t type)
{
	switch (type) {
	case PG_TYPE_INT4:
		return 4;
	case PG_TYPE_INT8:
		return 8;
	default:
		return UINT16_MAX; /* -1: variable */
	}
}

void pg_put_row_description(struct buf *b, const struct pg_column *columns,
	size_t n, uint32_t binary)
{
	size_t begun = pg_begin(b, PG_BACK_ROW_DESCRIPTION);

	check(n <= 32);
	buf_put_u16(b, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_put_cstr(b, slice_str(columns[i].name));
		buf_put_u32(b, 0); /* no table */
		buf_put_u16(b, 0);
		buf_put_u32(b, columns[i].type);
		buf_put_u16(b, type_len(columns[i].type));
		buf_put_u32(b, UINT32_MAX); /* no type modifier */
		buf_put_u16(b, binary & BIT(i) ? 1 : 0);
	}
	pg_end(b, begun);
}

size_t pg_begin_row(struct buf *b, uint16_t n)
{
	size_t begun = pg_begin(b, PG_BACK_DATA_ROW);

	buf_put_u16(b, n);
	return begun;
}

void pg_put_field(struct buf *b, struct slice value)
{
	buf_put_u32(b, (uint32_t)value.len);
	buf_append_slice(b, value);
}

void pg_put_null(struct buf *b)
{
	buf_put_u32(b, UINT32_MAX);
}

/* ---- a client's ------------------------------------------------------- */

void pg_put_query(struct buf *b, struct slice sql)
{
	size_t begun = pg_begin(b, PG_FRONT_QUERY);

	buf_put_cstr(b, sql);
	pg_end(b, begun);
}

void pg_put_parse(struct buf *b, struct slice name, struct slice sql,
	uint16_t n_oids, struct slice oids)
{
	size_t begun = pg_begin(b, PG_FRONT_PARSE);

	check(oids.len == 4u * n_oids);
	buf_put_cstr(b, name);
	buf_put_cstr(b, sql);
	buf_put_u16(b, n_oids);
	buf_append_slice(b, oids);
	pg_end(b, begun);
}

static void put_target(struct buf *b, char type, char kind, struct slice name)
{
	size_t begun = pg_begin(b, type);

	buf_put_u8(b, (uint8_t)kind);
	buf_put_cstr(b, name);
	pg_end(b, begun);
}

void pg_put_close(struct buf *b, char kind, struct slice name)
{
	put_target(b, PG_FRONT_CLOSE, kind, name);
}

void pg_put_describe(struct buf *b, char kind, struct slice name)
{
	put_target(b, PG_FRONT_DESCRIBE, kind, name);
}

void pg_put_password(struct buf *b, struct slice bytes)
{
	size_t begun = pg_begin(b, 'p');

	buf_append_slice(b, bytes);
	pg_end(b, begun);
}

void pg_put_sasl_initial(
	struct buf *b, const char *mechanism, struct slice data)
{
	size_t begun = pg_begin(b, 'p');

	buf_put_cstr(b, slice_str(mechanism));
	pg_put_field(b, data);
	pg_end(b, begun);
}
