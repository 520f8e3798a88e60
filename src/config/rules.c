/*
 * What concerns several options at once: listeners that collide, TLS that is
 * half set, and what a listener that others can reach must not have.
 */
#include "config/config_priv.h"

#include <errno.h>
#include <inttypes.h>

/* Passwords that everybody knows: our defaults, and what the documents of
 * the applications around us have. A password like the user's name is one of
 * them, too. */
static const char known_passwords[] = "root|random-key|postgres|password";

struct place {
	const char *variable;
	const struct endpoint *endpoint;
};

static void put_place(struct buf *b, const struct place *p)
{
	buf_printf(b, "%s=", p->variable);
	endpoint_put(b, p->endpoint);
}

static size_t add_places(
	const char *variable, const struct endpoints *e, struct place *to)
{
	for (size_t i = 0; i < e->n; i++)
		to[i] = (struct place){ variable, &e->at[i] };
	return e->n;
}

/* The kernel would not refuse two listeners in one place: with SO_REUSEPORT
 * it would hand the clients out to both. */
static int check_overlaps(const struct config *c, struct buf *problems)
{
	struct place places[3 * ENDPOINTS_MAX];
	size_t n = 0;
	int r = 0;

	n += add_places("HOWDAH_PG_LISTEN", &c->pg_endpoints, places);
	n += add_places("HOWDAH_HTTP_LISTEN", &c->http_endpoints, places + n);
	n += add_places("HOWDAH_S3_LISTEN", &c->s3_endpoints, places + n);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!endpoint_overlaps(
				    places[i].endpoint, places[j].endpoint))
				continue;
			put_place(problems, &places[i]);
			buf_append_str(problems, ": the same place as ");
			put_place(problems, &places[j]);
			buf_append_str(problems, "; give each its own\n");
			r = -EINVAL;
		}
	}
	return r;
}

static int check_tls(const struct config *c, struct buf *problems)
{
	bool has_cert = *c->tls_cert, has_key = *c->tls_key;
	int r = 0;

	if (has_cert != has_key) {
		buf_printf(problems,
			"%s is set and %s is not; TLS needs both\n",
			has_cert ? "HOWDAH_TLS_CERT" : "HOWDAH_TLS_KEY",
			has_cert ? "HOWDAH_TLS_KEY" : "HOWDAH_TLS_CERT");
		r = -EINVAL;
	}
	if (!has_cert && !has_key && (*c->tls_client_ca || c->tls_required)) {
		buf_printf(problems,
			"%s is set without TLS; give HOWDAH_TLS_CERT and "
			"HOWDAH_TLS_KEY\n",
			c->tls_required ? "HOWDAH_TLS_REQUIRED"
					: "HOWDAH_TLS_CLIENT_CA");
		r = -EINVAL;
	}
	return r;
}

static const struct endpoint *find_public(const struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!e->at[i].is_loopback)
			return &e->at[i];
	return NULL;
}

static bool is_well_known(const struct door_plan *p)
{
	struct slice word;

	return words_have(known_passwords, slice_str(p->password), &word) ||
	       (*p->password && !strcmp(p->password, p->user));
}

const char *config_upstream_variable(const struct config *c)
{
	return *c->database_url ? "HOWDAH_DATABASE_URL" : "DATABASE_URL";
}

const char *config_password_variable(const struct config *c)
{
	if (c->plan.is_app_ours)
		return "DATABASE_URL";
	if (c->plan.is_embedded)
		return "POSTGRES_PASSWORD";
	return config_upstream_variable(c);
}

static int check_production(const struct config *c, struct buf *problems)
{
	const struct endpoint *public = find_public(&c->pg_endpoints);
	struct place place = { "HOWDAH_PG_LISTEN", public };
	int r = 0;

	if (!public || c->insecure)
		return 0;
	if (!strcmp(c->auth, "trust")) {
		put_place(problems, &place);
		buf_append_str(problems,
			": other machines can reach it, so HOWDAH_AUTH=trust "
			"is refused; use scram, or HOWDAH_INSECURE=yes\n");
		r = -EINVAL;
	}
	if (c->plan.user && is_well_known(&c->plan)) {
		put_place(problems, &place);
		buf_printf(problems,
			": other machines can reach it, so the well-known "
			"password in %s is refused; change it, or set "
			"HOWDAH_INSECURE=yes\n",
			config_password_variable(c));
		r = -EINVAL;
	}
	return r;
}

static void warn_pool(const struct config *c, struct buf *warnings)
{
	if (c->pool_size <= c->max_server_connections)
		return;
	buf_printf(warnings,
		"HOWDAH_POOL_SIZE=%" PRIu64 " is more than "
		"HOWDAH_MAX_SERVER_CONNECTIONS=%" PRIu64
		": no pool can grow that large; lower the one or raise the "
		"other\n",
		c->pool_size, c->max_server_connections);
}

int rules_check(const struct config *c, struct buf *ret_problems,
	struct buf *ret_warnings)
{
	int overlaps = check_overlaps(c, ret_problems);
	int tls = check_tls(c, ret_problems);
	int production = check_production(c, ret_problems);

	warn_pool(c, ret_warnings);
	return overlaps < 0 || tls < 0 || production < 0 ? -EINVAL : 0;
}
