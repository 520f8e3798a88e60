#include "base/slice.h"

#include <strings.h>

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
