/*
 * `howdah migrate`: reads what is there, plans, and runs the plan, all in one
 * transaction under Prisma's lock.
 *
 * Without --repair only what is missing as a whole is made, and only when
 * nothing of what is there stands in the way.
 */
#include "migrate/migrate_priv.h"

#include <stdlib.h>

/* ---- planning --------------------------------------------------------- */

static int ask_database(void *user, const char *sql, bool *ret_yes)
{
	struct run *run = user;
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	CLEANUP(freep) char *question = xasprintf("SELECT %s", sql);
	int r;

	db_set_timeout(run->db, 0); /* may have to read a table */
	r = db_query(run->db, question, NULL, &rows);
	db_set_timeout(run->db, QUERY_TIMEOUT_MS);
	if (!r)
		*ret_yes = db_rows_is_true(rows, 0, 0);
	return r;
}

static int make_plan(struct run *run, struct catalogue *c, struct plan *p)
{
	int r;

	r = catalogue_load(run->db, run->schema, c);
	if (!r) {
		diff_catalogue(c, p);
		r = plan_resolve(p, ask_database, run);
	}
	return r ? run_fail(run, "reading the catalogue") : 0;
}

/* ---- judging ---------------------------------------------------------- */

static int tell_schema_right(const struct run *run)
{
	CLEANUP(freep) char *role = run_quote(run->role);
	CLEANUP(freep) char *schema = run_quote(run->schema);

	run_say(run, LOG_ERROR,
		"failed: this role may not create tables. As the owner of the "
		"schema: GRANT USAGE, CREATE ON SCHEMA %s TO %s;",
		schema, role);
	return MIGRATE_E_RIGHTS;
}

/* Altering takes the owner; told before anything has been tried. */
static int check_owners(const struct run *run, const struct catalogue *c)
{
	CLEANUP(freep) char *role = run_quote(run->role);

	for (size_t i = 0; i < c->n_tables; i++) {
		CLEANUP(freep) char *owner = NULL;

		if (c->tables[i].is_ours)
			continue;
		owner = run_quote(c->tables[i].owner);
		run_say(run, LOG_ERROR,
			"failed: \"%s\" belongs to %s, and only its owner may "
			"change it: log in as that role, or GRANT %s TO %s;",
			c->tables[i].name, owner, owner, role);
		return MIGRATE_E_RIGHTS;
	}
	return 0;
}

/* What stands in the way of running the plan. 0 or an outcome. */
static int judge(
	const struct run *run, const struct catalogue *c, const struct plan *p)
{
	size_t n_wrong = plan_count(p, FINDING_WRONG);
	bool is_repair = run->options->is_repair;
	const char *mark = run->options->is_dry_run ? "-- " : "";

	if (n_wrong && !is_repair) {
		run_say(run, LOG_ERROR,
			"%srefused: %zu differences would make Chainlit fail; "
			"nothing was changed. `howdah migrate --repair` runs "
			"the statements above, all or none; make a backup "
			"first",
			mark, n_wrong);
		return MIGRATE_E_DRIFT;
	}
	if (is_repair && plan_is_hopeless(p)) {
		run_say(run, LOG_ERROR,
			"%srefused: not all of this can be "
			"repaired; nothing was changed",
			mark);
		return MIGRATE_E_DRIFT;
	}
	if (run->options->is_dry_run || !plan_count_due(p, is_repair))
		return 0;
	if (plan_count(p, FINDING_MISSING) && !c->can_create)
		return tell_schema_right(run);
	return is_repair ? check_owners(run, c) : 0;
}

/* ---- running ---------------------------------------------------------- */

static int run_step(void *user, const struct step *s)
{
	struct run *run = user;
	CLEANUP(freep) char *line = run_one_line(s->sql);

	return db_query(run->db, s->sql, NULL, NULL) ? run_fail(run, line) : 0;
}

static void on_wait(void *user, uint64_t waited_ms)
{
	run_say(user, LOG_INFO, "still working after %llu s",
		(unsigned long long)waited_ms / 1000);
}

/* All that are there at once, so that we and the application do not each wait
 * for a table that the other has. */
static int lock_tables(const struct run *run, const struct catalogue *c)
{
	CLEANUP(buf_deinit) struct buf sql = { 0 };
	CLEANUP(freep) char *text = NULL;

	for (size_t i = 0; i < c->n_tables; i++)
		buf_printf(&sql, "%s\"%s\"", i ? ", " : "LOCK TABLE ",
			c->tables[i].name);
	if (!sql.len)
		return 0;
	buf_append_str(&sql, " IN ACCESS EXCLUSIVE MODE");
	text = buf_take_str(&sql);
	return db_query(run->db, text, NULL, NULL)
		       ? run_fail(run,
				 "locking the tables; nothing was changed, try "
				 "again at a quieter time")
		       : 0;
}

