/*
 * The log: formats one line in memory and gives it to the kernel with one
 * write(), so that lines of several processes do not mix.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

enum {
	LOG_MSG_MAX = 2048
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* The one mutable global the guide allows (rule 22). */
static struct {
	enum log_level level;
	enum log_format format;
	char process[32];
} settings = { LOG_INFO, LOG_LOGFMT, "howdah" };

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

/* Escapes what would break a quoted value of either format. */
static void put_quoted(struct buf *line, const char *text)
{
	buf_put_u8(line, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c == '\n')
			buf_append_str(line, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(line, "\\u%04x", c);
		else
			buf_put_u8(line, c);
	}
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

static void write_all(struct slice line)
{
	while (line.len) {
		ssize_t n = write(STDERR_FILENO, line.data, line.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line = slice_from(line, (size_t)n);
	}
}

void log_write(enum log_level level, const struct log_scope *scope,
	const char *event, const char *fmt, ...)
{
	CLEANUP(buf_deinit) struct buf line = { 0 };
	char msg[LOG_MSG_MAX];
	int saved = errno;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	if (settings.format == LOG_JSON)
		put_json(&line, level, scope, event, msg);
	else
		put_logfmt(&line, level, scope, event, msg);
	write_all(buf_slice(&line));
	errno = saved;
}
