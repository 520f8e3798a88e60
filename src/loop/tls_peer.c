/*
 * Who the peer is: the name a client asks for and insists on, the certificate
 * it was shown, and what binds a login to this connection.
 */
#include "loop/loop_priv.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- names in certificates -------------------------------------------- */

char *tls_common_name(X509 *cert)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *name = NULL;
	int len;

	if (at < 0)
		return NULL;
	len = ASN1_STRING_to_UTF8(&name,
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len > 0 && !memchr(name, 0, (size_t)len))
		return (char *)name;
	OPENSSL_free(name);
	return NULL;
}

static bool has_addresses(X509 *cert)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD)
			found = true;
	GENERAL_NAMES_free(names);
	return found;
}

static bool is_same_address(const char *one, const char *two)
{
	ASN1_OCTET_STRING *a = a2i_IPADDRESS(one);
	ASN1_OCTET_STRING *b = a2i_IPADDRESS(two);
	bool is_same = a && b && ASN1_OCTET_STRING_cmp(a, b) == 0;

	ASN1_OCTET_STRING_free(a);
	ASN1_OCTET_STRING_free(b);
	return is_same;
}

bool tls_is_named_as_address(X509 *cert, const char *address)
{
	char *name = has_addresses(cert) ? NULL : tls_common_name(cert);
	bool is_named = name && is_same_address(address, name);

	OPENSSL_free(name);
	return is_named;
}

/* ---- whom a client expects -------------------------------------------- */

/* RFC 6066: a literal address is no name for SNI. */
static bool is_address(const char *host)
{
	struct in_addr address;

	return strchr(host, ':') || inet_pton(AF_INET, host, &address) == 1;
}

/* Where a certificate names no address elsewhere, libpq takes its common name
 * for one. Many a server of old has no other; OpenSSL does not look there. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	char *wanted;

	if (is_good || X509_STORE_CTX_get_error(store) !=
			       X509_V_ERR_IP_ADDRESS_MISMATCH)
		return is_good;
	wanted =
		X509_VERIFY_PARAM_get1_ip_asc(X509_STORE_CTX_get0_param(store));
	is_good = wanted && tls_is_named_as_address(cert, wanted);
	if (is_good)
		X509_STORE_CTX_set_error(store, X509_V_OK);
	OPENSSL_free(wanted);
	return is_good;
}

static void insist_on(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	/* Without a name OpenSSL would check none and be content. */
	check(host && *host);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) {
		SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
		return;
	}
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	check(X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
}

void tls_expect_peer(struct tls *tls, const char *host)
{
	if (host && *host && !is_address(host) && !tls->context->hides_name)
		SSL_set_tlsext_host_name(tls->ssl, host);
	if (tls->context->checks_name)
		insist_on(tls->ssl, host);
}

/* ---- what is known once it is done ------------------------------------ */

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

void tls_peer_name(const struct stream *s, char *name, size_t size)
{
	SSL *ssl = s->tls && s->tls->is_done ? s->tls->ssl : NULL;
	X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	char *found = NULL;

	name[0] = '\0';
	if (cert && SSL_get_verify_result(ssl) == X509_V_OK)
		found = tls_common_name(cert);
	if (found && strlen(found) < size)
		memcpy(name, found, strlen(found) + 1);
	OPENSSL_free(found);
}
