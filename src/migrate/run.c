/*
 * One run of a subcommand: where its lines go, its connection, and what an
 * answer of the server means for the outcome.
 */
#include "migrate/migrate_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

enum {
	INDEX_PAUSE_MS = 200
};

void run_say(const struct run *run, enum log_level level, const char *fmt, ...)
{
	CLEANUP(freep) char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	check(len >= 0);
	if (!run->options->out) {
		log_write(level, NULL, "migrate.step", "%s", text);
		return;
	}
	fprintf(run->options->out, "%s\n", text);
	fflush(run->options->out);
}

static int outcome_of(const struct db_fault *fault)
{
	if (db_fault_is(fault, "42501"))
		return MIGRATE_E_RIGHTS;
	if (db_fault_is(fault, "55P03") || db_fault_is(fault, "40P01"))
		return MIGRATE_E_BUSY;
	if (!*fault->sqlstate || !strncmp(fault->sqlstate, "57P", 3))
		return MIGRATE_E_UNREACHABLE;
	return MIGRATE_E_FAILED;
}

/* @ stands for the variable that leads to the upstream. */
static const char *const stage_todos[] = {
	[DB_RESOLVE] = "is the host of @ right, does DNS work?",
	[DB_CONNECT] = "does PostgreSQL run there and listen "
		       "(listen_addresses, port), is there a firewall between?",
	[DB_TLS] = "see sslmode, sslrootcert and sslcert of @, and ssl of the "
		   "server",
	[DB_LOGIN] = "see user and password of @, and pg_hba.conf",
	[DB_READY] = NULL,
};

/* What the server, or libpq, says in a login. */
static const struct login_row {
	const char *sqlstate; /* "": libpq */
	const char *text;     /* somewhere in the message */
	const char *todo;
} login_rows[] = {
	{ "28P01", "", "the user or the password of @ is not right" },
	{ "28000", "", "pg_hba.conf of the server has no line for this" },
	{ "53300", "",
		"the server has no connection left: see max_connections "
		"there, and the CONNECTION LIMIT of role and database" },
	{ "57P03", "hot standby", "give @ the primary" },
	{ "57P03", "not accepting",
		"the server starts, stops, or is a standby "
		"without hot_standby: try again, or give @ "
		"the primary" },
	{ "57P03", "", "the server is starting or stopping: try again" },
	{ "08P01", "", "if this is a pooler: give @ PostgreSQL itself" },
	{ "", "hot standby", "give @ the primary" },
	{ "", "read-only", "give @ a server that takes writes" },
};

/* The compose files around Chainlit have a server there, and outside of them
 * Howdah may take its place. */
static const char place_todo[] =
	" Or is Howdah to be there, with a PostgreSQL of its own? Then give "
	"HOWDAH_PG_LISTEN that address.";

static const char embedded_todo[] =
	"the embedded PostgreSQL runs while `howdah serve` does, which also "
	"migrates";
static const char barred_todo[] =
	"the embedded PostgreSQL may be asked by root and by the user who runs "
	"`howdah serve`";

static const char *find_todo(
	const struct run *run, const struct db_fault *fault)
{
	const char *found = stage_todos[fault->stage];

	if (run->options->is_embedded && fault->stage <= DB_CONNECT)
		return strstr(fault->message, strerror(EACCES)) ? barred_todo
								: embedded_todo;

	for (size_t i = 0; found && i < ARRAY_SIZE(login_rows); i++)
		if (!strcmp(fault->sqlstate, login_rows[i].sqlstate) &&
			strstr(fault->message, login_rows[i].text))
			return login_rows[i].todo;
	return found;
}

const char *run_url_name(const struct run *run)
{
	const char *name = run->options->url_name;

	return name ? name : "HOWDAH_DATABASE_URL";
}

char *run_todo(const struct run *run, const struct db_fault *fault)
{
	const char *name = run_url_name(run);
	struct slice left = slice_str(find_todo(run, fault));
	struct buf todo = { 0 };

	if (!left.data)
		return NULL;
	while (left.data) {
		buf_append_slice(&todo, slice_cut(&left, '@'));
		if (left.data)
			buf_append_str(&todo, name);
	}
	if (!run->options->is_embedded && fault->stage <= DB_CONNECT &&
		!strcmp(name, "DATABASE_URL"))
		buf_append_str(&todo, place_todo);
	return buf_take_str(&todo);
}

int run_fail(const struct run *run, const char *doing)
{
	const struct db_fault *fault =
		run->db ? db_fault(run->db) : &run->fault;
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *todo = run->db ? NULL : run_todo(run, fault);

	db_fault_put(fault, &text);
	run_say(run, LOG_ERROR, "failed: %s: %.*s%s%s", doing, (int)text.len,
		text.data, todo ? "  -> " : "", todo ? todo : "");
	return outcome_of(fault);
}

