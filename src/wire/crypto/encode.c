/* Bytes as text: base64 (RFC 4648 section 4) and hex. */
#include "wire/crypto/crypto.h"

#include <errno.h>

static const char alphabet[64] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
};
static const char digits[16] = { "0123456789abcdef" };

/* Up to three bytes at from become four characters. */
static void put_group(struct buf *out, const uint8_t *from, size_t n)
{
	uint32_t bits = (uint32_t)from[0] << 16;
	char group[4];

	if (n > 1)
		bits |= (uint32_t)from[1] << 8;
	if (n > 2)
		bits |= from[2];
	group[0] = alphabet[bits >> 18];
	group[1] = alphabet[bits >> 12 & 63];
	group[2] = n > 1 ? alphabet[bits >> 6 & 63] : '=';
	group[3] = n > 2 ? alphabet[bits & 63] : '=';
	buf_append(out, group, sizeof(group));
}

void base64_encode(struct buf *out, struct slice data)
{
	const uint8_t *from = (const uint8_t *)data.data;

	buf_reserve(out, BASE64_LEN(data.len));
	for (size_t i = 0; i < data.len; i += 3)
		put_group(out, from + i, MIN(data.len - i, 3));
}

/* 0 to 63, or -1. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/* n characters of a group (the rest is padding) become n - 1 bytes. */
static int get_group(const char *text, size_t n, uint8_t ret_bytes[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < n ? value_of(text[i]) : 0;

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
	}
	ret_bytes[0] = (uint8_t)(bits >> 16);
	ret_bytes[1] = (uint8_t)(bits >> 8);
	ret_bytes[2] = (uint8_t)bits;
	if ((n == 2 && bits & 0xffff) || (n == 3 && bits & 0xff))
		return -EINVAL;
	return 0;
}

int base64_decode(
	struct slice text, void *ret_data, size_t max, size_t *ret_len)
{
	size_t padding = 0, len = 0;
	uint8_t *to = ret_data;

	if (text.len % 4)
		return -EINVAL;
	while (padding < 2 && padding < text.len &&
		text.data[text.len - 1 - padding] == '=')
		padding++;
	if (text.len / 4 * 3 - padding > max)
		return -ERANGE;
	for (size_t at = 0; at < text.len; at += 4) {
		bool is_last = at + 4 == text.len;
		size_t n = is_last ? 4 - padding : 4;
		uint8_t bytes[3];
		int r = get_group(text.data + at, n, bytes);

		if (r < 0)
			return r;
		memcpy(to + len, bytes, n - 1);
		len += n - 1;
	}
	*ret_len = len;
	return 0;
}

void hex_encode(struct slice data, char *ret_text)
{
	for (size_t i = 0; i < data.len; i++) {
		uint8_t byte = (uint8_t)data.data[i];

		ret_text[2 * i] = digits[byte >> 4];
		ret_text[2 * i + 1] = digits[byte & 15];
	}
}
