/* Words, names and secrets: what messages and checks need of text. */
#include "config/config_priv.h"

#include <stdlib.h>

enum {
	VALUE_SHOWN_MAX = 60,
	NAME_MAX_LEN = 64
};

void secret_freep(char **p)
{
	if (*p)
		explicit_bzero(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

void secret_buf_deinit(struct buf *b)
{
	if (b->cap)
		explicit_bzero(b->data, b->cap);
	buf_deinit(b);
}

bool words_have(const char *words, struct slice word, struct slice *ret_word)
{
	struct slice left = slice_str(words);

	while (left.data) {
		struct slice listed = slice_cut(&left, '|');

		if (!slice_equal_nocase(listed, word))
			continue;
		*ret_word = listed;
		return true;
	}
	return false;
}

void put_value(struct buf *b, struct slice value)
{
	for (size_t i = 0; i < value.len && i < VALUE_SHOWN_MAX; i++) {
		unsigned char c = (unsigned char)value.data[i];

		buf_put_u8(b, c < 0x20 || c == 0x7f ? '?' : c);
	}
	if (value.len > VALUE_SHOWN_MAX)
		buf_append_str(b, "...");
}

/* Optimal string alignment, three rows at a time. */
size_t name_distance(struct slice a, struct slice b)
{
	size_t rows[3][NAME_MAX_LEN + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
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
