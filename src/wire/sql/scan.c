/*
 * Bytes to tokens, as PostgreSQL 15's src/backend/parser/scan.l does it.
 *
 * A state machine that can stop after any byte. Each state is a function that
 * eats as much as it can; what a token needs from earlier pieces is kept in
 * the scanner: its first 63 bytes, its length, the tag of a dollar quote. A
 * byte is looked at twice at most: when it ends a token and begins another.
 *
 * Where PostgreSQL would raise an error the scanner goes on in some way that
 * gives the same result for every cut; the server rejects such a text.
 */
#include "wire/sql/sql_priv.h"

#include <assert.h>

static_assert(sizeof(struct sql_scanner) < 2048, "callers embed it");

/* \v is white space since PostgreSQL 16, and an error before. */
static const uint8_t classes[256] = {
	['\t' ... '\r'] = BYTE_SPACE,
	[' '] = BYTE_SPACE,
	['A' ... 'Z'] = BYTE_LETTER,
	['a' ... 'z'] = BYTE_LETTER,
	['_'] = BYTE_LETTER,
	[0x80 ... 0xff] = BYTE_LETTER,
	['0' ... '9'] = BYTE_DIGIT,
	['$'] = BYTE_DOLLAR,
	['~'] = BYTE_OPERATOR,
	['!'] = BYTE_OPERATOR,
	['@'] = BYTE_OPERATOR,
	['#'] = BYTE_OPERATOR,
	['^'] = BYTE_OPERATOR,
	['&'] = BYTE_OPERATOR,
	['|'] = BYTE_OPERATOR,
	['`'] = BYTE_OPERATOR,
	['?'] = BYTE_OPERATOR,
	['+'] = BYTE_OPERATOR,
	['-'] = BYTE_OPERATOR,
	['*'] = BYTE_OPERATOR,
	['/'] = BYTE_OPERATOR,
	['%'] = BYTE_OPERATOR,
	['<'] = BYTE_OPERATOR,
	['>'] = BYTE_OPERATOR,
	['='] = BYTE_OPERATOR,
	['.'] = BYTE_SELF,
	[','] = BYTE_SELF,
	['('] = BYTE_SELF,
	[')'] = BYTE_SELF,
	['['] = BYTE_SELF,
	[']'] = BYTE_SELF,
	[';'] = BYTE_SELF,
};

static const uint8_t selves[128] = {
	['.'] = TOKEN_DOT,
	[','] = TOKEN_COMMA,
	['('] = TOKEN_OPEN,
	[')'] = TOKEN_CLOSE,
	['['] = TOKEN_OPEN_BRACKET,
	[']'] = TOKEN_CLOSE_BRACKET,
	[';'] = TOKEN_SEMICOLON,
};

enum byte_class sql_byte_class(unsigned char c)
{
	return classes[c];
}

static bool is_word_byte(unsigned char c)
{
	return classes[c] >= BYTE_DOLLAR;
}

char sql_scan_fold(unsigned char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

void sql_scan_emit(struct sql_scanner *s, enum sql_token token)
{
	s->state = LEX_BETWEEN;
	sql_statement_token(s, token);
}

void sql_scan_emit_name(struct sql_scanner *s, enum sql_token token)
{
	s->len = sql_name_clip(s->text, s->len);
	/* Zeros for the look-ups, which read eight bytes at a time. */
	memset(s->text + s->len, 0, 8);
	sql_scan_emit(s, token);
}

void sql_scan_lose(struct sql_scanner *s)
{
	s->state = LEX_LOST;
	s->summary.is_truncated = true;
	s->summary.flags |= SQL_ANYTHING;
	s->now.flags |= SQL_ANYTHING;
}

/* E'...' and their like: one letter in front of a quote. */
static void prefixed_begin(struct sql_scanner *s, char prefix)
{
	bool is_escaping = prefix == 'e' || (prefix == 'n' && s->has_escapes);

	sql_string_begin(s, is_escaping, prefix);
}

const unsigned char *sql_lex_word(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	size_t len = s->len;

	for (; at < end && is_word_byte(*at); at++) {
		if (len < SQL_NAME_MAX)
			s->text[len] = sql_scan_fold(*at);
		len++;
	}
	s->len = len;
	if (at == end)
		return at;
	if (len == 1 && *at == '\'' && strchr("ebxn", s->text[0])) {
		prefixed_begin(s, s->text[0]);
		return at + 1;
	}
	if (len == 1 && *at == '&' && s->text[0] == 'u') {
		s->state = LEX_WORD_AMPERSAND;
		return at + 1;
	}
	sql_scan_emit_name(s, TOKEN_WORD);
	return at;
}

void sql_operator_begin(struct sql_scanner *s, unsigned char c)
{
	s->state = LEX_OPERATOR;
	s->op = c;
	s->last_byte = c;
	s->operator_len = 1;
}

const unsigned char *sql_lex_word_ampersand(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (*at == '\'') {
		sql_string_begin(s, false, 'u');
		return at + 1;
	}
	if (*at == '"') {
		sql_quoted_begin(s, false);
		return at + 1;
	}
	sql_scan_emit_name(s, TOKEN_WORD);
	sql_operator_begin(s, '&');
	return at;
}

/* "1e5" gives a number and the word e5, which means nothing to anybody. */
const unsigned char *sql_lex_number(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	while (at < end && (classes[*at] == BYTE_DIGIT || *at == '.'))
		at++;
	if (at < end)
		sql_scan_emit(s, TOKEN_NUMBER);
	return at;
}

const unsigned char *sql_lex_dollar(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (classes[*at] == BYTE_DIGIT)
		s->state = LEX_PARAMETER;
	else if (is_word_byte(*at))
		sql_tag_begin(s);
	else
		sql_scan_emit(s, TOKEN_OPERATOR);
	return at;
}

const unsigned char *sql_lex_parameter(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	while (at < end && classes[*at] == BYTE_DIGIT)
		at++;
	if (at < end)
		sql_scan_emit(s, TOKEN_PARAMETER);
	return at;
}

const unsigned char *sql_lex_colon(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (*at == ':') {
		sql_scan_emit(s, TOKEN_CAST);
		return at + 1;
	}
	sql_scan_emit(s, TOKEN_OPERATOR);
	return at;
}

/* An operator ends where a comment begins; that may be at its first byte. */
const unsigned char *sql_lex_operator(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	for (; at < end && classes[*at] == BYTE_OPERATOR; at++) {
		bool is_line = s->last_byte == '-' && *at == '-';
		bool is_block = s->last_byte == '/' && *at == '*';

		if (is_line || is_block) {
			if (s->operator_len > 1)
				sql_scan_emit(s, TOKEN_OPERATOR);
			s->state = is_line ? LEX_LINE_COMMENT : LEX_COMMENT;
			s->last_byte = 0;
			s->comment_depth = 1;
			return at + 1;
		}
		s->last_byte = *at;
		s->operator_len++;
	}
	if (at < end)
		sql_scan_emit(s, TOKEN_OPERATOR);
	return at;
}

const unsigned char *sql_line_end(
	const unsigned char *at, const unsigned char *end)
{
	while (at < end && *at != '\n' && *at != '\r')
		at++;
	return at;
}

const unsigned char *sql_lex_line_comment(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	at = sql_line_end(at, end);
	if (at < end)
		s->state = LEX_BETWEEN;
	return at;
}

/* They nest. A star or slash belongs to one delimiter only. */
const unsigned char *sql_lex_comment(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	while (at < end) {
		unsigned char before = s->last_byte;
		unsigned char c = *at++;

		s->last_byte = c;
		if (before == '/' && c == '*') {
			s->comment_depth++;
			s->last_byte = 0;
		} else if (before == '*' && c == '/') {
			s->comment_depth--;
			s->last_byte = 0;
			if (s->comment_depth)
				continue;
			s->state = LEX_BETWEEN;
			return at;
		}
	}
	return at;
}

const unsigned char *sql_lex_lost(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)s;
	(void)at;
	return end;
}

