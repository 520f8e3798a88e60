/* src/wire/crypto/encode.c: any bytes as base64, and any bytes into base64
 * and back. There is one text for the same bytes, and one way to read it. */
#include <errno.h>
#include <stdlib.h>

#include "wire/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* With just the room it needs, and with one byte less. */
static void decode(struct slice text)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	size_t room = text.len / 4 * 3;
	CLEANUP(freep) char *bytes = xcalloc(1, room + 1);
	CLEANUP(freep) char *exact = NULL;
	size_t len = 0, n = 0;
	int r = base64_decode(text, bytes, room, &len);

	check(r == 0 || r == -EINVAL);
	if (r < 0)
		return;
	check(len <= room);
	base64_encode(&again, slice_of(bytes, len));
	check(slice_equal(buf_slice(&again), text));
	exact = xcalloc(1, len);
	check(base64_decode(text, exact, len, &n) == 0 && n == len);
	if (len)
		check(base64_decode(text, exact, len - 1, &n) == -ERANGE);
}

static void encode(struct slice bytes)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *again = xcalloc(1, bytes.len + 1);
	CLEANUP(freep) char *hex = xcalloc(1, HEX_LEN(bytes.len) + 1);
	size_t n;

	base64_encode(&text, bytes);
	check(text.len == BASE64_LEN(bytes.len));
	check(base64_decode(buf_slice(&text), again, bytes.len, &n) == 0);
	check(slice_equal(slice_of(again, n), bytes));
	hex_encode(bytes, hex);
	check(strlen(hex) == HEX_LEN(bytes.len));
	check(strspn(hex, "0123456789abcdef") == strlen(hex));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);

	decode(slice_of(copy, len));
	encode(slice_of(copy, len));
	return 0;
}
