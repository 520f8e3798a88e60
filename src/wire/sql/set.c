/*
 * Settings: SET and RESET in all their forms, and set_config(name, value,
 * is_local), which may stand anywhere in an expression.
 */
#include "wire/sql/sql_priv.h"

/* Where in the arguments of set_config() the next token stands. */
enum config {
	CONFIG_NONE,
	CONFIG_OPEN,	  /* the parenthesis */
	CONFIG_NAME,	  /* a plain literal */
	CONFIG_NAME_END,  /* the comma after it */
	CONFIG_VALUE,	  /* any expression, up to a comma */
	CONFIG_LOCAL,	  /* true */
	CONFIG_LOCAL_END, /* the closing parenthesis */
};

struct setting_row {
	const char *name;
	uint32_t flags;
};

/*
 * Settings that are more than a value. The transaction's properties go back
 * to their defaults with the next transaction, however they were set.
 */
static const struct setting_row settings[] = {
	{ "role", SQL_ROLE },
	{ "session_authorization", SQL_ROLE },
	{ "seed", SQL_SEED },
	{ "transaction_isolation", SQL_SETS_LOCAL },
	{ "transaction_read_only", SQL_SETS_LOCAL },
	{ "transaction_deferrable", SQL_SETS_LOCAL },
};

/* The settings that have a syntax of their own after SET or RESET. */
struct special_row {
	uint16_t word; /* enum sql_word */
	const char *name;
};

static const struct special_row specials[] = {
	{ WORD_time, "timezone" },
	{ WORD_names, "client_encoding" },
	{ WORD_schema, "search_path" },
	{ WORD_role, "role" },
	{ WORD_xml, "xmloption" },
	{ WORD_session, "session_authorization" },
	{ WORD_transaction, "transaction_isolation" },
};

/* The flags of a setting, SETS and SETS_LOCAL aside. */
static uint32_t setting_flags(const char *name)
{
	if (strchr(name, '.'))
		return SQL_CUSTOM_SETTING;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!strcmp(name, settings[i].name))
			return settings[i].flags;
	}
	return 0;
}

/* Settings are found by small letters, quoted or not. */
static void fold(char *name, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		name[i] = sql_scan_fold((unsigned char)text[i]);
	name[len] = '\0';
}

/* Adds to the name of the setting; says whether it did fit. */
static bool setting_add(struct sql_scanner *s, const char *text, size_t len)
{
	size_t used = strlen(s->now.name);

	if (len > SQL_NAME_MAX - used)
		return false;
	fold(s->now.name + used, text, len);
	return true;
}

/* The name is complete, in now.name. */
static void set_done(struct sql_scanner *s)
{
	uint32_t flags = setting_flags(s->now.name);

	if (!(flags & SQL_SETS_LOCAL))
		flags |= s->is_local ? SQL_SETS_LOCAL : SQL_SETS;
	sql_statement_raise(s, flags);
	s->is_path = !strcmp(s->now.name, "search_path");
	s->step = STEP_SET_VALUE;
}

/* The name cannot be told, or there are several. */
static void set_lost(struct sql_scanner *s, uint32_t flags)
{
	s->now.name[0] = '\0';
	sql_statement_raise(s, flags);
	s->step = STEP_REST;
}

static void set_special(struct sql_scanner *s, enum sql_token token)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		if (specials[i].word != s->set_word)
			continue;
		sql_statement_rename(s, specials[i].name);
		set_done(s);
		sql_step_set_value(s, token);
		return;
	}
	set_lost(s, SQL_ANY_SETTING);
}

/* SET [SESSION | LOCAL] name ..., at the name or the word before it. */
void sql_step_set(struct sql_scanner *s, enum sql_token token)
{
	s->set_word = s->word;
	s->is_path = s->word == WORD_schema;
	s->now.name[0] = '\0';
	sql_step_set_part(s, token);
}

void sql_step_set_part(struct sql_scanner *s, enum sql_token token)
{
	s->step = STEP_SET_AFTER;
	if (!sql_token_is_name(token) || !s->len ||
		!setting_add(s, s->text, s->len))
		set_lost(s, SQL_ANY_SETTING);
}

/*
 * After SET LOCAL and SET SESSION the name follows, unless the word itself
 * is it: SET local.x = 1, SET role TO somebody.
 */
