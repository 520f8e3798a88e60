/*
 * Tokens to statements.
 *
 * Every token is seen twice: by the step, which knows where in the grammar
 * of its verb it stands and reads names and keywords there, and by call.c,
 * which looks for functions wherever they are.
 *
 * A statement ends at a semicolon outside parentheses (CREATE RULE has a
 * list of statements in them) and outside the body of a function. That body
 * begins with BEGIN ATOMIC, every statement in it ends with a semicolon, and
 * so its END is the one that follows a semicolon or ATOMIC; the END of CASE
 * or a column of that name never does.
 */
#include "wire/sql/sql_priv.h"

struct verb_row {
	enum step step;
	bool is_run;
	uint32_t flags;
};

static const struct verb_row verbs[] = {
#define RUN			      true
#define NO			      false
#define VERB(name, step, runs, flags) { STEP_##step, runs, flags },
#include "proto/sql_verbs.def"
#undef VERB
#undef RUN
#undef NO
};

static sql_step_fn *const steps[] = {
#define STEP(name, function) function,
#include "wire/sql/steps.def"
#undef STEP
};

bool sql_token_is_name(enum sql_token token)
{
	return token == TOKEN_WORD || token == TOKEN_QUOTED;
}

void sql_statement_raise(struct sql_scanner *s, uint32_t flags)
{
	s->now.flags |= flags;
}

void sql_statement_name(struct sql_scanner *s)
{
	memcpy(s->now.name, s->text, s->len);
	s->now.name[s->len] = '\0';
}

void sql_statement_rename(struct sql_scanner *s, const char *name)
{
	memcpy(s->now.name, name, strlen(name) + 1);
}

void sql_statement_verb(struct sql_scanner *s, enum sql_verb verb)
{
	const struct verb_row *row = &verbs[verb];

	s->now.verb = verb;
	s->now.flags |= row->flags;
	s->step = row->step;
	s->is_run = row->is_run;
	s->with_depth = s->depth;
}

void sql_statement_begin(struct sql_scanner *s)
{
	s->now.verb = SQL_VERB_OTHER;
	s->now.flags = 0;
	s->now.is_all = false;
	s->now.name[0] = '\0';
	s->step = STEP_VERB;
	s->is_open = false;
	s->is_run = true;
	s->is_routine = false;
	s->is_local = false;
	s->sees_settings = false;
	s->if_writes = 0;
	s->is_temp_kind = false;
	s->code = CODE_NO;
	s->names_code = false;
	s->last = TOKEN_NONE;
	s->word = WORD_NONE;
	s->last_word = WORD_NONE;
	s->before_word = WORD_NONE;
	s->depth = 0;
	s->body_depth = 0;
	sql_config_begin(s);
	sql_call_begin(s);
}

void sql_statement_end(struct sql_scanner *s)
{
	struct sql_summary *sum = &s->summary;

	if (!s->is_open)
		return;
	s->word = WORD_NONE;
	steps[s->step](s, TOKEN_SEMICOLON);
	sql_config_end(s);
	sql_call_token(s, TOKEN_SEMICOLON);
	if (s->now.verb == SQL_VERB_WITH)
		s->now.verb = SQL_VERB_SELECT;
	/* A rule of that view turns an UPDATE into set_config(). */
	if (s->sees_settings && (s->now.flags & SQL_WRITES))
		s->now.flags |= SQL_ANY_SETTING;
	if (s->risks || s->always)
		sql_risks_end(s);
	if (s->code)
		sql_ddl_end(s);
	if (sum->n_statements < SQL_MAX_STATEMENTS) {
		sum->statements[sum->n_statements] = s->now;
	} else {
		sum->is_truncated = true;
		s->now.flags |= SQL_OPAQUE | SQL_WRITES;
	}
	sum->n_statements++;
	sum->flags |= s->now.flags;
	sql_statement_begin(s);
}

/* Follows BEGIN ATOMIC and its END. */
static void body_follow(struct sql_scanner *s)
{
	if (s->depth || !s->is_routine)
		return;
	if (s->word == WORD_atomic && s->last_word == WORD_begin)
		s->body_depth++;
	else if (s->word == WORD_end && s->body_depth &&
		 (s->last == TOKEN_SEMICOLON || s->last_word == WORD_atomic))
		s->body_depth--;
}

