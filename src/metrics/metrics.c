#include "metrics/metrics.h"

static const struct metric_row rows[] = {
#define METRIC(field, name, kind, unit, what)                                  \
	{ name, METRIC_##kind, unit, what },
#include "proto/metrics.def"
#undef METRIC
};

const struct metric_row *metric_row(enum metric_id id)
{
	check(id < METRIC_ID_END);
	return &rows[id];
}

uint64_t metrics_sum(struct page *page, enum metric_id id)
{
	return page_counter_sum(page, id);
}

void metrics_worker_died(struct page *page, unsigned worker)
{
	struct metrics m;

	metrics_init(&m, page, worker);
	for (enum metric_id id = 0; id < METRIC_ID_END; id++)
		if (rows[id].kind == METRIC_GAUGE)
			metrics_set(&m, id, 0);
}
