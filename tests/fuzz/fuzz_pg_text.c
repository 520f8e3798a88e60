/* src/supervisor/pg_text.c: any bytes as a file of a database folder, as what
 * a program says of its version, and as a log, which reads the same in
 * whatever pieces it comes. */
#include <limits.h>
#include <stdlib.h>

#include "supervisor/pg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_log(struct slice text, size_t piece, struct pg_words *ret)
{
	while (text.len) {
		size_t n = MIN(text.len, piece);
		CLEANUP(freep) char *copy = xmemdup(text.data, n);

		pg_words_feed(ret, slice_of(copy, n));
		check(ret->line.len <= PG_LINE_MAX);
		text = slice_from(text, n);
	}
}

static void check_log(struct slice text)
{
	static const size_t pieces[] = { 1, 3, 64 };
	CLEANUP(pg_words_deinit) struct pg_words whole = { 0 };

	read_log(text, SIZE_MAX, &whole);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		CLEANUP(pg_words_deinit) struct pg_words w = { 0 };

		read_log(text, pieces[i], &w);
		check(!strcmp(w.error, whole.error));
		check(w.is_disk_full == whole.is_disk_full);
		check(slice_equal(buf_slice(&w.line), buf_slice(&whole.line)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct slice text = slice_of(copy, len);
	pid_t pid = pg_text_pid(text);
	struct pg_pid_file file = pg_text_pid_file(text);

	check(pg_text_major(text) <= UINT16_MAX);
	check(pg_text_version(text) <= UINT16_MAX);
	check(pid >= 0 && file.postmaster >= 0);
	check(!pid || file.postmaster == pid || memchr(copy, '\n', len));
	check(!file.is_ready || len > 12);
	check_log(text);
	return 0;
}
