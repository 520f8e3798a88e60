/*
 * Cancel keys. The pid a client is given is ours: its upper bits name the
 * worker, so that any worker that gets a cancel request can pass it on.
 *
 *     pid = (worker + 1) << 24 | number      (a positive 32-bit integer)
 *
 * A request for a client that waits takes it out of the queue; for one that
 * runs it is sent on to the server; an idle client is left alone.
 */
#include "session/session_priv.h"

#include <stdlib.h>

enum {
	PID_NUMBER_BITS = 24
};

static bool pid_equal(const struct table_node *node, const void *key)
{
	return container_of(node, struct session, by_pid)->pid ==
	       *(const uint32_t *)key;
}

static struct session *find_by_pid(struct door *door, uint32_t pid)
{
	struct table_node *node = table_find(&door->by_pid,
		table_hash(&door->by_pid, &pid, sizeof(pid)), pid_equal, &pid);

	return node ? container_of(node, struct session, by_pid) : NULL;
}

void cancel_key_make(struct session *s, uint16_t minor)
{
	struct door *door = s->door;

	do {
		door->n_pids =
			(door->n_pids + 1) & ((1u << PID_NUMBER_BITS) - 1);
		s->pid = (door->worker + 1) << PID_NUMBER_BITS | door->n_pids;
	} while (find_by_pid(door, s->pid));
	s->key_len = minor >= 2 ? CANCEL_KEY_NEW : PG_CANCEL_KEY_OLD;
	crypto_random(s->key, s->key_len);
	table_add(&door->by_pid,
		table_hash(&door->by_pid, &s->pid, sizeof(s->pid)), &s->by_pid);
}

void cancel_key_drop(struct session *s)
{
	if (s->pid)
		table_remove(&s->door->by_pid, &s->by_pid);
	s->pid = 0;
}

/*
 * One request, from here or from another worker's door. PostgreSQL closes
 * the connection of a cancel request when its signal is sent, and clients
 * rely on it: what they send next is not hit. So the connection is kept until
 * the request is over, wherever it went.
 */
struct cancel_ask {
	struct cancel_waiter waiter;
	struct list link; /* in door->asks while another worker has it */
	struct door *door;
	struct session *asker; /* its connection here, or NULL */
	int from;	       /* the worker that asks; -1: ourselves */
	uint64_t id;	       /* the asking worker's number for it */
};

enum cancel_message {
	CANCEL_ASK = 'Q',
	CANCEL_OVER = 'A'
};

static void ask_over(struct cancel_ask *ask)
{
	struct door *door = ask->door;
	CLEANUP(buf_deinit) struct buf message = { 0 };

	if (ask->asker) {
		startup_set_ask(ask->asker, NULL);
		session_finish(ask->asker);
	}
	if (ask->from >= 0) {
		buf_put_u8(&message, CANCEL_OVER);
		buf_put_u64(&message, ask->id);
		door->env.send(door->env.owner, ask->from, CONTROL_CANCEL,
			buf_slice(&message));
	}
	list_remove(&ask->link);
	free(ask);
}

static void on_ask_done(struct cancel_waiter *w)
{
	ask_over(container_of(w, struct cancel_ask, waiter));
}

static struct cancel_ask *ask_create(
	struct door *door, struct session *asker, int from, uint64_t id)
{
	struct cancel_ask *ask = xnew(struct cancel_ask);

	ask->waiter.done = on_ask_done;
	ask->door = door;
	ask->asker = asker;
	ask->from = from;
	ask->id = id;
	if (asker)
		startup_set_ask(asker, ask);
	return ask;
}

void cancel_ask_orphan(struct cancel_ask *ask)
{
	ask->asker = NULL;
}

void cancel_asks_drop(struct door *door)
{
	struct list *node;

	while ((node = list_pop(&door->asks)))
		free(list_entry(node, struct cancel_ask, link));
}

/* True when it is not over yet: w is told. */
static bool cancel_session(struct session *s, struct cancel_waiter *w)
{
	struct fault f;

	switch ((enum session_state)s->state) {
	case SESSION_WAITING:
		lease_cancel(&s->lease);
		fault_set(&f, FAULT_CANCELLED, NULL);
		session_enter(s, SESSION_READY);
		front_fail(s, &f);
		session_continue(s);
		break;
	case SESSION_ACTIVE:
		/* Only what is running: between its statements there is
		 * nothing to hit. */
		if (s->backend->replies.len)
			return backend_cancel(s->backend, w);
		break;
	case SESSION_CONSOLE:
		console_cancel(s);
		break;
	default:
		break;
	}
	return false;
}

static void cancel_here(struct cancel_ask *ask, uint32_t pid, struct slice key)
{
	struct door *door = ask->door;
	struct session *s = find_by_pid(door, pid);

	if (!s || key.len != s->key_len ||
		!mem_equal_ct(key.data, s->key, key.len)) {
		metrics_inc(&door->metrics, METRIC_cancels_unknown);
		ask_over(ask);
		return;
	}
	metrics_inc(&door->metrics, METRIC_cancels);
	log_debug(&s->log, "session.cancel", "asked for by the client");
	if (!cancel_session(s, &ask->waiter))
		ask_over(ask);
}

static void cancel_there(
	struct cancel_ask *ask, unsigned worker, uint32_t pid, struct slice key)
{
	struct door *door = ask->door;
	CLEANUP(buf_deinit) struct buf message = { 0 };

	buf_put_u8(&message, CANCEL_ASK);
	buf_put_u64(&message, ask->id);
	buf_put_u32(&message, pid);
	buf_append_slice(&message, key);
	list_push_back(&door->asks, &ask->link);
	door->env.send(door->env.owner, (int)worker, CONTROL_CANCEL,
		buf_slice(&message));
}

void cancel_request(struct session *asker, uint32_t pid, struct slice key)
{
	struct door *door = asker->door;
	unsigned worker = (pid >> PID_NUMBER_BITS) - 1;
	struct cancel_ask *ask = ask_create(door, asker, -1, ++door->n_ids);

	if (worker == door->worker || worker >= page_workers(door->page))
		cancel_here(ask, pid, key);
	else
		cancel_there(ask, worker, pid, key);
}

void cancel_control(struct door *door, unsigned from, struct slice payload)
{
	struct reader r = reader_of(payload);
	uint8_t message = reader_u8(&r);
	uint64_t id = reader_u64(&r);

	if (message == CANCEL_ASK) {
		uint32_t pid = reader_u32(&r);

		cancel_here(ask_create(door, NULL, (int)from, id), pid,
			reader_bytes(&r, reader_left(&r)));
		return;
	}
	list_each (node, &door->asks) {
		struct cancel_ask *ask =
			list_entry(node, struct cancel_ask, link);

		if (ask->id == id) {
			ask_over(ask);
			return;
		}
	}
}
