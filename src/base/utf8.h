#pragma once

#include <stddef.h>

/* Puts a question mark for every byte that is not part of a well-formed
 * UTF-8 sequence, as PostgreSQL defines those. */
void utf8_mend(char *data, size_t len);
