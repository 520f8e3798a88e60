/*
 * TLS on streams: the handshake however the bytes come, who is let in and who
 * is not, resumption, names, and how connections end.
 */
#include "tests/unit/tls_help.h"

/* One end of a connection, and what happened to it. */
struct end {
	struct stream s;
	struct loop *loop;
	struct buf got;
	int n_secured;
	int n_eof;
	int n_failed;
	int n_broken;
	int n_drained;
	int n_closed;
	int error;
	char why[200];
	struct tls_context *secures; /* inside the first input() */
	bool is_direct;		     /* the first input is TLS already */
	bool is_client;
	bool echoes;
	bool closes_when_secured;
	bool pauses_when_secured;
	bool pauses; /* inside input() */
};

static size_t on_input(struct stream *s, struct slice bytes)
{
	struct end *e = container_of(s, struct end, s);

	assert_int_equal(e->n_eof + e->n_failed + e->n_closed, 0);
	if (e->secures && e->is_direct) {
		stream_secure_server(s, TAKE(e->secures), true);
		return 0;
	}
	buf_append_slice(&e->got, bytes);
	if (e->secures && e->is_client) {
		assert_true(slice_is(bytes, "S"));
		stream_secure_client(s, TAKE(e->secures), "localhost");
	} else if (e->secures) {
		assert_true(slice_is(bytes, "SSLRequest"));
		stream_write(s, "S", 1);
		stream_secure_server(s, TAKE(e->secures), false);
	} else if (e->echoes) {
		stream_write_slice(s, bytes);
	}
	if (e->pauses)
		stream_pause(s);
	return bytes.len;
}

static void on_eof(struct stream *s)
{
	container_of(s, struct end, s)->n_eof++;
}

static void on_failed(struct stream *s, int error)
{
	struct end *e = container_of(s, struct end, s);

	e->n_failed++;
	e->error = error;
	snprintf(e->why, sizeof(e->why), "%s", stream_error_text(s, error));
}

static void on_broken(struct stream *s, int error)
{
	struct end *e = container_of(s, struct end, s);

	assert_true(error < 0);
	e->n_broken++;
}

static void on_drained(struct stream *s)
{
	container_of(s, struct end, s)->n_drained++;
}

static void on_secured(struct stream *s)
{
	struct end *e = container_of(s, struct end, s);

	e->n_secured++;
	if (e->closes_when_secured)
		stream_close(s);
	if (e->pauses_when_secured)
		stream_pause(s);
}

static void on_closed(struct stream *s)
{
	container_of(s, struct end, s)->n_closed++;
}

static const struct stream_ops ops = {
	.input = on_input,
	.eof = on_eof,
	.failed = on_failed,
	.broken = on_broken,
	.drained = on_drained,
	.secured = on_secured,
	.closed = on_closed,
};

/* The folder of a test, its loop, and the certificates most tests need. */
struct scene {
	char folder[40];
	char cert[64], key[64], ca[64];
	char client_cert[64], client_key[64], other_ca[64];
	struct loop *loop;
	struct identity root, other_root;
	struct fault fault;
	uint8_t tickets[80];
};

static void path_of(const struct scene *sc, char path[64], const char *name)
{
	snprintf(path, 64, "%s/%s", sc->folder, name);
}

static void write_identity(const char *cert, const char *key, const char *cn,
	const char *names, const struct identity *issuer)
{
	struct identity id = make_identity(cn, names, issuer);

	write_cert(cert, id.cert);
	write_key(key, id.key, 0600, NULL);
	identity_deinit(&id);
}

static int scene_create(void **state)
{
	struct scene *sc = xnew(struct scene);

	snprintf(sc->folder, sizeof(sc->folder), "/tmp/howdah-test-XXXXXX");
	assert_non_null(mkdtemp(sc->folder));
	path_of(sc, sc->cert, "server.crt");
	path_of(sc, sc->key, "server.key");
	path_of(sc, sc->ca, "root.crt");
	path_of(sc, sc->other_ca, "other.crt");
	path_of(sc, sc->client_cert, "client.crt");
	path_of(sc, sc->client_key, "client.key");
	sc->root = make_identity("root of trust", NULL, NULL);
	sc->other_root = make_identity("stranger", NULL, NULL);
	write_cert(sc->ca, sc->root.cert);
	write_cert(sc->other_ca, sc->other_root.cert);
	write_identity(sc->cert, sc->key, "localhost",
		"DNS:localhost,DNS:*.db.test,IP:127.0.0.1", &sc->root);
	write_identity(
		sc->client_cert, sc->client_key, "alice", NULL, &sc->root);
	memset(sc->tickets, 7, sizeof(sc->tickets));
	sc->loop = loop_create();
	*state = sc;
	return 0;
}

static int scene_destroy(void **state)
{
	struct scene *sc = *state;

	loop_destroy(sc->loop);
	identity_deinit(&sc->root);
	identity_deinit(&sc->other_root);
	remove_folder(sc->folder);
	free(sc);
	return 0;
}

static struct tls_context *server_context(struct scene *sc)
{
	struct tls_context *ctx = tls_context_server(
		sc->cert, sc->key, NULL, sc->tickets, &sc->fault);

	if (!ctx)
		fail_msg("%s", sc->fault.text);
	return ctx;
}

static struct tls_context *new_client(const char *mode, const char *root,
	const char *cert, const char *key, struct fault *f)
{
	struct tls_client client = {
		.sslmode = mode,
		.root = root,
		.cert = cert,
		.key = key,
	};

	return tls_context_client(&client, f);
}

static struct tls_context *client_context(
	struct scene *sc, const char *mode, const char *root)
{
	struct tls_context *ctx =
		new_client(mode, root, NULL, NULL, &sc->fault);

	if (!ctx)
		fail_msg("%s", sc->fault.text);
	return ctx;
}

static struct end *end_create(struct scene *sc, int fd)
{
	struct end *e = xnew(struct end);

	e->loop = sc->loop;
	stream_open(&e->s, sc->loop, fd, &ops);
	return e;
}

static void end_destroy(struct end *e)
{
	stream_close(&e->s);
	turn_until(e->loop, e->n_closed);
	assert_int_equal(e->n_closed, 1);
	buf_deinit(&e->got);
	free(e);
}

/* Two ends of a socketpair. The contexts are given away. */
struct pair {
	struct end *server;
	struct end *client;
};

static struct pair pair_create(struct scene *sc)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	return (struct pair){
		.server = end_create(sc, fds[0]),
		.client = end_create(sc, fds[1]),
	};
}

static void pair_secure(struct pair *p, struct tls_context *server,
	struct tls_context *client, const char *host)
{
	stream_secure_server(&p->server->s, server, false);
	stream_secure_client(&p->client->s, client, host);
	tls_context_unref(server);
	tls_context_unref(client);
}

