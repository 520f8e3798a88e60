/*
 * The text after DO, in whatever language it is.
 *
 * DO is opaque: what it left behind is looked for later. But some of it
 * cannot be found then, so the words of the text are compared with the names
 * of proto/functions.def and with a few words of SQL. Strings and comments in
 * it count as well; EXECUTE may run any string there is.
 */
#include "wire/sql/sql_priv.h"

/* A custom setting is made by SET [LOCAL | SESSION] name.name. */
enum body {
	BODY_ELSEWHERE,
	BODY_SET,  /* after SET */
	BODY_NAME, /* after the word that follows */
};

struct body_row {
	const char *word;
	uint32_t flags;
};

static const struct body_row words[] = {
	{ "alter", SQL_CODE },
	{ "create", SQL_CODE },
	{ "deallocate", SQL_DEALLOCATES },
	{ "discard", SQL_DEALLOCATES },
	{ "execute", SQL_RUNS_TEXT },
	{ "hold", SQL_HOLD },
	{ "listen", SQL_LISTENS },
	{ "load", SQL_LOADS },
	{ "prepare", SQL_PREPARES },
	{ "seed", SQL_SEED },
	{ "temp", SQL_TEMP },
	{ "temporary", SQL_TEMP },
	{ "unlisten", SQL_LISTENS },
};

void sql_body_begin(struct sql_scanner *s)
{
	s->body = BODY_ELSEWHERE;
}

static bool body_is(const struct sql_scanner *s, const char *word)
{
	return slice_is(slice_of(s->text, s->len), word);
}

static void body_word(struct sql_scanner *s)
{
	const struct function_row *row = NULL;

	if (s->len <= SQL_NAME_MAX) {
		memset(s->text + s->len, 0, 8);
		row = sql_function_find(s->text, s->len);
	}
	if (row)
		sql_statement_raise(s, row->flags);
	if (s->risks && s->len <= SQL_NAME_MAX)
		sql_risks_see(s);
	if (s->len >= 7 && !memcmp(s->text, "pg_temp", 7))
		sql_statement_raise(s, SQL_TEMP);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (body_is(s, words[i].word))
			sql_statement_raise(s, words[i].flags);
	}
	if (body_is(s, "set") || body_is(s, "reset"))
		s->body = BODY_SET;
	else if (s->body == BODY_SET && !body_is(s, "local") &&
		 !body_is(s, "session"))
		s->body = BODY_NAME;
	else if (s->body == BODY_NAME)
		s->body = BODY_ELSEWHERE;
	s->len = 0;
}

/* What stands between words; a quoted name may have a dot in it. */
static void body_mark(struct sql_scanner *s, unsigned char c)
{
	if (s->body == BODY_ELSEWHERE || sql_byte_class(c) == BYTE_SPACE)
		return;
	if (c == '.' || (c == '"' && s->body == BODY_SET))
		sql_statement_raise(s, SQL_CUSTOM_SETTING);
	s->body = BODY_ELSEWHERE;
}

void sql_body_byte(struct sql_scanner *s, unsigned char c)
{
	enum byte_class class = sql_byte_class(c);

	if (class == BYTE_LETTER || class == BYTE_DIGIT) {
		if (s->len < SQL_NAME_MAX)
			s->text[s->len] = sql_scan_fold(c);
		s->len++;
		return;
	}
	if (s->len)
		body_word(s);
	body_mark(s, c);
}

void sql_body_end(struct sql_scanner *s)
{
	if (s->len)
		body_word(s);
	/* A word can be hidden in escapes: E'\x73etseed(0)'. */
	if (!s->is_plain)
		sql_statement_raise(s, SQL_RUNS_TEXT);
}
