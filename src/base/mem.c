/*
 * The allocators. Out of memory ends the process: there is a supervisor to
 * start the next one, and no path has to unwind from a failed strdup.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	check(p || n == 0 || size == 0);
	return p;
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	check(p || size == 0);
	return p;
}

void *xmemdup(const void *data, size_t len)
{
	void *p = xrealloc(NULL, len ? len : 1);

	if (len)
		memcpy(p, data, len);
	return p;
}

char *xstrndup(const char *text, size_t len)
{
	char *p = xrealloc(NULL, len + 1);

	if (len)
		memcpy(p, text, len);
	p[len] = '\0';
	return p;
}

char *xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	check(len >= 0);
	return text;
}

void *try_alloc(size_t size)
{
	return malloc(size);
}

void freep(void *pp)
{
	void **p = pp;

	free(*p);
	*p = NULL;
}

bool mem_equal_ct(const void *a, const void *b, size_t len)
{
	const volatile unsigned char *x = a;
	const volatile unsigned char *y = b;
	unsigned char diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
