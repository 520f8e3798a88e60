#include "supervisor/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOG_SIZE_MAX = 10 * 1024 * 1024, /* then a new file is begun */
	READS_PER_TURN = 16,
};

/* ---- the file --------------------------------------------------------- */

static void open_file(struct pg_log *log)
{
	struct stat st;

	log->size = 0;
	log->file = open(log->path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->file < 0)
		log_warn(NULL, "postgres.log", "%s: %s", log->path,
			strerror(errno));
	else if (fstat(log->file, &st) == 0)
		log->size = (uint64_t)st.st_size;
}

/* Two files are kept, so twice LOG_SIZE_MAX bytes. */
static void begin_file(struct pg_log *log)
{
	CLEANUP(freep) char *old = xasprintf("%s.1", log->path);

	close(log->file);
	if (rename(log->path, old) < 0)
		log_warn(NULL, "postgres.log", "%s: %s", old, strerror(errno));
	open_file(log);
}

static void write_file(struct pg_log *log, struct slice bytes)
{
	ssize_t n;

	if (log->file < 0)
		return;
	if (log->size >= LOG_SIZE_MAX)
		begin_file(log);
	n = write(log->file, bytes.data, bytes.len);
	if (n > 0)
		log->size += (uint64_t)n; /* a full disk loses lines, no more */
}

/* ---- the pipe --------------------------------------------------------- */

static bool read_some(struct pg_log *log)
{
	char bytes[16 * 1024];
	ssize_t n = read(log->pipe[0], bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	write_file(log, slice_of(bytes, (size_t)n));
	pg_words_feed(&log->words, slice_of(bytes, (size_t)n));
	return true;
}

void pg_log_drain(struct pg_log *log)
{
	for (int i = 0; i < READS_PER_TURN && read_some(log); i++)
		;
}

static void on_pipe_ready(struct watch *w)
{
	pg_log_drain(container_of(w, struct pg_log, watch));
}

int pg_log_open(struct pg_log *log, struct loop *loop, const char *data_dir)
{
	*log = (struct pg_log){ .file = -1 };
	if (pipe2(log->pipe, O_CLOEXEC) < 0)
		return -errno;
	/* Only our end: PostgreSQL expects a log that takes what it writes. */
	fcntl(log->pipe[0], F_SETFL, O_NONBLOCK);
	log->path = xasprintf("%s/postgres.log", data_dir);
	open_file(log);
	watch_open(&log->watch, loop, log->pipe[0], on_pipe_ready);
	return 0;
}

void pg_log_reset(struct pg_log *log)
{
	pg_log_drain(log);
	pg_words_reset(&log->words);
}

void pg_log_close(struct pg_log *log)
{
	pg_log_drain(log);
	watch_close(&log->watch, NULL);
	close(log->pipe[0]);
	close(log->pipe[1]);
	if (log->file >= 0)
		close(log->file);
	pg_words_deinit(&log->words);
	free(log->path);
}
