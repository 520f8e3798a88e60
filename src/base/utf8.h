#pragma once

#include <stddef.h>

/* Of the character that s begins with: 1 to 4 bytes, or 0 when they are no
 * well-formed sequence; len is not 0. */
size_t utf8_len(const unsigned char *s, size_t len);

/* Puts a question mark for every byte that is not part of a well-formed
 * UTF-8 sequence, as PostgreSQL defines those. */
void utf8_mend(char *data, size_t len);
