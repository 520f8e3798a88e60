/*
 * Cleaning up after a client that is gone: what runs is cancelled, COPY is
 * failed, the transaction is rolled back. The answers are swallowed; when
 * the last one has come and the server says it is idle, the backend can be
 * lent again.
 */
#include "pool/pool_priv.h"

static const struct backend_ops clean_ops;

static void clean_done(struct backend *b)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };

	if (b->tx == 'I') {
		pool_release(b);
		return;
	}
	pg_put_query(&message, SLICE("ROLLBACK"));
	stream_write_slice(&b->stream, buf_slice(&message));
	b->n_ready = 1;
}

/* False when the backend is not ours any more. */
static bool clean_message(struct backend *b, struct slice message)
{
	switch (message.data[0]) {
	case PG_BACK_READY_FOR_QUERY:
		b->tx = message.data[PG_HEAD];
		if (--b->n_ready == 0) {
			clean_done(b);
			return b->ops == &clean_ops;
		}
		return true;
	case PG_BACK_PARAMETER_STATUS:
		/* A rollback may take settings back; what is set now is not
		 * known any more. */
		b->must_close = true;
		return true;
	default:
		return true;
	}
}

static size_t on_clean_input(
	void *tenant, struct backend *b, struct slice bytes)
{
	size_t used = 0;

	(void)tenant;
	while (used < bytes.len) {
		struct slice rest = slice_from(bytes, used);
		struct pg_head head;
		size_t whole;

		if (b->body_left) {
			size_t n = MIN(rest.len, b->body_left);

			b->body_left -= (uint32_t)n;
			used += n;
			continue;
		}
		if (pg_head_parse(rest, &head) != PG_HEAD_OK)
			break;
		whole = PG_HEAD + (size_t)head.len;
		if (head.type == PG_BACK_READY_FOR_QUERY) {
			if (rest.len < whole)
				break;
			used += whole;
			if (!clean_message(b, rest))
				break;
			continue;
		}
		clean_message(b, rest);
		b->body_left = head.len;
		used += PG_HEAD;
	}
	return used;
}

static void on_clean_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)tenant;
	(void)b;
	(void)error;
}

static const struct backend_ops clean_ops = {
	.input = on_clean_input,
	.lost = on_clean_lost,
};

/* How many ReadyForQuery messages what is owed will bring; -1: not known. */
static int owed_ready(struct backend *b)
{
	int n = 0;

	for (uint32_t i = 0; i < b->replies.len; i++) {
		const struct reply *r = backend_reply(b, i);

		if (r->flags & REPLY_MAYBE)
			return -1;
		n += reply_ends_ready(r);
	}
	return n;
}

static void put_copy_fail(struct buf *message)
{
	size_t begun = pg_begin(message, PG_FRONT_COPY_FAIL);

	buf_put_cstr(message, SLICE("the client is gone"));
	pg_end(message, begun);
}

void pool_abandon(struct backend *b)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };
	int owed = owed_ready(b);

	if (b->must_close || owed < 0 || b->state != BACKEND_LEASED) {
		/* PostgreSQL would run on until it has something to say. */
		if (b->replies.len && b->state == BACKEND_LEASED)
			backend_cancel(b, NULL);
		backend_close(b);
		return;
	}
	backend_lend(b, &clean_ops, NULL);
	if (!b->replies.len && b->tx == 'I') {
		pool_release(b);
		return;
	}
	backend_enter(b, BACKEND_CLEANING);
	if (!b->replies.len) {
		clean_done(b);
		return;
	}
	backend_cancel(b, NULL);
	while (b->replies.len) {
		statement_unref(backend_head(b)->statement);
		backend_pop(b);
	}
	/* Both are ignored where they do not fit. */
	put_copy_fail(&message);
	pg_put_empty(&message, PG_FRONT_SYNC);
	stream_write_slice(&b->stream, buf_slice(&message));
	b->n_ready = (uint32_t)owed + 1;
}
