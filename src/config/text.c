/* Words, names and secrets: what messages and checks need of text. */
#include "config/config_priv.h"

#include <stdlib.h>

enum {
	VALUE_SHOWN_MAX = 60
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
