/*
 * Logins, message by message: the client here is our own other side of SCRAM.
 * Refusals are compared with what PostgreSQL 15.20 said to the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth_priv.h"

/* Of the password pencil, as PostgreSQL stored it. */
#define SCRAM_PENCIL                                                           \
	"SCRAM-SHA-256$4096:XPWtyG0j/SK39PoMil93Rg==$"                         \
	"ptI0gNNws48tB4RoPkfKIQV0aysXUzt8BR3nR67cUqw=:"                        \
	"acVf62erxcF6RALBJ2Wxh9yJ4UodQlCNqTpVWYezmMQ="
#define MD5_PENCIL "md50098e7fab7b4d8d091067152a80b3f12" /* of md5user */
#define CERT	   SLICE("0123456789abcdef0123456789abcdef")

static const char file[] = "\"plain\" \"pencil\"\n"
			   "\"scram\" \"" SCRAM_PENCIL "\"\n"
			   "\"md5user\" \"" MD5_PENCIL "\"\n"
			   "\"empty\" \"\"\n"
			   "\"odd\" \"pass\u00b2\"\n";

struct door {
	struct auth_users *users;
	struct auth *auth;
	struct auth_reply reply;
	struct fault f;
	int n_ready;
};

static void on_ready(void *owner)
{
	struct door *d = owner;

	d->n_ready++;
}

static int open_door(void **state)
{
	struct door *d = xnew(struct door);
	char path[] = "/tmp/howdah-auth-XXXXXX";
	struct auth_source source = {
		.path = path,
		.salt_secret = SLICE("of this test"),
	};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, strlen(file)), strlen(file));
	close(fd);
	assert_int_equal(auth_users_create(&source, &d->users, &d->f), 0);
	unlink(path);
	*state = d;
	return 0;
}

static int close_door(void **state)
{
	struct door *d = *state;

	auth_destroy(d->auth);
	auth_users_unref(d->users);
	buf_deinit(&d->reply.data);
	free(d);
	return 0;
}

static int knock_as(struct door *d, const struct auth_login *login)
{
	int r;

	auth_destroy(d->auth);
	d->auth = NULL;
	r = auth_begin(d->users, login, &d->auth, &d->reply, &d->f);
	assert_true((r == AUTH_MORE || r == AUTH_WORK) == (d->auth != NULL));
	return r;
}

static int knock(struct door *d, const char *user, enum auth_method method)
{
	struct auth_login login = {
		.user = slice_str(user),
		.method = method,
		.ready = on_ready,
		.owner = d,
	};

	return knock_as(d, &login);
}

/* As a session does, with the thread pool being us. */
static int resume(struct door *d)
{
	struct auth_work *work = auth_take_work(d->auth);

	assert_non_null(work);
	assert_true(auth_is_waiting(d->auth));
	auth_work_run(work);
	auth_work_finish(work);
	return auth_resume(d->auth, &d->reply);
}

static int feed(struct door *d, struct slice body)
{
	return auth_feed(d->auth, body, &d->reply, &d->f);
}

static void put_initial(
	struct buf *out, const char *mechanism, struct slice data)
{
	buf_put_cstr(out, slice_str(mechanism));
	buf_put_u32(out, (uint32_t)data.len);
	buf_append_slice(out, data);
}

/* From AuthenticationSASL on; does the server prove itself if it says yes? */
static int finish_scram(
	struct door *d, const char *password, struct slice binding)
{
	CLEANUP(scram_client_deinit) struct scram_client c;
	CLEANUP(buf_deinit) struct buf out = { 0 };
	CLEANUP(buf_deinit) struct buf body = { 0 };
	struct scram_keys keys;
	const char *mechanism;
	int r;

	scram_client_init(&c, binding);
	assert_int_equal(d->reply.code, 10);
	assert_int_equal(scram_client_first(&c, buf_slice(&d->reply.data),
				 SLICE("abcdefgh"), &mechanism, &out, &d->f),
		0);
	put_initial(&body, mechanism, buf_slice(&out));
	r = feed(d, buf_slice(&body));
	if (r != AUTH_MORE)
		return r;
	assert_int_equal(d->reply.code, 11);
	assert_int_equal(
		scram_client_challenge(&c, buf_slice(&d->reply.data), &d->f),
		0);
	assert_int_equal(
		scram_keys_derive(slice_str(password), &c.salt, &keys), 0);
	out.len = 0;
	scram_client_prove(&c, &keys, &out);
	r = feed(d, buf_slice(&out));
	if (r)
		return r;
	assert_int_equal(d->reply.code, 12);
	return scram_client_verify(&c, buf_slice(&d->reply.data), &d->f);
}

