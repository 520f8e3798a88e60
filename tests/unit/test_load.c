/* src/config/load.c, flag.c, rules.c: sources, precedence, what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config_priv.h"

/* What was loaded, or why not. */
struct loaded {
	struct config *c; /* NULL when it failed */
	struct buf problems;
	struct buf warnings;
};

static void loaded_deinit(struct loaded *l)
{
	config_destroy(l->c);
	buf_deinit(&l->problems);
	buf_deinit(&l->warnings);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A file under the name .env in a folder of its own, which is left again. */
static char *enter_folder(const char *text)
{
	char *folder = xstrdup("/tmp/howdah-test-XXXXXX");
	FILE *file;

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	if (!text)
		return folder;
	file = fopen(".env", "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return folder;
}

static void leave_folder(char *folder)
{
	unlink(".env");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder), 0);
	free(folder);
}

static void load(struct loaded *l, const char *const *flags,
	const char *const *environment, const char *file)
{
	char *folder = enter_folder(file);
	struct config_sources sources = {
		.flags = (char *const *)flags,
		.other_flags = "status|dry-run",
		.environment = (char *const *)environment,
		.env_file = ".env",
	};
	int r;

	*l = (struct loaded){ 0 };
	r = config_load(&sources, &l->c, &l->problems, &l->warnings);
	assert_int_equal(r < 0, l->c == NULL);
	assert_int_equal(r < 0, l->problems.len != 0);
	buf_put_u8(&l->problems, 0);
	buf_put_u8(&l->warnings, 0);
	leave_folder(folder);
}

static void assert_problems(const char *const *flags,
	const char *const *environment, const char *file, const char *problems)
{
	CLEANUP(loaded_deinit) struct loaded l;

	load(&l, flags, environment, file);
	assert_string_equal(l.problems.data, problems);
}

static void assert_warnings(
	const char *const *environment, const char *file, const char *warnings)
{
	CLEANUP(loaded_deinit) struct loaded l;

	load(&l, NULL, environment, file);
	assert_string_equal(l.problems.data, "");
	assert_string_equal(l.warnings.data, warnings);
}

static void assert_shown(const struct config *c, enum option_id id,
	const char *value, enum option_source source)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	config_show(c, id, &b);
	buf_put_u8(&b, 0);
	assert_string_equal(b.data, value);
	assert_int_equal(c->sources[id], source);
}

static void test_defaults(void **state)
{
	CLEANUP(loaded_deinit) struct loaded l;

	(void)state;
	load(&l, NULL, NULL, NULL);
	assert_string_equal(l.problems.data, "");
	assert_string_equal(l.warnings.data, "");
	assert_int_equal(l.c->pool_size, 20);
	assert_int_equal(l.c->drain_timeout, 30000);
	assert_string_equal(l.c->log_format, "logfmt");
	assert_false(l.c->insecure);
	assert_string_equal(l.c->tls_cert, "");
	assert_int_equal(l.c->pg_endpoints.n, 1);
	assert_int_equal(l.c->http_endpoints.at[0].port, 8080);
	assert_int_equal(l.c->s3_endpoints.at[0].port, 4566);
	assert_true(l.c->plan.is_embedded);
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		assert_int_equal(l.c->sources[id], OPTION_BY_DEFAULT);
}

static void test_precedence(void **state)
{
	CLEANUP(loaded_deinit) struct loaded l;

	(void)state;
	load(&l, LIST("--pool-size=4"),
		LIST("HOWDAH_POOL_SIZE=3", "HOWDAH_MAX_PINNED=3",
			"HOWDAH_LOG="),
		"HOWDAH_POOL_SIZE=2\nHOWDAH_MAX_PINNED=2\nHOWDAH_WORKERS=2\n"
		"HOWDAH_LOG=json\nHOWDAH_LOG_LEVEL=\n");
	assert_string_equal(l.problems.data, "");
	assert_shown(l.c, OPTION_ID_pool_size, "4", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_max_pinned, "3", OPTION_BY_ENVIRONMENT);
	assert_shown(l.c, OPTION_ID_workers, "2", OPTION_BY_FILE);
	/* empty is unset, and empty in the environment hides the file */
	assert_shown(l.c, OPTION_ID_log_format, "logfmt", OPTION_BY_DEFAULT);
	assert_shown(l.c, OPTION_ID_log_level, "info", OPTION_BY_DEFAULT);
}

