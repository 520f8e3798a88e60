/*
 * The workers: forking, listening to their control sockets, carrying their
 * messages, and starting another where one has ended.
 */
#include "supervisor/supervisor_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FIRST_WAIT_MS = 100, /* before another start, doubled each time */
	LAST_WAIT_MS = 10000,
	STEADY_MS = 30000, /* a life this long ends a row of failures */
	LINGER_MS = 5000,  /* between closing its socket and ending */
};

/* ---- the worker's side of the fork ------------------------------------ */

NORETURN static void become_worker(struct hand *h, int control)
{
	struct supervisor *s = h->supervisor;
	struct supervisor_post post = {
		.index = h->index,
		.page = s->page,
		.config = s->config,
		.upstream = &s->upstream,
		.control = control,
		.n_listeners = s->places.n,
	};
	char name[16];
	int status;

	snprintf(name, sizeof(name), "howdah-w%u", h->index);
	prctl(PR_SET_NAME, name);
	post.listeners = xcalloc(s->places.n, sizeof(*post.listeners));
	for (size_t i = 0; i < s->places.n; i++) {
		post.listeners[i].fd = place_fd(&s->places.at[i], h->index);
		post.listeners[i].is_unix = s->places.at[i].path != NULL;
	}
	status = s->env.work(&post);
	free(post.listeners);
	exit(status);
}

/* All bells: a worker rings the others'. */
static size_t list_fds(const struct hand *h, int control, int *fds)
{
	const struct supervisor *s = h->supervisor;
	size_t n = 0;

	fds[n++] = control;
	for (unsigned i = 0; i < s->n_hands; i++)
		fds[n++] = page_bell(s->page, i);
	for (size_t i = 0; i < s->places.n; i++)
		fds[n++] = place_fd(&s->places.at[i], h->index);
	return n;
}

/* ---- mail ------------------------------------------------------------- */

static void drop(struct supervisor *s, const struct mail *mail, unsigned to)
{
	uint32_t n_held;

	metrics_inc(&s->metrics, METRIC_mail_dropped);
	if (log_limit_pass(&s->drop_limit, 5, &n_held))
		log_warn(NULL, "mail.dropped",
			"%s from worker %d: worker %u does not read (%u more "
			"before)",
			control_name(mail->kind), mail->from, to, n_held);
}

/* To one worker, or to all but the sender. A worker that is not there has
 * nothing the message could be about. */
static void carry(struct supervisor *s, const struct mail *mail)
{
	for (unsigned i = 0; i < s->n_hands; i++) {
		struct hand *h = &s->hands[i];
		bool is_meant = mail->to == MAIL_OTHERS ? (int)i != mail->from
							: (int)i == mail->to;

		if (is_meant && h->is_box_open &&
			mailbox_send(&h->box, mail) < 0)
			drop(s, mail, i);
	}
}

static void hand_is_ready(struct hand *h)
{
	struct supervisor *s = h->supervisor;

	h->is_ready = true;
	log_debug(NULL, "worker.ready", "worker %u, pid %d", h->index,
		(int)h->child.pid);
	if (s->state != SUPERVISOR_CREW)
		return;
	for (unsigned i = 0; i < s->n_hands; i++)
		if (!s->hands[i].is_ready)
			return;
	supervisor_enter(s, SUPERVISOR_RUN);
}

static void on_mail(struct mailbox *box, const struct mail *mail)
{
	struct hand *h = container_of(box, struct hand, box);
	struct mail letter = *mail;

	letter.from = (int)h->index;
	if (control_is_for_doors(mail->kind)) {
		carry(h->supervisor, &letter);
		return;
	}
	switch (mail->kind) {
	case CONTROL_READY:
		hand_is_ready(h);
		break;
	case CONTROL_RELOAD:
		reload_from_sources(h->supervisor);
		break;
	case CONTROL_RELOADED:
		reload_answered(h, mail->payload);
		break;
	case CONTROL_SET:
		reload_set(h->supervisor, mail->payload);
		break;
	default:
		log_warn(NULL, "mail.unexpected", "%s from worker %u",
			control_name(mail->kind), h->index);
	}
}

static void on_box_closed(struct mailbox *box)
{
	struct hand *h = container_of(box, struct hand, box);

	h->is_box_open = false;
	supervisor_settle(h->supervisor);
}

/* Its process is about to end; if not, it is of no use. */
static void on_gone(struct mailbox *box)
{
	struct hand *h = container_of(box, struct hand, box);

	mailbox_close(box, on_box_closed);
	if (child_is_alive(&h->child))
		timer_start(&h->timer, LINGER_MS, 0);
}

static const struct mailbox_ops box_ops = { .mail = on_mail, .gone = on_gone };

