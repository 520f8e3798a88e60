#pragma once

/* What the files of loop/ share and nobody else sees. */
#include "loop/loop.h"

enum {
	LOOP_HOOKS_MAX = 4,
	CHUNK_SIZE = 16 * 1024,
	CHUNKS_KEPT = 64, /* free chunks a loop keeps for the next writer */
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
	uv_idle_t again;     /* active while ready holds streams */
	struct list dirty;   /* streams with output of this turn */
	struct list ready;   /* TLS streams with input already decrypted */
	struct stream_chunk *chunks; /* free ones */
	size_t n_chunks;
	struct {
		turn_hook_fn *fn;
		void *owner;
	} hooks[LOOP_HOOKS_MAX];
	size_t n_hooks;
	char scratch[STREAM_READ_MAX]; /* one read, before anybody kept it */
};

struct stream_chunk *chunk_take(struct loop *loop);
void chunk_give(struct loop *loop, struct stream_chunk *chunk);

/* Ends a turn: hooks, then output. */
void loop_end_turn(struct loop *loop);

/* One round of reading, for on_readable and for the ready list. */
void stream_read(struct stream *s);
void stream_set_events(struct stream *s);

/*
 * The TLS side of a stream. read and write return the bytes moved, 0 at the
 * peer's end (read), -EAGAIN, or a negative errno. Until the handshake is
 * done both carry it on.
 */
struct tls {
	struct ssl_st *ssl;
	struct tls_context *context; /* ref */
	bool is_done;         /* the handshake */
	bool wants_write;     /* the handshake, or a renegotiated key */
	struct list ready;    /* in loop->ready while ssl holds input */
	struct stream *stream; /* borrowed */
};

/* Reads the stream again in the next turn, though its socket is silent. */
void loop_read_again(struct loop *loop, struct tls *tls);

ssize_t tls_read(struct stream *s, void *data, size_t len);
ssize_t tls_write(struct stream *s, const void *data, size_t len);

/* True when decrypted input waits inside the TLS layer. */
bool tls_has_input(const struct stream *s);

/* Sends close_notify if it can be done at once. */
void tls_shutdown(struct stream *s);
void tls_destroy(struct tls *tls);
