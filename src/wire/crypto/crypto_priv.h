#pragma once

#include "wire/crypto/crypto.h"

/* ---- attributes of SCRAM messages ------------------------------------- */

/* What is left to read of "a=value,b=value". */
struct scram_reader {
	struct slice rest;
};

/* The next character, or NUL at the end. */
char scram_peek(const struct scram_reader *r);

/*
 * The value of the next attribute, which must be this one. -EPROTO with *f
 * set in PostgreSQL's words.
 */
int scram_read(struct scram_reader *r, char name, struct slice *ret_value,
	struct fault *f);

/* The value of the next attribute, whatever it is. */
int scram_read_any(struct scram_reader *r, char *ret_name,
	struct slice *ret_value, struct fault *f);

/* Printable ASCII but the comma: what nonces are made of (RFC 5802). */
bool scram_is_printable(struct slice text);

/* A stranger's character as PostgreSQL shows it: 'x' or 0xe9. */
struct scram_shown {
	char text[8];
};
struct scram_shown scram_show(char c);

/* Not too long, not empty, no NUL. */
int scram_message_check(struct slice message, struct fault *f);

/* Sets *f to "malformed SCRAM message" and this detail; -EPROTO. */
int scram_malformed(struct fault *f, const char *detail);

/* ---- what both sides need --------------------------------------------- */

void scram_xor(const uint8_t a[SCRAM_KEY_LEN], const uint8_t b[SCRAM_KEY_LEN],
	uint8_t ret[SCRAM_KEY_LEN]);

#define SCRAM_BINDING_TYPE "tls-server-end-point"
#define SCRAM_GS2_PLUS	   "p=" SCRAM_BINDING_TYPE ",,"

/* -EINVAL for the salt, -ERANGE for the iterations. */
int scram_salt_parse(struct slice salt, struct slice iterations,
	struct scram_salt *ret_salt);

/* The value of "c=" in client-final: base64 of gs2 header and binding. */
void scram_put_binding(struct buf *out, char flag, struct slice binding);