static void test_flags(void **state)
{
	CLEANUP(loaded_deinit) struct loaded l;

	(void)state;
	load(&l,
		LIST("--pool-size", "7", "--insecure", "--tls-required=no",
			"--drain-timeout=2min", "--pg-listen", "off",
			"--workers=1", "--workers=2", "--auth-file="),
		LIST("HOWDAH_AUTH_FILE=/users"), NULL);
	assert_string_equal(l.problems.data, "");
	assert_shown(l.c, OPTION_ID_pool_size, "7", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_insecure, "yes", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_tls_required, "no", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_drain_timeout, "2min", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_workers, "2", OPTION_BY_FLAG);
	assert_shown(l.c, OPTION_ID_auth_file, "", OPTION_BY_FLAG);
	assert_int_equal(l.c->pg_endpoints.n, 0);
}

static void test_wrong_flags(void **state)
{
	(void)state;
	assert_problems(LIST("--pol-size=3", "--colour", "-v", "serve",
				"--pool_size=3", "--pool-size"),
		NULL, NULL,
		"--pol-size: there is no such flag; did you mean --pool-size?\n"
		"--colour: there is no such flag; --help names them all\n"
		"\"-v\": flags are written --name=value\n"
		"\"serve\": flags are written --name=value\n"
		"--pool_size: there is no such flag; did you mean --pool-size?\n"
		"--pool-size: give a value, --pool-size=...\n");
	assert_problems(LIST("--staus", "--dry_run=yes", "--status"), NULL,
		NULL,
		"--staus: there is no such flag; did you mean --status?\n"
		"--dry_run: there is no such flag; did you mean --dry-run?\n"
		"--status: there is no such flag; did you mean --status?\n");
	assert_problems(LIST("--pool-size", "--insecure"), NULL, NULL,
		"--pool-size: give a value, --pool-size=...\n");
	assert_problems(LIST("--pool-size="), NULL, NULL,
		"--pool-size=: give a whole number from 1 to 10000\n");
	assert_problems(LIST("--insecure", "no"), NULL, NULL,
		"\"no\": flags are written --name=value\n");
}

static void test_all_at_once(void **state)
{
	(void)state;
	assert_problems(LIST("--workers=many"),
		LIST("HOWDAH_LOG=xml", "HOWDAH_DRAIN_TIMEOUT=2 weeks",
			"HOWDAH_PG_LISTEN=6432",
			"HOWDAH_DATABASE_URL=postgresql://u:secret@h:0/d"),
		"HOWDAH_POOL_SIZE=0\nA=\"\nHOWDAH_X=1",
		".env:2: A: the quote is never closed\n"
		"--workers=many: give a whole number from 0 to 64\n"
		"HOWDAH_DRAIN_TIMEOUT=2 weeks: give a time such as 250ms, 30s, "
		"5min, 2h or 7d from 0 to 1h\n"
		"HOWDAH_LOG=xml: give logfmt or json\n"
		".env:1: HOWDAH_POOL_SIZE=0: give a whole number from 1 to "
		"10000\n"
		"HOWDAH_PG_LISTEN: \"6432\": write host:port, :port for all "
		"addresses, unix:/path or off\n"
		"HOWDAH_DATABASE_URL=***: a port is not a number from 1 to "
		"65535\n");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_warnings(
		LIST("HOWDAH_POOLSIZE=3", "HOWDAH_COLOUR=blue", "POOL_SIZE=3"),
		"POSTGRES_HOST=x\nHOWDAH_WORKER=3\n",
		"HOWDAH_POOLSIZE is not known and has no effect; did you mean "
		"HOWDAH_POOL_SIZE?\n"
		"HOWDAH_COLOUR is not known and has no effect\n"
		".env:2: HOWDAH_WORKER is not known and has no effect; did you "
		"mean HOWDAH_WORKERS?\n");
}

