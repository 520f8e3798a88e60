/*
 * The statements about transactions and about what a session keeps by name:
 * prepared statements, cursors, channels, savepoints.
 */
#include "wire/sql/sql_priv.h"

/* COMMIT [WORK] or COMMIT PREPARED */
void sql_step_commit(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	s->step = STEP_REST;
	if (s->word == WORD_prepared)
		sql_statement_verb(s, SQL_VERB_COMMIT_PREPARED);
}

/* ROLLBACK [WORK] [TO [SAVEPOINT] name] or ROLLBACK PREPARED */
void sql_step_rollback(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->word == WORD_work || s->word == WORD_transaction)
		return;
	s->step = STEP_REST;
	if (s->word == WORD_to)
		sql_statement_verb(s, SQL_VERB_ROLLBACK_TO);
	else if (s->word == WORD_prepared)
		sql_statement_verb(s, SQL_VERB_ROLLBACK_PREPARED);
}

/* [SAVEPOINT] name; a savepoint may be called savepoint. */
void sql_step_mark(struct sql_scanner *s, enum sql_token token)
{
	bool is_word = s->word == WORD_savepoint;

	sql_step_name(s, token);
	if (is_word)
		s->step = STEP_NAME;
}

/* PREPARE name [(types)] AS statement, or PREPARE TRANSACTION 'id' */
void sql_step_prepare(struct sql_scanner *s, enum sql_token token)
{
	bool is_word = s->word == WORD_transaction;

	sql_step_name(s, token);
	s->step = is_word ? STEP_PREPARE_TRANSACTION : STEP_PREPARE_AS;
}

void sql_step_prepare_transaction(struct sql_scanner *s, enum sql_token token)
{
	s->step = STEP_PREPARE_AS;
	if (token != TOKEN_STRING) {
		sql_step_prepare_as(s, token);
		return;
	}
	s->now.flags = 0;
	s->now.name[0] = '\0';
	sql_statement_verb(s, SQL_VERB_PREPARE_TRANSACTION);
}

void sql_step_prepare_as(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->word == WORD_as && !s->depth)
		s->step = STEP_INNER;
}

/* [PREPARE] name or ALL; a statement may be called prepare. */
void sql_step_deallocate(struct sql_scanner *s, enum sql_token token)
{
	bool is_word = s->word == WORD_prepare;

	sql_step_name(s, token);
	if (is_word)
		s->step = STEP_NAME;
}

/* DECLARE name [options] CURSOR [WITH HOLD] FOR query */
void sql_step_declare(struct sql_scanner *s, enum sql_token token)
{
	sql_step_name(s, token);
	s->step = STEP_DECLARE_OPTIONS;
}

void sql_step_declare_options(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->word == WORD_hold && s->last_word == WORD_with)
		sql_statement_raise(s, SQL_HOLD);
	else if (s->word == WORD_for)
		s->step = STEP_INNER;
}

void sql_step_discard(struct sql_scanner *s, enum sql_token token)
{
	sql_step_name(s, token);
	if (s->word == WORD_temporary)
		sql_statement_rename(s, "temp");
	if (s->now.is_all)
		sql_statement_raise(s, SQL_SETS | SQL_ROLE | SQL_DEALLOCATES |
					       SQL_LISTENS | SQL_CLOSES);
}
