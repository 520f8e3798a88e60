/*
 * Logging in at the server: connect, TLS, startup, authentication, the
 * greeting up to the first ReadyForQuery. Howdah speaks the protocol itself
 * here, because a login from a verifier and a name lookup that does not
 * block are not to be had from libpq.
 */
#include "pool/pool_priv.h"

#include <stdlib.h>

struct login {
	struct connector connector;
	struct timer deadline;
	struct backend *backend; /* NULL once the login is over */
	struct backend *orphan;	 /* freed with us when its stream never was */
	struct scram_client scram;
	struct buf greeting; /* ParameterStatus messages so far */
	uint8_t n_open;
	bool awaits_ssl; /* the one byte that answers SSLRequest */
};

static const struct backend_ops login_ops;

/* ---- ending ------------------------------------------------------------- */

static void login_part_closed(struct login *l)
{
	if (--l->n_open)
		return;
	if (l->orphan)
		backend_free(l->orphan);
	scram_client_deinit(&l->scram);
	buf_deinit(&l->greeting);
	free(l);
}

static void on_login_connector_closed(struct connector *connector)
{
	login_part_closed(container_of(connector, struct login, connector));
}

static void on_login_deadline_closed(struct timer *timer)
{
	login_part_closed(container_of(timer, struct login, deadline));
}

static void login_end(struct login *l)
{
	struct backend *b = l->backend;

	l->backend = NULL;
	b->login = NULL;
	connector_close(&l->connector, on_login_connector_closed);
	timer_close(&l->deadline, on_login_deadline_closed);
}

void login_abort(struct backend *b)
{
	struct login *l = b->login;

	if (b->stream.ops)
		stream_close(&b->stream);
	else
		l->orphan = b;
	login_end(l);
}

static void login_fail_raw(struct login *l, struct slice raw)
{
	struct fault f;

	fault_set(&f, FAULT_CONNECTION_LOST, NULL);
	pool_open_failed(l->backend, raw, &f);
}

static void login_fail(struct login *l, const char *text)
{
	struct fault f;

	fault_set(&f, FAULT_CONNECTION_LOST,
		"cannot log in at the PostgreSQL server: %s", text);
	pool_open_failed(l->backend, (struct slice){ 0 }, &f);
}

static void send_back(struct login *l, struct buf *message)
{
	stream_write_slice(&l->backend->stream, buf_slice(message));
	explicit_bzero(message->data, message->len);
	buf_deinit(message);
}

/* ---- authentication ------------------------------------------------------ */

static void answer_cleartext(struct login *l)
{
	const struct pool_secret *secret = &l->backend->pool->secret;
	struct buf message = { 0 };
	size_t begun;

	if (!secret->password) {
		login_fail(l,
			"it wants a password in clear, and only a verifier is known here");
		return;
	}
	begun = pg_begin(&message, 'p');
	buf_put_cstr(&message, slice_str(secret->password));
	pg_end(&message, begun);
	send_back(l, &message);
}

static void answer_md5(struct login *l, struct slice salt)
{
	struct pool *pool = l->backend->pool;
	struct pool_secret *secret = &pool->secret;
	struct buf message = { 0 };
	struct md5_secret answer;
	size_t begun;

	if (!secret->has_md5 && secret->password)
		secret->has_md5 =
			md5_secret_make(slice_str(secret->password),
				slice_str(pool->user), &secret->md5) == 0;
	if (!secret->has_md5 || salt.len != MD5_SALT_LEN ||
		md5_secret_answer(&secret->md5, (const uint8_t *)salt.data,
			&answer) < 0) {
		login_fail(
			l, "it wants an md5 password, and none is known here");
		return;
	}
	begun = pg_begin(&message, 'p');
	buf_put_cstr(&message, slice_of(answer.text, MD5_SECRET_LEN));
	pg_end(&message, begun);
	send_back(l, &message);
}

