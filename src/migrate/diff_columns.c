/*
 * Columns: missing, of another type, NULL where it must not be or the other
 * way round, with another default, and extra ones.
 */
#include "migrate/migrate_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct conversion {
	const char *from;
	const char *to;
	enum finding_grade grade;
	const char *expression;
	const char *effect;
};

static const struct conversion conversions[] = {
#define CONVERSION(from, to, grade, expression, effect)                        \
	{ from, to, FINDING_##grade, expression, effect },
#include "migrate/conversions.def"
#undef CONVERSION
};

static const struct conversion *conversion_find(
	const char *from, const char *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversions); i++)
		if (!strcmp(conversions[i].from, from) &&
			!strcmp(conversions[i].to, to))
			return &conversions[i];
	return NULL;
}

static const struct chat_column *chat_column(
	const char *table, const char *name)
{
	for (size_t i = 0; i < n_chat_columns; i++)
		if (!strcmp(chat_columns[i].table, table) &&
			!strcmp(chat_columns[i].name, name))
			return &chat_columns[i];
	return NULL;
}

bool diff_is_converted(
	const struct catalogue *have, const char *table, const char *column)
{
	const struct chat_column *want = chat_column(table, column);
	const struct have_column *found = catalogue_column(have, table, column);

	return found && want && strcmp(found->type, want->type);
}

/* An expression with the quoted column for each @. */
static void put_expression(
	struct buf *b, const char *expression, const char *column)
{
	for (const char *at = expression; *at; at++) {
		if (*at == '@')
			db_put_name(b, column);
		else
			buf_put_u8(b, (uint8_t)*at);
	}
}

static void add_missing(const struct chat_column *want, struct plan *p)
{
	struct finding *f = plan_add(p, FINDING_WRONG, want->table,
		"\"%s\".\"%s\" is missing", want->table, want->name);
	bool has_default = *want->def;

	if (want->is_not_null && !has_default && !*want->fill) {
		f->guard =
			xasprintf("EXISTS (SELECT FROM \"%s\")", want->table);
		f->guard_what = xasprintf("\"%s\".\"%s\" is missing, and its "
					  "rows have no value for it: it "
					  "stays without NOT NULL",
			want->table, want->name);
		f->guard_phase = PLAN_COLUMNS;
		f->guard_sql = xasprintf("ALTER TABLE \"%s\" ADD COLUMN "
					 "\"%s\" %s;",
			want->table, want->name, want->type);
	}
	plan_step(p, PLAN_COLUMNS,
		"ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s%s%s%s;", want->table,
		want->name, want->type,
		want->is_not_null && (has_default || !*want->fill) ? " NOT NULL"
								   : "",
		has_default ? " DEFAULT " : "", want->def);
	if (!want->is_not_null || !*want->fill ||
		!strcmp(want->fill, want->def))
		return;
	plan_step(p, PLAN_FILL, "UPDATE \"%s\" SET \"%s\" = %s;", want->table,
		want->name, want->fill);
	if (!has_default)
		plan_step(p, PLAN_REQUIRE,
			"ALTER TABLE \"%s\" ALTER COLUMN \"%s\" SET NOT NULL;",
			want->table, want->name);
}

static void diff_type(const struct chat_column *want,
	const struct have_column *have, struct plan *p)
{
	const struct conversion *c = conversion_find(have->base, want->type);
	CLEANUP(buf_deinit) struct buf sql = { 0 };
	struct finding *f;

	f = plan_add(p, c ? c->grade : FINDING_WRONG, want->table,
		"\"%s\".\"%s\" is %s, not %s", want->table, want->name,
		have->type, want->type);
	if (!c || have->is_generated) {
		f->is_hopeless = true;
		return;
	}
	if (*c->effect)
		f->effect = xstrdup(c->effect);
	buf_printf(&sql, "ALTER TABLE \"%s\"", want->table);
	if (*have->def)
		buf_printf(
			&sql, " ALTER COLUMN \"%s\" DROP DEFAULT,", want->name);
	buf_printf(&sql, " ALTER COLUMN \"%s\" TYPE %s USING ", want->name,
		want->type);
	put_expression(&sql, c->expression, want->name);
	if (*want->def)
		buf_printf(&sql, ", ALTER COLUMN \"%s\" SET DEFAULT %s",
			want->name, want->def);
	buf_append_str(&sql, ";");
	plan_take_step(p, PLAN_COLUMNS, buf_take_str(&sql));
}

