#pragma once

/* What the files of db/ share. */
#include <libpq-fe.h>

#include "db/db.h"

enum {
	DB_TICK_MS = 5000,	   /* how often a waiting statement is told */
	DB_CANCEL_GRACE_MS = 5000, /* for the answer to a cancel */
};

#define DB_FOREVER UINT64_MAX

struct db {
	PGconn *pg;
	char *address;
	uint64_t timeout_ms;
	db_wait_fn *wait;
	void *wait_user;
	struct db_fault fault;
};

struct db_rows {
	PGresult *result;
};

/* Takes the result. */
struct db_rows *db_rows_of(PGresult *result);

/* Milliseconds of the monotonic clock. */
uint64_t db_now(void);

/* now + span, and DB_FOREVER for a span of 0. */
uint64_t db_deadline(uint64_t span_ms);

/*
 * Waits until the socket is ready for the events of poll(2), the deadline is
 * over (0) or until a signal came (as if ready). Negative: -errno.
 */
int db_wait_socket(int fd, short events, uint64_t deadline);

/*
 * Takes libpq's verbose text of a failed login apart:
 * "connection to ... failed: FATAL:  28P01: no\nDETAIL:  x\nLOCATION:  y".
 */
void db_fault_parse(struct slice text, struct db_fault *ret);
void db_fault_set(struct db_fault *fault, const char *fmt, ...)
	PRINTF_LIKE(2, 3);
