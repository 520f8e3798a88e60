/* src/config/plan.c: one .env for the app and for Howdah. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config_priv.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* "upstream as login", problems, warnings: what there is of them. */
static char *run(const char *const *environment)
{
	CLEANUP(config_destroyp) struct config *c = NULL;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};
	struct buf b = { 0 };

	if (config_load(&sources, &c, &problems, &warnings) == 0) {
		const struct door_plan *p = &c->plan;
		const struct upstream *u = &p->upstream;

		if (p->is_embedded)
			buf_append_str(&b, "embedded");
		else
			buf_printf(&b, "%s:%s@%s:%u/%s", u->user, u->password,
				u->hosts[0].host, u->hosts[0].port, u->dbname);
		buf_printf(&b, " as %s:%s/%s%s", p->user, p->password,
			p->dbname, p->is_app_ours ? " ours" : "");
	}
	if (problems.len)
		buf_printf(&b, "!%.*s", (int)problems.len, problems.data);
	if (warnings.len)
		buf_printf(&b, " ?%.*s", (int)warnings.len, warnings.data);
	return buf_take_str(&b);
}

static void assert_plan(const char *const *environment, const char *expected)
{
	CLEANUP(freep) char *result = run(environment);

	assert_string_equal(result, expected);
}

#define OURS	  "DATABASE_URL=postgresql+asyncpg://app:pw@localhost:6432/chat"
#define ELSEWHERE "DATABASE_URL=postgresql://app:pw@db.invalid/chat"
#define OWN	  "HOWDAH_DATABASE_URL=postgresql://own:hush@pg.invalid:7/real"

#define DATABASE_WARNING(app, own)                                             \
	" ?DATABASE_URL=***: clients ask for the database " app ", and the "   \
	"chat tables are made in that of HOWDAH_DATABASE_URL, " own "; give "  \
	"both the same\n"

static void test_cases(void **state)
{
	(void)state;
	assert_plan(LIST("X="), "embedded as root:root/postgres");
	assert_plan(
		LIST("POSTGRES_USER=u", "POSTGRES_PASSWORD=p", "POSTGRES_DB=d"),
		"embedded as u:p/d");
	assert_plan(LIST(OWN), "own:hush@pg.invalid:7/real as own:hush/real");
	assert_plan(LIST(OURS), "embedded as app:pw/chat ours");
	assert_plan(LIST(OURS, OWN),
		"own:hush@pg.invalid:7/real as app:pw/chat ours" DATABASE_WARNING(
			"chat", "real"));
	assert_plan(LIST(OURS, "HOWDAH_DATABASE_URL=postgresql://o@p.invalid/"
			       "chat"),
		"o:@p.invalid:5432/chat as app:pw/chat ours");
	assert_plan(
		LIST(ELSEWHERE), "app:pw@db.invalid:5432/chat as app:pw/chat");
	assert_plan(LIST(ELSEWHERE, OWN),
		"own:hush@pg.invalid:7/real as own:hush/real"
		" ?DATABASE_URL=***: is not at a listener of this Howdah and "
		"is not used; clients log in with the user of "
		"HOWDAH_DATABASE_URL, others are named in HOWDAH_AUTH_FILE\n");
}

/* The app's database may be none of ours, if it is told where ours is. */
static void test_foreign(void **state)
{
	(void)state;
	assert_plan(LIST("DATABASE_URL=sqlite:///chat.db", OWN),
		"own:hush@pg.invalid:7/real as own:hush/real"
		" ?DATABASE_URL=***: this is not a URL of PostgreSQL; it begins "
		"with postgresql://\n"
		"DATABASE_URL=***: is not at a listener of this Howdah and "
		"is not used; clients log in with the user of "
		"HOWDAH_DATABASE_URL, others are named in HOWDAH_AUTH_FILE\n");
}

/* What a URL leaves out. */
static void test_left_out(void **state)
{
	(void)state;
	assert_plan(LIST("DATABASE_URL=postgresql://localhost:6432"),
		"embedded as root:root/root ours");
	assert_plan(LIST("DATABASE_URL=postgresql://localhost:6432/chat"),
		"embedded as root:root/chat ours");
	assert_plan(LIST("DATABASE_URL=postgresql://root@localhost:6432/chat"),
		"embedded as root:root/chat ours");
	/* another user does not get root's password */
	assert_plan(LIST("DATABASE_URL=postgresql://app@localhost:6432/chat"),
		"embedded as app:/chat ours ?DATABASE_URL=***: has no "
		"password, so nobody can log in; write "
		"postgresql://USER:PASSWORD@...\n");
	assert_plan(LIST("HOWDAH_DATABASE_URL=postgresql://own@pg.invalid"),
		"own:@pg.invalid:5432/own as own:/own");
	assert_plan(LIST("DATABASE_URL=postgresql://localhost:6432", OWN),
		"own:hush@pg.invalid:7/real as own:hush/own ours" DATABASE_WARNING(
			"own", "real"));
}

