/*
 * One login. The order of checks and the words of refusals are PostgreSQL's,
 * which tells a client nothing that depends on whether its user exists: an
 * unknown user goes through the same exchange and fails where a wrong
 * password would. Only the first login of a user with a plain password is
 * different, by the time PBKDF2 takes.
 *
 *     session --begin, feed--> auth --> scram_server
 *                                |
 *                                +-ref--> auth_users --> auth_user
 *                                              ^
 *     thread pool <--run-- auth_work ----ref---+
 *
 * One auth_work makes what all logins of its user wait for; those that are
 * there when it is finished are called, those that have gone are not missed.
 */
#include "auth/auth_priv.h"

#include <errno.h>
#include <stdlib.h>

/* Codes of the Authentication messages (protocol, 55.7). */
enum {
	REPLY_NONE = 0,
	REPLY_MD5 = 5,
	REPLY_SASL = 10,
	REPLY_SASL_CONTINUE = 11,
	REPLY_SASL_FINAL = 12,
};

enum auth_state {
#define STATE(name, feed, what) AUTH_AWAITS_##name,
#include "auth/auth_states.def"
#undef STATE
};

struct auth {
	struct auth_users *users; /* ref */
	struct auth_user *user;	  /* borrowed from users; NULL: unknown */
	char *name;
	enum auth_state state;
	bool has_wrong_cert;
	const char *reason;
	auth_ready_fn *ready;
	void *owner;
	struct list waiting; /* in the work of its user */
	uint8_t salt[MD5_SALT_LEN];
	struct scram_server scram;
};

struct auth_work {
	struct auth_users *users; /* ref */
	struct auth_user *user;	  /* borrowed from users */
	struct list waiting;	  /* logins */
	struct scram_salt salt;
	struct scram_keys keys;
	bool has_keys;
};

typedef int auth_feed_fn(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f);

/* ---- endings ---------------------------------------------------------- */

static int fail(struct auth *a, const char *reason, struct fault *f)
{
	a->state = AUTH_AWAITS_NOTHING;
	a->reason = reason;
	fault_set(f, FAULT_AUTH,
		"password authentication failed for user \"%s\"", a->name);
	return AUTH_FAILED;
}

/* *f is set already: what the client sent is no part of the protocol. */
static int break_off(struct auth *a)
{
	a->state = AUTH_AWAITS_NOTHING;
	a->reason = "malformed message";
	return AUTH_FAILED;
}

static int say_malformed(struct auth *a, const char *text, struct fault *f)
{
	fault_set(f, FAULT_PROTOCOL, "%s", text);
	return break_off(a);
}

/* The method is content; PostgreSQL looks at the certificate last, too. */
static int succeed(struct auth *a, struct fault *f)
{
	if (a->has_wrong_cert)
		return fail(a, "the certificate names somebody else", f);
	a->state = AUTH_AWAITS_NOTHING;
	return 0;
}

/* ---- SCRAM ------------------------------------------------------------ */

static const char *why_not_scram(const struct auth_user *user)
{
	if (!user)
		return "no such user";
	if (user->md5)
		return "the user's secret is md5 and SCRAM was asked for";
	if (user->password)
		return "the user's password needs SASLprep";
	return "the user has no secret";
}

static int offer_scram(struct auth *a, struct auth_reply *reply)
{
	struct scram_verifier *verifier = a->user ? a->user->verifier : NULL;
	struct scram_server begun = a->scram;
	struct scram_salt salt;

	auth_users_salt(a->users, slice_str(a->name), &salt);
	scram_server_init(&a->scram, verifier, &salt,
		slice_of(begun.binding, begun.binding_len));
	a->reason = verifier ? "wrong password" : why_not_scram(a->user);
	a->state = AUTH_AWAITS_MECHANISM;
	reply->code = REPLY_SASL;
	scram_server_offer(&a->scram, &reply->data);
	return AUTH_MORE;
}

static int begin_scram(struct auth *a, const struct auth_login *login,
	struct auth_reply *reply)
{
	const struct auth_user *user = a->user;

	/* Only to keep the binding, until the salt is known. */
	scram_server_init(&a->scram, NULL, &(struct scram_salt){ 0 },
		login->endpoint_hash);
	if (user && user->password && !user->verifier &&
		scram_password_ok(slice_str(user->password))) {
		a->state = AUTH_AWAITS_WORK;
		return AUTH_WORK;
	}
	return offer_scram(a, reply);
}