static bool is_settled(const struct end *e)
{
	return e->n_secured || e->n_failed;
}

static struct pair pair_connect(struct scene *sc)
{
	struct pair p = pair_create(sc);

	pair_secure(&p, server_context(sc), client_context(sc, "require", ""),
		"localhost");
	turn_until(sc->loop, p.server->n_secured && p.client->n_secured);
	return p;
}

static void pair_destroy(struct pair *p)
{
	end_destroy(p->client);
	end_destroy(p->server);
}

static void fill(struct end *e, size_t len)
{
	CLEANUP(freep) char *data = xcalloc(1, len);

	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 >> 3);
	stream_write(&e->s, data, len);
}

/* A peer that is plain OpenSSL, for what our own client would not do. */
struct raw {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static struct raw raw_create(int fd)
{
	struct raw r = { .ctx = SSL_CTX_new(TLS_method()), .fd = fd };

	SSL_CTX_set_mode(r.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_security_level(r.ctx, 0);
	r.ssl = SSL_new(r.ctx);
	SSL_set_fd(r.ssl, fd);
	SSL_set_connect_state(r.ssl);
	return r;
}

static void raw_destroy(struct raw *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
	close(r->fd);
}

/* True once OpenSSL says other than "try again"; *ret is its result. */
static bool raw_step(struct raw *r, int (*step)(SSL *), int *ret)
{
	int error;

	ERR_clear_error();
	*ret = step(r->ssl);
	error = SSL_get_error(r->ssl, *ret);
	return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

static bool raw_handshake(struct scene *sc, struct raw *r)
{
	int result;

	turn_until(sc->loop, raw_step(r, SSL_do_handshake, &result));
	return result == 1;
}

static int read_byte(SSL *ssl)
{
	char byte;

	return SSL_read(ssl, &byte, 1);
}

/* A server end and a raw client. */
static struct end *raw_pair(struct scene *sc, struct tls_context *ctx,
	bool must_alpn, struct raw *ret_raw)
{
	int fds[2];
	struct end *e;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	e = end_create(sc, fds[0]);
	stream_secure_server(&e->s, ctx, must_alpn);
	tls_context_unref(ctx);
	*ret_raw = raw_create(fds[1]);
	return e;
}

/* ---- the handshake and the data --------------------------------------- */

static void test_there_and_back(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);

	p.server->echoes = true;
	stream_write(&p.client->s, "hello", 5);
	turn_until(sc->loop, p.client->got.len == 5);
	assert_true(slice_is(buf_slice(&p.client->got), "hello"));
	assert_int_equal(p.client->n_secured, 1);
	assert_int_equal(p.server->n_secured, 1);
	assert_string_equal(tls_version(&p.server->s), "TLSv1.3");
	assert_string_equal(tls_cipher(&p.server->s), tls_cipher(&p.client->s));
	assert_true(strlen(tls_cipher(&p.server->s)) > 0);
	assert_int_equal(stream_out_len(&p.client->s), 0);
	pair_destroy(&p);
}

static void test_plain_has_no_version(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);
	uint8_t hash[TLS_HASH_MAX];
	char name[64] = "?";

	assert_string_equal(tls_version(&p.server->s), "");
	assert_string_equal(tls_cipher(&p.server->s), "");
	assert_int_equal(tls_endpoint_hash(&p.server->s, hash), 0);
	tls_peer_name(&p.server->s, name, sizeof(name));
	assert_string_equal(name, "");
	assert_string_equal(stream_error_text(&p.server->s, -ECONNRESET),
		strerror(ECONNRESET));
	pair_destroy(&p);
}

static void test_written_before_the_handshake(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);

	pair_secure(&p, server_context(sc), client_context(sc, "require", ""),
		"localhost");
	fill(p.client, 300000);
	assert_int_equal(stream_out_len(&p.client->s), 300000);
	fill(p.server, 200000);
	turn_until(sc->loop, p.server->got.len == 300000);
	turn_until(sc->loop, p.client->got.len == 200000);
	pair_destroy(&p);
}

static void test_much_both_ways(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);
	CLEANUP(buf_deinit) struct buf sent = { 0 };

	p.server->echoes = true;
	for (int i = 0; i < 2000000; i++)
		buf_put_u32(&sent, (uint32_t)i * 2654435761u);
	stream_write_slice(&p.client->s, buf_slice(&sent));
	turn_until(sc->loop, p.client->got.len == sent.len);
	assert_true(slice_equal(buf_slice(&p.client->got), buf_slice(&sent)));
	assert_int_equal(p.client->n_drained, 1);
	pair_destroy(&p);
}

/* Moves at most len bytes, so that records come in pieces of that length. */
static void carry(int from, int to, size_t len)
{
	char bytes[20000];
	ssize_t n = recv(from, bytes, MIN(len, sizeof(bytes)), MSG_DONTWAIT);

	if (n > 0)
		assert_int_equal(send(to, bytes, (size_t)n, MSG_NOSIGNAL), n);
}

static void test_cut_at_any_length(void **state)
{
	static const size_t lengths[] = { 1, 2, 3, 4, 5, 6, 7, 13, 64, 100, 517,
		1000, 5000, 16384, 20000 };
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct pair p = { 0 };
		size_t len = MIN(lengths[i] * 2000, 100000u);
		int left[2], right[2];

		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, left);
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, right);
		p.server = end_create(sc, left[0]);
		p.client = end_create(sc, right[0]);
		pair_secure(&p, server_context(sc),
			client_context(sc, "verify-full", sc->ca), "localhost");
		p.server->echoes = true;
		fill(p.client, len);
		for (int k = 0; p.client->got.len < len; k++) {
			carry(left[1], right[1], lengths[i]);
			carry(right[1], left[1], lengths[i]);
			uv_run(&sc->loop->uv, UV_RUN_NOWAIT);
			assert_true(k < 1000000);
		}
		assert_int_equal(p.client->n_failed, 0);
		assert_true(slice_equal(
			buf_slice(&p.client->got), buf_slice(&p.server->got)));
		pair_destroy(&p);
		close(left[1]);
		close(right[1]);
	}
}

/* As PostgreSQL's clients ask: in plain text first. */
static void test_after_ssl_request(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);
	struct tls_context *server = server_context(sc);
	struct tls_context *client = client_context(sc, "require", "");

	p.server->secures = server;
	p.client->secures = client;
	p.client->is_client = true;
	stream_write(&p.client->s, "SSLRequest", 10);
	turn_until(sc->loop, p.server->n_secured && p.client->n_secured);
	stream_write(&p.client->s, "startup", 7);
	turn_until(sc->loop, p.server->got.len == 17);
	assert_true(slice_is(buf_slice(&p.server->got), "SSLRequeststartup"));
	assert_true(slice_is(buf_slice(&p.client->got), "S"));
	tls_context_unref(server);
	tls_context_unref(client);
	pair_destroy(&p);
}

