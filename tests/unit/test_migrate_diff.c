/*
 * Differences, without a database: a catalogue that is complete, then one
 * thing after the other changed in it. What the statements do is shown by
 * tests/wire/test_migrate_repair.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "migrate/migrate_priv.h"

struct conversion {
	const char *from;
	const char *to;
	enum finding_grade grade;
	const char *effect;
};

static const struct conversion conversions[] = {
#define CONVERSION(from, to, grade, expression, effect)                        \
	{ from, to, FINDING_##grade, effect },
#include "migrate/conversions.def"
#undef CONVERSION
};

static void add_tables(struct catalogue *c)
{
	c->tables = xcalloc(n_chat_tables + 1, sizeof(*c->tables));
	for (size_t i = 0; i < n_chat_tables; i++)
		c->tables[c->n_tables++] = (struct have_table){
			.name = chat_tables[i].name,
			.kind = 'r',
			.is_ours = true,
		};
	c->tables[c->n_tables++] = (struct have_table){
		.name = PRISMA_TABLE,
		.kind = 'r',
		.is_ours = true,
	};
}

static void add_columns(struct catalogue *c)
{
	c->n_columns = n_chat_columns;
	c->columns = xcalloc(n_chat_columns, sizeof(*c->columns));
	for (size_t i = 0; i < n_chat_columns; i++)
		c->columns[i] = (struct have_column){
			.table = chat_columns[i].table,
			.name = chat_columns[i].name,
			.type = chat_columns[i].type,
			.base = chat_columns[i].type,
			.is_not_null = chat_columns[i].is_not_null,
			.def = chat_columns[i].def,
		};
}

static void add_indexes_and_keys(struct catalogue *c)
{
	c->n_indexes = n_chat_indexes;
	c->indexes = xcalloc(n_chat_indexes, sizeof(*c->indexes));
	for (size_t i = 0; i < n_chat_indexes; i++)
		c->indexes[i] = (struct have_index){
			.table = chat_indexes[i].table,
			.name = chat_indexes[i].name,
			.is_primary = chat_indexes[i].kind == CHAT_PRIMARY,
			.is_unique = chat_indexes[i].kind != CHAT_PLAIN,
			.is_valid = true,
			.is_plain = true,
			.columns = chat_indexes[i].columns,
		};
	c->n_keys = n_chat_keys;
	c->keys = xcalloc(n_chat_keys, sizeof(*c->keys));
	for (size_t i = 0; i < n_chat_keys; i++)
		c->keys[i] = (struct have_key){
			.table = chat_keys[i].table,
			.name = chat_keys[i].name,
			.column = chat_keys[i].column,
			.target = chat_keys[i].target,
			.target_column = "id",
			.on_delete = chat_keys[i].on_delete,
			.on_update = 'c',
			.is_valid = true,
		};
}

static struct catalogue complete(void)
{
	struct catalogue c = {
		.can_create = true,
		.has_pgcrypto = true,
		.type_kind = 'e',
		.n_labels = n_chat_labels,
		.n_migrations = n_chat_migrations,
	};

	c.labels = xmemdup(chat_labels, n_chat_labels * sizeof(*chat_labels));
	c.migrations = xcalloc(n_chat_migrations, sizeof(*c.migrations));
	for (size_t i = 0; i < n_chat_migrations; i++)
		c.migrations[i] = (struct have_migration){
			.name = chat_migrations[i],
			.is_applied = true,
		};
	add_tables(&c);
	add_columns(&c);
	add_indexes_and_keys(&c);
	return c;
}

/* The one finding there has to be. */
static const struct finding *only(const struct plan *p)
{
	assert_int_equal(p->n_findings, 1);
	return &p->findings[0];
}

static void test_complete(void **state)
{
	CLEANUP(catalogue_deinit) struct catalogue c = complete();
	CLEANUP(plan_deinit) struct plan p = { 0 };

	(void)state;
	diff_catalogue(&c, &p);
	assert_int_equal(p.n_findings, 0);
}

static void test_empty(void **state)
{
	CLEANUP(plan_deinit) struct plan p = { 0 };
	struct catalogue c = { .can_add_pgcrypto = true };

	(void)state;
	diff_catalogue(&c, &p);
	assert_int_equal(plan_count(&p, FINDING_MISSING), p.n_findings);
	/* the extension, the type, the tables, what hangs on them, Prisma's */
	assert_int_equal(plan_count_due(&p, false),
		2 + n_chat_tables + (n_chat_indexes - n_chat_tables) +
			n_chat_keys + 1 + n_chat_migrations);
}

static void test_each_missing_column(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_chat_columns; i++) {
		CLEANUP(catalogue_deinit) struct catalogue c = complete();
		CLEANUP(plan_deinit) struct plan p = { 0 };

		c.columns[i].table = "elsewhere";
		diff_columns(&c, chat_columns[i].table, &p);
		assert_int_equal(only(&p)->grade, FINDING_WRONG);
		assert_non_null(strstr(only(&p)->what, "is missing"));
		assert_false(plan_is_hopeless(&p));
		assert_int_equal(p.steps[0].phase, PLAN_COLUMNS);
		/* never NOT NULL on rows that would have no value */
		if (strstr(p.steps[0].sql, " NOT NULL"))
			assert_true(*chat_columns[i].def || only(&p)->guard);
	}
}

