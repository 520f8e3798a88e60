/*
 * Running statements with a deadline. When it is over the server is asked to
 * cancel and gets a grace to say so; after that the connection is given up,
 * because nobody knows any more what its next answer belongs to.
 */
#include "db/db_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t db_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t db_deadline(uint64_t span_ms)
{
	return span_ms ? db_now() + span_ms : DB_FOREVER;
}

int db_wait_socket(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = db_now();
		int timeout = 60000;
		int r;

		if (deadline <= now)
			timeout = 0;
		else if (deadline - now < (uint64_t)timeout)
			timeout = (int)(deadline - now);
		r = poll(&p, 1, timeout);
		if (r > 0)
			return 1;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (deadline <= db_now())
			return 0;
	}
}

static void set_lost(struct db *db)
{
	if (*db->fault.message)
		return;
	db_fault_parse(slice_str(PQerrorMessage(db->pg)), &db->fault);
	if (!*db->fault.message)
		db_fault_set(&db->fault, "the connection to %s was lost",
			db->address);
}

/* Keeps the parts of a failed statement's answer. */
static void set_from_result(struct db *db, const PGresult *result)
{
	static const int fields[] = { PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY,
		PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT };
	struct db_fault *f = &db->fault;
	const char *texts[ARRAY_SIZE(fields)];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		texts[i] = PQresultErrorField(result, fields[i]);
		if (!texts[i])
			texts[i] = "";
	}
	if (!*texts[1])
		texts[1] = PQresultErrorMessage(result);
	snprintf(f->sqlstate, sizeof(f->sqlstate), "%s", texts[0]);
	snprintf(f->message, sizeof(f->message), "%s", texts[1]);
	snprintf(f->detail, sizeof(f->detail), "%s", texts[2]);
	snprintf(f->hint, sizeof(f->hint), "%s", texts[3]);
}

/* Waits until a result can be taken. 0, DB_E_LOST or DB_E_TIMEOUT. */
static int wait_result(struct db *db, uint64_t began, uint64_t deadline)
{
	uint64_t tick = began + DB_TICK_MS;

	for (;;) {
		int unsent = PQflush(db->pg);
		int r;

		if (unsent < 0)
			return DB_E_LOST;
		if (!unsent && !PQisBusy(db->pg))
			return 0;
		r = db_wait_socket(PQsocket(db->pg),
			unsent ? POLLIN | POLLOUT : POLLIN,
			MIN(tick, deadline));
		if (r < 0)
			return DB_E_LOST;
		if (r > 0 && !PQconsumeInput(db->pg))
			return DB_E_LOST;
		if (db_now() >= deadline)
			return DB_E_TIMEOUT;
		if (db_now() >= tick) {
			if (db->wait)
				db->wait(db->wait_user, db_now() - began);
			tick += DB_TICK_MS;
		}
	}
}

/*
 * Takes every result of what was sent. The first error counts, else the last
 * rows. ret_rows gets a result that the caller clears, or NULL.
 */
static int take_results(
	struct db *db, uint64_t began, uint64_t deadline, PGresult **ret_rows)
{
	int outcome = 0;

	for (;;) {
		PGresult *result;
		ExecStatusType status;
		int r;

		r = wait_result(db, began, deadline);
		if (r)
			return r;
		result = PQgetResult(db->pg);
		if (!result)
			return outcome;
		status = PQresultStatus(result);
		if (status == PGRES_TUPLES_OK && !outcome) {
			PQclear(*ret_rows);
			*ret_rows = result;
			continue;
		}
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
			!outcome) {
			set_from_result(db, result);
			outcome = *db->fault.sqlstate ? DB_E_SERVER : DB_E_LOST;
		}
		PQclear(result);
	}
}

/* The time is over. PQcancel() blocks, but no longer than tcp_user_timeout. */
static int give_up(struct db *db, PGresult **ret_rows)
{
	PGcancel *cancel = PQgetCancel(db->pg);
	char text[256];
	int r = DB_E_LOST;

	if (cancel && PQcancel(cancel, text, sizeof(text)))
		r = take_results(db, db_now(), db_deadline(DB_CANCEL_GRACE_MS),
			ret_rows);
	PQfreeCancel(cancel);
	/* It may have ended by itself before the cancel arrived. */
	if (r == 0 || (r == DB_E_SERVER && !db_fault_is(&db->fault, "57014")))
		return r;
	if (r != DB_E_SERVER) {
		PQfinish(db->pg);
		db->pg = NULL;
	}
	db_fault_set(&db->fault, "no answer in %llu ms; cancelled",
		(unsigned long long)db->timeout_ms);
	return DB_E_TIMEOUT;
}

