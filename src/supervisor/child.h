#pragma once

/*
 * Child processes: forking clean ones, and noticing their end. Everything is
 * per supervisor; there is one struct children.
 */
#include <sys/types.h>

#include "loop/loop.h"

struct child;

/* status is waitpid()'s. The struct is the owner's again. */
typedef void child_fn(struct child *child, int status);

struct child {
	struct list link;
	pid_t pid; /* 0: no process */
	child_fn *ended;
};

struct children {
	struct list all;
	struct loop *loop; /* the parent's, of no use in a child */
	int first_fd;	   /* what the parent opened is at or above this */
};

/* Right after loop_create() and before anything else is opened: libuv's own
 * descriptors, which it makes anew in a child, stay below first_fd. */
void children_init(struct children *children, struct loop *loop);

/*
 * Forks. In the child (0): no signal is blocked, all have their default
 * action, and of the parent's descriptors there are left standard input,
 * output and error and the n_keep named ones, no longer close-on-exec. In
 * the parent: the child's pid, or -errno.
 */
int child_fork(struct children *children, struct child *child, child_fn *ended,
	const int *keep, size_t n_keep);

static inline bool child_is_alive(const struct child *child)
{
	return child->pid != 0;
}

/* Nothing when it has ended. */
void child_kill(const struct child *child, int signal);

/* On SIGCHLD: tells the owners of those that have ended. As the first
 * process of a container we inherit strangers, too. */
void children_reap(struct children *children);

/* The child dies by this signal when its parent does; also when that has
 * happened already. To be called in the child. */
void child_follow_parent(pid_t parent, int signal);

/* "exit status 3", "signal 9 (Killed)". */
void child_status_text(int status, char *text, size_t size);
