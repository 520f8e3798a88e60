#include "loop/loop_priv.h"

static void on_watch_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = container_of(poll, struct watch, poll);

	(void)events;
	/* libuv stops a handle on an error condition; fn reads which one, and
	 * then the end that follows it. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_watch_ready);
	w->fn(w);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *w = container_of((uv_poll_t *)handle, struct watch, poll);

	if (w->closed)
		w->closed(w);
}

void watch_open(struct watch *w, struct loop *loop, int fd, watch_fn *fn)
{
	w->fd = fd;
	w->fn = fn;
	w->closed = NULL;
	check(uv_poll_init(&loop->uv, &w->poll, fd) == 0);
	check(uv_poll_start(&w->poll, UV_READABLE, on_watch_ready) == 0);
}

void watch_close(struct watch *w, void (*closed)(struct watch *w))
{
	w->closed = closed;
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}
