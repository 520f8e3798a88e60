#include "loop/loop_priv.h"

static void on_timer(uv_timer_t *handle)
{
	struct timer *timer = container_of(handle, struct timer, handle);

	timer->fn(timer);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct timer *timer =
		container_of((uv_timer_t *)handle, struct timer, handle);

	if (timer->closed)
		timer->closed(timer);
}

void timer_init(struct timer *timer, struct loop *loop, timer_fn *fn)
{
	check(uv_timer_init(&loop->uv, &timer->handle) == 0);
	timer->fn = fn;
	timer->closed = NULL;
}

void timer_start(struct timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
	check(uv_timer_start(&timer->handle, on_timer, after_ms, repeat_ms) ==
		0);
}

void timer_stop(struct timer *timer)
{
	uv_timer_stop(&timer->handle);
}

bool timer_is_active(const struct timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->handle);
}

void timer_close(struct timer *timer, void (*closed)(struct timer *timer))
{
	timer->closed = closed;
	uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
}
