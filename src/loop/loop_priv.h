#pragma once

/* What the files of loop/ share and nobody else sees. */
#include <sys/uio.h>

#include "loop/loop.h"

enum {
	LOOP_HOOKS_MAX = 4,
	CHUNK_SIZE = 16 * 1024,
	CHUNKS_KEPT = 64, /* free chunks a loop keeps for the next writer */

	/* RFC 5246, 6.2.3: header, payload and what encryption may add. */
	TLS_RECORD_MAX = 5 + 16384 + 2048,
	/* Records made ahead of the socket. Answers of TLS itself come on top;
	 * a peer that provokes them without reading is not read from. */
	TLS_OUT_MAX = 64 * 1024,
	TLS_OUT_STOP = 2 * TLS_OUT_MAX,
};

struct stream_chunk {
	struct stream_chunk *next;
	uint32_t start; /* the first byte that has not left */
	uint32_t end;
	char data[CHUNK_SIZE - 16];
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t before_wait;
	uv_check_t after_wait;
	struct list dirty;	     /* streams with output of this turn */
	struct list finishing;	     /* streams ending, the longest first */
	struct timer finish;	     /* runs while that list has members */
	uint64_t finish_ms;	     /* STREAM_FINISH_MS */
	struct stream_chunk *chunks; /* free ones */
	size_t n_chunks;
	struct {
		turn_hook_fn *fn;
		void *owner;
	} hooks[LOOP_HOOKS_MAX];
	size_t n_hooks;
	uint64_t now_us; /* 0: not asked for in this turn */
	bool is_stopped;
	char scratch[STREAM_READ_MAX]; /* one read, before anybody kept it */
	char plain[STREAM_READ_MAX + TLS_RECORD_MAX]; /* and decrypted */
};

/* Frees what the loop kept. */
void chunks_deinit(struct loop *loop);

/* Zeroed memory is an empty queue; dropping all empties it again. */
void queue_append(struct stream_queue *q, struct loop *loop, const void *data,
	size_t len);
void queue_drop(struct stream_queue *q, struct loop *loop, size_t len);

/* The first bytes in order, in at most n_max parts; returns how many. */
size_t queue_vector(const struct stream_queue *q, struct iovec *vector,
	size_t n_max, size_t *ret_len);

/* Ends a turn: hooks, then output. */
void loop_end_turn(struct loop *loop);

/* Closes the stream when its last output has not left in time. */
void loop_finish(struct loop *loop, struct stream *s);

/* Lets output leave and tells the owner what there is to tell of it. */
void stream_end_turn(struct stream *s);

/* Puts bytes that are TLS already behind the output. */
void stream_write_wire(struct stream *s, struct slice bytes);

/* The stream speaks TLS from the end of this turn on. */
void stream_attach_tls(struct stream *s, struct tls *tls);

/* ---- TLS -------------------------------------------------------------- */

struct x509_st;

struct tls_context {
	struct ssl_ctx_st *ssl;
	struct bio_method_st *bio;
	unsigned n_refs;
	bool checks_name; /* client: verify-full */
	bool hides_name;
	bool must_alpn; /* client */
};

struct tls {
	struct ssl_st *ssl;
	struct tls_context *context; /* ref */
	struct stream *stream;	     /* borrowed */
	struct stream_queue plain;   /* written and not encrypted yet */
	struct slice wire; /* borrowed: came, and SSL has not read it */
	char *error;	   /* why it failed */
	bool must_alpn;
	bool is_started;
	bool is_done; /* the handshake */
	bool is_over; /* the peer said goodbye, or it failed (error) */
};

/* Takes what came from the socket, all of it, and carries the handshake on.
 * Returns how many bytes are in plain, which has room for TLS_RECORD_MAX more
 * than wire.len. What TLS has to say goes to stream_write_wire(). */
size_t tls_decrypt(
	struct tls *tls, struct slice wire, char *plain, size_t size);

/* The socket's end without TLS's own. */
void tls_cut(struct tls *tls);

/* Turns what was written into records, TLS_OUT_MAX of them at a time. 0, or
 * -EPROTO when it cannot. */
int tls_encrypt(struct tls *tls);

/* Writes close_notify, where there is somebody to understand it. */
void tls_say_goodbye(struct tls *tls);
void tls_destroy(struct tls *tls);

/* SNI, and with verify-full the name to insist on. */
void tls_expect_peer(struct tls *tls, const char *host);

/*
 * The subject's common name in UTF-8, for OPENSSL_free(). NULL when there is
 * none, or one that hides a NUL (CVE-2009-4034).
 */
char *tls_common_name(struct x509_st *cert);

/* Is that the address, and does the certificate name no address elsewhere? */
bool tls_is_named_as_address(struct x509_st *cert, const char *address);

/* It is over; the first reason stays. */
void tls_fail(struct tls *tls, const char *why);

/* OpenSSL's first error: is it that one; and its text, emptying its queue. */
bool tls_is_error(int library, int reason);
void tls_reason(char *text, size_t size);

struct bio_method_st *tls_bio_create(void);
