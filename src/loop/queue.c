/*
 * Output that waits: a chain of chunks of one size, so that taking bytes in
 * never moves what is there already. A loop keeps some free chunks for the
 * next writer; an empty queue owns none.
 */
#include "loop/loop_priv.h"

#include <stdlib.h>

static struct stream_chunk *chunk_take(struct loop *loop)
{
	struct stream_chunk *chunk = loop->chunks;

	if (chunk) {
		loop->chunks = chunk->next;
		loop->n_chunks--;
	} else {
		chunk = xrealloc(NULL, sizeof(*chunk));
	}
	chunk->next = NULL;
	chunk->start = 0;
	chunk->end = 0;
	return chunk;
}

static void chunk_give(struct loop *loop, struct stream_chunk *chunk)
{
	if (loop->n_chunks >= CHUNKS_KEPT) {
		free(chunk);
		return;
	}
	chunk->next = loop->chunks;
	loop->chunks = chunk;
	loop->n_chunks++;
}

void chunks_deinit(struct loop *loop)
{
	while (loop->chunks) {
		struct stream_chunk *chunk = loop->chunks;

		loop->chunks = chunk->next;
		free(chunk);
	}
}

void queue_append(
	struct stream_queue *q, struct loop *loop, const void *data, size_t len)
{
	const char *from = data;

	q->len += len;
	while (len) {
		struct stream_chunk *chunk = q->last;
		size_t n;

		if (!chunk || chunk->end == sizeof(chunk->data)) {
			chunk = chunk_take(loop);
			if (q->last)
				q->last->next = chunk;
			else
				q->first = chunk;
			q->last = chunk;
		}
		n = MIN(len, sizeof(chunk->data) - chunk->end);
		memcpy(chunk->data + chunk->end, from, n);
		chunk->end += (uint32_t)n;
		from += n;
		len -= n;
	}
}

void queue_drop(struct stream_queue *q, struct loop *loop, size_t len)
{
	check(len <= q->len);
	q->len -= len;
	while (q->first) {
		struct stream_chunk *chunk = q->first;
		size_t here = MIN(len, chunk->end - chunk->start);

		chunk->start += (uint32_t)here;
		len -= here;
		if (chunk->start < chunk->end)
			return;
		q->first = chunk->next;
		if (!q->first)
			q->last = NULL;
		chunk_give(loop, chunk);
	}
}

size_t queue_vector(const struct stream_queue *q, struct iovec *vector,
	size_t n_max, size_t *ret_len)
{
	size_t n = 0;
	size_t len = 0;

	for (struct stream_chunk *chunk = q->first; chunk && n < n_max;
		chunk = chunk->next) {
		vector[n].iov_base = chunk->data + chunk->start;
		vector[n].iov_len = chunk->end - chunk->start;
		len += vector[n++].iov_len;
	}
	*ret_len = len;
	return n;
}
