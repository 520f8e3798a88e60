/* src/config/demands.c: what a URL asks for and Howdah cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

/* What is said of the URL when it becomes the upstream; "" when it is fine. */
static char *run(const char *query)
{
	CLEANUP(config_destroyp) struct config *c = NULL;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	CLEANUP(freep)
	char *variable = xasprintf(
		"HOWDAH_DATABASE_URL=postgresql://own:hush@pg.invalid:7/real?%s",
		query);
	char *const environment[] = { variable, NULL };
	struct config_sources sources = { .environment = environment };
	int r = config_load(&sources, &c, &problems, &warnings);

	assert_true((r < 0) == (problems.len > 0));
	assert_int_equal(warnings.len, 0);
	return buf_take_str(&problems);
}

static void assert_fine(const char *query)
{
	CLEANUP(freep) char *said = run(query);

	if (said && *said)
		fail_msg("%s: %s", query, said);
}

static void assert_refused(const char *query, const char *expected)
{
	CLEANUP(freep) char *said = run(query);

	if (!said || !strstr(said, expected))
		fail_msg("%s: %s", query, said);
	assert_null(strstr(said, "hush"));
}

/* No parameter is passed over: one that is refused says what to do. */
static void every_row_is_judged(void **state)
{
	static const char *const rows[][3] = {
#define CONNINFO(name, words, taken, instead) { #name, taken, instead },
#include "proto/conninfo.def"
#undef CONNINFO
	};
	char query[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(*rows[i][1]);
		assert_true(!strcmp(rows[i][1], "*") == !*rows[i][2]);
		if (strcmp(rows[i][1], "-"))
			continue;
		snprintf(query, sizeof(query), "%s=x", rows[i][0]);
		assert_refused(query, "is not supported; ");
	}
}

static void words(void **state)
{
	(void)state;
	assert_fine("gssencmode=disable&replication=off&client_encoding=UTF8");
	assert_fine("sslcertmode=disable&ssl_max_protocol_version=TLSv1.2");
	assert_fine("min_protocol_version=3.0&max_protocol_version=latest");
	assert_refused("gssencmode=require",
		"gssencmode with this value is not supported; Howdah does not "
		"speak GSSAPI");
	assert_refused("sslcertmode=require", "sslcertmode with this value");
	assert_refused("client_encoding=latin1", "choose their own");
	assert_refused("replication=database", "replication with this value");
	assert_refused("min_protocol_version=3.2", "speaks 3.0");
	assert_refused("ssl_max_protocol_version=TLSv1.1", "TLS 1.2");
	assert_refused("gssencmode=maybe", "gssencmode must be one of");
}

static unsigned auth_of(const char *text)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	CLEANUP(upstream_deinit) struct upstream copy = { 0 };
	CLEANUP(freep) char *url = xasprintf("host=a require_auth='%s'", text);
	struct fault f;

	if (upstream_parse(slice_str(url), &u, &f) < 0)
		return 0;
	upstream_copy(&u, &copy);
	assert_int_equal(u.auth, copy.auth);
	return u.auth;
}

static void require_auth(void **state)
{
	(void)state;
	assert_int_equal(auth_of(""), UPSTREAM_AUTH_ALL);
	assert_int_equal(auth_of("scram-sha-256"), UPSTREAM_AUTH_SCRAM);
	assert_int_equal(
		auth_of("md5,none"), UPSTREAM_AUTH_MD5 | UPSTREAM_AUTH_NONE);
	assert_int_equal(auth_of("!password,!none"),
		UPSTREAM_AUTH_ALL & ~UPSTREAM_AUTH_PASSWORD &
			~UPSTREAM_AUTH_NONE);
	assert_int_equal(auth_of("md5,!none"), 0);
	assert_int_equal(auth_of("!none,md5"), 0);
	assert_int_equal(auth_of("md5,md5"), 0);
	assert_int_equal(auth_of("md5,"), 0);
	assert_int_equal(auth_of("SCRAM-SHA-256"), 0);
	assert_int_equal(auth_of("scram"), 0);
	assert_fine("require_auth=scram-sha-256");
	assert_fine("require_auth=!none");
	assert_refused("require_auth=gss,sspi", "leaves no method");
	assert_refused("require_auth=md5,sha", "an unknown one");
	assert_refused("require_auth=md5&channel_binding=require",
		"which require_auth excludes");
}

static void tls(void **state)
{
	(void)state;
	assert_fine("channel_binding=require");
	assert_fine("sslcrl=/x&sslrootcert=/y&sslmode=require");
	assert_fine("sslcrldir=/x&sslmode=verify-full");
	assert_fine("sslnegotiation=direct&sslmode=require");
	assert_fine("ssl_min_protocol_version=TLSv1.3");
	assert_fine("ssl_min_protocol_version=TLSv1&sslsni=0");
	assert_refused("channel_binding=require&sslmode=disable",
		"channel_binding=require needs TLS");
	assert_refused("channel_binding=require&host=/run/postgresql",
		"channel_binding=require needs TLS");
	assert_refused("sslnegotiation=direct", "needs sslmode=require");
	assert_refused("sslcrl=/x&sslmode=require", "sslcrl has no effect");
	assert_refused("ssl_min_protocol_version=TLSv1.3&"
		       "ssl_max_protocol_version=TLSv1.2",
		"ssl_min_protocol_version is above");
}

static void numbers(void **state)
{
	(void)state;
	assert_fine("connect_timeout=10&keepalives_idle=-1");
	assert_refused("connect_timeout=soon", "connect_timeout is not a");
	assert_refused("keepalives_count=99999999999", "keepalives_count");
	assert_refused("tcp_user_timeout=1s", "tcp_user_timeout is not a");
}

/* A URL that is not the upstream may ask for anything. */
static void of_the_upstream_alone(void **state)
{
	CLEANUP(config_destroyp) struct config *c = NULL;
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	const char *const environment[] = {
		"DATABASE_URL=postgresql://app:pw@localhost:6432/chat"
		"?gssencmode=require&service=x",
		NULL,
	};
	struct config_sources sources = {
		.environment = (char *const *)environment,
	};

	(void)state;
	assert_int_equal(config_load(&sources, &c, &problems, &warnings), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_judged),
		cmocka_unit_test(words),
		cmocka_unit_test(require_auth),
		cmocka_unit_test(tls),
		cmocka_unit_test(numbers),
		cmocka_unit_test(of_the_upstream_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
