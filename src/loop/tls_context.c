/*
 * TLS contexts: certificate, key and authorities of a listener, or of what we
 * connect to. Shared by all streams of a worker and counted, so that a reload
 * makes a new one while older connections keep theirs.
 *
 * The protocol's own rules are PostgreSQL 17's: be-secure-openssl.c for the
 * server's side, fe-secure-openssl.c for the client's.
 */
#include "loop/loop_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SESSION_CONTEXT_LEN = 32, /* SHA-256, and all that OpenSSL takes */
	TICKET_KEYS_LEN = 80,	  /* name 16, HMAC 32, AES 32 */
};

/* ALPN's wire format: each name behind its length. */
static const unsigned char alpn[] = "\012postgresql";
enum {
	ALPN_LEN = sizeof(alpn) - 1
};

struct mode {
	const char *name;
	bool verifies;
	bool checks_name;
};

static const struct mode modes[] = {
	{ "disable", false, false },
	{ "allow", false, false },
	{ "prefer", false, false },
	{ "require", false, false },
	{ "verify-ca", true, false },
	{ "verify-full", true, true },
};

void tls_reason(char *text, size_t size)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(error)
				     ? strerror(ERR_GET_REASON(error))
				     : ERR_reason_error_string(error);

	if (reason)
		snprintf(text, size, "%s", reason);
	else
		snprintf(text, size, "OpenSSL error %lx", error);
	ERR_clear_error();
}

bool tls_is_error(int library, int reason)
{
	unsigned long error = ERR_peek_error();

	return ERR_GET_LIB(error) == library && ERR_GET_REASON(error) == reason;
}

static bool is_set(const char *text)
{
	return text && *text;
}

static void context_unrefp(struct tls_context **ctx)
{
	tls_context_unref(*ctx);
}

/* ---- files ------------------------------------------------------------ */

/* Says that a file cannot be used, with OpenSSL's reason. */
static int file_fault(struct fault *f, const char *what, const char *file)
{
	char reason[128];

	tls_reason(reason, sizeof(reason));
	fault_set(f, FAULT_BAD_VALUE, "TLS %s file \"%s\": %s", what, file,
		reason);
	fault_hint(f, "It must be readable by this process and in PEM format.");
	return -EINVAL;
}

/* PostgreSQL's rule: a key that others can read is no secret. */
static int check_key_file(const char *file, struct fault *f)
{
	struct stat st;
	mode_t forbidden = S_IRWXG | S_IRWXO;

	if (stat(file, &st) < 0) {
		fault_set(f, FAULT_BAD_VALUE, "TLS private key file \"%s\": %s",
			file, strerror(errno));
		return -EINVAL;
	}
	if (st.st_uid == 0)
		forbidden = S_IWGRP | S_IXGRP | S_IRWXO;
	if (S_ISREG(st.st_mode) && !(st.st_mode & forbidden))
		return 0;
	if (S_ISREG(st.st_mode)) {
		fault_set(f, FAULT_BAD_VALUE,
			"TLS private key file \"%s\" has group or world access",
			file);
		fault_hint(f, "chmod 0600, or 0640 when root owns it.");
	} else {
		fault_set(f, FAULT_BAD_VALUE,
			"TLS private key file \"%s\" is not a regular file",
			file);
	}
	return -EINVAL;
}

/* A key under a passphrase: there is nobody to ask. */
static int on_passphrase(char *text, int size, int is_writing, void *asked)
{
	(void)text;
	(void)size;
	(void)is_writing;
	*(bool *)asked = true;
	return -1;
}

static int use_key(SSL_CTX *ssl, const char *file, bool *ret_is_locked)
{
	int r;

	SSL_CTX_set_default_passwd_cb(ssl, on_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ssl, ret_is_locked);
	r = SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
	return r;
}

static int load_key(
	SSL_CTX *ssl, const char *cert, const char *key, struct fault *f)
{
	bool is_locked = false;
	bool is_used;

	if (check_key_file(key, f) < 0)
		return -EINVAL;
	is_used = use_key(ssl, key, &is_locked) == 1;
	if (is_locked) {
		ERR_clear_error();
		fault_set(f, FAULT_BAD_VALUE,
			"TLS private key file \"%s\" needs a passphrase", key);
		fault_hint(f, "openssl pkey -in FILE -out FILE takes it off.");
		return -EINVAL;
	}
	if (is_used && SSL_CTX_check_private_key(ssl) == 1)
		return 0;
	/* A key of another kind than the certificate's is taken in, and only
	 * the check minds; one of the same kind is refused at once. */
	if (is_used || tls_is_error(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH)) {
		ERR_clear_error();
		fault_set(f, FAULT_BAD_VALUE,
			"TLS private key file \"%s\" does not belong to "
			"certificate file \"%s\"",
			key, cert);
		return -EINVAL;
	}
	return file_fault(f, "private key", key);
}