static void check_conversion(const struct conversion *v, size_t column)
{
	CLEANUP(catalogue_deinit) struct catalogue c = complete();
	CLEANUP(plan_deinit) struct plan p = { 0 };
	CLEANUP(freep) char *type = xasprintf("TYPE %s USING ", v->to);

	c.columns[column].type = v->from;
	c.columns[column].base = v->from;
	c.columns[column].def = "'old'";
	diff_columns(&c, chat_columns[column].table, &p);
	assert_int_equal(only(&p)->grade, v->grade);
	assert_int_equal(!!only(&p)->effect, !!*v->effect);
	assert_int_equal(p.n_steps, 1);
	assert_non_null(strstr(p.steps[0].sql, type));
	assert_non_null(strstr(p.steps[0].sql, "DROP DEFAULT, "));
	assert_null(strchr(p.steps[0].sql, '@'));
	assert_int_equal(!!strstr(p.steps[0].sql, "SET DEFAULT"),
		!!*chat_columns[column].def);
}

static void test_each_conversion_of_each_column(void **state)
{
	int n = 0;

	(void)state;
	for (size_t i = 0; i < n_chat_columns; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(conversions); k++) {
			if (strcmp(conversions[k].to, chat_columns[i].type))
				continue;
			check_conversion(&conversions[k], i);
			n++;
		}
	}
	assert_true(n > 100);
}

static void test_unknown_type_is_hopeless(void **state)
{
	CLEANUP(catalogue_deinit) struct catalogue c = complete();
	CLEANUP(plan_deinit) struct plan p = { 0 };

	(void)state;
	c.columns[0].type = c.columns[0].base = "point";
	diff_columns(&c, chat_columns[0].table, &p);
	assert_true(only(&p)->is_hopeless);
	assert_int_equal(p.n_steps, 0);
}

/* Which keys come off and go back when a column changes type. */
static void test_keys_make_way(void **state)
{
	CLEANUP(catalogue_deinit) struct catalogue c = complete();
	CLEANUP(plan_deinit) struct plan p = { 0 };
	size_t n_off = 0;
	size_t n_on = 0;

	(void)state;
	for (size_t i = 0; i < c.n_columns; i++)
		if (!strcmp(c.columns[i].table, "Step") &&
			!strcmp(c.columns[i].name, "id"))
			c.columns[i].type = c.columns[i].base = "uuid";
	diff_catalogue(&c, &p);
	for (size_t i = 0; i < p.n_steps; i++) {
		n_off += p.steps[i].phase == PLAN_UNKEY;
		n_on += p.steps[i].phase == PLAN_KEYS;
	}
	/* Element.stepId, Feedback.stepId, Step.parentId */
	assert_int_equal(n_off, 3);
	assert_int_equal(n_on, 3);
}

/* ---- the plan --------------------------------------------------------- */

struct answers {
	bool yes;
	int n_asked;
	char order[16];
};

static int ask(void *user, const char *sql, bool *ret_yes)
{
	struct answers *a = user;

	assert_non_null(sql);
	a->n_asked++;
	*ret_yes = a->yes;
	return 0;
}

static int note_step(void *user, const struct step *s)
{
	struct answers *a = user;

	a->order[strlen(a->order)] = *s->sql;
	return 0;
}

static void fill_plan(struct plan *p)
{
	struct finding *f = plan_add(p, FINDING_WRONG, "User", "first");

	f->guard = xstrdup("is it so?");
	f->guard_what = xstrdup("it is so");
	f->guard_sql = xstrdup("d");
	f->guard_phase = PLAN_KEYS;
	plan_step(p, PLAN_KEYS, "c");
	plan_step(p, PLAN_UNKEY, "a");
	plan_add(p, FINDING_MISSING, "Thread", "second");
	plan_step(p, PLAN_TABLES, "b");
}

static void test_phases_and_guards(void **state)
{
	(void)state;
	for (int yes = 0; yes < 2; yes++) {
		CLEANUP(plan_deinit) struct plan p = { 0 };
		struct answers a = { .yes = yes };

		fill_plan(&p);
		assert_int_equal(plan_resolve(&p, ask, &a), 0);
		assert_int_equal(a.n_asked, 1);
		plan_each_due(&p, true, note_step, &a);
		assert_string_equal(a.order, yes ? "bd" : "abc");
		assert_string_equal(
			p.findings[0].what, yes ? "it is so" : "first");
		assert_int_equal(plan_count(&p, FINDING_WRONG), !yes);
		assert_int_equal(plan_count_due(&p, false), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_each_missing_column),
		cmocka_unit_test(test_each_conversion_of_each_column),
		cmocka_unit_test(test_unknown_type_is_hopeless),
		cmocka_unit_test(test_keys_make_way),
		cmocka_unit_test(test_phases_and_guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
