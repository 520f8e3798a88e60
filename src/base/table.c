#include "base/table.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"

enum {
	TABLE_FIRST = 8
};

void table_init(struct table *t)
{
	*t = (struct table){ 0 };
	check(getrandom(t->key, sizeof(t->key), 0) == sizeof(t->key));
}

void table_deinit(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->n_slots = 0;
	t->len = 0;
}

static inline uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

uint64_t sip_hash(
	const uint64_t key[2], uint64_t so_far, const void *data, size_t len)
{
	struct sip s = {
		key[0] ^ 0x736f6d6570736575 ^ so_far,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	const char *at = data;
	uint64_t word;
	size_t left = len;

	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	word = 0;
	if (left)
		memcpy(&word, at, left);
	word |= (uint64_t)len << 56;
	s.v3 ^= word;
	sip_round(&s);
	s.v0 ^= word;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t table_hash_more(
	const struct table *t, uint64_t so_far, const void *data, size_t len)
{
	return sip_hash(t->key, so_far, data, len);
}

uint64_t table_hash(const struct table *t, const void *data, size_t len)
{
	return table_hash_more(t, 0, data, len);
}

struct table_node *table_find(const struct table *t, uint64_t hash,
	table_equal_fn *equal, const void *key)
{
	struct table_node *node;

	if (!t->n_slots)
		return NULL;
	node = t->slots[hash & (t->n_slots - 1)];
	while (node && !(node->hash == hash && equal(node, key)))
		node = node->next;
	return node;
}

static void table_grow(struct table *t)
{
	size_t n = t->n_slots ? t->n_slots * 2 : TABLE_FIRST;
	struct table_node **slots = xcalloc(n, sizeof(*slots));

	for (size_t i = 0; i < t->n_slots; i++) {
		struct table_node *node = t->slots[i];

		while (node) {
			struct table_node *next = node->next;
			struct table_node **slot = &slots[node->hash & (n - 1)];

			node->next = *slot;
			*slot = node;
			node = next;
		}
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n;
}

void table_add(struct table *t, uint64_t hash, struct table_node *node)
{
	struct table_node **slot;

	if (t->len >= t->n_slots)
		table_grow(t);
	slot = &t->slots[hash & (t->n_slots - 1)];
	node->hash = hash;
	node->next = *slot;
	*slot = node;
	t->len++;
}

void table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at = &t->slots[node->hash & (t->n_slots - 1)];

	while (*at != node) {
		check(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	t->len--;
}

struct table_node *table_next(
	const struct table *t, const struct table_node *node)
{
	size_t i = 0;

	if (node && node->next)
		return node->next;
	if (node)
		i = (node->hash & (t->n_slots - 1)) + 1;
	for (; i < t->n_slots; i++)
		if (t->slots[i])
			return t->slots[i];
	return NULL;
}
