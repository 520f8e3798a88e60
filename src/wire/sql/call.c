/*
 * Which functions does a statement call?
 *
 * A call is a name with a parenthesis behind it, but so are the table of an
 * INSERT, the alias of a column list, a type with a length, IN and VALUES. It
 * is a call where an expression may begin: each token tells whether one may
 * follow it (proto/sql_words.def has it of the words). A call of a function
 * that neither table knows makes the statement opaque.
 *
 * Three things need memory at every depth of parentheses. In WITH the name
 * after a comma looks like a call when columns follow it, but then AS has to
 * follow those. And behind DISTINCT ON (...) and OPERATOR(...) an expression
 * begins, as behind no other parenthesis. From level 64 on nothing is
 * remembered, and what is in doubt is taken for a call.
 *
 * The names of proto/functions.def count wherever they stand, called or not:
 * (5::int8).pg_advisory_lock is a call, and so is TREAT(5 AS setseed).
 */
#include "wire/sql/sql_priv.h"

struct syntax_row {
	uint16_t before; /* enum sql_word */
	uint16_t word;
};

static const struct syntax_row syntaxes[] = {
#define SYNTAX(before, word) { WORD_##before, WORD_##word },
#include "proto/sql_syntax.def"
#undef SYNTAX
};

void sql_call_begin(struct sql_scanner *s)
{
	s->call = CALL_NO;
	s->name_call = CALL_NO;
	s->qualifier = QUALIFIER_NONE;
	s->must_be_as = false;
	s->with_lists = 0;
	s->call_after = 0;
	s->as_after = 0;
}

/* The bit of this depth, or none. */
static uint64_t depth_bit(const struct sql_scanner *s)
{
	return s->depth < 64 ? UINT64_C(1) << s->depth : 0;
}

static void depth_set(const struct sql_scanner *s, uint64_t *set, bool value)
{
	if (value)
		*set |= depth_bit(s);
	else
		*set &= ~depth_bit(s);
}

static void see_function(struct sql_scanner *s)
{
	const struct function_row *row = sql_function_find(s->text, s->len);

	if (!row)
		return;
	if (!strcmp(row->text, "set_config"))
		sql_config_mention(s);
	else if (!strcmp(row->text, "pg_settings"))
		s->sees_settings = true;
	else
		sql_statement_raise(s, row->flags ? row->flags : SQL_VOLATILE);
}

bool sql_call_is_query_name(const struct sql_scanner *s)
{
	switch (s->last_word) {
	case WORD_with:
	case WORD_recursive:
	case WORD_by:	 /* SEARCH DEPTH FIRST BY a, b SET c */
	case WORD_cycle: /* CYCLE a SET b USING c */
	case WORD_set:
	case WORD_using:
		return true;
	default:
		return s->call == CALL_UNLESS_AS;
	}
}

/* A list of WITH begins with a name after WITH; WITH TIME ZONE and WITH
 * ORDINALITY are something else. It ends with the main statement. */
static void see_with(struct sql_scanner *s)
{
	if (s->last_word == WORD_with)
		depth_set(s, &s->with_lists,
			s->word != WORD_time && s->word != WORD_ordinality);
	else if (sql_word_is_main(s->word) && !sql_call_is_query_name(s))
		depth_set(s, &s->with_lists, false);
}

/* Words that change data or make a table wherever they stand. */
static void see_effect(struct sql_scanner *s)
{
	switch (s->word) {
	case WORD_insert:
	case WORD_update:
	case WORD_delete:
	case WORD_merge:
		sql_statement_raise(s, SQL_WRITES);
		break;
	case WORD_share:
		if (s->last_word == WORD_for || s->last_word == WORD_key)
			sql_statement_raise(s, SQL_WRITES);
		break;
	case WORD_into:
		if (s->last_word != WORD_insert && s->last_word != WORD_merge)
			sql_statement_raise(s, SQL_WRITES | SQL_DDL);
		break;
	default:
		break;
	}
}

/* CREATE TEMP, SELECT INTO TEMP; and pg_temp in any place. */
static void see_temp(struct sql_scanner *s)
{
	static const uint16_t before[] = { WORD_create, WORD_replace,
		WORD_global, WORD_local, WORD_into };

	if (s->len >= 7 && !memcmp(s->text, "pg_temp", 7))
		sql_statement_raise(s, SQL_TEMP);
	if (s->word != WORD_temp && s->word != WORD_temporary)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		if (s->last_word == before[i])
			sql_statement_raise(s, SQL_TEMP);
	}
}