/* What was written in plain text leaves in plain text, even when the socket
 * is slow to take it and the handshake is already under way. */
static void test_plain_output_leaves_first(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);
	struct tls_context *server = server_context(sc);
	size_t len = 2 * 1024 * 1024;

	fill(p.server, len);
	stream_secure_server(&p.server->s, server, false);
	turn_until(sc->loop, p.client->got.len == len);
	stream_secure_client(
		&p.client->s, client_context(sc, "require", ""), "localhost");
	tls_context_unref(p.client->s.tls->context);
	turn_until(sc->loop, p.server->n_secured && p.client->n_secured);
	tls_context_unref(server);
	pair_destroy(&p);
}

static void test_direct(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);
	struct tls_context *server = server_context(sc);
	struct tls_context *client = client_context(sc, "require", "");

	p.server->secures = server;
	p.server->is_direct = true;
	stream_secure_client(&p.client->s, client, "localhost");
	stream_write(&p.client->s, "startup", 7);
	turn_until(sc->loop, p.server->got.len == 7);
	assert_int_equal(p.client->n_secured, 1);
	assert_true(slice_is(buf_slice(&p.server->got), "startup"));
	tls_context_unref(server);
	tls_context_unref(client);
	pair_destroy(&p);
}

static void test_limit_is_kept(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);

	p.server->pauses = true;
	stream_set_limit(&p.server->s, 1000);
	fill(p.client, 4 * 1024 * 1024);
	turn_some(sc->loop);
	assert_in_range(p.server->got.len, 1, 1000 + 2 * TLS_RECORD_MAX);
	assert_true(stream_out_len(&p.client->s) > STREAM_OUT_HIGH);
	p.server->pauses = false;
	stream_resume(&p.server->s);
	turn_until(sc->loop, p.server->got.len == 4 * 1024 * 1024);
	pair_destroy(&p);
}

static void test_close_when_secured(void **state)
{
	struct scene *sc = *state;

	for (int i = 0; i < 2; i++) {
		struct pair p = pair_create(sc);
		struct end *closer = i ? p.client : p.server;
		struct end *other = i ? p.server : p.client;

		closer->closes_when_secured = true;
		pair_secure(&p, server_context(sc),
			client_context(sc, "require", ""), "localhost");
		stream_write(&p.client->s, "too late", 8);
		turn_until(sc->loop, closer->n_closed);
		turn_until(sc->loop, other->n_eof || other->n_failed);
		assert_int_equal(p.server->got.len, 0);
		pair_destroy(&p);
	}
}

/* The client's first message comes with the end of the handshake. */
static void test_pause_when_secured(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);

	p.server->pauses_when_secured = true;
	pair_secure(&p, server_context(sc), client_context(sc, "require", ""),
		"localhost");
	stream_write(&p.client->s, "startup", 7);
	turn_until(sc->loop, p.server->n_secured);
	turn_some(sc->loop);
	assert_true(slice_is(buf_slice(&p.server->got), "startup"));
	stream_write(&p.client->s, " more", 5);
	turn_some(sc->loop);
	assert_int_equal(p.server->got.len, 7);
	stream_resume(&p.server->s);
	turn_until(sc->loop, p.server->got.len == 12);
	pair_destroy(&p);
}

static void test_handshake_while_paused(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);

	stream_pause(&p.server->s);
	stream_pause(&p.client->s);
	pair_secure(&p, server_context(sc), client_context(sc, "require", ""),
		"localhost");
	turn_until(sc->loop, p.server->n_secured && p.client->n_secured);
	pair_destroy(&p);
}

/* ---- how it ends ------------------------------------------------------ */

static void test_goodbye_is_eof(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);

	stream_write(&p.client->s, "bye", 3);
	stream_finish(&p.client->s);
	turn_until(sc->loop, p.server->n_eof);
	assert_true(slice_is(buf_slice(&p.server->got), "bye"));
	assert_int_equal(p.server->n_failed, 0);
	pair_destroy(&p);
}

static void test_finish_sends_the_rest(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);

	stream_pause(&p.client->s);
	fill(p.server, 3000000);
	stream_finish(&p.server->s);
	turn_some(sc->loop);
	assert_int_equal(p.server->n_closed, 0);
	stream_resume(&p.client->s);
	turn_until(sc->loop, p.client->n_eof);
	assert_int_equal(p.client->got.len, 3000000);
	turn_until(sc->loop, p.server->n_closed);
	pair_destroy(&p);
}

/* Data and goodbye come together, and the owner pauses at the data. */
static void test_eof_waits_for_a_paused_owner(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_connect(sc);

	p.server->pauses = true;
	stream_write(&p.client->s, "bye", 3);
	stream_finish(&p.client->s);
	turn_until(sc->loop, p.client->n_closed);
	turn_until(sc->loop, p.server->got.len == 3);
	turn_some(sc->loop);
	assert_int_equal(p.server->n_eof, 0);
	stream_resume(&p.server->s);
	turn_until(sc->loop, p.server->n_eof);
	pair_destroy(&p);
}

/* Half-closed: the one that said goodbye still gets its answers. */
static void test_answers_after_goodbye(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);
	char answer[16];
	int n = 0;

	assert_true(raw_handshake(sc, &r));
	assert_int_equal(SSL_write(r.ssl, "question", 8), 8);
	assert_int_equal(SSL_shutdown(r.ssl), 0);
	turn_until(sc->loop, e->n_eof);
	assert_int_equal(e->got.len, 8);
	stream_write(&e->s, "answer", 6);
	stream_finish(&e->s);
	turn_until(sc->loop, (n = SSL_read(r.ssl, answer, 16)) > 0);
	assert_int_equal(n, 6);
	raw_destroy(&r);
	end_destroy(e);
}

static void test_cut_off_after_the_handshake_is_eof(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);

	assert_true(raw_handshake(sc, &r));
	shutdown(r.fd, SHUT_WR);
	turn_until(sc->loop, e->n_eof);
	assert_int_equal(e->n_failed, 0);
	raw_destroy(&r);
	end_destroy(e);
}

static void test_reset_with_output_waiting(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);

	assert_true(raw_handshake(sc, &r));
	turn_until(sc->loop, e->n_secured);
	stream_pause(&e->s);
	fill(e, 8 * 1024 * 1024);
	turn_some(sc->loop);
	assert_true(stream_out_len(&e->s) > STREAM_OUT_HIGH);
	raw_destroy(&r);
	turn_until(sc->loop, e->n_broken);
	assert_int_equal(stream_out_len(&e->s), 0);
	assert_int_equal(e->n_drained, 1);
	assert_int_equal(e->n_failed, 0);
	stream_resume(&e->s);
	turn_until(sc->loop, e->n_failed);
	assert_int_equal(e->n_eof, 0);
	end_destroy(e);
}

