/*
 * The door of one worker: accepts clients, keeps time for them, drains, and
 * hears what other workers' doors say.
 */
#include "session/session_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "session/listen.h"

struct door_listener {
	struct listener listener;
	struct list link;
	struct door *door;
};

/* ---- accepting -------------------------------------------------------- */

static void on_door_accept(
	struct listener *l, int fd, const struct sockaddr *peer)
{
	struct door *door =
		container_of(l, struct door_listener, listener)->door;

	metrics_inc(&door->metrics, METRIC_accepts);
	session_create(door, fd, peer);
}

void door_listen(struct door *door, int fd, bool is_unix)
{
	struct door_listener *l = xnew(struct door_listener);

	(void)is_unix; /* the peer's address says it */
	l->door = door;
	door->n_open++;
	list_push_back(&door->listeners, &l->link);
	listener_open(&l->listener, door->loop, fd, on_door_accept);
}

static void on_listener_closed(struct listener *l)
{
	struct door_listener *dl =
		container_of(l, struct door_listener, listener);
	struct door *door = dl->door;

	free(dl);
	door_part_closed(door);
}

static void stop_listening(struct door *door)
{
	struct list *node;

	while ((node = list_pop(&door->listeners))) {
		struct door_listener *l =
			list_entry(node, struct door_listener, link);

		listener_drain(&l->listener);
		listener_close(&l->listener, on_listener_closed);
	}
}

/* ---- time ------------------------------------------------------------- */

/* Calls fn for the sessions of a state that have been in it since before
 * then; the list is in the order of entering. */
static void each_older(struct door *door, enum session_state state,
	uint64_t span_ms, void (*fn)(struct session *s))
{
	uint64_t now = loop_now(door->loop);

	list_each_safe (node, &door->sessions[state]) {
		struct session *s = list_entry(node, struct session, link);

		if (now - s->state_at >= span_ms)
			fn(s);
	}
}

static void end_idle(struct session *s)
{
	struct fault f;

	fault_set(&f, FAULT_IDLE_SESSION, NULL);
	session_fatal(s, &f);
}

static void end_idle_transaction(struct session *s)
{
	struct fault f;

	if (s->tx == 'I' || s->backend->replies.len)
		return;
	fault_set(&f, FAULT_IDLE_TRANSACTION, NULL);
	session_fatal(s, &f);
}

static void end_login(struct session *s)
{
	struct door *door = s->door;

	if (loop_now(door->loop) - s->connected_at <
		door->config->login_timeout)
		return;
	metrics_inc(&door->metrics, METRIC_login_timeouts);
	startup_timed_out(s);
}

static uint64_t n_clients(const struct door *door)
{
	uint64_t n = 0;

	for (int i = 0; i < SESSION_FINISHING; i++)
		n += door->n_sessions[i];
	return n;
}

static void on_door_tick(struct timer *timer)
{
	struct door *door = container_of(timer, struct door, tick);
	const struct config *c = door->config;

	each_older(door, SESSION_STARTUP, 0, end_login);
	each_older(door, SESSION_AUTH, 0, end_login);
	each_older(door, SESSION_GREETING, 0, end_login);
	if (c->client_idle_timeout)
		each_older(
			door, SESSION_READY, c->client_idle_timeout, end_idle);
	if (c->idle_transaction_timeout)
		each_older(door, SESSION_ACTIVE, c->idle_transaction_timeout,
			end_idle_transaction);
	startup_tell_refused(door);
	metrics_set(&door->metrics, METRIC_clients, n_clients(door));
	metrics_set(&door->metrics, METRIC_waiting,
		door->n_sessions[SESSION_WAITING]);
}

/* ---- draining and ending ---------------------------------------------- */

static bool has_clients(const struct door *door)
{
	for (int i = 0; i < SESSION_STATES; i++)
		if (door->n_sessions[i])
			return true;
	return false;
}

void door_part_closed(struct door *door)
{
	door->n_open--;
	if (door->is_draining && door->drained && !has_clients(door)) {
		door_idle_fn *done = door->drained;

		door->drained = NULL;
		done(door->env.owner);
	}
	if (door->is_closing && !door->n_open && door->closed) {
		door_idle_fn *done = door->closed;

		door->closed = NULL;
		done(door->env.owner);
	}
}

void door_drain_one(struct session *s)
{
	struct fault f;

	fault_set(&f, FAULT_SHUTDOWN, NULL);
	session_fatal(s, &f);
}

/* What it has asked already, though nobody has read it, is answered first. */
static void drain_ready(struct session *s)
{
	stream_look(&s->stream);
	if (s->state == SESSION_READY)
		door_drain_one(s);
}

void door_drain(struct door *door, door_idle_fn *done)
{
	door->drained = done;
	stop_listening(door);
	door->is_draining = true;
	each_older(door, SESSION_STARTUP, 0, door_drain_one);
	each_older(door, SESSION_AUTH, 0, door_drain_one);
	each_older(door, SESSION_GREETING, 0, door_drain_one);
	each_older(door, SESSION_READY, 0, drain_ready);
	each_older(door, SESSION_CONSOLE, 0, door_drain_one);
	list_each_safe (node, &door->sessions[SESSION_ACTIVE]) {
		struct session *s = list_entry(node, struct session, link);

		if (s->tx == 'I' && !s->backend->replies.len && !s->in_batch)
			door_drain_one(s);
	}
	door->n_open++;
	door_part_closed(door); /* nobody there: done at once */
}

