/*
 * What PostgreSQL's files and programs say, read from its bytes alone: the
 * version of a folder and of a program, the pid file, the lines of the log.
 * A file may be cut by a full disk, or be somebody else's under that name.
 */
#include "supervisor/pg.h"

#include <errno.h>
#include <stdio.h>

/* postmaster.pid, "a line each": PostgreSQL, src/include/utils/pidfile.h. */
enum {
	PID_LINE = 1,
	STATUS_LINE = 8
};

/* What PostgreSQL's programs put in front of the reason they ended for. */
static const char *const error_marks[] = {
	"PANIC:", "FATAL:", "ERROR:", "error:", "cannot run "
};

/* Where a text stands in s, or s.len. */
static size_t find(struct slice s, const char *text)
{
	const char *at =
		s.len ? memmem(s.data, s.len, text, strlen(text)) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

/* ---- versions --------------------------------------------------------- */

static unsigned read_major(struct slice digits)
{
	uint16_t major;

	return num_parse_u16(digits, &major) < 0 ? 0 : major;
}

unsigned pg_text_major(struct slice file)
{
	return read_major(slice_trim(file));
}

unsigned pg_text_version(struct slice line)
{
	static const char before[] = "(PostgreSQL) ";
	size_t at = find(line, before);
	size_t n = 0;

	if (at == line.len)
		return 0;
	line = slice_from(line, at + sizeof(before) - 1);
	while (n < line.len && line.data[n] >= '0' && line.data[n] <= '9')
		n++;
	return read_major(slice_of(line.data, n));
}

/* ---- processes -------------------------------------------------------- */

pid_t pg_text_pid(struct slice text)
{
	uint64_t pid;

	if (num_parse_u64(slice_trim(text), &pid) < 0 || pid > INT32_MAX)
		return 0;
	return (pid_t)pid;
}

static struct slice line_of(struct slice text, unsigned number)
{
	struct slice line = { 0 };

	for (unsigned i = 0; i < number; i++)
		line = slice_cut(&text, '\n');
	return slice_trim(line);
}

struct pg_pid_file pg_text_pid_file(struct slice file)
{
	return (struct pg_pid_file){
		.postmaster = pg_text_pid(line_of(file, PID_LINE)),
		.is_ready = slice_is(line_of(file, STATUS_LINE), "ready"),
	};
}

/* ---- the log ---------------------------------------------------------- */

static void note_line(struct pg_words *w, struct slice line)
{
	if (find(line, strerror(ENOSPC)) < line.len)
		w->is_disk_full = true;
	for (size_t i = 0; !*w->error && i < ARRAY_SIZE(error_marks); i++) {
		struct slice rest =
			slice_from(line, find(line, error_marks[i]));

		if (rest.len)
			snprintf(w->error, sizeof(w->error), "%.*s",
				(int)rest.len, rest.data);
	}
}

/* The beginning of a long line has to do. */
static void keep(struct pg_words *w, struct slice part)
{
	buf_append(
		&w->line, part.data, MIN(part.len, PG_LINE_MAX - w->line.len));
}

void pg_words_feed(struct pg_words *w, struct slice bytes)
{
	while (bytes.len) {
		size_t end = slice_find(bytes, '\n');

		keep(w, slice_of(bytes.data, end));
		if (end == bytes.len)
			return;
		note_line(w, buf_slice(&w->line));
		w->line.len = 0;
		bytes = slice_from(bytes, end + 1);
	}
}

void pg_words_reset(struct pg_words *w)
{
	w->error[0] = '\0';
	w->is_disk_full = false;
}

void pg_words_deinit(struct pg_words *w)
{
	buf_deinit(&w->line);
}