static void call_name(struct sql_scanner *s, enum sql_token token)
{
	if (s->last != TOKEN_DOT) {
		s->name_call = s->call;
		s->name_before = s->last_word;
		s->qualifier = QUALIFIER_NONE;
	}
	if (token == TOKEN_QUOTED && !s->is_plain)
		sql_statement_raise(s, SQL_ANYTHING);
	see_temp(s);
	see_with(s);
	if (s->risks)
		sql_risks_see(s);
	if (s->is_run) {
		see_effect(s);
		/* None of the words has flags in proto/functions.def. */
		if (s->word == WORD_NONE)
			see_function(s);
	} else if (s->code == CODE_MAYBE) {
		const struct function_row *row =
			sql_function_find(s->text, s->len);

		s->names_code |= row && row->flags;
	}
	/* NOT stands before an expression, and in a NOT LIKE b. */
	if (s->word != WORD_not)
		s->call = s->word == WORD_NONE ? CALL_NO
					       : sql_word_row(s->word)->next;
}

/* The name so far is a schema, or an expression whose column follows. */
static void call_dot(struct sql_scanner *s)
{
	struct slice name = slice_of(s->text, s->len);

	s->qualifier = QUALIFIER_OTHER;
	if (!sql_token_is_name(s->last))
		s->name_call = CALL_NO;
	else if (slice_is(name, "pg_catalog") ||
		 slice_is(name, "information_schema"))
		s->qualifier = QUALIFIER_SYSTEM;
}

static bool is_syntax(enum sql_word before, enum sql_word word)
{
	if (word == WORD_NONE)
		return false;
	if (sql_word_row(word)->is_fixed)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(syntaxes); i++) {
		if (syntaxes[i].word == word && syntaxes[i].before == before)
			return true;
	}
	return false;
}

/* Is the name in front of this parenthesis a function nobody knows? */
static bool is_foreign_call(const struct sql_scanner *s)
{
	if (!sql_token_is_name(s->last) || s->name_call == CALL_NO ||
		is_syntax(s->name_before, s->last_word))
		return false;
	return s->qualifier == QUALIFIER_OTHER ||
	       (!sql_builtin_is(s->text, s->len) &&
		       !sql_function_find(s->text, s->len));
}

static void call_open(struct sql_scanner *s)
{
	bool is_foreign = is_foreign_call(s);
	bool is_distinct =
		s->last_word == WORD_on && s->before_word == WORD_distinct;

	if (is_foreign && sql_risks_is_harmless(s->risks, s->text, s->len)) {
		sql_statement_raise(s, SQL_VOLATILE);
		is_foreign = false;
	}
	/* CREATE INDEX ON table (...) is none. */
	if (!s->is_run) {
		s->names_code |= is_foreign && s->step != STEP_INDEX;
		is_foreign = false;
	}
	/* WITH ... (SELECT ...): the main statement is in parentheses. */
	if (s->last == TOKEN_CLOSE)
		depth_set(s, &s->with_lists, false);
	s->depth++;
	s->summary.max_depth = MAX(s->summary.max_depth, s->depth);
	if (is_foreign && (s->name_call == CALL_YES || !depth_bit(s)))
		sql_statement_raise(s, SQL_OPAQUE | SQL_WRITES);
	depth_set(s, &s->as_after, is_foreign && s->name_call != CALL_YES);
	depth_set(s, &s->call_after,
		is_distinct || s->last_word == WORD_operator);
	depth_set(s, &s->with_lists, false);
	s->call = CALL_YES;
}

static void call_close(struct sql_scanner *s)
{
	uint64_t bit = depth_bit(s);

	s->call = !bit || (s->call_after & bit) ? CALL_YES : CALL_NO;
	s->must_be_as = (s->as_after & bit) != 0;
	if (s->depth)
		s->depth--;
}

void sql_call_token(struct sql_scanner *s, enum sql_token token)
{
	if (s->must_be_as && s->word != WORD_as)
		sql_statement_raise(s, SQL_OPAQUE | SQL_WRITES);
	s->must_be_as = false;
	switch (token) {
	case TOKEN_WORD:
	case TOKEN_QUOTED:
		call_name(s, token);
		break;
	case TOKEN_DOT:
		call_dot(s);
		break;
	case TOKEN_OPEN:
		call_open(s);
		break;
	case TOKEN_CLOSE:
		call_close(s);
		break;
	case TOKEN_COMMA:
		s->call = s->with_lists & depth_bit(s) ? CALL_UNLESS_AS
						       : CALL_YES;
		break;
	case TOKEN_OPERATOR:
	case TOKEN_OPEN_BRACKET:
		s->call = CALL_YES;
		break;
	default:
		s->call = CALL_NO;
	}
}
