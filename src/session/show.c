/*
 * The tables of SHOW: how their rows are had (from every worker, of sums, or
 * from here), and what the rows of sums and ours are made of.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "session/console.h"

/* ---- how they are had ------------------------------------------------- */

/* Worker by worker, page by page, as fast as the client reads. */
void reach_each(struct console *c)
{
	enum admin_source source = c->command.row->source;

	if (!c->stage++) {
		c->worker = 0;
		c->cursor = 0;
	}
	gather_tell_late(c);
	while (rows_send(c)) {
		if (c->worker == page_workers(c->door->page)) {
			console_done(c);
			return;
		}
		if (c->worker != c->door->worker) {
			gather_page(c, source);
			return;
		}
		c->cursor =
			source_run(source, c->door, NULL, c->cursor, &c->rows);
		if (!c->cursor)
			c->worker++;
	}
}

void reach_sum(struct console *c)
{
	if (!c->stage++) {
		gather_begin(c, c->command.row->source);
		return;
	}
	if (c->stage == 2) {
		gather_tell_late(c);
		c->command.row->rows(c);
	}
	if (rows_send(c))
		console_done(c);
}

void reach_here(struct console *c)
{
	if (!c->stage++)
		c->command.row->rows(c);
	if (rows_send(c))
		console_done(c);
}

void reach_not(struct console *c)
{
	struct fault f;

	fault_set(&f, FAULT_UNSUPPORTED, "SHOW %s is not supported",
		c->command.row->name);
	fault_hint(&f, "%s", c->command.row->help);
	console_fail(c, &f);
}

void show_nothing(struct console *c)
{
	(void)c;
}

/* ---- fields ----------------------------------------------------------- */

static void put_text(struct console *c, const char *text)
{
	pg_put_field(&c->rows, slice_str(text));
}

static void put_number(struct console *c, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put_text(c, text);
}

static void put_pair(struct console *c, const char *name, uint64_t value)
{
	put_text(c, name);
	put_number(c, value);
}

/* ---- pools ------------------------------------------------------------ */

static const char *database_of(const struct record *r)
{
	return r->key;
}

static const char *user_of(const struct record *r)
{
	return r->key + strlen(r->key) + 1;
}

/* The worker's own numbers come under an empty key. */
static bool is_pool(const struct record *r)
{
	return r->key_len > 0;
}

static const char *mode_of(const char *database)
{
	return admin_is_console(database) ? "statement" : "transaction";
}

static uint64_t n_in(const struct record *r, enum backend_state state)
{
	return r->sums[POOL_BACKENDS + state];
}

static uint64_t n_servers(const struct record *r)
{
	uint64_t n = 0;

	for (int state = 0; state < BACKEND_CLOSING; state++)
		n += n_in(r, (enum backend_state)state);
	return n;
}

static void put_pool(struct console *c, const struct record *r)
{
	uint64_t wait_us = r->maxes[POOL_LONGEST_WAIT_US];

	put_text(c, database_of(r));
	put_text(c, user_of(r));
	put_number(c, r->sums[POOL_CLIENTS] - r->sums[POOL_WAITING]);
	put_number(c, r->sums[POOL_WAITING]);
	put_number(c, r->sums[POOL_CANCELS]);
	put_number(c, 0); /* cancel requests do not wait */
	put_number(c, n_in(r, BACKEND_LEASED));
	put_number(c, r->sums[POOL_CANCELS]);
	put_number(c, r->sums[POOL_CANCELLED]);
	put_number(c, n_in(r, BACKEND_IDLE));
	put_number(c, 0); /* idle ones are lent without a test */
	put_number(c, n_in(r, BACKEND_SETTLING) + n_in(r, BACKEND_CLEANING));
	put_number(c, n_in(r, BACKEND_LOGIN));
	put_number(c, wait_us / 1000000);
	put_number(c, wait_us % 1000000);
	put_text(c, mode_of(database_of(r)));
	put_number(c, r->sums[POOL_IN_TRANSACTION]);
	put_number(c, r->sums[POOL_PINNED]);
	put_number(c, r->sums[POOL_RESERVE]);
	put_number(c, r->sums[POOL_APART]);
	put_number(c, r->sums[POOL_CLOSE_NEEDED]);
	put_number(c, pools_is_paused(c->door->pools, database_of(r)));
}

