/*
 * Streams: what the owner is told, in which order, and what the peer gets.
 * The peer is the test itself, on the other end of a socketpair or of a TCP
 * connection over loopback.
 */
#include "tests/unit/loop_help.h"

#include <string.h>

/* A stream whose owner writes down what happened to it. */
struct owner {
	struct stream s;
	struct loop *loop;
	int peer; /* the other end; -1 once closed */
	struct buf got;
	size_t take; /* input() consumes multiples of this, 0: nothing */
	size_t n_input;
	size_t n_drained;
	int n_eof;
	int n_failed;
	int n_broken;
	int n_closed;
	int error;
	int broken;
	bool echoes;
	bool closes;   /* on the first input */
	bool finishes; /* on the first input */
	bool pauses;   /* on the first input */
};

static size_t on_input(struct stream *s, struct slice bytes)
{
	struct owner *o = container_of(s, struct owner, s);
	size_t used = o->take ? bytes.len - bytes.len % o->take : 0;

	assert_int_equal(o->n_eof + o->n_failed + o->n_closed, 0);
	o->n_input++;
	if (o->closes) {
		stream_close(s);
		/* Closing must not pull the bytes away from under us. */
		buf_append_slice(&o->got, bytes);
		return bytes.len;
	}
	if (o->finishes)
		stream_finish(s);
	if (o->pauses)
		stream_pause(s);
	if (o->echoes)
		stream_write(s, bytes.data, used);
	buf_append(&o->got, bytes.data, used);
	return used;
}

static void on_eof(struct stream *s)
{
	container_of(s, struct owner, s)->n_eof++;
}

static void on_failed(struct stream *s, int error)
{
	struct owner *o = container_of(s, struct owner, s);

	o->n_failed++;
	o->error = error;
}

static void on_broken(struct stream *s, int error)
{
	struct owner *o = container_of(s, struct owner, s);

	o->n_broken++;
	o->broken = error;
}

static void on_drained(struct stream *s)
{
	container_of(s, struct owner, s)->n_drained++;
}

static void on_closed(struct stream *s)
{
	container_of(s, struct owner, s)->n_closed++;
}

static const struct stream_ops ops = {
	.input = on_input,
	.eof = on_eof,
	.failed = on_failed,
	.broken = on_broken,
	.drained = on_drained,
	.closed = on_closed,
};

static struct owner *owner_create(int fd, int peer)
{
	struct owner *o = xnew(struct owner);

	o->loop = loop_create();
	o->peer = peer;
	o->take = 1;
	stream_open(&o->s, o->loop, fd, &ops);
	return o;
}

static struct owner *owner_unix(int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	return owner_create(fds[0], fds[1]);
}

static struct owner *owner_tcp(void)
{
	int fds[2];

	tcp_pair(fds);
	return owner_create(fds[1], fds[0]);
}

static void owner_destroy(struct owner *o)
{
	stream_close(&o->s);
	turn_until(o->loop, o->n_closed);
	loop_destroy(o->loop);
	assert_int_equal(o->n_closed, 1);
	if (o->peer >= 0)
		close(o->peer);
	buf_deinit(&o->got);
	free(o);
}

static void peer_send(struct owner *o, const void *data, size_t len)
{
	assert_int_equal(send(o->peer, data, len, MSG_NOSIGNAL), len);
}

/* Everything there is now; true at the end of the stream. */
static bool peer_read(struct owner *o, struct buf *into)
{
	for (;;) {
		ssize_t n = recv(o->peer, buf_reserve(into, 65536), 65536, 0);

		if (n == 0)
			return true;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			return false;
		}
		into->len += (size_t)n;
	}
}

/* The peer's end, no longer the owner's. */
static int peer_take(struct owner *o)
{
	int fd = o->peer;

	o->peer = -1;
	return fd;
}

static void fill(struct owner *o, size_t len)
{
	CLEANUP(freep) char *data = xcalloc(1, len);

	memset(data, 'x', len);
	stream_write(&o->s, data, len);
}