void crew_tell_one(struct hand *h, enum control_kind kind, struct slice payload)
{
	struct mail mail = {
		.kind = kind,
		.from = MAIL_SUPERVISOR,
		.to = (int)h->index,
		.payload = payload,
	};

	if (!h->is_box_open || mailbox_send(&h->box, &mail) == 0)
		return;
	log_error(NULL, "worker.stuck",
		"worker %u, pid %d, does not read its control messages and is "
		"killed",
		h->index, (int)h->child.pid);
	child_kill(&h->child, SIGKILL);
}

void crew_tell(
	struct supervisor *s, enum control_kind kind, struct slice payload)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		crew_tell_one(&s->hands[i], kind, payload);
}

/* ---- one worker's beginning and end ----------------------------------- */

/* How long to wait before the next one, given how this one ended. */
static uint64_t next_wait(struct hand *h, int status)
{
	uint64_t life = loop_now(h->supervisor->loop) - h->started_at;
	uint64_t wait;

	if (life >= STEADY_MS || status == 0)
		h->n_failures = 0;
	wait = FIRST_WAIT_MS << MIN(h->n_failures, 7u);
	h->n_failures++;
	return MIN(wait, (uint64_t)LAST_WAIT_MS);
}

/* Another will take its place. */
static void plan_start(struct hand *h, pid_t pid, int status)
{
	uint64_t wait = next_wait(h, status);
	char how[64];

	child_status_text(status, how, sizeof(how));
	log_error(NULL, "worker.ended",
		"worker %u, pid %d, ended with %s; the next one starts in "
		"%" PRIu64 " ms",
		h->index, (int)pid, how, wait);
	metrics_inc(&h->supervisor->metrics, METRIC_worker_restarts);
	timer_start(&h->timer, wait, 0);
}

/* One of the first could not begin: what it lacks, the others lack, too. */
static void refuse_start(struct hand *h, pid_t pid, int status)
{
	struct supervisor *s = h->supervisor;
	char how[64];

	child_status_text(status, how, sizeof(how));
	log_error(NULL, "worker.failed",
		"worker %u, pid %d, could not begin: %s", h->index, (int)pid,
		how);
	supervisor_fail(s);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISOR_REFUSED)
		s->status = SUPERVISOR_REFUSED;
}

static void on_hand_ended(struct child *child, int status)
{
	struct hand *h = container_of(child, struct hand, child);
	struct supervisor *s = h->supervisor;

	timer_stop(&h->timer);
	page_worker_died(s->page, h->index);
	metrics_worker_died(s->page, h->index);
	if (h->is_box_open && !h->box.is_closing)
		mailbox_close(&h->box, on_box_closed);
	reload_hand_ended(h);
	if (s->state == SUPERVISOR_CREW)
		refuse_start(h, h->last_pid, status);
	else if (s->state == SUPERVISOR_RUN)
		plan_start(h, h->last_pid, status);
	else
		supervisor_settle(s);
}

static int fork_hand(struct hand *h)
{
	struct supervisor *s = h->supervisor;
	CLEANUP(freep)
	int *keep = xcalloc(1 + s->n_hands + s->places.n, sizeof(*keep));
	int ends[2];
	size_t n;
	int r = mailbox_pair(ends);

	if (r < 0)
		return r;
	n = list_fds(h, ends[1], keep);
	r = child_fork(&s->children, &h->child, on_hand_ended, keep, n);
	if (r == 0)
		become_worker(h, ends[1]);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	mailbox_open(&h->box, s->loop, ends[0], &box_ops);
	h->is_box_open = true;
	return 0;
}

static void start_hand(struct hand *h)
{
	int r = fork_hand(h);

	h->is_ready = false;
	h->started_at = loop_now(h->supervisor->loop);
	h->last_pid = h->child.pid;
	if (r == 0)
		return;
	log_error(NULL, "worker.fork", "worker %u: %s", h->index, strerror(-r));
	timer_start(&h->timer, LAST_WAIT_MS, 0);
}

static void on_hand_timer(struct timer *timer)
{
	struct hand *h = container_of(timer, struct hand, timer);
	struct supervisor *s = h->supervisor;

	if (child_is_alive(&h->child))
		child_kill(&h->child, SIGKILL);
	else if (s->state == SUPERVISOR_CREW || s->state == SUPERVISOR_RUN)
		start_hand(h);
}

/* ---- all of them ------------------------------------------------------ */

void crew_init(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++) {
		s->hands[i].supervisor = s;
		s->hands[i].index = i;
		timer_init(&s->hands[i].timer, s->loop, on_hand_timer);
	}
}

void crew_start(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		start_hand(&s->hands[i]);
}

void crew_kill(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		child_kill(&s->hands[i].child, SIGKILL);
}

bool crew_is_gone(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		if (child_is_alive(&s->hands[i].child) ||
			s->hands[i].is_box_open)
			return false;
	return true;
}

void crew_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		timer_close(&s->hands[i].timer, NULL);
}
