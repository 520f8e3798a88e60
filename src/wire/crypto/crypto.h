#pragma once

/*
 * Digests, text encodings, PostgreSQL's md5 secrets, and SCRAM-SHA-256. Pure
 * functions: no time, no sockets; randomness is asked for by name. Nothing
 * here keeps a secret after it has returned but in what it was given to fill;
 * every deinit wipes.
 */
#include "base/base.h"

/* ---- digests ---------------------------------------------------------- */

enum {
	CRYPTO_SHA256_LEN = 32
};

/* From the kernel; never fails. */
void crypto_random(void *ret_bytes, size_t len);

void crypto_sha256(struct slice data, uint8_t ret_digest[CRYPTO_SHA256_LEN]);
void crypto_hmac_sha256(struct slice key, struct slice data,
	uint8_t ret_digest[CRYPTO_SHA256_LEN]);

/* RFC 8018, one block. Costs iterations * 0.2 microseconds. */
void crypto_pbkdf2_sha256(struct slice password, struct slice salt,
	uint32_t iterations, uint8_t ret_key[CRYPTO_SHA256_LEN]);

/* ---- bytes as text ---------------------------------------------------- */

#define BASE64_LEN(n) (((size_t)(n) + 2) / 3 * 4)
#define HEX_LEN(n)    ((size_t)(n)*2)

void base64_encode(struct buf *out, struct slice data);

/*
 * RFC 4648 section 4 and nothing else: padding is required, line ends are
 * refused, and so are stray bits in front of the padding. -EINVAL when the
 * text is not that, -ERANGE when it holds more than max bytes; ret_data may
 * then hold the good part.
 */
int base64_decode(
	struct slice text, void *ret_data, size_t max, size_t *ret_len);

/* Lower case, HEX_LEN(data.len) characters, no NUL. */
void hex_encode(struct slice data, char *ret_text);

/* ---- PostgreSQL's md5 passwords --------------------------------------- */

/* "md5" and 32 hex digits: a stored secret, and the answer to a challenge. */
enum {
	MD5_SECRET_LEN = 35,
	MD5_SALT_LEN = 4
};

struct md5_secret {
	char text[MD5_SECRET_LEN];
};

/* Does PostgreSQL take this rolpassword for an md5 secret? */
bool md5_secret_is(struct slice text);

/*
 * The secret of a user, and what AuthenticationMD5Password wants to hear from
 * whoever has the secret. -ENOTSUP where OpenSSL has no MD5 (FIPS).
 */
int md5_secret_make(struct slice password, struct slice user,
	struct md5_secret *ret_secret);
int md5_secret_answer(const struct md5_secret *secret,
	const uint8_t salt[MD5_SALT_LEN], struct md5_secret *ret_answer);

#include "wire/crypto/scram.h"
