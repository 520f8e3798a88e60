/*
 * `howdah check`, the doctor. It goes the way a connection goes, and stops
 * where nothing further can be asked: configuration, the way to the server,
 * the server, what it has room for, the chat tables.
 */
#include "migrate/migrate_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

enum {
	SKEW_MAX_S = 2,
	LEAST_CONNECTIONS = 2,
};

enum verdict {
	CHECK_OK,
	CHECK_WARN,
	CHECK_FAIL
};

struct doctor {
	const struct check_options *options; /* borrowed */
	struct migrate_options run_options;
	struct run run;
	struct db_rows *server; /* the answer to check.sql's "server" */
	bool has_failed;
};

enum server_column {
	SERVER_VERSION,
	SERVER_IS_STANDBY,
	SERVER_ROLE,
	SERVER_DATABASE,
	SERVER_ENCODING,
	SERVER_CHECKSUMS,
	SERVER_CLOCK,
};

/* One line; todo is NULL when all is well. */
static void say(struct doctor *d, enum verdict v, const char *todo,
	const char *fmt, ...) PRINTF_LIKE(4, 5);

static void say(struct doctor *d, enum verdict v, const char *todo,
	const char *fmt, ...)
{
	static const char *const words[] = { "ok  ", "warn", "fail" };
	va_list args;

	fprintf(d->options->out, "%s  ", words[v]);
	va_start(args, fmt);
	vfprintf(d->options->out, fmt, args);
	va_end(args);
	fprintf(d->options->out, "%s%s\n", todo ? "  -> " : "",
		todo ? todo : "");
	fflush(d->options->out);
	d->has_failed |= v == CHECK_FAIL;
}

static void say_fault(struct doctor *d, const struct db_fault *fault,
	const char *what, const char *todo)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	db_fault_put(fault, &text);
	say(d, CHECK_FAIL, todo, "%s: %.*s", what, (int)text.len, text.data);
}

/* A failure that the upstream's URL has; todo with an @ where its name is. */
static void say_url(struct doctor *d, const char *todo, const char *what)
{
	struct slice after = slice_str(todo);
	struct slice before = slice_cut(&after, '@');
	CLEANUP(freep) char *text = NULL;

	text = xasprintf("%.*s%s%.*s", (int)before.len, before.data,
		run_url_name(&d->run), (int)after.len, after.data);
	say(d, CHECK_FAIL, text, "%s", what);
}

/* ---- configuration ---------------------------------------------------- */

static void say_lines(struct doctor *d, enum verdict v, struct slice lines)
{
	while (lines.len) {
		struct slice line = slice_trim(slice_cut(&lines, '\n'));

		if (line.len)
			say(d, v, NULL, "configuration: %.*s", (int)line.len,
				line.data);
	}
}

static void check_configuration(struct doctor *d)
{
	say_lines(d, CHECK_FAIL, d->options->problems);
	say_lines(d, CHECK_WARN, d->options->warnings);
	if (!d->options->problems.len)
		say(d, CHECK_OK, NULL, "configuration");
}

/* ---- the way to the server -------------------------------------------- */

static const char *const stages[] = {
	[DB_RESOLVE] = "host name",
	[DB_CONNECT] = "connection",
	[DB_TLS] = "TLS",
	[DB_LOGIN] = "login",
};

/* Everything is fine but that the database is missing. May it be made? */
static void check_creation(struct doctor *d)
{
	CLEANUP(db_destroyp) struct db *db = NULL;
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("check", "may_create_database");
	CLEANUP(freep) char *name = run_quote(d->run.upstream->dbname);
	CLEANUP(freep) char *todo = NULL;

	if (!run_connect(&d->run, "postgres", &db) &&
		!db_query(db, sql, NULL, &rows) && db_rows_count(rows) &&
		db_rows_is_true(rows, 0, 0)) {
		say(d, CHECK_WARN, "howdah migrate creates it",
			"database %s does not exist", name);
		return;
	}
	todo = xasprintf("as an administrator: CREATE DATABASE %s", name);
	say(d, CHECK_FAIL, todo,
		"database %s does not exist, and this role cannot create it",
		name);
}

