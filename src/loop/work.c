/* What takes too long for the loop runs on libuv's thread pool. */
#include "loop/loop_priv.h"

static void on_work(uv_work_t *request)
{
	struct work *work = container_of(request, struct work, request);

	work->fn(work);
}

static void on_work_done(uv_work_t *request, int status)
{
	struct work *work = container_of(request, struct work, request);

	check(status == 0); /* nothing here is ever cancelled */
	work->done(work);
}

void work_run(struct work *work, struct loop *loop, work_fn *fn, work_fn *done)
{
	work->fn = fn;
	work->done = done;
	check(uv_queue_work(&loop->uv, &work->request, on_work, on_work_done) ==
		0);
}