static void assert_refused(
	const struct door *d, int r, const char *user, const char *reason)
{
	CLEANUP(freep)
	char *text = xasprintf(
		"password authentication failed for user \"%s\"", user);

	assert_int_equal(r, AUTH_FAILED);
	assert_int_equal(d->f.code, FAULT_AUTH);
	assert_string_equal(d->f.text, text);
	assert_string_equal(d->f.detail, "");
	assert_string_equal(auth_reason(d->auth), reason);
	assert_int_equal(d->reply.code, 0);
	assert_int_equal(d->reply.data.len, 0);
}

static void a_verifier_lets_in_and_gives_keys(void **state)
{
	struct door *d = *state;
	struct auth_secret secret;
	struct scram_verifier v;

	assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	assert_true(auth_users_secret(d->users, SLICE("scram"), &secret));
	assert_true(secret.has_keys);
	scram_verifier_parse(SLICE(SCRAM_PENCIL), &v);
	assert_true(scram_salt_equal(&secret.salt, &v.salt));
	assert_true(scram_verifier_match(&v, &secret.keys));
	auth_secret_deinit(&secret);
	/* And again. */
	assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
}

static void wrong_passwords_give_nothing(void **state)
{
	struct door *d = *state;
	struct auth_secret secret;

	assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
	assert_refused(d, finish_scram(d, "pen", SLICE("")), "scram",
		"wrong password");
	assert_true(auth_users_secret(d->users, SLICE("scram"), &secret));
	assert_false(secret.has_keys);
	auth_secret_deinit(&secret);
}

static void channel_binding_is_offered_and_used(void **state)
{
	struct door *d = *state;
	struct auth_login login = {
		.user = SLICE("scram"),
		.endpoint_hash = CERT,
	};

	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_true(slice_equal(buf_slice(&d->reply.data),
		SLICE("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")));
	assert_int_equal(finish_scram(d, "pencil", CERT), 0);
	/* A client that knows nothing of it may do without. */
	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	/* Somebody in the middle has another certificate. */
	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil",
				 SLICE("fedcba9876543210fedcba9876543210")),
		AUTH_FAILED);
	assert_int_equal(d->f.code, FAULT_AUTH_SPECIFICATION);
	assert_string_equal(d->f.text, "SCRAM channel binding check failed");
}

