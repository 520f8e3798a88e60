/*
 * The server's side of SCRAM: RFC 7677's example, logins that PostgreSQL 15
 * and its clients went through, and what PostgreSQL says to wrong messages
 * (recorded from 15.20).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "wire/crypto/crypto.h"

/* RFC 7677, section 3 */
#define RFC_SECRET                                                             \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                         \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define RFC_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define RFC_BOTH  "rOprNGfwEbeRWgbNEkqO" RFC_NONCE
#define RFC_PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_FINAL "c=biws,r=" RFC_BOTH ",p=" RFC_PROOF

/* One login, as messages go by; binding "" without TLS. */
struct login {
	struct scram_server s;
	struct buf out;
	struct fault f;
	struct scram_keys keys;
};

static struct slice binding_of(const char *hash)
{
	return slice_of(hash, *hash ? 32 : 0);
}

#define CERT "0123456789abcdef0123456789abcdef"

static void login_init(struct login *l, const char *secret, const char *binding)
{
	struct scram_verifier v;
	struct scram_salt salt;

	*l = (struct login){ 0 };
	if (secret) {
		assert_int_equal(
			scram_verifier_parse(slice_str(secret), &v), 0);
		scram_server_init(&l->s, &v, NULL, binding_of(binding));
	} else {
		scram_salt_make(SLICE("key"), SLICE("nobody"), &salt);
		scram_server_init(&l->s, NULL, &salt, binding_of(binding));
	}
}

static void login_deinit(struct login *l)
{
	scram_server_deinit(&l->s);
	buf_deinit(&l->out);
}

static int say_first(
	struct login *l, const char *mechanism, struct slice message)
{
	int r = scram_server_select(&l->s, slice_str(mechanism), &l->f);

	if (r < 0)
		return r;
	return scram_server_first(
		&l->s, message, SLICE(RFC_NONCE), &l->out, &l->f);
}

static int say_final(struct login *l, struct slice message)
{
	buf_consume(&l->out, l->out.len);
	return scram_server_final(&l->s, message, &l->out, &l->keys, &l->f);
}

static void assert_said(const struct login *l, const char *text)
{
	assert_int_equal(l->out.len, strlen(text));
	assert_memory_equal(l->out.data, text, l->out.len);
}

