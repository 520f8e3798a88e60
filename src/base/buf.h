#pragma once

/*
 * struct buf owns a growing run of bytes. Zeroed memory is a valid empty
 * buffer; buf_deinit() accepts it. Numbers are written in network order, as
 * every wire format of ours has them.
 */
#include "base/slice.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_deinit(struct buf *b);

/* Room for more bytes behind len; returns where they go. */
char *buf_reserve(struct buf *b, size_t more);

void buf_append(struct buf *b, const void *data, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Drops the first n bytes (n at most len) and moves the rest down. */
void buf_consume(struct buf *b, size_t n);

static inline void buf_append_slice(struct buf *b, struct slice s)
{
	buf_append(b, s.data, s.len);
}

static inline void buf_append_str(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);

/* The text and its terminating NUL. */
void buf_put_cstr(struct buf *b, struct slice text);

/* Overwrites four bytes that are already there. */
void buf_patch_u32(struct buf *b, size_t at, uint32_t v);

/* NUL-terminates without counting the NUL, and hands the memory over. */
char *buf_take_str(struct buf *b);
