/*
 * What a stored function may do to the session that runs it, from the words
 * of its body.
 *
 * Nothing is parsed: a body may be in any language, and what is a string in
 * it may be run as a statement. Four things need more than a word:
 *
 *   SET name and RESET name, but not the SET of an UPDATE
 *   set_config('name', ...), whose name may be composed
 *   LOAD 'library', which is an ordinary word elsewhere
 *   name.name after those: a custom setting, which no look at the session
 *                  finds unless it is asked for by its name
 */
#include "wire/sql/sql_priv.h"

/* What is expected. */
enum stored {
	STORED_ANYTHING,
	STORED_SET,	    /* after SET [LOCAL | SESSION]: a name */
	STORED_SET_NAME,    /* after a part of it: a dot, or its end */
	STORED_SET_DOT,	    /* after the dot: another part */
	STORED_CONFIG,	    /* after set_config: a parenthesis */
	STORED_CONFIG_OPEN, /* a literal */
	STORED_CONFIG_NAME, /* in it: a part, a dot, its end */
	STORED_CONFIG_END,  /* a comma */
	STORED_LOAD,	    /* after LOAD and a blank: a literal */
};

struct stored_row {
	const char *word;
	uint32_t flags;
};

static const struct stored_row words[] = {
	{ "deallocate", SQL_HIDDEN | SQL_DEALLOCATES },
	{ "discard", SQL_HIDDEN | SQL_DEALLOCATES },
	{ "execute", SQL_HIDDEN },
	{ "hold", SQL_HIDDEN },
	{ "listen", SQL_HIDDEN },
	{ "notify", SQL_NOTIFIES },
	{ "pg_settings", SQL_HIDDEN },
	{ "prepare", SQL_HIDDEN },
	{ "temp", SQL_HIDDEN },
	{ "temporary", SQL_HIDDEN },
	{ "unlisten", SQL_HIDDEN },
};

/* Variables that live as long as the session, of PL/Perl and PL/Python. */
static const char *const globals[] = { "_shared", "gd", "sd" };

static const char *const writers[] = { "call", "copy", "delete", "execute",
	"insert", "merge", "truncate", "update" };

/* Behind these a statement begins. */
static const char *const starters[] = { "atomic", "begin", "else", "loop",
	"then" };

static bool is_among(struct slice word, const char *const *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_is(word, of[i]))
			return true;
	return false;
}

#define IS_AMONG(word, of) is_among(word, of, ARRAY_SIZE(of))

/* A function that has some of these leaves what can be seen. */
static const uint32_t seen_later = SQL_SETS | SQL_ROLE | SQL_TEMP |
				   SQL_ADVISORY | SQL_HOLD | SQL_PREPARES |
				   SQL_LISTENS | SQL_OPAQUE | SQL_DROPS_STATE |
				   SQL_SEED | SQL_LOADS | SQL_SEES_PREPARED;

static uint32_t flags_of(const struct function_row *row)
{
	uint32_t flags = row->flags & seen_later ? SQL_HIDDEN : 0;

	/* It runs a string: what is in it stands in the body, most likely. Of
	 * set_config() the name of the setting tells more. */
	if (row->flags & (SQL_OPAQUE | SQL_CUSTOM_SETTING))
		return flags;
	return flags | (row->flags & (SQL_SEED | SQL_LOADS | SQL_SEQUENCE |
					     SQL_SEQUENCE_READ | SQL_NOTIFIES |
					     SQL_SEES_PREPARED));
}

static const struct function_row *function_of(struct slice name)
{
	char text[SQL_NAME_MAX + 9] = { 0 };

	if (name.len > SQL_NAME_MAX)
		return NULL;
	memcpy(text, name.data, name.len);
	return sql_function_find(text, name.len);
}

uint32_t sql_stored_call(struct slice function)
{
	const struct function_row *row = function_of(function);

	if (slice_is(function, "set_config"))
		return SQL_HIDDEN | SQL_CUSTOM_SETTING | SQL_SEED;
	if (slice_is(function, "pg_settings"))
		return SQL_HIDDEN;
	return row ? flags_of(row) : 0;
}

/* ---- names of settings ------------------------------------------------ */

