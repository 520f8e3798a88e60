#pragma once

/* What the files of loop/ share and nobody else sees. */
#include <sys/uio.h>

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
	struct list dirty; /* streams with output of this turn */
	struct list finishing; /* streams ending, the longest first */
	struct timer finish;   /* runs while that list has members */
	uint64_t finish_ms;    /* STREAM_FINISH_MS */
	struct stream_chunk *chunks; /* free ones */
	size_t n_chunks;
	struct {
		turn_hook_fn *fn;
		void *owner;
	} hooks[LOOP_HOOKS_MAX];
	size_t n_hooks;
	bool is_stopped;
	char scratch[STREAM_READ_MAX]; /* one read, before anybody kept it */
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
