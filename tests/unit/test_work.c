/* Work on threads: it leaves the loop free, and is done once and later. */
#include "tests/unit/loop_help.h"

#include <pthread.h>

enum {
	PIECES = 50
};

struct piece {
	struct work work;
	pthread_t thread;
	int n_run;
	int n_done;
	uv_sem_t *gate; /* waits for it when there is one */
	struct piece *next;
	struct loop *loop;
};

static void run(struct work *work)
{
	struct piece *p = container_of(work, struct piece, work);

	if (p->gate)
		uv_sem_wait(p->gate);
	p->thread = pthread_self();
	p->n_run++;
}

static void on_done(struct work *work)
{
	struct piece *p = container_of(work, struct piece, work);

	assert_int_equal(p->n_run, 1);
	p->n_done++;
	if (p->next)
		work_run(&p->next->work, p->loop, run, on_done);
}

static void it_runs_elsewhere(void **state)
{
	struct loop *loop = loop_create();
	struct piece p = { 0 };

	(void)state;
	work_run(&p.work, loop, run, on_done);
	assert_int_equal(p.n_done, 0);
	loop_run(loop);
	assert_int_equal(p.n_done, 1);
	assert_false(pthread_equal(p.thread, pthread_self()));
	loop_destroy(loop);
}

static void on_tick(struct timer *timer)
{
	(void)timer;
}

/* The loop turns while a piece stands still. */
static void the_loop_is_free(void **state)
{
	struct loop *loop = loop_create();
	struct piece p = { 0 };
	struct timer timer;
	uv_sem_t gate;

	(void)state;
	assert_int_equal(uv_sem_init(&gate, 0), 0);
	p.gate = &gate;
	work_run(&p.work, loop, run, on_done);
	timer_init(&timer, loop, on_tick);
	timer_start(&timer, 1, 0);
	turn_until(loop, !timer_is_active(&timer));
	assert_int_equal(p.n_done, 0);
	uv_sem_post(&gate);
	turn_until(loop, p.n_done == 1);
	timer_close(&timer, NULL);
	loop_destroy(loop);
	uv_sem_destroy(&gate);
}

static void one_begins_the_next(void **state)
{
	struct loop *loop = loop_create();
	struct piece p[PIECES] = { 0 };

	(void)state;
	for (int i = 0; i < PIECES - 1; i++) {
		p[i].next = i % 2 ? NULL : &p[i + 1];
		p[i].loop = loop;
	}
	for (int i = 0; i < PIECES; i += 2)
		work_run(&p[i].work, loop, run, on_done);
	loop_run(loop);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(p[i].n_done, 1);
	loop_destroy(loop);
}

/* Not even loop_destroy() leaves it behind. */
static void the_loop_waits_for_it(void **state)
{
	struct loop *loop = loop_create();
	struct piece p = { 0 };

	(void)state;
	work_run(&p.work, loop, run, on_done);
	loop_destroy(loop);
	assert_int_equal(p.n_done, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_runs_elsewhere),
		cmocka_unit_test(the_loop_is_free),
		cmocka_unit_test(one_begins_the_next),
		cmocka_unit_test(the_loop_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
