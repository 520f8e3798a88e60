/*
 * DATABASE_URL, HOWDAH_DATABASE_URL and POSTGRES_* to one plan for the first
 * door: which server is behind it, and who may log in. The table of cases is
 * at struct door_plan.
 */
#include "config/config_priv.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

void door_plan_deinit(struct door_plan *p)
{
	upstream_deinit(&p->upstream);
	secret_freep(&p->user);
	secret_freep(&p->password);
	secret_freep(&p->dbname);
	*p = (struct door_plan){ 0 };
}

void plan_copy(const struct door_plan *from, struct door_plan *ret)
{
	*ret = *from;
	upstream_copy(&from->upstream, &ret->upstream);
	ret->user = xstrdup(from->user);
	ret->password = xstrdup(from->password);
	ret->dbname = xstrdup(from->dbname);
}

static bool is_ours(const struct config *c, const struct upstream *u)
{
	for (size_t i = 0; i < u->n_hosts; i++)
		if (endpoints_serve(&c->pg_endpoints, &u->hosts[i]))
			return true;
	return false;
}

static int read_url(const struct config *c, enum option_id id, bool is_lenient,
	struct upstream *ret, struct buf *problems)
{
	struct fault f;

	if (upstream_read(option_get(c, id).text, is_lenient, ret, &f) == 0)
		return 0;
	config_put_option(problems, c, id);
	buf_printf(problems, "%s%s%s\n", f.text, *f.hint ? "; " : "", f.hint);
	return -EINVAL;
}

static int check_demands(
	const struct config *c, const struct upstream *u, struct buf *problems)
{
	struct fault f;

	if (demands_check(u, &f) == 0)
		return 0;
	config_put_option(problems, c,
		*c->database_url ? OPTION_ID_database_url
				 : OPTION_ID_app_database_url);
	buf_printf(problems, "%s%s%s\n", f.text, *f.hint ? "; " : "", f.hint);
	return -EINVAL;
}

static void set_default(char **text, const char *value)
{
	if (**text)
		return;
	free(*text);
	*text = xstrdup(value);
}

/* What libpq fills in when it connects, where it does not depend on more
 * than the account that runs us. */
static void fill_defaults(struct upstream *u)
{
	const struct passwd *account = getpwuid(geteuid());

	set_default(&u->user, account ? account->pw_name : "postgres");
	set_default(&u->dbname, u->user);
	set_default(&u->sslmode, "prefer");
}

/* DATABASE_URL goes first among what a client is given, then the server. */
static void fill_login(struct door_plan *p, const struct upstream *app,
	const char *user, const char *password, const char *dbname)
{
	bool is_app = p->is_app_ours;

	p->user = xstrdup(is_app && *app->user ? app->user : user);
	if (is_app && (*app->password || strcmp(p->user, user)))
		password = app->password;
	if (is_app)
		dbname = *app->dbname ? app->dbname : p->user;
	p->password = xstrdup(password);
	p->dbname = xstrdup(dbname);
}

static bool is_near(const char *host)
{
	return *host == '/' || !strncmp(host, "127.", 4) ||
	       slice_is_nocase(slice_str(host), "localhost");
}

static bool uses_port(const struct upstream *u, uint16_t port)
{
	for (size_t i = 0; i < u->n_hosts; i++)
		if (u->hosts[i].port == port && !is_near(u->hosts[i].host))
			return true;
	return false;
}

/*
 * The compose files around Chainlit use POSTGRES_PORT twice: as the port that
 * is published on the host, and in the URL that is used inside the network,
 * where the server listens on 5432 whatever is published.
 */
static void warn_port(const struct config *c, const struct env *env,
	const struct upstream *u, struct buf *warnings)
{
	const struct env_var *var = env_find(env, SLICE("POSTGRES_PORT"));
	uint16_t port;

	if (!var || num_parse_u16(slice_str(var->value), &port) < 0 ||
		port == 5432 || !uses_port(u, port))
		return;
	config_put_option(warnings, c, OPTION_ID_app_database_url);
	buf_printf(warnings,
		"has the port of POSTGRES_PORT, %u, which compose files publish "
		"on the host; between containers PostgreSQL listens on 5432: "
		"if it cannot be reached, give HOWDAH_DATABASE_URL with 5432\n",
		port);
}

/* What is wrong with DATABASE_URL is fatal only when it is needed: it may
 * belong to quite another database of the application. */
static int read_both(struct config *c, struct upstream *app,
	struct upstream *own, struct buf *problems, struct buf *warnings)
{
	bool has_own = *c->database_url;
	int r = 0;