/* A connection that has not said anything yet must not cost a handshake. */
static void test_silent_client_is_cheap(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);

	turn_some(sc->loop);
	assert_true(SSL_in_before(e->s.tls->ssl));
	raw_destroy(&r);
	turn_until(sc->loop, e->n_failed);
	end_destroy(e);
}

static void test_cut_off_in_the_handshake_fails(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);

	stream_secure_client(
		&p.client->s, client_context(sc, "require", ""), "localhost");
	tls_context_unref(p.client->s.tls->context);
	stream_close(&p.server->s);
	turn_until(sc->loop, p.client->n_failed);
	assert_int_equal(p.client->n_eof, 0);
	pair_destroy(&p);
}

static void test_finish_in_the_handshake_is_bounded(void **state)
{
	struct scene *sc = *state;
	struct pair p = pair_create(sc);

	sc->loop->finish_ms = 30;
	stream_secure_client(
		&p.client->s, client_context(sc, "require", ""), "localhost");
	tls_context_unref(p.client->s.tls->context);
	stream_write(&p.client->s, "never", 5);
	stream_finish(&p.client->s);
	turn_until(sc->loop, p.client->n_closed);
	pair_destroy(&p);
}

static void test_nonsense_fails_with_a_reason(void **state)
{
	static const struct slice nonsense[] = {
		SLICE("GET / HTTP/1.1\r\n\r\n"),
		SLICE("\x16\x03\x01\x00\x05nonsense and more of it"),
		SLICE("\x17\x03\x03\x00\x02xx"),
		SLICE("\x80\x2e\x01\x03\x01 an old hello, perhaps"),
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct tls_context *ctx = server_context(sc);
		int fds[2];
		struct end *e;

		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
		e = end_create(sc, fds[0]);
		stream_secure_server(&e->s, ctx, false);
		assert_int_equal(
			write(fds[1], nonsense[i].data, nonsense[i].len),
			nonsense[i].len);
		shutdown(fds[1], SHUT_WR);
		turn_until(sc->loop, e->n_failed);
		assert_int_equal(e->error, -EPROTO);
		assert_true(strlen(e->why) > 5);
		tls_context_unref(ctx);
		end_destroy(e);
		close(fds[1]);
	}
}

/* Garbage in the middle: what came before it counts. */
static void test_garbage_after_data(void **state)
{
	struct scene *sc = *state;
	struct slice garbage = SLICE("\x17\x03\x03\x00\x14"
				     "garbage garbage garb");
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);

	assert_true(raw_handshake(sc, &r));
	turn_until(sc->loop, e->n_secured);
	assert_int_equal(SSL_write(r.ssl, "good", 4), 4);
	assert_int_equal(write(r.fd, garbage.data, garbage.len), garbage.len);
	turn_until(sc->loop, e->n_failed);
	assert_true(slice_is(buf_slice(&e->got), "good"));
	assert_int_equal(e->error, -EPROTO);
	raw_destroy(&r);
	end_destroy(e);
}

/* ---- what is refused -------------------------------------------------- */

static void test_old_versions_are_refused(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);

	SSL_set_max_proto_version(r.ssl, TLS1_1_VERSION);
	assert_false(raw_handshake(sc, &r));
	turn_until(sc->loop, e->n_failed);
	assert_string_equal(e->why, "unsupported protocol");
	raw_destroy(&r);
	end_destroy(e);
}

static void test_tls12_and_no_renegotiation(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);
	int result;

	e->echoes = true;
	SSL_set_max_proto_version(r.ssl, TLS1_2_VERSION);
	assert_true(raw_handshake(sc, &r));
	assert_string_equal(tls_version(&e->s), "TLSv1.2");
	assert_int_equal(SSL_renegotiate(r.ssl), 1);
	turn_until(sc->loop, raw_step(&r, SSL_do_handshake, &result));
	assert_true(result <= 0);
	assert_int_equal(
		ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	assert_int_equal(e->n_secured, 1);
	raw_destroy(&r);
	end_destroy(e);
}

/* Each key update must be answered; a peer that sends them and never reads
 * is not read from for ever. */
static void test_provoked_answers_are_bounded(void **state)
{
	struct scene *sc = *state;
	struct raw r;
	struct end *e = raw_pair(sc, server_context(sc), false, &r);
	char bytes[4096];
	size_t most = 0;

	assert_true(raw_handshake(sc, &r));
	turn_until(sc->loop, e->n_secured);
	for (int i = 0; e->s.events & UV_READABLE; i++) {
		assert_true(i < 1000000);
		SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_do_handshake(r.ssl) != 1)
			turn(sc->loop);
		most = MAX(most, stream_out_len(&e->s));
	}
	assert_in_range(most, TLS_OUT_STOP, TLS_OUT_STOP + STREAM_READ_MAX);
	/* Once it reads, so do we. */
	turn_until(sc->loop, (recv(r.fd, bytes, sizeof(bytes), 0),
				     e->s.events == UV_READABLE));
	raw_destroy(&r);
	end_destroy(e);
}

static const unsigned char other_protocols[] = "\010http/1.1\002h2";
static const unsigned char mixed_protocols[] = "\002h2\012postgresql";

static void test_alpn(void **state)
{
	static const struct {
		const unsigned char *list;
		unsigned len;
		bool must;
		bool is_let_in;
	} rows[] = {
		{ NULL, 0, false, true },
		{ NULL, 0, true, false },
		{ other_protocols, 12, false, false },
		{ other_protocols, 12, true, false },
		{ mixed_protocols, 14, false, true },
		{ mixed_protocols, 14, true, true },
		{ mixed_protocols + 3, 11, true, true },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct raw r;
		struct end *e =
			raw_pair(sc, server_context(sc), rows[i].must, &r);
		const unsigned char *chosen;
		unsigned len;

		if (rows[i].list)
			SSL_set_alpn_protos(r.ssl, rows[i].list, rows[i].len);
		assert_int_equal(raw_handshake(sc, &r), rows[i].is_let_in);
		SSL_get0_alpn_selected(r.ssl, &chosen, &len);
		assert_int_equal(
			len, rows[i].is_let_in && rows[i].list ? 10 : 0);
		if (!rows[i].is_let_in) {
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
				SSL_AD_REASON_OFFSET +
					SSL_AD_NO_APPLICATION_PROTOCOL);
			turn_until(sc->loop, e->n_failed);
			assert_non_null(strstr(e->why, "ALPN"));
		}
		raw_destroy(&r);
		end_destroy(e);
	}
}