void sql_step_set_after(struct sql_scanner *s, enum sql_token token)
{
	bool is_set = s->now.verb == SQL_VERB_SET;

	if (token == TOKEN_DOT) {
		s->step = STEP_SET_PART;
		if (!setting_add(s, ".", 1))
			set_lost(s, SQL_ANY_SETTING);
	} else if (token == TOKEN_OPERATOR || s->word == WORD_to ||
		   s->word == WORD_from ||
		   (token == TOKEN_SEMICOLON && !is_set)) {
		set_done(s);
	} else if (s->set_word == WORD_local && is_set) {
		s->is_local = true;
		sql_step_set(s, token);
	} else if (s->set_word == WORD_session &&
		   s->word == WORD_characteristics) {
		set_lost(s, s->is_local ? SQL_SETS_LOCAL : SQL_SETS);
	} else if (s->set_word == WORD_session &&
		   s->word != WORD_authorization) {
		sql_step_set(s, token);
	} else if (is_set && (s->set_word == WORD_transaction ||
				     s->set_word == WORD_constraints)) {
		set_lost(s, SQL_SETS_LOCAL);
	} else {
		set_special(s, token);
	}
}

/* Names are in call.c; a string with escapes may say anything. */
void sql_step_set_value(struct sql_scanner *s, enum sql_token token)
{
	if (s->is_path && token == TOKEN_STRING &&
		(s->names_temp || !s->is_plain))
		sql_statement_raise(s, SQL_TEMP);
}

void sql_step_reset(struct sql_scanner *s, enum sql_token token)
{
	if (s->word != WORD_all) {
		sql_step_set(s, token);
		return;
	}
	s->now.is_all = true;
	set_lost(s, SQL_SETS);
}

/*
 * The statement's name is that of the setting when there is one alone, and
 * no PREPARE or EXECUTE has given it another.
 */
static void config_name(struct sql_scanner *s, const char *name)
{
	if (!s->n_settings && s->now.name[0])
		return;
	if (!s->n_settings++)
		sql_statement_rename(s, name);
	else if (strcmp(s->now.name, name) != 0)
		s->now.name[0] = '\0';
}

static void config_lost(struct sql_scanner *s)
{
	config_name(s, "");
	sql_statement_raise(s, SQL_ANY_SETTING);
	s->config = CONFIG_NONE;
	s->is_path = false;
}

static void config_done(struct sql_scanner *s, bool is_local)
{
	if (!(s->config_flags & SQL_SETS_LOCAL))
		s->config_flags |= is_local ? SQL_SETS_LOCAL : SQL_SETS;
	sql_statement_raise(s, s->config_flags);
	s->config = CONFIG_NONE;
}

/* The first argument; a literal tells which setting it is. */
static void config_first(struct sql_scanner *s, enum sql_token token)
{
	char name[SQL_NAME_MAX + 1];

	if (token != TOKEN_STRING || !s->is_plain || s->len > SQL_NAME_MAX) {
		config_lost(s);
		return;
	}
	fold(name, s->text, s->len);
	s->config_flags = setting_flags(name);
	s->is_path = !strcmp(name, "search_path");
	config_name(s, name);
	s->config = CONFIG_NAME_END;
}

/* The second one: any expression, but that of search_path should be plain. */
static void config_value(struct sql_scanner *s, enum sql_token token)
{
	bool is_outer = s->depth == s->config_depth;
	bool is_plain = token == TOKEN_STRING && s->is_plain && !s->names_temp;

	if (token == TOKEN_COMMA && is_outer) {
		s->config = CONFIG_LOCAL;
		s->is_path = false;
	} else if (token == TOKEN_CLOSE && is_outer) {
		config_lost(s);
	} else if (s->is_path && !is_plain) {
		s->config_flags |= SQL_TEMP;
	}
}

void sql_config_begin(struct sql_scanner *s)
{
	s->config = CONFIG_NONE;
	s->is_path = false;
	s->n_settings = 0;
}

void sql_config_mention(struct sql_scanner *s)
{
	if (s->config != CONFIG_NONE)
		config_lost(s);
	s->config = CONFIG_OPEN;
}

void sql_config_token(struct sql_scanner *s, enum sql_token token)
{
	switch ((enum config)s->config) {
	case CONFIG_NONE:
		break;
	case CONFIG_OPEN:
		s->config = CONFIG_NAME;
		s->config_depth = s->depth + 1;
		if (token != TOKEN_OPEN)
			config_lost(s);
		break;
	case CONFIG_NAME:
		config_first(s, token);
		break;
	case CONFIG_NAME_END:
		s->config = CONFIG_VALUE;
		if (token != TOKEN_COMMA)
			config_lost(s);
		break;
	case CONFIG_VALUE:
		config_value(s, token);
		break;
	case CONFIG_LOCAL:
		s->config = CONFIG_LOCAL_END;
		if (s->word != WORD_true)
			config_done(s, false);
		break;
	case CONFIG_LOCAL_END:
		config_done(s, token == TOKEN_CLOSE);
		break;
	}
}

void sql_config_end(struct sql_scanner *s)
{
	if (s->config != CONFIG_NONE)
		config_lost(s);
}
