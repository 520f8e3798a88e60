/*
 * Indexes and foreign keys. They are known by what they do and not by their
 * names: one of another name is fine. A key between columns that change type
 * is taken off first and put back last.
 */
#include "migrate/migrate_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- indexes ---------------------------------------------------------- */

static bool index_serves(
	const struct have_index *have, const struct chat_index *want)
{
	if (!have->is_plain || !have->is_valid ||
		strcmp(have->columns, want->columns))
		return false;
	switch (want->kind) {
	case CHAT_PRIMARY:
		return have->is_primary;
	case CHAT_UNIQUE:
		return have->is_unique;
	case CHAT_PLAIN:
		return !have->is_unique;
	}
	return false;
}

static void add_index(const struct have_index *namesake,
	const struct chat_index *want, struct plan *p)
{
	enum finding_grade grade =
		want->kind == CHAT_PLAIN ? FINDING_NOTE : FINDING_WRONG;

	plan_add(p, grade, want->table, "index \"%s\" on \"%s\" (%s) is %s",
		want->name, want->table, want->columns,
		namesake ? "invalid or another" : "missing");
	if (want->kind == CHAT_PRIMARY) {
		plan_step(p, PLAN_INDEXES,
			"ALTER TABLE \"%s\" ADD CONSTRAINT \"%s\" "
			"PRIMARY KEY (\"%s\");",
			want->table, want->name, want->columns);
		return;
	}
	if (namesake)
		plan_step(p, PLAN_INDEXES, "DROP INDEX \"%s\";", want->name);
	plan_take_step(p, PLAN_INDEXES, sql_named("chat", want->name));
}

void diff_indexes(
	const struct catalogue *have, const char *table, struct plan *ret)
{
	for (size_t i = 0; i < n_chat_indexes; i++) {
		const struct chat_index *want = &chat_indexes[i];
		const struct have_index *namesake = NULL;
		bool is_served = false;

		if (strcmp(want->table, table))
			continue;
		for (size_t k = 0; k < have->n_indexes; k++) {
			const struct have_index *one = &have->indexes[k];

			if (strcmp(one->table, table))
				continue;
			is_served |= index_serves(one, want);
			if (!strcmp(one->name, want->name))
				namesake = one;
		}
		if (!is_served)
			add_index(namesake, want, ret);
	}
}

/* ---- foreign keys ----------------------------------------------------- */

static bool key_is_on(const struct have_key *have, const struct chat_key *want)
{
	return !strcmp(have->table, want->table) &&
	       !strcmp(have->column, want->column) &&
	       !strcmp(have->target, want->target) &&
	       !strcmp(have->target_column, "id");
}

static bool key_acts(const struct have_key *have, const struct chat_key *want)
{
	return have->on_delete == want->on_delete && have->on_update == 'c';
}

/*
 * Are there rows that point at nothing? Both columns as they are now; NULL
 * when the question does not arise, the column being new.
 */
static char *orphans_question(
	const struct catalogue *have, const struct chat_key *want)
{
	const struct have_column *from =
		catalogue_column(have, want->table, want->column);
	const struct have_column *to =
		catalogue_column(have, want->target, "id");
	const char *cast;

	if (!from)
		return NULL;
	if (!to)
		return xasprintf("EXISTS (SELECT FROM \"%s\" WHERE \"%s\" "
				 "IS NOT NULL)",
			want->table, want->column);
	cast = strcmp(from->base, to->base) ? "::text" : "";
	return xasprintf("EXISTS (SELECT FROM \"%s\" c WHERE c.\"%s\" "
			 "IS NOT NULL AND NOT EXISTS (SELECT FROM \"%s\" p "
			 "WHERE p.\"id\"%s OPERATOR(pg_catalog.=) "
			 "c.\"%s\"%s))",
		want->table, want->column, want->target, cast, want->column,
		cast);
}

/* The statement that makes a key for new rows only. */
static char *not_valid_statement(const char *name)
{
	CLEANUP(freep) char *sql = sql_named("chat", name);
	size_t len = strlen(sql);

	check(len && sql[len - 1] == ';');
	return xasprintf("%.*s NOT VALID;", (int)(len - 1), sql);
}

static void set_orphans_guard(const struct catalogue *have,
	const struct chat_key *want, struct finding *f)
{
	f->guard = orphans_question(have, want);
	if (!f->guard)
		return;
	f->guard_what = xasprintf("%s; rows of \"%s\" point at nothing, so "
				  "it will hold for new rows only",
		f->what, want->table);
	f->guard_phase = PLAN_KEYS;
	f->guard_sql = not_valid_statement(want->name);
}

static void add_key(const struct catalogue *have, const struct chat_key *want,
	bool was_there, struct plan *p)
{
	struct finding *f =
		plan_add(p, was_there ? FINDING_NOTE : FINDING_WRONG,
			want->table, "foreign key \"%s\" %s", want->name,
			was_there ? "comes back" : "is missing");

	set_orphans_guard(have, want, f);
	plan_take_step(p, PLAN_KEYS, sql_named("chat", want->name));
}

static void drop_key(const struct have_key *key, struct plan *p)
{
	CLEANUP(buf_deinit) struct buf name = { 0 };

	db_put_name(&name, key->name);
	plan_step(p, PLAN_UNKEY, "ALTER TABLE \"%s\" DROP CONSTRAINT %.*s;",
		key->table, (int)name.len, name.data);
}

/* Off before the columns change, and the right one back afterwards. */
static void renew_key(const struct have_key *key, enum finding_grade grade,
	const char *why, struct plan *p)
{
	plan_add(p, grade, key->table, "foreign key \"%s\" %s", key->name, why);
	drop_key(key, p);
}

static void validate_key(const struct catalogue *have,
	const struct chat_key *want, const struct have_key *key, struct plan *p)
{
	CLEANUP(buf_deinit) struct buf name = { 0 };
	struct finding *f = plan_add(p, FINDING_NOTE, want->table,
		"foreign key \"%s\" was never validated", key->name);

	f->guard = orphans_question(have, want);
	f->guard_what = xasprintf(
		"%s: rows of \"%s\" point at nothing", f->what, want->table);
	db_put_name(&name, key->name);
	plan_step(p, PLAN_KEYS, "ALTER TABLE \"%s\" VALIDATE CONSTRAINT %.*s;",
		want->table, (int)name.len, name.data);
}

static void diff_key(const struct catalogue *have, const struct chat_key *want,
	struct plan *p)
{
	bool is_moved = diff_is_converted(have, want->table, want->column) ||
			diff_is_converted(have, want->target, "id");
	bool is_served = false;
	bool was_there = false;

	for (size_t i = 0; i < have->n_keys; i++) {
		const struct have_key *key = &have->keys[i];

		if (!key_is_on(key, want))
			continue;
		was_there = true;
		if (!key_acts(key, want)) {
			renew_key(key, FINDING_WRONG,
				"has other actions than Chainlit's", p);
			continue;
		}
		if (is_moved) {
			renew_key(key, FINDING_NOTE,
				"has to make way, its columns change type", p);
			continue;
		}
		is_served = true;
		if (!key->is_valid)
			validate_key(have, want, key, p);
	}
	if (!is_served)
		add_key(have, want, was_there, p);
}

void diff_keys(
	const struct catalogue *have, const char *table, struct plan *ret)
{
	for (size_t i = 0; i < n_chat_keys; i++)
		if (!strcmp(chat_keys[i].table, table))
			diff_key(have, &chat_keys[i], ret);
}