/* ---- resumption ------------------------------------------------------- */

/* Connects, and leaves the session that can be resumed in *session; says
 * whether this connection was a resumed one. */
static bool connect_again(struct scene *sc, struct tls_context *ctx,
	int version, SSL_SESSION **session)
{
	struct raw r;
	struct end *e = raw_pair(sc, ctx, false, &r);
	int result;
	bool was_reused;

	SSL_set_max_proto_version(r.ssl, version);
	if (*session)
		SSL_set_session(r.ssl, *session);
	SSL_SESSION_free(*session);
	assert_true(raw_handshake(sc, &r));
	turn_until(sc->loop, e->n_secured);
	/* With TLS 1.3 the ticket comes after the handshake. */
	stream_write(&e->s, "x", 1);
	turn_until(sc->loop, raw_step(&r, read_byte, &result));
	assert_int_equal(result, 1);
	was_reused = SSL_session_reused(r.ssl);
	*session = SSL_get1_session(r.ssl);
	SSL_shutdown(r.ssl);
	raw_destroy(&r);
	end_destroy(e);
	return was_reused;
}

static struct tls_context *verifying_context(
	struct scene *sc, const char *ca, const void *tickets)
{
	struct tls_context *ctx =
		tls_context_server(sc->cert, sc->key, ca, tickets, &sc->fault);

	assert_non_null(ctx);
	return ctx;
}

static void test_resumption(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct scene *sc = *state;
	uint8_t other_tickets[80] = { 1 };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		SSL_SESSION *session = NULL;

		assert_false(connect_again(
			sc, server_context(sc), versions[i], &session));
		/* Another worker: a context of its own, the same files. */
		assert_true(connect_again(
			sc, server_context(sc), versions[i], &session));
		assert_true(connect_again(
			sc, server_context(sc), versions[i], &session));
		/* Other authorities: what was verified must be again. */
		assert_false(connect_again(sc,
			verifying_context(sc, sc->ca, sc->tickets), versions[i],
			&session));
		assert_true(connect_again(sc,
			verifying_context(sc, sc->ca, sc->tickets), versions[i],
			&session));
		assert_false(connect_again(sc,
			verifying_context(sc, sc->other_ca, sc->tickets),
			versions[i], &session));
		/* Another gateway, or the same one started again. */
		assert_false(connect_again(sc,
			verifying_context(sc, sc->other_ca, other_tickets),
			versions[i], &session));
		/* No tickets at all. */
		assert_false(
			connect_again(sc, verifying_context(sc, NULL, NULL),
				versions[i], &session));
		assert_false(
			connect_again(sc, verifying_context(sc, NULL, NULL),
				versions[i], &session));
		SSL_SESSION_free(session);
	}
}

/* Channel binding is over the server's certificate, so a session made under
 * the old one must not live on under the new. */
static void test_new_certificate_ends_sessions(void **state)
{
	struct scene *sc = *state;
	SSL_SESSION *session = NULL;

	connect_again(sc, server_context(sc), TLS1_3_VERSION, &session);
	write_identity(sc->cert, sc->key, "localhost", NULL, &sc->root);
	assert_false(connect_again(
		sc, server_context(sc), TLS1_3_VERSION, &session));
	SSL_SESSION_free(session);
}

/* ---- whom a client trusts --------------------------------------------- */

static void test_sslmodes(void **state)
{
	static const struct {
		const char *mode;
		enum {
			NONE,
			RIGHT,
			WRONG
		} root;
		const char *host;
		const char *why; /* NULL: let in */
	} rows[] = {
		{ "disable", NONE, "elsewhere", NULL },
		{ "allow", NONE, "elsewhere", NULL },
		{ "prefer", NONE, "elsewhere", NULL },
		{ "require", NONE, "elsewhere", NULL },
		{ "require", NONE, "", NULL },
		/* libpq verifies against a root that is there */
		{ "prefer", RIGHT, "elsewhere", NULL },
		{ "prefer", WRONG, "elsewhere", "certificate verify failed" },
		{ "require", RIGHT, "elsewhere", NULL },
		{ "require", WRONG, "elsewhere", "certificate verify failed" },
		{ "verify-ca", RIGHT, "elsewhere", NULL },
		{ "verify-ca", WRONG, "localhost",
			"certificate verify failed" },
		{ "verify-full", RIGHT, "localhost", NULL },
		{ "verify-full", RIGHT, "LOCALHOST", NULL },
		{ "verify-full", RIGHT, "127.0.0.1", NULL },
		{ "verify-full", RIGHT, "one.db.test", NULL },
		{ "verify-full", RIGHT, "db.test", "hostname mismatch" },
		{ "verify-full", RIGHT, "a.b.db.test", "hostname mismatch" },
		{ "verify-full", RIGHT, "elsewhere", "hostname mismatch" },
		{ "verify-full", RIGHT, "127.0.0.2", "IP address mismatch" },
		{ "verify-full", RIGHT, "::1", "IP address mismatch" },
		{ "verify-full", WRONG, "localhost",
			"certificate verify failed" },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const roots[] = { "", sc->ca, sc->other_ca };
		struct pair p = pair_create(sc);

		pair_secure(&p, server_context(sc),
			client_context(sc, rows[i].mode, roots[rows[i].root]),
			rows[i].host);
		turn_until(
			sc->loop, is_settled(p.client) && is_settled(p.server));
		assert_int_equal(p.client->n_failed, rows[i].why != NULL);
		if (rows[i].why) {
			assert_non_null(strstr(p.client->why, rows[i].why));
			/* The alert came across, it did not just hang up. */
			assert_non_null(strstr(p.server->why, "alert"));
		}
		pair_destroy(&p);
	}
}