static void follows_rfc_7677(void **state)
{
	struct scram_verifier v;
	struct login l;

	(void)state;
	login_init(&l, RFC_SECRET, "");
	assert_int_equal(say_first(&l, "SCRAM-SHA-256", SLICE(RFC_FIRST)), 0);
	assert_said(&l, "r=" RFC_BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	assert_int_equal(say_final(&l, SLICE(RFC_FINAL)), 0);
	assert_said(&l, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	/* What it recovered lets Howdah log in elsewhere. */
	scram_verifier_parse(SLICE(RFC_SECRET), &v);
	assert_true(scram_verifier_match(&v, &l.keys));
	login_deinit(&l);
}

static void offers_plus_when_it_can_bind(void **state)
{
	struct login l;

	(void)state;
	login_init(&l, RFC_SECRET, "");
	scram_server_offer(&l.s, &l.out);
	assert_true(slice_equal(buf_slice(&l.out), SLICE("SCRAM-SHA-256\0\0")));
	login_deinit(&l);
	login_init(&l, RFC_SECRET, CERT);
	scram_server_offer(&l.s, &l.out);
	assert_true(slice_equal(buf_slice(&l.out),
		SLICE("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")));
	login_deinit(&l);
}

/* Everybody but the user hears the same words. */
static void denies_strangers_and_wrong_proofs(void **state)
{
	struct login l;

	(void)state;
	login_init(&l, RFC_SECRET, "");
	say_first(&l, "SCRAM-SHA-256", SLICE(RFC_FIRST));
	assert_int_equal(
		say_final(&l, SLICE("c=biws,r=" RFC_BOTH
				    ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmi"
				    "z7AndVQ=")),
		SCRAM_E_DENIED);
	assert_int_equal(l.out.len, 0);
	login_deinit(&l);
	login_init(&l, NULL, "");
	assert_int_equal(say_first(&l, "SCRAM-SHA-256", SLICE(RFC_FIRST)), 0);
	assert_int_equal(say_final(&l, SLICE(RFC_FINAL)), SCRAM_E_DENIED);
	assert_int_equal(l.out.len, 0);
	login_deinit(&l);
}

/* All-zero keys are no back door into the mock. */
static void a_mock_denies_even_its_own_proof(void **state)
{
	uint8_t zeros[SCRAM_KEY_LEN] = { 0 }, signature[SCRAM_KEY_LEN];
	CLEANUP(buf_deinit) struct buf said = { 0 };
	CLEANUP(buf_deinit) struct buf final = { 0 };
	struct login l;

	(void)state;
	login_init(&l, NULL, "");
	say_first(&l, "SCRAM-SHA-256", SLICE(RFC_FIRST));
	buf_append_str(&said, "n=user,r=rOprNGfwEbeRWgbNEkqO,");
	buf_append_slice(&said, buf_slice(&l.out));
	buf_append_str(&said, ",c=biws,r=" RFC_BOTH);
	crypto_hmac_sha256(
		slice_of(zeros, sizeof(zeros)), buf_slice(&said), signature);
	buf_append_str(&final, "c=biws,r=" RFC_BOTH ",p=");
	base64_encode(&final, slice_of(signature, sizeof(signature)));
	assert_int_equal(say_final(&l, buf_slice(&final)), SCRAM_E_DENIED);
	login_deinit(&l);
}

struct complaint {
	const char *mechanism;
	const char *binding;
	const char *message;
	enum fault_code code;
	const char *text;
	const char *detail;
};

#define PLAIN	  "SCRAM-SHA-256"
#define PLUS	  "SCRAM-SHA-256-PLUS"
#define MALFORMED FAULT_PROTOCOL, "malformed SCRAM message"

static const struct complaint first_complaints[] = {
	{ PLAIN, "", "", MALFORMED, "The message is empty." },
	{ PLAIN, "", "x,,n=,r=abc", MALFORMED,
		"Unexpected channel-binding flag \"'x'\"." },
	{ PLAIN, "", "\xe9,,", MALFORMED,
		"Unexpected channel-binding flag \"0xe9\"." },
	{ PLAIN, "", "nx", MALFORMED,
		"Comma expected, but found character \"'x'\"." },
	{ PLAIN, "", "n", MALFORMED,
		"Comma expected, but found character \"0x00\"." },
	{ PLAIN, "", "n,a=bob,n=,r=abc", FAULT_UNSUPPORTED,
		"client uses authorization identity, but it is not supported",
		"" },
	{ PLAIN, "", "n,z=bob,n=,r=abc", MALFORMED,
		"Unexpected attribute \"'z'\" in client-first-message." },
	{ PLAIN, "", "n,", MALFORMED,
		"Unexpected attribute \"0x00\" in client-first-message." },
	{ PLAIN, "", "n,,m=foo,n=,r=abc", FAULT_UNSUPPORTED,
		"client requires an unsupported SCRAM extension", "" },
	{ PLAIN, "", "n,,r=abc", MALFORMED,
		"Expected attribute \"n\" but found \"'r'\"." },
	{ PLAIN, "", "n,,nabc", MALFORMED,
		"Expected character \"=\" for attribute \"n\"." },
	{ PLAIN, "", "n,,n", MALFORMED,
		"Expected character \"=\" for attribute \"n\"." },
	{ PLAIN, "", "n,,n=,x=abc", MALFORMED,
		"Expected attribute \"r\" but found \"'x'\"." },
	{ PLAIN, "", "n,,n=", MALFORMED,
		"Expected attribute \"r\" but found \"0x00\"." },
	{ PLAIN, "",
		"n,,n=,r=a\x01"
		"b",
		FAULT_PROTOCOL, "non-printable characters in SCRAM nonce", "" },
	{ PLAIN, "", "n,,n=,r=abc,1=foo", MALFORMED,
		"Attribute expected, but found invalid character \"'1'\"." },
	{ PLAIN, "", "n,,n=,r=abc,xfoo", MALFORMED,
		"Expected character \"=\" for attribute \"x\"." },
	{ PLAIN, "", "n,,n=,r=abc,,", MALFORMED,
		"Attribute expected, but found invalid character \"','\"." },
	{ PLAIN, "", "p=tls-server-end-point,,n=,r=abc", MALFORMED,
		"The client selected SCRAM-SHA-256 without channel binding, but"
		" the SCRAM message includes channel binding data." },
	{ PLAIN, CERT, "p=tls-server-end-point,,n=,r=abc", MALFORMED,
		"The client selected SCRAM-SHA-256 without channel binding, but"
		" the SCRAM message includes channel binding data." },
	/* The downgrade: the client can bind and did not see -PLUS. */
	{ PLAIN, CERT, "y,,n=,r=abc", FAULT_AUTH_SPECIFICATION,
		"SCRAM channel binding negotiation error",
		"The client supports SCRAM channel binding but thinks the server"
		" does not.  However, this server does support channel binding." },
	{ PLUS, CERT, "n,,n=,r=abc", MALFORMED,
		"The client selected SCRAM-SHA-256-PLUS, but the SCRAM message"
		" does not include channel binding data." },
	{ PLUS, CERT, "y,,n=,r=abc", MALFORMED,
		"The client selected SCRAM-SHA-256-PLUS, but the SCRAM message"
		" does not include channel binding data." },
	{ PLUS, CERT, "p=tls-unique,,n=,r=abc", FAULT_PROTOCOL,
		"unsupported SCRAM channel-binding type \"tls-unique\"", "" },
	{ PLUS, CERT,
		"p=\x01\xe9xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,,n=,r=abc",
		FAULT_PROTOCOL,
		"unsupported SCRAM channel-binding type"
		" \"?"
		"?xxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
		"" },
	{ PLUS, CERT, "p", MALFORMED,
		"Expected character \"=\" for attribute \"p\"." },
	{ PLUS, CERT, "p=tls-server-end-point", MALFORMED,
		"Unexpected attribute \"0x00\" in client-first-message." },
	{ PLUS, "", "n,,n=,r=abc", FAULT_PROTOCOL,
		"client selected an invalid SASL authentication mechanism",
		"" },
	{ "FOO", CERT, "n,,n=,r=abc", FAULT_PROTOCOL,
		"client selected an invalid SASL authentication mechanism",
		"" },
};

static void assert_fault(const struct fault *f, const struct complaint *c)
{
	assert_int_equal(f->code, c->code);
	assert_string_equal(f->text, c->text);
	assert_string_equal(f->detail, c->detail);
}

static void complains_of_first_messages_as_postgres_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(first_complaints); i++) {
		const struct complaint *c = &first_complaints[i];
		struct login l;

		login_init(&l, RFC_SECRET, c->binding);
		assert_int_equal(
			say_first(&l, c->mechanism, slice_str(c->message)),
			-EPROTO);
		assert_fault(&l.f, c);
		assert_int_equal(l.out.len, 0);
		login_deinit(&l);
	}
}

