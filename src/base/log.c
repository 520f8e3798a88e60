/*
 * The log: formats one line in memory and gives it to the kernel with one
 * write(), so that lines of several processes do not mix; in a pipe that
 * holds up to PIPE_BUF bytes, and no line is longer.
 *
 * Nobody waits for who reads the log: a terminal stopped with Ctrl-S or a
 * pager would stop every client, too. What does not go out in time is lost,
 * counted, and told of when there is room again.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/utf8.h"

enum {
	LOG_MSG_MAX = 2048,
	LINE_TAIL = 16,	  /* room for a last character, dots and what closes */
	PATIENCE_MS = 20, /* a burst; who takes longer is taken for stuck */
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* The one mutable global the guide allows (rule 22). */
static struct {
	enum log_level level;
	enum log_format format;
	char process[32];
} settings = { LOG_INFO, LOG_LOGFMT, "howdah" };

/* And where it leads to. */
static struct {
	int fd;
	bool is_own; /* opened by us */
	bool is_socket;
	bool may_block; /* so poll() is asked first */
	bool is_stuck;	/* there was no room for the last line, in time */
	bool is_torn;	/* of the last line only a piece is out */
	uint64_t n_lost;
} out = { .fd = STDERR_FILENO };

void log_setup(
	enum log_level level, enum log_format format, const char *process)
{
	settings.level = level;
	settings.format = format;
	snprintf(settings.process, sizeof(settings.process), "%s", process);
}

void log_setup_words(const char *level, const char *format, const char *process)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(level_names) && strcmp(level_names[i], level))
		i++;
	check(i < ARRAY_SIZE(level_names));
	log_setup((enum log_level)i,
		strcmp(format, "json") ? LOG_LOGFMT : LOG_JSON, process);
}

bool log_enabled(enum log_level level)
{
	return level <= settings.level;
}

bool log_limit_pass(struct log_limit *limit, uint32_t burst, uint32_t *ret_held)
{
	uint64_t second = (uint64_t)time(NULL);

	if (limit->second != second) {
		limit->second = second;
		limit->n_passed = 0;
	}
	if (limit->n_passed >= burst) {
		limit->n_held++;
		return false;
	}
	limit->n_passed++;
	*ret_held = limit->n_held;
	limit->n_held = 0;
	return true;
}

bool log_limit_rest(struct log_limit *limit, uint32_t *ret_held)
{
	if (!limit->n_held || limit->second == (uint64_t)time(NULL))
		return false;
	*ret_held = limit->n_held;
	limit->n_held = 0;
	return true;
}

/* ---- text ------------------------------------------------------------- */

/* One character of a quoted value. What would break the value in either
 * format is escaped, and what a terminal would obey; clients choose some of
 * this text. Returns how many bytes it was. */
static size_t put_char(struct buf *line, const unsigned char *at)
{
	size_t len = utf8_len(at, strnlen((const char *)at, 4));

	if (len == 0)
		buf_append_str(line, "\\ufffd");
	else if (*at == '"' || *at == '\\')
		buf_printf(line, "\\%c", *at);
	else if (*at == '\n')
		buf_append_str(line, "\\n");
	else if (*at < 0x20 || *at == 0x7f)
		buf_printf(line, "\\u%04x", *at);
	else if (*at == 0xc2 && at[1] < 0xa0)
		buf_printf(line, "\\u%04x", at[1]);
	else
		buf_append(line, at, len);
	return len ? len : 1;
}

static void put_quoted(struct buf *line, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	buf_put_u8(line, '"');
	while (*at && line->len < PIPE_BUF - LINE_TAIL)
		at += put_char(line, at);
	if (*at)
		buf_append_str(line, "...");
	buf_put_u8(line, '"');
}

static void put_time(struct buf *line)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	buf_printf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void put_logfmt(struct buf *line, enum log_level level,
	const struct log_scope *scope, const char *event, const char *msg)
{
	buf_append_str(line, "time=");
	put_time(line);
	buf_printf(line, " level=%s event=%s process=%s", level_names[level],
		event, settings.process);
	if (scope)
		buf_printf(line, " %s=%" PRIu64, scope->noun, scope->id);
	if (*msg) {
		buf_append_str(line, " msg=");
		put_quoted(line, msg);
	}
	buf_put_u8(line, '\n');
}

static void put_json(struct buf *line, enum log_level level,
	const struct log_scope *scope, const char *event, const char *msg)
{
	buf_append_str(line, "{\"time\":\"");
	put_time(line);
	buf_printf(line, "\",\"level\":\"%s\",\"event\":\"%s\"",
		level_names[level], event);
	buf_printf(line, ",\"process\":\"%s\"", settings.process);
	if (scope)
		buf_printf(line, ",\"%s\":%" PRIu64, scope->noun, scope->id);
	if (*msg) {
		buf_append_str(line, ",\"msg\":");
		put_quoted(line, msg);
	}
	buf_append_str(line, "}\n");
}

/* ---- out -------------------------------------------------------------- */

void log_open(void)
{
	struct stat st;
	int fd = -1;

	if (out.is_own)
		close(out.fd);
	memset(&out, 0, sizeof(out));
	out.fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	out.is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !isatty(STDERR_FILENO))
		return;
	/* Others write through the descriptor that we were given, and would
	 * not expect it to become non-blocking. */
	fd = open("/proc/self/fd/2",
		O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	out.may_block = fd < 0;
	if (fd < 0)
		return;
	out.fd = fd;
	out.is_own = true;
}

static bool has_room(int timeout_ms)
{
	struct pollfd p = { .fd = out.fd, .events = POLLOUT };

	return poll(&p, 1, timeout_ms) > 0;
}

static ssize_t write_some(struct slice bytes)
{
	if (out.is_socket)
		return send(out.fd, bytes.data, bytes.len,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	if (out.may_block && !has_room(0)) {
		errno = EAGAIN;
		return -1;
	}
	return write(out.fd, bytes.data, bytes.len);
}

/* After an attempt that failed: shall there be another? */
static bool may_try_again(void)
{
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN || out.is_stuck)
		return false;
	out.is_stuck = !has_room(PATIENCE_MS);
	return !out.is_stuck;
}

static bool write_all(struct slice line)
{
	while (line.len) {
		ssize_t n = write_some(line);

		if (n < 0 && may_try_again())
			continue;
		if (n <= 0)
			return false;
		out.is_stuck = false;
		line = slice_from(line, (size_t)n);
		out.is_torn = line.len != 0;
	}
	return true;
}

static bool write_line(enum log_level level, const struct log_scope *scope,
	const char *event, const char *msg)
{
	CLEANUP(buf_deinit) struct buf line = { 0 };

	if (out.is_torn)
		buf_put_u8(&line, '\n');
	if (settings.format == LOG_JSON)
		put_json(&line, level, scope, event, msg);
	else
		put_logfmt(&line, level, scope, event, msg);
	return write_all(buf_slice(&line));
}

static void tell_lost(void)
{
	char msg[96];

	snprintf(msg, sizeof(msg),
		"%" PRIu64 " lines: nobody read the log in time", out.n_lost);
	if (write_line(LOG_WARN, NULL, "log.lost", msg))
		out.n_lost = 0;
}

void log_write(enum log_level level, const struct log_scope *scope,
	const char *event, const char *fmt, ...)
{
	char msg[LOG_MSG_MAX];
	int saved = errno;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	if (out.n_lost)
		tell_lost();
	if (!write_line(level, scope, event, msg))
		out.n_lost++;
	errno = saved;
}
