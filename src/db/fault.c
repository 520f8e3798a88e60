/*
 * What went wrong, in the server's words. For a failed statement libpq gives
 * the parts; for a failed login it gives one text only, from which the
 * SQLSTATE has to be read: in its verbose form it stands behind the severity.
 */
#include "db/db_priv.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	SQLSTATE_LEN = 5
};

static void copy_text(char *to, size_t size, struct slice from)
{
	size_t len = MIN(from.len, size - 1);

	memcpy(to, from.data, len);
	to[len] = '\0';
}

/* Is there ":  28P01: " at s? Severities are translated, this is not. */
static bool is_sqlstate(struct slice s)
{
	if (s.len < SQLSTATE_LEN + 5 || memcmp(s.data, ":  ", 3) ||
		memcmp(s.data + 3 + SQLSTATE_LEN, ": ", 2))
		return false;
	for (size_t i = 3; i < 3 + SQLSTATE_LEN; i++) {
		char c = s.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return true;
}

/* The message proper, without severity and SQLSTATE. */
static struct slice parse_first_line(struct slice line, struct db_fault *ret)
{
	for (size_t i = 0; i < line.len; i++) {
		struct slice rest = slice_from(line, i);

		if (!is_sqlstate(rest))
			continue;
		memcpy(ret->sqlstate, rest.data + 3, SQLSTATE_LEN);
		return slice_from(rest, SQLSTATE_LEN + 5);
	}
	return line;
}

static bool line_has_label(struct slice *line, struct slice label)
{
	if (!slice_starts_with(*line, label))
		return false;
	*line = slice_trim(slice_from(*line, label.len));
	return true;
}

void db_fault_parse(struct slice text, struct db_fault *ret)
{
	struct slice line = slice_cut(&text, '\n');

	ret->sqlstate[0] = ret->sqlstate[SQLSTATE_LEN] = '\0';
	ret->detail[0] = ret->hint[0] = '\0';
	copy_text(ret->message, sizeof(ret->message),
		slice_trim(parse_first_line(line, ret)));
	while (text.data) {
		line = slice_cut(&text, '\n');
		if (line_has_label(&line, SLICE("DETAIL:")))
			copy_text(ret->detail, sizeof(ret->detail), line);
		else if (line_has_label(&line, SLICE("HINT:")))
			copy_text(ret->hint, sizeof(ret->hint), line);
	}
}

void db_fault_set(struct db_fault *fault, const char *fmt, ...)
{
	va_list args;

	fault->sqlstate[0] = fault->detail[0] = fault->hint[0] = '\0';
	va_start(args, fmt);
	vsnprintf(fault->message, sizeof(fault->message), fmt, args);
	va_end(args);
}

void db_fault_put(const struct db_fault *fault, struct buf *ret)
{
	buf_append_str(ret, fault->message);
	if (*fault->sqlstate)
		buf_printf(ret, " (%s)", fault->sqlstate);
	if (*fault->detail)
		buf_printf(ret, "; %s", fault->detail);
	if (*fault->hint)
		buf_printf(ret, "; %s", fault->hint);
}

bool db_fault_is(const struct db_fault *fault, const char *sqlstate)
{
	return !strcmp(fault->sqlstate, sqlstate);
}
