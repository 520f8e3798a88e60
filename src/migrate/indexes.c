/*
 * Howdah's own indexes (proto/sql/indexes.sql), built while the application
 * goes on. CREATE INDEX CONCURRENTLY runs in transactions of its own; when it
 * is interrupted it leaves an invalid index behind, which costs writes and
 * serves nobody. Whoever holds MIGRATE_INDEX_LOCK is alone, so an invalid
 * index is a leftover then, not somebody's work: an interrupted builder's
 * server process keeps the lock until it has ended.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>

static const char *const session[] = {
	"SET SESSION statement_timeout = 0",
	"SET SESSION lock_timeout = 0",
	"SET SESSION default_transaction_read_only = off",
};

static int prepare_session(struct run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(session); i++)
		if (db_query(run->db, session[i], NULL, NULL))
			return run_fail(run, session[i]);
	return run_enter_schema(run, false);
}

static int find_own(struct run *run, struct db_rows **ret_rows)
{
	CLEANUP(freep) char *sql = sql_named("inspect", "own_indexes");

	return db_query(run->db, sql, DB_PARAMS(run->schema, CHAT_TABLE_NAMES),
		       ret_rows)
		       ? run_fail(run, "looking for indexes")
		       : 0;
}

/* Runs a statement that may take long, or prints it. */
static int do_long(struct run *run, const char *doing, const char *sql)
{
	if (run->options->is_dry_run) {
		run_say(run, LOG_INFO, "%s", sql);
		return 0;
	}
	run_say(run, LOG_INFO, "%s", doing);
	db_set_timeout(run->db, 0);
	if (db_query(run->db, sql, NULL, NULL))
		return run_fail(run, doing);
	db_set_timeout(run->db, QUERY_TIMEOUT_MS);
	return 0;
}

static int drop_index(struct run *run, const char *name)
{
	CLEANUP(freep) char *schema = run_quote(run->schema);
	CLEANUP(freep) char *index = run_quote(name);
	CLEANUP(freep) char *doing = xasprintf("dropping index %s", index);
	CLEANUP(freep) char *sql = NULL;

	sql = xasprintf(
		"DROP INDEX CONCURRENTLY IF EXISTS %s.%s;", schema, index);
	return do_long(run, doing, sql);
}

static int drop_leftovers(struct run *run, const struct db_rows *own)
{
	for (size_t i = 0; i < db_rows_count(own); i++) {
		const char *name = db_rows_text(own, i, 0);
		int r;

		if (db_rows_is_true(own, i, 2))
			continue;
		if (run->options->is_status) {
			run_say(run, LOG_INFO,
				"wrong    index \"%s\" is invalid: its making "
				"was interrupted, or goes on",
				name);
			continue;
		}
		r = drop_index(run, name);
		if (r)
			return r;
	}
	return 0;
}

static bool is_valid(const struct db_rows *own, struct slice name)
{
	for (size_t i = 0; i < db_rows_count(own); i++)
		if (slice_equal(db_rows_slice(own, i, 0), name))
			return db_rows_is_true(own, i, 2);
	return false;
}

/* A script of its own, for psql: the tables' has ended with its COMMIT. */
static void say_schema(const struct run *run)
{
	CLEANUP(freep) char *schema = run_quote(run->schema);

	run_say(run, LOG_INFO, "SET search_path = %s;", schema);
}

static int build(struct run *run, const struct sql_statement *s, bool is_there)
{
	CLEANUP(freep) char *sql = slice_dup(s->text);
	CLEANUP(freep) char *name = slice_dup(s->name);
	CLEANUP(freep) char *doing = xasprintf("building index \"%s\"", name);

	if (!run->options->is_status && is_there)
		return 0;
	if (run->options->is_dry_run && run->schema)
		say_schema(run);
	if (!run->options->is_status)
		return do_long(run, doing, sql);
	run_say(run, LOG_INFO, "%s  index \"%s\"",
		is_there ? "ok     " : "missing", name);
	return is_there ? 0 : MIGRATE_E_MISSING;
}

static int build_all(struct run *run, const struct db_rows *own)
{
	struct slice script = sql_file("indexes");
	struct sql_statement s;
	int outcome = 0;

	while (sql_next(&script, &s)) {
		int r = build(run, &s, own && is_valid(own, s.name));

		if (r && r != MIGRATE_E_MISSING)
			return r;
		outcome = r ? r : outcome;
	}
	return outcome;
}

static void on_wait(void *user, uint64_t waited_ms)
{
	run_say(user, LOG_INFO, "still building after %llu s",
		(unsigned long long)waited_ms / 1000);
}

static int build_missing(struct run *run)
{
	CLEANUP(db_rows_destroyp) struct db_rows *own = NULL;
	bool is_reader = run->options->is_status || run->options->is_dry_run;
	int r;

	r = prepare_session(run);
	if (!r && !is_reader)
		r = run_lock_indexes(run);
	if (!r)
		r = find_own(run, &own);
	if (r)
		return r;
	db_set_wait(run->db, on_wait, run);
	r = drop_leftovers(run, own);
	if (!r)
		r = build_all(run, own);
	if (!r && !is_reader)
		run_say(run, LOG_INFO, "the indexes are there");
	return r;
}

int migrate_indexes(
	const struct upstream *upstream, const struct migrate_options *options)
{
	CLEANUP(run_deinit) struct run run = run_of(upstream, options);
	int r = run_open(&run, "indexes");

	if (r == MIGRATE_E_MISSING && options->is_dry_run)
		return build_all(&run, NULL);
	if (r == MIGRATE_E_MISSING && !options->is_status)
		return run_fail(&run, "connecting");
	return r ? r : build_missing(&run);
}
