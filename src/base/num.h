#pragma once

/*
 * Text to numbers, all of it or not at all. 0 on success; -EINVAL when the
 * text is not of that form, -ERANGE when the number does not fit.
 */
#include "base/slice.h"

int num_parse_u64(struct slice text, uint64_t *ret_value);
int num_parse_u16(struct slice text, uint16_t *ret_value);

/* "250ms" "30s" "5min" "2h" "7d", or bare seconds; in milliseconds. */
int num_parse_duration(struct slice text, uint64_t *ret_ms);

/* "512" "64kB" "16MB" "1GB" (powers of 1024, any case); in bytes. */
int num_parse_size(struct slice text, uint64_t *ret_bytes);