static void explain_login(struct doctor *d)
{
	const struct db_fault *fault = &d->run.fault;
	CLEANUP(freep) char *todo = run_todo(&d->run, fault);

	for (enum db_stage s = DB_RESOLVE; s < fault->stage; s++)
		if (s != DB_TLS)
			say(d, CHECK_OK, NULL, "%s", stages[s]);
	if (db_fault_is(fault, "3D000"))
		check_creation(d);
	else if (d->options->is_embedded && fault->stage == DB_CONNECT &&
		 !strstr(fault->message, strerror(EACCES)))
		say(d, CHECK_WARN, "howdah serve starts it",
			"the embedded PostgreSQL does not run");
	else
		say_fault(d, fault, stages[fault->stage], todo);
}

static bool check_way(struct doctor *d)
{
	struct db_options options = {
		.application_name = "howdah check",
		.connect_timeout_ms = d->options->connect_timeout_ms,
	};
	const char *tls;

	if (!options.connect_timeout_ms)
		options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (db_create(d->run.upstream, &options, &d->run.fault, &d->run.db)) {
		explain_login(d);
		return false;
	}
	db_set_timeout(d->run.db, QUERY_TIMEOUT_MS);
	tls = db_tls_version(d->run.db);
	say(d, CHECK_OK, NULL, "connection: %s, %s", db_address(d->run.db),
		tls ? tls : "no TLS");
	return true;
}

/* ---- the server ------------------------------------------------------- */

static const char *server_text(const struct doctor *d, enum server_column c)
{
	return db_rows_text(d->server, 0, c);
}

static void check_version(struct doctor *d)
{
	const char *version = server_text(d, SERVER_VERSION);
	bool is_old = db_server_version(d->run.db) < OLDEST_SERVER;

	say(d, is_old ? CHECK_FAIL : CHECK_OK,
		is_old ? "13 or later is needed" : NULL, "PostgreSQL %s",
		version);
	say(d, CHECK_OK, NULL, "login: role \"%s\", database \"%s\"",
		server_text(d, SERVER_ROLE), server_text(d, SERVER_DATABASE));
	if (db_rows_is_true(d->server, 0, SERVER_IS_STANDBY))
		say_url(d, "give @ the primary",
			"the server is a standby, it takes no writes");
}

static void check_storage(struct doctor *d)
{
	const char *encoding = server_text(d, SERVER_ENCODING);
	const char *checksums = server_text(d, SERVER_CHECKSUMS);

	if (strcmp(encoding, "UTF8"))
		say(d, CHECK_WARN,
			"chats are in all languages: move to a database with "
			"ENCODING 'UTF8'",
			"encoding: %s", encoding);
	else
		say(d, CHECK_OK, NULL, "encoding: UTF8");
	if (!strcmp(checksums, "off"))
		say(d, CHECK_WARN,
			"pg_checksums --enable, when the server is stopped",
			"data checksums: off, a failing disk goes unnoticed");
	else
		say(d, CHECK_OK, NULL, "data checksums: %s", checksums);
}

static void check_clock(struct doctor *d, const struct timespec *asked)
{
	struct timespec now;
	double here;
	double skew;

	clock_gettime(CLOCK_REALTIME, &now);
	here = (double)(asked->tv_sec + now.tv_sec) / 2 +
	       (double)(asked->tv_nsec + now.tv_nsec) / 2e9;
	skew = strtod(server_text(d, SERVER_CLOCK), NULL) - here;
	if (skew > SKEW_MAX_S || skew < -SKEW_MAX_S)
		say(d, CHECK_WARN, "run NTP on both machines",
			"clock: the server's is %.1f s %s ours",
			skew < 0 ? -skew : skew,
			skew < 0 ? "behind" : "before");
	else
		say(d, CHECK_OK, NULL, "clock");
}

static bool check_server(struct doctor *d)
{
	CLEANUP(freep) char *sql = sql_named("check", "server");
	struct timespec asked;

	clock_gettime(CLOCK_REALTIME, &asked);
	if (db_query(d->run.db, sql, NULL, &d->server)) {
		say_fault(d, db_fault(d->run.db), "asking the server",
			"try again");
		return false;
	}
	check_clock(d, &asked);
	check_version(d);
	check_storage(d);
	return true;
}

