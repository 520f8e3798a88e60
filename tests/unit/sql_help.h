#pragma once

/*
 * Summaries of wire/sql as text, so that a test is a table of two strings:
 *
 *     VERB "name" ALL FLAG FLAG; VERB ...
 *
 * with what is not there left out, "..." behind a text that is incomplete and
 * "+" behind one that is truncated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/base.h"
#include "wire/sql/sql.h"

struct sql_case {
	const char *text;
	const char *expected;
};

static const char *const verb_names[] = {
#define VERB(name, step, runs, flags) #name,
#include "proto/sql_verbs.def"
#undef VERB
};

static const char *const flag_names[] = {
#define FLAG(name, what) #name,
#include "proto/sql_flags.def"
#undef FLAG
};

static inline void put_flags(struct buf *b, uint32_t flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (flags & BIT(i))
			buf_printf(b, " %s", flag_names[i]);
	}
}

static inline char *summary_show(const struct sql_summary *sum)
{
	struct buf b = { 0 };
	uint32_t n_kept = MIN(sum->n_statements, SQL_MAX_STATEMENTS);

	for (uint32_t i = 0; i < n_kept; i++) {
		const struct sql_statement *one = &sum->statements[i];

		buf_printf(&b, "%s%s", i ? "; " : "", verb_names[one->verb]);
		if (*one->name)
			buf_printf(&b, " \"%s\"", one->name);
		if (one->is_all)
			buf_printf(&b, " ALL");
		put_flags(&b, one->flags);
	}
	if (sum->is_truncated)
		buf_printf(&b, " +");
	if (sum->is_incomplete)
		buf_printf(&b, " ...");
	return buf_take_str(&b);
}

/* All that any cut must leave the same. */
static inline void assert_same_summary(
	const struct sql_summary *a, const struct sql_summary *b)
{
	CLEANUP(freep) char *shown_a = summary_show(a);
	CLEANUP(freep) char *shown_b = summary_show(b);

	assert_string_equal(shown_a, shown_b);
	assert_int_equal(a->n_statements, b->n_statements);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->n_tokens, b->n_tokens);
	assert_int_equal(a->max_depth, b->max_depth);
}

/* The pieces are copied, so that reading past one is seen. */
static inline void feed(struct sql_scanner *s, const char *text, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(text, len);

	sql_scan_feed(s, slice_of(copy, len));
}

static inline void sql_run(const char *text, const char *expected, bool scs)
{
	struct sql_scanner whole;
	struct sql_scanner cut;
	CLEANUP(freep) char *shown = NULL;
	size_t len = strlen(text);
	uint32_t flags = 0;

	/* begin() has to cope with whatever was there. */
	memset(&whole, 0xa5, sizeof(whole));
	memset(&cut, 0x5a, sizeof(cut));
	sql_scan_begin(&whole, scs);
	feed(&whole, text, len);
	sql_scan_end(&whole);
	shown = summary_show(&whole.summary);
	if (strcmp(shown, expected) != 0)
		print_error("in: %s\n", text);
	assert_string_equal(shown, expected);

	for (size_t at = 0; at <= len; at++) {
		sql_scan_begin(&cut, scs);
		feed(&cut, text, at);
		feed(&cut, text + at, len - at);
		sql_scan_end(&cut);
		assert_same_summary(&whole.summary, &cut.summary);
	}
	sql_scan_begin(&cut, scs);
	for (size_t at = 0; at < len; at++)
		feed(&cut, text + at, 1);
	sql_scan_end(&cut);
	assert_same_summary(&whole.summary, &cut.summary);

	if (whole.summary.n_statements <= SQL_MAX_STATEMENTS) {
		for (uint32_t i = 0; i < whole.summary.n_statements; i++)
			flags |= whole.summary.statements[i].flags;
		if (!whole.summary.is_truncated)
			assert_int_equal(flags, whole.summary.flags);
	}
}

#define RUN_CASES(cases)                                                       \
	do {                                                                   \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(cases); i_++)              \
			sql_run((cases)[i_].text, (cases)[i_].expected, true); \
	} while (0)
