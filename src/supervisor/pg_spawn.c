/*
 * Running one of PostgreSQL's programs: as its user, in a session of its own
 * (a terminal's Ctrl-C is not for it), in a clean environment, and bound to
 * our life.
 */
#include "supervisor/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ARGS_MAX = 20,
	DIR_FD = 3, /* the database folder, in the child */
};

const char pg_dir_argument[] = "<dir>";

NORETURN static void child_failed(const char *what)
{
	dprintf(STDERR_FILENO, "cannot run it: %s: %s\n", what,
		strerror(errno));
	_exit(127);
}

static void child_arrange_files(const struct pg_command *c)
{
	int input = c->input;
	int dir = open(c->dir, O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		child_failed(c->dir);
	if (input < 0)
		input = open("/dev/null", O_RDONLY);
	dup2(input, STDIN_FILENO);
	dup2(c->output, STDOUT_FILENO);
	dup2(c->output, STDERR_FILENO);
	if (dir != DIR_FD)
		dup2(dir, DIR_FD);
	close_range(DIR_FD + 1, ~0u, 0);
}

static void child_become(const struct pg_account *a)
{
	if (!a->is_other)
		return;
	if (initgroups(a->name, a->gid) < 0 ||
		setresgid(a->gid, a->gid, a->gid) < 0 ||
		setresuid(a->uid, a->uid, a->uid) < 0)
		child_failed(a->name);
}

/*
 * The folder may lie where this user cannot go, below a /root of mode 0700:
 * then it is named through the descriptor that we opened as root. PostgreSQL
 * looks at the folder itself, enters it and works with relative paths.
 */
static const char *child_dir_name(
	const struct pg_command *c, char *by_fd, size_t size)
{
	if (access(c->dir, R_OK | X_OK) == 0)
		return c->dir;
	snprintf(by_fd, size, "/proc/self/fd/%d", DIR_FD);
	return by_fd;
}

static void child_exec(const struct pg_command *c)
{
	CLEANUP(freep)
	char *path = xasprintf("%s/%s", c->programs->bin, c->program);
	CLEANUP(freep)
	char *zone = xasprintf("TZ=%s", getenv("TZ") ? getenv("TZ") : "");
	/* Nothing of ours: PGDATA and its kin would change what it does. */
	const char *environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C",
		getenv("TZ") ? zone : NULL, NULL };
	const char *args[ARGS_MAX] = { path };
	char by_fd[32];
	size_t n = 1;

	for (size_t i = 0; c->args[i]; i++) {
		check(n < ARGS_MAX - 1);
		args[n++] = c->args[i] == pg_dir_argument
				    ? child_dir_name(c, by_fd, sizeof(by_fd))
				    : c->args[i];
	}
	execve(path, (char *const *)args, (char *const *)environment);
	child_failed(path);
}

int pg_spawn(struct children *children, struct child *child, child_fn *ended,
	const struct pg_command *command)
{
	int keep[] = { command->output, command->input };
	pid_t parent = getpid();
	int r = child_fork(
		children, child, ended, keep, command->input >= 0 ? 2 : 1);

	if (r != 0)
		return r < 0 ? r : 0;
	setsid();
	umask(077);
	child_arrange_files(command);
	child_become(command->account);
	/* After the change of user, which would undo it. */
	child_follow_parent(parent, SIGINT);
	if (chdir("/") < 0)
		child_failed("/");
	child_exec(command);
	_exit(127);
}
