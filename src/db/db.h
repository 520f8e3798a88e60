#pragma once

/*
 * Howdah's own statements, over libpq's asynchronous calls.
 *
 * struct db is one connection for a process that has nothing else to do
 * (migrate, check, uninstall): its calls return when the server has answered
 * or when the time is over, and never later, names apart: looking one up is
 * bounded by the resolver alone.
 *
 * Texts that go in are NUL-terminated. Values come back in text format, with
 * client_encoding UTF8. Notices go to the log, passwords go nowhere.
 */
#include "base/base.h"
#include "config/config.h"

enum {
	DB_E_LOST = 1,	  /* no connection, or it broke */
	DB_E_SERVER = 2,  /* the server refused: see the SQLSTATE */
	DB_E_TIMEOUT = 3, /* cancelled; the server may have done it or not */
};

/* How far a login came. */
enum db_stage {
	DB_RESOLVE,
	DB_CONNECT,
	DB_TLS,
	DB_LOGIN,
	DB_READY
};

/* What the server said, or libpq in its place. */
struct db_fault {
	enum db_stage stage;
	char sqlstate[6]; /* "" when it is not from the server */
	char message[512];
	char detail[512];
	char hint[256];
};

struct db_options {
	const char *dbname;	      /* NULL: the upstream's */
	const char *application_name; /* NULL: the upstream's, or "howdah" */
	bool is_writer;		     /* only a host that takes writes will do */
	uint64_t connect_timeout_ms; /* for all hosts together; 0: never */
};

struct db;
struct db_rows;

/* Called about every 5 seconds while the server works on a statement. */
typedef void db_wait_fn(void *user, uint64_t waited_ms);

/*
 * Logs in at the first host of the upstream that lets us, each address of
 * each host in turn. Every parameter of the upstream is handed to libpq, and
 * nothing else counts: libpq's variables (PGHOST, ...) are taken out of the
 * environment of this process. 0, or an outcome with *ret_fault set by the
 * attempt that came furthest.
 */
int db_create(const struct upstream *upstream, const struct db_options *options,
	struct db_fault *ret_fault, struct db **ret_db);
void db_destroy(struct db *db);
void db_destroyp(struct db **db);

/* For all statements from now on; 0: they may take for ever. */
void db_set_timeout(struct db *db, uint64_t timeout_ms);
void db_set_wait(struct db *db, db_wait_fn *wait, void *user);

/* The parameters of a statement, $1 first: DB_PARAMS("public", name). */
#define DB_PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/*
 * Runs one statement. params is NULL-terminated, NULL: none. 0, with
 * *ret_rows to destroy unless ret_rows is NULL; or an outcome, told by
 * db_fault().
 */
int db_query(struct db *db, const char *sql, const char *const *params,
	struct db_rows **ret_rows);

/*
 * Runs several statements, separated by semicolons, in one transaction unless
 * they say otherwise. Rows are dropped. Outcomes as db_query().
 */
int db_script(struct db *db, const char *sql);

/* What the last outcome was about. */
const struct db_fault *db_fault(const struct db *db);

/* Appends "message (SQLSTATE); detail; hint". */
void db_fault_put(const struct db_fault *fault, struct buf *ret);
bool db_fault_is(const struct db_fault *fault, const char *sqlstate);

size_t db_rows_count(const struct db_rows *rows);
int db_rows_columns(const struct db_rows *rows);

/* Borrowed from the rows. The slice's data is NULL for an SQL NULL and for
 * what there is not: whoever answers may be no PostgreSQL. The text is then
 * "". */
struct slice db_rows_slice(const struct db_rows *rows, size_t row, int column);
const char *db_rows_text(const struct db_rows *rows, size_t row, int column);
bool db_rows_is_true(const struct db_rows *rows, size_t row, int column);
void db_rows_destroy(struct db_rows *rows);
void db_rows_destroyp(struct db_rows **rows);

/* Borrowed from the connection; NULL when there is no TLS. */
const char *db_tls_version(const struct db *db);

/* As 150020; 0 when the server did not say. */
int db_server_version(const struct db *db);

/* "127.0.0.1:5432", or a unix socket's folder and port. */
const char *db_address(const struct db *db);

/* Appends a quoted identifier, or a quoted literal. */
void db_put_name(struct buf *b, const char *name);
void db_put_literal(struct buf *b, const char *text);
