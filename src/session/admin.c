/*
 * The console's language: a handful of words, read the way PostgreSQL reads
 * them (comments, quotes, any case), so that clients need to know nothing
 * new.
 */
#include "session/admin.h"

#include <errno.h>
#include <stdlib.h>

enum {
	NAME_MAX_LEN = 63,
	NEAR = 2
};

/* ---- rows ------------------------------------------------------------- */

static const struct admin_row rows[] = {
#define ADMIN_SHOW(row, reach, from, make, text)                               \
	{ .name = #row,                                                        \
		.is_show = true,                                               \
		.source = ADMIN_SOURCE_##from,                                 \
		.step = reach_##reach,                                         \
		.rows = (make),                                                \
		.help = (text) },
#define ADMIN_COMMAND(row, kind, does, text)                                   \
	{ .name = #row,                                                        \
		.arguments = ADMIN_##kind,                                     \
		.step = (does),                                                \
		.help = (text) },
#include "proto/admin.def"
};

/* All columns, and by the side the table each is of. */
static const struct pg_column columns[] = {
#define ADMIN_COLUMN(show, name, type) { #name, PG_TYPE_##type },
#include "proto/admin.def"
};

static const struct {
	const char *show;
	bool is_extra;
} column_owners[] = {
#define ADMIN_COLUMN(show, name, type) { #show, false },
#define ADMIN_EXTRA(show, name, type)  { #show, true },
#include "proto/admin.def"
};

const struct admin_row *admin_row(size_t nth)
{
	return nth < ARRAY_SIZE(rows) ? &rows[nth] : NULL;
}

const struct pg_column *admin_columns(
	const struct admin_row *row, size_t *ret_n, size_t *ret_n_pgbouncer)
{
	const struct pg_column *first = NULL;

	*ret_n = 0;
	*ret_n_pgbouncer = 0;
	for (size_t i = 0; row->is_show && i < ARRAY_SIZE(columns); i++) {
		if (strcmp(column_owners[i].show, row->name) != 0)
			continue;
		if (!first)
			first = &columns[i];
		++*ret_n;
		*ret_n_pgbouncer += !column_owners[i].is_extra;
	}
	return first;
}

bool admin_is_console(const char *database)
{
	return !strcmp(database, "howdah") || !strcmp(database, CONSOLE_NAME);
}

bool admin_is_listed(const struct admin_row *row)
{
	return *row->help && row->step != command_unsupported &&
	       row->step != reach_not;
}

const char *admin_arguments_text(enum admin_arguments arguments)
{
	switch (arguments) {
	case ADMIN_DATABASE:
		return "[database]";
	case ADMIN_VICTIM:
		return "database";
	case ADMIN_SETTING:
		return "name = value";
	case ADMIN_NAME:
		return "name";
	default:
		return "";
	}
}

/* ---- tokens ----------------------------------------------------------- */

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* as it stands */
	TOKEN_QUOTED, /* between quotes of one kind, doubled ones inside */
	TOKEN_EQUALS,
	TOKEN_SEMICOLON,
	TOKEN_BAD, /* a quote or a comment without an end */
};

struct token {
	enum token_kind kind;
	struct slice text; /* without the quotes */
	char quote;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A comment's length, the nested ones included; 0: there is none, SIZE_MAX:
 * it has no end. */
static size_t comment_len(struct slice s)
{
	size_t depth = 0;

	if (slice_starts_with(s, SLICE("--")))
		return slice_find(s, '\n');
	if (!slice_starts_with(s, SLICE("/*")))
		return 0;
	for (size_t i = 0; i + 1 < s.len; i++) {
		if (s.data[i] == '/' && s.data[i + 1] == '*')
			depth++;
		else if (s.data[i] == '*' && s.data[i + 1] == '/')
			depth--;
		else
			continue;
		i++;
		if (!depth)
			return i + 1;
	}
	return SIZE_MAX;
}

static struct token quoted(struct slice *s)
{
	struct token t = { .kind = TOKEN_QUOTED, .quote = s->data[0] };
	size_t i = 1;

	while (i < s->len) {
		if (s->data[i] != t.quote) {
			i++;
		} else if (i + 1 < s->len && s->data[i + 1] == t.quote) {
			i += 2;
		} else {
			t.text = slice_of(s->data + 1, i - 1);
			*s = slice_from(*s, i + 1);
			return t;
		}
	}
	*s = slice_from(*s, s->len);
	t.kind = TOKEN_BAD;
	return t;
}

static bool ends_word(struct slice s, size_t at)
{
	char c = s.data[at];

	return is_space(c) || c == ';' || c == '=' || c == '\'' || c == '"' ||
	       comment_len(slice_from(s, at)) != 0;
}

static struct token word(struct slice *s)
{
	struct token t = { .kind = TOKEN_WORD };
	size_t i = 1;

