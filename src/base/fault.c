#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

static const struct fault_row rows[] = {
#define FAULT(name, sqlstate, http, s3, text)                                  \
	{ #name, sqlstate, http, s3, text },
#include "proto/faults.def"
#undef FAULT
};

_Static_assert(ARRAY_SIZE(rows) == FAULT_COUNT, "one row per fault");

const struct fault_row *fault_row(enum fault_code code)
{
	check((unsigned)code < FAULT_COUNT);
	return &rows[code];
}

void fault_set(struct fault *f, enum fault_code code, const char *fmt, ...)
{
	va_list args;

	f->code = code;
	f->detail[0] = '\0';
	f->hint[0] = '\0';
	if (!fmt) {
		snprintf(f->text, sizeof(f->text), "%s", fault_row(code)->text);
		return;
	}
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
}

void fault_detail(struct fault *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, args);
	va_end(args);
}

void fault_hint(struct fault *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->hint, sizeof(f->hint), fmt, args);
	va_end(args);
}
