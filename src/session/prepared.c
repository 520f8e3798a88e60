#include "session/prepared.h"

#include <stdlib.h>

struct names {
	struct table table;
};

/* PostgreSQL knows names by their first 63 bytes, longer ones included. */
static struct slice key_of(struct slice text)
{
	return slice_of(text.data, MIN(text.len, 63));
}

static bool name_equal(const struct table_node *node, const void *key)
{
	const struct name *n = container_of(node, struct name, node);

	return slice_equal(
		key_of(slice_of(n->text, n->len)), *(const struct slice *)key);
}

struct name *names_find(struct session *s, struct slice text)
{
	struct slice key = key_of(text);
	struct table_node *node;

	if (!s->names)
		return NULL;
	node = table_find(&s->names->table,
		table_hash(&s->names->table, key.data, key.len), name_equal,
		&key);
	return node ? container_of(node, struct name, node) : NULL;
}

struct name *names_add(
	struct session *s, struct slice text, struct statement *st)
{
	struct name *n = xcalloc(1, sizeof(*n) + text.len);

	n->statement = statement_ref(st);
	n->n_refs = 1;
	n->len = (uint32_t)text.len;
	memcpy(n->text, text.data, text.len);
	names_put_back(s, n);
	return n;
}

void names_put_back(struct session *s, struct name *n)
{
	struct slice key = key_of(slice_of(n->text, n->len));

	if (n->is_listed)
		return;
	if (!s->names) {
		s->names = xnew(struct names);
		table_init(&s->names->table);
	}
	table_add(&s->names->table,
		table_hash(&s->names->table, key.data, key.len), &n->node);
	n->is_listed = true;
	n->n_refs++;
}

void names_remove(struct session *s, struct name *n)
{
	if (!n->is_listed)
		return;
	table_remove(&s->names->table, &n->node);
	n->is_listed = false;
	if (!s->names->table.len) {
		table_deinit(&s->names->table);
		free(s->names);
		s->names = NULL;
	}
	name_unref(n);
}

struct name *name_ref(struct name *n)
{
	n->n_refs++;
	return n;
}

void name_unref(struct name *n)
{
	if (!n || --n->n_refs)
		return;
	statement_unref(n->statement);
	free(n);
}

struct name *names_any(struct session *s)
{
	if (!s->names)
		return NULL;
	return container_of(table_any(&s->names->table), struct name, node);
}

void names_clear(struct session *s)
{
	while (s->names)
		names_remove(s, names_any(s));
}

size_t names_count(const struct session *s)
{
	return s->names ? s->names->table.len : 0;
}
