#pragma once

/* What the files of supervisor/ share; never leaves the folder. */
#include <sys/types.h>

#include "loop/loop.h"
#include "metrics/metrics.h"
#include "supervisor/embedded.h"
#include "supervisor/child.h"
#include "supervisor/place.h"
#include "supervisor/folder.h"
#include "supervisor/supervisor.h"

enum supervisor_state {
#define STATE(name, enter, next) SUPERVISOR_##name,
#include "supervisor/states.def"
#undef STATE
	SUPERVISOR_STATE_END
};

/* One worker's place: the process in it comes and goes. */
struct hand {
	struct supervisor *supervisor;
	unsigned index;
	struct child child;
	pid_t last_pid; /* of the child, also when it has ended */
	struct mailbox box;
	bool is_box_open;
	bool is_ready;	     /* this process said so */
	unsigned n_failures; /* in a row */
	uint64_t started_at; /* loop_now() */
	/* Running process: its time to end after it closed its mailbox. No
	 * process: when the next one starts. */
	struct timer timer;
};

struct supervisor {
	struct supervisor_env env;
	struct config *config; /* the one new workers get */
	struct loop *loop;
	struct page *page;
	struct metrics metrics;
	enum supervisor_state state;
	int status;	/* what supervisor_run() returns */
	bool has_begun; /* was not refused before anything was started */
	char *data_dir; /* absolute */
	struct lock lock;
	struct places places;
	struct upstream upstream;
	struct children children;

	int signal_fd;
	struct watch signals;
	bool had_terminal;     /* whose end is ours */
	struct timer deadline; /* of the drain */

	struct embedded *embedded; /* NULL: a server of somebody else's */
	bool is_embedded_stopping;
	bool is_embedded_gone;

	struct child chore; /* its process */
	enum supervisor_chore next_chore;
	bool has_chores; /* left to do */
	unsigned n_chore_tries;
	struct timer chore_timer; /* until the next try */

	struct hand hands[PAGE_WORKERS_MAX];
	unsigned n_hands;
	struct log_limit drop_limit; /* lines about dropped mail */

	/* A new configuration is tried by one worker before all get it. */
	struct config *trial; /* NULL: none under way */
	unsigned trial_hand;
	struct config *queued; /* by SET while a trial was under way */
	bool wants_reload;     /* asked for meanwhile */
};

/* ---- supervisor.c ----------------------------------------------------- */

/* The one writer of ->state. */
void supervisor_enter(struct supervisor *s, enum supervisor_state next);

/* Ends everything with SUPERVISOR_FAILED; it has been logged. */
void supervisor_fail(struct supervisor *s);

/* HALT: is anything left? */
void supervisor_settle(struct supervisor *s);

/* ---- crew.c: the workers ---------------------------------------------- */

void crew_init(struct supervisor *s);
void crew_start(struct supervisor *s);
void crew_kill(struct supervisor *s);
void crew_close(struct supervisor *s);
bool crew_is_gone(const struct supervisor *s);

/* To all that run. One that does not read is killed: it must not go on with
 * another configuration than the rest. */
void crew_tell(
	struct supervisor *s, enum control_kind kind, struct slice payload);
void crew_tell_one(
	struct hand *h, enum control_kind kind, struct slice payload);

/* ---- reload.c --------------------------------------------------------- */

void reload_from_sources(struct supervisor *s);
void reload_set(struct supervisor *s, struct slice name_and_value);

/* A worker's answer: empty, or why it will not. */
void reload_answered(struct hand *h, struct slice why_not);

/* A worker's process has ended. */
void reload_hand_ended(struct hand *h);

/* ---- chores.c --------------------------------------------------------- */

void chores_init(struct supervisor *s);
void chores_start(struct supervisor *s);
void chores_stop(struct supervisor *s);
void chores_close(struct supervisor *s);

/* ---- banner.c --------------------------------------------------------- */

void banner_print(const struct supervisor *s);
