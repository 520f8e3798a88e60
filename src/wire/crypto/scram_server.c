/*
 * SCRAM, the side that asks: Howdah to its clients. Checks and their order
 * are PostgreSQL's (auth-scram.c of version 15 was questioned, message by
 * message), so that a wrong client hears from Howdah what it would hear from
 * PostgreSQL.
 */
#include "wire/crypto/crypto_priv.h"

#include <errno.h>
#include <stdio.h>

void scram_server_init(struct scram_server *s,
	const struct scram_verifier *verifier, const struct scram_salt *salt,
	struct slice binding)
{
	check(binding.len <= SCRAM_BINDING_MAX);
	*s = (struct scram_server){ .state = SCRAM_SERVER_IDLE };
	if (verifier) {
		s->verifier = *verifier;
	} else {
		s->is_mock = true;
		s->verifier.salt = *salt;
	}
	s->binding_len = (uint8_t)binding.len;
	if (binding.len)
		memcpy(s->binding, binding.data, binding.len);
}

void scram_server_deinit(struct scram_server *s)
{
	buf_deinit(&s->said);
	explicit_bzero(s, sizeof(*s));
}

void scram_server_offer(const struct scram_server *s, struct buf *out)
{
	if (s->binding_len)
		buf_put_cstr(out, SLICE(SCRAM_MECHANISM_PLUS));
	buf_put_cstr(out, SLICE(SCRAM_MECHANISM));
	buf_put_u8(out, 0);
}

int scram_server_select(
	struct scram_server *s, struct slice mechanism, struct fault *f)
{
	bool is_plus = slice_is(mechanism, SCRAM_MECHANISM_PLUS);

	check(s->state == SCRAM_SERVER_IDLE);
	if (is_plus ? !s->binding_len : !slice_is(mechanism, SCRAM_MECHANISM)) {
		fault_set(f, FAULT_PROTOCOL,
			"client selected an invalid SASL authentication mechanism");
		return -EPROTO;
	}
	s->is_plus = is_plus;
	s->state = SCRAM_SERVER_SELECTED;
	return 0;
}

/* ---- client-first ----------------------------------------------------- */

/* The client says it could bind, and did not see our offer: somebody between
 * us may have taken it away. */
static int say_downgraded(struct fault *f)
{
	fault_set(f, FAULT_AUTH_SPECIFICATION,
		"SCRAM channel binding negotiation error");
	fault_detail(f,
		"The client supports SCRAM channel binding but thinks the server"
		" does not.  However, this server does support channel binding.");
	return -EPROTO;
}

/* "p=" and the type of binding; the reader stands before it. */
static int read_binding_type(
	struct scram_server *s, struct scram_reader *r, struct fault *f)
{
	char shown[31] = "";
	struct slice type;
	int e;

	if (!s->is_plus)
		return scram_malformed(f,
			"The client selected SCRAM-SHA-256 without channel binding, but"
			" the SCRAM message includes channel binding data.");
	e = scram_read(r, 'p', &type, f);
	if (e < 0)
		return e;
	if (slice_is(type, SCRAM_BINDING_TYPE))
		return 0;
	for (size_t i = 0; i < type.len && i < sizeof(shown) - 1; i++)
		shown[i] = type.data[i] > 0x20 && type.data[i] < 0x7f
				   ? type.data[i]
				   : '?';
	fault_set(f, FAULT_PROTOCOL,
		"unsupported SCRAM channel-binding type \"%s\"", shown);
	return -EPROTO;
}

/* "n," or "y,". */
static int read_no_binding(
	struct scram_server *s, struct scram_reader *r, struct fault *f)
{
	if (s->is_plus)
		return scram_malformed(f,
			"The client selected SCRAM-SHA-256-PLUS, but the SCRAM message"
			" does not include channel binding data.");
	if (s->flag == 'y' && s->binding_len)
		return say_downgraded(f);
	r->rest = slice_from(r->rest, 1);
	if (scram_peek(r) == ',') {
		r->rest = slice_from(r->rest, 1);
		return 0;
	}
	fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
	fault_detail(f, "Comma expected, but found character \"%s\".",
		scram_show(scram_peek(r)).text);
	return -EPROTO;
}

