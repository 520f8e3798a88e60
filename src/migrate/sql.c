/*
 * The SQL of proto/sql, compiled in. A file is a sequence of statements, each
 * under a line "-- name: X". A comment behind that line belongs to the
 * statement and goes to the server with it.
 */
#include "migrate/migrate_priv.h"

#define MARKER "-- name: "

/* Where the marker next stands at the beginning of a line, or s.len. */
static size_t find_marker(struct slice s)
{
	size_t at = 0;

	while (at < s.len) {
		struct slice line = slice_from(s, at);

		if (slice_starts_with(line, SLICE(MARKER)))
			return at;
		at += slice_find(line, '\n') + 1;
	}
	return s.len;
}

bool sql_next(struct slice *script, struct sql_statement *ret)
{
	struct slice rest = slice_from(*script, find_marker(*script));
	size_t end;

	if (!rest.len)
		return false;
	rest = slice_from(rest, sizeof(MARKER) - 1);
	ret->name = slice_trim(slice_cut(&rest, '\n'));
	end = find_marker(rest);
	ret->text = slice_trim(slice_of(rest.data, end));
	*script = slice_from(rest, end);
	return true;
}

struct slice sql_file(const char *name)
{
	for (size_t i = 0; i < n_sql_files; i++)
		if (!strcmp(sql_files[i].name, name))
			return slice_str(sql_files[i].text);
	check_failed("no such file in proto/sql", __FILE__, __LINE__);
}

char *sql_named(const char *file, const char *name)
{
	struct slice script = sql_file(file);
	struct sql_statement statement;

	while (sql_next(&script, &statement))
		if (slice_is(statement.name, name))
			return slice_dup(statement.text);
	check_failed("no such statement in proto/sql", __FILE__, __LINE__);
}
