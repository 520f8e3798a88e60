/*
 * `howdah uninstall`: takes away what is Howdah's own. Indexes go first and
 * concurrently, so that no writer of the application has to wait.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>

/* Statements to run, in order. */
struct list_of_sql {
	char **at;
	size_t n;
};

static void list_take(struct list_of_sql *l, char *sql)
{
	l->at = xrealloc(l->at, (l->n + 1) * sizeof(*l->at));
	l->at[l->n++] = sql;
}

static void list_deinit(struct list_of_sql *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i]);
	free(l->at);
}

static int find_indexes(struct run *run, struct list_of_sql *ret)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("uninstall", "indexes");

	if (db_query(run->db, sql, DB_PARAMS(CHAT_TABLE_NAMES), &rows))
		return run_fail(run, "looking for indexes");
	for (size_t i = 0; i < db_rows_count(rows); i++) {
		const char *texts[] = { db_rows_text(rows, i, 0),
			db_rows_text(rows, i, 1) };
		CLEANUP(freep) char *schema = run_quote(texts[0]);
		CLEANUP(freep) char *index = run_quote(texts[1]);

		list_take(ret,
			xasprintf("DROP INDEX CONCURRENTLY IF EXISTS %s.%s;",
				schema, index));
	}
	return 0;
}

static int find_schema(struct run *run, struct list_of_sql *ret)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("uninstall", "schema");

	if (db_query(run->db, sql, NULL, &rows))
		return run_fail(run, "looking for the schema howdah");
	if (!db_rows_count(rows))
		return 0;
	if (db_rows_is_true(rows, 0, 0))
		list_take(ret, xstrdup("DROP SCHEMA howdah CASCADE;"));
	else
		run_say(run, LOG_INFO,
			"the schema howdah is not Howdah's: its comment does "
			"not begin with \"Howdah's own\"; it stays");
	return 0;
}

static int run_all(struct run *run, const struct list_of_sql *l)
{
	int r;

	r = run_lock_indexes(run);
	if (r)
		return r;
	db_set_timeout(run->db, 0);
	for (size_t i = 0; i < l->n; i++) {
		run_say(run, LOG_INFO, "%s", l->at[i]);
		if (db_query(run->db, l->at[i], NULL, NULL))
			return run_fail(run, l->at[i]);
	}
	run_say(run, LOG_INFO, "done; the chat tables are as they were");
	return 0;
}

int uninstall_run(
	const struct upstream *upstream, const struct migrate_options *options)
{
	CLEANUP(run_deinit) struct run run = run_of(upstream, options);
	CLEANUP(list_deinit) struct list_of_sql todo = { 0 };
	int r;

	r = run_open(&run, "uninstall");
	if (r == MIGRATE_E_MISSING)
		return run_fail(&run, "connecting");
	if (!r)
		r = find_indexes(&run, &todo);
	if (!r)
		r = find_schema(&run, &todo);
	if (r)
		return r;
	if (!todo.n) {
		run_say(&run, LOG_INFO, "there is nothing of Howdah's");
		return 0;
	}
	if (options->is_certain)
		return run_all(&run, &todo);
	run_say(&run, LOG_INFO, "this would be run; --yes runs it:");
	for (size_t i = 0; i < todo.n; i++)
		run_say(&run, LOG_INFO, "%s", todo.at[i]);
	return 0;
}
