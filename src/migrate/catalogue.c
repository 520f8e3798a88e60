/*
 * Reads what a database has of the chat tables. The answers are kept as they
 * came, and the arrays borrow their texts.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>

/* Runs one question of proto/sql/inspect.sql, and keeps its rows. */
static int ask(struct db *db, const char *name, const char *const *params,
	struct catalogue *c, const struct db_rows **ret_rows)
{
	CLEANUP(freep) char *sql = sql_named("inspect", name);
	struct db_rows *rows;
	int r;

	check(c->n_rows < ARRAY_SIZE(c->rows));
	r = db_query(db, sql, params, &rows);
	if (r)
		return r;
	c->rows[c->n_rows++] = rows;
	*ret_rows = rows;
	return 0;
}

static int load_rights(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	int r;

	r = ask(db, "rights", DB_PARAMS(schema), c, &rows);
	if (r)
		return r;
	c->can_create = db_rows_is_true(rows, 0, 0);
	c->has_pgcrypto = db_rows_is_true(rows, 0, 1);
	c->can_add_pgcrypto = db_rows_is_true(rows, 0, 2);
	return 0;
}

static int load_labels(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	size_t n;
	int r;

	r = ask(db, "labels", DB_PARAMS(schema), c, &rows);
	if (r)
		return r;
	n = db_rows_count(rows);
	c->labels = xcalloc(n + 1, sizeof(*c->labels));
	for (size_t i = 0; i < n; i++) {
		c->type_kind = *db_rows_text(rows, i, 0);
		if (db_rows_slice(rows, i, 1).data)
			c->labels[c->n_labels++] = db_rows_text(rows, i, 1);
	}
	return 0;
}

static int load_tables(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	int r;

	r = ask(db, "tables", DB_PARAMS(schema, ALL_TABLE_NAMES), c, &rows);
	if (r)
		return r;
	c->n_tables = db_rows_count(rows);
	c->tables = xcalloc(c->n_tables + 1, sizeof(*c->tables));
	for (size_t i = 0; i < c->n_tables; i++)
		c->tables[i] = (struct have_table){
			.name = db_rows_text(rows, i, 0),
			.kind = *db_rows_text(rows, i, 1),
			.owner = db_rows_text(rows, i, 2),
			.is_ours = db_rows_is_true(rows, i, 3),
			.is_hidden = db_rows_is_true(rows, i, 4),
			.is_barred = db_rows_is_true(rows, i, 5),
		};
	return 0;
}

static int load_columns(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	int r;

	r = ask(db, "columns", DB_PARAMS(schema, CHAT_TABLE_NAMES), c, &rows);
	if (r)
		return r;
	c->n_columns = db_rows_count(rows);
	c->columns = xcalloc(c->n_columns + 1, sizeof(*c->columns));
	for (size_t i = 0; i < c->n_columns; i++)
		c->columns[i] = (struct have_column){
			.table = db_rows_text(rows, i, 0),
			.name = db_rows_text(rows, i, 1),
			.type = db_rows_text(rows, i, 2),
			.base = db_rows_text(rows, i, 3),
			.is_not_null = db_rows_is_true(rows, i, 4),
			.def = db_rows_text(rows, i, 5),
			.is_generated = db_rows_is_true(rows, i, 6),
		};
	return 0;
}

static int load_indexes(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	int r;

	r = ask(db, "indexes", DB_PARAMS(schema, CHAT_TABLE_NAMES), c, &rows);
	if (r)
		return r;
	c->n_indexes = db_rows_count(rows);
	c->indexes = xcalloc(c->n_indexes + 1, sizeof(*c->indexes));
	for (size_t i = 0; i < c->n_indexes; i++)
		c->indexes[i] = (struct have_index){
			.table = db_rows_text(rows, i, 0),
			.name = db_rows_text(rows, i, 1),
			.is_primary = db_rows_is_true(rows, i, 2),
			.is_unique = db_rows_is_true(rows, i, 3),
			.is_valid = db_rows_is_true(rows, i, 4),
			.is_plain = db_rows_is_true(rows, i, 5),
			.columns = db_rows_text(rows, i, 6),
		};
	return 0;
}

static int load_keys(struct db *db, const char *schema, struct catalogue *c)
{
	const struct db_rows *rows;
	int r;

	r = ask(db, "keys", DB_PARAMS(schema, CHAT_TABLE_NAMES), c, &rows);
	if (r)
		return r;
	c->n_keys = db_rows_count(rows);
	c->keys = xcalloc(c->n_keys + 1, sizeof(*c->keys));
	for (size_t i = 0; i < c->n_keys; i++)
		c->keys[i] = (struct have_key){
			.table = db_rows_text(rows, i, 0),
			.name = db_rows_text(rows, i, 1),
			.column = db_rows_text(rows, i, 2),
			.target = db_rows_text(rows, i, 3),
			.target_column = db_rows_text(rows, i, 4),
			.on_delete = *db_rows_text(rows, i, 5),
			.on_update = *db_rows_text(rows, i, 6),
			.is_valid = db_rows_is_true(rows, i, 7),
		};
	return 0;
}

static int load_migrations(struct db *db, struct catalogue *c)
{
	const struct have_table *table = catalogue_table(c, PRISMA_TABLE);
	const struct db_rows *rows;
	int r;

	if (!table || table->is_hidden)
		return 0;
	r = ask(db, "migrations", NULL, c, &rows);
	if (r)
		return r;
	c->n_migrations = db_rows_count(rows);
	c->migrations = xcalloc(c->n_migrations + 1, sizeof(*c->migrations));
	for (size_t i = 0; i < c->n_migrations; i++)
		c->migrations[i] = (struct have_migration){
			.name = db_rows_text(rows, i, 0),
			.is_applied = db_rows_is_true(rows, i, 1),
			.is_failed = db_rows_is_true(rows, i, 2),
		};
	return 0;
}

int catalogue_load(struct db *db, const char *schema, struct catalogue *ret)
{
	typedef int load_fn(struct db *, const char *, struct catalogue *);
	static load_fn *const loads[] = { load_rights, load_labels, load_tables,
		load_columns, load_indexes, load_keys };

	for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
		int r = loads[i](db, schema, ret);

		if (r)
			return r;
	}
	return load_migrations(db, ret);
}

void catalogue_deinit(struct catalogue *c)
{
	free(c->labels);
	free(c->tables);
	free(c->columns);
	free(c->indexes);
	free(c->keys);
	free(c->migrations);
	for (size_t i = 0; i < c->n_rows; i++)
		db_rows_destroy(c->rows[i]);
	*c = (struct catalogue){ 0 };
}

const struct have_table *catalogue_table(
	const struct catalogue *c, const char *name)
{
	for (size_t i = 0; i < c->n_tables; i++)
		if (!strcmp(c->tables[i].name, name))
			return &c->tables[i];
	return NULL;
}

const struct have_column *catalogue_column(
	const struct catalogue *c, const char *table, const char *name)
{
	for (size_t i = 0; i < c->n_columns; i++)
		if (!strcmp(c->columns[i].table, table) &&
			!strcmp(c->columns[i].name, name))
			return &c->columns[i];
	return NULL;
}
