/*
 * src/migrate/catalogue.c: rows as a server sends them, with NULLs, with
 * values that are none of PostgreSQL's, and with columns cut off.
 */
#include "cut_help.h"

#include "db/db_priv.h"
#include "migrate/migrate_priv.h"

enum {
	COLUMNS = 8
};

/* Of the first columns of each row; a cell of "-" is NULL. */
static struct db_rows *make_rows(
	const char *const (*cells)[COLUMNS], size_t n_rows, int n_columns)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc names[COLUMNS] = { 0 };
	char name[] = "x";

	for (size_t i = 0; i < COLUMNS; i++)
		names[i].name = name;
	if (n_columns)
		assert_true(PQsetResultAttrs(result, n_columns, names));
	for (size_t i = 0; i < n_rows; i++) {
		for (int k = 0; k < n_columns; k++) {
			const char *cell = cells[i][k];
			bool is_null = !strcmp(cell, "-");

			assert_true(PQsetvalue(result, (int)i, k,
				is_null ? NULL : (char *)cell,
				is_null ? -1 : (int)strlen(cell)));
		}
	}
	return db_rows_of(result);
}

static void read_part(struct catalogue *c, enum catalogue_part part,
	const char *const (*cells)[COLUMNS], size_t n_rows, int n_columns)
{
	catalogue_read(c, part, make_rows(cells, n_rows, n_columns));
}

static const char *const rights[][COLUMNS] = { { "t", "f", "t" } };
static const char *const labels[][COLUMNS] = { { "e", "run" }, { "e", "-" },
	{ "e", "tool" } };
static const char *const tables[][COLUMNS] = { { "User", "r", "ann", "t", "f",
						       "t" },
	{ "_prisma_migrations", "v", "-", "maybe", "t", "-" } };
static const char *const columns[][COLUMNS] = { { "User", "id", "text", "text",
							"t", "-", "f" },
	{ "User", "a\"b", "timestamp(3) without time zone",
		"timestamp without time zone", "-", "now()", "t" } };
static const char *const indexes[][COLUMNS] = { { "User", "User_pkey", "t", "t",
	"t", "t", "id" } };
static const char *const keys[][COLUMNS] = { { "Step", "Step_threadId_fkey",
	"threadId", "Thread", "id", "c", "-", "t" } };
static const char *const migrations[][COLUMNS] = { { "20250103173917_init", "t",
	"f" } };

static void read_all(struct catalogue *c, int n_columns)
{
	read_part(c, CATALOGUE_RIGHTS, rights, ARRAY_SIZE(rights), n_columns);
	read_part(c, CATALOGUE_LABELS, labels, ARRAY_SIZE(labels), n_columns);
	read_part(c, CATALOGUE_TABLES, tables, ARRAY_SIZE(tables), n_columns);
	read_part(
		c, CATALOGUE_COLUMNS, columns, ARRAY_SIZE(columns), n_columns);
	read_part(
		c, CATALOGUE_INDEXES, indexes, ARRAY_SIZE(indexes), n_columns);
	read_part(c, CATALOGUE_KEYS, keys, ARRAY_SIZE(keys), n_columns);
	read_part(c, CATALOGUE_MIGRATIONS, migrations, ARRAY_SIZE(migrations),
		n_columns);
}

static void test_whole(void **state)
{
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };

	(void)state;
	read_part(&c, CATALOGUE_RIGHTS, rights, 1, 3);
	assert_true(c.can_create && c.can_add_pgcrypto && !c.has_pgcrypto);
	read_part(&c, CATALOGUE_LABELS, labels, 3, 2);
	assert_int_equal(c.type_kind, 'e');
	assert_int_equal(c.n_labels, 2);
	assert_string_equal(c.labels[1], "tool");
	read_part(&c, CATALOGUE_TABLES, tables, 2, 6);
	assert_true(catalogue_table(&c, "User")->is_ours);
	assert_int_equal(catalogue_table(&c, PRISMA_TABLE)->kind, 'v');
	assert_string_equal(catalogue_table(&c, PRISMA_TABLE)->owner, "");
	assert_false(catalogue_table(&c, PRISMA_TABLE)->is_ours);
	assert_true(catalogue_table(&c, PRISMA_TABLE)->is_hidden);
	assert_true(catalogue_table(&c, "User")->is_barred);
	assert_null(catalogue_table(&c, "user"));
	read_part(&c, CATALOGUE_COLUMNS, columns, 2, 7);
	assert_true(catalogue_column(&c, "User", "id")->is_not_null);
	assert_string_equal(catalogue_column(&c, "User", "id")->def, "");
	assert_true(catalogue_column(&c, "User", "a\"b")->is_generated);
	assert_null(catalogue_column(&c, "Step", "id"));
	read_part(&c, CATALOGUE_INDEXES, indexes, 1, 7);
	assert_true(c.indexes[0].is_primary && c.indexes[0].is_plain);
	assert_string_equal(c.indexes[0].columns, "id");
	read_part(&c, CATALOGUE_KEYS, keys, 1, 8);
	assert_int_equal(c.keys[0].on_delete, 'c');
	assert_int_equal(c.keys[0].on_update, '\0');
	assert_true(c.keys[0].is_valid);
	read_part(&c, CATALOGUE_MIGRATIONS, migrations, 1, 3);
	assert_true(c.migrations[0].is_applied && !c.migrations[0].is_failed);
}

/* Whoever answers may be no PostgreSQL: what it leaves out is empty. */
static void test_columns_cut(void **state)
{
	(void)state;
	for (int n = 0; n <= COLUMNS; n++) {
		CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
		CLEANUP(plan_deinit) struct plan p = { 0 };

		if (n == 0 || n >= 8)
			continue;
		read_part(&c, CATALOGUE_RIGHTS, rights, 1, MIN(n, 3));
		read_part(&c, CATALOGUE_LABELS, labels, 3, MIN(n, 2));
		read_part(&c, CATALOGUE_TABLES, tables, 2, MIN(n, 6));
		read_part(&c, CATALOGUE_COLUMNS, columns, 2, MIN(n, 7));
		read_part(&c, CATALOGUE_INDEXES, indexes, 1, MIN(n, 7));
		read_part(&c, CATALOGUE_KEYS, keys, 1, n);
		read_part(&c, CATALOGUE_MIGRATIONS, migrations, 1, MIN(n, 3));
		assert_int_equal(c.n_tables, 2);
		assert_string_equal(c.tables[0].name, "User");
		assert_int_equal(c.keys[0].is_valid, n >= 8);
		diff_catalogue(&c, &p);
		assert_true(p.n_findings > 0);
	}
}

static void test_nothing(void **state)
{
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };

	(void)state;
	read_all(&c, 0);
	assert_false(c.can_create);
	assert_int_equal(c.n_tables, 0);
}

/* Names are anybody's: what is done about them is SQL of one statement. */
static void test_names_are_quoted(void **state)
{
	static const char *const bad[][COLUMNS] = { { "Step",
		"x\"; DROP TABLE \"User", "threadId", "Thread", "id", "c", "c",
		"f" } };
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
	CLEANUP(plan_deinit) struct plan p = { 0 };
	bool is_found = false;

	(void)state;
	read_part(&c, CATALOGUE_KEYS, bad, 1, 8);
	diff_keys(&c, "Step", &p);
	for (size_t i = 0; i < p.n_steps; i++)
		if (strstr(p.steps[i].sql,
			    "CONSTRAINT \"x\"\"; DROP TABLE \"\"User\";"))
			is_found = true;
	assert_true(is_found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_columns_cut),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_names_are_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
