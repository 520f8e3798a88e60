/*
 * src/config/url.c, conninfo.c: connection URLs and name=value strings. What
 * libpq itself makes of them is the expected value; what we refuse beyond it
 * is listed one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <libpq-fe.h>

#include "config/config_priv.h"

/* "name=value" of all that is set, by line. */
static char *show(const struct upstream *u)
{
	struct buf b = { 0 };

#define CONNINFO(name, words, taken, instead)                                  \
	if (*u->name)                                                          \
		buf_printf(&b, #name "=%s\n", u->name);
#include "proto/conninfo.def"
#undef CONNINFO
	return buf_take_str(&b);
}

/* Ours, or "!". */
static char *run(const char *url)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	struct fault f;

	if (upstream_parse(slice_str(url), &u, &f) < 0)
		return xstrdup("!");
	return show(&u);
}

static void take(struct upstream *u, PQconninfoOption *options)
{
	for (PQconninfoOption *o = options; o->keyword; o++)
		assert_true(upstream_set(u, slice_str(o->keyword),
			slice_str(o->val ? o->val : "")));
}

/* libpq's, in the same form. */
static char *run_libpq(const char *url)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &message);
	struct fault f;

	PQfreemem(message);
	if (!options)
		return xstrdup("!");
	assert_int_equal(upstream_parse(SLICE("port="), &u, &f), 0);
	take(&u, options);
	PQconninfoFree(options);
	return show(&u);
}

static void assert_as_libpq(const char *url)
{
	CLEANUP(freep) char *ours = run(url);
	CLEANUP(freep) char *libpq = run_libpq(url);

	if (strcmp(ours, libpq))
		print_message("%s\n", url);
	assert_string_equal(ours, libpq);
}

/* Every parameter that the installed libpq knows has a row. */
static void test_names(void **state)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	PQconninfoOption *options = PQconndefaults();
	struct fault f;

	(void)state;
	assert_int_equal(upstream_parse(SLICE("port="), &u, &f), 0);
	take(&u, options);
	PQconninfoFree(options);
}

/* The URLs of libpq's own documentation and tests, and then some. */
static const char *const urls[] = {
	"postgresql://",
	"postgres://",
	"postgresql://localhost",
	"postgresql://localhost:5433",
	"postgresql://localhost/mydb",
	"postgresql://user@localhost",
	"postgresql://user:secret@localhost",
	"postgresql://other@localhost/otherdb?connect_timeout=10"
	"&application_name=myapp",
	"postgresql://host1:123,host2:456/somedb?target_session_attrs=any",
	"postgresql:///mydb?host=localhost&port=5433",
	"postgresql://[2001:db8::1234]/database",
	"postgresql:///dbname?host=/var/lib/postgresql",
	"postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
	"postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit"
	"%3Doff",
	"postgresql://uri-user:secret@host:12345/db",
	"postgresql://uri-user@host/",
	"postgresql://host/",
	"postgresql://host:12345/",
	"postgresql://uri-user@",
	"postgresql://?user=uri-user",
	"postgresql://host/db?u%73er=someotheruser&port=12345",
	"postgresql://host:12345?user=uri-user",
	"postgresql://host?",
	"postgresql://host?&",
	"postgresql://host?user",
	"postgresql://host?user=a=b",
	"postgresql://host?user=a&",
	"postgresql://host?user=a&&port=1",
	"postgresql://host?=x",
	"postgresql://[::1]:12345/db",
	"postgresql://[::1]",
	"postgresql://[2001:db8::1]:1,[::1]:2,c/db",
	"postgresql://[]",
	"postgresql://[::1",
	"postgresql://[::1]x/db",
	"postgresql://[::1]?user=x",
	"postgresql://@host",
	"postgresql://:@host",
	"postgresql://:secret@host",
	"postgresql://user:@host",
	"postgresql://user:a:b@host",
	"postgresql://host:",
	"postgresql://host:/db",
	"postgresql://:5433",
	"postgresql://a,b",
	"postgresql://a,b:2/db",
	"postgresql://a:1,b/db",
	"postgresql://,",
	"postgresql://us%65r:p%40ss%2F%3a@h%6Fst/d%62?sslm%6fde=disa%62le",
	"postgresql://us%6r@host",
	"postgresql://us%",
	"postgresql://us%00er@host",
	"postgresql://us%zz@host",
	"postgresql://host/db?user=%",
	"postgresql://host/db?ssl=true",
	"postgresql://host/db?sslmode=verify-full&sslrootcert=/a%20b&sslcert=c"
	"&sslkey=d",
	"postgresql://host/db?sslmode=require&sslmode=disable",
	"postgresql://host/db/more?user=x",
	"postgresql://host/?user=%F0%9F%90%98",
	"postgresql://host/db?nothing=x",
	"postgresql://host/db?User=x",
	"postgresql://host1,host2/db?host=/tmp,other",
	"postgresql://host/db?password=a%26b+c",
	"postgresql://user:pa?ss@host/db",
	"postgresql://user:pa#ss@host/db",
	"host=localhost port=5432 dbname=mydb connect_timeout=10",
	"host = localhost  port= 5433",
	"  user=a\tdbname=b\n",
	"user='a b' password='it\\'s' options='-c a=\\\\b'",
	"user=a\\ b\\'c",
	"user=a'b'",
	"user=''",
	"user=",
	"user= dbname=x",
	"user='a'password=b",
	"user='a",
	"user='a\\",
	"user=a\\",
	"user",
	"user a",
	"=x",
	"nothing=x",
	"USER=x",
	"user=a user=b",
	"host=/tmp,localhost,::1 port=1,,3",
	"hostaddr=127.0.0.1 host=name",
	"options=postgresql://x",
};