/* The flag, and the empty place of an authorization identity. */
static int read_gs2_header(
	struct scram_server *s, struct scram_reader *r, struct fault *f)
{
	int e;

	s->flag = scram_peek(r);
	if (s->flag == 'p') {
		e = read_binding_type(s, r, f);
	} else if (s->flag == 'n' || s->flag == 'y') {
		e = read_no_binding(s, r, f);
	} else {
		fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
		fault_detail(f, "Unexpected channel-binding flag \"%s\".",
			scram_show(s->flag).text);
		e = -EPROTO;
	}
	if (e < 0)
		return e;
	if (scram_peek(r) == ',') {
		r->rest = slice_from(r->rest, 1);
		return 0;
	}
	if (scram_peek(r) == 'a') {
		fault_set(f, FAULT_UNSUPPORTED,
			"client uses authorization identity, but it is not supported");
		return -EPROTO;
	}
	fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
	fault_detail(f, "Unexpected attribute \"%s\" in client-first-message.",
		scram_show(scram_peek(r)).text);
	return -EPROTO;
}

/* User name (the startup packet has it, this one is ignored), nonce. */
static int read_bare(
	struct scram_reader *r, struct slice *ret_nonce, struct fault *f)
{
	struct slice nonce, ignored;
	char name;
	int e;

	if (scram_peek(r) == 'm') {
		fault_set(f, FAULT_UNSUPPORTED,
			"client requires an unsupported SCRAM extension");
		return -EPROTO;
	}
	e = scram_read(r, 'n', &ignored, f);
	if (e < 0)
		return e;
	e = scram_read(r, 'r', &nonce, f);
	if (e < 0)
		return e;
	if (!scram_is_printable(nonce)) {
		fault_set(f, FAULT_PROTOCOL,
			"non-printable characters in SCRAM nonce");
		return -EPROTO;
	}
	while (r->rest.len) {
		e = scram_read_any(r, &name, &ignored, f);
		if (e < 0)
			return e;
	}
	*ret_nonce = nonce;
	return 0;
}

static void challenge(struct scram_server *s, struct slice client_nonce,
	struct slice server_nonce)
{
	const struct scram_salt *salt = &s->verifier.salt;

	buf_append_str(&s->said, "r=");
	s->nonce_at = s->said.len;
	buf_append_slice(&s->said, client_nonce);
	buf_append_slice(&s->said, server_nonce);
	s->nonce_len = s->said.len - s->nonce_at;
	buf_append_str(&s->said, ",s=");
	base64_encode(&s->said, slice_of(salt->bytes, salt->len));
	buf_printf(&s->said, ",i=%u", salt->iterations);
}

int scram_server_first(struct scram_server *s, struct slice message,
	struct slice nonce, struct buf *out, struct fault *f)
{
	struct scram_reader r = { message };
	struct slice bare, client_nonce;
	size_t begun;
	int e;

	check(s->state == SCRAM_SERVER_SELECTED);
	e = scram_message_check(message, f);
	if (e < 0)
		return e;
	e = read_gs2_header(s, &r, f);
	if (e < 0)
		return e;
	bare = r.rest;
	e = read_bare(&r, &client_nonce, f);
	if (e < 0)
		return e;
	buf_append_slice(&s->said, bare);
	buf_put_u8(&s->said, ',');
	begun = s->said.len;
	challenge(s, client_nonce, nonce);
	buf_append_slice(out, slice_from(buf_slice(&s->said), begun));
	s->state = SCRAM_SERVER_CHALLENGED;
	return 0;
}

/* ---- client-final ----------------------------------------------------- */

struct client_final {
	struct slice without_proof;
	struct slice nonce;
	uint8_t proof[SCRAM_KEY_LEN];
};

/* The client repeats its gs2 header, under its signature, and with it the
 * certificate it saw. */
static int check_binding(
	const struct scram_server *s, struct slice value, struct fault *f)
{
	CLEANUP(buf_deinit) struct buf expected = { 0 };

	scram_put_binding(
		&expected, s->flag, slice_of(s->binding, s->binding_len));
	if (slice_equal(value, buf_slice(&expected)))
		return 0;
	if (s->is_plus)
		fault_set(f, FAULT_AUTH_SPECIFICATION,
			"SCRAM channel binding check failed");
	else
		fault_set(f, FAULT_PROTOCOL,
			"unexpected SCRAM channel-binding attribute in"
			" client-final-message");
	return -EPROTO;
}

