/*
 * The client's side of SCRAM: two logins that PostgreSQL 15 accepted, with
 * and without channel binding, and servers that must not be trusted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "wire/crypto/crypto.h"

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
#define BOTH  SLICE("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
#define PLAIN SLICE("SCRAM-SHA-256\0\0")

struct recorded {
	struct slice offer;
	const char *binding; /* 32 bytes, or "" */
	const char *mechanism;
	const char *first;
	const char *challenge;
	const char *final;
	const char *verdict;
};

/* Role u1, password pencil. */
static const struct recorded recorded[] = {
	{ PLAIN, "", "SCRAM-SHA-256", "n,,n=,r=" NONCE,
		"r=" NONCE "uNOync4Nzb3pgXZ6Lx/TYrHP,"
		"s=XY1iyHS4MzYJKCs+oRGHTw==,i=4096",
		"c=biws,r=" NONCE "uNOync4Nzb3pgXZ6Lx/TYrHP,"
		"p=S4+NpFnXO9TD06zjWZRRIkcsiFyMinD5QbgIBt65Vxw=",
		"v=q6Toi+wPIr8ECDeuaV1bJdi/8FQ63PQT64vJMBKJo2A=" },
	{ BOTH,
		"\x3f\xbb\x0b\x8b\x64\x2e\xb1\x75\x15\xef\x21\x35\x23\x02\x5e"
		"\x7f\x84\x06\x8a\xcd\x7c\x4c\xe4\x8d\x0d\x2a\xb9\x6e\x6a\xe2"
		"\xbf\x5c",
		"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=" NONCE,
		"r=" NONCE "bUH9b6sGfq1H27nTzonakG91,"
		"s=XY1iyHS4MzYJKCs+oRGHTw==,i=4096",
		"c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsP7sLi2QusXUV7yE1IwJef4QGis18"
		"TOSNDSq5bmriv1w=,r=" NONCE "bUH9b6sGfq1H27nTzonakG91,"
		"p=Z66vL64EO6wgXQNhGGh+zMn5r84uRmsOCJPrY/dp/B8=",
		"v=+hBfRJutpUIkJWlHqxzmxfQH50HSPxdr2aXui+/XwPA=" },
};

struct login {
	struct scram_client c;
	struct buf out;
	struct fault f;
	const char *mechanism;
};

static void login_init(struct login *l, const char *binding)
{
	*l = (struct login){ 0 };
	scram_client_init(&l->c, slice_of(binding, *binding ? 32 : 0));
}

static void login_deinit(struct login *l)
{
	scram_client_deinit(&l->c);
	buf_deinit(&l->out);
}

static int begin(struct login *l, struct slice offer)
{
	return scram_client_first(
		&l->c, offer, SLICE(NONCE), &l->mechanism, &l->out, &l->f);
}

static void assert_said(struct login *l, const char *text)
{
	assert_int_equal(l->out.len, strlen(text));
	assert_memory_equal(l->out.data, text, l->out.len);
	buf_consume(&l->out, l->out.len);
}

/* Up to the point where the server must prove itself. */
static void prove(struct login *l, const struct recorded *r)
{
	struct scram_keys keys;

	login_init(l, r->binding);
	assert_int_equal(begin(l, r->offer), 0);
	assert_string_equal(l->mechanism, r->mechanism);
	assert_said(l, r->first);
	assert_int_equal(
		scram_client_challenge(&l->c, slice_str(r->challenge), &l->f),
		0);
	assert_int_equal(
		scram_keys_derive(SLICE("pencil"), &l->c.salt, &keys), 0);
	scram_client_prove(&l->c, &keys, &l->out);
	assert_said(l, r->final);
}

static void logs_in_as_it_did_at_postgres(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct login l;

		prove(&l, &recorded[i]);
		assert_int_equal(scram_client_verify(&l.c,
					 slice_str(recorded[i].verdict), &l.f),
			0);
		assert_int_equal(l.c.state, SCRAM_CLIENT_DONE);
		login_deinit(&l);
	}
}