static void test_as_libpq(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		assert_as_libpq(urls[i]);
}

/* Cut at every length, ours never takes what libpq refuses; and gives the
 * same where it takes it. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		for (size_t cut = 0; cut <= strlen(urls[i]); cut++) {
			CLEANUP(freep) char *part = xstrndup(urls[i], cut);
			CLEANUP(freep) char *ours = run(part);
			CLEANUP(freep) char *libpq = run_libpq(part);

			if (strcmp(ours, "!"))
				assert_string_equal(ours, libpq);
		}
	}
}

/* The same bytes without a NUL behind them, for the sanitizer to see. */
static void test_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		size_t len = strlen(urls[i]);

		for (size_t cut = 0; cut <= len; cut++) {
			CLEANUP(upstream_deinit) struct upstream u = { 0 };
			CLEANUP(freep) char *copy = xmemdup(urls[i], cut);
			struct fault f;
			int r = upstream_parse(slice_of(copy, cut), &u, &f);

			assert_true(r < 0 || u.n_hosts > 0);
		}
	}
}

static void assert_hosts(const char *url, const char *expected)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	CLEANUP(upstream_deinit) struct upstream copy = { 0 };
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct fault f;

	f.text[0] = '\0';
	upstream_parse(slice_str(url), &u, &f);
	assert_string_equal(f.text, "");
	upstream_copy(&u, &copy);
	for (size_t i = 0; i < copy.n_hosts; i++)
		buf_printf(&b, "%s%s|%s|%u", i ? " " : "", copy.hosts[i].host,
			copy.hosts[i].hostaddr, copy.hosts[i].port);
	buf_put_u8(&b, 0);
	assert_string_equal(b.data, expected);
}

static void test_hosts(void **state)
{
	(void)state;
	assert_hosts("postgresql://a", "a||5432");
	assert_hosts("postgresql://a:1", "a||1");
	assert_hosts("postgresql://", "/var/run/postgresql||5432");
	assert_hosts("postgresql://:7", "/var/run/postgresql||7");
	assert_hosts("postgresql://[::1]:2,b,c:3", "::1||2 b||5432 c||3");
	assert_hosts("postgresql://a,b?port=9", "a||9 b||9");
	assert_hosts("postgresql://a:1/?host=c", "c||1");
	assert_hosts("postgresql://a%2Cb", "a||5432 b||5432");
	assert_hosts("host=/tmp,,b port=1,2,",
		"/tmp||1 "
		"/var/run/postgresql||2 b||5432");
	assert_hosts("host=a,b hostaddr=1.2.3.4,::1", "a|1.2.3.4|5432 "
						      "b|::1|5432");
	assert_hosts("hostaddr=1.2.3.4", "|1.2.3.4|5432");
	assert_hosts("host=@abstract", "@abstract||5432");
	assert_hosts("host='/a b'", "/a b||5432");
	assert_hosts("host=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 port=7",
		"1||7 2||7 3||7 4||7 5||7 6||7 7||7 8||7 9||7 10||7 11||7 "
		"12||7 13||7 14||7 15||7 16||7");
}

