/*
 * Digests, from OpenSSL. What can only fail for want of memory or by a broken
 * library ends the process.
 */
#include "wire/crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

void crypto_random(void *ret_bytes, size_t len)
{
	char *at = ret_bytes;

	while (len) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		check(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

void crypto_sha256(struct slice data, uint8_t ret_digest[CRYPTO_SHA256_LEN])
{
	int ok = EVP_Digest(
		data.data, data.len, ret_digest, NULL, EVP_sha256(), NULL);

	check(ok == 1);
}

void crypto_hmac_sha256(struct slice key, struct slice data,
	uint8_t ret_digest[CRYPTO_SHA256_LEN])
{
	check(key.len <= INT_MAX);
	check(HMAC(EVP_sha256(), key.data, (int)key.len,
		(const unsigned char *)data.data, data.len, ret_digest, NULL));
}

void crypto_pbkdf2_sha256(struct slice password, struct slice salt,
	uint32_t iterations, uint8_t ret_key[CRYPTO_SHA256_LEN])
{
	int ok;

	check(password.len <= INT_MAX && salt.len <= INT_MAX);
	check(iterations >= 1 && iterations <= INT_MAX);
	ok = PKCS5_PBKDF2_HMAC(password.data, (int)password.len,
		(const unsigned char *)salt.data, (int)salt.len,
		(int)iterations, EVP_sha256(), CRYPTO_SHA256_LEN, ret_key);
	check(ok == 1);
}
