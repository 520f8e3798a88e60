/*
 * Interned lists of settings. A thousand clients that all SET the same few
 * things share one list, and comparing a client's list with a backend's is
 * comparing two pointers.
 */
#include "pool/pool_priv.h"

#include <stdlib.h>

struct settings {
	struct table_node node;
	uint32_t n_refs;
	uint32_t len;
	char pairs[];
};

static bool settings_equal(const struct table_node *node, const void *key)
{
	const struct settings *s = container_of(node, struct settings, node);
	const struct slice *pairs = key;

	return slice_equal(slice_of(s->pairs, s->len), *pairs);
}

struct settings *settings_intern(struct pools *pools, struct slice pairs)
{
	uint64_t hash = table_hash(&pools->settings, pairs.data, pairs.len);
	struct table_node *node;
	struct settings *s;

	if (!pairs.len)
		return NULL;
	node = table_find(&pools->settings, hash, settings_equal, &pairs);
	if (node)
		return settings_ref(container_of(node, struct settings, node));
	s = xcalloc(1, sizeof(*s) + pairs.len);
	s->n_refs = 1;
	s->len = (uint32_t)pairs.len;
	memcpy(s->pairs, pairs.data, pairs.len);
	table_add(&pools->settings, hash, &s->node);
	return s;
}

struct settings *settings_ref(struct settings *s)
{
	if (s)
		s->n_refs++;
	return s;
}

void settings_unref(struct pools *pools, struct settings *s)
{
	if (!s || --s->n_refs)
		return;
	table_remove(&pools->settings, &s->node);
	free(s);
}

struct slice settings_pairs(const struct settings *s)
{
	return s ? slice_of(s->pairs, s->len) : (struct slice){ 0 };
}
