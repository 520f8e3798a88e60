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
	REFUSED_MS = 1000, /* until a refusal is taken for that of our SET */
};

/* ---- databases -------------------------------------------------------- */

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

/* ---- PAUSE, RESUME ---------------------------------------------------- */

static bool pause_failed(struct console *c, enum page_pause outcome)
{
	struct fault f;

	if (outcome == PAGE_PAUSE_CHANGED ||
		(outcome == PAGE_PAUSE_SAME &&
			c->command.row->step == command_kill))
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

void command_abandon(struct console *c)
{
	/* Its second stage has paused. */
	if (c->command.row->step != command_pause || c->stage < 2)
		return;
	pools_resume(c->door->pools, c->command.argument);
	gather_tell(c, ADMIN_SOURCE_pauses);
	log_info(&c->session->log, "console.abandoned", "PAUSE %s",
		c->command.argument ? c->command.argument : "");
}

/* Nobody is there to be told that it is done, and to RESUME: or who knows? A
 * goodbye behind more than we keep would not be heard. */
static bool is_left(struct console *c)
{
	const struct stream *s = &c->session->stream;
	bool is_full = s->in_len >= s->in_limit;
	struct fault f;

	if (!is_full && !console_is_left(c))
		return false;
	command_abandon(c);
	fault_set(&f, is_full ? FAULT_TOO_LARGE : FAULT_CANCELLED,
		"%s is given up: its client has said %s", c->command.row->name,
		is_full ? "too much meanwhile" : "goodbye");
	console_fail(c, &f);
	return true;
}

/* Another console may have had enough of it. */
static bool was_resumed(struct console *c)
{
	struct fault f;

	if (pools_is_paused(c->door->pools, c->command.argument))
		return false;
	fault_set(&f, FAULT_NOT_IN_STATE, "RESUME has ended this PAUSE");
	console_fail(c, &f);
	return true;
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
		if (was_resumed(c) || is_left(c))
			return;
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

/* ---- RECONNECT, WAIT_CLOSE, KILL -------------------------------------- */

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
		if (!knows_database(c) || is_left(c))
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
		if (!knows_database(c) ||
			pause_failed(c, pools_pause(c->door->pools,
						c->command.argument)))
			return;
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

/* ---- the configuration ------------------------------------------------ */

static uint64_t n_refusals(struct console *c)
{
	return metrics_sum(c->door->page, METRIC_reload_failures);
}

static uint64_t n_answers(struct console *c)
{
	return metrics_sum(c->door->page, METRIC_reloads) + n_refusals(c);
}

static void ask_supervisor(
	struct console *c, enum control_kind kind, struct slice payload)
{
	struct door *door = c->door;

	c->mark = n_answers(c);
	c->cursor = n_refusals(c);
	c->gather.give_up_at = loop_now(door->loop) + SUPERVISOR_MS;
	door->env.send(
		door->env.owner, MAIL_SUPERVISOR, (uint8_t)kind, payload);
	console_wait(c, LOOK_MS);
}

static void fail_configuration(struct console *c)
{
	struct fault f;

	if (n_answers(c) == c->mark)
		fault_set(&f, FAULT_NOT_READY,
			"the supervisor has not answered within %d s",
			SUPERVISOR_MS / 1000);
	else if (n_refusals(c) != c->cursor)
		fault_set(&f, FAULT_BAD_VALUE,
			"the configuration stays as it was");
	else
		fault_set(&f, FAULT_NOT_IN_STATE,
			"another SET or RELOAD has come between");
	fault_hint(&f, "The log of the gateway says why.");
	console_fail(c, &f);
}

void command_reload(struct console *c)
{
	if (!c->stage++)
		ask_supervisor(c, CONTROL_RELOAD, SLICE(""));
	else if (n_refusals(c) != c->cursor)
		fail_configuration(c);
	else if (n_answers(c) != c->mark)
		console_done(c);
	else if (loop_now(c->door->loop) >= c->gather.give_up_at)
		fail_configuration(c);
	else
		console_wait(c, LOOK_MS);
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
		return false; /* with what has come between, it cannot be */
	config_show(c->door->config, id, &now);
	config_show(next, id, &wanted);
	config_destroy(next);
	return slice_equal(buf_slice(&now), buf_slice(&wanted));
}

/* The supervisor's answers may be to somebody else's SET; what counts is that
 * the value is there. */
static void wait_until_set(struct console *c, const char *name)
{
	uint64_t now = loop_now(c->door->loop);

	if (is_set(c, name)) {
		console_done(c);
		return;
	}
	if (n_refusals(c) != c->cursor)
		c->gather.give_up_at =
			MIN(c->gather.give_up_at, now + REFUSED_MS);
	if (now >= c->gather.give_up_at)
		fail_configuration(c);
	else
		console_wait(c, LOOK_MS);
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
	if (c->stage++) {
		wait_until_set(c, name);
		return;
	}
	if (!is_settable(c, name))
		return;
	buf_printf(&payload, "%s=%s", name, c->command.value);
	ask_supervisor(c, CONTROL_SET, buf_slice(&payload));
}

/* ---- what drivers say ------------------------------------------------- */

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

/* ---- what is not done ------------------------------------------------- */

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