void show_pools(struct console *c)
{
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);

	for (size_t i = 0; i < n; i++)
		if (is_pool(all[i]))
			put_pool(c, all[i]);
}

/* ---- databases and users ---------------------------------------------- */

static void record_merge(struct record *to, const struct record *from)
{
	for (size_t i = 0; i < RECORD_SUMS; i++)
		to->sums[i] += from->sums[i];
	for (size_t i = 0; i < RECORD_MAXES; i++)
		to->maxes[i] = MAX(to->maxes[i], from->maxes[i]);
}

typedef void database_fn(
	struct console *c, const char *database, const struct record *sum);

/* The pools of one database stand together. */
static void each_database(struct console *c, database_fn *fn)
{
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);

	for (size_t i = 0; i < n;) {
		struct record sum = { 0 };
		size_t first = i;

		do {
			record_merge(&sum, all[i++]);
		} while (i < n && is_pool(all[first]) &&
			 !strcmp(database_of(all[i]), database_of(all[first])));
		if (is_pool(all[first]))
			fn(c, database_of(all[first]), &sum);
	}
}

/* The console has no server, and nothing pauses it. */
static void put_console(struct console *c)
{
	put_text(c, CONSOLE_NAME);
	pg_put_null(&c->rows);
	put_number(c, socket_local_port(c->session));
	put_text(c, CONSOLE_NAME);
	put_text(c, CONSOLE_NAME);
	for (int i = 0; i < 3; i++)
		put_number(c, 0);
	put_text(c, mode_of(CONSOLE_NAME));
	for (int i = 0; i < 4; i++)
		put_number(c, 0);
}

static void put_database(
	struct console *c, const char *database, const struct record *sum)
{
	const struct upstream *up = c->door->env.upstream;
	const struct config *config = c->door->config;
	const struct upstream_host *host = &up->hosts[0];

	if (admin_is_console(database)) {
		put_console(c);
		return;
	}
	put_text(c, database);
	put_text(c, *host->host ? host->host : host->hostaddr);
	put_number(c, host->port);
	put_text(c, database);
	pg_put_null(&c->rows); /* everybody comes as themselves */
	put_number(c, config->pool_size);
	put_number(c, 0);
	put_number(c, 0);
	pg_put_null(&c->rows);
	put_number(c, config->max_server_connections);
	put_number(c, n_servers(sum));
	put_number(c, pools_is_paused(c->door->pools, database));
	put_number(c, 0);
}

void show_databases(struct console *c)
{
	each_database(c, put_database);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The users of all pools, each once; the array is the caller's. */
static const char **list_users(struct console *c, size_t *ret_n)
{
	size_t n_all, n = 0, n_users = 0;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n_all);
	const char **users = xcalloc(n_all + 1, sizeof(*users));

	for (size_t i = 0; i < n_all; i++)
		if (is_pool(all[i]))
			users[n++] = user_of(all[i]);
	qsort(users, n, sizeof(*users), by_text);
	for (size_t i = 0; i < n; i++)
		if (!n_users || strcmp(users[i], users[n_users - 1]) != 0)
			users[n_users++] = users[i];
	*ret_n = n_users;
	return users;
}

void show_users(struct console *c)
{
	size_t n;
	CLEANUP(freep) const char **users = list_users(c, &n);

	for (size_t i = 0; i < n; i++) {
		put_text(c, users[i]);
		pg_put_null(&c->rows);
	}
}

/* ---- statistics ------------------------------------------------------- */

static struct pool_counts counts_at(const struct record *r, size_t at)
{
	struct pool_counts counts;

	memcpy(&counts, r->sums + at, sizeof(counts));
	return counts;
}

static uint64_t ratio(uint64_t n, uint64_t by)
{
	return by ? n / by : 0;
}

