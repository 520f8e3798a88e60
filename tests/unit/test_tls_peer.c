/*
 * src/loop/tls_peer.c: names in certificates that nobody should trust: of
 * every type a string may have, cut at every length, with a NUL inside.
 * tests/unit/test_tls.c has what connections make of them.
 */
#include "cut_help.h"

#include <openssl/x509v3.h>

#include "loop/loop_priv.h"

/* NULL when OpenSSL itself takes no such name into a certificate. */
static X509 *make_named(int type, struct slice name)
{
	X509 *cert = X509_new();

	if (X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
		    NID_commonName, type, (const unsigned char *)name.data,
		    (int)name.len, -1, 0) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

static void add_alternative(X509 *cert, const char *names)
{
	X509_EXTENSION *e =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

static void assert_name(int type, struct slice name, const char *expected)
{
	X509 *cert = make_named(type, name);
	char *found = cert ? tls_common_name(cert) : NULL;

	if (expected)
		assert_string_equal(found, expected);
	else
		assert_null(found);
	OPENSSL_free(found);
	X509_free(cert);
}

static void test_types(void **state)
{
	(void)state;
	assert_name(V_ASN1_UTF8STRING, SLICE("J\xc3\xbcrgen"), "J\xc3\xbcrgen");
	assert_name(V_ASN1_PRINTABLESTRING, SLICE("bob"), "bob");
	assert_name(V_ASN1_IA5STRING, SLICE("bob"), "bob");
	/* taken for Latin-1, as everybody does */
	assert_name(V_ASN1_T61STRING, SLICE("J\xfcrgen"), "J\xc3\xbcrgen");
	assert_name(V_ASN1_BMPSTRING, SLICE("\0J\0\xfc"), "J\xc3\xbc");
	assert_name(
		V_ASN1_UNIVERSALSTRING, SLICE("\0\1\xf4\x18"), "\U0001f418");
}

static void test_wrong(void **state)
{
	(void)state;
	assert_name(V_ASN1_UTF8STRING, SLICE("bob\0.example.test"), NULL);
	assert_name(V_ASN1_UTF8STRING, SLICE("\0"), NULL);
	assert_name(V_ASN1_UTF8STRING, SLICE("bob\0"), NULL);
	assert_name(V_ASN1_PRINTABLESTRING, SLICE("bob\0x"), NULL);
	assert_name(V_ASN1_BMPSTRING, SLICE("\0b\0\0\0o"), NULL);
	assert_name(V_ASN1_BMPSTRING, SLICE("\0bo"), NULL); /* half a letter */
	assert_name(V_ASN1_UNIVERSALSTRING, SLICE("\0\0b"), NULL);
	assert_name(V_ASN1_UNIVERSALSTRING, SLICE("\x7f\xff\xff\xff"), NULL);
	assert_name(V_ASN1_UTF8STRING, SLICE("J\xc3"), NULL);
	assert_name(V_ASN1_UTF8STRING, SLICE("J\xfc"), NULL);
	assert_name(V_ASN1_OCTET_STRING, SLICE("bob"), NULL);
}

static void test_no_name(void **state)
{
	X509 *cert = X509_new();

	(void)state;
	assert_null(tls_common_name(cert));
	assert_false(tls_is_named_as_address(cert, "127.0.0.1"));
	X509_free(cert);
}

static void test_cut(void **state)
{
	(void)state;
	each_cut (cut, SLICE("J\xc3\xbcrgen")) {
		CLEANUP(freep) char *text = slice_dup(cut);

		assert_name(V_ASN1_UTF8STRING, cut,
			!cut.len || cut.len == 2 ? NULL : text);
	}
}

static void assert_address(const char *name, const char *alternative,
	const char *address, bool expected)
{
	X509 *cert = make_named(V_ASN1_UTF8STRING, slice_str(name));

	assert_non_null(cert);
	if (alternative)
		add_alternative(cert, alternative);
	assert_int_equal(tls_is_named_as_address(cert, address), expected);
	X509_free(cert);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_address("127.0.0.1", NULL, "127.0.0.1", true);
	assert_address("127.0.0.1", NULL, "127.0.0.2", false);
	assert_address("::1", NULL, "0:0:0::1", true);
	assert_address("127.0.0.1", "DNS:a", "127.0.0.1", true);
	assert_address("127.0.0.1", "IP:127.0.0.1", "127.0.0.1", false);
	assert_address("127.0.0.1.", NULL, "127.0.0.1", false);
	assert_address("*", NULL, "127.0.0.1", false);
	assert_address("127.0.0.1", NULL, "localhost", false);
	each_cut (cut, SLICE("10.0.0.10")) {
		CLEANUP(freep) char *text = slice_dup(cut);

		if (cut.len)
			assert_address(text, NULL, "10.0.0.10", cut.len == 9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
