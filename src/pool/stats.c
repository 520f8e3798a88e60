/*
 * What there is to tell of pools: numbers for the admin console.
 */
#include "pool/pool_priv.h"

void pool_count_period(struct pool *pool, uint64_t now)
{
	if (now - pool->newer_at < RECENT_MS)
		return;
	pool->older = pool->newer;
	pool->older_at = pool->newer_at;
	pool->newer = pool->counts;
	pool->newer_at = now;
}

static struct pool_counts counts_since(
	const struct pool_counts *now, const struct pool_counts *then)
{
	return (struct pool_counts){
		.transactions = now->transactions - then->transactions,
		.queries = now->queries - then->queries,
		.bytes_in = now->bytes_in - then->bytes_in,
		.bytes_out = now->bytes_out - then->bytes_out,
		.transaction_us = now->transaction_us - then->transaction_us,
		.query_us = now->query_us - then->query_us,
		.wait_us = now->wait_us - then->wait_us,
	};
}

static void count_backend(const struct backend *b, struct pool_stats *stats)
{
	if (b->is_apart) {
		stats->n_apart++;
		return;
	}
	stats->n_backends[b->state]++;
	if (b->state == BACKEND_CLOSING)
		return;
	stats->n_reserve += b->is_reserve;
	stats->n_in_transaction +=
		b->state == BACKEND_LEASED && b->tx != 'I' && !b->replies.len;
	stats->n_must_close += b->must_close;
	stats->n_cancelled += !list_empty(&b->cancels);
	list_each (cancel, &b->cancels)
		stats->n_cancels++;
}

static void count_backends(const struct flavour *f, struct pool_stats *stats)
{
	for (int state = 0; state < BACKEND_STATES; state++)
		list_each (node, &f->backends[state])
			count_backend(
				list_entry(node, struct backend, link), stats);
}

static struct pool_stats pool_count(struct pool *pool)
{
	struct list *first = list_first(&pool->waiting);
	struct pool_stats stats = {
		.database = pool->database,
		.user = pool->user,
		.slot = pool->slot,
		.n_clients = pool->n_clients,
		.n_waiting = pool->n_waiting,
		.is_paused = pool->is_paused,
		.counts = pool->counts,
		.recent = counts_since(&pool->counts, &pool->older),
		.recent_ms = loop_now(pool->pools->loop) - pool->older_at,
	};

	if (first)
		stats.longest_wait_us =
			loop_clock_us() -
			list_entry(first, struct lease, link)->since_us;
	table_each (node, &pool->flavours)
		count_backends(
			container_of(node, struct flavour, node), &stats);
	return stats;
}

void pools_each(struct pools *pools, pool_each_fn *fn, void *ctx)
{
	pools_each_pool(pool, pools)
	{
		struct pool_stats stats = pool_count(pool);

		fn(ctx, pool, &stats);
	}
}

void pools_each_backend(struct pools *pools, backend_each_fn *fn, void *ctx)
{
	pools_each_pool(pool, pools)
	{
		table_each (node, &pool->flavours) {
			struct flavour *f =
				container_of(node, struct flavour, node);

			for (int state = 0; state < BACKEND_STATES; state++)
				list_each (at, &f->backends[state])
					fn(ctx, list_entry(at, struct backend,
							link));
		}
	}
}

void pools_number_queues(struct pools *pools)
{
	pools_each_pool(pool, pools)
	{
		uint32_t n = 0;

		list_each (node, &pool->waiting)
			list_entry(node, struct lease, link)->position = ++n;
	}
}

void pools_memory(struct pools *pools, struct pools_memory *ret)
{
	size_t n_flavours = 0, n_statements = 0, n_backends = 0;

	pools_each_pool(pool, pools)
	{
		n_flavours += pool->flavours.len;
		table_each (node, &pool->flavours) {
			struct flavour *f =
				container_of(node, struct flavour, node);

			n_statements += f->statements.len;
			for (int state = 0; state < BACKEND_STATES; state++)
				n_backends += f->n_backends[state];
		}
	}
	*ret = (struct pools_memory){ {
		{ "pool", sizeof(struct pool), pools->pools.len },
		{ "flavour", sizeof(struct flavour), n_flavours },
		{ "statement", sizeof(struct statement), n_statements },
		{ "backend", sizeof(struct backend), n_backends },
	} };
}
