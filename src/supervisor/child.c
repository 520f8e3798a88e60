#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void children_init(struct children *children, struct loop *loop)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	check(fd >= 0);
	close(fd);
	list_init(&children->all);
	children->loop = loop;
	children->first_fd = fd;
}

/* ---- in the child ----------------------------------------------------- */

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* KILL and STOP refuse: fine */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(
	struct children *children, const int *keep, size_t n_keep)
{
	int *sorted = xmemdup(keep, n_keep * sizeof(*keep));
	int from = children->first_fd;

	qsort(sorted, n_keep, sizeof(*sorted), compare_fds);
	for (size_t i = 0; i < n_keep; i++) {
		if (sorted[i] > from)
			close_range((unsigned)from, (unsigned)sorted[i] - 1, 0);
		if (sorted[i] >= from)
			from = sorted[i] + 1;
		fcntl(sorted[i], F_SETFD, 0);
	}
	close_range((unsigned)from, ~0u, 0);
	loop_forget(children->loop);
	free(sorted);
}

void child_follow_parent(pid_t parent, int signal)
{
	prctl(PR_SET_PDEATHSIG, signal);
	if (getppid() != parent)
		raise(signal);
}

/* ---- in the parent ---------------------------------------------------- */

int child_fork(struct children *children, struct child *child, child_fn *ended,
	const int *keep, size_t n_keep)
{
	pid_t pid;

	check(!child_is_alive(child));
	fflush(NULL); /* or the child would write it again */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		reset_signals();
		close_others(children, keep, n_keep);
		return 0;
	}
	child->pid = pid;
	child->ended = ended;
	child->link = (struct list){ 0 };
	list_push_back(&children->all, &child->link);
	return pid;
}

void child_kill(const struct child *child, int signal)
{
	if (child_is_alive(child))
		kill(child->pid, signal);
}

static struct child *find_child(struct children *children, pid_t pid)
{
	list_each (node, &children->all) {
		struct child *child = list_entry(node, struct child, link);

		if (child->pid == pid)
			return child;
	}
	return NULL;
}

void children_reap(struct children *children)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = find_child(children, pid);

		if (!child)
			continue;
		list_remove(&child->link);
		child->pid = 0;
		child->ended(child, status);
	}
}

void child_status_text(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "signal %d (%s)%s", WTERMSIG(status),
			strsignal(WTERMSIG(status)),
			WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}