/* The bytes that begin something by themselves, and those nobody knows. */
static void lex_mark(struct sql_scanner *s, unsigned char c)
{
	s->op = c;
	switch (c) {
	case '\'':
		sql_string_begin(s, s->has_escapes, 0);
		break;
	case '"':
		sql_quoted_begin(s, true);
		break;
	case '$':
		s->state = LEX_DOLLAR;
		break;
	case ':':
		s->state = LEX_COLON;
		break;
	default:
		sql_scan_emit(s, TOKEN_OPERATOR);
	}
}

const unsigned char *sql_lex_between(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	while (at < end && classes[*at] == BYTE_SPACE)
		at++;
	if (at == end)
		return at;
	switch (classes[*at]) {
	case BYTE_LETTER:
		s->state = LEX_WORD;
		s->len = 0;
		return sql_lex_word(s, at, end);
	case BYTE_DIGIT:
		s->state = LEX_NUMBER;
		return at;
	case BYTE_OPERATOR:
		sql_operator_begin(s, *at);
		break;
	case BYTE_SELF:
		sql_scan_emit(s, selves[*at]);
		break;
	default:
		lex_mark(s, *at);
	}
	return at + 1;
}

typedef const unsigned char *lex_fn(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end);

static lex_fn *const lexers[] = {
#define LEXER(name, function) function,
#include "wire/sql/lexers.def"
#undef LEXER
};

void sql_scan_begin(struct sql_scanner *s, bool standard_conforming_strings)
{
	/* The kept statements are written before they are counted. */
	memset(&s->summary, 0, offsetof(struct sql_summary, statements));
	s->state = LEX_BETWEEN;
	s->has_escapes = !standard_conforming_strings;
	s->len = 0;
	s->risks = NULL;
	s->always = 0;
	sql_statement_begin(s);
}

void sql_scan_risks(
	struct sql_scanner *s, const struct sql_risks *risks, uint32_t always)
{
	s->risks = risks;
	s->always = always | (risks ? sql_risks_always(risks) : 0);
}

void sql_scan_feed(struct sql_scanner *s, struct slice bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	const unsigned char *end = bytes.len ? at + bytes.len : at;

	while (at < end)
		at = lexers[s->state](s, at, end);
}

const struct sql_summary *sql_scan_end(struct sql_scanner *s)
{
	/* A line end ends every token but a literal that may go on. */
	sql_scan_feed(s, SLICE("\n"));
	if (s->state == LEX_STRING_GAP)
		sql_string_end(s);
	s->summary.is_incomplete =
		s->depth || s->body_depth ||
		(s->state != LEX_BETWEEN && s->state != LEX_LOST);
	sql_statement_end(s);
	return &s->summary;
}

const struct sql_summary *sql_scan(struct sql_scanner *s, struct slice text,
	bool standard_conforming_strings)
{
	sql_scan_begin(s, standard_conforming_strings);
	sql_scan_feed(s, text);
	return sql_scan_end(s);
}
