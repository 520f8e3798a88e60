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
 * may be shown to be copied. Into a log it does not go.
 */
static bool may_show_password(const struct config *c)
{
	return !*c->plan.password || isatty(STDOUT_FILENO) ||
	       !strcmp(c->plan.password, "root");
}

/* In place of a password that is not shown stands a word, or nothing: then
 * psql asks for it. */
static void put_user(struct buf *b, const struct config *c, const char *hidden)
{
	const char *password = may_show_password(c) ? c->plan.password : hidden;

	put_encoded(b, c->plan.user);
	if (*password) {
		buf_put_u8(b, ':');
		put_encoded(b, password);
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

/* The number behind the last dot of ".s.PGSQL.5432", which is how libpq and
 * drivers look for a socket file; NULL: they would not find it. */
static const char *socket_port(const struct endpoint *e)
{
	static const char before[] = "/.s.PGSQL.";
	const char *at = strstr(e->path, before);
	uint16_t port;

	if (!at)
		return NULL;
	at += sizeof(before) - 1;
	return num_parse_u16(slice_str(at), &port) < 0 ? NULL : at;
}

static void put_url(struct buf *b, const struct config *c,
	const struct endpoint *e, const char *hidden)
{
	buf_append_str(b, "postgresql://");
	put_user(b, c, hidden);
	if (e->kind == ENDPOINT_TCP)
		put_host(b, e);
	buf_put_u8(b, '/');
	put_encoded(b, c->plan.dbname);
	if (e->kind == ENDPOINT_UNIX) {
		CLEANUP(freep) char *path = folder_path(e->path);

		buf_append_str(b, "?host=");
		put_encoded(b, dirname(path));
		buf_printf(b, "&port=%s", socket_port(e));
	}
}

/* The first that a driver finds by a URL; NULL: there is none. */
static const struct endpoint *find_listener(const struct endpoints *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].kind == ENDPOINT_TCP || socket_port(&all->at[i]))
			return &all->at[i];
	return NULL;
}

static void put_lines(
	struct buf *b, const struct config *c, const struct endpoint *e)
{
	if (!e) {
		buf_append_str(b,
			"\n\npsql and drivers look for a socket file named "
			".s.PGSQL.PORT: HOWDAH_PG_LISTEN\nneeds one, "
			"unix:/folder/.s.PGSQL.6432, or host:port.\n\n");
		return;
	}
	buf_append_str(b, "\n\n  psql '");
	put_url(b, c, e, "");
	buf_append_str(b, "'\n\nA Chainlit app's .env:\n\n  DATABASE_URL=");
	put_url(b, c, e, "PASSWORD");
	buf_append_str(b, "\n\n");
	if (!may_show_password(c))
		buf_printf(b, "PASSWORD is that of %s, which no log shows.\n\n",
			config_password_variable(c));
}

void banner_print(const struct supervisor *s)
{
	const struct endpoints *listeners = &s->config->pg_endpoints;
	CLEANUP(buf_deinit) struct buf b = { 0 };

	if (!listeners->n) {
		log_warn(NULL, "supervisor.closed",
			"HOWDAH_PG_LISTEN is off: no client can connect");
		return;
	}
	buf_append_str(
		&b, "Howdah " HOWDAH_VERSION " carries PostgreSQL clients on");
	for (size_t i = 0; i < listeners->n; i++) {
		buf_append_str(&b, i ? ", " : " ");
		endpoint_put(&b, &listeners->at[i]);
	}
	put_lines(&b, s->config, find_listener(listeners));
	if (s->has_chores && s->next_chore == CHORE_MIGRATE)
		buf_append_str(&b,
			"The server behind does not answer yet, and clients "
			"wait for it: `howdah check` says more.\n\n");
	fwrite(b.data, 1, b.len, stdout);
	fflush(stdout);
}
