/*
 * Rows of the console on their way out, as text or, where the client wants
 * their numbers so, in binary. They leave as fast as it takes them.
 */
#include "session/console.h"

/* numeric's binary form: digits of base 10000, their weight, sign, scale. */
static void put_numeric(struct buf *out, uint64_t n)
{
	enum {
		BASE = 10000,
		DIGITS = 5
	};
	uint16_t digits[DIGITS];
	uint16_t n_digits = 0;

	for (; n; n /= BASE)
		digits[n_digits++] = (uint16_t)(n % BASE);
	buf_put_u32(out, 8u + 2u * n_digits);
	buf_put_u16(out, n_digits);
	buf_put_u16(out, n_digits ? n_digits - 1 : 0);
	buf_put_u16(out, 0);
	buf_put_u16(out, 0);
	while (n_digits)
		buf_put_u16(out, digits[--n_digits]);
}

static void put_binary(struct buf *out, uint32_t type, struct slice text)
{
	uint64_t n = 0;

	check(num_parse_u64(text, &n) == 0);
	switch (type) {
	case PG_TYPE_INT4:
		buf_put_u32(out, 4);
		buf_put_u32(out, (uint32_t)n);
		break;
	case PG_TYPE_INT8:
		buf_put_u32(out, 8);
		buf_put_u64(out, n);
		break;
	default:
		put_numeric(out, n);
	}
}

/* Names are whatever bytes a client has called itself by; a driver that is
 * told UTF-8 may choke on others. */
static void put_text(struct buf *out, struct slice text)
{
	pg_put_field(out, text);
	utf8_mend(out->data + out->len - text.len, text.len);
}

static void put_row(struct console *c, struct reader *rows,
	const struct pg_column *columns, size_t n, size_t n_all)
{
	struct buf *out = &c->door->out;
	size_t begun = pg_begin_row(out, (uint16_t)n);
	struct slice text;

	for (size_t i = 0; i < n; i++) {
		check(pg_row_next(rows, &text));
		if (!text.data)
			pg_put_null(out);
		else if (columns[i].type == PG_TYPE_TEXT)
			put_text(out, text);
		else if (c->binary & BIT(i))
			put_binary(out, columns[i].type, text);
		else
			pg_put_field(out, text);
	}
	pg_end(out, begun);
	for (size_t i = n; i < n_all; i++)
		check(pg_row_next(rows, &text));
}

bool rows_send(struct console *c)
{
	struct session *s = c->session;
	struct buf *out = &c->door->out;
	struct slice bytes = slice_from(buf_slice(&c->rows), c->rows_at);
	struct reader rows = reader_of(bytes);
	const struct pg_column *columns;
	size_t n, n_all;

	columns = console_columns(c, c->command.row, &n, &n_all);
	while (reader_left(&rows) &&
		stream_out_len(&s->stream) + out->len <= STREAM_OUT_HIGH)
		put_row(c, &rows, columns, n, n_all);
	session_send(s);
	c->rows_at = c->rows.len - reader_left(&rows);
	if (reader_left(&rows))
		return false;
	c->rows.len = 0;
	c->rows_at = 0;
	return stream_out_len(&s->stream) <= STREAM_OUT_HIGH;
}