static int apply(
	struct run *run, const struct catalogue *c, const struct plan *p)
{
	bool is_repair = run->options->is_repair;
	int r;

	if (!plan_count_due(p, is_repair))
		return 0;
	db_set_wait(run->db, on_wait, run);
	if (lock_set_timeout(run, TABLE_LOCK_TIMEOUT_MS))
		return run_fail(run, "setting lock_timeout");
	r = is_repair ? lock_tables(run, c) : 0;
	if (r)
		return r;
	db_set_timeout(run->db, 0);
	r = plan_each_due(p, is_repair, run_step, run);
	if (r)
		run_say(run, LOG_ERROR, "nothing was changed");
	return r;
}

static int commit(struct run *run, size_t n_statements)
{
	if (db_query(run->db, "COMMIT", NULL, NULL)) {
		int r = run_fail(run, "committing");

		run_say(run, LOG_ERROR,
			"whether it was done is not known: "
			"howdah migrate --status tells");
		return r;
	}
	if (n_statements)
		run_say(run, LOG_INFO, "done: %zu statements", n_statements);
	else
		run_say(run, LOG_INFO, "complete, nothing to do");
	return 0;
}

static int run_plan(
	struct run *run, const struct catalogue *c, const struct plan *p)
{
	bool is_repair = run->options->is_repair;
	bool is_all = is_repair || plan_count(p, FINDING_WRONG);
	int r;

	if (run->options->is_status)
		return report_status(run, p);
	report_findings(run, p, is_all ? FINDING_NOTE : FINDING_MISSING);
	r = judge(run, c, p);
	if (r)
		return r;
	if (run->options->is_dry_run) {
		report_script(run, p);
		return 0;
	}
	r = apply(run, c, p);
	return r ? r : commit(run, plan_count_due(p, is_repair));
}

/* ---- the whole -------------------------------------------------------- */

static int begin(struct run *run)
{
	bool is_reader = run->options->is_status || run->options->is_dry_run;
	int r;

	r = db_query(run->db,
		is_reader ? "BEGIN READ ONLY" : "BEGIN READ WRITE", NULL, NULL);
	if (r)
		return run_fail(run, "beginning");
	r = db_query(run->db, "SET LOCAL statement_timeout = 0", NULL, NULL);
	if (r)
		return run_fail(run, "setting statement_timeout");
	r = is_reader ? 0 : lock_prisma(run);
	return r ? r : run_enter_schema(run, true);
}

/* The plan for a database that is not there yet. */
static int plan_nothing(struct run *run)
{
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
	CLEANUP(plan_deinit) struct plan p = { 0 };
	CLEANUP(freep) char *dbname = run_quote(run->upstream->dbname);

	if (run->options->is_status) {
		run_say(run, LOG_INFO, "missing  database %s", dbname);
		return MIGRATE_E_MISSING;
	}
	run->schema = xstrdup("public");
	c.can_add_pgcrypto = true; /* the owner of a database may */
	diff_catalogue(&c, &p);
	run_say(run, LOG_INFO, "CREATE DATABASE %s;", dbname);
	run_say(run, LOG_INFO, "-- and in that database:");
	report_script(run, &p);
	return 0;
}

static int open_or_create(struct run *run)
{
	int r = run_open(run, "migrate");

	if (r != MIGRATE_E_MISSING || run->options->is_status ||
		run->options->is_dry_run)
		return r;
	r = database_create(run);
	if (r)
		return r;
	r = run_open(run, "migrate");
	return r == MIGRATE_E_MISSING ? run_fail(run, "connecting") : r;
}

int migrate_run(
	const struct upstream *upstream, const struct migrate_options *options)
{
	CLEANUP(run_deinit) struct run run = run_of(upstream, options);
	CLEANUP(catalogue_deinit) struct catalogue c = { 0 };
	CLEANUP(plan_deinit) struct plan p = { 0 };
	int r;

	r = open_or_create(&run);
	if (r == MIGRATE_E_MISSING)
		return plan_nothing(&run);
	if (!r)
		r = begin(&run);
	if (!r)
		r = make_plan(&run, &c, &p);
	return r ? r : run_plan(&run, &c, &p);
}

int migrate_command(
	const struct upstream *upstream, const struct migrate_options *options)
{
	struct migrate_options patient = *options;
	int r = migrate_run(upstream, options);
	int i;

	if (r && r != MIGRATE_E_DRIFT && r != MIGRATE_E_MISSING)
		return r;
	if (r && !options->is_status)
		return r;
	patient.index_wait_ms = options->lock_timeout_ms
					? options->lock_timeout_ms
					: PRISMA_LOCK_TIMEOUT_MS;
	i = migrate_indexes(upstream, &patient);
	return r ? r : i;
}