static void name_begin(struct sql_stored *s, enum stored state)
{
	s->name_len = 0;
	s->state = (uint8_t)state;
}

/* Longer ones than it holds are not known by their names. */
static void name_add(struct sql_stored *s, struct slice part)
{
	size_t room = sizeof(s->name) - s->name_len;

	memcpy(s->name + s->name_len, part.data, MIN(part.len, room));
	s->name_len += MIN(part.len, room);
}

static void name_lost(struct sql_stored *s)
{
	s->flags |= SQL_HIDDEN | SQL_CUSTOM_SETTING | SQL_SEED;
	s->state = STORED_ANYTHING;
}

static void name_done(struct sql_stored *s)
{
	struct slice name = slice_of(s->name, s->name_len);
	bool is_custom = slice_find(name, '.') < name.len;

	s->state = STORED_ANYTHING;
	if (slice_is(name, "seed"))
		s->flags |= SQL_SEED;
	if (is_custom && name.len < sizeof(s->name) && s->setting_seen)
		s->setting_seen(s->ctx, name);
	else if (is_custom)
		name_lost(s);
}

/* ---- words ------------------------------------------------------------ */

/* True when the word is a part of what is being read. */
static bool word_expected(struct sql_stored *s, struct slice word)
{
	switch ((enum stored)s->state) {
	case STORED_SET:
		if (slice_is(word, "local") || slice_is(word, "session"))
			return true;
		name_add(s, word);
		s->state = STORED_SET_NAME;
		return true;
	case STORED_SET_DOT:
		name_add(s, word);
		s->state = STORED_SET_NAME;
		return true;
	case STORED_SET_NAME:
		name_done(s);
		return false;
	case STORED_CONFIG_OPEN:
		/* E'...', N'...'; a variable is seen at what follows. */
		if (word.len == 1)
			return true;
		name_lost(s);
		return false;
	case STORED_CONFIG_NAME:
		if (s->name_len && s->name[s->name_len - 1] != '.')
			name_lost(s);
		name_add(s, word);
		return true;
	case STORED_CONFIG_END:
		name_lost(s);
		return false;
	default:
		s->state = STORED_ANYTHING;
		return false;
	}
}

static void see_set(struct sql_stored *s, bool is_set)
{
	if (is_set && s->is_update) {
		s->is_update = false;
		return;
	}
	s->flags |= SQL_HIDDEN;
	s->is_string = s->is_quote;
	name_begin(s, STORED_SET);
}

static void see_word(struct sql_stored *s, struct slice word, unsigned char c)
{
	const struct function_row *row = function_of(word);

	if (row)
		s->flags |= flags_of(row);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (slice_is(word, words[i].word))
			s->flags |= words[i].flags;
	if (slice_starts_with(word, SLICE("pg_temp")))
		s->flags |= SQL_HIDDEN;
	if (s->has_globals && IS_AMONG(word, globals))
		s->flags |= SQL_HIDDEN | SQL_LOADS;
	if (IS_AMONG(word, writers))
		s->is_writing = true;
	if (slice_is(word, "set") || slice_is(word, "reset"))
		see_set(s, word.len == 3);
	else if (slice_is(word, "set_config"))
		name_begin(s, STORED_CONFIG);
	else if (slice_is(word, "load") && s->is_start && c <= ' ')
		s->state = STORED_LOAD;
	else if (slice_is(word, "update"))
		s->is_update = true;
}

/* A word has ended at this byte. */
static void word_end(struct sql_stored *s, unsigned char c)
{
	struct slice word = slice_of(s->text, MIN(s->len, SQL_NAME_MAX));

	s->len = 0;
	if (s->word_seen)
		s->word_seen(s->ctx, word);
	if (!word_expected(s, word))
		see_word(s, word, c);
	s->is_start = IS_AMONG(word, starters);
	if (s->is_start)
		s->is_update = false;
}

/* ---- what stands between words ---------------------------------------- */

