/*
 * Prisma's migration lock, taken for a transaction: it excludes Prisma's
 * session lock on the same number like any other holder, and it cannot be
 * left behind. It is tried first, to be able to tell who is waited for.
 */
#include "migrate/migrate_priv.h"

static void say_holder(const struct run *run)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("inspect", "lock_holder");

	if (db_query(run->db, sql, DB_PARAMS(PRISMA_LOCK), &rows) ||
		!db_rows_count(rows))
		return;
	run_say(run, LOG_WARN,
		"waiting for Prisma's migration lock (" PRISMA_LOCK
		"), held by process %s: %s, role %s, from %s, %s",
		db_rows_text(rows, 0, 0), db_rows_text(rows, 0, 1),
		db_rows_text(rows, 0, 2), db_rows_text(rows, 0, 3),
		db_rows_text(rows, 0, 4));
}

int lock_set_timeout(const struct run *run, uint64_t timeout_ms)
{
	CLEANUP(freep) char *sql = NULL;

	sql = xasprintf("SET LOCAL lock_timeout = %llu",
		(unsigned long long)timeout_ms);
	return db_query(run->db, sql, NULL, NULL);
}

static int take(const struct run *run, uint64_t timeout_ms)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	int r;

	r = db_query(run->db,
		"SELECT pg_catalog.pg_try_advisory_xact_lock(" PRISMA_LOCK ")",
		NULL, &rows);
	if (r)
		return r;
	if (db_rows_is_true(rows, 0, 0))
		return 0;
	say_holder(run);
	r = lock_set_timeout(run, timeout_ms);
	if (r)
		return r;
	db_set_timeout(run->db, timeout_ms + QUERY_TIMEOUT_MS);
	r = db_query(run->db,
		"SELECT pg_catalog.pg_advisory_xact_lock(" PRISMA_LOCK ")",
		NULL, NULL);
	db_set_timeout(run->db, QUERY_TIMEOUT_MS);
	return r;
}

int lock_prisma(const struct run *run)
{
	uint64_t timeout_ms = run->options->lock_timeout_ms;
	int r;

	if (!timeout_ms)
		timeout_ms = PRISMA_LOCK_TIMEOUT_MS;
	r = take(run, timeout_ms);
	if (r && db_fault_is(db_fault(run->db), "55P03")) {
		run_say(run, LOG_ERROR,
			"failed: another migration still runs after %llu ms; "
			"try again when it is done, or end that process: "
			"SELECT pg_terminate_backend(pid)",
			(unsigned long long)timeout_ms);
		return MIGRATE_E_BUSY;
	}
	return r ? run_fail(run, "taking Prisma's migration lock") : 0;
}
