/* src/loop/tls_peer.c: any bytes as a certificate, and as the name in one,
 * whose type the first byte picks. What is taken for a name is UTF-8 without
 * a NUL; what is taken for an address is that one. */
#include <openssl/x509v3.h>

#include "loop/loop_priv.h"

#define ADDRESS "10.0.0.10"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_name(const char *name)
{
	const unsigned char *at = (const unsigned char *)name;
	int left = (int)strlen(name);

	check(left > 0);
	while (left > 0) {
		unsigned long code;
		int n = UTF8_getc(at, left, &code);

		check(n > 0);
		at += n;
		left -= n;
	}
}

static void look_at(X509 *cert)
{
	char *name = tls_common_name(cert);
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(ADDRESS), *named;

	if (name)
		check_name(name);
	if (tls_is_named_as_address(cert, ADDRESS)) {
		check(name);
		named = a2i_IPADDRESS(name);
		check(named && !ASN1_OCTET_STRING_cmp(named, address));
		ASN1_OCTET_STRING_free(named);
	}
	ASN1_OCTET_STRING_free(address);
	OPENSSL_free(name);
}

/* The universal types of strings have numbers below 31. */
static void look_at_name(int type, struct slice name)
{
	X509 *cert = X509_new();

	check(cert);
	if (X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
		    NID_commonName, type, (const unsigned char *)name.data,
		    (int)name.len, -1, 0) == 1)
		look_at(cert);
	X509_free(cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	const unsigned char *at = (const unsigned char *)copy;
	X509 *cert;

	if (!len)
		return 0;
	cert = d2i_X509(NULL, &at, (long)len);
	if (cert)
		look_at(cert);
	X509_free(cert);
	look_at_name(data[0] & 0x1f, slice_of(copy + 1, len - 1));
	return 0;
}
