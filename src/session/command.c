/*
 * PAUSE and its kin: commands that do something, in all workers.
 *
 * Whether a database is paused stands in the shared page; the workers are
 * asked to look. What the configuration is, the supervisor says: it is asked
 * over the control socket, and its counters tell when it has answered.
 */
#include <stdlib.h>

#include "session/console.h"

enum {
	LOOK_MS = 50, /* how often what is waited for is looked at */
	SUPERVISOR_MS = 5000,
};

/* ---- databases --------------------------------------------------------- */

static uint64_t n_servers(const struct record *r)
{
	uint64_t n = 0;

	for (int state = 0; state < BACKEND_CLOSING; state++)
		n += r->sums[POOL_BACKENDS + state];
	return n;
}

typedef uint64_t pool_count_fn(const struct record *r);

static uint64_t n_close_needed(const struct record *r)
{
	return r->sums[POOL_CLOSE_NEEDED];
}

static uint64_t one(const struct record *r)
{
	(void)r;
	return 1;
}

/* Over the pools of the command's database. */
static uint64_t sum_pools(struct console *c, pool_count_fn *fn)
{
	const char *database = c->command.argument;
	size_t n;
	CLEANUP(freep) struct record **all = gather_sorted(c, &n);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (all[i]->key_len &&
			(!database || !strcmp(all[i]->key, database)))
			sum += fn(all[i]);
	return sum;
}

/* A typing error must not look like success. */
static bool knows_database(struct console *c)
{
	const char *database = c->command.argument;
	struct fault f;

	if (database && admin_is_console(database)) {
		fault_set(&f, FAULT_UNSUPPORTED,
			"\"%s\" is the admin console, which %s does not touch",
			database, c->command.row->name);
		console_fail(c, &f);
		return false;
	}
	if (!database || !strcmp(database, c->door->env.door_database) ||
		sum_pools(c, one))
		return true;
	fault_set(&f, FAULT_NO_DATABASE,
		"no client has used a database \"%.63s\"", database);
	fault_hint(&f, "SHOW DATABASES lists them.");
	console_fail(c, &f);
	return false;
}

/* ---- PAUSE, RESUME ----------------------------------------------------- */

static bool pause_failed(struct console *c, enum page_pause outcome)
{
	struct fault f;

	if (outcome == PAGE_PAUSE_CHANGED)
		return false;
	if (outcome == PAGE_PAUSE_FULL)
		fault_set(&f, FAULT_TOO_LARGE,
			"%d databases are paused, which is the most there can be",
			PAGE_PAUSED);
	else if (c->command.row->step == command_resume)
		fault_set(&f, FAULT_NOT_IN_STATE, "%s%s is not paused",
			c->command.argument ? "database " : "the gateway",
			c->command.argument ? c->command.argument : "");
	else
		fault_set(&f, FAULT_NOT_IN_STATE, "%s%s is paused already",
			c->command.argument ? "database " : "the gateway",
			c->command.argument ? c->command.argument : "");
	fault_hint(&f, "SHOW DATABASES tells which are.");
	console_fail(c, &f);
	return true;
}

void command_unpause(struct console *c)
{
	struct door *door = c->door;

	if (c->stage < 2)
		return;
	pools_resume(door->pools, c->command.argument);
	gather_begin(c, ADMIN_SOURCE_pauses); /* nobody waits for the answer */
}

void command_pause(struct console *c)
{
	switch (c->stage++) {
	case 0:
		gather_begin(c, ADMIN_SOURCE_pools);
		break;
	case 1:
		if (!knows_database(c) ||
			pause_failed(c, pools_pause(c->door->pools,
						c->command.argument)))
			return;
		gather_begin(c, ADMIN_SOURCE_pauses);
		break;
	case 2:
		gather_begin(c, ADMIN_SOURCE_evict);
		break;
	case 3:
		gather_tell_late(c);
		gather_begin(c, ADMIN_SOURCE_pools);
		break;
	default:
		if (!c->gather.late && !sum_pools(c, n_servers)) {
			console_done(c);
			return;
		}
		c->stage = 3;
		console_wait(c, LOOK_MS);
	}
}

void command_resume(struct console *c)
{
	if (!c->stage++) {
		if (!pause_failed(c,
			    pools_resume(c->door->pools, c->command.argument)))
			gather_begin(c, ADMIN_SOURCE_pauses);
		return;
	}
	gather_tell_late(c);
	console_done(c);
}

/* ---- RECONNECT, WAIT_CLOSE, KILL --------------------------------------- */

void command_reconnect(struct console *c)
{
	switch (c->stage++) {
	case 0:
		gather_begin(c, ADMIN_SOURCE_pools);
		break;
	case 1:
		if (knows_database(c))
			gather_begin(c, ADMIN_SOURCE_evict);
		break;
	default:
		gather_tell_late(c);
		console_done(c);
	}
}

void command_wait_close(struct console *c)
{
	switch (c->stage++) {
	case 0:
		gather_begin(c, ADMIN_SOURCE_pools);
		break;
	default:
		if (!knows_database(c))
			return;
		gather_tell_late(c);
		if (!c->gather.late && !sum_pools(c, n_close_needed)) {
			console_done(c);
			return;
		}
		c->stage = 0;
		console_wait(c, LOOK_MS);
	}
}