static bool check_pooler(struct doctor *d)
{
	bool is_pooler = false;
	int r = pooler_probe(&d->run, &is_pooler);

	if (r)
		say(d, CHECK_WARN, "leave it more than one connection",
			"whether there is a pooler in between is not known");
	else if (is_pooler)
		say_url(d, "point @ at PostgreSQL itself",
			"the upstream is a transaction pooler");
	else
		say(d, CHECK_OK, NULL, "no transaction pooler in between");
	return !is_pooler;
}

/* ---- room for connections --------------------------------------------- */

/* Howdah itself needs this many: its option's least. */
static char *budget_todo(uint64_t room, const char *limit)
{
	if (room < LEAST_CONNECTIONS)
		return xasprintf("raise %s", limit);
	return xasprintf("lower HOWDAH_MAX_SERVER_CONNECTIONS to %" PRIu64
			 ", or raise %s",
		room, limit);
}

static void judge_budget(
	struct doctor *d, uint64_t room, uint64_t used, const char *limit)
{
	uint64_t want = d->options->max_server_connections;
	CLEANUP(freep) char *lower = budget_todo(room, limit);

	if (want > room)
		say(d, CHECK_FAIL, lower,
			"connections: HOWDAH_MAX_SERVER_CONNECTIONS is %" PRIu64
			", the server has room for %" PRIu64,
			want, room);
	else if (used > room - want)
		say(d, CHECK_WARN,
			"lower HOWDAH_MAX_SERVER_CONNECTIONS, or let the "
			"others come through Howdah",
			"connections: %" PRIu64 " of %" PRIu64
			" are taken by others, %" PRIu64 " may be needed",
			used, room, want);
	else
		say(d, CHECK_OK, NULL,
			"connections: up to %" PRIu64 " of %" PRIu64
			", %" PRIu64 " taken by others",
			want, room, used);
}

static void check_budget(struct doctor *d)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("check", "budget");
	uint64_t room = 0;
	uint64_t used = 0;

	if (db_query(d->run.db, sql, NULL, &rows)) {
		say_fault(d, db_fault(d->run.db), "connections", "try again");
		return;
	}
	num_parse_u64(db_rows_slice(rows, 0, 0), &room);
	num_parse_u64(db_rows_slice(rows, 0, 1), &used);
	judge_budget(d, room, used, db_rows_text(rows, 0, 2));
}

/* ---- the chat tables -------------------------------------------------- */

static void judge_rights(
	struct doctor *d, const struct catalogue *c, size_t n_missing)
{
	CLEANUP(freep) char *schema = run_quote(d->run.schema);
	CLEANUP(freep) char *role = run_quote(server_text(d, SERVER_ROLE));
	CLEANUP(freep) char *grant = NULL;

	grant = xasprintf("as the schema's owner: GRANT USAGE, CREATE ON "
			  "SCHEMA %s TO %s",
		schema, role);
	if (c->can_create)
		say(d, CHECK_OK, NULL, "rights: may create in schema %s",
			schema);
	else
		say(d, n_missing ? CHECK_FAIL : CHECK_WARN, grant,
			"rights: may not create in schema %s", schema);
}

/* What Chainlit does with its tables, this role must be allowed to. */
static void judge_use(struct doctor *d, const struct catalogue *c)
{
	CLEANUP(freep) char *schema = run_quote(d->run.schema);
	CLEANUP(freep) char *role = run_quote(server_text(d, SERVER_ROLE));
	CLEANUP(buf_deinit) struct buf tables = { 0 };
	CLEANUP(freep) char *grant = NULL;

	for (size_t i = 0; i < n_chat_tables; i++) {
		const char *name = chat_tables[i].name;
		const struct have_table *table = catalogue_table(c, name);

		if (table && table->is_barred)
			buf_printf(&tables, "%s%s.\"%s\"",
				tables.len ? ", " : "", schema, name);
	}
	if (!tables.len)
		return;
	grant = xasprintf("as their owner: GRANT SELECT, INSERT, UPDATE, "
			  "DELETE ON %.*s TO %s",
		(int)tables.len, tables.data, role);
	say(d, CHECK_FAIL, grant,
		"rights: may not read and write all chat tables");
}

static void judge_tables(
	struct doctor *d, const struct catalogue *c, const struct plan *p)
{
	size_t n_missing = plan_count(p, FINDING_MISSING);
	size_t n_wrong = plan_count(p, FINDING_WRONG);
	size_t n_notes = plan_count(p, FINDING_NOTE);