static void test_files(void **state)
{
	CLEANUP(loaded_deinit) struct loaded l;
	char *folder = enter_folder("HOWDAH_POOL_SIZE=5");
	struct config_sources none = { 0 };
	struct buf problems = { 0 }, warnings = { 0 };
	CLEANUP(config_destroyp) struct config *c = NULL;

	(void)state;
	assert_int_equal(config_load(&none, &c, &problems, &warnings), 0);
	assert_int_equal(c->pool_size, 20);
	leave_folder(folder);
	assert_problems(LIST("--env-file=no.env"), NULL, "HOWDAH_POOL_SIZE=5",
		"no.env: cannot be read: No such file or directory\n");
	assert_problems(LIST("--env-file", "/"), NULL, NULL,
		"/: cannot be read: Is a directory\n");
	load(&l, LIST("--env-file=./.env"), NULL, "HOWDAH_POOL_SIZE=5");
	assert_int_equal(l.c->pool_size, 5);
}

/* The seeds' lines, from the file to the plan. */
static void test_seeds(void **state)
{
	CLEANUP(loaded_deinit) struct loaded datalayer, rdb, submodule;
	const struct upstream *u;

	(void)state;
	load(&datalayer, NULL, NULL,
		"DATABASE_URL=\"postgresql+asyncpg://root:root@localhost:5432/"
		"postgres\"\n");
	u = &datalayer.c->plan.upstream;
	assert_string_equal(u->hosts[0].host, "localhost");
	assert_int_equal(u->hosts[0].port, 5432);
	assert_string_equal(u->dbname, "postgres");
	load(&rdb, NULL, NULL,
		"DATABASE_URL=postgresql://root:root_password@rdb:5432/"
		"chainlit\n");
	u = &rdb.c->plan.upstream;
	assert_string_equal(u->password, "root_password");
	assert_string_equal(u->hosts[0].host, "rdb");
	assert_string_equal(u->dbname, "chainlit");
	load(&submodule, NULL, LIST("POSTGRES_USER=alice"),
		"POSTGRES_USER=root\nPOSTGRES_PORT=5432\n"
		"DATABASE_URL=postgresql://${POSTGRES_USER:-root}:"
		"${POSTGRES_PASSWORD:-root}@postgres:${POSTGRES_PORT:-5432}/"
		"${POSTGRES_DB:-postgres} # for chainlit\n");
	u = &submodule.c->plan.upstream;
	assert_string_equal(u->user, "alice");
	assert_string_equal(u->password, "root");
	assert_string_equal(u->hosts[0].host, "postgres");
	assert_int_equal(u->hosts[0].port, 5432);
	assert_string_equal(u->dbname, "postgres");
	assert_string_equal(submodule.warnings.data, "");
}

static void test_secrets(void **state)
{
	CLEANUP(loaded_deinit) struct loaded l;

	(void)state;
	load(&l, NULL,
		LIST("POSTGRES_PASSWORD=hush",
			"HOWDAH_DATABASE_URL=postgresql://u:hush@h:x"),
		NULL);
	assert_string_equal(l.problems.data,
		"HOWDAH_DATABASE_URL=***: a port is not a number from 1 to "
		"65535\n");
	assert_null(strstr(l.warnings.data, "hush"));
}

static void test_tls(void **state)
{
	(void)state;
	assert_problems(NULL, LIST("HOWDAH_TLS_CERT=a"), NULL,
		"HOWDAH_TLS_CERT is set and HOWDAH_TLS_KEY is not; TLS needs "
		"both\n");
	assert_problems(NULL, LIST("HOWDAH_TLS_KEY=a"), NULL,
		"HOWDAH_TLS_KEY is set and HOWDAH_TLS_CERT is not; TLS needs "
		"both\n");
	assert_problems(NULL, LIST("HOWDAH_TLS_REQUIRED=yes"), NULL,
		"HOWDAH_TLS_REQUIRED is set without TLS; give HOWDAH_TLS_CERT "
		"and HOWDAH_TLS_KEY\n");
	assert_problems(NULL, LIST("HOWDAH_TLS_CLIENT_CA=a"), NULL,
		"HOWDAH_TLS_CLIENT_CA is set without TLS; give HOWDAH_TLS_CERT "
		"and HOWDAH_TLS_KEY\n");
	assert_problems(NULL,
		LIST("HOWDAH_TLS_CERT=a", "HOWDAH_TLS_KEY=a",
			"HOWDAH_TLS_REQUIRED=1", "HOWDAH_TLS_CLIENT_CA=b"),
		NULL, "");
}