static void a_plain_password_costs_work_once(void **state)
{
	struct door *d = *state;
	struct auth_login login = {
		.user = SLICE("plain"),
		.endpoint_hash = CERT,
		.ready = on_ready,
		.owner = d,
	};
	struct auth_secret secret;

	assert_int_equal(knock_as(d, &login), AUTH_WORK);
	assert_int_equal(d->reply.code, 0);
	assert_int_equal(resume(d), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", CERT), 0);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_MORE);
	assert_refused(d, finish_scram(d, "Pencil", SLICE("")), "plain",
		"wrong password");
	assert_true(auth_users_secret(d->users, SLICE("plain"), &secret));
	assert_string_equal(secret.password, "pencil");
	assert_false(secret.has_keys);
	auth_secret_deinit(&secret);
}

/* Three clients of one user at once: one piece of work for all of them, also
 * for the one that came later, and the one that has gone is not called. */
static void one_work_for_all_logins(void **state)
{
	struct door *d = *state;
	struct auth *first, *second;
	struct auth_work *work;

	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	work = auth_take_work(d->auth);
	assert_non_null(work);
	first = TAKE(d->auth);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	assert_null(auth_take_work(d->auth));
	second = TAKE(d->auth);
	auth_work_run(work);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	assert_null(auth_take_work(d->auth));
	auth_destroy(first);
	assert_int_equal(d->n_ready, 0);
	auth_work_finish(work);
	assert_int_equal(d->n_ready, 2);
	assert_int_equal(auth_resume(second, &d->reply), AUTH_MORE);
	auth_destroy(second);
	assert_int_equal(auth_resume(d->auth, &d->reply), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_MORE);
}

static void work_outlives_its_logins(void **state)
{
	struct door *d = *state;
	struct auth_work *work;

	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	work = auth_take_work(d->auth);
	auth_destroy(d->auth);
	d->auth = NULL;
	auth_work_run(work);
	auth_work_finish(work);
	assert_int_equal(d->n_ready, 0);
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
}

/* A client that calls back from inside may go, and others with it. */
static void on_ready_all_go(void *owner)
{
	struct auth **all = owner;

	for (int i = 0; i < 3; i++) {
		auth_destroy(all[i]);
		all[i] = NULL;
	}
}

static void logins_may_go_when_called(void **state)
{
	struct door *d = *state;
	struct auth *all[3] = { 0 };
	struct auth_login login = {
		.user = SLICE("plain"),
		.ready = on_ready_all_go,
		.owner = all,
	};
	struct auth_work *work = NULL;

	for (int i = 0; i < 3; i++) {
		struct auth_work *taken;

		assert_int_equal(
			auth_begin(d->users, &login, &all[i], &d->reply, &d->f),
			AUTH_WORK);
		taken = auth_take_work(all[i]);
		assert_true(!taken == (i > 0));
		work = taken ? taken : work;
	}
	auth_work_run(work);
	auth_work_finish(work);
	assert_null(all[0]);
}

static void a_table_lives_as_long_as_its_logins(void **state)
{
	struct door *d = *state;
	struct auth_work *work;

	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	work = auth_take_work(d->auth);
	auth_users_unref(d->users);
	d->users = NULL;
	auth_work_run(work);
	auth_work_finish(work);
	assert_int_equal(auth_resume(d->auth, &d->reply), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	/* And work as long as it takes, whoever else is left. */
	assert_int_equal(open_door(state), 0);
	auth_destroy(d->auth);
	buf_deinit(&d->reply.data);
	free(d);
	d = *state;
	assert_int_equal(knock(d, "plain", AUTH_SCRAM), AUTH_WORK);
	work = auth_take_work(d->auth);
	auth_destroy(d->auth);
	auth_users_unref(d->users);
	d->auth = NULL;
	d->users = NULL;
	auth_work_run(work);
	auth_work_finish(work);
}

static void strangers_hear_what_users_hear(void **state)
{
	static const struct {
		const char *user;
		const char *reason;
	} cases[] = {
		{ "nobody", "no such user" },
		{ "", "no such user" },
		{ "empty", "the user has no secret" },
		{ "md5user",
			"the user's secret is md5 and SCRAM was asked for" },
		{ "odd", "the user's password needs SASLprep" },
	};
	struct door *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			knock(d, cases[i].user, AUTH_SCRAM), AUTH_MORE);
		assert_true(slice_equal(
			buf_slice(&d->reply.data), SLICE("SCRAM-SHA-256\0\0")));
		assert_refused(d, finish_scram(d, "pencil", SLICE("")),
			cases[i].user, cases[i].reason);
	}
}

/* A stranger's salt does not change from one try to the next. */
static void strangers_have_a_salt_of_their_own(void **state)
{
	static const char first[] = "SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd";
	struct door *d = *state;
	char salts[2][30];

	for (int i = 0; i < 2; i++) {
		size_t tail = sizeof(salts[i]);

		assert_int_equal(knock(d, "nobody", AUTH_SCRAM), AUTH_MORE);
		assert_int_equal(
			feed(d, slice_of(first, sizeof(first) - 1)), AUTH_MORE);
		assert_true(d->reply.data.len > tail);
		memcpy(salts[i], d->reply.data.data + d->reply.data.len - tail,
			tail);
	}
	assert_memory_equal(salts[0], salts[1], sizeof(salts[0]));
	assert_memory_equal(salts[0] + 24, "i=4096", 6);
}

static void client_first_may_come_late(void **state)
{
	struct door *d = *state;

	assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
	assert_int_equal(
		feed(d, SLICE("SCRAM-SHA-256\0\xff\xff\xff\xff")), AUTH_MORE);
	assert_int_equal(d->reply.code, 11);
	assert_int_equal(d->reply.data.len, 0);
	assert_int_equal(feed(d, SLICE("n,,n=,r=abcd")), AUTH_MORE);
	assert_int_equal(d->reply.code, 11);
	assert_memory_equal(d->reply.data.data, "r=abcd", 6);
}