static void test_system_roots(void **state)
{
	struct scene *sc = *state;
	const struct {
		const char *system;
		const char *root;
		bool is_trusted;
	} rows[] = {
		{ sc->ca, "", true },
		{ sc->ca, "system", true },
		{ sc->other_ca, "", false },
		{ sc->other_ca, "system", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pair p = pair_create(sc);

		setenv("SSL_CERT_FILE", rows[i].system, 1);
		pair_secure(&p, server_context(sc),
			client_context(sc, "verify-full", rows[i].root),
			"localhost");
		turn_until(sc->loop, is_settled(p.client));
		assert_int_equal(p.client->n_secured, rows[i].is_trusted);
		pair_destroy(&p);
	}
	unsetenv("SSL_CERT_FILE");
}

/* As libpq: an address may stand in the common name, where the certificate
 * names no address elsewhere. */
static void test_address_as_common_name(void **state)
{
	static const struct {
		const char *cn;
		const char *names;
		const char *host;
		bool is_trusted;
	} rows[] = {
		{ "127.0.0.1", NULL, "127.0.0.1", true },
		{ "127.0.0.1", NULL, "127.0.0.2", false },
		{ "127.0.0.1", "DNS:localhost", "127.0.0.1", true },
		{ "127.0.0.1", "IP:127.0.0.2", "127.0.0.1", false },
		{ "::1", NULL, "0:0::1", true },
		{ "::1", NULL, "::2", false },
		{ "*", NULL, "127.0.0.1", false },
		{ "localhost", NULL, "localhost", true },
		{ "localhost", "DNS:elsewhere", "localhost", false },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pair p = pair_create(sc);

		write_identity(sc->cert, sc->key, rows[i].cn, rows[i].names,
			&sc->root);
		pair_secure(&p, server_context(sc),
			client_context(sc, "verify-full", sc->ca),
			rows[i].host);
		turn_until(sc->loop, is_settled(p.client));
		assert_int_equal(p.client->n_secured, rows[i].is_trusted);
		pair_destroy(&p);
	}
}

static int keep_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(arg, 64, "%s", name ? name : "none");
	return SSL_TLSEXT_ERR_NOACK;
}

static int keep_protocols(SSL *ssl, const unsigned char **name,
	unsigned char *name_len, const unsigned char *list, unsigned len,
	void *arg)
{
	(void)ssl;
	(void)name;
	(void)name_len;
	snprintf(arg, 64, "%.*s", (int)len, (const char *)list);
	return SSL_TLSEXT_ERR_NOACK;
}

/* What a client says of itself before it knows anybody. */
static void test_client_hello(void **state)
{
	static const char *const rows[][2] = {
		{ "db.example.test", "db.example.test" },
		{ "127.0.0.1", "none" },
		{ "::1", "none" },
		{ "", "none" },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pair p = pair_create(sc);
		struct tls_context *ctx = server_context(sc);
		char name[64] = "", protocols[64] = "";

		SSL_CTX_set_tlsext_servername_callback(ctx->ssl, keep_name);
		SSL_CTX_set_tlsext_servername_arg(ctx->ssl, name);
		SSL_CTX_set_alpn_select_cb(ctx->ssl, keep_protocols, protocols);
		pair_secure(
			&p, ctx, client_context(sc, "require", ""), rows[i][0]);
		turn_until(sc->loop, p.client->n_secured);
		assert_string_equal(name, rows[i][1]);
		assert_string_equal(protocols, "\012postgresql");
		pair_destroy(&p);
	}
}

static struct tls_context *client_that(
	struct scene *sc, const struct tls_client *client)
{
	struct tls_context *ctx = tls_context_client(client, &sc->fault);

	if (!ctx)
		fail_msg("%s", sc->fault.text);
	return ctx;
}

static void test_name_not_told(void **state)
{
	struct scene *sc = *state;
	struct tls_client client = { .sslmode = "require", .hides_name = true };
	struct tls_context *ctx = server_context(sc);
	struct pair p = pair_create(sc);
	char name[64] = "";

	SSL_CTX_set_tlsext_servername_callback(ctx->ssl, keep_name);
	SSL_CTX_set_tlsext_servername_arg(ctx->ssl, name);
	pair_secure(&p, ctx, client_that(sc, &client), "db.example.test");
	turn_until(sc->loop, p.client->n_secured);
	assert_string_equal(name, "none");
	pair_destroy(&p);
}

static void test_versions_asked_for(void **state)
{
	static const char *const rows[][3] = {
		{ NULL, NULL, "TLSv1.3" },
		{ "", "TLSv1.2", "TLSv1.2" },
		{ "TLSv1", "", "TLSv1.3" },
		{ "TLSv1.3", "TLSv1.3", "TLSv1.3" },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tls_client client = {
			.sslmode = "require",
			.min_version = rows[i][0],
			.max_version = rows[i][1],
		};
		struct pair p = pair_create(sc);

		/* Written before the handshake, in whichever version: it
		 * leaves behind it, though nobody writes any more. */
		pair_secure(&p, server_context(sc), client_that(sc, &client),
			"localhost");
		stream_write(&p.client->s, "early", 5);
		turn_until(sc->loop, p.server->got.len == 5);
		assert_string_equal(tls_version(&p.client->s), rows[i][2]);
		pair_destroy(&p);
	}
}

static void test_version_the_server_lacks(void **state)
{
	struct scene *sc = *state;
	struct tls_client client = {
		.sslmode = "require",
		.min_version = "TLSv1.3",
	};
	struct tls_context *ctx = server_context(sc);
	struct pair p = pair_create(sc);

	SSL_CTX_set_max_proto_version(ctx->ssl, TLS1_2_VERSION);
	pair_secure(&p, ctx, client_that(sc, &client), "localhost");
	turn_until(sc->loop, is_settled(p.client));
	assert_int_equal(p.client->n_secured, 0);
	pair_destroy(&p);
}

/* Direct TLS: whoever does not choose our protocol is not PostgreSQL, and is
 * told nothing. */
static void test_direct_client(void **state)
{
	struct scene *sc = *state;
	struct tls_client client = { .sslmode = "require", .is_direct = true };

	for (int is_ours = 0; is_ours < 2; is_ours++) {
		struct tls_context *ctx = server_context(sc);
		struct pair p = pair_create(sc);

		if (!is_ours)
			SSL_CTX_set_alpn_select_cb(ctx->ssl, NULL, NULL);
		pair_secure(&p, ctx, client_that(sc, &client), "localhost");
		stream_write(&p.client->s, "secret", 6);
		turn_until(sc->loop, is_settled(p.client));
		turn_some(sc->loop);
		assert_int_equal(p.client->n_secured, is_ours);
		assert_int_equal(p.server->got.len, is_ours ? 6 : 0);
		if (!is_ours)
			assert_non_null(strstr(p.client->why, "ALPN"));
		pair_destroy(&p);
	}
}

/* ---- revoked certificates --------------------------------------------- */

static X509 *read_cert(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	assert_non_null(cert);
	fclose(f);
	return cert;
}

/* What the client makes of the server: "" when it is trusted. */
static void meet(
	struct scene *sc, const struct tls_client *client, const char *expected)
{
	struct pair p = pair_create(sc);

	pair_secure(
		&p, server_context(sc), client_that(sc, client), "localhost");
	turn_until(sc->loop, is_settled(p.client));
	assert_int_equal(p.client->n_secured, !*expected);
	if (!strstr(p.client->why, expected))
		fail_msg("\"%s\", not \"%s\"", p.client->why, expected);
	pair_destroy(&p);
}

