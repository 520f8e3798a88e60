#include "base/reader.h"

struct slice reader_bytes(struct reader *r, size_t len)
{
	struct slice s;

	if (r->is_bad || len > reader_left(r)) {
		r->is_bad = true;
		return SLICE("");
	}
	s = slice_of(r->at, len);
	r->at = slice_from(s, len).data;
	return s;
}

uint8_t reader_u8(struct reader *r)
{
	struct slice s = reader_bytes(r, 1);

	return s.len ? (uint8_t)s.data[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
	struct slice s = reader_bytes(r, sizeof(uint16_t));
	uint16_t v = 0;

	memcpy(&v, s.data, s.len);
	return __builtin_bswap16(v);
}

uint32_t reader_u32(struct reader *r)
{
	struct slice s = reader_bytes(r, sizeof(uint32_t));
	uint32_t v = 0;

	memcpy(&v, s.data, s.len);
	return __builtin_bswap32(v);
}

uint64_t reader_u64(struct reader *r)
{
	struct slice s = reader_bytes(r, sizeof(uint64_t));
	uint64_t v = 0;

	memcpy(&v, s.data, s.len);
	return __builtin_bswap64(v);
}

struct slice reader_cstr(struct reader *r)
{
	size_t left = reader_left(r);
	size_t len = slice_find(slice_of(r->at, left), '\0');
	struct slice s;

	if (r->is_bad || len == left) {
		r->is_bad = true;
		return SLICE("");
	}
	s = slice_of(r->at, len);
	r->at += len + 1;
	return s;
}

bool reader_done(const struct reader *r)
{
	return !r->is_bad && r->at == r->end;
}