static void test_echo(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(buf_deinit) struct buf answer = { 0 };

	(void)state;
	o->echoes = true;
	peer_send(o, "hello", 5);
	turn_until(o->loop, (peer_read(o, &answer), answer.len == 5));
	assert_memory_equal(answer.data, "hello", 5);
	assert_int_equal(stream_out_len(&o->s), 0);
	assert_null(o->s.in);
	owner_destroy(o);
}

/* Packets keep their borders, so they show how often the socket was used. */
static void test_a_turn_is_one_write(void **state)
{
	struct owner *o = owner_unix(SOCK_SEQPACKET);
	char packet[64];

	(void)state;
	stream_write(&o->s, "one ", 4);
	stream_write(&o->s, "two ", 4);
	stream_write(&o->s, "three", 5);
	turn(o->loop);
	assert_int_equal(recv(o->peer, packet, sizeof(packet), 0), 13);
	assert_memory_equal(packet, "one two three", 13);
	owner_destroy(o);
}

static void test_unconsumed_input_comes_again(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->take = 4;
	peer_send(o, "ab", 2);
	turn_until(o->loop, o->n_input == 1);
	assert_int_equal(o->got.len, 0);
	assert_true(slice_is(stream_pending(&o->s), "ab"));
	peer_send(o, "cdefg", 5);
	turn_until(o->loop, o->n_input == 2);
	assert_true(slice_is(buf_slice(&o->got), "abcd"));
	assert_true(slice_is(stream_pending(&o->s), "efg"));
	stream_consume(&o->s, 1);
	assert_true(slice_is(stream_pending(&o->s), "fg"));
	peer_send(o, "hi", 2);
	turn_until(o->loop, o->n_input == 3);
	assert_true(slice_is(buf_slice(&o->got), "abcdfghi"));
	assert_null(o->s.in);
	owner_destroy(o);
}

static void test_limit_stops_reading(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->take = 0;
	stream_set_limit(&o->s, 10);
	peer_send(o, "0123456789abcdef", 16);
	turn_some(o->loop);
	assert_int_equal(stream_pending(&o->s).len, 10);
	assert_int_equal(o->n_input, 1);
	stream_consume(&o->s, 9);
	turn_until(o->loop, o->n_input == 2);
	assert_true(slice_is(stream_pending(&o->s), "9abcdef"));
	owner_destroy(o);
}

static void test_one_kept_byte_does_not_slow_the_next(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(freep) char *body = xcalloc(1, 60000);

	(void)state;
	o->take = 60001;
	peer_send(o, "h", 1);
	turn_until(o->loop, o->n_input == 1);
	peer_send(o, body, 60000);
	turn_until(o->loop, o->got.len == 60001);
	assert_int_equal(o->n_input, 2);
	owner_destroy(o);
}

static void test_pause_and_resume(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	stream_pause(&o->s);
	peer_send(o, "later", 5);
	turn_some(o->loop);
	assert_int_equal(o->n_input, 0);
	stream_resume(&o->s);
	turn_until(o->loop, o->n_input == 1);
	assert_true(slice_is(buf_slice(&o->got), "later"));
	owner_destroy(o);
}

static void test_pause_inside_input(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->pauses = true;
	peer_send(o, "first", 5);
	turn_until(o->loop, o->n_input == 1);
	peer_send(o, "second", 6);
	turn_some(o->loop);
	assert_int_equal(o->n_input, 1);
	stream_resume(&o->s);
	turn_until(o->loop, o->n_input == 2);
	assert_true(slice_is(buf_slice(&o->got), "firstsecond"));
	owner_destroy(o);
}

/* What poll waits for costs system calls to change, so a pause that ends
 * before the peer sends must not change it. */
static void test_short_pause_costs_nothing(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	stream_pause(&o->s);
	assert_int_equal(o->s.events, UV_READABLE);
	turn_some(o->loop);
	stream_resume(&o->s);
	assert_int_equal(o->s.events, UV_READABLE);
	stream_pause(&o->s);
	peer_send(o, "now", 3);
	turn_until(o->loop, o->s.events == 0);
	assert_int_equal(o->n_input, 0);
	stream_resume(&o->s);
	turn_until(o->loop, o->n_input == 1);
	owner_destroy(o);
}

