#pragma once

/*
 * Memory and the few macros every file leans on.
 *
 * Small allocations cannot fail: xnew() and its kin end the process, and the
 * supervisor starts another worker. A size that a peer chose goes through
 * try_alloc(), which may be refused.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/param.h> /* MIN, MAX */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)	      (1u << (n))

#define container_of(ptr, type, member)                                        \
	((type *)((char *)(ptr)-offsetof(type, member)))

/* Runs fn(&variable) when the variable leaves its scope. That may be all the
 * use it has, which clang does not see. */
#define CLEANUP(fn) __attribute__((cleanup(fn), unused))

/* Hands over what p points at and leaves NULL behind. */
#define TAKE(p)                                                                \
	({                                                                     \
		__typeof__(p) *p_ = &(p);                                      \
		__typeof__(p) t_ = *p_;                                        \
		*p_ = NULL;                                                    \
		t_;                                                            \
	})

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN	       __attribute__((noreturn))
#define UNLIKELY(x)	       __builtin_expect(!!(x), 0)

/* Zeroed memory for one object of a type; never NULL. */
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *old, size_t size);
void *xmemdup(const void *data, size_t len);

/* A NUL-terminated copy of len bytes. */
char *xstrndup(const char *text, size_t len);
char *xstrdup(const char *text);

/* A NUL-terminated string made by printf; the caller frees it. */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Memory of a size that somebody else chose: NULL when there is none. */
void *try_alloc(size_t size);

/* For CLEANUP(freep) on any pointer from above. */
void freep(void *pp);

/* Compares in time that depends on len only. */
bool mem_equal_ct(const void *a, const void *b, size_t len);
