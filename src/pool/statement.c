/*
 * Interned statements. Clients' names for a statement are their own; on the
 * server every text has one name, shared by all clients that prepared it.
 */
#include "pool/pool_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct statement_key {
	struct settings *under;
	struct slice sql;
	struct slice oids;
};

static bool statement_equal(const struct table_node *node, const void *key)
{
	const struct statement *st = container_of(node, struct statement, node);
	const struct statement_key *k = key;

	return st->under == k->under && slice_equal(st->sql, k->sql) &&
	       slice_equal(st->oids, k->oids);
}

static struct statement *statement_create(struct flavour *flavour,
	const struct statement_key *key, uint16_t n_oids)
{
	struct statement *st = xnew(struct statement);
	char *block = xrealloc(NULL, key->sql.len + key->oids.len + 1);

	memcpy(block, key->sql.data, key->sql.len);
	if (key->oids.len)
		memcpy(block + key->sql.len, key->oids.data, key->oids.len);
	st->flavour = flavour;
	st->n_refs = 1;
	st->n_oids = n_oids;
	st->id = ++flavour->pool->pools->n_ids;
	snprintf(st->server_name, sizeof(st->server_name), "howdah_%" PRIx64,
		st->id);
	st->under = settings_ref(key->under);
	st->sql = slice_of(block, key->sql.len);
	st->oids = slice_of(block + key->sql.len, key->oids.len);
	return st;
}

struct statement *statement_intern(struct flavour *flavour,
	struct settings *under, struct slice sql, uint16_t n_oids,
	struct slice oids)
{
	struct statement_key key = { under, sql, oids };
	struct table *table = &flavour->statements;
	uint64_t hash = table_hash(table, sql.data, sql.len);
	struct table_node *node;
	struct statement *st;

	hash = table_hash_more(table, hash, oids.data, oids.len);
	node = table_find(table, hash, statement_equal, &key);
	if (node)
		return statement_ref(
			container_of(node, struct statement, node));
	st = statement_create(flavour_ref(flavour), &key, n_oids);
	table_add(table, hash, &st->node);
	return st;
}

struct statement *statement_ref(struct statement *st)
{
	if (st)
		st->n_refs++;
	return st;
}

void statement_unref(struct statement *st)
{
	struct flavour *flavour;

	if (!st || --st->n_refs)
		return;
	flavour = st->flavour;
	table_remove(&flavour->statements, &st->node);
	settings_unref(flavour->pool->pools, st->under);
	free((char *)st->sql.data);
	free(st);
	flavour_unref(flavour);
}
