/*
 * The .env file, as docker compose v2 reads it (docs.docker.com, "Syntax for
 * environment files"), byte for byte where that is written down:
 *
 *   NAME=value   NAME: value   export NAME=value   # comment   NAME
 *   unquoted     to the end of the line or to " #", blanks at both ends cut,
 *                expanded; backslashes are plain. A # straight behind the =
 *                is no comment, even after blanks (this gets a warning)
 *   "quoted"     over several lines if need be; \a \b \f \n \r \t \v \" \\
 *                and \$, other backslashes stay; then expanded
 *   'quoted'     over several lines if need be; only \' is special
 *   NAME         alone: the environment's, so there is nothing to do
 *
 * A byte order mark is skipped, CRLF is a line end. Where docker-compose 1.29
 * (python-dotenv) differs, v2 is followed: the environment wins inside ${},
 * too, $NAME needs no braces, and all eight forms of ${} are known. Stricter
 * than both in one thing: what follows a closing quote on its line must be a
 * comment, because nobody means anything else by it.
 */
#include "config/config_priv.h"

#include <errno.h>

enum {
	PROBLEMS_MAX = 20
};

struct dotenv {
	struct slice left;
	unsigned line; /* of left's first byte */
	const char *file;
	struct env *env;
	size_t room; /* for values */
	unsigned n_problems;
	struct buf *problems;
	struct buf *warnings;
};

static void put_place(const struct dotenv *d, unsigned line, struct buf *b)
{
	buf_printf(b, "%s:%u: ", d->file, line);
}

static void report(
	struct dotenv *d, unsigned line, struct slice name, const char *text)
{
	put_place(d, line, d->problems);
	if (name.len) {
		put_value(d->problems, name);
		buf_append_str(d->problems, ": ");
	}
	buf_printf(d->problems, "%s\n", text);
	if (++d->n_problems < PROBLEMS_MAX)
		return;
	put_place(d, line, d->problems);
	buf_append_str(d->problems, "too many errors; is this a .env file?\n");
	d->left.len = 0;
}

static void warn_unset(struct dotenv *d, unsigned line, struct slice names)
{
	while (names.len) {
		struct slice name = slice_cut(&names, ' ');

		put_place(d, line, d->warnings);
		buf_append_str(d->warnings, "$");
		put_value(d->warnings, name);
		buf_append_str(d->warnings,
			" is not set and reads as nothing; a $ that is meant "
			"as such is written $$\n");
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void skip_blanks(struct dotenv *d)
{
	while (d->left.len && is_blank(d->left.data[0]))
		d->left = slice_from(d->left, 1);
}

/* The rest of the line without its end; left goes on at the next one. */
static struct slice take_line(struct dotenv *d)
{
	size_t len = slice_find(d->left, '\n');
	struct slice line = slice_of(d->left.data, len);

	d->left = slice_from(d->left, MIN(len + 1, d->left.len));
	d->line++;
	return line;
}

/*
 * What stands between quotes, as written but for the escaped quote; left
 * goes on behind the closing one. False when there is none.
 */
static bool take_quoted(struct dotenv *d, char quote, struct buf *ret)
{
	struct slice s = slice_from(d->left, 1);

	for (size_t i = 0; i < s.len; i++) {
		bool is_escape = s.data[i] == '\\' && i + 1 < s.len;

		if (s.data[i] == quote) {
			d->left = slice_from(s, i + 1);
			return true;
		}
		if (is_escape && s.data[i + 1] != quote)
			buf_put_u8(ret, '\\');
		if (is_escape)
			i++;
		if (s.data[i] == '\n')
			d->line++;
		buf_put_u8(ret, (uint8_t)s.data[i]);
	}
	return false;
}

/* Resolves the backslashes of a double-quoted text. A \$ becomes $$, which
 * expand() makes a plain $. */
static void unescape(struct slice text, struct buf *ret)
{
	static const char from[] = "abfnrtv\\\"";
	static const char to[] = "\a\b\f\n\r\t\v\\\"";

	for (size_t i = 0; i < text.len; i++) {
		char next = i + 1 < text.len ? text.data[i + 1] : '\0';
		const char *at = next ? strchr(from, next) : NULL;

		if (text.data[i] != '\\' || (!at && next != '$')) {
			buf_put_u8(ret, (uint8_t)text.data[i]);
			continue;
		}
		i++;
		if (at)
			buf_put_u8(ret, (uint8_t)to[at - from]);
		else
			buf_append_str(ret, "$$");
	}
}

static void put_expanded(
	struct dotenv *d, unsigned line, struct slice name, struct slice text)
{
	CLEANUP(secret_buf_deinit) struct buf value = { 0 };
	CLEANUP(buf_deinit) struct buf unset = { 0 };
	struct fault fault;
	struct expansion x = {
		.env = d->env,
		.room = d->room,
		.unset = &unset,
		.fault = &fault,
	};

	if (expand(&x, text, &value) < 0) {
		report(d, line, name, fault.text);
		return;
	}
	d->room = x.room;
	warn_unset(d, line, buf_slice(&unset));
	env_put_line(d->env, name, buf_slice(&value), line);
}

static void read_quoted(struct dotenv *d, unsigned line, struct slice name)
{
	CLEANUP(secret_buf_deinit) struct buf raw = { 0 };
	CLEANUP(secret_buf_deinit) struct buf text = { 0 };
	char quote = d->left.data[0];
	struct slice behind;

	if (!take_quoted(d, quote, &raw)) {
		d->left.len = 0;
		report(d, line, name, "the quote is never closed");
		return;
	}
	behind = slice_trim(take_line(d));
	if (behind.len && behind.data[0] != '#') {
		report(d, d->line - 1, name,
			"only a # comment may follow the closing quote; a quote "
			"inside is written with a \\ before it");
		return;
	}
	if (quote == '\'') {
		env_put_line(d->env, name, buf_slice(&raw), line);
		return;
	}
	unescape(buf_slice(&raw), &text);
	put_expanded(d, line, name, buf_slice(&text));
}

static void read_unquoted(struct dotenv *d, unsigned line, struct slice name)
{
	struct slice value = take_line(d);
	const char *comment =
		value.len ? memmem(value.data, value.len, " #", 2) : NULL;

	if (comment)
		value.len = (size_t)(comment - value.data);
	put_expanded(d, line, name, slice_trim(value));
}

/* The name before = or :, a line end or the end; left goes on there. */
static struct slice take_name(struct dotenv *d)
{
	struct slice name = d->left;

	name.len = 0;
	while (name.len < d->left.len &&
		!strchr("=:\n", d->left.data[name.len]))
		name.len++;
	d->left = slice_from(d->left, name.len);
	return slice_trim(name);
}

/* What compose takes for a name: letters of any language among it. */
static bool is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c < 0x80 && !expand_name(slice_of(&name.data[i], 1)).len &&
			!(c >= '0' && c <= '9') && !strchr(".-[]", c))
			return false;
	}
	return name.len != 0;
}