	while (i < s->len && !ends_word(*s, i))
		i++;
	t.text = slice_of(s->data, i);
	*s = slice_from(*s, i);
	return t;
}

static struct token next_token(struct slice *s)
{
	struct token t = { .kind = TOKEN_END };

	for (;;) {
		size_t n = s->len && is_space(s->data[0]) ? 1 : comment_len(*s);

		if (n == SIZE_MAX) {
			*s = slice_from(*s, s->len);
			t.kind = TOKEN_BAD;
			return t;
		}
		if (!n)
			break;
		*s = slice_from(*s, n);
	}
	if (!s->len)
		return t;
	if (s->data[0] == '\'' || s->data[0] == '"')
		return quoted(s);
	if (s->data[0] != ';' && s->data[0] != '=')
		return word(s);
	t.kind = s->data[0] == ';' ? TOKEN_SEMICOLON : TOKEN_EQUALS;
	t.text = slice_of(s->data, 1);
	*s = slice_from(*s, 1);
	return t;
}

/* Its text for the caller to free, doubled quotes made one. */
static char *token_dup(const struct token *t)
{
	char *copy = slice_dup(t->text);
	size_t n = 0;

	for (size_t i = 0; i < t->text.len; i++) {
		copy[n++] = t->text.data[i];
		if (t->kind == TOKEN_QUOTED && t->text.data[i] == t->quote)
			i++;
	}
	copy[n] = '\0';
	return copy;
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name(const struct token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_QUOTED;
}

/* ---- statements ------------------------------------------------------- */

bool admin_next(struct slice *text, struct slice *ret_statement)
{
	const char *begin = NULL;
	struct token t;

	do {
		const char *at = text->data;

		t = next_token(text);
		if (t.kind != TOKEN_SEMICOLON && t.kind != TOKEN_END && !begin)
			begin = at;
		if (begin &&
			(t.kind == TOKEN_SEMICOLON || t.kind == TOKEN_END)) {
			size_t len = (size_t)(text->data - begin);

			if (t.kind == TOKEN_SEMICOLON)
				len--;
			*ret_statement = slice_of(begin, len);
			return true;
		}
	} while (t.kind != TOKEN_END);
	return false;
}

void admin_command_deinit(struct admin_command *command)
{
	free(command->argument);
	free(command->value);
	*command = (struct admin_command){ 0 };
}

void admin_command_copy(
	const struct admin_command *from, struct admin_command *ret)
{
	*ret = *from;
	if (from->argument)
		ret->argument = xstrdup(from->argument);
	if (from->value)
		ret->value = xstrdup(from->value);
}

/* ---- what is wrong ---------------------------------------------------- */

/* The name of a row most like a word, or NULL when none is. */
static const char *nearest(struct slice text, bool is_show)
{
	const char *best = NULL;
	size_t best_distance = NEAR + 1;
	char upper[NAME_MAX_LEN];
	struct slice wanted = slice_of(upper, MIN(text.len, sizeof(upper)));

	for (size_t i = 0; i < wanted.len; i++) {
		char c = text.data[i];

		upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t d = slice_distance(wanted, slice_str(rows[i].name));

		if (rows[i].is_show != is_show || !admin_is_listed(&rows[i]))
			continue;
		if (d < best_distance && d < strlen(rows[i].name)) {
			best = rows[i].name;
			best_distance = d;
		}
	}
	return best;
}

static void hint_commands(struct fault *f)
{
	char list[160] = "SHOW";
	size_t used = strlen(list);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].name);

		if (rows[i].is_show || !admin_is_listed(&rows[i]) ||
			used + len + 3 > sizeof(list))
			continue;
		memcpy(list + used, ", ", 2);
		memcpy(list + used + 2, rows[i].name, len + 1);
		used += len + 2;
	}
	fault_hint(f, "There are %s; see SHOW HELP.", list);
}

static int unknown(struct slice text, bool is_show, struct fault *f)
{
	const char *near = nearest(text, is_show);
	int len = (int)MIN(text.len, NAME_MAX_LEN);

	fault_set(f, FAULT_SYNTAX, "the admin console has no %s\"%.*s\"",
		is_show ? "SHOW " : "command ", len, text.data);
	if (near)
		fault_hint(f, "Perhaps you mean %s%s; see SHOW HELP.",
			is_show ? "SHOW " : "", near);
	else if (is_show)
		fault_hint(f, "SHOW HELP lists what there is.");
	else
		hint_commands(f);
	return -EINVAL;
}

static int unexpected(
	const struct admin_row *row, const struct token *t, struct fault *f)
{
	if (t->kind == TOKEN_BAD) {
		fault_set(f, FAULT_SYNTAX,
			"unterminated quote or comment in %s", row->name);
		return -EINVAL;
	}
	if (t->kind == TOKEN_END)
		fault_set(f, FAULT_SYNTAX, "%s is incomplete", row->name);
	else
		fault_set(f, FAULT_SYNTAX, "syntax error at or near \"%.*s\"",
			(int)MIN(t->text.len, NAME_MAX_LEN), t->text.data);
	fault_hint(f, "It is %s%s%s%s.", row->is_show ? "SHOW " : "", row->name,
		row->arguments == ADMIN_NONE ? "" : " ",
		admin_arguments_text(row->arguments));
	return -EINVAL;
}

