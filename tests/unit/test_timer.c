/* Timers, watches, hooks: what runs when in the turns of a loop. */
#include "tests/unit/loop_help.h"

#include <string.h>
#include <sys/eventfd.h>

struct clock {
	struct timer t;
	struct loop *loop;
	int n_fired;
	int n_closed;
	int close_at; /* how many firings end it; 0: none */
	int *order;   /* counts up over several clocks */
	int place;
};

static void on_clock_closed(struct timer *t)
{
	container_of(t, struct clock, t)->n_closed++;
}

static void on_clock(struct timer *t)
{
	struct clock *c = container_of(t, struct clock, t);

	assert_int_equal(c->n_closed, 0);
	c->n_fired++;
	if (c->order)
		c->place = ++*c->order;
	if (c->n_fired == c->close_at)
		timer_close(t, on_clock_closed);
}

static void clock_end(struct clock *c)
{
	if (!c->close_at)
		timer_close(&c->t, on_clock_closed);
	turn_until(c->loop, c->n_closed);
	assert_int_equal(c->n_closed, 1);
}

static void test_once(void **state)
{
	struct clock c = { .loop = loop_create() };

	(void)state;
	timer_init(&c.t, c.loop, on_clock);
	assert_false(timer_is_active(&c.t));
	timer_start(&c.t, 1, 0);
	assert_true(timer_is_active(&c.t));
	turn_until(c.loop, c.n_fired);
	assert_false(timer_is_active(&c.t));
	turn_some(c.loop);
	assert_int_equal(c.n_fired, 1);
	clock_end(&c);
	loop_destroy(c.loop);
}

static void test_repeats_and_ends_itself(void **state)
{
	struct clock c = { .loop = loop_create(), .close_at = 3 };

	(void)state;
	timer_init(&c.t, c.loop, on_clock);
	timer_start(&c.t, 0, 1);
	turn_until(c.loop, c.n_closed);
	assert_int_equal(c.n_fired, 3);
	clock_end(&c);
	loop_destroy(c.loop);
}

static void test_stop_and_start_again(void **state)
{
	struct clock c = { .loop = loop_create() };

	(void)state;
	timer_init(&c.t, c.loop, on_clock);
	timer_start(&c.t, 1, 1);
	timer_stop(&c.t);
	turn_some(c.loop);
	assert_int_equal(c.n_fired, 0);
	timer_start(&c.t, 1000000, 0);
	timer_start(&c.t, 1, 0);
	turn_until(c.loop, c.n_fired);
	clock_end(&c);
	loop_destroy(c.loop);
}

static void test_in_order_of_time(void **state)
{
	struct loop *loop = loop_create();
	int order = 0;
	struct clock late = { .loop = loop, .order = &order };
	struct clock early = { .loop = loop, .order = &order };

	(void)state;
	timer_init(&late.t, loop, on_clock);
	timer_init(&early.t, loop, on_clock);
	timer_start(&late.t, 30, 0);
	timer_start(&early.t, 10, 0);
	turn_until(loop, late.n_fired);
	assert_int_equal(early.place, 1);
	assert_int_equal(late.place, 2);
	clock_end(&late);
	clock_end(&early);
	loop_destroy(loop);
}

static void test_clocks_agree(void **state)
{
	struct loop *loop = loop_create();
	uint64_t before = loop_clock_us();

	(void)state;
	turn(loop);
	assert_true(loop_now(loop) >= before / 1000);
	assert_true(loop_clock_us() >= before);
	loop_destroy(loop);
}

static void on_stop(struct timer *t)
{
	struct clock *c = container_of(t, struct clock, t);

	c->n_fired++;
	loop_stop(c->loop);
}

static void test_run_until_stop(void **state)
{
	struct clock c = { .loop = loop_create() };
	int n_before;

	(void)state;
	timer_init(&c.t, c.loop, on_stop);
	timer_start(&c.t, 1, 1);
	loop_run(c.loop);
	assert_int_equal(c.n_fired, 1);
	n_before = c.n_fired;
	loop_run(c.loop);
	assert_int_equal(c.n_fired, n_before + 1);
	clock_end(&c);
	loop_destroy(c.loop);
}

static void count_up(void *owner)
{
	++*(int *)owner;
}

static void test_hooks_run_every_turn(void **state)
{
	struct loop *loop = loop_create();
	int n_first = 0;
	int n_second = 0;

	(void)state;
	loop_on_turn(loop, count_up, &n_first);
	loop_on_turn(loop, count_up, &n_second);
	turn(loop);
	assert_true(n_first > 0);
	assert_int_equal(n_first, n_second);
	loop_destroy(loop);
}

static void test_microseconds_stand_still_in_a_turn(void **state)
{
	struct loop *loop = loop_create();
	uint64_t first = loop_now_us(loop);

	(void)state;
	while (loop_clock_us() == first)
		;
	assert_int_equal(loop_now_us(loop), first);
	turn(loop);
	assert_true(loop_now_us(loop) > first);
	assert_true(loop_now_us(loop) <= loop_clock_us());
	loop_destroy(loop);
}

struct bell {
	struct watch w;
	int n_rung;
	int n_closed;
	int error; /* what reading gave last */
};

static void on_bell(struct watch *w)
{
	struct bell *b = container_of(w, struct bell, w);
	char message[64];
	ssize_t n = read(w->fd, message, sizeof(message));

	b->n_rung++;
	b->error = n < 0 ? -errno : (int)n;
}

static void on_bell_closed(struct watch *w)
{
	container_of(w, struct bell, w)->n_closed++;
}

static void bell_end(struct bell *b, struct loop *loop)
{
	int fd = b->w.fd;

	watch_close(&b->w, on_bell_closed);
	turn_until(loop, b->n_closed);
	close(fd);
}

static void test_watch(void **state)
{
	struct loop *loop = loop_create();
	struct bell b = { .n_rung = 0 };
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	watch_open(&b.w, loop, fd, on_bell);
	turn_some(loop);
	assert_int_equal(b.n_rung, 0);
	eventfd_write(fd, 1);
	turn_until(loop, b.n_rung == 1);
	eventfd_write(fd, 1);
	turn_until(loop, b.n_rung == 2);
	bell_end(&b, loop);
	loop_destroy(loop);
}

/* Closing one end with something unread is an error at the other, and libuv
 * stops a handle in error: the end behind it must be seen all the same. */
static void test_watch_survives_an_error(void **state)
{
	struct loop *loop = loop_create();
	struct bell b = { .error = 1 };
	int fds[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	watch_open(&b.w, loop, fds[0], on_bell);
	assert_int_equal(write(fds[0], "unread", 6), 6);
	close(fds[1]);
	turn_until(loop, b.n_rung == 1);
	assert_int_equal(b.error, -ECONNRESET);
	turn_until(loop, b.n_rung == 2);
	assert_int_equal(b.error, 0);
	bell_end(&b, loop);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_repeats_and_ends_itself),
		cmocka_unit_test(test_stop_and_start_again),
		cmocka_unit_test(test_in_order_of_time),
		cmocka_unit_test(test_clocks_agree),
		cmocka_unit_test(test_run_until_stop),
		cmocka_unit_test(test_hooks_run_every_turn),
		cmocka_unit_test(test_microseconds_stand_still_in_a_turn),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_watch_survives_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
