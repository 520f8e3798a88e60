/*
 * The loop and its turns.
 *
 * libuv runs timers, then `prepare`, then waits, then calls what became
 * ready, then `check`. Output written by any of them leaves in the next of
 * the two hooks, so one turn costs one write per socket however many
 * messages it produced.
 */
#include "loop/loop_priv.h"

#include <stdlib.h>
#include <unistd.h>

static void on_hook_before_wait(uv_prepare_t *handle)
{
	loop_end_turn(handle->data);
}

static void on_hook_after_wait(uv_check_t *handle)
{
	loop_end_turn(handle->data);
}

/* All wait equally long, so the list is in order of time and one timer does
 * for all streams. */
static void on_finish(struct timer *timer)
{
	struct loop *loop = container_of(timer, struct loop, finish);
	struct list *node;

	while ((node = list_first(&loop->finishing))) {
		struct stream *s = list_entry(node, struct stream, finishing);

		if (s->finish_at > loop_now(loop)) {
			timer_start(timer, s->finish_at - loop_now(loop), 0);
			return;
		}
		stream_close(s);
	}
}

void loop_finish(struct loop *loop, struct stream *s)
{
	if (list_linked(&s->finishing))
		return;
	s->finish_at = loop_now(loop) + loop->finish_ms;
	list_push_back(&loop->finishing, &s->finishing);
	if (!timer_is_active(&loop->finish))
		timer_start(&loop->finish, loop->finish_ms, 0);
}

struct loop *loop_create(void)
{
	struct loop *loop = xnew(struct loop);

	check(uv_loop_init(&loop->uv) == 0);
	list_init(&loop->dirty);
	list_init(&loop->finishing);
	loop->finish_ms = STREAM_FINISH_MS;
	timer_init(&loop->finish, loop, on_finish);
	uv_unref((uv_handle_t *)&loop->finish.handle);
	check(uv_prepare_init(&loop->uv, &loop->before_wait) == 0);
	check(uv_check_init(&loop->uv, &loop->after_wait) == 0);
	loop->before_wait.data = loop;
	loop->after_wait.data = loop;
	uv_prepare_start(&loop->before_wait, on_hook_before_wait);
	uv_check_start(&loop->after_wait, on_hook_after_wait);
	uv_unref((uv_handle_t *)&loop->before_wait);
	uv_unref((uv_handle_t *)&loop->after_wait);
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	uv_close((uv_handle_t *)&loop->before_wait, NULL);
	uv_close((uv_handle_t *)&loop->after_wait, NULL);
	timer_close(&loop->finish, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	check(uv_loop_close(&loop->uv) == 0);
	chunks_deinit(loop);
	free(loop);
}

void loop_forget(struct loop *loop)
{
	close(uv_backend_fd(&loop->uv));
	close(loop->uv.async_io_watcher.fd);
}

void loop_run(struct loop *loop)
{
	/* libuv does not know of output that waits for the end of a turn, and
	 * that end may leave it something to wait for. */
	do {
		uv_run(&loop->uv, UV_RUN_DEFAULT);
		loop_end_turn(loop);
	} while (!loop->is_stopped && uv_loop_alive(&loop->uv));
	loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
	uv_stop(&loop->uv);
}

uint64_t loop_now(const struct loop *loop)
{
	return uv_now(&loop->uv);
}

uint64_t loop_now_us(struct loop *loop)
{
	if (!loop->now_us)
		loop->now_us = loop_clock_us();
	return loop->now_us;
}

uint64_t loop_clock_us(void)
{
	return uv_hrtime() / 1000;
}

void loop_on_turn(struct loop *loop, turn_hook_fn *fn, void *owner)
{
	check(loop->n_hooks < LOOP_HOOKS_MAX);
	loop->hooks[loop->n_hooks].fn = fn;
	loop->hooks[loop->n_hooks].owner = owner;
	loop->n_hooks++;
}

void loop_end_turn(struct loop *loop)
{
	struct list *node;

	for (size_t i = 0; i < loop->n_hooks; i++)
		loop->hooks[i].fn(loop->hooks[i].owner);
	while ((node = list_pop(&loop->dirty)))
		stream_end_turn(list_entry(node, struct stream, dirty));
	loop->now_us = 0;
}