/* Counts and bytes per second; times per transaction, query and wait. */
static struct pool_counts averages(const struct record *r)
{
	struct pool_counts n = counts_at(r, POOL_RECENT);
	uint64_t ms = r->maxes[POOL_RECENT_MS];

	return (struct pool_counts){
		.transactions = ratio(n.transactions * 1000, ms),
		.queries = ratio(n.queries * 1000, ms),
		.bytes_in = ratio(n.bytes_in * 1000, ms),
		.bytes_out = ratio(n.bytes_out * 1000, ms),
		.transaction_us = ratio(n.transaction_us, n.transactions),
		.query_us = ratio(n.query_us, n.queries),
		.wait_us = ratio(n.wait_us * 1000, ms),
	};
}

static void put_counts(struct console *c, const struct pool_counts *n)
{
	put_number(c, n->transactions);
	put_number(c, n->queries);
	put_number(c, n->bytes_in);
	put_number(c, n->bytes_out);
	put_number(c, n->transaction_us);
	put_number(c, n->query_us);
	put_number(c, n->wait_us);
}

static void put_totals(
	struct console *c, const char *database, const struct record *sum)
{
	struct pool_counts totals = counts_at(sum, POOL_TOTAL);

	put_text(c, database);
	put_counts(c, &totals);
}

static void put_averages(
	struct console *c, const char *database, const struct record *sum)
{
	struct pool_counts recent = averages(sum);

	put_text(c, database);
	put_counts(c, &recent);
}

static void put_stats(
	struct console *c, const char *database, const struct record *sum)
{
	struct pool_counts recent = averages(sum);

	put_totals(c, database, sum);
	put_counts(c, &recent);
}

void show_stats(struct console *c)
{
	each_database(c, put_stats);
}

void show_stats_totals(struct console *c)
{
	each_database(c, put_totals);
}

void show_stats_averages(struct console *c)
{
	each_database(c, put_averages);
}

static void put_named_counts(
	struct console *c, const char *prefix, const struct pool_counts *n)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "xact_count", n->transactions },
		{ "query_count", n->queries },
		{ "client_bytes", n->bytes_in },
		{ "server_bytes", n->bytes_out },
		{ "xact_time", n->transaction_us },
		{ "query_time", n->query_us },
		{ "wait_time", n->wait_us },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s_%s", prefix, rows[i].name);
		put_pair(c, name, rows[i].value);
	}
}

void show_totals(struct console *c)
{
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);
	struct record sum = { 0 };
	struct pool_counts counts;

	for (size_t i = 0; i < n; i++)
		if (is_pool(all[i]))
			record_merge(&sum, all[i]);
	counts = counts_at(&sum, POOL_TOTAL);
	put_named_counts(c, "total", &counts);
	counts = averages(&sum);
	put_named_counts(c, "avg", &counts);
}

/* ---- how many --------------------------------------------------------- */

static void count_database(
	struct console *c, const char *database, const struct record *sum)
{
	(void)database;
	(void)sum;
	c->mark++;
}

void show_lists(struct console *c)
{
	size_t n, n_users, n_pools = 0;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);
	CLEANUP(freep) const char **users = list_users(c, &n_users);
	const struct record *worker = NULL;
	uint64_t servers = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_pool(all[i])) {
			worker = all[i];
			continue;
		}
		n_pools++;
		servers += n_servers(all[i]);
	}
	check(worker); /* at least our own */
	c->mark = 0;
	each_database(c, count_database);
	put_pair(c, "databases", c->mark);
	put_pair(c, "users", n_users);
	put_pair(c, "pools", n_pools);
	put_pair(c, "free_clients", 0); /* their memory goes with them */
	put_pair(c, "used_clients",
		worker->sums[WORKER_CLIENTS] + worker->sums[WORKER_CONSOLES]);
	put_pair(c, "login_clients", worker->sums[WORKER_LOGINS]);
	put_pair(c, "free_servers", 0);
	put_pair(c, "used_servers", servers);
	put_pair(c, "dns_names", 0);
	put_pair(c, "dns_zones", 0);
	put_pair(c, "dns_queries", 0);
	put_pair(c, "dns_pending", 0);
	put_pair(c, "console_clients", worker->sums[WORKER_CONSOLES]);
	put_pair(c, "pinned_clients", page_pinned(c->door->page));
	put_pair(c, "workers", page_workers(c->door->page));
}

