/*
 * A plan: what differs (findings), and the statements that mend it (steps),
 * each with the phase in which it has to run.
 */
#include "migrate/migrate_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char *format(const char *fmt, va_list args)
{
	char *text = NULL;
	int len = vasprintf(&text, fmt, args);

	check(len >= 0);
	return text;
}

struct finding *plan_add(struct plan *p, enum finding_grade grade,
	const char *object, const char *fmt, ...)
{
	struct finding *f;
	va_list args;

	p->findings = xrealloc(
		p->findings, (p->n_findings + 1) * sizeof(*p->findings));
	f = &p->findings[p->n_findings++];
	*f = (struct finding){ .grade = grade, .object = object };
	va_start(args, fmt);
	f->what = format(fmt, args);
	va_end(args);
	return f;
}

static void add_step(
	struct plan *p, enum plan_phase phase, size_t finding, char *sql)
{
	check(finding < p->n_findings);
	p->steps = xrealloc(p->steps, (p->n_steps + 1) * sizeof(*p->steps));
	p->steps[p->n_steps++] = (struct step){ phase, finding, sql };
}

void plan_take_step(struct plan *p, enum plan_phase phase, char *sql)
{
	add_step(p, phase, p->n_findings - 1, sql);
}

void plan_step(struct plan *p, enum plan_phase phase, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	plan_take_step(p, phase, format(fmt, args));
	va_end(args);
}

/* The guard's answer is yes: the finding becomes what its author foresaw. */
static void apply_guard(struct plan *p, size_t finding)
{
	struct finding *f = &p->findings[finding];

	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].finding != finding)
			continue;
		free(p->steps[i].sql);
		p->steps[i].sql = NULL;
	}
	f->grade = FINDING_NOTE;
	free(f->what);
	f->what = TAKE(f->guard_what);
	if (f->guard_sql)
		add_step(p, f->guard_phase, finding, TAKE(f->guard_sql));
}

int plan_resolve(struct plan *p, plan_ask_fn *ask, void *user)
{
	for (size_t i = 0; i < p->n_findings; i++) {
		bool is_so = false;
		int r;

		if (!p->findings[i].guard)
			continue;
		r = ask(user, p->findings[i].guard, &is_so);
		if (r)
			return r;
		if (is_so)
			apply_guard(p, i);
	}
	return 0;
}

static bool is_due(const struct plan *p, const struct step *s, bool is_repair)
{
	return s->sql &&
	       (is_repair || p->findings[s->finding].grade == FINDING_MISSING);
}

int plan_each_due(
	const struct plan *p, bool is_repair, plan_step_fn *fn, void *user)
{
	for (int phase = 0; phase < PLAN_PHASES; phase++) {
		for (size_t i = 0; i < p->n_steps; i++) {
			const struct step *s = &p->steps[i];
			int r;

			if ((int)s->phase != phase || !is_due(p, s, is_repair))
				continue;
			r = fn(user, s);
			if (r)
				return r;
		}
	}
	return 0;
}

size_t plan_count_due(const struct plan *p, bool is_repair)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_steps; i++)
		n += is_due(p, &p->steps[i], is_repair);
	return n;
}

size_t plan_count(const struct plan *p, enum finding_grade grade)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].grade == grade)
			n++;
	return n;
}

bool plan_is_hopeless(const struct plan *p)
{
	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].is_hopeless)
			return true;
	return false;
}

void plan_deinit(struct plan *p)
{
	for (size_t i = 0; i < p->n_findings; i++) {
		free(p->findings[i].what);
		free(p->findings[i].effect);
		free(p->findings[i].guard);
		free(p->findings[i].guard_what);
		free(p->findings[i].guard_sql);
	}
	for (size_t i = 0; i < p->n_steps; i++)
		free(p->steps[i].sql);
	free(p->findings);
	free(p->steps);
	*p = (struct plan){ 0 };
}
