/* src/auth/userlist.c: any bytes as a users file. What is taken keeps within
 * its bounds, and what is refused has a line. */
#include "auth/auth_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_row(void *owner, const struct userlist_row *row, struct fault *f)
{
	size_t *line = owner;

	(void)f;
	check(row->line > *line);
	*line = row->line;
	check(row->user.len >= 1 && row->user.len <= AUTH_USER_MAX);
	check(row->secret.len <= AUTH_SECRET_MAX);
	check(slice_find(row->user, '\0') == row->user.len);
	check(slice_find(row->secret, '\0') == row->secret.len);
	check(slice_find(row->secret, '\n') == row->secret.len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct fault f = { 0 };
	size_t line = 0;

	if (userlist_parse(slice_of(copy, len), on_row, &line, &f) < 0)
		check(slice_starts_with(slice_str(f.text), SLICE("line ")));
	return 0;
}
