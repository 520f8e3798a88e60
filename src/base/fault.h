#pragma once

/*
 * A fault is what a user is told. proto/faults.def names the kinds; each
 * door renders them in its own language.
 */
#include "base/slice.h"

enum fault_code {
#define FAULT(name, sqlstate, http, s3, text) FAULT_##name,
#include "proto/faults.def"
#undef FAULT
	FAULT_COUNT
};

struct fault_row {
	const char *name;
	const char *sqlstate; /* five characters */
	int http_status;
	const char *s3_code;
	const char *text;
};

struct fault {
	enum fault_code code;
	char text[256];
	char detail[192]; /* empty when there is nothing to add */
	char hint[192];	  /* the same */
};

const struct fault_row *fault_row(enum fault_code code);

/* Overwrites *f; a fmt of NULL takes the row's own text. */
void fault_set(struct fault *f, enum fault_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* More about what went wrong, as PostgreSQL's DETAIL; after fault_set(). */
void fault_detail(struct fault *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What to do about it; after fault_set(). */
void fault_hint(struct fault *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
