/*
 * Migrations, in child processes that may block. The tables come before the
 * first worker; indexes are built beside them. A database that does not
 * answer holds nobody up: workers start, clients wait or are told so, and
 * the chore is tried again.
 */
#include "supervisor/supervisor_priv.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FIRST_WAIT_MS = 1000,
	LAST_WAIT_MS = 30000
};

static const char *const names[] = { "migrate", "index" };

NORETURN static void become_chore(struct supervisor *s, pid_t parent)
{
	enum supervisor_done done;

	child_follow_parent(parent, SIGTERM);
	log_setup_words(s->config->log_level, s->config->log_format,
		names[s->next_chore]);
	done = s->env.chore(s->next_chore, s->config, &s->upstream);
	exit((int)done);
}

static void try_later(struct supervisor *s)
{
	uint64_t wait = FIRST_WAIT_MS << MIN(s->n_chore_tries, 5u);

	s->n_chore_tries++;
	wait = MIN(wait, (uint64_t)LAST_WAIT_MS);
	log_warn(NULL, "chore.later", "%s: the next try is in %" PRIu64 " ms",
		names[s->next_chore], wait);
	timer_start(&s->chore_timer, wait, 0);
}

static void chore_is_done(struct supervisor *s)
{
	s->n_chore_tries = 0;
	s->has_chores = s->next_chore == CHORE_MIGRATE;
	s->next_chore = CHORE_INDEX;
}

static void judge(struct supervisor *s, int status)
{
	char how[64];

	if (WIFEXITED(status) && WEXITSTATUS(status) == CHORE_DONE) {
		chore_is_done(s);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHORE_UNREACHABLE) {
		try_later(s);
		return;
	}
	child_status_text(status, how, sizeof(how));
	log_error(NULL, "chore.failed",
		"%s ended with %s; Howdah goes on without: `howdah migrate` "
		"tries again and says more",
		names[s->next_chore], how);
	s->has_chores = false;
}

static void on_chore_ended(struct child *child, int status)
{
	struct supervisor *s = container_of(child, struct supervisor, chore);

	page_permit_give(s->page, s->n_hands, -1);
	if (s->state > SUPERVISOR_RUN) {
		supervisor_settle(s);
		return;
	}
	judge(s, status);
	if (s->state == SUPERVISOR_MIGRATE)
		supervisor_enter(s, SUPERVISOR_CREW);
	else
		chores_start(s);
}

static void fork_chore(struct supervisor *s)
{
	pid_t parent = getpid();
	int r = child_fork(&s->children, &s->chore, on_chore_ended, NULL, 0);

	if (r == 0)
		become_chore(s, parent);
	if (r > 0)
		return;
	log_error(NULL, "chore.fork", "%s", strerror(-r));
	page_permit_give(s->page, s->n_hands, -1);
	try_later(s);
}

/* The next one, when it is its turn: indexes wait for the workers. */
void chores_start(struct supervisor *s)
{
	if (!s->has_chores || child_is_alive(&s->chore) ||
		timer_is_active(&s->chore_timer))
		return;
	if (s->next_chore == CHORE_INDEX && s->state != SUPERVISOR_RUN)
		return;
	if (page_permit_take(s->page, s->n_hands, -1, 0,
		    (uint32_t)s->config->max_server_connections) == PAGE_TAKEN)
		fork_chore(s);
	else
		try_later(s);
}

static void on_chore_timer(struct timer *timer)
{
	chores_start(container_of(timer, struct supervisor, chore_timer));
}

void chores_init(struct supervisor *s)
{
	s->has_chores = true;
	s->next_chore = CHORE_MIGRATE;
	timer_init(&s->chore_timer, s->loop, on_chore_timer);
}

void chores_stop(struct supervisor *s)
{
	timer_stop(&s->chore_timer);
	child_kill(&s->chore, SIGTERM);
}

void chores_close(struct supervisor *s)
{
	timer_close(&s->chore_timer, NULL);
}