static void mark_in_set(struct sql_stored *s, unsigned char c)
{
	bool is_named = s->state == STORED_SET_NAME;

	if (c == '"')
		return;
	if (c == '.' && is_named) {
		name_add(s, SLICE("."));
		s->state = STORED_SET_DOT;
	} else if (is_named) {
		name_done(s);
	} else if (s->state == STORED_SET_DOT ||
		   (s->is_string && (c == '\'' || c == '%'))) {
		/* 'SET app.' || name, 'SET %s' */
		name_lost(s);
	} else {
		s->state = STORED_ANYTHING;
	}
}

static void mark_in_config(struct sql_stored *s, unsigned char c)
{
	switch ((enum stored)s->state) {
	case STORED_CONFIG:
		s->state = c == '(' ? STORED_CONFIG_OPEN : STORED_ANYTHING;
		return;
	case STORED_CONFIG_OPEN:
		if (c == '\'')
			s->state = STORED_CONFIG_NAME;
		else
			name_lost(s);
		return;
	case STORED_CONFIG_NAME:
		if (c == '.')
			name_add(s, SLICE("."));
		else if (c == '\'' && s->name_len)
			s->state = STORED_CONFIG_END;
		else if (c != '\'') /* quotes are doubled in a string */
			name_lost(s);
		return;
	default:
		if (c == ',' || c == ':')
			name_done(s);
		else if (c != '\'')
			name_lost(s);
	}
}

static void see_mark(struct sql_stored *s, unsigned char c)
{
	switch ((enum stored)s->state) {
	case STORED_SET:
	case STORED_SET_NAME:
	case STORED_SET_DOT:
		mark_in_set(s, c);
		break;
	case STORED_CONFIG:
	case STORED_CONFIG_OPEN:
	case STORED_CONFIG_NAME:
	case STORED_CONFIG_END:
		mark_in_config(s, c);
		break;
	case STORED_LOAD:
		if (c == '\'')
			s->flags |= SQL_HIDDEN | SQL_LOADS;
		s->state = STORED_ANYTHING;
		break;
	case STORED_ANYTHING:
		break;
	}
	if (c == ';')
		s->is_update = false;
	s->is_start = c == ';' || c == '\'' || c == '>';
}

/* The word "update" in a comment is none of the UPDATE behind it. */
static void follow_comment(struct sql_stored *s, unsigned char c)
{
	bool is_end =
		(s->is_comment && c == '\n') || (s->last == '*' && c == '/');

	if (s->last == '-' && c == '-')
		s->is_comment = true;
	if (!is_end)
		return;
	s->is_comment = false;
	s->is_update = false;
	s->is_start = true;
}

static void see_byte(struct sql_stored *s, unsigned char c)
{
	enum byte_class class = sql_byte_class(c);
	bool is_in_word = class == BYTE_LETTER || class == BYTE_DIGIT;

	if (is_in_word) {
		if (!s->len)
			s->is_quote = s->last == '\'';
		if (s->len < SQL_NAME_MAX)
			s->text[s->len] = sql_scan_fold(c);
		s->len++;
		s->last = c;
		return;
	}
	if (s->len)
		word_end(s, c);
	follow_comment(s, c);
	s->last = c;
	if (class != BYTE_SPACE)
		see_mark(s, c);
}

void sql_stored_begin(struct sql_stored *s)
{
	struct sql_stored fresh = {
		.word_seen = s->word_seen,
		.setting_seen = s->setting_seen,
		.ctx = s->ctx,
		.has_globals = s->has_globals,
		.is_start = true,
	};

	*s = fresh;
}

void sql_stored_feed(struct sql_stored *s, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		see_byte(s, (unsigned char)bytes.data[i]);
}

void sql_stored_end(struct sql_stored *s)
{
	sql_stored_feed(s, SLICE("\n"));
	if (s->state != STORED_ANYTHING)
		see_mark(s, ';');
}

size_t sql_stored_word(struct slice name, char *ret)
{
	size_t len = 0;

	for (size_t i = 0; i < name.len && len < SQL_NAME_MAX; i++) {
		enum byte_class class =
			sql_byte_class((unsigned char)name.data[i]);

		if (class != BYTE_LETTER && class != BYTE_DIGIT)
			break;
		ret[len++] = sql_scan_fold((unsigned char)name.data[i]);
	}
	return len;
}
