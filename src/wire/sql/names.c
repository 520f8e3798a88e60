/*
 * The three tables of names: words, functions with flags, and functions that
 * are harmless. Each is sorted by length and then by bytes, with an index by
 * length, so that a look-up is a handful of comparisons of eight bytes.
 */
#include "wire/sql/sql_priv.h"

#include <endian.h>

struct builtin_row {
	char text[48];
};

static const struct word_row words[] = {
#define FIXED true
#define OPEN  false
#define CALL  CALL_YES
#define NAME  CALL_NO
#define LENGTH(n)
#define WORD(text, call, next, verb) { #text, call, next, SQL_VERB_##verb },
#include "proto/sql_words.def"
#undef WORD
#undef LENGTH
#undef FIXED
#undef OPEN
#undef CALL
#undef NAME
};

static const uint16_t word_starts[] = {
#define LENGTH(n) [n] = WORD_LENGTH_##n,
#define WORD(text, call, next, verb)
#include "proto/sql_words.def"
#undef WORD
#undef LENGTH
	WORD_NONE,
};

enum function {
#define LENGTH(n)                                                              \
	FUNCTION_LENGTH_##n, FUNCTION_AFTER_##n = FUNCTION_LENGTH_##n - 1,
#define FUNCTION(name, flags) FUNCTION_##name,
#include "proto/functions.def"
#undef FUNCTION
#undef LENGTH
	FUNCTION_END,
};

static const struct function_row functions[] = {
#define LENGTH(n)
#define FUNCTION(name, flags) { #name, flags },
#include "proto/functions.def"
#undef FUNCTION
#undef LENGTH
};

static const uint16_t function_starts[] = {
#define LENGTH(n) [n] = FUNCTION_LENGTH_##n,
#define FUNCTION(name, flags)
#include "proto/functions.def"
#undef FUNCTION
#undef LENGTH
	FUNCTION_END,
};

enum builtin {
#define LENGTH(n)                                                              \
	BUILTIN_LENGTH_##n, BUILTIN_AFTER_##n = BUILTIN_LENGTH_##n - 1,
#define BUILTIN(name) BUILTIN_##name,
#include "proto/builtins.def"
#undef BUILTIN
#undef LENGTH
	BUILTIN_END,
};

static const struct builtin_row builtins[] = {
#define LENGTH(n)
#define BUILTIN(name) { #name },
#include "proto/builtins.def"
#undef BUILTIN
#undef LENGTH
};

static const uint16_t builtin_starts[] = {
#define LENGTH(n) [n] = BUILTIN_LENGTH_##n,
#define BUILTIN(name)
#include "proto/builtins.def"
#undef BUILTIN
#undef LENGTH
	BUILTIN_END,
};

/* A name's first eight bytes as a number that sorts like them. */
static uint64_t key_of(const char *text)
{
	uint64_t key;

	memcpy(&key, text, sizeof(key));
	return be64toh(key);
}

/*
 * Where the text stands in rows of that size, which begin with their name,
 * zero-filled; -1 when it does not. The rows of its length are [low, high).
 */
static inline int name_find(const char *text, size_t len, const void *rows,
	size_t row_size, size_t low, size_t high)
{
	uint64_t key = key_of(text);

	while (low < high) {
		size_t middle = (low + high) / 2;
		const char *name = (const char *)rows + middle * row_size;
		uint64_t found = key_of(name);
		int order = (found > key) - (found < key);

		if (!order && len > sizeof(key))
			order = memcmp(name + sizeof(key), text + sizeof(key),
				len - sizeof(key));
		if (!order)
			return (int)middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

enum sql_word sql_word_find(const char *text, size_t len)
{
	int at;

	if (len >= ARRAY_SIZE(word_starts) - 1)
		return WORD_NONE;
	at = name_find(text, len, words, sizeof(words[0]), word_starts[len],
		word_starts[len + 1]);
	return at < 0 ? WORD_NONE : (enum sql_word)at;
}

const struct word_row *sql_word_row(enum sql_word word)
{
	return &words[word];
}

const struct function_row *sql_function_find(const char *text, size_t len)
{
	int at;

	if (len >= ARRAY_SIZE(function_starts) - 1)
		return NULL;
	at = name_find(text, len, functions, sizeof(functions[0]),
		function_starts[len], function_starts[len + 1]);
	return at < 0 ? NULL : &functions[at];
}

bool sql_builtin_is(const char *text, size_t len)
{
	if (len >= ARRAY_SIZE(builtin_starts) - 1)
		return false;
	return name_find(text, len, builtins, sizeof(builtins[0]),
		       builtin_starts[len], builtin_starts[len + 1]) >= 0;
}

/* How long a UTF-8 character is by its first byte, as pg_utf_mblen says. */
static size_t letter_len(unsigned char first)
{
	if (first < 0xc0)
		return 1;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0)
		return 3;
	return first < 0xf8 ? 4 : 1;
}

size_t sql_name_clip(const char *text, size_t len)
{
	size_t kept = 0;

	if (len <= SQL_NAME_MAX)
		return len;
	while (kept < SQL_NAME_MAX) {
		size_t next = kept + letter_len((unsigned char)text[kept]);

		if (next > SQL_NAME_MAX)
			break;
		kept = next;
	}
	return kept;
}
