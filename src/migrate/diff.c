/*
 * What differs between a database and proto/chat.def: object by object, each
 * difference with the statements that mend it. Nothing is asked of the
 * database here; questions that depend on rows are left to the plan's guards.
 */
#include "migrate/migrate_priv.h"

#include <stdio.h>
#include <stdlib.h>

static void diff_pgcrypto(const struct catalogue *have, struct plan *p)
{
	if (have->has_pgcrypto)
		return;
	if (!have->can_add_pgcrypto) {
		/* Its gen_random_uuid() is built in since 13. */
		plan_add(p, FINDING_EXTRA, "pgcrypto",
			"extension pgcrypto is missing, this role cannot add "
			"it, and nothing needs it");
		return;
	}
	plan_add(p, FINDING_MISSING, "pgcrypto", "extension pgcrypto");
	plan_take_step(p, PLAN_TYPES, sql_named("chat", "pgcrypto"));
}

static bool has_label(const struct catalogue *have, const char *label)
{
	for (size_t i = 0; i < have->n_labels; i++)
		if (!strcmp(have->labels[i], label))
			return true;
	return false;
}

static void diff_labels(const struct catalogue *have, struct plan *p)
{
	for (size_t i = 0; i < n_chat_labels; i++) {
		if (has_label(have, chat_labels[i]))
			continue;
		plan_add(p, FINDING_WRONG, "StepType",
			"type \"StepType\" lacks the label '%s'",
			chat_labels[i]);
		plan_step(p, PLAN_TYPES,
			"ALTER TYPE \"StepType\" ADD VALUE '%s'%s%s%s;",
			chat_labels[i], i ? " AFTER '" : "",
			i ? chat_labels[i - 1] : "", i ? "'" : "");
	}
}

static void diff_type(const struct catalogue *have, struct plan *p)
{
	struct finding *f;

	if (have->type_kind == 'e') {
		diff_labels(have, p);
	} else if (have->type_kind) {
		f = plan_add(p, FINDING_WRONG, "StepType",
			"type \"StepType\" is no enum");
		f->is_hopeless = true;
	} else {
		plan_add(p, FINDING_MISSING, "StepType", "type \"StepType\"");
		plan_take_step(p, PLAN_TYPES, sql_named("chat", "StepType"));
	}
}

/* A table with its indexes and its foreign keys. */
static void add_table(const char *table, struct plan *p)
{
	plan_add(p, FINDING_MISSING, table, "table \"%s\"", table);
	plan_take_step(p, PLAN_TABLES, sql_named("chat", table));
	for (size_t i = 0; i < n_chat_indexes; i++)
		if (!strcmp(chat_indexes[i].table, table) &&
			chat_indexes[i].kind != CHAT_PRIMARY)
			plan_take_step(p, PLAN_INDEXES,
				sql_named("chat", chat_indexes[i].name));
	for (size_t i = 0; i < n_chat_keys; i++)
		if (!strcmp(chat_keys[i].table, table))
			plan_take_step(p, PLAN_KEYS,
				sql_named("chat", chat_keys[i].name));
}

static void diff_table(const struct catalogue *have,
	const struct chat_table *want, struct plan *p)
{
	const struct have_table *found = catalogue_table(have, want->name);
	struct finding *f = NULL;

	if (!found) {
		add_table(want->name, p);
		return;
	}
	if (found->kind != 'r' && found->kind != 'p')
		f = plan_add(p, FINDING_WRONG, want->name, "\"%s\" is no table",
			want->name);
	else if (!catalogue_column(have, want->name, want->mark))
		f = plan_add(p, FINDING_WRONG, want->name,
			"table \"%s\" is somebody else's, it has no column "
			"\"%s\": give Chainlit a database of its own",
			want->name, want->mark);
	if (f) {
		f->is_hopeless = true;
		return;
	}
	diff_columns(have, want->name, p);
	diff_indexes(have, want->name, p);
	diff_keys(have, want->name, p);
}

static const struct have_migration *find_migration(
	const struct catalogue *have, const char *name)
{
	for (size_t i = 0; i < have->n_migrations; i++)
		if (!strcmp(have->migrations[i].name, name))
			return &have->migrations[i];
	return NULL;
}

static void diff_migration(
	const struct have_migration *found, const char *name, struct plan *p)
{
	if (found && found->is_failed) {
		/* Prisma refuses to go on until somebody gives it up. */
		plan_add(p, FINDING_NOTE, PRISMA_TABLE,
			"Prisma's record says that %s failed", name);
		plan_take_step(
			p, PLAN_PRISMA, sql_named("prisma", "give_up_failed"));
	} else if (!found || !found->is_applied) {
		plan_add(p, FINDING_MISSING, PRISMA_TABLE,
			"Prisma's record of %s", name);
	}
	if (!found || !found->is_applied)
		plan_take_step(p, PLAN_PRISMA, sql_named("prisma", name));
}

static void diff_prisma(const struct catalogue *have, struct plan *p)
{
	const struct have_table *found = catalogue_table(have, PRISMA_TABLE);

	if (found && found->is_hidden) {
		plan_add(p, FINDING_NOTE, PRISMA_TABLE,
			"Prisma's record is taken for complete: this role may "
			"not read \"%s\"",
			PRISMA_TABLE);
		return;
	}
	if (!found) {
		plan_add(p, FINDING_MISSING, PRISMA_TABLE, "table \"%s\"",
			PRISMA_TABLE);
		plan_take_step(
			p, PLAN_PRISMA, sql_named("prisma", PRISMA_TABLE));
	}
	for (size_t i = 0; i < n_chat_migrations; i++)
		diff_migration(find_migration(have, chat_migrations[i]),
			chat_migrations[i], p);
}

void diff_catalogue(const struct catalogue *have, struct plan *ret)
{
	diff_pgcrypto(have, ret);
	diff_type(have, ret);
	for (size_t i = 0; i < n_chat_tables; i++)
		diff_table(have, &chat_tables[i], ret);
	diff_prisma(have, ret);
}