static void read_value(struct dotenv *d, unsigned line, struct slice name)
{
	const char *behind = d->left.data;

	skip_blanks(d);
	if (d->left.len &&
		(d->left.data[0] == '"' || d->left.data[0] == '\'')) {
		read_quoted(d, line, name);
		return;
	}
	if (d->left.len && d->left.data[0] == '#' && d->left.data != behind) {
		put_place(d, line, d->warnings);
		put_value(d->warnings, name);
		buf_append_str(d->warnings, ": a # right after the = begins "
					    "the value, not a comment\n");
	}
	read_unquoted(d, line, name);
}

static void read_statement(struct dotenv *d)
{
	unsigned line = d->line;
	struct slice name;

	if (slice_starts_with(d->left, SLICE("export")) && d->left.len > 6 &&
		is_blank(d->left.data[6])) {
		d->left = slice_from(d->left, 6);
		skip_blanks(d);
	}
	name = take_name(d);
	if (!is_name(name)) {
		take_line(d);
		report(d, line, (struct slice){ 0 },
			"this is neither NAME=value nor a # comment; names are "
			"letters, digits and _ . - [ ]");
		return;
	}
	if (!d->left.len || d->left.data[0] == '\n') {
		take_line(d);
		return;
	}
	d->left = slice_from(d->left, 1);
	read_value(d, line, name);
}

int dotenv_read(struct slice text, const char *file, struct env *env,
	struct buf *ret_problems, struct buf *ret_warnings)
{
	struct dotenv d = {
		.left = text,
		.line = 1,
		.file = file,
		.env = env,
		.room = DOTENV_MAX,
		.problems = ret_problems,
		.warnings = ret_warnings,
	};

	if (text.len > DOTENV_MAX || slice_find(text, '\0') < text.len) {
		report(&d, 1, (struct slice){ 0 },
			text.len > DOTENV_MAX
				? "the file is larger than 1 MiB"
				: "the file holds a NUL byte: it is no text");
		return -EINVAL;
	}
	if (slice_starts_with(d.left, SLICE("\xef\xbb\xbf")))
		d.left = slice_from(d.left, 3);
	while (d.left.len) {
		skip_blanks(&d);
		if (d.left.len && d.left.data[0] != '\n' &&
			d.left.data[0] != '#')
			read_statement(&d);
		else
			take_line(&d);
	}
	return d.n_problems ? -EINVAL : 0;
}