int run_connect(struct run *run, const char *dbname, struct db **ret_db)
{
	struct db_options options = {
		.dbname = dbname,
		.application_name = "howdah migrate",
		.is_writer =
			!run->options->is_status && !run->options->is_dry_run,
		.connect_timeout_ms = run->options->connect_timeout_ms,
	};
	int r;

	if (!options.connect_timeout_ms)
		options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	r = db_create(run->upstream, &options, &run->fault, ret_db);
	if (!r)
		db_set_timeout(*ret_db, QUERY_TIMEOUT_MS);
	return r;
}

static int read_session(struct run *run, const char *what)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("inspect", "session");
	int r;

	r = db_query(run->db, sql, NULL, &rows);
	if (r)
		return run_fail(run, "reading the server's version");
	run->role = xstrdup(db_rows_text(rows, 0, 1));
	if (db_server_version(run->db) < OLDEST_SERVER) {
		run_say(run, LOG_ERROR,
			"failed: PostgreSQL %s is too old, 13 or later is "
			"needed",
			db_rows_text(rows, 0, 2));
		return MIGRATE_E_FAILED;
	}
	run_say(run, LOG_INFO,
		"%s%s: database \"%s\" at %s as \"%s\", PostgreSQL %s",
		run->options->is_dry_run ? "-- " : "", what,
		db_rows_text(rows, 0, 0), db_address(run->db), run->role,
		db_rows_text(rows, 0, 2));
	return 0;
}

static int refuse_pooler(struct run *run)
{
	bool is_pooler = false;
	int r;

	r = pooler_probe(run, &is_pooler);
	if (r)
		return run_fail(run, "looking for a pooler");
	if (!is_pooler)
		return 0;
	run_say(run, LOG_ERROR,
		"refused: %s is a transaction pooler: what one statement sets "
		"the next does not find. Howdah is a pooler itself: point "
		"%s at PostgreSQL",
		db_address(run->db), run_url_name(run));
	return MIGRATE_E_POOLER;
}

int run_open(struct run *run, const char *what)
{
	int r;

	r = run_connect(run, NULL, &run->db);
	if (r && db_fault_is(&run->fault, "3D000"))
		return MIGRATE_E_MISSING;
	if (r)
		return run_fail(run, "connecting");
	r = read_session(run, what);
	if (r)
		return r;
	return refuse_pooler(run);
}

char *run_quote(const char *name)
{
	struct buf quoted = { 0 };

	db_put_name(&quoted, name);
	return buf_take_str(&quoted);
}

char *run_one_line(const char *sql)
{
	struct buf line = { 0 };
	bool is_gap = false;

	for (; *sql; sql++) {
		bool is_blank = *sql == ' ' || *sql == '\n';

		if (!is_blank && is_gap)
			buf_put_u8(&line, ' ');
		if (!is_blank)
			buf_put_u8(&line, (uint8_t)*sql);
		is_gap = is_blank;
	}
	return buf_take_str(&line);
}

int run_enter_schema(struct run *run, bool is_local)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *sql = sql_named("inspect", "schema");
	CLEANUP(freep) char *set = NULL;
	CLEANUP(freep) char *name = NULL;
	int r;

	r = db_query(run->db, sql, DB_PARAMS(CHAT_TABLE_NAMES), &rows);
	if (r)
		return run_fail(run, "looking for the schema");
	if (!db_rows_slice(rows, 0, 0).data) {
		run_say(run, LOG_ERROR,
			"failed: no schema of the search_path is there: "
			"CREATE SCHEMA public, or set search_path");
		return MIGRATE_E_FAILED;
	}
	free(run->schema);
	run->schema = xstrdup(db_rows_text(rows, 0, 0));
	name = run_quote(run->schema);
	set = xasprintf("SET %s search_path = %s",
		is_local ? "LOCAL" : "SESSION", name);
	r = db_query(run->db, set, NULL, NULL);
	return r ? run_fail(run, "setting the search_path") : 0;
}

static int try_indexes(const struct run *run, bool *ret_is_taken)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;

	if (db_query(run->db,
		    "SELECT pg_catalog.pg_try_advisory_lock(" MIGRATE_INDEX_LOCK
		    ")",
		    NULL, &rows))
		return run_fail(run, "taking the lock for indexes");
	*ret_is_taken = db_rows_is_true(rows, 0, 0);
	return 0;
}

/* Between two attempts we have no snapshot that the builder waits for. */
int run_lock_indexes(struct run *run)
{
	struct timespec pause = { .tv_nsec = INDEX_PAUSE_MS * 1000000L };
	uint64_t left_ms = run->options->index_wait_ms;
	bool has_told = false;
	bool is_taken = false;
	int r;

	for (;;) {
		r = try_indexes(run, &is_taken);
		if (r || is_taken)
			return r;
		if (!left_ms)
			break;
		if (!has_told)
			run_say(run, LOG_INFO,
				"waiting for somebody else who builds indexes");
		has_told = true;
		left_ms -= MIN(left_ms, (uint64_t)INDEX_PAUSE_MS);
		nanosleep(&pause, NULL);
	}
	run_say(run, LOG_WARN, "somebody else is building the indexes");
	return MIGRATE_E_BUSY;
}

void run_deinit(struct run *run)
{
	db_destroy(run->db);
	free(run->role);
	free(run->schema);
	*run = (struct run){ 0 };
}
