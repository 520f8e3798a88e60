#pragma once

/* What the files of migrate/ share. */
#include "db/db.h"
#include "migrate/migrate.h"

#define PRISMA_LOCK "72707369"

enum {
	CONNECT_TIMEOUT_MS = 15000,
	QUERY_TIMEOUT_MS = 30000,
	PRISMA_LOCK_TIMEOUT_MS = 60000,
	/* How long a repair may hold up the application's queries before it
	 * has the locks that it needs. */
	TABLE_LOCK_TIMEOUT_MS = 10000,
	OLDEST_SERVER = 130000,
};

/* ---- sql.c: the files of proto/sql ------------------------------------ */

/* One file, compiled in; generated from proto/sql (src/CMakeLists.txt). */
struct sql_file {
	const char *name; /* "chat" */
	const char *text; /* NUL-terminated */
};

extern const struct sql_file sql_files[];
extern const size_t n_sql_files;

/* A statement of a file: "-- name: X", then X's text up to its semicolon. */
struct sql_statement {
	struct slice name;
	struct slice text; /* with its comments, without the name */
};

/* The text of a file. */
struct slice sql_file(const char *name);

/* Cuts the next statement off; false at the end. */
bool sql_next(struct slice *script, struct sql_statement *ret);

/* A copy of one statement's text, which must exist; for the caller to
 * free. */
char *sql_named(const char *file, const char *name);

/* ---- chat.c: proto/chat.def ------------------------------------------- */

struct chat_table {
	const char *name;
	const char *mark;
};

struct chat_column {
	const char *table;
	const char *name;
	const char *type;
	bool is_not_null;
	const char *def;
	const char *fill;
};

enum chat_index_kind {
	CHAT_PLAIN,
	CHAT_UNIQUE,
	CHAT_PRIMARY
};

struct chat_index {
	const char *table;
	const char *name;
	enum chat_index_kind kind;
	const char *columns;
};

struct chat_key {
	const char *table;
	const char *name;
	const char *column;
	const char *target;
	char on_delete;
};

extern const struct chat_table chat_tables[];
extern const struct chat_column chat_columns[];
extern const struct chat_index chat_indexes[];
extern const struct chat_key chat_keys[];
extern const char *const chat_labels[];
extern const char *const chat_migrations[];
extern const size_t n_chat_tables;
extern const size_t n_chat_columns;
extern const size_t n_chat_indexes;
extern const size_t n_chat_keys;
extern const size_t n_chat_labels;
extern const size_t n_chat_migrations;

#define PRISMA_TABLE "_prisma_migrations"

/* As an SQL array: the five, and with Prisma's record of migrations. */
#define CHAT_TABLE_NAMES "{User,Thread,Step,Element,Feedback}"
#define ALL_TABLE_NAMES	 "{User,Thread,Step,Element,Feedback," PRISMA_TABLE "}"

/* ---- catalogue.c: what a database has --------------------------------- */

struct have_table {
	const char *name;
	char kind; /* pg_class.relkind */
	const char *owner;
	bool is_ours;	/* this role may alter it */
	bool is_hidden; /* may not read it */
	bool is_barred; /* may not read and write it */
};

struct have_column {
	const char *table;
	const char *name;
	const char *type; /* timestamp(3) without time zone */
	const char *base; /* timestamp without time zone */
	bool is_not_null;
	const char *def; /* "" is none */
	bool is_generated;
};

struct have_index {
	const char *table;
	const char *name;
	bool is_primary;
	bool is_unique;
	bool is_valid;
	bool is_plain; /* a b-tree of whole columns over all rows */
	const char *columns;
};

struct have_key {
	const char *table;
	const char *name;
	const char *column;
	const char *target;
	const char *target_column;
	char on_delete;
	char on_update;
	bool is_valid;
};

struct have_migration {
	const char *name;
	bool is_applied;
	bool is_failed; /* began and neither ended nor given up */
};

/* What proto/sql/inspect.sql asks. */
enum catalogue_part {
	CATALOGUE_RIGHTS,
	CATALOGUE_LABELS,
	CATALOGUE_TABLES,
	CATALOGUE_COLUMNS,
	CATALOGUE_INDEXES,
	CATALOGUE_KEYS,
	CATALOGUE_MIGRATIONS,
	CATALOGUE_PARTS
};

/* Zeroed is an empty schema. The texts are borrowed from rows. */
struct catalogue {
	bool can_create; /* this role, in the schema */
	bool has_pgcrypto;
	bool can_add_pgcrypto;
	char type_kind; /* of "StepType": 'e' is an enum, 0 there is none */
	const char **labels;
	size_t n_labels;
	struct have_table *tables;
	size_t n_tables;
	struct have_column *columns;
	size_t n_columns;
	struct have_index *indexes;
	size_t n_indexes;
	struct have_key *keys;
	size_t n_keys;
	struct have_migration *migrations;
	size_t n_migrations;
	struct db_rows *rows[CATALOGUE_PARTS];
};

/* Takes the rows of one question, each once. */
void catalogue_read(
	struct catalogue *c, enum catalogue_part part, struct db_rows *rows);

/* Reads a schema, which has to be the search_path. 0 or a DB_E_. */
int catalogue_load(struct db *db, const char *schema, struct catalogue *ret);
void catalogue_deinit(struct catalogue *c);

const struct have_table *catalogue_table(
	const struct catalogue *c, const char *name);
const struct have_column *catalogue_column(
	const struct catalogue *c, const char *table, const char *name);

/* ---- plan.c: differences and what to do about them -------------------- */

enum finding_grade {
	FINDING_EXTRA,	 /* left alone */
	FINDING_NOTE,	 /* differs, and Chainlit runs on it */
	FINDING_MISSING, /* will be made */
	FINDING_WRONG,	 /* Chainlit would fail */
};

