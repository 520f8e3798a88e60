/*
 * TLS as a filter between a socket and the owner of its stream:
 *
 *     socket ──► loop->scratch ──► SSL_read ──► loop->plain ──► input()
 *     stream_write() ──► tls->plain ──► SSL_write ──► stream->out ──► socket
 *
 * OpenSSL never sees the descriptor. What it reads is a slice that came with
 * one recv() and is always used up; what it writes always fits. So no call of
 * it has to be repeated, a turn is one recv and one send however many records
 * it holds, and no signal can come of a lost peer.
 */
#include "loop/loop_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* ---- OpenSSL's end of the pipe ---------------------------------------- */

static int on_bio_read(BIO *bio, char *data, int size)
{
	struct tls *tls = BIO_get_data(bio);
	int n = (int)MIN((size_t)size, tls->wire.len);

	BIO_clear_retry_flags(bio);
	if (!n) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(data, tls->wire.data, (size_t)n);
	tls->wire = slice_from(tls->wire, (size_t)n);
	return n;
}

static int on_bio_write(BIO *bio, const char *data, int len)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	stream_write_wire(tls->stream, slice_of(data, (size_t)len));
	return len;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* BIO_get_new_index() would run out after some hundred reloads; this number
 * is the one before the first that it gives out. */
BIO_METHOD *tls_bio_create(void)
{
	BIO_METHOD *bio = BIO_meth_new(
		BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "howdah stream");

	check(bio);
	BIO_meth_set_read(bio, on_bio_read);
	BIO_meth_set_write(bio, on_bio_write);
	BIO_meth_set_ctrl(bio, on_bio_ctrl);
	return bio;
}

/* ---- life ------------------------------------------------------------- */

static struct tls *tls_create(struct stream *s, struct tls_context *ctx)
{
	struct tls *tls = xnew(struct tls);
	BIO *bio = BIO_new(ctx->bio);

	ERR_clear_error();
	tls->stream = s;
	tls->context = tls_context_ref(ctx);
	tls->ssl = SSL_new(ctx->ssl);
	check(tls->ssl && bio);
	BIO_set_init(bio, 1);
	BIO_set_data(bio, tls);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	return tls;
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	queue_drop(&tls->plain, tls->stream->loop, tls->plain.len);
	SSL_free(tls->ssl);
	tls_context_unref(tls->context);
	free(tls->error);
	free(tls);
}

void stream_secure_server(
	struct stream *s, struct tls_context *ctx, bool must_alpn)
{
	struct tls *tls = tls_create(s, ctx);

	tls->must_alpn = must_alpn;
	SSL_set_accept_state(tls->ssl);
	stream_attach_tls(s, tls);
}

void stream_secure_client(
	struct stream *s, struct tls_context *ctx, const char *host)
{
	struct tls *tls = tls_create(s, ctx);

	tls->must_alpn = ctx->must_alpn;
	tls_expect_peer(tls, host);
	SSL_set_connect_state(tls->ssl);
	stream_attach_tls(s, tls);
}

/* ---- work ------------------------------------------------------------- */

void tls_fail(struct tls *tls, const char *why)
{
	tls->is_over = true;
	if (!tls->error)
		tls->error = xstrdup(why);
}

/* Notes what a call that returned r <= 0 means: more must come, the peer said
 * goodbye, or it failed. */
static void note_result(struct tls *tls, int r)
{
	int error = SSL_get_error(tls->ssl, r);
	long verified = SSL_get_verify_result(tls->ssl);
	char why[160];

	if (error == SSL_ERROR_WANT_READ)
		return;
	tls->is_over = true;
	if (error == SSL_ERROR_ZERO_RETURN)
		return;
	if (tls_is_error(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED))
		snprintf(why, sizeof(why), "certificate verify failed: %s",
			X509_verify_cert_error_string(verified));
	else
		tls_reason(why, sizeof(why));
	ERR_clear_error();
	tls_fail(tls, why);
}

/* A server that takes direct TLS must know the client's protocol. */
static bool has_alpn(const struct tls *tls)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return len;
}

static void carry_on_handshake(struct tls *tls)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(tls->ssl);
	if (r != 1)
		note_result(tls, r);
	else if (tls->must_alpn && !has_alpn(tls))
		tls_fail(tls, "direct TLS without ALPN: is this PostgreSQL?");
	else
		tls->is_done = true;
}

size_t tls_decrypt(struct tls *tls, struct slice wire, char *plain, size_t size)
{
	size_t n = 0;

	tls->wire = wire;
	/* A server has nothing to say first; until it is spoken to, OpenSSL
	 * need not get its buffers out. */
	if (!wire.len && SSL_is_server(tls->ssl))
		return 0;
	if (!tls->is_done && !tls->is_over)
		carry_on_handshake(tls);
	while (tls->is_done && !tls->is_over &&
		(tls->wire.len || SSL_has_pending(tls->ssl))) {
		size_t more;
		int r;

		check(n < size);
		ERR_clear_error();
		r = SSL_read_ex(tls->ssl, plain + n, size - n, &more);
		if (r <= 0) {
			note_result(tls, r);
			break;
		}
		n += more;
	}
	check(tls->is_over || !tls->wire.len);
	tls->wire = slice_of(NULL, 0);
	return n;
}

void tls_cut(struct tls *tls)
{
	if (!tls->is_done)
		tls_fail(tls, "the peer hung up during the TLS handshake");
	tls->is_over = true;
}

int tls_encrypt(struct tls *tls)
{
	struct stream *s = tls->stream;

	/* Nobody can read it, and the alert that says so is on its way. */
	if (tls->error)
		queue_drop(&tls->plain, s->loop, tls->plain.len);
	while (tls->is_done && tls->plain.len && s->out.len < TLS_OUT_MAX) {
		struct iovec first;
		size_t len;
		int r;

		queue_vector(&tls->plain, &first, 1, &len);
		ERR_clear_error();
		r = SSL_write_ex(tls->ssl, first.iov_base, len, &len);
		if (r <= 0) {
			note_result(tls, r);
			return -EPROTO;
		}
		queue_drop(&tls->plain, s->loop, len);
	}
	return 0;
}

void tls_say_goodbye(struct tls *tls)
{
	if (!tls->is_done || tls->error)
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

const char *stream_error_text(const struct stream *s, int error)
{
	if (error == -EPROTO && s->tls && s->tls->error)
		return s->tls->error;
	return strerror(-error);
}
