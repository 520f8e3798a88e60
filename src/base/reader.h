#pragma once

/*
 * struct reader decodes a slice in network order. An overrun sticks: every
 * later read gives zeros or empty slices, and one reader_done() at the end
 * tells whether all was well and all was read.
 */
#include "base/slice.h"

struct reader {
	const char *at;
	const char *end;
	bool is_bad;
};

static inline struct reader reader_of(struct slice s)
{
	return (struct reader){ .at = s.data,
		.end = slice_from(s, s.len).data };
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* Exactly len bytes, borrowed from the input. */
struct slice reader_bytes(struct reader *r, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* A NUL-terminated string, without its NUL. */
struct slice reader_cstr(struct reader *r);

/* No overrun so far and nothing left. */
bool reader_done(const struct reader *r);
