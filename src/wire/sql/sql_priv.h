#pragma once

/*
 * Inside wire/sql:
 *
 *     bytes ── scan.c ──► tokens ── statement.c ──► one struct sql_statement
 *                                     │  set.c  SET, RESET, set_config()
 *                                     │  ddl.c  CREATE, ALTER, DROP
 *                                     │  call.c what is a function call
 *            body.c ◄── the text of DO  │  risks.c what the database adds
 *
 * stored.c reads the bodies of functions, apart from all that.
 */
#include "wire/sql/sql.h"

enum sql_token {
	TOKEN_NONE,
	TOKEN_WORD,   /* unquoted, folded */
	TOKEN_QUOTED, /* "identifier" */
	TOKEN_STRING, /* any string literal */
	TOKEN_NUMBER,
	TOKEN_PARAMETER, /* $1 */
	TOKEN_OPERATOR,
	TOKEN_CAST, /* :: */
	TOKEN_DOT,
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_OPEN_BRACKET,
	TOKEN_CLOSE_BRACKET,
	TOKEN_SEMICOLON,
};

/* The words of proto/sql_words.def; the value is the row. */
enum sql_word {
#define LENGTH(n)		     WORD_LENGTH_##n, WORD_AFTER_##n = WORD_LENGTH_##n - 1,
#define WORD(text, call, next, verb) WORD_##text,
#include "proto/sql_words.def"
#undef WORD
#undef LENGTH
	WORD_NONE,
};

enum call {
	CALL_NO,	/* a name, a type or an alias follows */
	CALL_YES,	/* an expression follows */
	CALL_UNLESS_AS, /* the name of a WITH query, or an expression */
};

/* May the statement change what others run? */
enum code {
	CODE_NO,
	CODE_MAYBE, /* if it names code */
	CODE_SURE,
};

enum qualifier {
	QUALIFIER_NONE,
	QUALIFIER_SYSTEM, /* pg_catalog or information_schema */
	QUALIFIER_OTHER,
};

enum step {
#define STEP(name, function) STEP_##name,
#include "wire/sql/steps.def"
#undef STEP
};

/* Reads the next token of the statement; TOKEN_SEMICOLON ends it. */
typedef void sql_step_fn(struct sql_scanner *s, enum sql_token token);

struct word_row {
	char text[24];
	bool is_fixed;
	enum call next;
	enum sql_verb verb;
};

struct function_row {
	char text[40];
	uint32_t flags;
};

enum lex_state {
#define LEXER(name, function) LEX_##name,
#include "wire/sql/lexers.def"
#undef LEXER
};

enum byte_class {
	BYTE_OTHER,
	BYTE_SPACE,
	BYTE_OPERATOR,
	BYTE_SELF, /* a token of its own */
	/* From here on it may be in an identifier. */
	BYTE_DOLLAR,
	BYTE_DIGIT,
	BYTE_LETTER, /* and begin it */
};

/* Reads some of [at, end), which is not empty; returns where it stopped. It
 * may read nothing, but then the state is another. */
#define LEXER(name, function)                                                  \
	const unsigned char *function(struct sql_scanner *s,                   \
		const unsigned char *at, const unsigned char *end);
#include "wire/sql/lexers.def"
#undef LEXER

/* scan.c */
enum byte_class sql_byte_class(unsigned char c);

/* In small letters, if it is ASCII: as PostgreSQL folds in UTF-8. */
char sql_scan_fold(unsigned char c);
const unsigned char *sql_line_end(
	const unsigned char *at, const unsigned char *end);
void sql_scan_emit(struct sql_scanner *s, enum sql_token token);
void sql_scan_emit_name(struct sql_scanner *s, enum sql_token token);

/* The text does not fit the scanner: no more of it is read. */
void sql_scan_lose(struct sql_scanner *s);
void sql_operator_begin(struct sql_scanner *s, unsigned char c);

/* quote.c */
void sql_quoted_begin(struct sql_scanner *s, bool is_plain);
void sql_string_begin(struct sql_scanner *s, bool is_escaping, char prefix);
void sql_string_end(struct sql_scanner *s);
void sql_tag_begin(struct sql_scanner *s);

/* names.c: text is zero for eight bytes from len on. */
enum sql_word sql_word_find(const char *text, size_t len);
const struct word_row *sql_word_row(enum sql_word word);

/* NULL when it is not in proto/functions.def. */
const struct function_row *sql_function_find(const char *text, size_t len);
bool sql_builtin_is(const char *text, size_t len);

/* How much of an identifier PostgreSQL keeps: at most 63 bytes, and no part
 * of a UTF-8 character. */
size_t sql_name_clip(const char *text, size_t len);

/* statement.c */
void sql_statement_begin(struct sql_scanner *s);
void sql_statement_token(struct sql_scanner *s, enum sql_token token);

/* Ends the statement at hand, if there is one. */
void sql_statement_end(struct sql_scanner *s);
void sql_statement_raise(struct sql_scanner *s, uint32_t flags);

/* Raises the verb's flags and sets out to read what follows it. */
void sql_statement_verb(struct sql_scanner *s, enum sql_verb verb);

/* The name of the statement becomes this token's text, or that one. */
void sql_statement_name(struct sql_scanner *s);
void sql_statement_rename(struct sql_scanner *s, const char *name);
bool sql_token_is_name(enum sql_token token);

/* May the word be the verb of a query with WITH? */
bool sql_word_is_main(enum sql_word word);

/* call.c */
void sql_call_begin(struct sql_scanner *s);
void sql_call_token(struct sql_scanner *s, enum sql_token token);

/* In a list of WITH, where a name must follow and no main statement can. */
bool sql_call_is_query_name(const struct sql_scanner *s);

/* ddl.c: raises SQL_CODE, when all else is known. */
void sql_ddl_end(struct sql_scanner *s);

/* risks.c */
/* A name stands in the statement. */
void sql_risks_see(struct sql_scanner *s);
void sql_risks_end(struct sql_scanner *s);
bool sql_risks_is_harmless(
	const struct sql_risks *risks, const char *text, size_t len);

/* set.c: follows the arguments of set_config(). */
void sql_config_begin(struct sql_scanner *s);
void sql_config_mention(struct sql_scanner *s);
void sql_config_token(struct sql_scanner *s, enum sql_token token);
void sql_config_end(struct sql_scanner *s);

/* body.c */
void sql_body_begin(struct sql_scanner *s);
void sql_body_byte(struct sql_scanner *s, unsigned char byte);
void sql_body_end(struct sql_scanner *s);

#define STEP(name, function) sql_step_fn function;
#include "wire/sql/steps.def"
#undef STEP
