/* What stands on standard output when all is ready: how to get in. */
#include "supervisor/supervisor_priv.h"

#include <ctype.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* RFC 3986: everything but unreserved characters. */
static void put_encoded(struct buf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			buf_put_u8(b, c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

/*
 * A password that everybody knows, or that a person at a terminal has set,
 * may be shown to be copied. Into a log it does not go: psql asks for it,
 * and the app's line has it already.
 */
static bool may_show_password(const struct config *c)
{
	return isatty(STDOUT_FILENO) || !strcmp(c->plan.password, "root");
}

static void put_user(struct buf *b, const struct config *c)
{
	put_encoded(b, c->plan.user);
	if (*c->plan.password && may_show_password(c)) {
		buf_put_u8(b, ':');
		put_encoded(b, c->plan.password);
	}
	buf_put_u8(b, '@');
}

/* Where a client on this machine connects to. */
static void put_host(struct buf *b, const struct endpoint *e)
{
	bool is_any = !*e->host || !strcmp(e->host, "0.0.0.0") ||
		      !strcmp(e->host, "::");

	if (is_any)
		buf_append_str(b, "127.0.0.1");
	else if (strchr(e->host, ':'))
		buf_printf(b, "[%s]", e->host);
	else
		buf_append_str(b, e->host);
	buf_printf(b, ":%u", e->port);
}

static void put_url(
	struct buf *b, const struct config *c, const struct endpoint *e)
{
	buf_append_str(b, "postgresql://");
	put_user(b, c);
	if (e->kind == ENDPOINT_TCP)
		put_host(b, e);
	buf_put_u8(b, '/');
	put_encoded(b, c->plan.dbname);
	if (e->kind == ENDPOINT_UNIX) {
		CLEANUP(freep) char *path = folder_path(e->path);
		const char *port = strrchr(e->path, '.');

		buf_append_str(b, "?host=");
		put_encoded(b, dirname(path));
		if (port)
			buf_printf(b, "&port=%s", port + 1);
	}
}

void banner_print(const struct supervisor *s)
{
	const struct endpoints *listeners = &s->config->pg_endpoints;
	CLEANUP(buf_deinit) struct buf b = { 0 };

	if (!listeners->n)
		return;
	buf_append_str(
		&b, "Howdah " HOWDAH_VERSION " carries PostgreSQL clients on");
	for (size_t i = 0; i < listeners->n; i++) {
		buf_append_str(&b, i ? ", " : " ");
		endpoint_put(&b, &listeners->at[i]);
	}
	buf_append_str(&b, "\n\n  psql '");
	put_url(&b, s->config, &listeners->at[0]);
	buf_append_str(&b, "'\n\nA Chainlit app's .env:\n\n  DATABASE_URL=");
	put_url(&b, s->config, &listeners->at[0]);
	buf_append_str(&b, "\n\n");
	fwrite(b.data, 1, b.len, stdout);
	fflush(stdout);
}
