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

struct stream_chunk *chunk_take(struct loop *loop);
void chunk_give(struct loop *loop, struct stream_chunk *chunk);

/* Ends a turn: hooks, then output. */
void loop_end_turn(struct loop *loop);

/* Closes the stream when its last output has not left in time. */
void loop_finish(struct loop *loop, struct stream *s);