static int read_proof(
	struct slice value, uint8_t ret_proof[SCRAM_KEY_LEN], struct fault *f)
{
	size_t len;
	int e = base64_decode(value, ret_proof, SCRAM_KEY_LEN, &len);

	if (e < 0 || len != SCRAM_KEY_LEN)
		return scram_malformed(
			f, "Malformed proof in client-final-message.");
	return 0;
}

static int read_final(const struct scram_server *s, struct slice message,
	struct client_final *ret, struct fault *f)
{
	struct scram_reader r = { message };
	struct slice value;
	char name;
	int e;

	e = scram_read(&r, 'c', &value, f);
	if (e < 0)
		return e;
	e = check_binding(s, value, f);
	if (e < 0)
		return e;
	e = scram_read(&r, 'r', &ret->nonce, f);
	if (e < 0)
		return e;
	do {
		/* What is signed ends before the comma of the proof. */
		size_t signed_len = message.len - r.rest.len - 1;

		ret->without_proof = slice_of(message.data, signed_len);
		e = scram_read_any(&r, &name, &value, f);
		if (e < 0)
			return e;
	} while (name != 'p');
	e = read_proof(value, ret->proof, f);
	if (e < 0)
		return e;
	if (r.rest.len)
		return scram_malformed(
			f, "Garbage found at the end of client-final-message.");
	return 0;
}

static int check_nonce(
	const struct scram_server *s, struct slice nonce, struct fault *f)
{
	if (slice_equal(
		    nonce, slice_of(s->said.data + s->nonce_at, s->nonce_len)))
		return 0;
	fault_set(f, FAULT_PROTOCOL, "invalid SCRAM response");
	fault_detail(f, "Nonce does not match.");
	return -EPROTO;
}

/* ClientKey = proof ^ HMAC(StoredKey, said); its hash must be StoredKey. */
static int check_proof(const struct scram_server *s,
	const uint8_t proof[SCRAM_KEY_LEN], struct scram_keys *ret_keys)
{
	const struct scram_verifier *v = &s->verifier;
	uint8_t signature[SCRAM_KEY_LEN];
	uint8_t stored[SCRAM_KEY_LEN];
	struct scram_keys keys;
	bool is_right;

	crypto_hmac_sha256(slice_of(v->stored_key, SCRAM_KEY_LEN),
		buf_slice(&s->said), signature);
	scram_xor(proof, signature, keys.client_key);
	crypto_sha256(slice_of(keys.client_key, SCRAM_KEY_LEN), stored);
	is_right = mem_equal_ct(stored, v->stored_key, SCRAM_KEY_LEN);
	memcpy(keys.server_key, v->server_key, SCRAM_KEY_LEN);
	if (is_right && !s->is_mock)
		*ret_keys = keys;
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(signature, sizeof(signature));
	return is_right && !s->is_mock ? 0 : SCRAM_E_DENIED;
}

int scram_server_final(struct scram_server *s, struct slice message,
	struct buf *out, struct scram_keys *ret_keys, struct fault *f)
{
	uint8_t signature[SCRAM_KEY_LEN];
	struct client_final final;
	int e;

	check(s->state == SCRAM_SERVER_CHALLENGED);
	e = scram_message_check(message, f);
	if (e < 0)
		return e;
	e = read_final(s, message, &final, f);
	if (e < 0)
		return e;
	e = check_nonce(s, final.nonce, f);
	if (e < 0)
		return e;
	buf_put_u8(&s->said, ',');
	buf_append_slice(&s->said, final.without_proof);
	s->state = SCRAM_SERVER_DONE;
	e = check_proof(s, final.proof, ret_keys);
	if (e)
		return e;
	crypto_hmac_sha256(slice_of(s->verifier.server_key, SCRAM_KEY_LEN),
		buf_slice(&s->said), signature);
	buf_append_str(out, "v=");
	base64_encode(out, slice_of(signature, sizeof(signature)));
	return 0;
}
