/*
 * Streams: reading, writing and ending of one connected socket.
 *
 * uv_poll_t rather than uv_tcp_t: one read buffer serves a whole loop, so an
 * idle connection owns no memory beyond struct stream. TLS is a filter in the
 * middle of both ways (tls.c); everything about the socket is here.
 *
 *     socket ──read──► loop->scratch ──input()──► owner
 *                          │ what input() left
 *                          ▼
 *                         in  (kept, shown again in front of the next read)
 *
 *     owner ──stream_write()──► chunks ──end of turn──► socket
 */
#include "loop/loop_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FLUSH_CHUNKS = 16,
	DISCARD_READS = 4,
	STREAM_LIMIT_MAX = 1 << 30, /* twice this still fits in_cap */
};

static void on_stream_ready(uv_poll_t *poll, int status, int events);

static bool wants_input(const struct stream *s)
{
	if (s->is_eof)
		return false;
	if (s->tls && !s->tls->is_done)
		return s->tls->is_started;
	if (s->tls && s->out.len > TLS_OUT_STOP)
		return false;
	return !s->is_paused && !s->is_finishing && s->in_len < s->in_limit;
}

/* What poll should wait for follows from the state; one place computes it. */
static uint8_t wanted_events(const struct stream *s)
{
	uint8_t events = 0;

	if (wants_input(s))
		events |= UV_READABLE;
	/* Output of this turn leaves at its end; only what the socket would
	 * not take is worth waiting for. */
	if (s->out.len && !list_linked(&s->dirty))
		events |= UV_WRITABLE;
	return events;
}

static void poll_for(struct stream *s, uint8_t events)
{
	if (s->is_closing || events == s->events)
		return;
	s->events = events;
	if (events)
		check(uv_poll_start(&s->poll, events, on_stream_ready) == 0);
	else
		uv_poll_stop(&s->poll);
}

/* Goes on waiting for input that nobody wants just now: taking a descriptor
 * out of epoll and putting it back is three system calls, and most pauses end
 * before the peer sends again. When it does send, on_stream_ready() is exact.
 */
static void poll_lazily(struct stream *s)
{
	poll_for(s, wanted_events(s) | (s->events & UV_READABLE));
}

void stream_open(struct stream *s, struct loop *loop, int fd,
	const struct stream_ops *ops)
{
	*s = (struct stream){ 0 };
	s->loop = loop;
	s->fd = fd;
	s->ops = ops;
	s->in_limit = STREAM_READ_MAX;
	check(uv_poll_init(&loop->uv, &s->poll, fd) == 0);
	poll_lazily(s);
}

void stream_set_limit(struct stream *s, size_t limit)
{
	s->in_limit = (uint32_t)MIN(limit, (size_t)STREAM_LIMIT_MAX);
	poll_lazily(s);
}

/* ---- from the output to the socket ------------------------------------ */

/* The end of the turn flushes, unless the socket's own word is awaited. */
static void make_dirty(struct stream *s)
{
	if (!list_linked(&s->dirty) && !(s->events & UV_WRITABLE))
		list_push_back(&s->loop->dirty, &s->dirty);
}

void stream_attach_tls(struct stream *s, struct tls *tls)
{
	check(!s->tls && s->in_len <= STREAM_READ_MAX);
	s->tls = tls;
	make_dirty(s);
}

