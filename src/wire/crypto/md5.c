/*
 * PostgreSQL's md5 passwords (protocol, 55.2.1, AuthenticationMD5Password):
 *
 *     secret = "md5" hex(md5(password user))
 *     answer = "md5" hex(md5(hex(md5(password user)) salt))
 */
#include "wire/crypto/crypto.h"

#include <errno.h>
#include <openssl/evp.h>

enum {
	MD5_LEN = 16,
	PREFIX_LEN = 3
};

bool md5_secret_is(struct slice text)
{
	if (text.len != MD5_SECRET_LEN ||
		!slice_starts_with(text, SLICE("md5")))
		return false;
	for (size_t i = PREFIX_LEN; i < text.len; i++)
		if (!memchr("0123456789abcdef", text.data[i], 16))
			return false;
	return true;
}

/* "md5" and the hex digest of one slice behind the other. */
static int make(struct slice first, struct slice second, struct md5_secret *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[MD5_LEN];
	int ok;

	check(ctx);
	ok = EVP_DigestInit_ex(ctx, EVP_md5(), NULL) &&
	     EVP_DigestUpdate(ctx, first.data, first.len) &&
	     EVP_DigestUpdate(ctx, second.data, second.len) &&
	     EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -ENOTSUP;
	memcpy(ret->text, "md5", PREFIX_LEN);
	hex_encode(slice_of(digest, sizeof(digest)), ret->text + PREFIX_LEN);
	explicit_bzero(digest, sizeof(digest));
	return 0;
}

int md5_secret_make(
	struct slice password, struct slice user, struct md5_secret *ret_secret)
{
	return make(password, user, ret_secret);
}

int md5_secret_answer(const struct md5_secret *secret,
	const uint8_t salt[MD5_SALT_LEN], struct md5_secret *ret_answer)
{
	struct slice text = slice_of(secret->text, sizeof(secret->text));

	return make(slice_from(text, PREFIX_LEN), slice_of(salt, MD5_SALT_LEN),
		ret_answer);
}
