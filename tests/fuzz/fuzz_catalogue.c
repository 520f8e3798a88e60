/*
 * src/migrate/catalogue.c, diff_*.c: any bytes as the answers of a server
 * about its tables. A byte begins each cell: what it is of, NULL, a name the
 * chat tables have, or so many bytes of the input. What is to be done about
 * them is one whole statement each.
 */
#include <stdlib.h>

#include "db/db_priv.h"
#include "migrate/migrate_priv.h"
/* Of wire/sql as well, under another name than migrate's. */
#define sql_statement sql_scan_statement
#include "wire/sql/sql.h"
#undef sql_statement

enum {
	ROWS_MAX = 8,
	COLUMNS_MAX = 8,
	BYTES_MAX = 64, /* a name's, as PostgreSQL has them */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const words[] = { "t", "f", "r", "p", "e", "c", "n", "id",
	"User", "Thread", "Step", "Element", "Feedback", PRISMA_TABLE, "text",
	"uuid", "jsonb", "timestamp(3) without time zone", "identifier",
	"threadId", "parentId", "stepId", "createdAt", "User_pkey", "name",
	"type", "run", "tool", "\"" };

/* 0: NULL; a word; or the bytes that follow. */
static void set_cell(PGresult *result, int row, int column, struct reader *r)
{
	uint8_t kind = reader_u8(r);
	struct slice text;
	CLEANUP(freep) char *copy = NULL;

	if (!kind) {
		PQsetvalue(result, row, column, NULL, -1);
		return;
	}
	if (kind <= ARRAY_SIZE(words))
		text = slice_str(words[kind - 1]);
	else
		text = reader_bytes(
			r, MIN((size_t)kind % BYTES_MAX, reader_left(r)));
	copy = slice_dup(text); /* a server's texts hold no NUL */
	PQsetvalue(result, row, column, copy, (int)strlen(copy));
}

static struct db_rows *read_rows(struct reader *r)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc names[COLUMNS_MAX] = { 0 };
	char name[] = "x";
	uint8_t shape = reader_u8(r);
	int n_rows = (shape >> 4) % (ROWS_MAX + 1);
	int n_columns = (shape & 15) % (COLUMNS_MAX + 1);

	for (size_t i = 0; i < COLUMNS_MAX; i++)
		names[i].name = name;
	if (n_columns)
		PQsetResultAttrs(result, n_columns, names);
	for (int row = 0; n_columns && row < n_rows; row++)
		for (int column = 0; column < n_columns; column++)
			set_cell(result, row, column, r);
	return db_rows_of(result);
}

static void check_sql(const char *sql, uint32_t n_statements)
{
	struct sql_scanner scanner;
	const struct sql_summary *sum;

	if (!sql)
		return;
	sum = sql_scan(&scanner, slice_str(sql), true);
	check(!sum->is_incomplete && sum->n_statements == n_statements);
}

static void check_plan(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		check_sql(p->steps[i].sql, 1);
	for (size_t i = 0; i < p->n_findings; i++) {
		check(p->findings[i].what && *p->findings[i].what);
		check_sql(p->findings[i].guard, 1);
		check_sql(p->findings[i].guard_sql, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
	CLEANUP(plan_deinit) struct plan p = { 0 };
	struct reader r = reader_of(slice_of(copy, len));

	for (enum catalogue_part part = 0; part < CATALOGUE_PARTS; part++)
		catalogue_read(&c, part, read_rows(&r));
	diff_catalogue(&c, &p);
	check_plan(&p);
	return 0;
}