	if (n_wrong)
		say(d, CHECK_FAIL,
			"howdah migrate --status tells which, --repair mends "
			"them",
			"chat tables: %zu differences would make Chainlit "
			"fail",
			n_wrong);
	if (n_missing)
		say(d, CHECK_WARN, "howdah migrate makes them",
			"chat tables: %zu parts are missing", n_missing);
	if (n_notes)
		say(d, CHECK_OK, NULL,
			"chat tables: %zu differences that do no harm "
			"(howdah migrate --status)",
			n_notes);
	if (!n_wrong && !n_missing)
		say(d, CHECK_OK, NULL, "chat tables: complete in schema \"%s\"",
			d->run.schema);
	judge_rights(d, c, n_missing);
	judge_use(d, c);
}

static void judge_indexes(struct doctor *d, const struct db_rows *own)
{
	struct slice script = sql_file("indexes");
	struct sql_statement s;

	while (sql_next(&script, &s)) {
		bool is_valid = false;

		for (size_t i = 0; i < db_rows_count(own); i++)
			is_valid |=
				slice_equal(db_rows_slice(own, i, 0), s.name) &&
				db_rows_is_true(own, i, 2);
		say(d, is_valid ? CHECK_OK : CHECK_WARN,
			is_valid ? NULL : "howdah migrate builds it",
			"index %.*s%s", (int)s.name.len, s.name.data,
			is_valid ? "" : ": missing or invalid");
	}
}

static void check_tables(struct doctor *d)
{
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
	CLEANUP(plan_deinit) struct plan p = { 0 };
	CLEANUP(db_rows_destroyp) struct db_rows *own = NULL;
	CLEANUP(freep) char *sql = sql_named("inspect", "own_indexes");
	struct db *db = d->run.db;

	if (db_query(db, "BEGIN READ ONLY", NULL, NULL) ||
		run_enter_schema(&d->run, true) ||
		catalogue_load(db, d->run.schema, &c) ||
		db_query(db, sql, DB_PARAMS(d->run.schema, CHAT_TABLE_NAMES),
			&own)) {
		say_fault(d, db_fault(db), "chat tables",
			"howdah migrate --status tells more");
		return;
	}
	diff_catalogue(&c, &p);
	judge_tables(d, &c, &p);
	if (catalogue_table(&c, "Thread"))
		judge_indexes(d, own);
}

/* ---- clients ---------------------------------------------------------- */

/* They come to the server under their own name, with their own password. */
static void check_client(struct doctor *d)
{
	const struct upstream *client = d->options->client;
	struct run run = { .upstream = client, .options = &d->run_options };
	CLEANUP(db_destroyp) struct db *db = NULL;
	CLEANUP(freep) char *todo = NULL;

	if (!client)
		return;
	if (!run_connect(&run, NULL, &db)) {
		say(d, CHECK_OK, NULL, "clients: role \"%s\", database \"%s\"",
			client->user, client->dbname);
		return;
	}
	todo = xasprintf("DATABASE_URL names who logs in at Howdah, and the "
			 "server must know them, too: give it role and "
			 "database, or DATABASE_URL those of %s",
		run_url_name(&d->run));
	say_fault(d, &run.fault, "clients", todo);
}

/* ---- the whole -------------------------------------------------------- */

static void examine(struct doctor *d)
{
	if (!check_way(d) || !check_server(d))
		return;
	if (!check_pooler(d))
		return;
	check_budget(d);
	check_tables(d);
	check_client(d);
}

int check_run(
	const struct upstream *upstream, const struct check_options *options)
{
	struct doctor d = {
		.options = options,
		.run_options = {
			.out = options->out,
			.connect_timeout_ms = options->connect_timeout_ms,
			.is_status = true,
			.url_name = options->url_name,
			.is_embedded = options->is_embedded,
		},
	};

	d.run = (struct run){ .upstream = upstream, .options = &d.run_options };
	check_configuration(&d);
	if (upstream)
		examine(&d);
	db_rows_destroy(d.server);
	run_deinit(&d.run);
	return d.has_failed ? MIGRATE_E_FAILED : 0;
}