#define UNUSED_WARNING(text)                                                   \
	text ": is not used: DATABASE_URL is at Howdah's own listener, and "   \
	     "says what the embedded PostgreSQL is made with\n"

/* The app's URL and POSTGRES_*, which may say the same. */
static void test_both(void **state)
{
	(void)state;
	assert_plan(LIST(OURS, "POSTGRES_USER=app", "POSTGRES_PASSWORD=pw",
			    "POSTGRES_DB=chat"),
		"embedded as app:pw/chat ours");
	assert_plan(LIST(OURS, "POSTGRES_USER=eve", "POSTGRES_PASSWORD=hush",
			    "POSTGRES_DB=chat"),
		"embedded as app:pw/chat ours ?" UNUSED_WARNING(
			"POSTGRES_USER=eve")
			UNUSED_WARNING("POSTGRES_PASSWORD=***"));
}

static void test_defaults(void **state)
{
	static const char *const environment[] = {
		"HOWDAH_DATABASE_URL=postgresql:///?host=/tmp", NULL
	};
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};
	CLEANUP(config_destroyp) struct config *c = NULL;
	struct buf problems = { 0 }, warnings = { 0 };

	(void)state;
	assert_int_equal(config_load(&sources, &c, &problems, &warnings), 0);
	assert_string_not_equal(c->plan.upstream.user, "");
	assert_string_equal(c->plan.upstream.dbname, c->plan.upstream.user);
	assert_string_equal(c->plan.upstream.sslmode, "prefer");
	assert_string_equal(c->plan.user, c->plan.upstream.user);
}

/* The driver's parameters are its own business, until the server is ours. */
static void test_parameters(void **state)
{
	(void)state;
	assert_plan(LIST("DATABASE_URL=postgresql://a:b@localhost:6432/c"
			 "?schema=public"),
		"embedded as a:b/c ours");
	assert_plan(LIST("DATABASE_URL=postgresql://a:b@db.invalid/c?schema=x"),
		"!DATABASE_URL=***: parameter \"schema\" is none of libpq's\n");
	assert_plan(LIST("DATABASE_URL=mysql://a"),
		"!DATABASE_URL=***: this "
		"is not a URL of PostgreSQL; it begins with postgresql://\n");
}

static void test_loop(void **state)
{
	static const char loop[] =
		"!HOWDAH_DATABASE_URL=***: this is Howdah's "
		"own listener, so Howdah would connect to itself; give the real "
		"PostgreSQL\n";

	(void)state;
	assert_plan(LIST("HOWDAH_DATABASE_URL=postgresql://a@localhost:6432"),
		loop);
	assert_plan(LIST(OURS, "HOWDAH_DATABASE_URL=postgresql://a@pg.invalid:"
			       "5432,127.0.0.1:6432/c"),
		loop);
	assert_plan(
		LIST("HOWDAH_PG_LISTEN=off",
			"HOWDAH_DATABASE_URL=postgresql://a@localhost:6432"),
		"a:@localhost:6432/a as a:/a");
}

#define PORT_WARNING(port)                                                     \
	" ?DATABASE_URL=***: has the port of POSTGRES_PORT, " port ", which "  \
	"compose files publish on the host; between containers PostgreSQL "    \
	"listens on 5432: if it cannot be reached, give "                      \
	"HOWDAH_DATABASE_URL with 5432\n"

/* S2.20: the same variable for two ports. */
static void test_port(void **state)
{
	(void)state;
	assert_plan(LIST("POSTGRES_PORT=5433",
			    "DATABASE_URL=postgresql://a:b@postgres:5433/c"),
		"a:b@postgres:5433/c as a:b/c" PORT_WARNING("5433"));
	assert_plan(LIST("POSTGRES_PORT=5432",
			    "DATABASE_URL=postgresql://a:b@postgres:5432/c"),
		"a:b@postgres:5432/c as a:b/c");
	assert_plan(LIST("POSTGRES_PORT=5433",
			    "DATABASE_URL=postgresql://a:b@localhost:5433/c"),
		"a:b@localhost:5433/c as a:b/c");
	assert_plan(LIST("POSTGRES_PORT=5433",
			    "DATABASE_URL=postgresql://a:b@postgres:5434/c"),
		"a:b@postgres:5434/c as a:b/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
