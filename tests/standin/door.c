/*
 * A door of a few lines, linked in place of session/: for tests of the
 * processes around it. A client is greeted with "worker N pid P"; each line
 * it sends is a command of commands[], and is answered with one line.
 */
#include "session/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LISTENERS_MAX = 16
};

struct entrance {
	struct listener listener;
	struct door *door;
};

struct client {
	struct list link;
	struct stream stream;
	struct door *door;
	bool is_held; /* as in a transaction */
};

struct door {
	struct door_env env;
	struct entrance entrances[LISTENERS_MAX];
	unsigned n_entrances;
	unsigned n_open; /* entrances and clients whose memory is in use */
	struct list clients;
	door_idle_fn *drained; /* draining: to be told once */
	door_idle_fn *closed;
	bool is_draining;
	char heard[128];
	unsigned n_rung;
};

/* ---- ending ----------------------------------------------------------- */

static void settle(struct door *d)
{
	door_idle_fn *drained = d->drained;
	door_idle_fn *closed = d->closed;

	if (drained && list_empty(&d->clients)) {
		d->drained = NULL;
		drained(d->env.owner);
	} else if (closed && d->n_open == 0) {
		d->closed = NULL;
		closed(d->env.owner);
	}
}

static void on_entrance_closed(struct listener *l)
{
	struct door *d = container_of(l, struct entrance, listener)->door;

	d->n_open--;
	settle(d);
}

static void on_client_closed(struct stream *s)
{
	struct client *c = container_of(s, struct client, stream);
	struct door *d = c->door;

	list_remove(&c->link);
	free(c);
	d->n_open--;
	settle(d);
}

/* ---- commands --------------------------------------------------------- */

PRINTF_LIKE(2, 3) static void say(struct client *c, const char *fmt, ...)
{
	char text[256];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	stream_write(&c->stream, text, MIN((size_t)len, sizeof(text) - 1));
	stream_write(&c->stream, "\n", 1);
}

typedef void say_fn(struct client *c, struct slice rest);

static void say_hold(struct client *c, struct slice rest)
{
	(void)rest;
	c->is_held = true;
	say(c, "held");
}

static void say_done(struct client *c, struct slice rest)
{
	(void)rest;
	c->is_held = false;
	say(c, "done");
	if (c->door->is_draining)
		stream_finish(&c->stream);
}

static void say_get(struct client *c, struct slice rest)
{
	CLEANUP(buf_deinit) struct buf value = { 0 };
	enum option_id id = option_find(rest);

	if (id != OPTION_ID_END)
		config_show(c->door->env.config, id, &value);
	say(c, "%.*s", (int)value.len, value.len ? value.data : "");
}

static void say_set(struct client *c, struct slice rest)
{
	struct door *d = c->door;

	d->env.send(d->env.owner, -1, CONTROL_SET, rest);
	say(c, "asked");
}

static void say_reload(struct client *c, struct slice rest)
{
	struct door *d = c->door;

	d->env.send(d->env.owner, -1, CONTROL_RELOAD, rest);
	say(c, "asked");
}

static void say_tell(struct client *c, struct slice rest)
{
	struct door *d = c->door;
	CLEANUP(freep) char *to = slice_dup(slice_cut(&rest, ' '));

	d->env.send(d->env.owner, atoi(to), CONTROL_ADMIN_ASK, rest);
	say(c, "told");
}

static void say_heard(struct client *c, struct slice rest)
{
	(void)rest;
	say(c, "%s", c->door->heard);
}

static void say_ring(struct client *c, struct slice rest)
{
	CLEANUP(freep) char *to = slice_dup(rest);

	page_ring(c->door->env.page, (unsigned)atoi(to));
	say(c, "rung");
}

static void say_rung(struct client *c, struct slice rest)
{
	(void)rest;
	say(c, "%u", c->door->n_rung);
}

static void say_take(struct client *c, struct slice rest)
{
	struct door *d = c->door;

	(void)rest;
	say(c, "%s",
		page_permit_take(d->env.page, d->env.worker, -1, 0, 100) ==
				PAGE_TAKEN
			? "taken"
			: "full");
}

static void say_permits(struct client *c, struct slice rest)
{
	(void)rest;
	say(c, "%u", page_permits_used(c->door->env.page));
}

NORETURN static void say_crash(struct client *c, struct slice rest)
{
	(void)c;
	(void)rest;
	abort();
}

NORETURN static void say_hang(struct client *c, struct slice rest)
{
	(void)c;
	(void)rest;
	for (;;)
		pause();
}