/* What was sent (is_sent) runs to its end. */
static int finish(struct db *db, int is_sent, PGresult **ret_rows)
{
	uint64_t began = db_now();
	int r = DB_E_LOST;

	db->fault.message[0] = db->fault.sqlstate[0] = '\0';
	db->fault.detail[0] = db->fault.hint[0] = '\0';
	if (is_sent)
		r = take_results(
			db, began, db_deadline(db->timeout_ms), ret_rows);
	if (r == DB_E_TIMEOUT)
		r = give_up(db, ret_rows);
	else if (r == DB_E_LOST)
		set_lost(db);
	if (r) {
		PQclear(*ret_rows);
		*ret_rows = NULL;
	}
	return r;
}

int db_query(struct db *db, const char *sql, const char *const *params,
	struct db_rows **ret_rows)
{
	PGresult *result = NULL;
	int n = 0;
	int r;

	if (!db->pg)
		return DB_E_LOST;
	while (params && params[n])
		n++;
	r = finish(db,
		PQsendQueryParams(db->pg, sql, n, NULL, params, NULL, NULL, 0),
		&result);
	if (r)
		return r;
	if (!ret_rows) {
		PQclear(result);
		return 0;
	}
	*ret_rows = db_rows_of(result);
	return 0;
}

int db_script(struct db *db, const char *sql)
{
	PGresult *result = NULL;
	int r;

	if (!db->pg)
		return DB_E_LOST;
	r = finish(db, PQsendQuery(db->pg, sql), &result);
	PQclear(result);
	return r;
}

void db_set_timeout(struct db *db, uint64_t timeout_ms)
{
	db->timeout_ms = timeout_ms;
}

void db_set_wait(struct db *db, db_wait_fn *wait, void *user)
{
	db->wait = wait;
	db->wait_user = user;
}

const struct db_fault *db_fault(const struct db *db)
{
	return &db->fault;
}

struct db_rows *db_rows_of(PGresult *result)
{
	struct db_rows *rows = xnew(struct db_rows);

	rows->result = result;
	return rows;
}

size_t db_rows_count(const struct db_rows *rows)
{
	return (size_t)PQntuples(rows->result);
}

int db_rows_columns(const struct db_rows *rows)
{
	return PQnfields(rows->result);
}

struct slice db_rows_slice(const struct db_rows *rows, size_t row, int column)
{
	if (PQgetisnull(rows->result, (int)row, column))
		return slice_of(NULL, 0);
	return slice_of(PQgetvalue(rows->result, (int)row, column),
		(size_t)PQgetlength(rows->result, (int)row, column));
}

const char *db_rows_text(const struct db_rows *rows, size_t row, int column)
{
	const char *text = PQgetvalue(rows->result, (int)row, column);

	return text ? text : "";
}

bool db_rows_is_true(const struct db_rows *rows, size_t row, int column)
{
	return slice_is(db_rows_slice(rows, row, column), "t");
}

void db_rows_destroy(struct db_rows *rows)
{
	if (!rows)
		return;
	PQclear(rows->result);
	free(rows);
}

void db_rows_destroyp(struct db_rows **rows)
{
	db_rows_destroy(*rows);
}

const char *db_tls_version(const struct db *db)
{
	return PQsslInUse(db->pg) ? PQsslAttribute(db->pg, "protocol") : NULL;
}

int db_server_version(const struct db *db)
{
	return PQserverVersion(db->pg);
}

const char *db_address(const struct db *db)
{
	return db->address;
}

static void put_quoted(struct buf *b, char quote, const char *text)
{
	buf_put_u8(b, (uint8_t)quote);
	for (; *text; text++) {
		if (*text == quote)
			buf_put_u8(b, (uint8_t)quote);
		buf_put_u8(b, (uint8_t)*text);
	}
	buf_put_u8(b, (uint8_t)quote);
}

void db_put_name(struct buf *b, const char *name)
{
	put_quoted(b, '"', name);
}

void db_put_literal(struct buf *b, const char *text)
{
	put_quoted(b, '\'', text);
}