static void bodies_are_judged_as_postgres_judges_them(void **state)
{
	static const struct {
		struct slice body;
		const char *text;
	} cases[] = {
		{ SLICE("SCRAM-SHA-256"), "invalid string in message" },
		{ SLICE("SCRAM-SHA-256\0"),
			"insufficient data left in message" },
		{ SLICE("SCRAM-SHA-256\0\0"),
			"insufficient data left in message" },
		{ SLICE("SCRAM-SHA-256\0\0\0\1\0abc"),
			"insufficient data left in message" },
		{ SLICE("SCRAM-SHA-256\0\xff\xff\xff\xfe"
			"abc"),
			"insufficient data left in message" },
		{ SLICE("SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcdzz"),
			"invalid message format" },
		{ SLICE("SCRAM-SHA-256\0\xff\xff\xff\xffz"),
			"invalid message format" },
		{ SLICE("SCRAM-SHA-1\0"),
			"client selected an invalid SASL authentication"
			" mechanism" },
		{ SLICE("SCRAM-SHA-256-PLUS\0"),
			"client selected an invalid SASL authentication"
			" mechanism" },
		{ SLICE("SCRAM-SHA-256\0\0\0\0\0"), "malformed SCRAM message" },
	};
	struct door *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
		assert_int_equal(feed(d, cases[i].body), AUTH_FAILED);
		assert_int_equal(d->f.code, FAULT_PROTOCOL);
		assert_string_equal(d->f.text, cases[i].text);
		/* Nothing more is taken. */
		assert_int_equal(feed(d, cases[i].body), AUTH_FAILED);
	}
}

static void long_messages_are_wrong_passwords(void **state)
{
	CLEANUP(freep) char *body = xcalloc(1, 1 << 16);
	struct door *d = *state;

	memset(body, 'a', 1 << 16);
	assert_int_equal(knock(d, "scram", AUTH_SCRAM), AUTH_MORE);
	assert_refused(d, feed(d, slice_of(body, SCRAM_MESSAGE_MAX + 1)),
		"scram", "the message is too long");
	assert_int_equal(knock(d, "md5user", AUTH_MD5), AUTH_MORE);
	assert_refused(d, feed(d, slice_of(body, 1 << 16)), "md5user",
		"the message is too long");
}

/* ---- md5 -------------------------------------------------------------- */

static int answer_md5(struct door *d, const char *user, const char *password)
{
	struct md5_secret secret, answer;
	char body[MD5_SECRET_LEN + 1];

	assert_int_equal(d->reply.code, 5);
	assert_int_equal(d->reply.data.len, MD5_SALT_LEN);
	md5_secret_make(slice_str(password), slice_str(user), &secret);
	md5_secret_answer(
		&secret, (const uint8_t *)d->reply.data.data, &answer);
	memcpy(body, answer.text, MD5_SECRET_LEN);
	body[MD5_SECRET_LEN] = '\0';
	return feed(d, slice_of(body, sizeof(body)));
}

static void md5_lets_in_who_has_an_md5_secret(void **state)
{
	static const char *const users[] = { "md5user", "plain" };
	struct door *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		assert_int_equal(knock(d, users[i], AUTH_MD5), AUTH_MORE);
		assert_int_equal(answer_md5(d, users[i], "pencil"), 0);
		assert_int_equal(d->reply.code, 0);
		assert_int_equal(knock(d, users[i], AUTH_MD5), AUTH_MORE);
		assert_refused(d, answer_md5(d, users[i], "pen"), users[i],
			"wrong password");
	}
	assert_int_equal(knock(d, "odd", AUTH_MD5), AUTH_MORE);
	assert_int_equal(answer_md5(d, "odd", "pass\u00b2"), 0);
	assert_int_equal(knock(d, "nobody", AUTH_MD5), AUTH_MORE);
	assert_refused(
		d, answer_md5(d, "nobody", "pencil"), "nobody", "no such user");
	assert_int_equal(knock(d, "empty", AUTH_MD5), AUTH_MORE);
	assert_refused(
		d, answer_md5(d, "empty", ""), "empty", "wrong password");
}

