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

static void cancel_session(struct session *s)
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
			backend_cancel(s->backend);
		break;
	case SESSION_CONSOLE:
		console_cancel(s);
		break;
	default:
		break;
	}
}

/* True when the key is that of a client here. */
static bool cancel_here(struct door *door, uint32_t pid, struct slice key)
{
	struct session *s = find_by_pid(door, pid);

	if (!s || key.len != s->key_len ||
		!mem_equal_ct(key.data, s->key, key.len))
		return false;
	log_debug(&s->log, "session.cancel", "asked for by the client");
	cancel_session(s);
	return true;
}

void cancel_request(struct door *door, uint32_t pid, struct slice key)
{
	unsigned worker = (pid >> PID_NUMBER_BITS) - 1;
	CLEANUP(buf_deinit) struct buf message = { 0 };

	if (worker == door->worker) {
		metrics_inc(&door->metrics, cancel_here(door, pid, key)
						    ? METRIC_cancels
						    : METRIC_cancels_unknown);
		return;
	}
	if (worker >= page_workers(door->page)) {
		metrics_inc(&door->metrics, METRIC_cancels_unknown);
		return;
	}
	buf_put_u32(&message, pid);
	buf_append_slice(&message, key);
	door->env.send(door->env.owner, (int)worker, CONTROL_CANCEL,
		buf_slice(&message));
}
