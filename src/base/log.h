#pragma once

/*
 * One line per event on standard error, logfmt or JSON:
 *
 *     time=2026-11-21T03:52:49.123Z level=warn event=backend.lost
 *     process=worker-1 backend=12 msg="after 3 ms"
 *
 * (in one line). Event names are stable: noun.verb. error: act now; warn:
 * degraded; info: life cycle; debug: transitions. Secrets are never given to
 * these functions.
 */
#include "base/mem.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG
};
enum log_format {
	LOG_LOGFMT,
	LOG_JSON
};

/* Who speaks: "session" 42. Embedded in what it names; may be NULL. */
struct log_scope {
	const char *noun; /* a literal */
	uint64_t id;
};

/*
 * At most burst lines of one kind a second; what was held back is told in
 * the next line that passes, or when log_limit_rest() is asked. Zeroed memory
 * is a fresh limit.
 */
struct log_limit {
	uint64_t second;
	uint32_t n_passed;
	uint32_t n_held;
};

/*
 * Looks at what standard error is, so that no line ever waits for its reader:
 * once, before the first fork. Until then lines go out as they come.
 */
void log_open(void);

/* The process-wide settings; process is copied ("supervisor", "worker-0"). */
void log_setup(
	enum log_level level, enum log_format format, const char *process);
/* The same from the options' words: "info", "logfmt". */
void log_setup_words(
	const char *level, const char *format, const char *process);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const struct log_scope *scope,
	const char *event, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Asks the limit first: true when the line may be written. */
bool log_limit_pass(
	struct log_limit *limit, uint32_t burst, uint32_t *ret_held);

/* True when lines are held back, and no longer because of this second: they
 * are told now, and no more of them later. */
bool log_limit_rest(struct log_limit *limit, uint32_t *ret_held);

#define log_error(scope, ...) log_write(LOG_ERROR, scope, __VA_ARGS__)
#define log_warn(scope, ...)  log_write(LOG_WARN, scope, __VA_ARGS__)
#define log_info(scope, ...)  log_write(LOG_INFO, scope, __VA_ARGS__)
#define log_debug(scope, ...)                                                  \
	do {                                                                   \
		if (UNLIKELY(log_enabled(LOG_DEBUG)))                          \
			log_write(LOG_DEBUG, scope, __VA_ARGS__);              \
	} while (0)
