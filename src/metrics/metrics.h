#pragma once

/*
 * What is counted: the rows of proto/metrics.def. Each worker, and the
 * supervisor, writes its own counters in the shared page; anybody adds them
 * up. The sum of a row is not a snapshot: others count on meanwhile.
 */
#include "page/page.h"

enum metric_kind {
	METRIC_COUNTER,
	METRIC_GAUGE
};

enum metric_id {
#define METRIC(field, name, kind, unit, what) METRIC_##field,
#include "proto/metrics.def"
#undef METRIC
	METRIC_ID_END
};

struct metric_row {
	const char *name;
	enum metric_kind kind;
	const char *unit; /* "", "bytes", "us" */
	const char *what;
};

const struct metric_row *metric_row(enum metric_id id);

/* The counters of one process, embedded by whoever counts. */
struct metrics {
	_Atomic uint64_t *counters; /* borrowed from the page */
};

/* The page must have been made with METRIC_ID_END counters. */
static inline void metrics_init(
	struct metrics *m, struct page *page, unsigned worker)
{
	m->counters = page_counters(page, worker);
}

static inline uint64_t metrics_get(const struct metrics *m, enum metric_id id)
{
	return atomic_load_explicit(&m->counters[id], memory_order_relaxed);
}

static inline void metrics_set(
	struct metrics *m, enum metric_id id, uint64_t value)
{
	atomic_store_explicit(&m->counters[id], value, memory_order_relaxed);
}

/* A load and a store: nobody else writes this counter. */
static inline void metrics_add(struct metrics *m, enum metric_id id, uint64_t n)
{
	metrics_set(m, id, metrics_get(m, id) + n);
}

static inline void metrics_inc(struct metrics *m, enum metric_id id)
{
	metrics_add(m, id, 1);
}

/* For gauges that follow a life. */
static inline void metrics_dec(struct metrics *m, enum metric_id id)
{
	metrics_set(m, id, metrics_get(m, id) - 1);
}

/* Over all workers and the supervisor. */
uint64_t metrics_sum(struct page *page, enum metric_id id);

/* Zeroes the gauges of a worker that died; its counters stay. */
void metrics_worker_died(struct page *page, unsigned worker);