void sql_statement_token(struct sql_scanner *s, enum sql_token token)
{
	s->summary.n_tokens++;
	if (token == TOKEN_SEMICOLON && !s->depth && !s->body_depth) {
		sql_statement_end(s);
		return;
	}
	s->is_open = true;
	s->word = WORD_NONE;
	/* After a dot every word is just a name. */
	if (token == TOKEN_WORD && s->last != TOKEN_DOT)
		s->word = sql_word_find(s->text, s->len);
	body_follow(s);
	/* Most tokens are nothing to anybody but call.c. */
	if (s->step != STEP_REST)
		steps[s->step](s, token);
	if (s->config)
		sql_config_token(s, token);
	sql_call_token(s, token);
	s->last = token;
	s->before_word = s->last_word;
	s->last_word = s->word;
}

/* The verb of the statement, or of its parenthesised first part. */
void sql_step_verb(struct sql_scanner *s, enum sql_token token)
{
	if (token == TOKEN_OPEN)
		return;
	sql_statement_verb(s, s->word == WORD_NONE
				      ? SQL_VERB_OTHER
				      : sql_word_row(s->word)->verb);
}

/* A statement inside EXPLAIN, PREPARE or DECLARE: all but the verb counts. */
void sql_step_inner(struct sql_scanner *s, enum sql_token token)
{
	enum sql_verb outer = s->now.verb;

	sql_step_verb(s, token);
	s->now.verb = outer;
}

void sql_step_rest(struct sql_scanner *s, enum sql_token token)
{
	(void)s;
	(void)token;
}

/* LISTEN name, EXECUTE name, CLOSE ALL, UNLISTEN * */
void sql_step_name(struct sql_scanner *s, enum sql_token token)
{
	s->step = STEP_REST;
	if (s->word == WORD_all || (token == TOKEN_OPERATOR && s->op == '*')) {
		s->now.is_all = true;
		s->now.name[0] = '\0';
	} else if (sql_token_is_name(token)) {
		sql_statement_name(s);
	}
}

bool sql_word_is_main(enum sql_word word)
{
	if (word == WORD_NONE)
		return false;
	switch (sql_word_row(word)->verb) {
	case SQL_VERB_SELECT:
	case SQL_VERB_VALUES:
	case SQL_VERB_TABLE:
	case SQL_VERB_INSERT:
	case SQL_VERB_UPDATE:
	case SQL_VERB_DELETE:
	case SQL_VERB_MERGE:
		return true;
	default:
		return false;
	}
}

/* Waits for the main statement, which stands beside the list of WITH; after
 * FOR and FOR NO KEY the word UPDATE is a lock. */
void sql_step_with(struct sql_scanner *s, enum sql_token token)
{
	bool is_nested = token == TOKEN_OPEN && s->last == TOKEN_CLOSE;
	bool is_main = sql_word_is_main(s->word) &&
		       !sql_call_is_query_name(s) && s->last_word != WORD_for &&
		       s->last_word != WORD_key;

	if (s->depth != s->with_depth || (!is_nested && !is_main))
		return;
	s->step = STEP_REST;
	if (s->now.verb == SQL_VERB_WITH)
		s->now.verb =
			is_main ? sql_word_row(s->word)->verb : SQL_VERB_SELECT;
}

/* COPY from a client or a file writes; so does COPY to a file or program. */
void sql_step_copy(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->depth)
		return;
	if (s->word == WORD_from) {
		sql_statement_raise(s, SQL_WRITES);
		s->step = STEP_COPY_FROM;
	} else if (s->word == WORD_to) {
		s->step = STEP_COPY_TO;
	}
}

/* STDIN (FORMAT csv) is no call. */
void sql_step_copy_from(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	s->call = CALL_NO;
	s->step = STEP_REST;
}

void sql_step_copy_to(struct sql_scanner *s, enum sql_token token)
{
	if (s->word != WORD_stdout && s->word != WORD_stdin)
		sql_statement_raise(s, SQL_WRITES);
	sql_step_copy_from(s, token);
}

/* EXPLAIN (options) statement, or EXPLAIN ANALYZE VERBOSE statement */
void sql_step_explain(struct sql_scanner *s, enum sql_token token)
{
	if (s->depth || !sql_token_is_name(token) || s->word == WORD_analyze ||
		s->word == WORD_analyse || s->word == WORD_verbose)
		return;
	sql_step_inner(s, token);
}
