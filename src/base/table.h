#pragma once

/*
 * An intrusive hash table. Members embed a struct table_node; the table owns
 * only its slots. Hashes are SipHash-1-3 under a random key of the table, so
 * that nobody outside can choose colliding keys.
 */
#include "base/slice.h"

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **slots; /* NULL until the first member */
	size_t n_slots;		   /* a power of two, or 0 */
	size_t len;
	uint64_t key[2];
};

/* Does this member have that key? */
typedef bool table_equal_fn(const struct table_node *node, const void *key);

/* The members in no order; none may be added or removed meanwhile. */
#define table_each(node, t)                                                    \
	for (struct table_node *node = table_next(t, NULL); node;              \
		node = table_next(t, node))

/* The member after one, or the first one after NULL; NULL at the end. */
struct table_node *table_next(
	const struct table *t, const struct table_node *node);

void table_init(struct table *t);

/* Frees the slots; the members belong to somebody else. */
void table_deinit(struct table *t);

/* SipHash-1-3 (Aumasson, Bernstein 2012) itself, for keys that several
 * tables or processes hash alike; so_far is 0 or an earlier hash. */
uint64_t sip_hash(
	const uint64_t key[2], uint64_t so_far, const void *data, size_t len);

uint64_t table_hash(const struct table *t, const void *data, size_t len);

/* Goes on from an earlier hash, for keys of several parts. */
uint64_t table_hash_more(
	const struct table *t, uint64_t so_far, const void *data, size_t len);

struct table_node *table_find(const struct table *t, uint64_t hash,
	table_equal_fn *equal, const void *key);
void table_add(struct table *t, uint64_t hash, struct table_node *node);
void table_remove(struct table *t, struct table_node *node);

/* Any member, or NULL: for emptying a table. */
static inline struct table_node *table_any(const struct table *t)
{
	return t->len ? table_next(t, NULL) : NULL;
}