static int load_pair(
	SSL_CTX *ssl, const char *cert, const char *key, struct fault *f)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
		return file_fault(f, "certificate", cert);
	return load_key(ssl, cert, key, f);
}

static int load_authorities(SSL_CTX *ssl, const char *file, struct fault *f)
{
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ssl, file) != 1)
		return file_fault(f, "authority", file);
	return 0;
}

/* ---- both sides ------------------------------------------------------- */

static struct tls_context *context_create(const SSL_METHOD *method)
{
	struct tls_context *ctx = xnew(struct tls_context);
	SSL_CTX *ssl = SSL_CTX_new(method);

	check(ssl);
	ctx->n_refs = 1;
	ctx->ssl = ssl;
	ctx->bio = tls_bio_create();
	check(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* An idle connection keeps no record buffers. The modes for writes
	 * that must be repeated are not needed: our BIO takes everything. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	return ctx;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	ctx->n_refs++;
	return ctx;
}

void tls_context_unref(struct tls_context *ctx)
{
	if (!ctx || --ctx->n_refs)
		return;
	SSL_CTX_free(ctx->ssl);
	BIO_meth_free(ctx->bio);
	free(ctx);
}

/* ---- server ----------------------------------------------------------- */

/* Direct TLS has no other way to tell our protocol from the next one's, so a
 * client that names none is turned away (PostgreSQL 17 does, too). The ALPN
 * callback is not asked about a list that is not there. */
static int on_client_hello(SSL *ssl, int *ret_alert, void *arg)
{
	struct tls *tls = SSL_get_app_data(ssl);
	const unsigned char *list;
	size_t len;

	(void)arg;
	if (!tls->must_alpn ||
		SSL_client_hello_get0_ext(ssl,
			TLSEXT_TYPE_application_layer_protocol_negotiation,
			&list, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	tls_fail(tls, "direct TLS without the ALPN protocol \"postgresql\"");
	*ret_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_alpn(SSL *ssl, const unsigned char **ret_name,
	unsigned char *ret_len, const unsigned char *list, unsigned list_len,
	void *arg)
{
	unsigned at = 0;

	(void)arg;
	for (; at < list_len && list[at] < list_len - at; at += list[at] + 1u) {
		if (list[at] != alpn[0] ||
			memcmp(&list[at], alpn, ALPN_LEN) != 0)
			continue;
		*ret_name = alpn + 1;
		*ret_len = alpn[0];
		return SSL_TLSEXT_ERR_OK;
	}
	tls_fail(SSL_get_app_data(ssl),
		"the client offers other ALPN protocols than \"postgresql\"");
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * Sessions may be resumed with any worker, but only under the certificate and
 * the authorities they were made with: a client that was verified against an
 * authority since removed is asked again, and the channel binding of both
 * ends is over the same certificate.
 */
static void set_session_context(SSL_CTX *ssl)
{
	STACK_OF(X509_OBJECT) *known =
		X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));
	uint8_t id[SESSION_CONTEXT_LEN] = { 0 };
	uint8_t hash[SESSION_CONTEXT_LEN];

	check(X509_digest(SSL_CTX_get0_certificate(ssl), EVP_sha256(), id,
		      NULL) == 1);
	for (int i = 0; i < sk_X509_OBJECT_num(known); i++) {
		X509 *ca =
			X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));

		if (!ca)
			continue;
		check(X509_digest(ca, EVP_sha256(), hash, NULL) == 1);
		for (size_t k = 0; k < sizeof(id); k++)
			id[k] ^= hash[k];
	}
	check(SSL_CTX_set_session_id_context(ssl, id, sizeof(id)) == 1);
}

static void set_tickets(SSL_CTX *ssl, const void *tickets)
{
	uint8_t keys[TICKET_KEYS_LEN];

	if (!tickets) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ssl, 0);
		return;
	}
	memcpy(keys, tickets, sizeof(keys));
	check(SSL_CTX_set_tlsext_ticket_keys(ssl, keys, sizeof(keys)) == 1);
	explicit_bzero(keys, sizeof(keys));
	/* One per connection: who resumes is given the next. */
	SSL_CTX_set_num_tickets(ssl, 1);
}

/* Asks for a certificate and verifies one that is given; whether there must
 * be one is for the login to decide. */
static int ask_for_certificate(SSL_CTX *ssl, const char *ca, struct fault *f)
{
	STACK_OF(X509_NAME) * names;

	if (load_authorities(ssl, ca, f) < 0)
		return -EINVAL;
	names = SSL_load_client_CA_file(ca);
	if (!names)
		return file_fault(f, "authority", ca);
	SSL_CTX_set_client_CA_list(ssl, names);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
	return 0;
}