/* SQLAlchemy's schemes, and the seeds' URL (with asyncpg in its scheme). */
static void test_schemes(void **state)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	struct fault f;
	int r;

	(void)state;
	r = upstream_parse(SLICE("postgresql+asyncpg://root:root@localhost:"
				 "5432/postgres"),
		&u, &f);
	assert_int_equal(r, 0);
	assert_string_equal(u.user, "root");
	assert_string_equal(u.password, "root");
	assert_string_equal(u.host, "localhost");
	assert_string_equal(u.port, "5432");
	assert_string_equal(u.dbname, "postgres");
	assert_hosts("postgres+psycopg2://a", "a||5432");
	assert_hosts(" postgresql://a\n", "a||5432");
}

static void assert_refused(const char *url, const char *text, const char *hint)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	struct fault f;

	assert_true(upstream_parse(slice_str(url), &u, &f) < 0);
	assert_string_equal(f.text, text);
	assert_string_equal(f.hint, hint);
}

#define ENCODE                                                                 \
	"in user and password write % as %25, / as %2F, : as %3A, "            \
	"? as %3F and @ as %40"
#define PORT "a port is not a number from 1 to 65535"
#define HOST "a host holds a blank, a / or an @"

/* What libpq takes, or finds out about only when it connects. */
static void test_stricter(void **state)
{
	(void)state;
	assert_refused("mydb",
		"this is neither a URL nor name=value pairs; "
		"write postgresql://user:password@host:5432/database",
		"");
	assert_refused("",
		"this is neither a URL nor name=value pairs; write "
		"postgresql://user:password@host:5432/database",
		"");
	assert_refused("mysql://a?b=c",
		"this is not a URL of PostgreSQL; it "
		"begins with postgresql://",
		"");
	assert_refused("postgresql+://a",
		"this is not a URL of PostgreSQL; it "
		"begins with postgresql://",
		"");
	assert_refused("\"postgresql://a\"",
		"this is not a URL of PostgreSQL; "
		"it begins with postgresql://",
		"take away the quotes around it");
	assert_refused("postgresql://a:0", PORT, "");
	assert_refused("postgresql://a:65536", PORT, "");
	assert_refused("postgresql://user:pass", PORT, "");
	assert_refused("host=a port=+1", PORT, "");
	assert_refused("postgresql://user:pa/ss@host/db", PORT, ENCODE);
	assert_refused("postgresql://user:p@ss@host/db", HOST, ENCODE);
	assert_refused("postgresql://us er", HOST, "");
	assert_refused(
		"host=a,b,c port=1,2", "ports and hosts differ in number", "");
	assert_refused("host=a hostaddr=1.2.3.4,1.2.3.5",
		"host and hostaddr differ in number", "");
	assert_refused("host=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		"there are more than 16 hosts", "");
	assert_refused("postgresql://a?sslmode=on",
		"sslmode must be one of "
		"disable|allow|prefer|require|verify-ca|verify-full",
		"");
	assert_refused("sslmode=Require",
		"sslmode must be one of "
		"disable|allow|prefer|require|verify-ca|verify-full",
		"");
}

static void test_messages(void **state)
{
	(void)state;
	assert_refused("postgresql://a?sslmod=x",
		"parameter \"sslmod\" is none of libpq's",
		"did you mean sslmode?");
	assert_refused("postgresql://a?schema=public",
		"parameter \"schema\" is none of libpq's", "");
	/* the "name" may be a piece of the password */
	assert_refused("postgresql://user:1/2?secret=x&y@host",
		"a parameter behind the ? is none of libpq's", ENCODE);
	assert_refused("postgresql://a%4",
		"a % is not followed by two hex "
		"digits; a plain % is written %25",
		"");
	assert_refused("user=a b",
		"a word is not followed by =; a value with "
		"blanks is written in single quotes",
		"");
	assert_refused("password='a", "a single quote is never closed", "");
	assert_refused("pasword=a",
		"a name before a = is no parameter of "
		"libpq; a value with blanks is written in single quotes",
		"");
}

static void test_lenient(void **state)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	struct fault f;
	int r;

	(void)state;
	r = upstream_read(SLICE("postgresql://a/b?schema=public&user=c&"
				"pgbouncer=true"),
		true, &u, &f);
	assert_int_equal(r, 0);
	assert_string_equal(u.user, "c");
	r = upstream_read(SLICE("postgresql://a?schema"), true, &u, &f);
	assert_true(r < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_as_libpq),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_stricter),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_lenient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
