/*
 * Creating the database, by way of one that every server has. Several of us
 * may do so at the same time, and all but one come late: that is no error.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>
#include <time.h>

enum {
	ATTEMPTS = 50,
	PAUSE_MS = 100
};

static const char *const doors[] = { "postgres", "template1" };

static int connect_elsewhere(struct run *run, struct db **ret_db)
{
	int r = DB_E_LOST;

	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		r = run_connect(run, doors[i], ret_db);
		if (!r)
			break;
	}
	return r;
}

/* In UTF-8 also when the server's template is in something else. */
static int create_statement(struct db *db, const char *dbname, char **ret_sql)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(buf_deinit) struct buf sql = { 0 };
	int r;

	r = db_query(db,
		"SELECT pg_catalog.pg_encoding_to_char(encoding) = 'UTF8' "
		"FROM pg_database WHERE datname = 'template1'",
		NULL, &rows);
	if (r)
		return r;
	buf_append_str(&sql, "CREATE DATABASE ");
	db_put_name(&sql, dbname);
	if (!db_rows_count(rows) || !db_rows_is_true(rows, 0, 0))
		buf_append_str(&sql, " TEMPLATE template0 ENCODING 'UTF8'");
	*ret_sql = buf_take_str(&sql);
	return 0;
}

/* Somebody was faster: the name is there, or just being written. */
static bool is_there(const struct db_fault *fault)
{
	return db_fault_is(fault, "42P04") || db_fault_is(fault, "23505");
}

static int create(struct db *db, const char *sql)
{
	struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int r = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		r = db_query(db, sql, NULL, NULL);
		/* 55006: somebody else is using the template just now. */
		if (!r || !db_fault_is(db_fault(db), "55006"))
			break;
		nanosleep(&pause, NULL);
	}
	return r && is_there(db_fault(db)) ? 0 : r;
}

/* The way out, when this role cannot create it. */
static int tell_rights(struct run *run, const char *dbname, const char *why)
{
	CLEANUP(freep) char *name = run_quote(dbname);
	CLEANUP(freep) char *role = run_quote(run->upstream->user);

	run_say(run, LOG_ERROR,
		"failed: database %s does not exist, and %s. As an "
		"administrator: CREATE DATABASE %s OWNER %s ENCODING 'UTF8'; "
		"or give the role the right: ALTER ROLE %s CREATEDB;",
		name, why, name, role, role);
	return MIGRATE_E_RIGHTS;
}

int database_create(struct run *run)
{
	const char *dbname = run->upstream->dbname;
	CLEANUP(db_destroyp) struct db *db = NULL;
	CLEANUP(freep) char *sql = NULL;
	int r;

	r = connect_elsewhere(run, &db);
	if (r)
		return tell_rights(run, dbname,
			"this role gets into neither postgres nor template1 "
			"to create it");
	r = create_statement(db, dbname, &sql);
	if (!r) {
		run_say(run, LOG_INFO, "creating database \"%s\"", dbname);
		db_set_timeout(db, 0);
		r = create(db, sql);
	}
	if (!r)
		return 0;
	if (db_fault_is(db_fault(db), "42501"))
		return tell_rights(run, dbname, "this role may not create it");
	run->fault = *db_fault(db);
	return run_fail(run, "creating the database");
}
