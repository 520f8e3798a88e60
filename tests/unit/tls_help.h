#pragma once

/*
 * Certificates for the tests of TLS, made when they are needed and written to
 * a folder that goes away with the test.
 */
#include "tests/unit/loop_help.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static inline EVP_PKEY *make_ec_key(void)
{
	return EVP_EC_gen("P-256");
}

static inline EVP_PKEY *make_rsa_key(void)
{
	return EVP_RSA_gen(2048);
}

static inline EVP_PKEY *make_ed25519_key(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

/* names: a subjectAltName as in a configuration file, or NULL. issuer NULL:
 * self-signed. digest NULL where the key brings its own. */
static inline X509 *make_cert(EVP_PKEY *key, const char *cn, const char *names,
	const struct identity *issuer, const EVP_MD *digest, bool is_pss)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	EVP_MD_CTX *signing = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	EVP_PKEY *by = issuer ? issuer->key : key;
	uint32_t serial = 0;

	RAND_bytes((unsigned char *)&serial, sizeof(serial));
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial >> 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(
		cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	X509_set_pubkey(cert, key);
	if (!issuer)
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (names)
		add_extension(cert, NID_subject_alt_name, names);
	assert_int_equal(
		EVP_DigestSignInit(signing, &options, digest, NULL, by), 1);
	if (is_pss)
		EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
	assert_true(X509_sign_ctx(cert, signing) > 0);
	EVP_MD_CTX_free(signing);
	return cert;
}

static inline struct identity make_identity(
	const char *cn, const char *names, const struct identity *issuer)
{
	EVP_PKEY *key = make_ec_key();

	return (struct identity){
		.key = key,
		.cert = make_cert(key, cn, names, issuer, EVP_sha256(), false),
	};
}

static inline void identity_deinit(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static inline FILE *create_file(const char *path, mode_t mode)
{
	FILE *f;
	int fd;

	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	return f;
}

static inline void write_text(const char *path, const char *text)
{
	FILE *f = create_file(path, 0600);

	fputs(text, f);
	fclose(f);
}

static inline void write_cert(const char *path, X509 *cert)
{
	FILE *f = create_file(path, 0644);

	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
}

/* The issuer's list of what it revoked: one certificate, or none. */
static inline void write_crl(
	const char *path, const struct identity *issuer, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60);
	ASN1_TIME *later = X509_gmtime_adj(NULL, 86400);
	FILE *f = create_file(path, 0644);

	assert_true(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, later);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(
			entry, X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, now);
		assert_true(X509_CRL_add0_revoked(crl, entry));
	}
	assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
	assert_true(PEM_write_X509_CRL(f, crl));
	fclose(f);
	ASN1_TIME_free(now);
	ASN1_TIME_free(later);
	X509_CRL_free(crl);
}

static inline void write_key(
	const char *path, EVP_PKEY *key, mode_t mode, const char *passphrase)
{
	FILE *f = create_file(path, mode);

	assert_int_equal(PEM_write_PrivateKey(f, key,
				 passphrase ? EVP_aes_256_cbc() : NULL, NULL, 0,
				 NULL, (void *)passphrase),
		1);
	fclose(f);
}

static inline void remove_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char file[512];

	while (folder && (entry = readdir(folder))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		unlink(file);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}