	if (*c->app_database_url &&
		read_url(c, OPTION_ID_app_database_url, true, app,
			has_own ? warnings : problems) < 0 &&
		!has_own)
		r = -EINVAL;
	if (has_own &&
		read_url(c, OPTION_ID_database_url, false, own, problems) < 0)
		r = -EINVAL;
	c->plan.is_app_ours = is_ours(c, app);
	if (is_ours(c, own)) {
		config_put_option(problems, c, OPTION_ID_database_url);
		buf_append_str(problems,
			"this is Howdah's own listener, so Howdah would "
			"connect to itself; give the real PostgreSQL\n");
		r = -EINVAL;
	}
	return r;
}

static void warn_unused(const struct config *c, enum option_id id,
	const char *used, struct buf *warnings)
{
	if (c->sources[id] == OPTION_BY_DEFAULT ||
		slice_is(option_get(c, id).text, used))
		return;
	config_put_option(warnings, c, id);
	buf_append_str(warnings,
		"is not used: DATABASE_URL is at Howdah's own listener, and "
		"says what the embedded PostgreSQL is made with\n");
}

/* The embedded server has the role and the database that clients ask for. */
static void warn_embedded(const struct config *c, struct buf *warnings)
{
	const struct door_plan *p = &c->plan;

	if (!p->is_app_ours)
		return;
	warn_unused(c, OPTION_ID_postgres_user, p->user, warnings);
	warn_unused(c, OPTION_ID_postgres_db, p->dbname, warnings);
	if (*p->password) {
		warn_unused(
			c, OPTION_ID_postgres_password, p->password, warnings);
		return;
	}
	config_put_option(warnings, c, OPTION_ID_app_database_url);
	buf_append_str(warnings, "has no password, so nobody can log in; write "
				 "postgresql://USER:PASSWORD@...\n");
}

static void warn_database(const struct config *c, struct buf *warnings)
{
	const struct door_plan *p = &c->plan;

	if (!p->is_app_ours || !strcmp(p->dbname, p->upstream.dbname))
		return;
	config_put_option(warnings, c, OPTION_ID_app_database_url);
	buf_append_str(warnings, "clients ask for the database ");
	put_value(warnings, slice_str(p->dbname));
	buf_append_str(warnings, ", and the chat tables are made in that of "
				 "HOWDAH_DATABASE_URL, ");
	put_value(warnings, slice_str(p->upstream.dbname));
	buf_append_str(warnings, "; give both the same\n");
}

/* Where the upstream comes from, when HOWDAH_DATABASE_URL is not set. */
static int choose_upstream(struct config *c, const struct env *env,
	struct upstream *ret, struct buf *problems, struct buf *warnings)
{
	struct door_plan *p = &c->plan;
	int r;

	p->is_embedded = !*c->app_database_url || p->is_app_ours;
	if (p->is_embedded)
		return 0;
	/* Now it is Howdah's, so each parameter must be known. */
	r = read_url(c, OPTION_ID_app_database_url, false, ret, problems);
	if (r == 0)
		warn_port(c, env, ret, warnings);
	return r;
}

int plan_make(struct config *c, const struct env *env, struct buf *ret_problems,
	struct buf *ret_warnings)
{
	CLEANUP(upstream_deinit) struct upstream app = { 0 };
	CLEANUP(upstream_deinit) struct upstream own = { 0 };
	struct door_plan *p = &c->plan;
	int r = read_both(c, &app, &own, ret_problems, ret_warnings);

	if (r < 0)
		return r;
	if (!*c->database_url) {
		r = choose_upstream(c, env, &own, ret_problems, ret_warnings);
		if (r < 0)
			return r;
	} else if (*c->app_database_url && !p->is_app_ours) {
		config_put_option(ret_warnings, c, OPTION_ID_app_database_url);
		buf_append_str(ret_warnings,
			"is not at a listener of this Howdah and is not used; "
			"clients log in with the user of HOWDAH_DATABASE_URL, "
			"others are named in HOWDAH_AUTH_FILE\n");
	}
	if (p->is_embedded) {
		fill_login(p, &app, c->postgres_user, c->postgres_password,
			c->postgres_db);
		warn_embedded(c, ret_warnings);
		return 0;
	}
	fill_defaults(&own);
	r = check_demands(c, &own, ret_problems);
	if (r < 0)
		return r;
	p->upstream = own;
	own = (struct upstream){ 0 };
	fill_login(p, &app, p->upstream.user, p->upstream.password,
		p->upstream.dbname);
	warn_database(c, ret_warnings);
	return 0;
}

static void set_text(char **text, const char *value)
{
	secret_freep(text);
	*text = xstrdup(value);
}

void plan_client(const struct door_plan *p, const struct upstream *server,
	struct upstream *ret)
{
	upstream_copy(server, ret);
	set_text(&ret->user, p->user);
	set_text(&ret->password, p->password);
	set_text(&ret->dbname, p->dbname);
}
