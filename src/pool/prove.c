/*
 * Authentication at the server: we prove who we are, and with SCRAM the
 * server proves that it knows the secret, too. Once SCRAM has begun nothing
 * but its end lets the server go on to AuthenticationOk (login_states.def).
 *
 * What the URL asks for (require_auth, channel_binding) is looked at before
 * anything secret leaves; the words of refusals are libpq's.
 */
#include "pool/login.h"

static const struct upstream *upstream_of(const struct login *l)
{
	return l->backend->pools->upstream;
}

static bool must_bind(const struct login *l)
{
	return !strcmp(upstream_of(l)->channel_binding, "require");
}

/* May it be done this way? Ends the login when not. */
static bool is_allowed(
	struct login *l, enum upstream_auth method, const char *what)
{
	const struct upstream *up = upstream_of(l);

	if (!(up->auth & method)) {
		login_fail(l, FAULT_AUTH_SPECIFICATION,
			"require_auth=%s is not met: %s", up->require_auth,
			what);
		return false;
	}
	if (must_bind(l) && method != UPSTREAM_AUTH_SCRAM) {
		login_fail(l, FAULT_AUTH_SPECIFICATION,
			"channel binding is required (channel_binding): %s",
			what);
		return false;
	}
	return true;
}

void login_ok(struct login *l, struct slice data)
{
	if (data.len) {
		login_broken(l, "its AuthenticationOk is too long");
		return;
	}
	if (l->state == LOGIN_STARTED &&
		!is_allowed(l, UPSTREAM_AUTH_NONE,
			"the server did not ask for authentication"))
		return;
	login_enter(l, LOGIN_GREETING);
}

/* ---- passwords -------------------------------------------------------- */

static void send_password(struct login *l, struct slice password)
{
	struct buf message = { 0 };
	size_t begun = pg_begin(&message, 'p');

	buf_put_cstr(&message, password);
	pg_end(&message, begun);
	login_send(l, &message);
	login_enter(l, LOGIN_ANSWERED);
}

void login_cleartext(struct login *l, struct slice data)
{
	const char *password = l->backend->pool->secret->given.password;

	if (data.len)
		login_broken(l, "its request for a password is too long");
	else if (!is_allowed(l, UPSTREAM_AUTH_PASSWORD,
			 "the server requested a cleartext password"))
		return;
	else if (!password)
		login_fail(l, FAULT_AUTH,
			"it wants a password in clear, and none is known here");
	else
		send_password(l, slice_str(password));
}

void login_md5(struct login *l, struct slice data)
{
	const struct secret *secret = l->backend->pool->secret;
	struct md5_secret known, answer;

	if (data.len != MD5_SALT_LEN) {
		login_broken(l, "the salt of its md5 request is no salt");
		return;
	}
	if (!is_allowed(l, UPSTREAM_AUTH_MD5,
		    "the server requested a hashed password"))
		return;
	if (!secret_md5(secret, &known) ||
		md5_secret_answer(&known, (const uint8_t *)data.data, &answer) <
			0)
		login_fail(l, FAULT_AUTH,
			"it wants an md5 password, and none is known here");
	else
		send_password(l, slice_of(answer.text, MD5_SECRET_LEN));
	explicit_bzero(&known, sizeof(known));
}

/* ---- SCRAM ------------------------------------------------------------ */

/* What of the server's certificate the login is bound to; nothing without TLS
 * or when the URL does not want it. */
static size_t find_binding(const struct login *l, uint8_t hash[TLS_HASH_MAX])
{
	if (!strcmp(upstream_of(l)->channel_binding, "disable"))
		return 0;
	return tls_endpoint_hash(&l->backend->stream, hash);
}

static bool offers(struct slice offer, const char *mechanism)
{
	struct reader r = reader_of(offer);
	struct slice name = reader_cstr(&r);

	while (name.len && !slice_is(name, mechanism))
		name = reader_cstr(&r);
	return name.len;
}

static bool is_good_offer(struct login *l, struct slice offer)
{
	bool has_plus = offers(offer, SCRAM_MECHANISM_PLUS);

	if (!is_allowed(l, UPSTREAM_AUTH_SCRAM,
		    "the server requested SCRAM-SHA-256 authentication"))
		return false;
	if (has_plus && !l->backend->stream.tls) {
		login_fail(l, FAULT_AUTH_SPECIFICATION,
			"it offered SCRAM-SHA-256-PLUS without TLS: somebody may stand between");
		return false;
	}
	if (must_bind(l) && !(has_plus && l->scram.binding_len)) {
		login_fail(l, FAULT_AUTH_SPECIFICATION,
			"channel binding is required (channel_binding), but the server did not offer an authentication method that supports it");
		return false;
	}
	return true;
}

void login_sasl(struct login *l, struct slice data)
{
	CLEANUP(buf_deinit) struct buf first = { 0 };
	struct buf message = { 0 };
	uint8_t hash[TLS_HASH_MAX];
	char nonce[SCRAM_NONCE_LEN];
	const char *mechanism;
	struct fault f;

	scram_client_deinit(&l->scram);
	scram_client_init(&l->scram, slice_of(hash, find_binding(l, hash)));
	if (!is_good_offer(l, data))
		return;
	scram_nonce_make(nonce);
	if (scram_client_first(&l->scram, data, slice_of(nonce, sizeof(nonce)),
		    &mechanism, &first, &f)) {
		login_fail(l, f.code, "%s", f.text);
		return;
	}
	pg_put_sasl_initial(&message, mechanism, buf_slice(&first));
	login_send(l, &message);
	login_enter(l, LOGIN_BEGUN);
}

static void send_proof(struct login *l, const struct scram_keys *keys)
{
	CLEANUP(buf_deinit) struct buf final = { 0 };
	struct buf message = { 0 };

	scram_client_prove(&l->scram, keys, &final);
	pg_put_password(&message, buf_slice(&final));
	login_send(l, &message);
	login_enter(l, LOGIN_PROVING);
}

static void on_keys(struct secret_waiter *w);

static void prove(struct login *l)
{
	struct secret *secret = l->backend->pool->secret;
	struct scram_keys keys;

	l->waiter.done = on_keys;
	switch (secret_keys(secret, &l->scram.salt, &l->waiter, &keys)) {
	case 0:
		send_proof(l, &keys);
		explicit_bzero(&keys, sizeof(keys));
		break;
	case SECRET_E_WAIT:
		login_enter(l, LOGIN_DERIVING);
		break;
	case SECRET_E_PASSWORD:
		login_fail(l, FAULT_AUTH,
			"SASLprep changes the password of user \"%s\"; choose another one, or put the verifier into the users file",
			secret->user);
		break;
	default:
		login_fail(l, FAULT_AUTH,
			"the verifier of user \"%s\" known here is not the server's, and the password is not known; bring the users file up to date and reload",
			secret->user);
	}
}

/* They are there, unless the secret was replaced meanwhile. */
static void on_keys(struct secret_waiter *w)
{
	prove(container_of(w, struct login, waiter));
}

void login_continue(struct login *l, struct slice data)
{
	struct fault f;

	if (scram_client_challenge(&l->scram, data, &f))
		login_fail(l, f.code, "%s%s%s", f.text, *f.detail ? ": " : "",
			f.detail);
	else
		prove(l);
}

void login_final(struct login *l, struct slice data)
{
	struct fault f;

	if (scram_client_verify(&l->scram, data, &f))
		login_fail(l, f.code, "%s%s%s", f.text, *f.detail ? ": " : "",
			f.detail);
	else
		login_enter(l, LOGIN_PROVED);
}
