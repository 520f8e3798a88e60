/*
 * What libpq sees of a server: pipelines, aborted ones, several Syncs, rows
 * one by one, COPY, cancel, notifications. Prints every result in a stable
 * form, so that two servers can be compared by what it prints.
 *
 *	libpq_pipeline CONNINFO
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static void die(PGconn *conn, const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static void must(PGconn *conn, int ok, const char *what)
{
	if (!ok)
		die(conn, what);
}

static void print_rows(const PGresult *res)
{
	for (int row = 0; row < PQntuples(res); row++) {
		printf("   ");
		for (int col = 0; col < PQnfields(res); col++)
			printf(" %s=%s", PQfname(res, col),
				PQgetisnull(res, row, col)
					? "null"
					: PQgetvalue(res, row, col));
		printf("\n");
	}
}

static void print_result(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	printf("  %s %s%s%s\n", PQresStatus(PQresultStatus(res)),
		PQcmdStatus((PGresult *)res), state ? " " : "",
		state ? state : "");
	print_rows(res);
}

/* Prints what comes until the next pipeline sync, that included. */
static void print_to_sync(PGconn *conn)
{
	int n_nulls = 0;

	for (;;) {
		PGresult *res = PQgetResult(conn);
		ExecStatusType status;

		if (!res) {
			/* One NULL ends a query; two in a row are one too
			 * many. */
			if (++n_nulls > 1)
				die(conn, "the pipeline ended early");
			continue;
		}
		n_nulls = 0;
		status = PQresultStatus(res);
		print_result(res);
		PQclear(res);
		if (status == PGRES_PIPELINE_SYNC)
			return;
	}
}

static void run(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	print_result(res);
	PQclear(res);
}

static void send(PGconn *conn, const char *sql, const char *value)
{
	const char *values[] = { value };

	must(conn,
		PQsendQueryParams(
			conn, sql, value ? 1 : 0, NULL, values, NULL, NULL, 0),
		"send");
}

static void simple_pipeline(PGconn *conn)
{
	printf("simple pipeline\n");
	must(conn, PQenterPipelineMode(conn), "enter");
	send(conn, "select $1::int as a", "1");
	send(conn, "select $1::text as b", "two");
	must(conn, PQpipelineSync(conn), "sync");
	print_to_sync(conn);
	must(conn, PQexitPipelineMode(conn), "exit");
}

static void aborted_pipeline(PGconn *conn)
{
	printf("aborted pipeline\n");
	must(conn, PQenterPipelineMode(conn), "enter");
	send(conn, "select 1 as before", NULL);
	send(conn, "select 1 / $1::int as fails", "0");
	send(conn, "insert into pipe values (1)", NULL);
	must(conn, PQpipelineSync(conn), "sync");
	send(conn, "select count(*) as after from pipe", NULL);
	must(conn, PQpipelineSync(conn), "sync");
	print_to_sync(conn);
	print_to_sync(conn);
	must(conn, PQexitPipelineMode(conn), "exit");
}

static void many_syncs(PGconn *conn)
{
	printf("many syncs\n");
	must(conn, PQenterPipelineMode(conn), "enter");
	must(conn, PQsendPrepare(conn, "p", "select $1::int * 2 as p", 0, NULL),
		"prepare");
	must(conn, PQsendDescribePrepared(conn, "p"), "describe");
	must(conn, PQpipelineSync(conn), "sync");
	for (int n = 0; n < 50; n++) {
		char text[16];
		const char *values[] = { text };

		snprintf(text, sizeof(text), "%d", n);
		must(conn,
			PQsendQueryPrepared(
				conn, "p", 1, values, NULL, NULL, 0),
			"prepared");
		must(conn, PQpipelineSync(conn), "sync");
	}
	for (int n = 0; n < 51; n++)
		print_to_sync(conn);
	must(conn, PQexitPipelineMode(conn), "exit");
	run(conn, "deallocate p");
}