static void put_state(struct console *c, const char *type, const char *name,
	const char *label, uint64_t n)
{
	put_text(c, type);
	put_text(c, name);
	put_text(c, label);
	put_number(c, n);
}

void show_states(struct console *c)
{
	static const char *const names[] = {
#define SESSION_STATE(name, label, next) #name,
#include "session/session_states.def"
#undef SESSION_STATE
#define BACKEND_STATE(name, label, next) #name,
#include "pool/backend_states.def"
#undef BACKEND_STATE
	};
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);

	check(n == 1);
	for (size_t i = 0; i < SESSION_STATES; i++)
		put_state(c, "client", names[i],
			session_state_name((enum session_state)i),
			all[0]->sums[i]);
	for (size_t i = 0; i < BACKEND_STATES; i++)
		put_state(c, "server", names[SESSION_STATES + i],
			backend_state_name((enum backend_state)i),
			all[0]->sums[SESSION_STATES + i]);
}

void show_memory(struct console *c)
{
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);

	for (size_t i = 0; i < n; i++) {
		pg_put_field(&c->rows, slice_of(all[i]->key, all[i]->key_len));
		put_number(c, all[i]->maxes[MEMORY_SIZE]);
		put_number(c, all[i]->sums[MEMORY_USED]);
		put_number(c, 0);
		put_number(c, all[i]->sums[MEMORY_BYTES]);
	}
}

/* ---- what this worker knows ------------------------------------------- */

static void put_option(struct console *c, const char *key, enum option_id id)
{
	const struct config *config = c->door->config;
	const struct option_row *row = option_row(id);
	CLEANUP(buf_deinit) struct buf value = { 0 };

	config_show(config, id, &value);
	put_text(c, key);
	pg_put_field(&c->rows, buf_slice(&value));
	put_text(c, row->def);
	put_text(c, row->when == OPTION_RELOAD ? "yes" : "no");
	put_text(c, row->variable);
	put_text(c, option_source_name(config->sources[id]));
}

void show_config(struct console *c)
{
	for (int i = 0; i < OPTION_ID_END; i++) {
		const struct option_row *row = option_row((enum option_id)i);

		if (row->when != OPTION_TEST)
			put_option(c, row->field, (enum option_id)i);
	}
	/* Under the names that exporters look for. */
#define ADMIN_ALIAS(name, field) put_option(c, #name, OPTION_ID_##field);
#include "proto/admin.def"
}

void show_metrics(struct console *c)
{
	for (int i = 0; i < METRIC_ID_END; i++) {
		const struct metric_row *row = metric_row((enum metric_id)i);
		char name[80];

		snprintf(name, sizeof(name), "howdah_%s", row->name);
		put_pair(
			c, name, metrics_sum(c->door->page, (enum metric_id)i));
		put_text(c, row->kind == METRIC_COUNTER ? "counter" : "gauge");
		put_text(c, row->unit);
		put_text(c, row->what);
	}
}

/* Some take the first number, and all that follows it, for PgBouncer's, to
 * know which columns there are. */
void show_version(struct console *c)
{
	put_text(c, c->is_plain ? "Howdah, a console like PgBouncer 1.18.0"
				: "Howdah " HOWDAH_VERSION
				  ", a console like PgBouncer 1.18.0");
}

void show_help(struct console *c)
{
	const struct admin_row *row;

	for (size_t i = 0; (row = admin_row(i)); i++) {
		char name[40];

		if (!admin_is_listed(row))
			continue;
		snprintf(name, sizeof(name), "%s%s",
			row->is_show ? "SHOW " : "", row->name);
		put_text(c, name);
		put_text(c, admin_arguments_text(row->arguments));
		put_text(c, row->help);
	}
}
