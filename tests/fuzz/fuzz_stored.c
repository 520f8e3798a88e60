/* src/wire/sql: any bytes as the body of a stored function. However it is
 * cut, it does the same and names the same. */
#include <stdlib.h>

#include "base/base.h"
#include "wire/sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_word(void *ctx, struct slice word)
{
	check(word.len >= 1 && word.len <= SQL_NAME_MAX);
	buf_put_cstr(ctx, word);
}

static void on_setting(void *ctx, struct slice name)
{
	check(name.len <= 2 * SQL_NAME_MAX);
	check(slice_find(name, '.') < name.len);
	buf_put_cstr(ctx, name);
}

static void feed_copy(struct sql_stored *s, const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);

	sql_stored_feed(s, slice_of(copy, len));
}

/* The flags go behind what was named. */
static void run(struct buf *seen, const uint8_t *data, size_t len, size_t piece)
{
	struct sql_stored s = {
		.word_seen = on_word,
		.setting_seen = on_setting,
		.ctx = seen,
	};

	sql_stored_begin(&s);
	for (size_t at = 0; at < len; at += piece)
		feed_copy(&s, data + at, MIN(piece, len - at));
	sql_stored_end(&s);
	buf_put_u32(seen, s.flags);
	buf_put_u8(seen, s.is_writing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(buf_deinit) struct buf whole = { 0 };
	CLEANUP(buf_deinit) struct buf cut = { 0 };

	run(&whole, data, len, len + 1);
	run(&cut, data, len, 1);
	check(slice_equal(buf_slice(&whole), buf_slice(&cut)));
	return 0;
}