static void transactions(PGconn *conn)
{
	printf("transactions\n");
	must(conn, PQenterPipelineMode(conn), "enter");
	send(conn, "begin", NULL);
	send(conn, "insert into pipe values (2)", NULL);
	send(conn, "commit", NULL);
	send(conn, "begin", NULL);
	send(conn, "insert into pipe values (3)", NULL);
	must(conn, PQpipelineSync(conn), "sync");
	send(conn, "rollback", NULL);
	send(conn, "select * from pipe", NULL);
	must(conn, PQpipelineSync(conn), "sync");
	print_to_sync(conn);
	print_to_sync(conn);
	must(conn, PQexitPipelineMode(conn), "exit");
}

static void flush_request(PGconn *conn)
{
	PGresult *res;

	printf("flush request\n");
	must(conn, PQenterPipelineMode(conn), "enter");
	send(conn, "select 'flushed' as f", NULL);
	must(conn, PQsendFlushRequest(conn), "flush request");
	must(conn, PQflush(conn) == 0, "flush");
	res = PQgetResult(conn);
	print_result(res);
	PQclear(res);
	must(conn, PQgetResult(conn) == NULL, "end of the query");
	must(conn, PQpipelineSync(conn), "sync");
	print_to_sync(conn);
	must(conn, PQexitPipelineMode(conn), "exit");
}

static void row_by_row(PGconn *conn)
{
	PGresult *res;
	long n_rows = 0;

	printf("row by row\n");
	must(conn,
		PQsendQuery(conn, "select g, 1 / (5000 - g) as x "
				  "from generate_series(1, 9000) g"),
		"send");
	must(conn, PQsetSingleRowMode(conn), "single row");
	while ((res = PQgetResult(conn))) {
		if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
			n_rows++;
		else
			print_result(res);
		PQclear(res);
	}
	/* How many rows come before the error is the server's affair. */
	printf("  rows: %s\n", n_rows <= 4999 ? "as expected" : "too many");
}

static void copy_both_ways(PGconn *conn)
{
	PGresult *res;
	char *line;
	int len;

	printf("copy\n");
	run(conn, "copy pipe from stdin");
	for (int n = 0; n < 1000; n++)
		must(conn, PQputCopyData(conn, "7\n", 2) == 1, "put");
	must(conn, PQputCopyEnd(conn, NULL) == 1, "put end");
	while ((res = PQgetResult(conn))) {
		print_result(res);
		PQclear(res);
	}
	run(conn, "copy (select count(*) from pipe where a = 7) to stdout");
	while ((len = PQgetCopyData(conn, &line, 0)) > 0) {
		printf("  data %.*s", len, line);
		PQfreemem(line);
	}
	while ((res = PQgetResult(conn))) {
		print_result(res);
		PQclear(res);
	}
}

static void cancelled(PGconn *conn)
{
	PGcancel *cancel = PQgetCancel(conn);
	char error[256];
	PGresult *res;

	printf("cancel\n");
	must(conn, PQsendQuery(conn, "select pg_sleep(60)"), "send");
	/* The server must have begun before it is told to stop. */
	for (int n = 0; n < 100 && PQisBusy(conn); n++) {
		must(conn, PQcancel(cancel, error, sizeof(error)), "cancel");
		must(conn, PQconsumeInput(conn), "input");
	}
	while ((res = PQgetResult(conn))) {
		print_result(res);
		PQclear(res);
	}
	PQfreeCancel(cancel);
	run(conn, "select 'usable' as u");
}

static void notified(PGconn *conn)
{
	PGnotify *note;

	printf("notify\n");
	run(conn, "listen pipe_news");
	run(conn, "notify pipe_news, 'hello'");
	while (!(note = PQnotifies(conn))) {
		run(conn, "");
		must(conn, PQconsumeInput(conn), "input");
	}
	printf("  %s: %s\n", note->relname, note->extra);
	PQfreemem(note);
}

int main(int argc, char **argv)
{
	PGconn *conn;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CONNINFO\n", argv[0]);
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	must(conn, PQstatus(conn) == CONNECTION_OK, "connect");
	run(conn, "create table pipe (a int)");
	simple_pipeline(conn);
	aborted_pipeline(conn);
	many_syncs(conn);
	transactions(conn);
	flush_request(conn);
	row_by_row(conn);
	copy_both_ways(conn);
	cancelled(conn);
	notified(conn);
	run(conn, "drop table pipe");
	PQfinish(conn);
	printf("done\n");
	return 0;
}