static void test_revoked(void **state)
{
	struct scene *sc = *state;
	char crl[64], hashed[64], name[32];
	X509 *cert = read_cert(sc->cert);
	struct tls_client client = {
		.sslmode = "verify-full",
		.root = sc->ca,
		.crl = crl,
	};

	path_of(sc, crl, "root.crl");
	write_crl(crl, &sc->root, cert);
	meet(sc, &client, "certificate revoked");
	client.sslmode = "require"; /* with a root, that is verify-ca */
	meet(sc, &client, "certificate revoked");
	write_crl(crl, &sc->root, NULL);
	meet(sc, &client, "");
	write_crl(crl, &sc->other_root, NULL);
	meet(sc, &client, "unable to get certificate CRL");
	/* A folder, where lists are found by the hash of their issuer. */
	client.crl = "";
	client.crl_folder = sc->folder;
	meet(sc, &client, "unable to get certificate CRL");
	snprintf(name, sizeof(name), "%08lx.r0",
		X509_NAME_hash_ex(X509_get_subject_name(sc->root.cert), NULL,
			NULL, NULL));
	path_of(sc, hashed, name);
	write_crl(hashed, &sc->root, NULL);
	meet(sc, &client, "");
	write_crl(hashed, &sc->root, cert);
	meet(sc, &client, "certificate revoked");
	X509_free(cert);
}

/* ---- certificates of clients ------------------------------------------ */

static void test_client_certificates(void **state)
{
	struct scene *sc = *state;
	char name[64];

	for (int i = 0; i < 3; i++) {
		/* a good one, none, one of a stranger */
		static const char *const expected[] = { "alice", "", NULL };
		struct pair p = pair_create(sc);
		struct tls_context *client;

		if (i == 2)
			write_identity(sc->client_cert, sc->client_key, "eve",
				NULL, &sc->other_root);
		client =
			new_client("require", "", i == 1 ? "" : sc->client_cert,
				i == 1 ? "" : sc->client_key, &sc->fault);
		pair_secure(&p, verifying_context(sc, sc->ca, sc->tickets),
			client, "localhost");
		turn_until(sc->loop, is_settled(p.server));
		if (expected[i]) {
			tls_peer_name(&p.server->s, name, sizeof(name));
			assert_string_equal(name, expected[i]);
			assert_int_equal(p.server->n_secured, 1);
		} else {
			assert_non_null(strstr(
				p.server->why, "certificate verify failed"));
			turn_until(sc->loop, p.client->n_failed);
			assert_non_null(strstr(p.client->why, "alert"));
		}
		/* We did not verify the server, so its name is nobody's. */
		tls_peer_name(&p.client->s, name, sizeof(name));
		assert_string_equal(name, "");
		pair_destroy(&p);
	}
}

#define SIXTY_THREE                                                            \
	"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
/* 40 characters, 80 bytes */
#define TEN_LETTERS                                                            \
	"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
#define LONG_LETTERS TEN_LETTERS TEN_LETTERS TEN_LETTERS TEN_LETTERS

static void test_peer_names(void **state)
{
	static const struct {
		const char *cn;
		size_t size;
		const char *name;
	} rows[] = {
		{ "bob", 64, "bob" },
		{ "bob", 4, "bob" },
		{ "bob", 3, "" },
		/* Cut off, it would be somebody else's. */
		{ SIXTY_THREE "x", 64, "" },
		{ SIXTY_THREE, 64, SIXTY_THREE },
		{ LONG_LETTERS, 64, "" },
		{ "J\xc3\xbcrgen", 64, "J\xc3\xbcrgen" },
	};
	struct scene *sc = *state;
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pair p = pair_create(sc);

		write_identity(sc->client_cert, sc->client_key, rows[i].cn,
			NULL, &sc->root);
		pair_secure(&p, verifying_context(sc, sc->ca, NULL),
			new_client("verify-ca", sc->ca, sc->client_cert,
				sc->client_key, &sc->fault),
			"localhost");
		turn_until(sc->loop, p.server->n_secured);
		tls_peer_name(&p.server->s, name, rows[i].size);
		assert_string_equal(name, rows[i].name);
		tls_peer_name(&p.client->s, name, sizeof(name));
		assert_string_equal(name, "localhost");
		pair_destroy(&p);
	}
}

/* ---- channel binding -------------------------------------------------- */

