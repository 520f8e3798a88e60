/*
 * Reading bodies. What is malformed is said so by PostgreSQL itself wherever
 * it will see the message; these functions only answer "not readable".
 */
#include "wire/pg/pg.h"

#include <errno.h>

enum {
	MAJOR_REQUEST = 1234, /* of the packets that are not logins */
	MINOR_CANCEL = 5678,
	MINOR_SSL = 5679,
	MINOR_GSS = 5680,
};

uint32_t pg_front_limit(char type)
{
	switch (type) {
#define SMALL PG_SMALL_MAX
#define LARGE PG_LARGE_MAX
#define PG_FRONT(name, type, limit)                                            \
	case type:                                                             \
		return limit;
#include "proto/pgwire.def"
#undef SMALL
#undef LARGE
	default:
		return 0;
	}
}

static int startup_bad(struct fault *f, const char *text)
{
	fault_set(f, FAULT_PROTOCOL, "%s", text);
	return -EPROTO;
}

/*
 * Pairs of strings, then an empty name in the last byte. PostgreSQL looks
 * where that byte stands, not what it is.
 */
static int read_params(
	struct reader *r, struct slice *ret_params, struct fault *f)
{
	const char *begin = r->at;

	while (!r->is_bad && reader_left(r) > 1 && *r->at) {
		reader_cstr(r);
		reader_cstr(r);
	}
	if (r->is_bad || reader_left(r) != 1)
		return startup_bad(f,
			"invalid startup packet layout: expected terminator as last byte");
	*ret_params = slice_of(begin, (size_t)(r->at - begin));
	return 0;
}

int pg_startup_parse(struct slice body, struct pg_startup *ret, struct fault *f)
{
	struct reader r = reader_of(body);
	struct pg_startup s = { 0 };

	s.major = reader_u16(&r);
	s.minor = reader_u16(&r);
	if (r.is_bad)
		return startup_bad(f, "invalid length of startup packet");
	if (s.major == MAJOR_REQUEST && s.minor == MINOR_CANCEL) {
		s.kind = PG_STARTUP_CANCEL;
		ret->kind = s.kind; /* known even when the rest is bad */
		s.pid = reader_u32(&r);
		s.key = reader_bytes(&r, reader_left(&r));
		if (r.is_bad || s.key.len < PG_CANCEL_KEY_OLD ||
			s.key.len > PG_CANCEL_KEY_MAX)
			return startup_bad(
				f, "invalid length of cancel request packet");
	} else if (s.major == MAJOR_REQUEST && s.minor == MINOR_SSL) {
		s.kind = PG_STARTUP_SSL;
	} else if (s.major == MAJOR_REQUEST && s.minor == MINOR_GSS) {
		s.kind = PG_STARTUP_GSS;
	} else if (s.major != 3) {
		fault_set(f, FAULT_UNSUPPORTED,
			"unsupported frontend protocol %u.%u: server supports 3.0 to 3.2",
			s.major, s.minor);
		return -EPROTO;
	} else {
		s.kind = PG_STARTUP_LOGIN;
		if (read_params(&r, &s.params, f) < 0)
			return -EPROTO;
	}
	*ret = s;
	return 0;
}

bool pg_startup_next(
	struct slice *params, struct slice *ret_name, struct slice *ret_value)
{
	struct reader r = reader_of(*params);

	if (!params->len)
		return false;
	*ret_name = reader_cstr(&r);
	*ret_value = reader_cstr(&r);
	if (r.is_bad)
		return false;
	*params = slice_of(r.at, reader_left(&r));
	return true;
}

struct slice pg_startup_get(struct slice params, struct slice name)
{
	struct slice key, value;
	struct slice found = { 0 };

	/* The last one counts, as in PostgreSQL. */
	while (pg_startup_next(&params, &key, &value))
		if (slice_equal(key, name))
			found = value;
	return found;
}

bool pg_parse_read(struct slice body, struct pg_parse *ret)
{
	struct reader r = reader_of(body);

	ret->name = reader_cstr(&r);
	ret->sql = reader_cstr(&r);
	ret->n_oids = reader_u16(&r);
	ret->oids = reader_bytes(&r, 4u * ret->n_oids);
	return reader_done(&r);
}

bool pg_bind_names(struct slice bytes, struct slice *ret_portal,
	struct slice *ret_statement, struct slice *ret_rest)
{
	struct reader r = reader_of(bytes);

	*ret_portal = reader_cstr(&r);
	*ret_statement = reader_cstr(&r);
	*ret_rest = slice_of(r.at, reader_left(&r));
	return !r.is_bad;
}

bool pg_target_read(struct slice body, char *ret_kind, struct slice *ret_name)
{
	struct reader r = reader_of(body);

	*ret_kind = (char)reader_u8(&r);
	*ret_name = reader_cstr(&r);
	return reader_done(&r);
}

struct slice pg_error_field(struct slice body, char field)
{
	struct reader r = reader_of(body);

	while (!r.is_bad && reader_left(&r)) {
		char kind = (char)reader_u8(&r);
		struct slice value;

		if (!kind)
			break;
		value = reader_cstr(&r);
		if (kind == field)
			return value;
	}
	return SLICE("");
}

static bool is_sqlstate(struct slice text)
{
	enum {
		SQLSTATE_LEN = 5
	};

	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
			    text.data[i]))
			return false;
	return text.len == SQLSTATE_LEN;
}

bool pg_error_is_good(struct slice body)
{
	struct reader r = reader_of(body);

	while (reader_u8(&r))
		reader_cstr(&r);
	return reader_done(&r) && pg_error_field(body, 'S').len &&
	       pg_error_field(body, 'M').len &&
	       is_sqlstate(pg_error_field(body, 'C'));
}

bool pg_parameter_read(
	struct slice body, struct slice *ret_name, struct slice *ret_value)
{
	struct reader r = reader_of(body);

	*ret_name = reader_cstr(&r);
	*ret_value = reader_cstr(&r);
	return reader_done(&r) && ret_name->len;
}

bool pg_row_next(struct reader *row, struct slice *ret_value)
{
	uint32_t len = reader_u32(row);

	if (len == UINT32_MAX)
		*ret_value = (struct slice){ 0 };
	else
		*ret_value = reader_bytes(row, len);
	return !row->is_bad;
}