static void test_overlaps(void **state)
{
	(void)state;
	assert_problems(NULL, LIST("HOWDAH_PG_LISTEN=127.0.0.1:8080"), NULL,
		"HOWDAH_HTTP_LISTEN=127.0.0.1:8080: the same place as "
		"HOWDAH_PG_LISTEN=127.0.0.1:8080; give each its own\n");
	assert_problems(NULL,
		LIST("HOWDAH_PG_LISTEN=127.0.0.1:1,[::1]:1,"
		     "127.0.0.1:1"),
		NULL,
		"HOWDAH_PG_LISTEN=127.0.0.1:1: the same place as "
		"HOWDAH_PG_LISTEN=127.0.0.1:1; give each its own\n");
}

#define PUBLIC "HOWDAH_PG_LISTEN=0.0.0.0:6432"
#define REFUSED(where)                                                               \
	PUBLIC ": other machines can reach it, so the well-known password in " where \
	       " is refused; change it, or set HOWDAH_INSECURE=yes\n"

static void test_production(void **state)
{
	static const char ours[] =
		"DATABASE_URL=postgresql://a:b@localhost:6432";

	(void)state;
	assert_problems(NULL, LIST(PUBLIC), NULL, REFUSED("POSTGRES_PASSWORD"));
	assert_problems(NULL, LIST(PUBLIC, "HOWDAH_INSECURE=yes"), NULL, "");
	assert_problems(NULL, LIST(PUBLIC, "POSTGRES_PASSWORD=long and good"),
		NULL, "");
	assert_problems(NULL,
		LIST(PUBLIC, "POSTGRES_USER=me", "POSTGRES_PASSWORD=me"), NULL,
		REFUSED("POSTGRES_PASSWORD"));
	/* who logs in counts, not the role behind */
	assert_problems(NULL, LIST(PUBLIC, ours), NULL, "");
	assert_problems(NULL,
		LIST(PUBLIC, "DATABASE_URL=postgresql://a:random-key@localhost:"
			     "6432"),
		NULL, REFUSED("DATABASE_URL"));
	assert_problems(NULL,
		LIST(PUBLIC, "DATABASE_URL=postgresql://root:root@db:5432/x"),
		NULL, REFUSED("DATABASE_URL"));
	assert_problems(NULL,
		LIST(PUBLIC, "HOWDAH_DATABASE_URL=postgresql://root:root@db"),
		NULL, REFUSED("HOWDAH_DATABASE_URL"));
	/* without a password nobody can log in by it */
	assert_problems(NULL,
		LIST(PUBLIC, "HOWDAH_DATABASE_URL=postgresql://root@db"), NULL,
		"");
	assert_problems(NULL, LIST(PUBLIC, ours, "HOWDAH_AUTH=trust"), NULL,
		PUBLIC ": other machines can reach it, so HOWDAH_AUTH=trust is "
		       "refused; use scram, or HOWDAH_INSECURE=yes\n");
	assert_problems(NULL, LIST("HOWDAH_AUTH=trust"), NULL, "");
	assert_problems(NULL, LIST("HOWDAH_PG_LISTEN=unix:x"), NULL, "");
}

static void test_pool(void **state)
{
	(void)state;
	assert_warnings(LIST("HOWDAH_POOL_SIZE=81"), NULL,
		"HOWDAH_POOL_SIZE=81 is more than "
		"HOWDAH_MAX_SERVER_CONNECTIONS=80: no pool can grow that "
		"large; lower the one or raise the other\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_wrong_flags),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_production),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
