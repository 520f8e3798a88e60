/*
 * SCRAM, the side that answers: Howdah to PostgreSQL. The server is a
 * stranger until its last message: every length is bounded before it is used,
 * and the work it may ask of us too.
 */
#include "wire/crypto/crypto_priv.h"

#include <errno.h>

void scram_client_init(struct scram_client *c, struct slice binding)
{
	check(binding.len <= SCRAM_BINDING_MAX);
	*c = (struct scram_client){ .state = SCRAM_CLIENT_IDLE };
	c->binding_len = (uint8_t)binding.len;
	if (binding.len)
		memcpy(c->binding, binding.data, binding.len);
}

void scram_client_deinit(struct scram_client *c)
{
	buf_deinit(&c->said);
	explicit_bzero(c, sizeof(*c));
}

/* The order of messages is the server's, too. */
static int say_unexpected(struct fault *f)
{
	fault_set(f, FAULT_PROTOCOL, "unexpected SCRAM message");
	return -EPROTO;
}

/* ---- client-first ----------------------------------------------------- */

static const char *pick_mechanism(
	const struct scram_client *c, struct slice offer, char *ret_flag)
{
	struct reader r = reader_of(offer);
	bool has_plain = false, has_plus = false;

	for (;;) {
		struct slice name = reader_cstr(&r);

		if (!name.len)
			break;
		has_plain |= slice_is(name, SCRAM_MECHANISM);
		has_plus |= slice_is(name, SCRAM_MECHANISM_PLUS);
	}
	if (has_plus && c->binding_len) {
		*ret_flag = 'p';
		return SCRAM_MECHANISM_PLUS;
	}
	*ret_flag = c->binding_len ? 'y' : 'n';
	return has_plain ? SCRAM_MECHANISM : NULL;
}

int scram_client_first(struct scram_client *c, struct slice offer,
	struct slice nonce, const char **ret_mechanism, struct buf *out,
	struct fault *f)
{
	const char *mechanism;

	if (c->state != SCRAM_CLIENT_IDLE)
		return say_unexpected(f);
	mechanism = pick_mechanism(c, offer, &c->flag);
	if (!mechanism) {
		fault_set(f, FAULT_UNSUPPORTED,
			"none of the server's SASL authentication mechanisms are"
			" supported");
		return -EPROTO;
	}
	/* The user name stays empty: PostgreSQL has it from the startup. */
	buf_append_str(&c->said, "n=,r=");
	c->nonce_at = c->said.len;
	c->nonce_len = nonce.len;
	buf_append_slice(&c->said, nonce);
	if (c->flag == 'p')
		buf_append_str(out, SCRAM_GS2_PLUS);
	else
		buf_printf(out, "%c,,", c->flag);
	buf_append_slice(out, buf_slice(&c->said));
	*ret_mechanism = mechanism;
	c->state = SCRAM_CLIENT_BEGUN;
	return 0;
}

/* ---- server-first ----------------------------------------------------- */

/* The server's nonce is ours and something behind it. */
static bool is_good_nonce(const struct scram_client *c, struct slice nonce)
{
	struct slice ours = slice_of(c->said.data + c->nonce_at, c->nonce_len);

	return nonce.len > ours.len && slice_starts_with(nonce, ours) &&
	       scram_is_printable(nonce);
}

static int read_challenge(struct scram_client *c, struct slice message,
	struct slice *ret_nonce, struct fault *f)
{
	struct scram_reader r = { message };
	struct slice salt, iterations;
	int e;

	e = scram_read(&r, 'r', ret_nonce, f);
	if (e < 0)
		return e;
	if (!is_good_nonce(c, *ret_nonce)) {
		fault_set(f, FAULT_PROTOCOL,
			"invalid SCRAM response (nonce mismatch)");
		return -EPROTO;
	}
	e = scram_read(&r, 's', &salt, f);
	if (e < 0)
		return e;
	e = scram_read(&r, 'i', &iterations, f);
	if (e < 0)
		return e;
	if (r.rest.len)
		return scram_malformed(
			f, "Garbage found at the end of server-first-message.");
	e = scram_salt_parse(salt, iterations, &c->salt);
	if (e == -ERANGE)
		return scram_malformed(f, "Invalid iteration count.");
	if (e < 0)
		return scram_malformed(f, "Invalid salt.");
	return 0;
}

