/*
 * Quoted identifiers and string literals, '...' and $tag$...$tag$.
 *
 * Only the first 63 bytes of them are kept: more than any name has that a
 * reader looks for. The string after DO goes to body.c instead.
 */
#include "wire/sql/sql_priv.h"

static void text_add_all(struct sql_scanner *s, const unsigned char *from,
	const unsigned char *to)
{
	size_t len = (size_t)(to - from);

	if (s->len < SQL_NAME_MAX)
		memcpy(s->text + s->len, from, MIN(len, SQL_NAME_MAX - s->len));
	s->len += len;
}

void sql_quoted_begin(struct sql_scanner *s, bool is_plain)
{
	s->state = LEX_QUOTED;
	s->is_plain = is_plain;
	s->len = 0;
}

const unsigned char *sql_lex_quoted(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	const unsigned char *quote = memchr(at, '"', (size_t)(end - at));

	text_add_all(s, at, quote ? quote : end);
	if (!quote)
		return end;
	s->state = LEX_QUOTED_QUOTE;
	return quote + 1;
}

const unsigned char *sql_lex_quoted_quote(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (*at == '"') {
		text_add_all(s, at, at + 1);
		s->state = LEX_QUOTED;
		return at + 1;
	}
	/* What U&"..." stands for may depend on UESCAPE behind it. */
	if (!s->is_plain)
		s->len = 0;
	sql_scan_emit_name(s, TOKEN_QUOTED);
	return at;
}

void sql_string_begin(struct sql_scanner *s, bool is_escaping, char prefix)
{
	s->state = LEX_STRING;
	s->is_escaping = is_escaping;
	s->is_bits = prefix == 'b' || prefix == 'x';
	s->is_plain = !s->is_bits && prefix != 'u';
	s->is_continued = false;
	s->is_body = s->now.verb == SQL_VERB_DO;
	s->names_temp = false;
	s->temp_at = 0;
	s->len = 0;
	if (s->is_body)
		sql_body_begin(s);
}

/* Looks for pg_temp; only its first letter can begin it anew. */
static void path_add_all(struct sql_scanner *s, const unsigned char *from,
	const unsigned char *to)
{
	static const char word[] = "pg_temp";

	for (; from < to; from++) {
		char c = sql_scan_fold(*from);

		if (c == word[s->temp_at])
			s->temp_at++;
		else
			s->temp_at = c == word[0];
		if (!word[s->temp_at]) {
			s->names_temp = true;
			s->temp_at = 0;
		}
	}
}

static void string_add_all(struct sql_scanner *s, const unsigned char *from,
	const unsigned char *to)
{
	if (s->is_path)
		path_add_all(s, from, to);
	if (!s->is_body) {
		text_add_all(s, from, to);
		return;
	}
	while (from < to)
		sql_body_byte(s, *from++);
}

void sql_string_end(struct sql_scanner *s)
{
	if (s->is_body)
		sql_body_end(s);
	sql_scan_emit(s, TOKEN_STRING);
}

const unsigned char *sql_lex_string(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	const unsigned char *from = at;

	while (at < end && *at != '\'' && !(*at == '\\' && s->is_escaping))
		at++;
	string_add_all(s, from, at);
	if (at == end)
		return at;
	if (*at == '\'') {
		s->state = LEX_STRING_QUOTE;
	} else {
		s->is_plain = false;
		s->state = LEX_STRING_BACKSLASH;
	}
	return at + 1;
}

/* What a backslash stands before, be it a quote, is inside. */
const unsigned char *sql_lex_string_backslash(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	string_add_all(s, at, at + 1);
	s->state = LEX_STRING;
	return at + 1;
}

const unsigned char *sql_lex_string_quote(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (*at == '\'' && !s->is_bits) {
		string_add_all(s, at, at + 1);
		s->state = LEX_STRING;
		return at + 1;
	}
	s->state = LEX_STRING_GAP;
	return at;
}

/*
 * 'a' and 'b' are one literal when there is nothing between them but white
 * space and -- comments, with the end of a line among it.
 */
const unsigned char *sql_lex_string_gap(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	for (; at < end && sql_byte_class(*at) == BYTE_SPACE; at++)
		s->is_continued |= *at == '\n' || *at == '\r';
	if (at == end)
		return at;
	if (*at == '-') {
		s->state = LEX_STRING_DASH;
		return at + 1;
	}
	if (*at == '\'' && s->is_continued) {
		s->is_continued = false;
		s->state = LEX_STRING;
		return at + 1;
	}
	sql_string_end(s);
	return at;
}

const unsigned char *sql_lex_string_dash(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	(void)end;
	if (*at == '-') {
		s->state = LEX_STRING_COMMENT;
		return at + 1;
	}
	sql_string_end(s);
	sql_operator_begin(s, '-');
	return at;
}

const unsigned char *sql_lex_string_comment(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	at = sql_line_end(at, end);
	if (at < end)
		s->state = LEX_STRING_GAP;
	return at;
}

/* Just after the first $. */
void sql_tag_begin(struct sql_scanner *s)
{
	s->state = LEX_TAG;
	s->tag_len = 0;
}

const unsigned char *sql_lex_tag(struct sql_scanner *s, const unsigned char *at,
	const unsigned char *end)
{
	for (; at < end; at++) {
		enum byte_class class = sql_byte_class(*at);

		if (class != BYTE_LETTER && class != BYTE_DIGIT)
			break;
		/* PostgreSQL knows no longest tag. */
		if (s->tag_len == sizeof(s->tag)) {
			sql_scan_lose(s);
			return end;
		}
		s->tag[s->tag_len++] = *at;
	}
	if (at == end)
		return at;
	if (*at != '$') {
		sql_scan_emit(s, TOKEN_OPERATOR);
		return at;
	}
	sql_string_begin(s, false, 0);
	s->state = LEX_DOLLAR_STRING;
	s->is_tag_matching = false;
	return at + 1;
}

/* Takes one byte; says whether it is the last of the closing tag. */
static bool tag_match(struct sql_scanner *s, unsigned char c)
{
	if (c == '$') {
		if (s->is_tag_matching && s->tag_at == s->tag_len)
			return true;
		s->is_tag_matching = true;
		s->tag_at = 0;
	} else if (s->tag_at < s->tag_len && s->tag[s->tag_at] == c) {
		s->tag_at++;
	} else {
		s->is_tag_matching = false;
	}
	return false;
}

/*
 * There is no $ in a tag, so the closing one begins at a $, and the $ that
 * ends a wrong one may begin the right one.
 */
const unsigned char *sql_lex_dollar_string(struct sql_scanner *s,
	const unsigned char *at, const unsigned char *end)
{
	const unsigned char *from = at;

	while (at < end) {
		if (!s->is_tag_matching) {
			at = memchr(at, '$', (size_t)(end - at));
			if (!at) {
				at = end;
				break;
			}
		}
		if (tag_match(s, *at))
			break;
		at++;
	}
	string_add_all(s, from, at);
	if (at == end)
		return at;
	/* The text has all of the closing tag but its last byte. */
	if (!s->is_body)
		s->len -= s->tag_len + 1u;
	sql_string_end(s);
	return at + 1;
}