static void answer_sasl(struct login *l, struct slice offer)
{
	CLEANUP(buf_deinit) struct buf first = { 0 };
	struct buf message = { 0 };
	uint8_t hash[TLS_HASH_MAX];
	size_t len = tls_endpoint_hash(&l->backend->stream, hash);
	char nonce[SCRAM_NONCE_LEN];
	const char *mechanism;
	struct fault f;

	scram_nonce_make(nonce);
	scram_client_deinit(&l->scram);
	scram_client_init(&l->scram, slice_of(hash, len));
	if (scram_client_first(&l->scram, offer, slice_of(nonce, sizeof(nonce)),
		    &mechanism, &first, &f)) {
		login_fail(l, f.text);
		return;
	}
	pg_put_sasl_initial(&message, mechanism, buf_slice(&first));
	send_back(l, &message);
}

/* Keys for the server's salt: known already, or made from the password. */
static bool find_keys(struct pool_secret *secret, const struct scram_salt *salt)
{
	if (secret->has_keys && scram_salt_equal(&secret->salt, salt))
		return true;
	if (!secret->password || scram_keys_derive(slice_str(secret->password),
					 salt, &secret->keys) != 0)
		return false;
	secret->salt = *salt;
	secret->has_keys = true;
	return true;
}

static void answer_challenge(struct login *l, struct slice challenge)
{
	struct pool_secret *secret = &l->backend->pool->secret;
	CLEANUP(buf_deinit) struct buf final = { 0 };
	struct buf message = { 0 };
	struct fault f;

	if (scram_client_challenge(&l->scram, challenge, &f)) {
		login_fail(l, f.text);
		return;
	}
	if (!find_keys(secret, &l->scram.salt)) {
		login_fail(l,
			"the verifier known here is not the server's, and the password is not known");
		return;
	}
	scram_client_prove(&l->scram, &secret->keys, &final);
	pg_put_password(&message, buf_slice(&final));
	send_back(l, &message);
}

static void check_final(struct login *l, struct slice final)
{
	struct fault f;

	if (scram_client_verify(&l->scram, final, &f))
		login_fail(l, f.text);
}

static void on_authentication(struct login *l, struct slice body)
{
	struct reader r = reader_of(body);
	uint32_t code = reader_u32(&r);
	struct slice data = reader_bytes(&r, reader_left(&r));

	switch (code) {
	case PG_AUTH_OK:
		break;
	case PG_AUTH_CLEARTEXT:
		answer_cleartext(l);
		break;
	case PG_AUTH_MD5:
		answer_md5(l, data);
		break;
	case PG_AUTH_SASL:
		answer_sasl(l, data);
		break;
	case PG_AUTH_SASL_CONTINUE:
		answer_challenge(l, data);
		break;
	case PG_AUTH_SASL_FINAL:
		check_final(l, data);
		break;
	default:
		login_fail(l,
			"it wants an authentication method that is not supported");
	}
}

/* ---- the greeting -------------------------------------------------------- */

static void on_ready(struct login *l, struct slice body)
{
	struct backend *b = l->backend;
	const struct config *c = b->pools->config;
	uint64_t lifetime = c->server_lifetime;

	if (body.len != 1 || body.data[0] != 'I') {
		login_fail(l, "it greets in the middle of a transaction");
		return;
	}
	buf_deinit(&b->flavour->greeting);
	b->flavour->greeting = l->greeting;
	l->greeting = (struct buf){ 0 };
	if (lifetime) /* spread, so that not all are replaced at once */
		b->close_at = loop_now(b->pools->loop) + lifetime -
			      loop_clock_us() % (lifetime / 5 + 1);
	login_end(l);
	pool_opened(b);
}

static void on_key(struct login *l, struct slice body)
{
	struct reader r = reader_of(body);

	l->backend->pid = reader_u32(&r);
	buf_append_slice(&l->backend->key, reader_bytes(&r, reader_left(&r)));
}

static void on_message(struct login *l, char type, struct slice message)
{
	struct slice body = slice_from(message, PG_HEAD);

	switch (type) {
	case PG_BACK_AUTHENTICATION:
		on_authentication(l, body);
		break;
	case PG_BACK_PARAMETER_STATUS:
		buf_append_slice(&l->greeting, message);
		break;
	case PG_BACK_BACKEND_KEY_DATA:
		on_key(l, body);
		break;
	case PG_BACK_READY_FOR_QUERY:
		on_ready(l, body);
		break;
	case PG_BACK_ERROR_RESPONSE:
		login_fail_raw(l, body);
		break;
	case PG_BACK_NOTICE_RESPONSE:
	case PG_BACK_NEGOTIATE_PROTOCOL:
		break;
	default:
		login_fail(l,
			"it says something that is not PostgreSQL's protocol");
	}
}

