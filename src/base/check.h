#pragma once

/*
 * check() states what the programmer promises and is always compiled in. It
 * never judges bytes from outside. A broken promise is logged with its place
 * and ends the process.
 */
#include "base/mem.h"

#define check(cond)                                                            \
	do {                                                                   \
		if (UNLIKELY(!(cond)))                                         \
			check_failed(#cond, __FILE__, __LINE__);               \
	} while (0)

NORETURN void check_failed(const char *cond, const char *file, int line);