int scram_client_challenge(
	struct scram_client *c, struct slice message, struct fault *f)
{
	struct slice nonce;
	int e;

	if (c->state != SCRAM_CLIENT_BEGUN)
		return say_unexpected(f);
	e = scram_message_check(message, f);
	if (e < 0)
		return e;
	e = read_challenge(c, message, &nonce, f);
	if (e < 0)
		return e;
	buf_put_u8(&c->said, ',');
	c->nonce_at = c->said.len + (size_t)(nonce.data - message.data);
	c->nonce_len = nonce.len;
	buf_append_slice(&c->said, message);
	c->state = SCRAM_CLIENT_CHALLENGED;
	return 0;
}

/* ---- client-final, server-final --------------------------------------- */

/* ClientKey ^ HMAC(StoredKey, said); and what the server must say to it. */
static void sign(struct scram_client *c, const struct scram_keys *keys,
	uint8_t ret_proof[SCRAM_KEY_LEN])
{
	uint8_t stored[SCRAM_KEY_LEN];

	crypto_sha256(slice_of(keys->client_key, SCRAM_KEY_LEN), stored);
	crypto_hmac_sha256(slice_of(stored, sizeof(stored)),
		buf_slice(&c->said), ret_proof);
	scram_xor(ret_proof, keys->client_key, ret_proof);
	crypto_hmac_sha256(slice_of(keys->server_key, SCRAM_KEY_LEN),
		buf_slice(&c->said), c->signature);
	explicit_bzero(stored, sizeof(stored));
}

void scram_client_prove(
	struct scram_client *c, const struct scram_keys *keys, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf final = { 0 };
	uint8_t proof[SCRAM_KEY_LEN];

	check(c->state == SCRAM_CLIENT_CHALLENGED);
	buf_append_str(&final, "c=");
	scram_put_binding(
		&final, c->flag, slice_of(c->binding, c->binding_len));
	buf_append_str(&final, ",r=");
	buf_append(&final, c->said.data + c->nonce_at, c->nonce_len);
	buf_put_u8(&c->said, ',');
	buf_append_slice(&c->said, buf_slice(&final));
	sign(c, keys, proof);
	buf_append_str(&final, ",p=");
	base64_encode(&final, slice_of(proof, sizeof(proof)));
	buf_append_slice(out, buf_slice(&final));
	c->state = SCRAM_CLIENT_PROVED;
}

static int say_refused(struct slice reason, struct fault *f)
{
	enum {
		SHOWN_MAX = 60
	};
	bool is_good = reason.len <= SHOWN_MAX && scram_is_printable(reason);

	fault_set(f, FAULT_AUTH,
		"error received from server in SCRAM exchange: %.*s",
		is_good ? (int)reason.len : 0, is_good ? reason.data : "");
	return SCRAM_E_DENIED;
}

int scram_client_verify(
	struct scram_client *c, struct slice message, struct fault *f)
{
	struct scram_reader r = { message };
	uint8_t signature[SCRAM_KEY_LEN];
	struct slice value;
	size_t len;
	int e;

	if (c->state != SCRAM_CLIENT_PROVED)
		return say_unexpected(f);
	e = scram_message_check(message, f);
	if (e < 0)
		return e;
	if (scram_peek(&r) == 'e') {
		e = scram_read(&r, 'e', &value, f);
		return e < 0 ? e : say_refused(value, f);
	}
	e = scram_read(&r, 'v', &value, f);
	if (e < 0)
		return e;
	e = base64_decode(value, signature, sizeof(signature), &len);
	if (e < 0 || len != sizeof(signature))
		return scram_malformed(f, "Invalid server signature.");
	if (r.rest.len)
		return scram_malformed(
			f, "Garbage found at the end of server-final-message.");
	if (!mem_equal_ct(signature, c->signature, sizeof(signature))) {
		fault_set(f, FAULT_AUTH, "incorrect server signature");
		return SCRAM_E_DENIED;
	}
	c->state = SCRAM_CLIENT_DONE;
	return 0;
}