static int feed_first(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f)
{
	char nonce[SCRAM_NONCE_LEN];

	scram_nonce_make(nonce);
	if (scram_server_first(&a->scram, body, slice_of(nonce, sizeof(nonce)),
		    &reply->data, f) < 0)
		return break_off(a);
	reply->code = REPLY_SASL_CONTINUE;
	a->state = AUTH_AWAITS_FINAL;
	return AUTH_MORE;
}

/* The mechanism's name, and client-first unless its length is -1. */
static int feed_mechanism(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f)
{
	struct reader r = reader_of(body);
	struct slice mechanism = reader_cstr(&r);
	struct slice first = { 0 };
	uint32_t len;

	if (r.is_bad)
		return say_malformed(a, "invalid string in message", f);
	if (scram_server_select(&a->scram, mechanism, f) < 0)
		return break_off(a);
	len = reader_u32(&r);
	if (len != UINT32_MAX)
		first = reader_bytes(&r, len);
	if (r.is_bad)
		return say_malformed(a, "insufficient data left in message", f);
	if (!reader_done(&r))
		return say_malformed(a, "invalid message format", f);
	if (len != UINT32_MAX)
		return feed_first(a, first, reply, f);
	reply->code = REPLY_SASL_CONTINUE;
	a->state = AUTH_AWAITS_FIRST;
	return AUTH_MORE;
}

/* The keys of a verifier that was given are good at a server that has the
 * same one; those of our own making are good nowhere. */
static void remember_keys(struct auth_user *user, const struct scram_keys *keys)
{
	if (!user->password && !user->keys)
		user->keys = xmemdup(keys, sizeof(*keys));
}

static int feed_final(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f)
{
	struct scram_keys keys;
	int r;

	r = scram_server_final(&a->scram, body, &reply->data, &keys, f);
	if (r < 0)
		return break_off(a);
	if (r == SCRAM_E_DENIED)
		return fail(a, a->reason, f);
	remember_keys(a->user, &keys);
	explicit_bzero(&keys, sizeof(keys));
	reply->code = REPLY_SASL_FINAL;
	return succeed(a, f);
}

/* ---- md5 -------------------------------------------------------------- */

static int begin_md5(struct auth *a, struct auth_reply *reply)
{
	crypto_random(a->salt, sizeof(a->salt));
	buf_append(&reply->data, a->salt, sizeof(a->salt));
	reply->code = REPLY_MD5;
	a->state = AUTH_AWAITS_PASSWORD;
	return AUTH_MORE;
}

/* For a user who has nothing of the kind, a secret nobody knows. */
static int find_md5(const struct auth *a, struct md5_secret *ret_secret)
{
	uint8_t random[MD5_SECRET_LEN];

	if (a->user && a->user->md5) {
		*ret_secret = *a->user->md5;
		return 0;
	}
	if (a->user && a->user->password)
		return md5_secret_make(slice_str(a->user->password),
			slice_str(a->name), ret_secret);
	crypto_random(random, sizeof(random));
	return md5_secret_make(slice_of(random, sizeof(random)),
		slice_str(a->name), ret_secret);
}

static int check_md5(struct auth *a, struct slice answer, struct fault *f)
{
	struct md5_secret secret, expected;
	bool is_right;

	if (find_md5(a, &secret) < 0 ||
		md5_secret_answer(&secret, a->salt, &expected) < 0)
		return fail(a, "this OpenSSL refuses MD5", f);
	is_right = answer.len == sizeof(expected.text) &&
		   mem_equal_ct(answer.data, expected.text, answer.len);
	explicit_bzero(&secret, sizeof(secret));
	if (is_right)
		return succeed(a, f);
	return fail(a, a->user ? "wrong password" : "no such user", f);
}

static int feed_password(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f)
{
	struct reader r = reader_of(body);
	struct slice answer = reader_cstr(&r);

	(void)reply;
	if (!reader_done(&r))
		return say_malformed(a, "invalid password packet size", f);
	if (!answer.len) {
		fault_set(f, FAULT_AUTH, "empty password returned by client");
		return break_off(a);
	}
	return check_md5(a, answer, f);
}

/* ---- begin and feed --------------------------------------------------- */

enum auth_method auth_method_of(const char *choice)
{
	if (!strcmp(choice, "md5"))
		return AUTH_MD5;
	if (!strcmp(choice, "trust"))
		return AUTH_TRUST;
	check(!strcmp(choice, "scram"));
	return AUTH_SCRAM;
}

static int begin_trust(struct auth *a, struct fault *f)
{
	a->state = AUTH_AWAITS_NOTHING;
	if (!a->user) {
		fault_set(f, FAULT_AUTH_SPECIFICATION,
			"role \"%s\" does not exist", a->name);
		return AUTH_FAILED;
	}
	if (a->has_wrong_cert) {
		fault_set(f, FAULT_AUTH_SPECIFICATION,
			"\"trust\" authentication failed for user \"%s\"",
			a->name);
		return AUTH_FAILED;
	}
	return 0;
}

