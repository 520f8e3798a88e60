/* src/wire/sql: any bytes as an SQL text. However it is cut, the summary is
 * the same, and what it says of the whole it says of the parts. */
#include <stdlib.h>

#include "base/base.h"
#include "wire/sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Anywhere, but the same for the same text. */
static size_t somewhere(const uint8_t *data, size_t len)
{
	uint64_t sum = len;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + data[i];
	return (size_t)(sum % (len + 1));
}

static void feed_copy(struct sql_scanner *s, const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);

	sql_scan_feed(s, slice_of(copy, len));
}

static void check_same(const struct sql_summary *a, const struct sql_summary *b)
{
	check(a->n_statements == b->n_statements);
	check(a->flags == b->flags);
	check(a->n_tokens == b->n_tokens);
	check(a->max_depth == b->max_depth);
	check(a->is_truncated == b->is_truncated);
	check(a->is_incomplete == b->is_incomplete);
	for (size_t i = 0; i < MIN(a->n_statements, SQL_MAX_STATEMENTS); i++) {
		const struct sql_statement *x = &a->statements[i];
		const struct sql_statement *y = &b->statements[i];

		check(x->verb == y->verb && x->flags == y->flags);
		check(x->is_all == y->is_all && !strcmp(x->name, y->name));
		check((x->flags & a->flags) == x->flags);
	}
}

static void run(const uint8_t *data, size_t len, bool scs)
{
	struct sql_scanner whole;
	struct sql_scanner cut;
	size_t at = somewhere(data, len);

	memset(&whole, 0xff, sizeof(whole));
	memset(&cut, 0, sizeof(cut));
	sql_scan_begin(&whole, scs);
	feed_copy(&whole, data, len);
	sql_scan_end(&whole);
	check(whole.summary.n_tokens <= len);
	check(whole.summary.n_statements <= whole.summary.n_tokens);
	check(whole.summary.max_depth <= len);

	sql_scan_begin(&cut, scs);
	feed_copy(&cut, data, at);
	feed_copy(&cut, data + at, len - at);
	check_same(&whole.summary, sql_scan_end(&cut));

	sql_scan_begin(&cut, scs);
	for (size_t i = 0; i < len; i++)
		sql_scan_feed(&cut, slice_of(data + i, 1));
	check_same(&whole.summary, sql_scan_end(&cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	run(data, len, true);
	run(data, len, false);
	return 0;
}