/* An end that is not taken out of poll makes every turn a busy one. */
static void test_eof_leaves_poll(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	shutdown(o->peer, SHUT_WR);
	turn_until(o->loop, o->n_eof);
	assert_int_equal(o->s.events, 0);
	owner_destroy(o);
}

static void test_close_inside_input(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->closes = true;
	peer_send(o, "bye", 3);
	turn_until(o->loop, o->n_closed);
	assert_true(slice_is(buf_slice(&o->got), "bye"));
	owner_destroy(o);
}

static void test_close_inside_input_with_kept_bytes(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->take = 0;
	peer_send(o, "half", 4);
	turn_until(o->loop, o->n_input == 1);
	o->closes = true;
	peer_send(o, "whole", 5);
	turn_until(o->loop, o->n_closed);
	assert_true(slice_is(buf_slice(&o->got), "halfwhole"));
	owner_destroy(o);
}

static void test_eof_lets_output_leave(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(buf_deinit) struct buf answer = { 0 };
	size_t len = 4 * 1024 * 1024;

	(void)state;
	fill(o, len);
	shutdown(o->peer, SHUT_WR);
	turn_until(o->loop, o->n_eof);
	turn_some(o->loop);
	assert_true(stream_out_len(&o->s) > 0);
	stream_finish(&o->s);
	turn_until(o->loop, peer_read(o, &answer));
	assert_int_equal(answer.len, len);
	turn_until(o->loop, o->n_closed);
	assert_int_equal(o->n_eof, 1);
	assert_int_equal(o->n_failed, 0);
	owner_destroy(o);
}

static void test_reset_fails_once(void **state)
{
	struct owner *o = owner_tcp();

	(void)state;
	reset_socket(peer_take(o));
	turn_until(o->loop, o->n_failed);
	turn_some(o->loop);
	assert_int_equal(o->n_failed, 1);
	assert_int_equal(o->error, -ECONNRESET);
	owner_destroy(o);
}

static void test_reset_while_paused_is_told_after(void **state)
{
	struct owner *o = owner_tcp();

	(void)state;
	stream_pause(&o->s);
	reset_socket(peer_take(o));
	turn_some(o->loop);
	assert_int_equal(o->n_failed, 0);
	stream_resume(&o->s);
	turn_until(o->loop, o->n_failed);
	assert_int_equal(o->error, -ECONNRESET);
	owner_destroy(o);
}

/* A peer that hangs up on what we sent resets the connection, and its last
 * words wait in our socket buffer. */
static void hang_up_unread(struct owner *o)
{
	stream_write(&o->s, "question", 8);
	turn(o->loop);
	peer_send(o, "bye", 3);
	close(peer_take(o));
}

static void test_last_words_come_before_the_failure(void **state)
{
	struct owner *o = owner_tcp();

	(void)state;
	stream_pause(&o->s);
	hang_up_unread(o);
	stream_write(&o->s, "more", 4);
	turn_until(o->loop, o->n_broken);
	assert_int_equal(o->n_failed, 0);
	assert_int_equal(stream_out_len(&o->s), 0);
	stream_resume(&o->s);
	turn_until(o->loop, o->n_failed);
	assert_true(slice_is(buf_slice(&o->got), "bye"));
	assert_int_equal(o->n_eof, 0);
	assert_int_equal(o->error, o->broken);
	owner_destroy(o);
}

static void test_broken_stream_swallows_output(void **state)
{
	struct owner *o = owner_tcp();

	(void)state;
	stream_pause(&o->s);
	fill(o, 8 * 1024 * 1024);
	turn_some(o->loop);
	assert_int_equal(o->n_broken, 0);
	reset_socket(peer_take(o));
	turn_until(o->loop, o->n_broken);
	/* Whoever waited for the reader may go on. */
	assert_int_equal(o->n_drained, 1);
	fill(o, 8 * 1024 * 1024);
	assert_int_equal(stream_out_len(&o->s), 0);
	turn_some(o->loop);
	assert_int_equal(o->n_broken, 1);
	assert_int_equal(o->n_failed, 0);
	owner_destroy(o);
}

