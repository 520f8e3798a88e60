/* SCRAM secrets: salts, keys, verifiers, and what both sides compute. */
#include "wire/crypto/crypto_priv.h"

#include <errno.h>

/* Raw bytes whose base64 is a nonce. */
enum {
	NONCE_BYTES = 18
};

_Static_assert(BASE64_LEN(NONCE_BYTES) == SCRAM_NONCE_LEN, "as PostgreSQL's");
_Static_assert((int)SCRAM_KEY_LEN == (int)CRYPTO_SHA256_LEN, "SHA-256");

void scram_nonce_make(char ret_nonce[SCRAM_NONCE_LEN])
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	uint8_t bytes[NONCE_BYTES];

	crypto_random(bytes, sizeof(bytes));
	base64_encode(&text, slice_of(bytes, sizeof(bytes)));
	memcpy(ret_nonce, text.data, SCRAM_NONCE_LEN);
}

bool scram_salt_equal(const struct scram_salt *a, const struct scram_salt *b)
{
	return a->iterations == b->iterations && a->len == b->len &&
	       !memcmp(a->bytes, b->bytes, a->len);
}

void scram_salt_make(
	struct slice secret, struct slice user, struct scram_salt *ret_salt)
{
	uint8_t digest[CRYPTO_SHA256_LEN];

	crypto_hmac_sha256(secret, user, digest);
	*ret_salt = (struct scram_salt){
		.iterations = SCRAM_ITERATIONS,
		.len = SCRAM_SALT_LEN,
	};
	memcpy(ret_salt->bytes, digest, SCRAM_SALT_LEN);
}

static struct slice key_slice(const uint8_t key[SCRAM_KEY_LEN])
{
	return slice_of(key, SCRAM_KEY_LEN);
}

int scram_keys_derive(struct slice password, const struct scram_salt *salt,
	struct scram_keys *ret_keys)
{
	uint8_t salted[SCRAM_KEY_LEN];

	if (!scram_password_ok(password))
		return SCRAM_E_PASSWORD;
	crypto_pbkdf2_sha256(password, slice_of(salt->bytes, salt->len),
		salt->iterations, salted);
	crypto_hmac_sha256(
		key_slice(salted), SLICE("Client Key"), ret_keys->client_key);
	crypto_hmac_sha256(
		key_slice(salted), SLICE("Server Key"), ret_keys->server_key);
	explicit_bzero(salted, sizeof(salted));
	return 0;
}

void scram_verifier_make(const struct scram_keys *keys,
	const struct scram_salt *salt, struct scram_verifier *ret_verifier)
{
	ret_verifier->salt = *salt;
	crypto_sha256(key_slice(keys->client_key), ret_verifier->stored_key);
	memcpy(ret_verifier->server_key, keys->server_key, SCRAM_KEY_LEN);
}

bool scram_verifier_match(
	const struct scram_verifier *verifier, const struct scram_keys *keys)
{
	uint8_t stored[SCRAM_KEY_LEN];

	crypto_sha256(key_slice(keys->client_key), stored);
	return mem_equal_ct(stored, verifier->stored_key, SCRAM_KEY_LEN) &&
	       mem_equal_ct(
		       keys->server_key, verifier->server_key, SCRAM_KEY_LEN);
}

static int parse_key(struct slice text, uint8_t ret_key[SCRAM_KEY_LEN])
{
	size_t len;
	int r = base64_decode(text, ret_key, SCRAM_KEY_LEN, &len);

	return r < 0 || len != SCRAM_KEY_LEN ? -EINVAL : 0;
}

int scram_salt_parse(
	struct slice salt, struct slice iterations, struct scram_salt *ret_salt)
{
	struct scram_salt parsed = { 0 };
	uint64_t number;
	size_t len;

	if (num_parse_u64(iterations, &number) < 0 || number < 1 ||
		number > SCRAM_ITERATIONS_MAX)
		return -ERANGE;
	if (base64_decode(salt, parsed.bytes, sizeof(parsed.bytes), &len) < 0 ||
		!len)
		return -EINVAL;
	parsed.iterations = (uint32_t)number;
	parsed.len = (uint8_t)len;
	*ret_salt = parsed;
	return 0;
}

int scram_verifier_parse(struct slice text, struct scram_verifier *ret_verifier)
{
	struct slice scheme = slice_cut(&text, '$');
	struct slice iterations = slice_cut(&text, ':');
	struct slice salt = slice_cut(&text, '$');
	struct slice stored_key = slice_cut(&text, ':');
	struct scram_verifier v;

	if (!slice_is(scheme, SCRAM_MECHANISM) ||
		scram_salt_parse(salt, iterations, &v.salt) < 0 ||
		parse_key(stored_key, v.stored_key) < 0 ||
		parse_key(text, v.server_key) < 0)
		return -EINVAL;
	*ret_verifier = v;
	return 0;
}

void scram_verifier_format(
	const struct scram_verifier *verifier, struct buf *out)
{
	const struct scram_salt *salt = &verifier->salt;

	buf_printf(out, SCRAM_MECHANISM "$%u:", salt->iterations);
	base64_encode(out, slice_of(salt->bytes, salt->len));
	buf_put_u8(out, '$');
	base64_encode(out, key_slice(verifier->stored_key));
	buf_put_u8(out, ':');
	base64_encode(out, key_slice(verifier->server_key));
}

void scram_xor(const uint8_t a[SCRAM_KEY_LEN], const uint8_t b[SCRAM_KEY_LEN],
	uint8_t ret[SCRAM_KEY_LEN])
{
	for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
		ret[i] = a[i] ^ b[i];
}

void scram_put_binding(struct buf *out, char flag, struct slice binding)
{
	CLEANUP(buf_deinit) struct buf input = { 0 };

	if (flag == 'p') {
		buf_append_str(&input, SCRAM_GS2_PLUS);
		buf_append_slice(&input, binding);
	} else {
		buf_printf(&input, "%c,,", flag);
	}
	base64_encode(out, buf_slice(&input));
}