static void send_startup(struct login *l)
{
	struct backend *b = l->backend;
	CLEANUP(buf_deinit) struct buf params = { 0 };
	struct buf message = { 0 };

	buf_put_cstr(&params, SLICE("user"));
	buf_put_cstr(&params, slice_str(b->pool->user));
	buf_put_cstr(&params, SLICE("database"));
	buf_put_cstr(&params, slice_str(b->pool->database));
	buf_append_slice(&params, buf_slice(&b->flavour->params));
	pg_put_startup(&message, buf_slice(&params));
	send_back(l, &message);
}

/* The answer to SSLRequest is one byte, and nothing may stand behind it:
 * what does was put there by somebody in between (CVE-2021-23222). */
static size_t on_ssl_answer(struct login *l, struct slice bytes)
{
	struct backend *b = l->backend;
	const struct upstream *up = b->pools->upstream;

	l->awaits_ssl = false;
	if (bytes.len > 1) {
		login_fail(l,
			"it sent unencrypted data after its answer to SSLRequest");
	} else if (bytes.data[0] == 'S') {
		stream_secure_client(
			&b->stream, b->pools->tls, up->hosts[b->host].host);
		send_startup(l);
	} else if (!strcmp(up->sslmode, "prefer") ||
		   !strcmp(up->sslmode, "allow")) {
		send_startup(l);
	} else {
		login_fail(l, "it does not speak TLS, and sslmode asks for it");
	}
	return 1;
}

static size_t on_login_input(
	void *tenant, struct backend *b, struct slice bytes)
{
	struct login *l = tenant;
	size_t used = 0;

	if (l->awaits_ssl)
		return on_ssl_answer(l, bytes);
	while (b->login) {
		struct slice rest = slice_from(bytes, used);
		struct pg_head head;
		size_t whole;

		if (pg_head_parse(rest, &head) == PG_HEAD_MORE)
			break;
		whole = PG_HEAD + (size_t)head.len;
		if (pg_head_parse(rest, &head) == PG_HEAD_BAD ||
			whole > STREAM_READ_MAX) {
			login_fail(
				l, "it does not speak PostgreSQL's protocol");
			break;
		}
		if (rest.len < whole)
			break;
		used += whole;
		on_message(l, head.type, slice_of(rest.data, whole));
	}
	return b->state == BACKEND_CLOSING ? bytes.len : used;
}

static void on_login_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)b;
	(void)error;
	login_fail(tenant, "it closed the connection");
}

static const struct backend_ops login_ops = {
	.input = on_login_input,
	.lost = on_login_lost,
};

/* ---- connecting ---------------------------------------------------------- */

static void on_login_connected(struct connector *connector, int fd, int error)
{
	struct login *l = container_of(connector, struct login, connector);
	struct backend *b = l->backend;
	struct buf message = { 0 };

	(void)error;
	if (fd < 0) {
		login_fail(l, connector->text);
		return;
	}
	stream_open(&b->stream, b->pools->loop, fd, &backend_stream_ops);
	backend_lend(b, &login_ops, l);
	if (!b->pools->tls) {
		send_startup(l);
		return;
	}
	l->awaits_ssl = true;
	pg_put_ssl_request(&message);
	send_back(l, &message);
}

static void on_login_deadline(struct timer *timer)
{
	login_fail(container_of(timer, struct login, deadline),
		"no answer in time (connect_timeout)");
}

static void login_connect(struct login *l)
{
	struct backend *b = l->backend;
	const struct upstream_host *host = &b->pools->upstream->hosts[b->host];

	connector_open(&l->connector, b->pools->loop,
		*host->hostaddr ? host->hostaddr : host->host, host->port,
		b->pools->config->connect_timeout, on_login_connected);
}

void login_start(struct backend *b)
{
	struct login *l = xnew(struct login);

	l->backend = b;
	b->host = b->pool->host;
	l->n_open = 2;
	b->login = l;
	scram_client_init(&l->scram, (struct slice){ 0 });
	timer_init(&l->deadline, b->pools->loop, on_login_deadline);
	timer_start(&l->deadline, b->pools->config->connect_timeout, 0);
	login_connect(l);
}
