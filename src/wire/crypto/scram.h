#pragma once

/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; channel binding
 * tls-server-end-point of RFC 5929) as PostgreSQL 15 speaks them, both sides,
 * message by message. Part of crypto.h: include that.
 *
 *     client                                              server
 *       n,,n=,r=C                            ----->
 *                                            <-----  r=CS,s=salt,i=4096
 *       c=biws,r=CS,p=proof                  ----->
 *                                            <-----  v=signature
 *
 * Every message is judged whole and must not exceed SCRAM_MESSAGE_MAX. What
 * breaks the protocol is -EPROTO with *f set to what PostgreSQL (on the
 * server side) or libpq (on the client side) says to it.
 *
 * Passwords. PostgreSQL runs them through SASLprep (RFC 4013) and uses the
 * raw bytes when that fails. Here the raw bytes are always used, and only
 * where that is provably the same: pure ASCII, text that is not UTF-8, and
 * UTF-8 of which SASLprep's mapping and NFKC change nothing (most letters of
 * most scripts; then both of PostgreSQL's ways end at the raw bytes). Any
 * other password is SCRAM_E_PASSWORD: it has characters such as no-break
 * spaces, superscripts, full-width letters, or accents written apart from
 * their letter. saslprep.c has the proof.
 */
#include "base/base.h"

enum {
	SCRAM_KEY_LEN = 32,
	SCRAM_SALT_LEN = 16,		 /* of the salts we make */
	SCRAM_SALT_MAX = 64,		 /* of the salts we take */
	SCRAM_ITERATIONS = 4096,	 /* PostgreSQL's default */
	SCRAM_ITERATIONS_MAX = 10000000, /* about two seconds of work */
	SCRAM_BINDING_MAX = 64,		 /* an end-point hash: up to SHA-512 */
	SCRAM_NONCE_LEN = 24,		 /* of the nonces we make */
	SCRAM_MESSAGE_MAX = 1020,	 /* PostgreSQL's 1024 with the length */
};

enum scram_outcome {
	SCRAM_E_PASSWORD = 1, /* SASLprep might change this password */
	SCRAM_E_DENIED,	      /* whoever is there does not know the secret */
};

#define SCRAM_MECHANISM	     "SCRAM-SHA-256"
#define SCRAM_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"

/* ---- secrets ---------------------------------------------------------- */

/* What keys depend on besides the password. */
struct scram_salt {
	uint32_t iterations;
	uint8_t len;
	uint8_t bytes[SCRAM_SALT_MAX];
};

/* Enough to log in as a client; as secret as a password. */
struct scram_keys {
	uint8_t client_key[SCRAM_KEY_LEN];
	uint8_t server_key[SCRAM_KEY_LEN];
};

/* Enough to let a client log in: what pg_authid keeps. */
struct scram_verifier {
	struct scram_salt salt;
	uint8_t stored_key[SCRAM_KEY_LEN];
	uint8_t server_key[SCRAM_KEY_LEN];
};

/* Fills SCRAM_NONCE_LEN printable characters. */
void scram_nonce_make(char ret_nonce[SCRAM_NONCE_LEN]);

bool scram_salt_equal(const struct scram_salt *a, const struct scram_salt *b);

/*
 * A salt that looks random and is always the same for one user, whether there
 * is such a user or not: what a stranger is shown must not tell. The secret
 * is of the whole gateway; workers must agree on it.
 */
void scram_salt_make(
	struct slice secret, struct slice user, struct scram_salt *ret_salt);

/* Is what PostgreSQL makes of this password the password itself, for sure? */
bool scram_password_ok(struct slice password);

/*
 * The expensive step, PBKDF2: 0.8 ms at 4096 iterations, 2 s at the most.
 * Touches nothing but its arguments, so that it may run on any thread; keep
 * the result. 0, or SCRAM_E_PASSWORD when the password is not ok.
 */
int scram_keys_derive(struct slice password, const struct scram_salt *salt,
	struct scram_keys *ret_keys);

void scram_verifier_make(const struct scram_keys *keys,
	const struct scram_salt *salt, struct scram_verifier *ret_verifier);

/* Do the keys belong to it? */
bool scram_verifier_match(
	const struct scram_verifier *verifier, const struct scram_keys *keys);

/* SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>; -EINVAL. */
int scram_verifier_parse(
	struct slice text, struct scram_verifier *ret_verifier);
void scram_verifier_format(
	const struct scram_verifier *verifier, struct buf *out);

/* ---- the server's side ------------------------------------------------ */

enum scram_server_state {
	SCRAM_SERVER_IDLE,
	SCRAM_SERVER_SELECTED,
	SCRAM_SERVER_CHALLENGED,
	SCRAM_SERVER_DONE,
};

/* Embedded; about 400 bytes and the messages so far. */
struct scram_server {
	enum scram_server_state state;
	bool is_mock; /* no such user: same work, same words, and no */
	bool is_plus; /* the client chose -PLUS */
	char flag;    /* of its gs2 header: n, y or p */
	uint8_t binding_len;
	uint8_t binding[SCRAM_BINDING_MAX];
	struct scram_verifier verifier;
	struct buf said; /* client-first-bare,server-first */
	size_t nonce_at; /* in said, after server-first's "r=" */
	size_t nonce_len;
};

/*
 * A verifier of NULL starts a mock exchange on the given salt, which always
 * ends in SCRAM_E_DENIED; otherwise salt is not looked at. A binding (the
 * hash of our certificate) means that -PLUS is offered.
 */
void scram_server_init(struct scram_server *s,
	const struct scram_verifier *verifier, const struct scram_salt *salt,
	struct slice binding);
void scram_server_deinit(struct scram_server *s);

/* The body of AuthenticationSASL: names, each with its NUL, and a NUL. */
void scram_server_offer(const struct scram_server *s, struct buf *out);

/* What the client picked of it. */
int scram_server_select(
	struct scram_server *s, struct slice mechanism, struct fault *f);

/* client-first in, server-first out; the nonce is ours, and printable. */
int scram_server_first(struct scram_server *s, struct slice message,
	struct slice nonce, struct buf *out, struct fault *f);

/*
 * client-final in, server-final out. 0: it is the user, and *ret_keys is good
 * for a login elsewhere with the same verifier. SCRAM_E_DENIED: it is not.
 */
int scram_server_final(struct scram_server *s, struct slice message,
	struct buf *out, struct scram_keys *ret_keys, struct fault *f);

/* ---- the client's side ------------------------------------------------ */

/*
 * Messages may be given in the order they arrive: one out of turn is -EPROTO.
 * An AuthenticationOk that comes before SCRAM_CLIENT_DONE comes from a server
 * that has not proved itself; only the caller sees it.
 */
enum scram_client_state {
	SCRAM_CLIENT_IDLE,
	SCRAM_CLIENT_BEGUN,
	SCRAM_CLIENT_CHALLENGED,
	SCRAM_CLIENT_PROVED,
	SCRAM_CLIENT_DONE,
};

struct scram_client {
	enum scram_client_state state;
	char flag; /* n: no TLS; y: the server does not; p: bound */
	uint8_t binding_len;
	uint8_t binding[SCRAM_BINDING_MAX];
	struct scram_salt salt; /* what the server asked for, once CHALLENGED */
	struct buf said;	/* client-first-bare,server-first */
	size_t nonce_at;	/* the whole nonce, in said */
	size_t nonce_len;
	uint8_t signature[SCRAM_KEY_LEN]; /* the server must say, once PROVED */
};

/* A binding is the hash of the server's certificate; empty without TLS. */
void scram_client_init(struct scram_client *c, struct slice binding);
void scram_client_deinit(struct scram_client *c);

/*
 * From the body of AuthenticationSASL: picks the mechanism (-PLUS when both
 * ends can), writes client-first.
 */
int scram_client_first(struct scram_client *c, struct slice offer,
	struct slice nonce, const char **ret_mechanism, struct buf *out,
	struct fault *f);

/* server-first in; then c->salt is what the keys are to be made with. */
int scram_client_challenge(
	struct scram_client *c, struct slice message, struct fault *f);

/* client-final out. The keys must be those of c->salt. */
void scram_client_prove(
	struct scram_client *c, const struct scram_keys *keys, struct buf *out);

/*
 * server-final in. 0: the server knows the secret too. SCRAM_E_DENIED with
 * *f set: it says no, or it does not know it and may be an impostor.
 */
int scram_client_verify(
	struct scram_client *c, struct slice message, struct fault *f);
