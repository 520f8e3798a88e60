/*
 * A worker's life: open the door, say so, serve, drain, end.
 *
 *     supervisor ◄── mailbox ──► worker ──► door ──► clients, servers
 *                                  ▲
 *                       bell ──────┘   (the shared page changed)
 *
 * It drains when it is told to, or when its supervisor has gone. Signals
 * that a terminal sends to all of us are the supervisor's business.
 */
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "session/session.h"

struct worker {
	const struct worker_env *env;
	struct loop *loop;
	struct door *door;
	struct mailbox box;
	struct watch bell;
	struct timer deadline; /* of the drain */
	const struct config *config;
	struct config *owned; /* config, unless it is the first one */
	bool is_draining;
	bool is_closing; /* the door is */
};

static void set_log(const struct worker *w)
{
	char name[24];

	snprintf(name, sizeof(name), "worker-%u", w->env->index);
	log_setup_words(w->config->log_level, w->config->log_format, name);
}

/* ---- ending ----------------------------------------------------------- */

static void on_door_closed(void *owner)
{
	struct worker *w = owner;

	timer_close(&w->deadline, NULL);
	watch_close(&w->bell, NULL);
	if (!w->box.is_closing)
		mailbox_close(&w->box, NULL);
}

static void close_door(struct worker *w)
{
	if (w->is_closing)
		return;
	w->is_closing = true;
	door_close(w->door, on_door_closed);
}

static void on_door_idle(void *owner)
{
	close_door(owner);
}

static void on_deadline(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, deadline);

	log_warn(NULL, "worker.deadline", "clients in transactions are ended");
	close_door(w);
}

static void close_listeners(const struct worker *w)
{
	for (size_t i = 0; i < w->env->n_listeners; i++)
		close(w->env->listeners[i].fd);
}

/* Who waits in the queue of a listener is taken in first, for closing the
 * last copy of it turns them away. */
static void drain(struct worker *w)
{
	if (w->is_draining)
		return;
	w->is_draining = true;
	log_debug(NULL, "worker.drain", "no new clients");
	timer_start(&w->deadline, w->config->drain_timeout, 0);
	door_drain(w->door, on_door_idle);
	close_listeners(w);
}

/* ---- mail ------------------------------------------------------------- */

static void send_mail(
	struct worker *w, enum control_kind kind, int to, struct slice payload)
{
	struct mail mail = {
		.kind = kind,
		.from = (int)w->env->index,
		.to = to,
		.payload = payload,
	};

	if (mailbox_send(&w->box, &mail) < 0)
		log_warn(NULL, "mail.dropped",
			"%s: the supervisor does not read", control_name(kind));
}

static void on_door_sends(
	void *owner, int to_worker, uint8_t kind, struct slice payload)
{
	send_mail(owner, (enum control_kind)kind, to_worker, payload);
}

/* 0, or -EINVAL with *f set and the old configuration still in use. */
static int take_over(struct worker *w, struct slice packed, struct fault *f)
{
	struct config *next = NULL;
	int r = config_unpack(w->config, packed, &next);

	if (r < 0) {
		fault_set(f, FAULT_INTERNAL, "it cannot be unpacked");
		return r;
	}
	r = door_reload(w->door, next, f);
	if (r < 0) {
		config_destroy(next);
		return r;
	}
	config_destroy(w->owned);
	w->owned = next;
	w->config = next;
	set_log(w);
	return 0;
}

static void reload(struct worker *w, struct slice packed)
{
	struct fault f = { 0 };
	struct slice why_not = { 0 };

	if (take_over(w, packed, &f) < 0)
		why_not = slice_str(f.text);
	send_mail(w, CONTROL_RELOADED, MAIL_SUPERVISOR, why_not);
}

static void on_mail(struct mailbox *box, const struct mail *mail)
{
	struct worker *w = container_of(box, struct worker, box);

	if (control_is_for_doors(mail->kind))
		door_control(w->door, (unsigned)mail->from, (uint8_t)mail->kind,
			mail->payload);
	else if (mail->kind == CONTROL_RELOAD)
		reload(w, mail->payload);
	else if (mail->kind == CONTROL_DRAIN)
		drain(w);
}

/* The supervisor was killed. Nobody will tell us anything any more: what we
 * carry comes to its end, and TERM is ours again. */
static void on_supervisor_gone(struct mailbox *box)
{
	struct worker *w = container_of(box, struct worker, box);

	log_error(NULL, "worker.orphan", "the supervisor has gone");
	mailbox_close(box, NULL);
	signal(SIGTERM, SIG_DFL);
	drain(w);
}

static const struct mailbox_ops box_ops = {
	.mail = on_mail,
	.gone = on_supervisor_gone,
};

static void on_bell(struct watch *watch)
{
	struct worker *w = container_of(watch, struct worker, bell);

	page_bell_clear(w->env->page, w->env->index);
	door_bell(w->door);
}

/* ---- beginning -------------------------------------------------------- */

static int open_door(struct worker *w, struct fault *f)
{
	const struct worker_env *env = w->env;
	struct door_env door_env = {
		.loop = w->loop,
		.page = env->page,
		.worker = env->index,
		.config = env->config,
		.upstream = env->upstream,
		.door_user = env->config->plan.user,
		.door_password = env->config->plan.password,
		.door_database = env->config->plan.dbname,
		.send = on_door_sends,
		.owner = w,
	};

	w->door = door_create(&door_env, f);
	if (!w->door)
		return -1;
	for (size_t i = 0; i < env->n_listeners; i++)
		door_listen(w->door, env->listeners[i].fd,
			env->listeners[i].is_unix);
	return 0;
}

static void ignore_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		signal(numbers[i], SIG_IGN);
}

static void serve(struct worker *w)
{
	int bell = page_bell(w->env->page, w->env->index);

	timer_init(&w->deadline, w->loop, on_deadline);
	mailbox_open(&w->box, w->loop, w->env->control, &box_ops);
	watch_open(&w->bell, w->loop, bell, on_bell);
	send_mail(w, CONTROL_READY, MAIL_SUPERVISOR, (struct slice){ 0 });
	loop_run(w->loop);
	door_destroy(w->door);
	loop_destroy(w->loop);
	config_destroy(w->owned);
}

int worker_run(const struct worker_env *env)
{
	struct worker w = { .env = env, .config = env->config };
	struct fault f = { 0 };

	ignore_signals();
	set_log(&w);
	w.loop = loop_create();
	if (open_door(&w, &f) < 0) {
		log_error(NULL, "door.refused", "%s%s%s", f.text,
			*f.hint ? "; " : "", f.hint);
		loop_destroy(w.loop);
		return WORKER_REFUSED;
	}
	serve(&w);
	return WORKER_OK;
}