/* The order in which the statements of a plan run. */
enum plan_phase {
	PLAN_UNKEY,   /* keys off columns that change */
	PLAN_TYPES,   /* the extension, the enum */
	PLAN_COLUMNS, /* added, converted */
	PLAN_FILL,    /* values for rows that have none */
	PLAN_REQUIRE, /* NOT NULL */
	PLAN_TABLES,
	PLAN_INDEXES,
	PLAN_KEYS,
	PLAN_PRISMA,
	PLAN_PHASES,
};

struct finding {
	enum finding_grade grade;
	const char *object; /* a table, "pgcrypto", ...; a literal */
	char *what;
	char *effect; /* what its statements do to data, or NULL */
	/* A question to the database, or NULL. Answered yes, the finding is a
	 * note, its statements go away, and these take their place. */
	char *guard;
	char *guard_what;
	char *guard_sql;
	enum plan_phase guard_phase;
	bool is_hopeless; /* nothing of ours repairs it */
};

struct step {
	enum plan_phase phase;
	size_t finding;
	char *sql; /* NULL: taken back by a guard */
};

/* Zeroed is an empty plan. */
struct plan {
	struct finding *findings;
	size_t n_findings;
	struct step *steps;
	size_t n_steps;
};

/* The finding stays the plan's; it is the last one until the next call. */
struct finding *plan_add(struct plan *p, enum finding_grade grade,
	const char *object, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A statement for the last finding. */
void plan_step(struct plan *p, enum plan_phase phase, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void plan_take_step(struct plan *p, enum plan_phase phase, char *sql);

/* Puts a guard's question; is it so? 0 or a DB_E_. */
typedef int plan_ask_fn(void *user, const char *sql, bool *ret_yes);
int plan_resolve(struct plan *p, plan_ask_fn *ask, void *user);

/* The steps to run, phase by phase: those of what is missing, and with
 * is_repair all. Stops when fn does not return 0, and returns that. */
typedef int plan_step_fn(void *user, const struct step *s);
int plan_each_due(
	const struct plan *p, bool is_repair, plan_step_fn *fn, void *user);
size_t plan_count_due(const struct plan *p, bool is_repair);

size_t plan_count(const struct plan *p, enum finding_grade grade);
bool plan_is_hopeless(const struct plan *p);
void plan_deinit(struct plan *p);

/* ---- diff_*.c ------------------------------------------------------ */

/* Everything that differs from proto/chat.def, and how to mend it. */
void diff_catalogue(const struct catalogue *have, struct plan *ret);
void diff_columns(
	const struct catalogue *have, const char *table, struct plan *ret);
void diff_indexes(
	const struct catalogue *have, const char *table, struct plan *ret);
void diff_keys(
	const struct catalogue *have, const char *table, struct plan *ret);

/* Is this column of another type than it should be? */
bool diff_is_converted(
	const struct catalogue *have, const char *table, const char *column);

/* ---- run.c: one run of a subcommand ----------------------------------- */

struct run {
	const struct upstream *upstream;       /* borrowed */
	const struct migrate_options *options; /* borrowed */
	struct db *db;
	struct db_fault fault; /* of a login */
	char *role;
	char *schema;
};

static inline struct run run_of(
	const struct upstream *upstream, const struct migrate_options *options)
{
	return (struct run){ .upstream = upstream, .options = options };
}

/* One line for people, or to the log. */
void run_say(const struct run *run, enum log_level level, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Tells what the server said while "doing", with what to do about it when it
 * was a login, and gives the outcome. */
int run_fail(const struct run *run, const char *doing);

/* What to do about a login that failed; to be freed. NULL: it was none, or
 * there is nothing to say. */
char *run_todo(const struct run *run, const struct db_fault *fault);

/* The variable that leads to the upstream. */
const char *run_url_name(const struct run *run);

/*
 * Connects to the upstream's database, which has to be a PostgreSQL that is
 * old enough and no transaction pooler's. 0 or an outcome, MIGRATE_E_MISSING
 * when there is no such database (not told then).
 */
int run_open(struct run *run, const char *what);

/* Finds the schema of the chat tables and makes it the search_path: of this
 * transaction (is_local), or of the session. 0 or an outcome. */
int run_enter_schema(struct run *run, bool is_local);
void run_deinit(struct run *run);

/* The session lock MIGRATE_INDEX_LOCK, tried for index_wait_ms: 0, or an
 * outcome, MIGRATE_E_BUSY when somebody else has it. */
int run_lock_indexes(struct run *run);

/* A quoted identifier, and a statement in one line; to be freed. */
char *run_quote(const char *name);
char *run_one_line(const char *sql);

/* A connection beside run->db, or to another database. 0 or a DB_E_. */
int run_connect(struct run *run, const char *dbname, struct db **ret_db);

/* ---- report.c, lock.c, database.c, pooler.c --------------------------- */

/* The findings of this grade and the worse ones. */
void report_findings(
	const struct run *run, const struct plan *p, enum finding_grade from);

/* Object by object. 0, or the outcome of is_status. */
int report_status(const struct run *run, const struct plan *p);

/* What is due, as SQL. */
void report_script(struct run *run, const struct plan *p);

/* Prisma's lock, until the transaction ends. 0 or an outcome. */
int lock_prisma(const struct run *run);

/* lock_timeout, until the transaction ends. 0 or a DB_E_. */
int lock_set_timeout(const struct run *run, uint64_t timeout_ms);

/* CREATE DATABASE by way of another one. 0 or an outcome. */
int database_create(struct run *run);

/* Does a transaction pooler stand before the server? 0 or a DB_E_; run->fault
 * or db_fault(run->db) tells which. */
int pooler_probe(struct run *run, bool *ret_is_pooler);
