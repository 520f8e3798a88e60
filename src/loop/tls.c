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

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* ---- OpenSSL's end of the pipe --------------------------------------- */

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

/* ---- life ------------------------------------------------------------ */

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

/* RFC 6066: a literal address is no name for SNI. */
static bool is_address(const char *host)
{
	struct in_addr address;

	return strchr(host, ':') || inet_pton(AF_INET, host, &address) == 1;
}

static void expect_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	/* Without a name OpenSSL would check none and be content. */
	check(host && *host);
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return;
	check(X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
}

void stream_secure_client(
	struct stream *s, struct tls_context *ctx, const char *host)
{
	struct tls *tls = tls_create(s, ctx);

	if (host && *host && !is_address(host))
		SSL_set_tlsext_host_name(tls->ssl, host);
	if (ctx->checks_name)
		expect_name(tls->ssl, host);
	SSL_set_connect_state(tls->ssl);
	stream_attach_tls(s, tls);
}

/* ---- work ------------------------------------------------------------ */

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

static void carry_on_handshake(struct tls *tls)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(tls->ssl);
	if (r == 1)
		tls->is_done = true;
	else
		note_result(tls, r);
}

size_t tls_decrypt(struct tls *tls, struct slice wire, char *plain, size_t size)
{
	size_t n = 0;

	tls->wire = wire;
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

/* ---- what is known of the peer --------------------------------------- */

const char *stream_error_text(const struct stream *s, int error)
{
	if (error == -EPROTO && s->tls && s->tls->error)
		return s->tls->error;
	return strerror(-error);
}

const char *tls_version(const struct stream *s)
{
	return s->tls && s->tls->is_done ? SSL_get_version(s->tls->ssl) : "";
}

const char *tls_cipher(const struct stream *s)
{
	return s->tls && s->tls->is_done ? SSL_get_cipher_name(s->tls->ssl)
					 : "";
}

static X509 *server_certificate(const struct stream *s)
{
	if (!s->tls || !s->tls->is_done)
		return NULL;
	return SSL_is_server(s->tls->ssl)
		       ? SSL_get_certificate(s->tls->ssl)
		       : SSL_get0_peer_certificate(s->tls->ssl);
}

/* RFC 5929, 4.1: the hash of the certificate's signature, but nothing weaker
 * than SHA-256. A signature without a hash of its own (Ed25519) has no channel
 * binding. */
size_t tls_endpoint_hash(const struct stream *s, uint8_t *hash)
{
	X509 *cert = server_certificate(s);
	const EVP_MD *kind;
	unsigned len = 0;
	int nid;

	if (!cert || X509_get_signature_info(cert, &nid, NULL, NULL, NULL) != 1)
		return 0;
	if (nid == NID_undef)
		return 0;
	kind = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256()
						 : EVP_get_digestbynid(nid);
	if (!kind || X509_digest(cert, kind, hash, &len) != 1)
		return 0;
	return len;
}

/* One name, in UTF-8, and none that hides a NUL. */
static void copy_common_name(X509 *cert, char *name, size_t size)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int len;

	if (at < 0)
		return;
	len = ASN1_STRING_to_UTF8(&text,
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len > 0 && (size_t)len < size && !memchr(text, 0, (size_t)len)) {
		memcpy(name, text, (size_t)len);
		name[len] = '\0';
	}
	OPENSSL_free(text);
}

void tls_peer_name(const struct stream *s, char *name, size_t size)
{
	SSL *ssl = s->tls && s->tls->is_done ? s->tls->ssl : NULL;
	X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	name[0] = '\0';
	if (cert && SSL_get_verify_result(ssl) == X509_V_OK)
		copy_common_name(cert, name, size);
}