static void reply_clear(struct auth_reply *reply)
{
	reply->code = REPLY_NONE;
	reply->data.len = 0;
}

/* A secret that is a verifier leaves only SCRAM, as in PostgreSQL. */
static bool must_use_scram(const struct auth *a)
{
	return a->user && !a->user->password && a->user->verifier;
}

int auth_begin(struct auth_users *users, const struct auth_login *login,
	struct auth **ret_auth, struct auth_reply *reply, struct fault *f)
{
	CLEANUP(auth_destroyp) struct auth *a = xnew(struct auth);
	int r;

	reply_clear(reply);
	a->users = auth_users_ref(users);
	a->user = auth_users_find(users, login->user);
	a->name = slice_dup(login->user);
	a->ready = login->ready;
	a->owner = login->owner;
	a->has_wrong_cert = login->cert_name.data &&
			    !slice_equal(login->cert_name, login->user);
	if (login->method == AUTH_TRUST)
		return begin_trust(a, f);
	if (login->method == AUTH_MD5 && !must_use_scram(a))
		r = begin_md5(a, reply);
	else
		r = begin_scram(a, login, reply);
	*ret_auth = TAKE(a);
	return r;
}

/* No message is expected here: the session has lost its place. */
static int feed_nothing(struct auth *a, struct slice body,
	struct auth_reply *reply, struct fault *f)
{
	(void)body;
	(void)reply;
	return say_malformed(a, "unexpected password message", f);
}

int auth_feed(struct auth *a, struct slice body, struct auth_reply *reply,
	struct fault *f)
{
	static auth_feed_fn *const feeds[] = {
#define STATE(name, feed, what) [AUTH_AWAITS_##name] = feed,
#include "auth/auth_states.def"
#undef STATE
	};
	int r;

	reply_clear(reply);
	if (body.len > SCRAM_MESSAGE_MAX)
		return fail(a, "the message is too long", f);
	r = feeds[a->state](a, body, reply, f);
	if (r == AUTH_FAILED)
		reply_clear(reply);
	return r;
}

const char *auth_awaited(const struct auth *a)
{
	static const char *const whats[] = {
#define STATE(name, feed, what) [AUTH_AWAITS_##name] = what,
#include "auth/auth_states.def"
#undef STATE
	};

	return whats[a->state];
}

const char *auth_reason(const struct auth *a)
{
	return a->reason ? a->reason : "";
}

void auth_destroy(struct auth *a)
{
	if (!a)
		return;
	list_remove(&a->waiting);
	scram_server_deinit(&a->scram);
	auth_users_unref(a->users);
	free(a->name);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

void auth_destroyp(struct auth **a)
{
	auth_destroy(*a);
}

/* ---- work for a thread ------------------------------------------------ */

struct auth_work *auth_take_work(struct auth *a)
{
	struct auth_user *user = a->user;
	struct auth_work *work = NULL;

	check(a->state == AUTH_AWAITS_WORK && !list_linked(&a->waiting));
	if (!user->work) {
		work = xnew(struct auth_work);
		work->users = auth_users_ref(a->users);
		work->user = user;
		list_init(&work->waiting);
		auth_users_salt(a->users, slice_str(a->name), &work->salt);
		user->work = work;
	}
	list_push_back(&user->work->waiting, &a->waiting);
	return work;
}

/* Passwords never change in a table, so the thread may read this one. */
void auth_work_run(struct auth_work *work)
{
	int r = scram_keys_derive(
		slice_str(work->user->password), &work->salt, &work->keys);

	check(r == 0);
	work->has_keys = true;
}

void auth_work_finish(struct auth_work *work)
{
	struct scram_verifier *verifier = xnew(struct scram_verifier);
	struct list *node;

	check(work->has_keys);
	scram_verifier_make(&work->keys, &work->salt, verifier);
	work->user->verifier = verifier;
	work->user->work = NULL;
	while ((node = list_pop(&work->waiting))) {
		struct auth *a = list_entry(node, struct auth, waiting);

		a->ready(a->owner);
	}
	auth_users_unref(work->users);
	explicit_bzero(work, sizeof(*work));
	free(work);
}

int auth_resume(struct auth *a, struct auth_reply *reply)
{
	check(auth_is_waiting(a) && a->user->verifier);
	reply_clear(reply);
	return offer_scram(a, reply);
}

bool auth_is_waiting(const struct auth *a)
{
	return a->state == AUTH_AWAITS_WORK;
}