/* Paused, as with PgBouncer: who comes back waits until RESUME. */
void command_kill(struct console *c)
{
	switch (c->stage++) {
	case 0:
		gather_begin(c, ADMIN_SOURCE_pools);
		break;
	case 1:
		if (!knows_database(c))
			return;
		pools_pause(c->door->pools, c->command.argument);
		gather_begin(c, ADMIN_SOURCE_pauses);
		break;
	case 2:
		gather_begin(c, ADMIN_SOURCE_kill);
		break;
	default:
		gather_tell_late(c);
		console_done(c);
	}
}

/* ---- the configuration ------------------------------------------------- */

static uint64_t n_answers(struct console *c)
{
	return metrics_sum(c->door->page, METRIC_reloads) +
	       metrics_sum(c->door->page, METRIC_reload_failures);
}

static void ask_supervisor(
	struct console *c, enum control_kind kind, struct slice payload)
{
	struct door *door = c->door;

	c->mark = n_answers(c);
	c->cursor = metrics_sum(door->page, METRIC_reload_failures);
	c->gather.give_up_at = loop_now(door->loop) + SUPERVISOR_MS;
	door->env.send(
		door->env.owner, MAIL_SUPERVISOR, (uint8_t)kind, payload);
	console_wait(c, LOOK_MS);
}

/* True when it has answered yes. Otherwise the command has failed, or is
 * looked at again. */
static bool supervisor_agrees(struct console *c)
{
	struct fault f;

	if (n_answers(c) == c->mark) {
		if (loop_now(c->door->loop) < c->gather.give_up_at) {
			console_wait(c, LOOK_MS);
			return false;
		}
		fault_set(&f, FAULT_NOT_READY,
			"the supervisor has not answered within %d s",
			SUPERVISOR_MS / 1000);
	} else if (metrics_sum(c->door->page, METRIC_reload_failures) ==
		   c->cursor) {
		return true;
	} else {
		fault_set(&f, FAULT_BAD_VALUE,
			"the configuration stays as it was");
	}
	fault_hint(&f, "The log of the gateway says why.");
	console_fail(c, &f);
	return false;
}

void command_reload(struct console *c)
{
	if (!c->stage++)
		ask_supervisor(c, CONTROL_RELOAD, SLICE(""));
	else if (supervisor_agrees(c))
		console_done(c);
}

static const char *option_name(const char *name)
{
	static const struct {
		const char *alias;
		const char *field;
	} aliases[] = {
#define ADMIN_ALIAS(name, field) { #name, #field },
#include "proto/admin.def"
	};

	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcmp(aliases[i].alias, name))
			return aliases[i].field;
	return name;
}

/* What is wrong is said at once, and precisely. */
static bool is_settable(struct console *c, const char *name)
{
	struct config *next;
	struct fault f;

	if (config_set(c->door->config, slice_str(name),
		    slice_str(c->command.value), &next, &f) < 0) {
		console_fail(c, &f);
		return false;
	}
	config_destroy(next);
	return true;
}

/* Has this worker the value? */
static bool is_set(struct console *c, const char *name)
{
	struct config *next;
	enum option_id id = option_find(slice_str(name));
	CLEANUP(buf_deinit) struct buf now = { 0 };
	CLEANUP(buf_deinit) struct buf wanted = { 0 };
	struct fault f;

	if (config_set(c->door->config, slice_str(name),
		    slice_str(c->command.value), &next, &f) < 0)
		return true; /* it has changed its mind about it */
	config_show(c->door->config, id, &now);
	config_show(next, id, &wanted);
	config_destroy(next);
	return slice_equal(buf_slice(&now), buf_slice(&wanted));
}

void command_set(struct console *c)
{
	CLEANUP(buf_deinit) struct buf payload = { 0 };
	const char *name;

	if (c->command.is_ignored) {
		console_done(c);
		return;
	}
	name = option_name(c->command.argument);
	if (!c->stage++) {
		if (!is_settable(c, name))
			return;
		buf_printf(&payload, "%s=%s", name, c->command.value);
		ask_supervisor(c, CONTROL_SET, buf_slice(&payload));
	} else if (supervisor_agrees(c)) {
		if (is_set(c, name) ||
			loop_now(c->door->loop) >= c->gather.give_up_at)
			console_done(c);
		else
			console_wait(c, LOOK_MS);
	}
}

/* ---- what drivers say -------------------------------------------------- */

/* Commands take effect at once and cannot be rolled back; but a driver that
 * has said BEGIN looks for the status of a transaction. */
void command_begin(struct console *c)
{
	c->tx = 'T';
	console_done(c);
}

void command_end(struct console *c)
{
	c->tx = 'I';
	console_done(c);
}

void command_deallocate(struct console *c)
{
	const char *name = c->command.argument;
	struct fault f;

	if (extended_forget(c, name)) {
		console_done(c);
		return;
	}
	fault_set(&f, FAULT_NO_STATEMENT,
		"prepared statement \"%.63s\" does not exist", name);
	console_fail(c, &f);
}

/* DISCARD ALL; all that is less finds nothing. */
void command_discard(struct console *c)
{
	if (!c->command.argument)
		extended_forget(c, NULL);
	console_done(c);
}

/* ---- what is not done -------------------------------------------------- */

void command_nothing(struct console *c)
{
	console_done(c);
}

void command_unsupported(struct console *c)
{
	struct fault f;

	fault_set(&f, FAULT_UNSUPPORTED, "%s is not supported",
		c->command.row->name);
	fault_hint(&f, "%s", c->command.row->help);
	console_fail(c, &f);
}