static void test_drained_after_a_slow_reader(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(buf_deinit) struct buf answer = { 0 };
	size_t len = 8 * 1024 * 1024;

	(void)state;
	fill(o, len);
	turn_some(o->loop);
	assert_true(stream_out_len(&o->s) > STREAM_OUT_HIGH);
	assert_int_equal(o->n_drained, 0);
	turn_until(o->loop, (peer_read(o, &answer), o->n_drained));
	assert_true(stream_out_len(&o->s) <= STREAM_OUT_LOW);
	turn_until(o->loop, (peer_read(o, &answer), answer.len == len));
	assert_int_equal(o->n_drained, 1);
	owner_destroy(o);
}

static void test_drained_after_a_quick_reader(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	/* The owner saw this and paused whoever fills the stream. */
	fill(o, STREAM_OUT_HIGH + 1);
	assert_true(stream_out_len(&o->s) > STREAM_OUT_HIGH);
	turn_until(o->loop, o->n_drained);
	assert_int_equal(stream_out_len(&o->s), 0);
	assert_int_equal(o->n_drained, 1);
	owner_destroy(o);
}

static void test_flush_tells_nothing(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	char bytes[STREAM_OUT_HIGH + 1];

	(void)state;
	fill(o, sizeof(bytes));
	stream_flush(&o->s);
	assert_int_equal(recv(o->peer, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(o->n_drained, 0);
	turn(o->loop);
	assert_int_equal(o->n_drained, 1);
	owner_destroy(o);
}

static void test_finish_sends_the_rest(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(buf_deinit) struct buf answer = { 0 };
	size_t len = 2 * 1024 * 1024;

	(void)state;
	fill(o, len);
	stream_finish(&o->s);
	assert_int_equal(o->n_closed, 0);
	turn_until(o->loop, peer_read(o, &answer));
	assert_int_equal(answer.len, len);
	turn_until(o->loop, o->n_closed);
	owner_destroy(o);
}

static void test_finish_does_not_wait_for_ever(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->loop->finish_ms = 50;
	fill(o, 8 * 1024 * 1024);
	turn(o->loop);
	stream_finish(&o->s);
	turn(o->loop);
	assert_int_equal(o->n_closed, 0);
	/* The peer is there and reads nothing. */
	turn_until(o->loop, o->n_closed);
	owner_destroy(o);
}

/* Closing a socket with unread bytes resets the connection, and a reset may
 * overtake what the peer has not read yet. */
static void test_finish_is_no_reset(void **state)
{
	struct owner *o = owner_tcp();
	CLEANUP(buf_deinit) struct buf answer = { 0 };

	(void)state;
	o->finishes = true;
	stream_set_limit(&o->s, 3);
	stream_write(&o->s, "last words", 10);
	peer_send(o, "more than the limit lets in", 27);
	turn_until(o->loop, o->n_closed);
	turn_until(o->loop, peer_read(o, &answer));
	assert_true(slice_is(buf_slice(&answer), "last words"));
	owner_destroy(o);
}

static void test_finish_inside_input(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	CLEANUP(buf_deinit) struct buf answer = { 0 };

	(void)state;
	o->finishes = true;
	stream_write(&o->s, "last words", 10);
	peer_send(o, "go away", 7);
	turn_until(o->loop, peer_read(o, &answer));
	assert_true(slice_is(buf_slice(&answer), "last words"));
	turn_until(o->loop, o->n_closed);
	owner_destroy(o);
}

static void test_loop_runs_until_output_has_left(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);
	char bytes[8];

	(void)state;
	stream_write(&o->s, "bye", 3);
	stream_finish(&o->s);
	loop_run(o->loop);
	assert_int_equal(o->n_closed, 1);
	assert_int_equal(recv(o->peer, bytes, sizeof(bytes), 0), 3);
	owner_destroy(o);
}

/* The end comes behind what was written, and the other way stays open. */
static void test_end_is_half_of_a_close(void **state)
{
	struct owner *o = owner_tcp();
	CLEANUP(buf_deinit) struct buf answer = { 0 };

	(void)state;
	fill(o, 300000);
	stream_end(&o->s);
	fill(o, 10); /* too late */
	turn_until(o->loop, peer_read(o, &answer));
	assert_int_equal(answer.len, 300000);
	peer_send(o, "heard", 5);
	turn_until(o->loop, o->got.len == 5);
	assert_int_equal(o->n_eof, 0);
	owner_destroy(o);
}

/* What is put back comes before what waits, and before what comes. */
static void test_unread_comes_first(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	o->take = 0;
	peer_send(o, "two ", 4);
	turn_until(o->loop, o->n_input);
	stream_unread(&o->s, SLICE("one "));
	assert_true(slice_is(stream_pending(&o->s), "one two "));
	o->take = 1;
	peer_send(o, "three", 5);
	turn_until(o->loop, o->got.len);
	assert_true(slice_is(buf_slice(&o->got), "one two three"));
	stream_unread(&o->s, SLICE("again"));
	assert_true(slice_is(stream_pending(&o->s), "again"));
	owner_destroy(o);
}

/* It does not wait for poll, and reads once. */
static void test_look_reads_now(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	stream_look(&o->s);
	assert_int_equal(o->n_input, 0);
	peer_send(o, "news", 4);
	close(peer_take(o));
	stream_look(&o->s);
	assert_int_equal(o->n_input, 1);
	assert_int_equal(o->n_eof, 0);
	stream_look(&o->s);
	assert_int_equal(o->n_eof, 1);
	stream_look(&o->s);
	turn_some(o->loop);
	assert_int_equal(o->n_eof, 1);
	owner_destroy(o);
}

static void test_closing_twice(void **state)
{
	struct owner *o = owner_unix(SOCK_STREAM);

	(void)state;
	stream_close(&o->s);
	stream_close(&o->s);
	stream_finish(&o->s);
	stream_pause(&o->s);
	stream_resume(&o->s);
	stream_flush(&o->s);
	fill(o, 10);
	turn_until(o->loop, o->n_closed);
	owner_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_a_turn_is_one_write),
		cmocka_unit_test(test_unconsumed_input_comes_again),
		cmocka_unit_test(test_limit_stops_reading),
		cmocka_unit_test(test_one_kept_byte_does_not_slow_the_next),
		cmocka_unit_test(test_pause_and_resume),
		cmocka_unit_test(test_pause_inside_input),
		cmocka_unit_test(test_short_pause_costs_nothing),
		cmocka_unit_test(test_eof_leaves_poll),
		cmocka_unit_test(test_close_inside_input),
		cmocka_unit_test(test_close_inside_input_with_kept_bytes),
		cmocka_unit_test(test_eof_lets_output_leave),
		cmocka_unit_test(test_reset_fails_once),
		cmocka_unit_test(test_reset_while_paused_is_told_after),
		cmocka_unit_test(test_last_words_come_before_the_failure),
		cmocka_unit_test(test_broken_stream_swallows_output),
		cmocka_unit_test(test_drained_after_a_slow_reader),
		cmocka_unit_test(test_drained_after_a_quick_reader),
		cmocka_unit_test(test_flush_tells_nothing),
		cmocka_unit_test(test_finish_sends_the_rest),
		cmocka_unit_test(test_finish_does_not_wait_for_ever),
		cmocka_unit_test(test_finish_is_no_reset),
		cmocka_unit_test(test_finish_inside_input),
		cmocka_unit_test(test_loop_runs_until_output_has_left),
		cmocka_unit_test(test_end_is_half_of_a_close),
		cmocka_unit_test(test_unread_comes_first),
		cmocka_unit_test(test_look_reads_now),
		cmocka_unit_test(test_closing_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
