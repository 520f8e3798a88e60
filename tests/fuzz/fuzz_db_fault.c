/* src/db/fault.c: any bytes as libpq's text of a failed login. An SQLSTATE is
 * five of its characters, texts are pieces of it. */
#include <stdlib.h>

#include "db/db_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A text that was copied is in there, up to the first NUL in it. */
static void check_piece(struct slice input, const char *text)
{
	check(!*text || memmem(input.data, input.len, text, strlen(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(buf_deinit) struct buf shown = { 0 };
	struct slice input = slice_of(copy, len);
	struct db_fault f;

	memset(&f, 0xa5, sizeof(f));
	f.stage = DB_LOGIN;
	db_fault_parse(input, &f);
	check(f.stage == DB_LOGIN);
	check(!*f.sqlstate || strlen(f.sqlstate) == 5);
	check(strspn(f.sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
		strlen(f.sqlstate));
	check(strlen(f.message) < sizeof(f.message));
	check_piece(input, f.sqlstate);
	check_piece(input, f.message);
	check_piece(input, f.detail);
	check_piece(input, f.hint);
	db_fault_put(&f, &shown);
	check(shown.len >= strlen(f.message));
	return 0;
}