static void accepts_first_messages_as_postgres_does(void **state)
{
	static const struct {
		const char *message;
		const char *nonce;
	} cases[] = {
		{ "y,,n=,r=abc", "abc" },
		{ "n,,n=,r=", "" },
		{ "n,,n=,r=abc,", "abc" },
		{ "n,,n=,r=abc,x=foo,Y=", "abc" },
		{ "n,,n=a=2Cb,r=a=b", "a=b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char expected[128];
		struct login l;

		login_init(&l, RFC_SECRET, "");
		assert_int_equal(
			say_first(&l, PLAIN, slice_str(cases[i].message)), 0);
		snprintf(expected, sizeof(expected),
			"r=%s%s,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			cases[i].nonce, RFC_NONCE);
		assert_said(&l, expected);
		login_deinit(&l);
	}
}

#define GOOD "c=biws,r=" RFC_BOTH

static const struct complaint final_complaints[] = {
	{ PLAIN, "", "", MALFORMED, "The message is empty." },
	{ PLAIN, "", "r=1", MALFORMED,
		"Expected attribute \"c\" but found \"'r'\"." },
	{ PLAIN, "", "c=eSws,r=" RFC_BOTH ",p=" RFC_PROOF, FAULT_PROTOCOL,
		"unexpected SCRAM channel-binding attribute in"
		" client-final-message",
		"" },
	{ PLAIN, "", "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" RFC_PROOF,
		FAULT_PROTOCOL, "invalid SCRAM response",
		"Nonce does not match." },
	{ PLAIN, "", GOOD "x,p=" RFC_PROOF, FAULT_PROTOCOL,
		"invalid SCRAM response", "Nonce does not match." },
	{ PLAIN, "", GOOD ",p=abcd", MALFORMED,
		"Malformed proof in client-final-message." },
	{ PLAIN, "", GOOD ",p=****", MALFORMED,
		"Malformed proof in client-final-message." },
	{ PLAIN, "", GOOD ",p=AAAA" RFC_PROOF, MALFORMED,
		"Malformed proof in client-final-message." },
	{ PLAIN, "", GOOD ",p=" RFC_PROOF ",x=y", MALFORMED,
		"Garbage found at the end of client-final-message." },
	{ PLAIN, "", GOOD, MALFORMED,
		"Attribute expected, but found end of string." },
	{ PLAIN, "", GOOD ",", MALFORMED,
		"Attribute expected, but found end of string." },
	{ PLAIN, "", GOOD ",x=1", MALFORMED,
		"Attribute expected, but found end of string." },
	{ PLAIN, "", GOOD ",=", MALFORMED,
		"Attribute expected, but found invalid character \"'='\"." },
	{ PLUS, CERT, GOOD ",p=" RFC_PROOF, FAULT_AUTH_SPECIFICATION,
		"SCRAM channel binding check failed", "" },
	/* "p=tls-server-end-point,," and another certificate */
	{ PLUS, CERT,
		"c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwseHh4eHh4eHh4eHh4eHh4eHh4eHh4"
		"eHh4eHh4eHh4eHg=,r=" RFC_BOTH ",p=" RFC_PROOF,
		FAULT_AUTH_SPECIFICATION, "SCRAM channel binding check failed",
		"" },
};

static void complains_of_final_messages_as_postgres_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(final_complaints); i++) {
		const struct complaint *c = &final_complaints[i];
		bool is_plus = *c->binding;
		struct login l;

		login_init(&l, RFC_SECRET, c->binding);
		assert_int_equal(
			say_first(&l, c->mechanism,
				is_plus ? SLICE("p=tls-server-end-point,,"
						"n=user,r="
						"rOprNGfwEbeRWgbNEkqO")
					: SLICE(RFC_FIRST)),
			0);
		assert_int_equal(say_final(&l, slice_str(c->message)), -EPROTO);
		assert_fault(&l.f, c);
		assert_int_equal(l.out.len, 0);
		login_deinit(&l);
	}
}

