#pragma once

/*
 * Codecs are fed exact copies, so that the sanitizer sees one byte too far,
 * and each input cut at every length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/base.h"

/* For the prefixes of a text from "" to the whole: prefix is the copy. */
#define each_cut(prefix, whole)                                                \
	for (struct slice prefix = { 0 }; cut_next(&prefix, whole);)

/* Frees the copy before and makes the next; false behind the whole. */
static inline bool cut_next(struct slice *prefix, struct slice whole)
{
	size_t len = prefix->data ? prefix->len + 1 : 0;

	free((char *)prefix->data);
	*prefix = (struct slice){ 0 };
	if (len > whole.len)
		return false;
	*prefix = slice_of(xmemdup(whole.data, len), len);
	return true;
}

static inline void assert_slice(struct slice found, struct slice expected)
{
	assert_int_equal(found.len, expected.len);
	if (found.len)
		assert_memory_equal(found.data, expected.data, found.len);
}

#define assert_text(found, literal) assert_slice(found, SLICE(literal))