static void picks_the_best_mechanism_both_know(void **state)
{
	static const char binding[] = "0123456789abcdef0123456789abcdef";
	static const struct {
		struct slice offer;
		const char *binding;
		const char *first; /* NULL: there is none */
	} cases[] = {
		{ PLAIN, "", "n,,n=,r=" NONCE },
		{ BOTH, "", "n,,n=,r=" NONCE },
		/* It could bind; the server's signature will tell whether it
		 * really did not offer to. */
		{ PLAIN, binding, "y,,n=,r=" NONCE },
		{ BOTH, binding, "p=tls-server-end-point,,n=,r=" NONCE },
		{ SLICE("SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"), binding,
			"p=tls-server-end-point,,n=,r=" NONCE },
		{ SLICE("OAUTHBEARER\0SCRAM-SHA-256\0\0"), "",
			"n,,n=,r=" NONCE },
		{ SLICE("SCRAM-SHA-256-PLUS\0\0"), "", NULL },
		{ SLICE("OAUTHBEARER\0\0"), "", NULL },
		{ SLICE("SCRAM-SHA-1\0\0"), "", NULL },
		{ SLICE("SCRAM-SHA-256"), "", NULL }, /* no NUL */
		{ SLICE("\0SCRAM-SHA-256\0\0"), "", NULL },
		{ SLICE(""), "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct login l;
		int r;

		login_init(&l, cases[i].binding);
		r = begin(&l, cases[i].offer);
		assert_int_equal(r, cases[i].first ? 0 : -EPROTO);
		if (r == 0)
			assert_said(&l, cases[i].first);
		login_deinit(&l);
	}
}

#define SALT ",s=XY1iyHS4MzYJKCs+oRGHTw=="
#define SALT_48                                                                \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void bounds_what_a_server_may_ask_for(void **state)
{
	static const struct {
		const char *challenge;
		const char *complaint; /* of text or detail; NULL: fine */
	} cases[] = {
		{ "r=" NONCE "x" SALT ",i=1", NULL },
		{ "r=" NONCE "x" SALT ",i=10000000", NULL },
		{ "r=" NONCE "x" SALT ",i=10000001",
			"Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=4294967297",
			"Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=0", "Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=-1", "Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=", "Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=4096x", "Invalid iteration count." },
		{ "r=" NONCE "x" SALT ",i=4096,x=1",
			"Garbage found at the end of server-first-message." },
		{ "r=" NONCE "x,s=,i=4096", "Invalid salt." },
		{ "r=" NONCE "x,s=XY1,i=4096", "Invalid salt." },
		{ "r=" NONCE "x,s=" SALT_48 "AAAAAAAAAAAAAAAAAAAA,i=4096",
			NULL },
		{ "r=" NONCE "x,s=" SALT_48 SALT_48 ",i=4096",
			"Invalid salt." },
		{ "r=" NONCE SALT ",i=4096",
			"invalid SCRAM response (nonce mismatch)" },
		{ "r=fyko" SALT ",i=4096",
			"invalid SCRAM response (nonce mismatch)" },
		{ "r=Fyko+d2lbbFgONRv9qkxdawLabc" SALT ",i=4096",
			"invalid SCRAM response (nonce mismatch)" },
		{ "r=" NONCE "\x01" SALT ",i=4096",
			"invalid SCRAM response (nonce mismatch)" },
		{ "m=ext,r=" NONCE "x" SALT ",i=4096",
			"Expected attribute \"r\" but found \"'m'\"." },
		{ "r=" NONCE "x,i=4096",
			"Expected attribute \"s\" but found \"'i'\"." },
		{ "r=" NONCE "x" SALT,
			"Expected attribute \"i\" but found \"0x00\"." },
		{ "", "The message is empty." },
		{ "e=other-error",
			"Expected attribute \"r\" but found \"'e'\"." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *complaint = cases[i].complaint;
		struct login l;
		int r;

		login_init(&l, "");
		assert_int_equal(begin(&l, PLAIN), 0);
		r = scram_client_challenge(
			&l.c, slice_str(cases[i].challenge), &l.f);
		assert_int_equal(r, complaint ? -EPROTO : 0);
		if (complaint)
			assert_string_equal(
				*l.f.detail ? l.f.detail : l.f.text, complaint);
		login_deinit(&l);
	}
}

/* CVE-2026-6665: a nonce as long as the server likes. */
static void refuses_huge_nonces(void **state)
{
	static const size_t sizes[] = { SCRAM_MESSAGE_MAX + 1, 1 << 16,
		1 << 20 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CLEANUP(freep) char *message = xcalloc(1, sizes[i]);
		struct login l;

		memset(message, 'a', sizes[i]);
		memcpy(message, "r=" NONCE, 2 + strlen(NONCE));
		memcpy(message + sizes[i] - strlen(SALT ",i=1"), SALT ",i=1",
			strlen(SALT ",i=1"));
		login_init(&l, "");
		assert_int_equal(begin(&l, PLAIN), 0);
		assert_int_equal(scram_client_challenge(&l.c,
					 slice_of(message, sizes[i]), &l.f),
			-EPROTO);
		login_deinit(&l);
	}
}

static void answers_the_longest_nonce(void **state)
{
	char message[SCRAM_MESSAGE_MAX];
	struct scram_keys keys = { 0 };
	struct login l;

	(void)state;
	memset(message, 'a', sizeof(message));
	memcpy(message, "r=" NONCE, 2 + strlen(NONCE));
	memcpy(message + sizeof(message) - strlen(SALT ",i=1"), SALT ",i=1",
		strlen(SALT ",i=1"));
	login_init(&l, "");
	assert_int_equal(begin(&l, PLAIN), 0);
	assert_int_equal(scram_client_challenge(&l.c,
				 slice_of(message, sizeof(message)), &l.f),
		0);
	buf_consume(&l.out, l.out.len);
	scram_client_prove(&l.c, &keys, &l.out);
	assert_memory_equal(l.out.data, "c=biws,r=" NONCE "aaa", 36);
	login_deinit(&l);
}

static void distrusts_servers_that_do_not_know_the_secret(void **state)
{
	static const struct {
		const char *verdict;
		int r;
		const char *complaint;
	} cases[] = {
		{ "v=r6Toi+wPIr8ECDeuaV1bJdi/8FQ63PQT64vJMBKJo2A=",
			SCRAM_E_DENIED, "incorrect server signature" },
		{ "v=q6Toi+wPIr8ECDeuaV1bJdi/8FQ63PQT64vJMBKJo2A=,x=1", -EPROTO,
			"Garbage found at the end of server-final-message." },
		{ "v=", -EPROTO, "Invalid server signature." },
		{ "v=AAAA", -EPROTO, "Invalid server signature." },
		{ "v=AAAAq6Toi+wPIr8ECDeuaV1bJdi/8FQ63PQT64vJMBKJo2A=", -EPROTO,
			"Invalid server signature." },
		{ "e=invalid-proof", SCRAM_E_DENIED,
			"error received from server in SCRAM exchange: "
			"invalid-proof" },
		{ "e=\x1b[31m", SCRAM_E_DENIED,
			"error received from server in SCRAM exchange: " },
		{ "x=1", -EPROTO,
			"Expected attribute \"v\" but found \"'x'\"." },
		{ "", -EPROTO, "The message is empty." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct login l;

		prove(&l, &recorded[0]);
		assert_int_equal(scram_client_verify(&l.c,
					 slice_str(cases[i].verdict), &l.f),
			cases[i].r);
		assert_string_equal(*l.f.detail ? l.f.detail : l.f.text,
			cases[i].complaint);
		assert_int_not_equal(l.c.state, SCRAM_CLIENT_DONE);
		login_deinit(&l);
	}
}

/* The order of messages is the server's choice as well. */
static void refuses_messages_out_of_turn(void **state)
{
	const struct recorded *r = &recorded[0];
	struct slice challenge = slice_str(r->challenge);
	struct slice verdict = slice_str(r->verdict);
	struct login l;

	(void)state;
	login_init(&l, "");
	assert_int_equal(
		scram_client_challenge(&l.c, challenge, &l.f), -EPROTO);
	assert_int_equal(scram_client_verify(&l.c, verdict, &l.f), -EPROTO);
	assert_int_equal(begin(&l, PLAIN), 0);
	assert_int_equal(begin(&l, PLAIN), -EPROTO);
	assert_int_equal(scram_client_verify(&l.c, verdict, &l.f), -EPROTO);
	login_deinit(&l);
	prove(&l, r);
	assert_int_equal(
		scram_client_challenge(&l.c, challenge, &l.f), -EPROTO);
	assert_int_equal(scram_client_verify(&l.c, verdict, &l.f), 0);
	assert_int_equal(scram_client_verify(&l.c, verdict, &l.f), -EPROTO);
	login_deinit(&l);
}

static void survives_cut_messages(void **state)
{
	const struct recorded *r = &recorded[0];
	struct slice challenge = slice_str(r->challenge);
	struct slice verdict = slice_str(r->verdict);
	size_t digits = strlen("096");

	(void)state;
	for (size_t cut = 0; cut < challenge.len; cut++) {
		struct login l;

		login_init(&l, "");
		begin(&l, PLAIN);
		/* i=4 is a number too. */
		assert_int_equal(scram_client_challenge(&l.c,
					 slice_of(challenge.data, cut), &l.f),
			cut < challenge.len - digits ? -EPROTO : 0);
		login_deinit(&l);
	}
	for (size_t cut = 0; cut < verdict.len; cut++) {
		struct login l;

		prove(&l, r);
		assert_int_equal(scram_client_verify(&l.c,
					 slice_of(verdict.data, cut), &l.f),
			-EPROTO);
		login_deinit(&l);
	}
}

/* Both sides of ours agree, and what the server recovers logs in again. */
static void talks_to_our_own_server(void **state)
{
	static const char binding[] = "0123456789abcdef0123456789abcdef"
				      "0123456789abcdef0123456789abcdef";
	struct slice hash = SLICE(binding);
	struct scram_verifier v;
	struct scram_salt salt;
	struct scram_keys keys;

	(void)state;
	scram_salt_make(SLICE("s"), SLICE("u"), &salt);
	assert_int_equal(scram_keys_derive(SLICE("pw"), &salt, &keys), 0);
	scram_verifier_make(&keys, &salt, &v);
	for (int round = 0; round < 2; round++) {
		CLEANUP(buf_deinit) struct buf to_client = { 0 };
		struct scram_server s;
		struct login l = { 0 };

		scram_client_init(&l.c, hash);
		scram_server_init(&s, &v, NULL, hash);
		scram_server_offer(&s, &to_client);
		assert_int_equal(begin(&l, buf_slice(&to_client)), 0);
		buf_consume(&to_client, to_client.len);
		assert_int_equal(
			scram_server_select(&s, slice_str(l.mechanism), &l.f),
			0);
		assert_int_equal(scram_server_first(&s, buf_slice(&l.out),
					 SLICE("server"), &to_client, &l.f),
			0);
		assert_int_equal(scram_client_challenge(
					 &l.c, buf_slice(&to_client), &l.f),
			0);
		assert_true(scram_salt_equal(&l.c.salt, &v.salt));
		buf_consume(&l.out, l.out.len);
		buf_consume(&to_client, to_client.len);
		scram_client_prove(&l.c, &keys, &l.out);
		explicit_bzero(&keys, sizeof(keys));
		assert_int_equal(scram_server_final(&s, buf_slice(&l.out),
					 &to_client, &keys, &l.f),
			0);
		assert_int_equal(
			scram_client_verify(&l.c, buf_slice(&to_client), &l.f),
			0);
		scram_server_deinit(&s);
		login_deinit(&l);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_in_as_it_did_at_postgres),
		cmocka_unit_test(picks_the_best_mechanism_both_know),
		cmocka_unit_test(bounds_what_a_server_may_ask_for),
		cmocka_unit_test(refuses_huge_nonces),
		cmocka_unit_test(answers_the_longest_nonce),
		cmocka_unit_test(distrusts_servers_that_do_not_know_the_secret),
		cmocka_unit_test(refuses_messages_out_of_turn),
		cmocka_unit_test(survives_cut_messages),
		cmocka_unit_test(talks_to_our_own_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