/* CVE-2026-6664: lengths are compared before anything is done with them. */
static void refuses_messages_that_are_too_long(void **state)
{
	char message[SCRAM_MESSAGE_MAX + 1];
	struct login l;

	(void)state;
	memset(message, 'a', sizeof(message));
	memcpy(message, "n,,n=,r=", 8);
	login_init(&l, RFC_SECRET, "");
	assert_int_equal(
		say_first(&l, PLAIN, slice_of(message, sizeof(message))),
		-EPROTO);
	assert_string_equal(l.f.detail, "The message is too long.");
	login_deinit(&l);
	login_init(&l, RFC_SECRET, "");
	assert_int_equal(
		say_first(&l, PLAIN, slice_of(message, sizeof(message) - 1)),
		0);
	assert_int_equal(
		say_final(&l, slice_of(message, sizeof(message))), -EPROTO);
	login_deinit(&l);
}

/* Cut anywhere or with any byte changed, a message never lets anyone in. */
static void survives_cut_and_spoilt_messages(void **state)
{
	static const char spoilers[] = { '\0', ',', '=', 'p', 'r', '\xff',
		'A' };
	struct slice first = SLICE(RFC_FIRST), final = SLICE(RFC_FINAL);

	(void)state;
	for (size_t cut = 0; cut < first.len; cut++) {
		struct login l;

		login_init(&l, RFC_SECRET, "");
		if (say_first(&l, PLAIN, slice_of(first.data, cut)) == 0)
			assert_true(say_final(&l, final) != 0);
		login_deinit(&l);
	}
	for (size_t cut = 0; cut < final.len; cut++) {
		struct login l;

		login_init(&l, RFC_SECRET, "");
		say_first(&l, PLAIN, first);
		assert_int_equal(
			say_final(&l, slice_of(final.data, cut)), -EPROTO);
		login_deinit(&l);
	}
	for (size_t at = 0; at < final.len * sizeof(spoilers); at++) {
		CLEANUP(freep) char *spoilt = slice_dup(final);
		char *byte = &spoilt[at / sizeof(spoilers)];
		char spoiler = spoilers[at % sizeof(spoilers)];
		bool is_same = *byte == spoiler;
		struct login l;

		*byte = spoiler;
		login_init(&l, RFC_SECRET, "");
		say_first(&l, PLAIN, first);
		assert_true((say_final(&l, slice_of(spoilt, final.len)) == 0) ==
			    is_same);
		login_deinit(&l);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_rfc_7677),
		cmocka_unit_test(offers_plus_when_it_can_bind),
		cmocka_unit_test(denies_strangers_and_wrong_proofs),
		cmocka_unit_test(a_mock_denies_even_its_own_proof),
		cmocka_unit_test(complains_of_first_messages_as_postgres_does),
		cmocka_unit_test(accepts_first_messages_as_postgres_does),
		cmocka_unit_test(complains_of_final_messages_as_postgres_does),
		cmocka_unit_test(refuses_messages_that_are_too_long),
		cmocka_unit_test(survives_cut_and_spoilt_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