struct tls_context *tls_context_server(const char *cert, const char *key,
	const char *ca, const void *tickets, struct fault *f)
{
	CLEANUP(context_unrefp)
	struct tls_context *ctx = context_create(TLS_server_method());

	if (load_pair(ctx->ssl, cert, key, f) < 0)
		return NULL;
	if (is_set(ca) && ask_for_certificate(ctx->ssl, ca, f) < 0)
		return NULL;
	set_session_context(ctx->ssl);
	set_tickets(ctx->ssl, tickets);
	SSL_CTX_set_client_hello_cb(ctx->ssl, on_client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx->ssl, on_alpn, NULL);
	return TAKE(ctx);
}

/* ---- client ----------------------------------------------------------- */

static const struct mode *mode_find(const char *name, struct fault *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	fault_set(f, FAULT_BAD_VALUE, "invalid sslmode value: \"%s\"", name);
	fault_hint(f, "disable, allow, prefer, require, verify-ca or "
		      "verify-full");
	return NULL;
}

/*
 * A root certificate given is used whatever the mode, as libpq does: with
 * require it means verify-ca. Anybody can have a certificate from one of the
 * system's authorities, so these prove nothing without the name.
 */
static int set_roots(struct tls_context *ctx, const struct mode *mode,
	const char *root, struct fault *f)
{
	bool is_system =
		is_set(root) ? !strcmp(root, "system") : mode->verifies;

	if (!is_system && !is_set(root))
		return 0;
	if (is_system && !mode->checks_name) {
		fault_set(f, FAULT_BAD_VALUE,
			"sslmode \"%s\" is too weak for the system's root "
			"certificates",
			mode->name);
		fault_hint(f, "Use verify-full, or set sslrootcert to a file.");
		return -EINVAL;
	}
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
	if (!is_system)
		return load_authorities(ctx->ssl, root, f);
	check(SSL_CTX_set_default_verify_paths(ctx->ssl) == 1);
	return 0;
}

static int set_client_pair(struct tls_context *ctx, const char *cert,
	const char *key, struct fault *f)
{
	if (!is_set(cert) && !is_set(key))
		return 0;
	if (is_set(cert) && is_set(key))
		return load_pair(ctx->ssl, cert, key, f);
	fault_set(f, FAULT_BAD_VALUE,
		"sslcert and sslkey go together: %s is missing",
		is_set(cert) ? "sslkey" : "sslcert");
	return -EINVAL;
}

/* Only lists are taken from the file: a certificate in it is not trusted. */
static int load_revoked(X509_STORE *store, const char *file, struct fault *f)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	check(lookup);
	ERR_clear_error();
	if (X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) > 0)
		return 0;
	return file_fault(f, "revocation list", file);
}

static int set_revoked(
	SSL_CTX *ssl, const char *file, const char *folder, struct fault *f)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	X509_LOOKUP *lookup;

	if (!is_set(file) && !is_set(folder))
		return 0;
	check(X509_STORE_set_flags(store,
		      X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1);
	if (is_set(folder)) {
		lookup = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
		check(lookup && X509_LOOKUP_add_dir(lookup, folder,
					X509_FILETYPE_PEM) == 1);
	}
	return is_set(file) ? load_revoked(store, file, f) : 0;
}

/* Never below TLS 1.2, whatever is asked for. */
static int version_of(const char *name)
{
	return name && !strcmp(name, "TLSv1.3") ? TLS1_3_VERSION
						: TLS1_2_VERSION;
}

static void set_versions(
	SSL_CTX *ssl, const char *min_version, const char *max_version)
{
	check(SSL_CTX_set_min_proto_version(ssl, version_of(min_version)) == 1);
	if (is_set(max_version))
		check(SSL_CTX_set_max_proto_version(
			      ssl, version_of(max_version)) == 1);
}

struct tls_context *tls_context_client(
	const struct tls_client *client, struct fault *f)
{
	const struct mode *mode = mode_find(client->sslmode, f);
	CLEANUP(context_unrefp) struct tls_context *ctx = NULL;

	if (!mode)
		return NULL;
	ctx = context_create(TLS_client_method());
	ctx->checks_name = mode->checks_name;
	ctx->hides_name = client->hides_name;
	ctx->must_alpn = client->is_direct;
	check(SSL_CTX_set_alpn_protos(ctx->ssl, alpn, ALPN_LEN) == 0);
	set_versions(ctx->ssl, client->min_version, client->max_version);
	if (set_roots(ctx, mode, client->root, f) < 0 ||
		set_revoked(ctx->ssl, client->crl, client->crl_folder, f) < 0 ||
		set_client_pair(ctx, client->cert, client->key, f) < 0)
		return NULL;
	return TAKE(ctx);
}