static void md5_means_scram_for_verifiers(void **state)
{
	struct door *d = *state;

	assert_int_equal(knock(d, "scram", AUTH_MD5), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
}

static void md5_bodies_are_judged_as_postgres_judges_them(void **state)
{
	static const struct {
		struct slice body;
		enum fault_code code;
		const char *text;
	} cases[] = {
		{ SLICE(""), FAULT_PROTOCOL, "invalid password packet size" },
		{ SLICE("md5abc"), FAULT_PROTOCOL,
			"invalid password packet size" },
		{ SLICE("md5\0abc"), FAULT_PROTOCOL,
			"invalid password packet size" },
		{ SLICE("\0"), FAULT_AUTH,
			"empty password returned by client" },
		{ SLICE("foo\0"), FAULT_AUTH,
			"password authentication failed for user \"md5user\"" },
		{ SLICE("md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"), FAULT_AUTH,
			"password authentication failed for user \"md5user\"" },
	};
	struct door *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(knock(d, "md5user", AUTH_MD5), AUTH_MORE);
		assert_int_equal(feed(d, cases[i].body), AUTH_FAILED);
		assert_int_equal(d->f.code, cases[i].code);
		assert_string_equal(d->f.text, cases[i].text);
	}
}

static void md5_salts_differ(void **state)
{
	struct door *d = *state;
	char salt[MD5_SALT_LEN];

	knock(d, "md5user", AUTH_MD5);
	memcpy(salt, d->reply.data.data, sizeof(salt));
	knock(d, "md5user", AUTH_MD5);
	assert_memory_not_equal(salt, d->reply.data.data, sizeof(salt));
}

/* ---- trust, certificates ---------------------------------------------- */

static void trust_asks_only_for_the_user(void **state)
{
	struct door *d = *state;

	assert_int_equal(knock(d, "empty", AUTH_TRUST), 0);
	assert_int_equal(knock(d, "nobody", AUTH_TRUST), AUTH_FAILED);
	assert_int_equal(d->f.code, FAULT_AUTH_SPECIFICATION);
	assert_string_equal(d->f.text, "role \"nobody\" does not exist");
}

static void certificates_must_name_the_user(void **state)
{
	struct door *d = *state;
	struct auth_login login = {
		.user = SLICE("scram"),
		.cert_name = SLICE("scram"),
	};

	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_int_equal(finish_scram(d, "pencil", SLICE("")), 0);
	login.cert_name = SLICE("scra");
	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_refused(d, finish_scram(d, "pencil", SLICE("")), "scram",
		"the certificate names somebody else");
	login.cert_name = SLICE("");
	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_refused(d, finish_scram(d, "pencil", SLICE("")), "scram",
		"the certificate names somebody else");
	login.user = SLICE("md5user");
	login.method = AUTH_MD5;
	assert_int_equal(knock_as(d, &login), AUTH_MORE);
	assert_refused(d, answer_md5(d, "md5user", "pencil"), "md5user",
		"the certificate names somebody else");
	login.method = AUTH_TRUST;
	assert_int_equal(knock_as(d, &login), AUTH_FAILED);
	assert_int_equal(d->f.code, FAULT_AUTH_SPECIFICATION);
	login.cert_name = SLICE("md5user");
	assert_int_equal(knock_as(d, &login), 0);
}

static void methods_have_names(void **state)
{
	(void)state;
	assert_int_equal(auth_method_of("scram"), AUTH_SCRAM);
	assert_int_equal(auth_method_of("md5"), AUTH_MD5);
	assert_int_equal(auth_method_of("trust"), AUTH_TRUST);
}

#define WITH_DOOR(test)                                                        \
	cmocka_unit_test_setup_teardown(test, open_door, close_door)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_DOOR(a_verifier_lets_in_and_gives_keys),
		WITH_DOOR(wrong_passwords_give_nothing),
		WITH_DOOR(channel_binding_is_offered_and_used),
		WITH_DOOR(a_plain_password_costs_work_once),
		WITH_DOOR(one_work_for_all_logins),
		WITH_DOOR(work_outlives_its_logins),
		WITH_DOOR(logins_may_go_when_called),
		WITH_DOOR(a_table_lives_as_long_as_its_logins),
		WITH_DOOR(strangers_hear_what_users_hear),
		WITH_DOOR(strangers_have_a_salt_of_their_own),
		WITH_DOOR(client_first_may_come_late),
		WITH_DOOR(bodies_are_judged_as_postgres_judges_them),
		WITH_DOOR(long_messages_are_wrong_passwords),
		WITH_DOOR(md5_lets_in_who_has_an_md5_secret),
		WITH_DOOR(md5_means_scram_for_verifiers),
		WITH_DOOR(md5_bodies_are_judged_as_postgres_judges_them),
		WITH_DOOR(md5_salts_differ),
		WITH_DOOR(trust_asks_only_for_the_user),
		WITH_DOOR(certificates_must_name_the_user),
		cmocka_unit_test(methods_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
