/* src/wire/crypto/saslprep.c: any bytes as a password. What is no UTF-8, as
 * the C library sees it, is used as it is; of what is UTF-8 every character
 * counts by itself. tests/unit/test_saslprep.c has libpq as the judge. */
#include <iconv.h>
#include <stdlib.h>

#include "wire/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_utf8(struct slice text)
{
	static iconv_t converter;
	CLEANUP(freep) char *out = xcalloc(4, text.len + 1);
	char *from = (char *)text.data, *to = out;
	size_t n_from = text.len, n_to = 4 * (text.len + 1);

	if (!converter)
		converter = iconv_open("UTF-32LE", "UTF-8");
	iconv(converter, NULL, NULL, NULL, NULL);
	return iconv(converter, &from, &n_from, &to, &n_to) != (size_t)-1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct slice text = slice_of(copy, len);
	bool is_ok = scram_password_ok(text);

	if (!is_utf8(text)) {
		check(is_ok);
		return 0;
	}
	for (size_t at = 0; at <= len; at++) {
		struct slice head = slice_of(copy, at);
		struct slice tail = slice_from(text, at);

		if (at < len && (tail.data[0] & 0xc0) == 0x80)
			check(scram_password_ok(head)); /* a cut character */
		else
			check(is_ok == (scram_password_ok(head) &&
					       scram_password_ok(tail)));
	}
	return 0;
}
