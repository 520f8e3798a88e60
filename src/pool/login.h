#pragma once

/*
 * One login at the server, what its files share.
 *
 *   login.c   connecting, TLS, one message after the other, the end
 *   prove.c   authentication, ours and the server's
 *   greet.c   from AuthenticationOk to ReadyForQuery
 */
#include "pool/pool_priv.h"

enum login_state {
#define LOGIN_STATE(name, label, says) LOGIN_##name,
#include "pool/login_states.def"
#undef LOGIN_STATE
	LOGIN_STATES
};

struct login {
	struct connector connector;
	struct timer deadline;
	struct backend *backend; /* NULL once the login is over */
	struct backend *orphan;	 /* freed with us when its stream never was */
	enum login_state state;
	struct scram_client scram;
	struct secret_waiter waiter; /* for the keys of a password */
	struct buf greeting;	     /* ParameterStatus messages so far */
	uint8_t n_open;
	bool has_key; /* BackendKeyData has come */
};

void login_enter(struct login *l, enum login_state state);

/* It is over; what is said is behind "cannot log in at the ...: ". */
void login_fail(struct login *l, enum fault_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The same when the server has broken the protocol. */
void login_broken(struct login *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* It is over; the backend goes to the pool. */
void login_succeed(struct login *l);

/* Sends a message and wipes it. */
void login_send(struct login *l, struct buf *message);

/* What a word means; data is what stands behind type, length and code. */
typedef void login_word_fn(struct login *l, struct slice data);
login_word_fn login_ok, login_cleartext, login_md5; /* prove.c */
login_word_fn login_sasl, login_continue, login_final;
login_word_fn login_parameter, login_key, login_ready; /* greet.c */