static void on_tick_closed(struct timer *timer)
{
	door_part_closed(container_of(timer, struct door, tick));
}

static void on_pools_closed(void *owner)
{
	door_part_closed(owner);
}

void door_close(struct door *door, door_idle_fn *closed)
{
	door->is_closing = true;
	door->closed = closed;
	stop_listening(door);
	for (int i = 0; i < SESSION_FINISHING; i++)
		each_older(door, (enum session_state)i, 0, door_drain_one);
	pools_close(door->pools, on_pools_closed, door);
	timer_close(&door->tick, on_tick_closed);
}

/* ---- others ----------------------------------------------------------- */

static void on_control_evict(struct door *door, struct slice payload)
{
	CLEANUP(freep) char *database = slice_dup(payload);

	pools_evict(door->pools, *database ? database : NULL);
	listen_evict(door, *database ? database : NULL);
}

void door_control(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload)
{
	switch (kind) {
	case CONTROL_CANCEL:
		cancel_control(door, from_worker, payload);
		break;
	case CONTROL_EVICT:
		on_control_evict(door, payload);
		break;
	default:
		console_control(door, from_worker, kind, payload);
	}
}

void door_bell(struct door *door)
{
	pools_bell(door->pools);
}

/* ---- making one ------------------------------------------------------- */

static struct auth_users *load_users(const struct door_env *env,
	const struct config *config, struct fault *f)
{
	struct auth_source source = {
		.user = slice_str(env->door_user),
		.password = slice_str(env->door_password),
		.path = config->auth_file,
	};
	struct auth_users *users;

	source.salt_secret.data =
		(const char *)page_secret(env->page, &source.salt_secret.len);
	return auth_users_create(&source, &users, f) < 0 ? NULL : users;
}

static int load_tls(const struct config *c, struct page *page,
	struct tls_context **ret_tls, struct fault *f)
{
	*ret_tls = NULL;
	if (!*c->tls_cert)
		return 0;
	*ret_tls = tls_context_server(c->tls_cert, c->tls_key, c->tls_client_ca,
		page_ticket_key(page), f);
	return *ret_tls ? 0 : -EINVAL;
}

struct door *door_create(const struct door_env *env, struct fault *f)
{
	struct pools_env pools_env = {
		.loop = env->loop,
		.page = env->page,
		.worker = env->worker,
		.config = env->config,
		.upstream = env->upstream,
	};
	struct door *door = xnew(struct door);

	door->env = *env;
	door->loop = env->loop;
	door->page = env->page;
	door->worker = env->worker;
	door->config = env->config;
	metrics_init(&door->metrics, env->page, env->worker);
	list_init(&door->listeners);
	list_init(&door->asks);
	for (int i = 0; i < SESSION_STATES; i++)
		list_init(&door->sessions[i]);
	list_init(&door->all);
	table_init(&door->by_pid);
	table_init(&door->hubs);
	door->users = load_users(env, env->config, f);
	if (!door->users || load_tls(env->config, env->page, &door->tls, f) < 0)
		goto failed;
	door->pools = pools_create(&pools_env, f);
	if (!door->pools)
		goto failed;
	timer_init(&door->tick, door->loop, on_door_tick);
	timer_start(&door->tick, DOOR_TICK_MS, DOOR_TICK_MS);
	door->n_open = 2; /* the pools and the timer */
	return door;
failed:
	door_destroy(door);
	return NULL;
}

bool door_secret(struct door *door, struct slice user, struct pool_secret *ret)
{
	struct auth_secret secret;

	if (!auth_users_secret(door->users, user, &secret))
		return false;
	*ret = (struct pool_secret){
		.password = TAKE(secret.password),
		.has_md5 = secret.has_md5,
		.has_keys = secret.has_keys,
		.md5 = secret.md5,
		.salt = secret.salt,
		.keys = secret.keys,
	};
	auth_secret_deinit(&secret);
	return true;
}

static bool on_secret(void *owner, struct slice user, struct pool_secret *ret)
{
	struct door *door = owner;

	return door_secret(door, user, ret);
}

int door_reload(struct door *door, const struct config *next, struct fault *f)
{
	struct auth_users *users = load_users(&door->env, next, f);
	struct tls_context *tls;

	if (!users)
		return -EINVAL;
	if (load_tls(next, door->page, &tls, f) < 0) {
		auth_users_unref(users);
		return -EINVAL;
	}
	auth_users_inherit(users, door->users);
	auth_users_unref(door->users);
	tls_context_unref(door->tls);
	door->users = users;
	door->tls = tls;
	door->config = next;
	door->env.config = next;
	pools_reload(door->pools, next, on_secret, door);
	return 0;
}

void door_destroy(struct door *door)
{
	if (!door)
		return;
	cancel_asks_drop(door);
	auth_users_unref(door->users);
	tls_context_unref(door->tls);
	pools_destroy(door->pools);
	table_deinit(&door->by_pid);
	table_deinit(&door->hubs);
	buf_deinit(&door->out);
	free(door);
}
