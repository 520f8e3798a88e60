#pragma once

/*
 * struct slice borrows bytes; it never owns, and is never NUL-terminated.
 * Case folding here is ASCII only, as PostgreSQL's for identifiers.
 */
#include <string.h>

#include "base/mem.h"

struct slice {
	const char *data; /* borrowed */
	size_t len;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){ literal, sizeof(literal) - 1 })

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){ data, len };
}

static inline struct slice slice_str(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

/* What is left after the first n bytes; n is at most s.len, and 0 where there
 * are no bytes at all (NULL). */
static inline struct slice slice_from(struct slice s, size_t n)
{
	return (struct slice){ n ? s.data + n : s.data, s.len - n };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_str(text));
}

bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_is_nocase(struct slice a, const char *text);
bool slice_starts_with(struct slice s, struct slice prefix);

/* < 0, 0, > 0 as memcmp(); a prefix comes before what is longer. */
int slice_order(struct slice a, struct slice b);

/* Where the byte first stands, or s.len. */
size_t slice_find(struct slice s, char byte);

/* Without spaces, tabs and line ends at both ends. */
struct slice slice_trim(struct slice s);

/*
 * Cuts the part before the separator off *s and returns it; *s goes on after
 * the separator, or becomes empty with data NULL when there was none left.
 */
struct slice slice_cut(struct slice *s, char separator);

/* How many letters must be added, dropped, changed or swapped with their
 * neighbour to get from a to b; texts beyond 64 bytes are just far away. */
size_t slice_distance(struct slice a, struct slice b);

/* A NUL-terminated copy, for the caller to free. */
char *slice_dup(struct slice s);