static void test_endpoint_hash(void **state)
{
	static const struct {
		EVP_PKEY *(*make)(void);
		const char *signed_with; /* NULL: the key's own way */
		const char *bound_with;	 /* NULL: no channel binding */
		bool is_pss;
	} rows[] = {
		{ make_ec_key, "SHA256", "SHA256", false },
		{ make_ec_key, "SHA384", "SHA384", false },
		{ make_ec_key, "SHA512", "SHA512", false },
		{ make_ec_key, "SHA1", "SHA256", false },
		{ make_rsa_key, "SHA256", "SHA256", false },
		{ make_rsa_key, "MD5", "SHA256", false },
		{ make_rsa_key, "SHA256", "SHA256", true },
		{ make_rsa_key, "SHA512", "SHA512", true },
		{ make_ed25519_key, NULL, NULL, false },
	};
	struct scene *sc = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const EVP_MD *with =
			rows[i].signed_with
				? EVP_get_digestbyname(rows[i].signed_with)
				: NULL;
		EVP_PKEY *key = rows[i].make();
		X509 *cert = make_cert(
			key, "localhost", NULL, NULL, with, rows[i].is_pss);
		uint8_t ours[TLS_HASH_MAX], theirs[TLS_HASH_MAX];
		uint8_t expected[EVP_MAX_MD_SIZE];
		unsigned char *der = NULL;
		int der_len = i2d_X509(cert, &der);
		unsigned len = 0;
		struct pair p;

		write_cert(sc->cert, cert);
		write_key(sc->key, key, 0600, NULL);
		p = pair_connect(sc);
		if (rows[i].bound_with)
			EVP_Digest(der, (size_t)der_len, expected, &len,
				EVP_get_digestbyname(rows[i].bound_with), NULL);
		assert_int_equal(tls_endpoint_hash(&p.server->s, ours), len);
		assert_int_equal(tls_endpoint_hash(&p.client->s, theirs), len);
		assert_memory_equal(ours, expected, len);
		assert_memory_equal(theirs, expected, len);
		pair_destroy(&p);
		OPENSSL_free(der);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

/* ---- files ------------------------------------------------------------ */

static void expect_fault(struct scene *sc, struct tls_context *ctx,
	const char *one, const char *two)
{
	assert_null(ctx);
	if (!strstr(sc->fault.text, one) || !strstr(sc->fault.text, two))
		fail_msg("\"%s\" says neither \"%s\" nor \"%s\"",
			sc->fault.text, one, two);
	assert_int_equal(ERR_peek_error(), 0);
}

static void expect_server_fault(
	struct scene *sc, const char *one, const char *two)
{
	expect_fault(sc,
		tls_context_server(sc->cert, sc->key, sc->ca, NULL, &sc->fault),
		one, two);
}

static void test_unusable_certificates(void **state)
{
	struct scene *sc = *state;

	write_text(sc->cert, "not a certificate\n");
	expect_server_fault(sc, sc->cert, "no start line");
	write_text(sc->cert, "-----BEGIN CERTIFICATE-----\nAAAA\n"
			     "-----END CERTIFICATE-----\n");
	expect_server_fault(sc, sc->cert, "TLS certificate file");
	unlink(sc->cert);
	expect_server_fault(sc, sc->cert, "No such file");
}

static void test_unusable_keys(void **state)
{
	struct scene *sc = *state;
	EVP_PKEY *other = make_ec_key();
	EVP_PKEY *other_kind = make_rsa_key();

	write_key(sc->key, other, 0600, NULL);
	expect_server_fault(sc, "does not belong", sc->cert);
	write_key(sc->key, other_kind, 0600, NULL);
	expect_server_fault(sc, "does not belong", sc->cert);
	write_key(sc->key, other, 0600, "secret");
	expect_server_fault(sc, "passphrase", sc->key);
	write_key(sc->key, other, 0644, NULL);
	expect_server_fault(sc, "group or world access", sc->key);
	write_text(sc->key, "not a key\n");
	expect_server_fault(sc, "TLS private key file", sc->key);
	unlink(sc->key);
	expect_server_fault(sc, "No such file", sc->key);
	snprintf(sc->key, sizeof(sc->key), "%s", sc->folder);
	expect_server_fault(sc, "not a regular file", sc->key);
	EVP_PKEY_free(other);
	EVP_PKEY_free(other_kind);
}

/* 0640 is fine for root's files alone. */
static void test_key_of_a_group(void **state)
{
	struct scene *sc = *state;
	struct tls_context *ctx;

	assert_int_equal(chmod(sc->key, 0640), 0);
	if (geteuid() != 0) {
		expect_server_fault(sc, "group or world access", sc->key);
		return;
	}
	ctx = server_context(sc);
	tls_context_unref(ctx);
	assert_int_equal(chown(sc->key, 1, (gid_t)-1), 0);
	expect_server_fault(sc, "group or world access", sc->key);
	assert_int_equal(chmod(sc->key, 0600), 0);
	tls_context_unref(server_context(sc));
}

static void test_unusable_authorities(void **state)
{
	struct scene *sc = *state;

	write_text(sc->ca, "nobody\n");
	expect_server_fault(sc, "TLS authority file", sc->ca);
	unlink(sc->ca);
	expect_server_fault(sc, "No such file", sc->ca);
	expect_fault(sc, new_client("require", sc->ca, NULL, NULL, &sc->fault),
		"No such file", sc->ca);
}

static void test_senseless_client_settings(void **state)
{
	struct scene *sc = *state;
	struct fault *f = &sc->fault;

	struct tls_client revoking = {
		.sslmode = "verify-full",
		.root = sc->ca,
		.crl = "/dev/null/none",
	};

	expect_fault(sc, tls_context_client(&revoking, f),
		"TLS revocation list file", "/dev/null/none");
	revoking.crl = sc->ca; /* no list in it */
	expect_fault(sc, tls_context_client(&revoking, f),
		"TLS revocation list file", sc->ca);
	expect_fault(sc, new_client("sometimes", "", "", "", f), "sslmode",
		"sometimes");
	expect_fault(sc, new_client("verify-ca", "", "", "", f), "too weak",
		"verify-ca");
	expect_fault(sc, new_client("require", "system", "", "", f), "too weak",
		"require");
	expect_fault(sc, new_client("require", "", sc->client_cert, "", f),
		"sslkey", "missing");
	expect_fault(sc, new_client("require", "", "", sc->client_key, f),
		"sslcert", "missing");
	expect_fault(sc, new_client("require", "", sc->client_cert, sc->key, f),
		"does not belong", sc->client_cert);
}

static void test_contexts_are_counted(void **state)
{
	struct scene *sc = *state;
	struct tls_context *ctx = server_context(sc);
	struct pair p = pair_create(sc);

	assert_ptr_equal(tls_context_ref(ctx), ctx);
	tls_context_unref(ctx);
	/* A reload: the stream keeps the context it was made with. */
	pair_secure(&p, ctx, client_context(sc, "require", ""), "localhost");
	turn_until(sc->loop, p.server->n_secured && p.client->n_secured);
	pair_destroy(&p);
	tls_context_unref(NULL);
}

#define tls_test(f)                                                            \
	cmocka_unit_test_setup_teardown(f, scene_create, scene_destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tls_test(test_there_and_back),
		tls_test(test_plain_has_no_version),
		tls_test(test_written_before_the_handshake),
		tls_test(test_much_both_ways),
		tls_test(test_cut_at_any_length),
		tls_test(test_after_ssl_request),
		tls_test(test_plain_output_leaves_first),
		tls_test(test_direct),
		tls_test(test_limit_is_kept),
		tls_test(test_close_when_secured),
		tls_test(test_pause_when_secured),
		tls_test(test_handshake_while_paused),
		tls_test(test_goodbye_is_eof),
		tls_test(test_finish_sends_the_rest),
		tls_test(test_eof_waits_for_a_paused_owner),
		tls_test(test_answers_after_goodbye),
		tls_test(test_cut_off_after_the_handshake_is_eof),
		tls_test(test_reset_with_output_waiting),
		tls_test(test_silent_client_is_cheap),
		tls_test(test_cut_off_in_the_handshake_fails),
		tls_test(test_finish_in_the_handshake_is_bounded),
		tls_test(test_nonsense_fails_with_a_reason),
		tls_test(test_garbage_after_data),
		tls_test(test_old_versions_are_refused),
		tls_test(test_tls12_and_no_renegotiation),
		tls_test(test_provoked_answers_are_bounded),
		tls_test(test_alpn),
		tls_test(test_resumption),
		tls_test(test_new_certificate_ends_sessions),
		tls_test(test_sslmodes),
		tls_test(test_system_roots),
		tls_test(test_address_as_common_name),
		tls_test(test_client_hello),
		tls_test(test_name_not_told),
		tls_test(test_versions_asked_for),
		tls_test(test_version_the_server_lacks),
		tls_test(test_direct_client),
		tls_test(test_revoked),
		tls_test(test_client_certificates),
		tls_test(test_peer_names),
		tls_test(test_endpoint_hash),
		tls_test(test_unusable_certificates),
		tls_test(test_unusable_keys),
		tls_test(test_key_of_a_group),
		tls_test(test_unusable_authorities),
		tls_test(test_senseless_client_settings),
		tls_test(test_contexts_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