static const struct {
	const char *name;
	say_fn *say;
} commands[] = {
	{ "hold", say_hold },	    /* draining waits for this client */
	{ "done", say_done },	    /* no longer */
	{ "get", say_get },	    /* NAME: an option's value */
	{ "set", say_set },	    /* NAME=VALUE, for all workers */
	{ "reload", say_reload },   /* the configuration */
	{ "tell", say_tell },	    /* N TEXT: to worker N, -1: all others */
	{ "heard", say_heard },	    /* what this worker was told last */
	{ "ring", say_ring },	    /* N: worker N's bell */
	{ "rung", say_rung },	    /* how often this one's was */
	{ "take", say_take },	    /* a permit */
	{ "permits", say_permits }, /* how many are taken in all */
	{ "crash", say_crash },
	{ "hang", say_hang }, /* never comes back to the loop */
};

static void obey(struct client *c, struct slice line)
{
	struct slice name = slice_cut(&line, ' ');

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (slice_is(name, commands[i].name)) {
			commands[i].say(c, line);
			return;
		}
	}
	say(c, "what?");
}

/* ---- clients ---------------------------------------------------------- */

static size_t on_input(struct stream *s, struct slice bytes)
{
	struct client *c = container_of(s, struct client, stream);
	size_t used = 0;

	for (;;) {
		struct slice rest = slice_from(bytes, used);
		size_t end = slice_find(rest, '\n');

		if (end == rest.len)
			return used;
		used += end + 1;
		obey(c, slice_of(rest.data, end));
	}
}

static void on_eof(struct stream *s)
{
	stream_finish(s);
}

static void on_failed(struct stream *s, int error)
{
	(void)error;
	stream_close(s);
}

static const struct stream_ops client_ops = {
	.input = on_input,
	.eof = on_eof,
	.failed = on_failed,
	.closed = on_client_closed,
};

static void on_accept(struct listener *l, int fd, const struct sockaddr *peer)
{
	struct door *d = container_of(l, struct entrance, listener)->door;
	struct client *c = xnew(struct client);

	(void)peer;
	c->door = d;
	d->n_open++;
	list_push_back(&d->clients, &c->link);
	stream_open(&c->stream, d->env.loop, fd, &client_ops);
	say(c, "worker %u pid %d", d->env.worker, (int)getpid());
}

/* ---- what session.h asks for ------------------------------------------ */

/* Like a certificate that is missing: HOWDAH_AUTH_FILE=missing. */
static int judge(const struct config *config, struct fault *f)
{
	if (strcmp(config->auth_file, "missing"))
		return 0;
	fault_set(f, FAULT_BAD_VALUE,
		"HOWDAH_AUTH_FILE: there is no file \"missing\"");
	return -EINVAL;
}

struct door *door_create(const struct door_env *env, struct fault *f)
{
	struct door *d;

	if (judge(env->config, f) < 0)
		return NULL;
	d = xnew(struct door);
	d->env = *env;
	list_init(&d->clients);
	return d;
}

void door_listen(struct door *d, int fd, bool is_unix)
{
	struct entrance *e = &d->entrances[d->n_entrances++];

	(void)is_unix;
	check(d->n_entrances <= LISTENERS_MAX);
	e->door = d;
	d->n_open++;
	listener_open(&e->listener, d->env.loop, fd, on_accept);
}

int door_reload(struct door *d, const struct config *next, struct fault *f)
{
	int r = judge(next, f);

	if (r == 0)
		d->env.config = next;
	return r;
}

void door_drain(struct door *d, door_idle_fn *done)
{
	d->is_draining = true;
	for (unsigned i = 0; i < d->n_entrances; i++) {
		listener_drain(&d->entrances[i].listener);
		listener_close(&d->entrances[i].listener, on_entrance_closed);
	}
	list_each_safe (node, &d->clients) {
		struct client *c = list_entry(node, struct client, link);

		if (!c->is_held)
			stream_finish(&c->stream);
	}
	d->drained = done;
}

void door_control(struct door *d, unsigned from_worker, uint8_t kind,
	struct slice payload)
{
	snprintf(d->heard, sizeof(d->heard), "%s from %u: %.*s",
		control_name(kind), from_worker, (int)payload.len,
		payload.data);
}

void door_bell(struct door *d)
{
	d->n_rung++;
}

void door_close(struct door *d, door_idle_fn *closed)
{
	d->drained = NULL;
	d->closed = closed;
	for (unsigned i = 0; i < d->n_entrances && !d->is_draining; i++)
		listener_close(&d->entrances[i].listener, on_entrance_closed);
	list_each_safe (node, &d->clients)
		stream_close(&list_entry(node, struct client, link)->stream);
	settle(d);
}

void door_destroy(struct door *d)
{
	free(d);
}
