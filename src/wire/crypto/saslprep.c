/*
 * Passwords and SASLprep (RFC 4013), as PostgreSQL applies it: the password
 * is decoded as UTF-8, mapped (spaces to a space, soft hyphens and the like
 * to nothing), and normalized (NFKC). If it was not UTF-8, or if it has, once
 * mapped, a prohibited code point, one unassigned in Unicode 3.2, or breaks
 * the rules on mixed directions, all that is forgotten and the raw bytes are
 * used instead.
 *
 * Howdah carries no normalization. It recognizes passwords for which both
 * ways end at the raw bytes:
 *
 * - ASCII, which PostgreSQL takes as it is;
 * - text that is not UTF-8;
 * - UTF-8 without any of the code points of saslprep.def. Those left are
 *   either unassigned in Unicode 3.2 (one is enough for the raw bytes) or
 *   unmapped, of combining class 0 and NFKC_Quick_Check=Yes. A text of such
 *   code points is its own NFKC form (UAX #15, section 9), and being told
 *   that it is prohibited leads to the same bytes.
 *
 * The forms of what Unicode 3.2 had assigned never change again (Unicode's
 * stability policy), so this does not depend on PostgreSQL's version.
 */
#include "wire/crypto/crypto_priv.h"

struct range {
	uint32_t first;
	uint32_t last;
};

static const struct range changed[] = {
#define RANGE(first, last) { first, last },
#include "wire/crypto/saslprep.def"
#undef RANGE
};

static bool is_changed(uint32_t code)
{
	size_t low = 0, high = ARRAY_SIZE(changed);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code > changed[middle].last)
			low = middle + 1;
		else if (code < changed[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

/* Bytes of a sequence, from its first one; 0 when none starts so. */
static size_t sequence_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc0)
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf8 ? 4 : 0;
}

/* One code point of strict UTF-8 (RFC 3629); its length, or 0. */
static size_t decode(struct slice text, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *at = (const uint8_t *)text.data;
	size_t len = sequence_len(at[0]);
	uint32_t code;

	if (!len || len > text.len)
		return 0;
	code = len == 1 ? at[0] : at[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff ||
		(code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

bool scram_password_ok(struct slice password)
{
	struct slice text = password;
	bool has_changed = false;

	while (text.len) {
		uint32_t code;
		size_t len = decode(text, &code);

		if (!len)
			return true;
		has_changed |= is_changed(code);
		text = slice_from(text, len);
	}
	return !has_changed;
}
