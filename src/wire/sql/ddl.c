/*
 * CREATE, ALTER and DROP: of what, and of the databases which one.
 */
#include "wire/sql/sql_priv.h"

struct kind_row {
	uint16_t word; /* enum sql_word */
	enum step step;
	bool is_run;
	enum code code;
	uint32_t flags;
};

#define STEP_SKIP STEP_KIND

static const struct kind_row kinds[] = {
#define RUN true
#define NO  false
#define KIND(word, step, runs, code, flags)                                    \
	{ WORD_##word, STEP_##step, runs, CODE_##code, flags },
#include "proto/sql_kinds.def"
#undef KIND
#undef RUN
#undef NO
};

static const struct kind_row unknown_kind = {
	.step = STEP_REST,
	.is_run = true,
	.code = CODE_SURE,
	.flags = SQL_DDL,
};

static const struct kind_row *kind_find(enum sql_word word)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].word == word)
			return &kinds[i];
	}
	return &unknown_kind;
}

void sql_step_kind(struct sql_scanner *s, enum sql_token token)
{
	const struct kind_row *row = kind_find(s->word);

	(void)token;
	s->step = row->step;
	s->is_temp_kind |= s->word == WORD_temp || s->word == WORD_temporary;
	if (row->step == STEP_SKIP)
		return;
	/* Of temporary objects nobody else knows; and what is dropped is not
	 * run any more. */
	if (!s->is_temp_kind && s->now.verb != SQL_VERB_DROP)
		s->code = (uint8_t)row->code;
	s->is_run = row->is_run && s->now.verb != SQL_VERB_DROP;
	sql_statement_raise(s, row->flags);
}

/* A table's DEFAULT nextval() is no news: sequences move with every INSERT. */
void sql_ddl_end(struct sql_scanner *s)
{
	static const uint32_t naming =
		SQL_OPAQUE | SQL_HIDDEN | SQL_SETS | SQL_SETS_LOCAL |
		SQL_CUSTOM_SETTING | SQL_ROLE | SQL_ADVISORY | SQL_SEED |
		SQL_SEQUENCE_READ | SQL_LOADS | SQL_NOTIFIES |
		SQL_SEES_PREPARED | SQL_DROPS_STATE | SQL_LISTENS;

	if (s->code == CODE_SURE || s->names_code || s->now.flags & naming)
		sql_statement_raise(s, SQL_CODE);
}

/* CREATE TABLE name AS EXECUTE prepared */
void sql_step_table(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->word != WORD_execute || s->last_word != WORD_as)
		return;
	sql_statement_raise(s, SQL_EXECUTES | SQL_OPAQUE | SQL_WRITES);
	s->step = STEP_NAME;
}

/* CREATE INDEX name ON table USING method (...): expressions begin there. */
void sql_step_index(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	if (s->last != TOKEN_OPEN)
		return;
	s->is_run = s->now.verb != SQL_VERB_DROP;
	s->step = STEP_REST;
}

/*
 * CREATE FUNCTION ... LANGUAGE C loads the library, and ... SET name.name
 * makes that setting. What else is in there is run later, by somebody.
 */
void sql_step_routine(struct sql_scanner *s, enum sql_token token)
{
	s->is_routine = s->now.verb == SQL_VERB_CREATE;
	if (s->last_word == WORD_language && s->len == 1 &&
		(s->text[0] | 0x20) == 'c' &&
		(sql_token_is_name(token) || token == TOKEN_STRING))
		sql_statement_raise(s, SQL_LOADS);
	if (token == TOKEN_DOT && s->before_word == WORD_set)
		sql_statement_raise(s, SQL_CUSTOM_SETTING);
}

void sql_step_database(struct sql_scanner *s, enum sql_token token)
{
	sql_step_name(s, token);
	switch (s->now.verb) {
	case SQL_VERB_CREATE:
		sql_statement_rename(s, "template1");
		sql_statement_raise(s, SQL_DATABASE_DDL);
		s->step = STEP_CREATE_DATABASE;
		break;
	case SQL_VERB_DROP:
		sql_statement_raise(s, SQL_DATABASE_DDL);
		if (s->word == WORD_if)
			s->step = STEP_DROP_DATABASE;
		break;
	default:
		s->step = STEP_ALTER_DATABASE;
	}
}

/* [WITH] option [=] value ...: what is copied is option TEMPLATE. */
void sql_step_create_database(struct sql_scanner *s, enum sql_token token)
{
	s->step = STEP_DATABASE_OPTION;
	if (s->word != WORD_with)
		sql_step_database_option(s, token);
}

void sql_step_database_option(struct sql_scanner *s, enum sql_token token)
{
	bool is_template = sql_token_is_name(token) && s->len == 8 &&
			   !memcmp(s->text, "template", 8);

	/* CONNECTION LIMIT is the only option of two words. */
	if (s->word == WORD_connection)
		return;
	s->step = is_template ? STEP_TEMPLATE : STEP_DATABASE_VALUE;
}

void sql_step_database_value(struct sql_scanner *s, enum sql_token token)
{
	if (token != TOKEN_OPERATOR)
		s->step = STEP_DATABASE_OPTION;
}

void sql_step_template(struct sql_scanner *s, enum sql_token token)
{
	if (token == TOKEN_OPERATOR)
		return;
	s->step = STEP_DATABASE_OPTION;
	if (s->word == WORD_default)
		return;
	if (sql_token_is_name(token) || (token == TOKEN_STRING && s->is_plain &&
						s->len <= SQL_NAME_MAX))
		sql_statement_name(s);
	else
		sql_statement_rename(s, "");
}

/* DROP DATABASE IF EXISTS name; a database may be called if. */
void sql_step_drop_database(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	s->step = s->word == WORD_exists ? STEP_NAME : STEP_REST;
}

/* Renaming and moving need it unused, SET and RESET change its sessions. */
void sql_step_alter_database(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	s->step = STEP_REST;
	if (s->word == WORD_rename)
		sql_statement_raise(s, SQL_DATABASE_DDL);
	else if (s->word == WORD_reset)
		sql_statement_raise(s, SQL_SETTING_DDL);
	else if (s->word == WORD_set)
		s->step = STEP_ALTER_DATABASE_SET;
}

void sql_step_alter_database_set(struct sql_scanner *s, enum sql_token token)
{
	(void)token;
	s->step = STEP_REST;
	sql_statement_raise(s, s->word == WORD_tablespace ? SQL_DATABASE_DDL
							  : SQL_SETTING_DDL);
}