/* Rows without a value get one, or else the column stays as it is. */
static void diff_not_null(const struct chat_column *want, struct plan *p)
{
	struct finding *f;

	f = plan_add(p, FINDING_NOTE, want->table, "\"%s\".\"%s\" may be NULL",
		want->table, want->name);
	if (*want->fill) {
		f->effect =
			xasprintf("rows without a value get %s", want->fill);
		plan_step(p, PLAN_FILL,
			"UPDATE \"%s\" SET \"%s\" = %s WHERE \"%s\" IS NULL;",
			want->table, want->name, want->fill, want->name);
	} else {
		f->guard = xasprintf("EXISTS (SELECT FROM \"%s\" WHERE "
				     "\"%s\" IS NULL)",
			want->table, want->name);
		f->guard_what = xasprintf("\"%s\".\"%s\" may be NULL, and is "
					  "in some rows: it stays so",
			want->table, want->name);
	}
	plan_step(p, PLAN_REQUIRE,
		"ALTER TABLE \"%s\" ALTER COLUMN \"%s\" SET NOT NULL;",
		want->table, want->name);
}

static void diff_nullability(const struct chat_column *want,
	const struct have_column *have, struct plan *p)
{
	if (want->is_not_null == have->is_not_null)
		return;
	if (want->is_not_null) {
		diff_not_null(want, p);
		return;
	}
	plan_add(p, FINDING_WRONG, want->table,
		"\"%s\".\"%s\" is NOT NULL, and Chainlit leaves it out",
		want->table, want->name);
	plan_step(p, PLAN_COLUMNS,
		"ALTER TABLE \"%s\" ALTER COLUMN \"%s\" DROP NOT NULL;",
		want->table, want->name);
}

static void diff_default(const struct chat_column *want,
	const struct have_column *have, struct plan *p)
{
	bool is_lacking = !*have->def && want->is_not_null;
	struct finding *f;

	if (!strcmp(want->def, have->def))
		return;
	f = plan_add(p, is_lacking ? FINDING_WRONG : FINDING_NOTE, want->table,
		"\"%s\".\"%s\" has %s%s, not %s", want->table, want->name,
		*have->def ? "DEFAULT " : "no default", have->def,
		*want->def ? want->def : "none");
	if (have->is_generated) {
		f->grade = FINDING_WRONG;
		f->is_hopeless = true;
	} else if (*want->def) {
		plan_step(p, PLAN_COLUMNS,
			"ALTER TABLE \"%s\" ALTER COLUMN \"%s\" "
			"SET DEFAULT %s;",
			want->table, want->name, want->def);
	} else {
		plan_step(p, PLAN_COLUMNS,
			"ALTER TABLE \"%s\" ALTER COLUMN \"%s\" "
			"DROP DEFAULT;",
			want->table, want->name);
	}
}

static void diff_extra(
	const struct have_column *have, const char *table, struct plan *p)
{
	CLEANUP(buf_deinit) struct buf name = { 0 };
	CLEANUP(freep) char *quoted = NULL;

	db_put_name(&name, have->name);
	quoted = buf_take_str(&name);
	if (!have->is_not_null || *have->def || have->is_generated) {
		plan_add(p, FINDING_EXTRA, table,
			"\"%s\".%s %s is extra, and left alone", table, quoted,
			have->type);
		return;
	}
	plan_add(p, FINDING_WRONG, table,
		"\"%s\".%s %s is extra, and NOT NULL without a default: "
		"Chainlit cannot insert",
		table, quoted, have->type);
	plan_step(p, PLAN_COLUMNS,
		"ALTER TABLE \"%s\" ALTER COLUMN %s DROP NOT NULL;", table,
		quoted);
}

void diff_columns(
	const struct catalogue *have, const char *table, struct plan *ret)
{
	for (size_t i = 0; i < n_chat_columns; i++) {
		const struct chat_column *want = &chat_columns[i];
		const struct have_column *found;

		if (strcmp(want->table, table))
			continue;
		found = catalogue_column(have, table, want->name);
		if (!found) {
			add_missing(want, ret);
			continue;
		}
		if (strcmp(found->type, want->type))
			diff_type(want, found, ret);
		else
			diff_default(want, found, ret);
		diff_nullability(want, found, ret);
	}
	for (size_t i = 0; i < have->n_columns; i++)
		if (!strcmp(have->columns[i].table, table) &&
			!chat_column(table, have->columns[i].name))
			diff_extra(&have->columns[i], table, ret);
}
