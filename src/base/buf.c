#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum {
	BUF_FIRST = 64
};

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

char *buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	check(more <= SIZE_MAX / 2 - b->len);
	/* Of NULL there is no place behind the end, not even for nothing. */
	if (b->data && more <= b->cap - b->len)
		return b->data + b->len;
	while (cap - b->len < more)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	memcpy(buf_reserve(b, len), data, len);
	b->len += len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	char *at;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	check(len >= 0);
	at = buf_reserve(b, (size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(at, (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_consume(struct buf *b, size_t n)
{
	check(n <= b->len);
	b->len -= n;
	if (b->len && n)
		memmove(b->data, b->data + n, b->len);
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_append(b, &v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	v = __builtin_bswap16(v);
	buf_append(b, &v, sizeof(v));
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	v = __builtin_bswap32(v);
	buf_append(b, &v, sizeof(v));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	v = __builtin_bswap64(v);
	buf_append(b, &v, sizeof(v));
}

void buf_put_cstr(struct buf *b, struct slice text)
{
	buf_append_slice(b, text);
	buf_put_u8(b, 0);
}

void buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
	check(at <= b->len && b->len - at >= sizeof(v));
	v = __builtin_bswap32(v);
	memcpy(b->data + at, &v, sizeof(v));
}

char *buf_take_str(struct buf *b)
{
	char *text;

	buf_put_u8(b, 0);
	text = b->data;
	*b = (struct buf){ 0 };
	return text;
}
