/*
 * Telling about a plan: findings for people, with the statements that would
 * mend them, or the plan as a script of SQL in which the rest is comments.
 */
#include "migrate/migrate_priv.h"

static const char *const grade_words[] = {
	[FINDING_EXTRA] = "extra",
	[FINDING_NOTE] = "note",
	[FINDING_MISSING] = "missing",
	[FINDING_WRONG] = "wrong",
};

static void say_steps(const struct run *run, const struct plan *p, size_t at,
	enum log_level level, const char *mark)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		CLEANUP(freep) char *line = NULL;

		if (p->steps[i].finding != at || !p->steps[i].sql)
			continue;
		line = run_one_line(p->steps[i].sql);
		run_say(run, level, "%s         -> %s", mark, line);
	}
}

static void say_finding(const struct run *run, const struct plan *p, size_t at)
{
	const struct finding *f = &p->findings[at];
	const char *mark = run->options->is_dry_run ? "-- " : "";
	enum log_level level = f->grade == FINDING_WRONG ? LOG_WARN : LOG_INFO;

	run_say(run, level, "%s%-7s  %s", mark, grade_words[f->grade], f->what);
	if (f->grade == FINDING_MISSING)
		return;
	say_steps(run, p, at, level, mark);
	if (f->effect)
		run_say(run, level, "%s         (%s)", mark, f->effect);
	if (f->is_hopeless)
		run_say(run, level,
			"%s         -> Howdah has no statement for this", mark);
}

void report_findings(
	const struct run *run, const struct plan *p, enum finding_grade from)
{
	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].grade >= from)
			say_finding(run, p, i);
}

/* One line for an object that is as it should be, or its findings. */
static void say_object(const struct run *run, const struct plan *p,
	const char *object, const char *what)
{
	bool is_ok = true;

	for (size_t i = 0; i < p->n_findings; i++) {
		if (strcmp(p->findings[i].object, object))
			continue;
		say_finding(run, p, i);
		is_ok &= p->findings[i].grade < FINDING_MISSING;
	}
	if (is_ok)
		run_say(run, LOG_INFO, "ok       %s", what);
}

int report_status(const struct run *run, const struct plan *p)
{
	run_say(run, LOG_INFO, "schema \"%s\":", run->schema);
	say_object(run, p, "pgcrypto", "extension pgcrypto");
	say_object(run, p, "StepType", "type \"StepType\"");
	for (size_t i = 0; i < n_chat_tables; i++) {
		const char *name = chat_tables[i].name;
		CLEANUP(freep) char *what = xasprintf("table \"%s\"", name);

		say_object(run, p, name, what);
	}
	say_object(run, p, PRISMA_TABLE, "Prisma's record of its migrations");
	if (plan_count(p, FINDING_WRONG))
		return MIGRATE_E_DRIFT;
	return plan_count(p, FINDING_MISSING) ? MIGRATE_E_MISSING : 0;
}

static int print_step(void *user, const struct step *s)
{
	run_say(user, LOG_INFO, "%s", s->sql);
	return 0;
}

void report_script(struct run *run, const struct plan *p)
{
	CLEANUP(freep) char *schema = run_quote(run->schema);
	bool is_repair = run->options->is_repair;

	if (!plan_count_due(p, is_repair)) {
		run_say(run, LOG_INFO, "-- complete, nothing to do");
		return;
	}
	run_say(run, LOG_INFO, "BEGIN;");
	run_say(run, LOG_INFO,
		"SELECT pg_catalog.pg_advisory_xact_lock(" PRISMA_LOCK ");");
	run_say(run, LOG_INFO, "SET LOCAL search_path = %s;", schema);
	plan_each_due(p, is_repair, print_step, run);
	run_say(run, LOG_INFO, "COMMIT;");
}