/* ---- one statement ---------------------------------------------------- */

static const struct admin_row *find(struct slice name, bool is_show)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].is_show == is_show &&
			slice_is_nocase(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static bool is_ignored(const char *name)
{
	static const char *const names[] = {
#define ADMIN_IGNORED(name) #name,
#include "proto/admin.def"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (slice_is_nocase(slice_str(name), names[i]))
			return true;
	return false;
}

/* name = value, name TO value; SESSION in front says nothing new. What we do
 * not have is not looked at any further. */
static int parse_setting(
	struct slice rest, struct admin_command *c, struct fault *f)
{
	struct token name = next_token(&rest);
	struct token t;

	if (name.kind == TOKEN_WORD && slice_is_nocase(name.text, "session"))
		name = next_token(&rest);
	if (!is_name(&name))
		return unexpected(c->row, &name, f);
	c->argument = token_dup(&name);
	c->is_ignored = is_ignored(c->argument);
	if (c->is_ignored)
		return 0;
	t = next_token(&rest);
	if (t.kind != TOKEN_EQUALS &&
		!(t.kind == TOKEN_WORD && slice_is_nocase(t.text, "to")))
		return unexpected(c->row, &t, f);
	t = next_token(&rest);
	if (!is_name(&t))
		return unexpected(c->row, &t, f);
	c->value = token_dup(&t);
	t = next_token(&rest);
	return t.kind == TOKEN_END ? 0 : unexpected(c->row, &t, f);
}

/* ALL is no name: the argument stays NULL. */
static int parse_name(
	struct slice rest, struct admin_command *c, struct fault *f)
{
	struct token t = next_token(&rest);

	if (t.kind == TOKEN_WORD && slice_is_nocase(t.text, "prepare"))
		t = next_token(&rest);
	if (!is_name(&t))
		return unexpected(c->row, &t, f);
	if (t.kind != TOKEN_WORD || !slice_is_nocase(t.text, "all"))
		c->argument = token_dup(&t);
	for (char *p = c->argument; p && *p && t.kind == TOKEN_WORD; p++)
		*p = to_lower(*p);
	t = next_token(&rest);
	return t.kind == TOKEN_END ? 0 : unexpected(c->row, &t, f);
}

static int parse_database(
	struct slice rest, struct admin_command *c, struct fault *f)
{
	struct token t = next_token(&rest);

	if (t.text.len > ADMIN_NAME_MAX) {
		fault_set(f, FAULT_TOO_LARGE,
			"a database's name has at most %d bytes",
			ADMIN_NAME_MAX);
		return -EINVAL;
	}
	if (is_name(&t)) {
		c->argument = token_dup(&t);
		t = next_token(&rest);
	} else if (c->row->arguments == ADMIN_VICTIM) {
		return unexpected(c->row, &t, f);
	}
	return t.kind == TOKEN_END ? 0 : unexpected(c->row, &t, f);
}

static int parse_nothing(
	struct slice rest, struct admin_command *c, struct fault *f)
{
	struct token t = next_token(&rest);

	return t.kind == TOKEN_END ? 0 : unexpected(c->row, &t, f);
}

static int parse_arguments(
	struct slice rest, struct admin_command *c, struct fault *f)
{
	switch (c->row->arguments) {
	case ADMIN_ANY:
		return 0;
	case ADMIN_SETTING:
		return parse_setting(rest, c, f);
	case ADMIN_NAME:
		return parse_name(rest, c, f);
	case ADMIN_DATABASE:
	case ADMIN_VICTIM:
		return parse_database(rest, c, f);
	default:
		return parse_nothing(rest, c, f);
	}
}

int admin_parse(
	struct slice statement, struct admin_command *ret, struct fault *f)
{
	CLEANUP(admin_command_deinit) struct admin_command c = { 0 };
	struct slice rest = statement;
	struct token t = next_token(&rest);
	bool is_show = t.kind == TOKEN_WORD && slice_is_nocase(t.text, "show");
	int r;

	if (is_show)
		t = next_token(&rest);
	if (is_show && t.kind == TOKEN_END) {
		fault_set(f, FAULT_SYNTAX, "SHOW is incomplete");
		fault_hint(f, "SHOW HELP lists what there is.");
		return -EINVAL;
	}
	if (t.kind == TOKEN_WORD)
		c.row = find(t.text, is_show);
	if (!c.row)
		return unknown(t.text, is_show, f);
	r = parse_arguments(rest, &c, f);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct admin_command){ 0 };
	return 0;
}