static ssize_t write_some(struct stream *s, size_t *ret_offered)
{
	struct iovec vector[FLUSH_CHUNKS];
	struct msghdr message = { .msg_iov = vector };
	ssize_t n;

	message.msg_iovlen =
		queue_vector(&s->out, vector, FLUSH_CHUNKS, ret_offered);
	do {
		n = message.msg_iovlen == 1
			    ? send(s->fd, vector[0].iov_base, vector[0].iov_len,
				      MSG_NOSIGNAL)
			    : sendmsg(s->fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void break_output(struct stream *s, int error)
{
	s->broken = error;
	queue_drop(&s->out, s->loop, s->out.len);
	if (s->tls)
		queue_drop(&s->tls->plain, s->loop, s->tls->plain.len);
}

/*
 * Writes until all has left or the socket takes no more. Only a read decides
 * that a connection is lost, for the peer's last words may still be in our
 * buffer; so a failed write is noted and the output dropped.
 */
static void write_output(struct stream *s)
{
	for (;;) {
		size_t offered;
		ssize_t n = s->tls ? tls_encrypt(s->tls) : 0;

		if (!n && !s->out.len)
			return;
		if (!n)
			n = write_some(s, &offered);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			break_output(s, (int)n);
			return;
		}
		queue_drop(&s->out, s->loop, (size_t)n);
		if ((size_t)n < offered)
			return;
	}
}

/* ---- reading ---------------------------------------------------------- */

/* Puts bytes behind those kept already. The room grows with what came, never
 * with what somebody announced. */
static void keep_input(struct stream *s, struct slice more)
{
	size_t len = s->in_len + more.len;
	size_t cap = s->in_cap ? s->in_cap : 512;

	if (!more.len)
		return;
	while (cap < len)
		cap *= 2;
	if (cap != s->in_cap) {
		s->in = xrealloc(s->in, cap);
		s->in_cap = (uint32_t)cap;
	}
	memcpy(s->in + s->in_len, more.data, more.len);
	s->in_len = (uint32_t)len;
}

static void drop_input(struct stream *s)
{
	free(s->in);
	s->in = NULL;
	s->in_len = 0;
	s->in_cap = 0;
}

void stream_consume(struct stream *s, size_t n)
{
	check(n <= s->in_len);
	if (n == s->in_len) {
		drop_input(s);
	} else if (n) {
		memmove(s->in, s->in + n, s->in_len - n);
		s->in_len -= (uint32_t)n;
	}
	poll_lazily(s);
}

/* Shows what came, behind what was kept; keeps what is not consumed. */
static void give_input(struct stream *s, struct slice bytes)
{
	bool is_kept = s->in_len > 0;
	size_t used;

	if (is_kept) {
		keep_input(s, bytes);
		bytes = stream_pending(s);
	}
	used = s->ops->input(s, bytes);
	check(used <= bytes.len);
	if (s->is_closing)
		return;
	if (is_kept)
		stream_consume(s, used);
	else if (used < bytes.len)
		keep_input(s, slice_from(bytes, used));
}

/* One recv(). The limit holds to the byte where bytes are what is kept; of
 * TLS a whole record must be had before any of it counts. */
static ssize_t read_some(struct stream *s)
{
	size_t size = sizeof(s->loop->scratch);
	size_t room = s->in_limit > s->in_len ? s->in_limit - s->in_len : 0;
	ssize_t n;

	if (s->tls)
		room += TLS_RECORD_MAX;
	do {
		n = recv(s->fd, s->loop->scratch, MIN(room, size), 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* A stream that cannot be written to is not half open, it is lost. */
static void end_input(struct stream *s, int error)
{
	s->is_eof = true;
	if (!error)
		error = s->broken;
	if (s->is_finishing)
		stream_close(s);
	else if (error)
		s->ops->failed(s, error);
	else
		s->ops->eof(s);
}

/* The alert that tells the peer why leaves before the owner can close. */
static void end_tls_input(struct stream *s)
{
	write_output(s);
	end_input(s, s->tls->error ? -EPROTO : 0);
}

static void read_tls(struct stream *s, struct slice wire)
{
	struct tls *tls = s->tls;
	char *plain = s->loop->plain;
	bool was_done = tls->is_done;
	size_t n = tls_decrypt(tls, wire, plain, sizeof(s->loop->plain));

	/* What was written meanwhile can leave; TLS itself may have nothing to
	 * say that would take it along (a client of TLS 1.2). */
	if (tls->is_done && !was_done)
		make_dirty(s);
	if (tls->is_done && !was_done && !s->is_finishing && s->ops->secured)
		s->ops->secured(s);
	if (n && !s->is_closing && !s->is_finishing)
		give_input(s, slice_of(plain, n));
	if (s->is_closing || !tls->is_over)
		return;
	/* The owner may not want more just now. From here on the socket is
	 * readable and at its end, so that poll remembers what is to come. */
	if (n)
		shutdown(s->fd, SHUT_RD);
	else
		end_tls_input(s);
}

/* What input() left when it asked for TLS is TLS. */
static void start_tls(struct stream *s)
{
	char *early = s->in;
	struct slice wire = stream_pending(s);

	s->in = NULL;
	s->in_len = 0;
	s->in_cap = 0;
	s->tls->is_started = true;
	read_tls(s, wire);
	free(early);
}

static void read_input(struct stream *s)
{
	ssize_t n;

	if (s->is_closing || !wants_input(s))
		return;
	n = read_some(s);
	if (n == -EAGAIN)
		return;
	if (s->tls && n == 0)
		tls_cut(s->tls);
	if (n < 0)
		end_input(s, (int)n);
	else if (s->tls)
		read_tls(s, slice_of(s->loop->scratch, (size_t)n));
	else if (n)
		give_input(s, slice_of(s->loop->scratch, (size_t)n));
	else
		end_input(s, 0);
}

void stream_look(struct stream *s)
{
	read_input(s);
}

void stream_unread(struct stream *s, struct slice bytes)
{
	char *kept = s->in;
	struct slice rest = stream_pending(s);

	s->in = NULL;
	s->in_len = 0;
	s->in_cap = 0;
	keep_input(s, bytes);
	keep_input(s, rest);
	free(kept);
	poll_lazily(s);
}

void stream_pause(struct stream *s)
{
	s->is_paused = true;
	poll_lazily(s);
}

void stream_resume(struct stream *s)
{
	s->is_paused = false;
	poll_lazily(s);
}

/* ---- writing ---------------------------------------------------------- */

void stream_write(struct stream *s, const void *data, size_t len)
{
	if (s->broken || s->is_finishing || s->is_ending || s->is_closing ||
		!len)
		return;
	queue_append(s->tls ? &s->tls->plain : &s->out, s->loop, data, len);
	/* Here, where the owner sees it too: a turn's end that empties the
	 * stream at once owes it the drained() it now waits for. */
	if (stream_out_len(s) > STREAM_OUT_HIGH)
		s->is_above_high = true;
	make_dirty(s);
}

/* Closing with unread input in the socket would send a reset, which may
 * overtake the last words. A peer that goes on sending is not waited for. */
static void discard_input(struct stream *s)
{
	for (int i = 0; i < DISCARD_READS; i++)
		if (recv(s->fd, s->loop->scratch, sizeof(s->loop->scratch),
			    MSG_DONTWAIT) <= 0)
			return;
}

static void finish_step(struct stream *s)
{
	if (stream_out_len(s)) {
		poll_lazily(s);
		return;
	}
	discard_input(s);
	stream_close(s);
}

void stream_write_wire(struct stream *s, struct slice bytes)
{
	if (s->broken)
		return;
	queue_append(&s->out, s->loop, bytes.data, bytes.len);
	make_dirty(s);
}

size_t stream_out_len(const struct stream *s)
{
	return s->out.len + (s->tls ? s->tls->plain.len : 0);
}

void stream_flush(struct stream *s)
{
	if (s->is_closing)
		return;
	write_output(s);
	make_dirty(s);
}

void stream_end(struct stream *s)
{
	if (s->is_closing || s->is_ending)
		return;
	s->is_ending = true;
	make_dirty(s);
}

static void tell_end(struct stream *s)
{
	s->is_ended = true;
	if (s->tls) {
		tls_say_goodbye(s->tls);
		write_output(s);
	}
	shutdown(s->fd, SHUT_WR);
}

static void tell_broken(struct stream *s)
{
	s->is_broken_told = true;
	if (s->ops->broken)
		s->ops->broken(s, s->broken);
}

static void tell_drained(struct stream *s)
{
	s->is_above_high = false;
	if (s->ops->drained)
		s->ops->drained(s);
}

void stream_end_turn(struct stream *s)
{
	if (s->tls && !s->tls->is_started)
		start_tls(s);
	if (s->is_closing)
		return;
	list_remove(&s->dirty);
	write_output(s);
	if (s->is_finishing) {
		finish_step(s);
		return;
	}
	if (s->is_ending && !s->is_ended && !stream_out_len(s))
		tell_end(s);
	poll_lazily(s);
	if (s->broken && !s->is_broken_told)
		tell_broken(s);
	if (s->is_above_high && stream_out_len(s) <= STREAM_OUT_LOW &&
		!s->is_closing)
		tell_drained(s);
}

static void on_stream_ready(uv_poll_t *poll, int status, int events)
{
	struct stream *s = container_of(poll, struct stream, poll);
	bool is_unwanted = (events & UV_READABLE) && !wants_input(s);

	if (status < 0) {
		/* An error condition stops libuv's handle; reading tells
		 * which one it is, after the peer's last words. */
		s->events = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	if (events & UV_WRITABLE)
		stream_end_turn(s);
	if (events & UV_READABLE)
		read_input(s);
	if (is_unwanted || s->is_eof)
		poll_for(s, wanted_events(s));
	else
		poll_lazily(s);
}

/* ---- ending ----------------------------------------------------------- */

void stream_finish(struct stream *s)
{
	if (s->is_closing)
		return;
	s->is_finishing = true;
	loop_finish(s->loop, s);
	make_dirty(s);
}

static void on_stream_closed(uv_handle_t *handle)
{
	struct stream *s =
		container_of((uv_poll_t *)handle, struct stream, poll);

	drop_input(s); /* not earlier: input() may have been looking at it */
	s->ops->closed(s);
}

void stream_close(struct stream *s)
{
	if (s->is_closing)
		return;
	/* A goodbye says that nothing is missing. */
	if (s->tls && !stream_out_len(s)) {
		tls_say_goodbye(s->tls);
		write_output(s);
	}
	s->is_closing = true;
	list_remove(&s->dirty);
	list_remove(&s->finishing);
	queue_drop(&s->out, s->loop, s->out.len);
	uv_close((uv_handle_t *)&s->poll, on_stream_closed);
	tls_destroy(s->tls);
	s->tls = NULL;
	close(s->fd);
	s->fd = -1;
}
