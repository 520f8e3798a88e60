/*
 * Reads what a database has of the chat tables. The answers are kept as they
 * came, and the arrays borrow their texts.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>

static void read_rights(const struct db_rows *rows, struct catalogue *c)
{
	c->can_create = db_rows_is_true(rows, 0, 0);
	c->has_pgcrypto = db_rows_is_true(rows, 0, 1);
	c->can_add_pgcrypto = db_rows_is_true(rows, 0, 2);
}

static void read_labels(const struct db_rows *rows, struct catalogue *c)
{
	size_t n = db_rows_count(rows);

	c->labels = xcalloc(n + 1, sizeof(*c->labels));
	for (size_t i = 0; i < n; i++) {
		c->type_kind = *db_rows_text(rows, i, 0);
		if (db_rows_slice(rows, i, 1).data)
			c->labels[c->n_labels++] = db_rows_text(rows, i, 1);
	}
}

static void read_tables(const struct db_rows *rows, struct catalogue *c)
{
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
}

static void read_columns(const struct db_rows *rows, struct catalogue *c)
{
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
}

static void read_indexes(const struct db_rows *rows, struct catalogue *c)
{
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
}

static void read_keys(const struct db_rows *rows, struct catalogue *c)
{
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
}

static void read_migrations(const struct db_rows *rows, struct catalogue *c)
{
	c->n_migrations = db_rows_count(rows);
	c->migrations = xcalloc(c->n_migrations + 1, sizeof(*c->migrations));
	for (size_t i = 0; i < c->n_migrations; i++)
		c->migrations[i] = (struct have_migration){
			.name = db_rows_text(rows, i, 0),
			.is_applied = db_rows_is_true(rows, i, 1),
			.is_failed = db_rows_is_true(rows, i, 2),
		};
}

/* What is asked, in this order; tables is the second parameter. */
static const struct {
	const char *question;
	const char *tables;
	void (*read)(const struct db_rows *rows, struct catalogue *c);
} asked[] = {
	[CATALOGUE_RIGHTS] = { "rights", NULL, read_rights },
	[CATALOGUE_LABELS] = { "labels", NULL, read_labels },
	[CATALOGUE_TABLES] = { "tables", ALL_TABLE_NAMES, read_tables },
	[CATALOGUE_COLUMNS] = { "columns", CHAT_TABLE_NAMES, read_columns },
	[CATALOGUE_INDEXES] = { "indexes", CHAT_TABLE_NAMES, read_indexes },
	[CATALOGUE_KEYS] = { "keys", CHAT_TABLE_NAMES, read_keys },
	[CATALOGUE_MIGRATIONS] = { "migrations", NULL, read_migrations },
};

void catalogue_read(
	struct catalogue *c, enum catalogue_part part, struct db_rows *rows)
{
	check(part < CATALOGUE_PARTS && !c->rows[part]);
	c->rows[part] = rows;
	asked[part].read(rows, c);
}

/* Runs one question of proto/sql/inspect.sql, and keeps its rows. */
static int load(struct db *db, const char *schema, enum catalogue_part part,
	struct catalogue *c)
{
	CLEANUP(freep)
	char *sql = sql_named("inspect", asked[part].question);
	struct db_rows *rows;
	int r;

	r = db_query(db, sql,
		part == CATALOGUE_MIGRATIONS
			? NULL
			: DB_PARAMS(schema, asked[part].tables),
		&rows);
	if (!r)
		catalogue_read(c, part, rows);
	return r;
}

int catalogue_load(struct db *db, const char *schema, struct catalogue *ret)
{
	const struct have_table *prisma;
	int r = 0;

	for (enum catalogue_part part = 0; !r && part < CATALOGUE_MIGRATIONS;
		part++)
		r = load(db, schema, part, ret);
	prisma = catalogue_table(ret, PRISMA_TABLE);
	if (!r && prisma && !prisma->is_hidden)
		r = load(db, schema, CATALOGUE_MIGRATIONS, ret);
	return r;
}

void catalogue_deinit(struct catalogue *c)
{
	free(c->labels);
	free(c->tables);
	free(c->columns);
	free(c->indexes);
	free(c->keys);
	free(c->migrations);
	for (size_t i = 0; i < ARRAY_SIZE(c->rows); i++)
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
