#include "base/slice.h"

#include <strings.h>

enum {
	DISTANCE_MAX_LEN = 64
};

bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || !strncasecmp(a.data, b.data, a.len));
}

bool slice_is_nocase(struct slice a, const char *text)
{
	return slice_equal_nocase(a, slice_str(text));
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_equal(slice_of(s.data, prefix.len), prefix);
}

int slice_order(struct slice a, struct slice b)
{
	size_t n = MIN(a.len, b.len);
	int order = n ? memcmp(a.data, b.data, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, char byte)
{
	const char *at = s.len ? memchr(s.data, byte, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len && is_blank(s.data[0]))
		s = slice_from(s, 1);
	while (s.len && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

struct slice slice_cut(struct slice *s, char separator)
{
	size_t at = slice_find(*s, separator);
	struct slice head = slice_of(s->data, at);

	*s = at < s->len ? slice_from(*s, at + 1) : (struct slice){ 0 };
	return head;
}

char *slice_dup(struct slice s)
{
	return xstrndup(s.data, s.len);
}

/* Optimal string alignment, three rows at a time. */
size_t slice_distance(struct slice a, struct slice b)
{
	size_t rows[3][DISTANCE_MAX_LEN + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			const char *x = &a.data[i - 1], *y = &b.data[j - 1];

			row[j] = MIN(last[j], row[j - 1]) + 1;
			row[j] = MIN(row[j], last[j - 1] + (*x != *y));
			if (i > 1 && j > 1 && *x == y[-1] && x[-1] == *y)
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b.len];
}
