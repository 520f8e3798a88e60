/*
 * UTF-8, as far as texts of unknown origin have to be fit for clients that
 * were promised it.
 */
#include "base/utf8.h"

/* RFC 3629: which second bytes a first one may have, and how long the
 * sequence is. Overlong forms, surrogates and what is beyond U+10FFFF have no
 * row. */
static const struct {
	unsigned char from, to; /* the first byte */
	unsigned char low, high;
	unsigned char len;
} sequences[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 },
	{ 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t utf8_len(const unsigned char *s, size_t len)
{
	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		size_t n = sequences[i].len;

		if (s[0] < sequences[i].from || s[0] > sequences[i].to)
			continue;
		if (len < n || s[1] < sequences[i].low ||
			s[1] > sequences[i].high)
			return 0;
		for (size_t at = 2; at < n; at++)
			if ((s[at] & 0xc0) != 0x80)
				return 0;
		return n;
	}
	return 0;
}

void utf8_mend(char *data, size_t len)
{
	unsigned char *s = (unsigned char *)data;
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_len(s + i, len - i);

		if (!n) {
			s[i] = '?';
			n = 1;
		}
		i += n;
	}
}
