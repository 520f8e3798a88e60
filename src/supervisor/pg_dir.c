/*
 * A database folder seen from outside: its version, its pid file, and who
 * has it as working directory, which every PostgreSQL process does.
 */
#include "supervisor/pg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/folder.h"

/* Said on the command line of every server that we start. */
static const char our_mark[] = "cluster_name=howdah";

static ssize_t read_file(
	const char *dir, const char *name, char *text, size_t size)
{
	CLEANUP(freep) char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

static int refuse(const char *dir, int error, struct fault *f)
{
	fault_set(f, FAULT_NOT_IN_STATE,
		"the embedded database cannot be made in %s: %s", dir,
		strerror(error));
	fault_hint(f, "%s",
		error == ENOSPC ? "the disk is full: a new database needs 64 MB"
				: "Howdah must be able to write there; "
				  "HOWDAH_DATA_DIR names another folder");
	return -error;
}

/* It may well be a database, and somebody's chats are in it. */
static void refuse_stranger(const char *dir, struct fault *f)
{
	CLEANUP(freep) char *owner = NULL;
	struct stat st;

	owner = stat(dir, &st) < 0 ? NULL : folder_user(st.st_uid);
	fault_set(f, FAULT_NOT_IN_STATE,
		"the embedded database %s may not be read by this user", dir);
	fault_hint(f,
		"it belongs to %s: run Howdah as root or that user, or choose "
		"another HOWDAH_DATA_DIR",
		owner ? owner : "somebody else");
}

/* ---- version, making -------------------------------------------------- */

int pg_dir_version(const char *dir, unsigned *ret, struct fault *f)
{
	char text[32];
	ssize_t n = read_file(dir, "PG_VERSION", text, sizeof(text));
	unsigned major = n > 0 ? pg_text_major(slice_of(text, (size_t)n)) : 0;

	*ret = 0;
	if (n == -EACCES) {
		refuse_stranger(dir, f);
		return -EACCES;
	}
	if (n == -ENOENT && access(dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (!major) {
		fault_set(f, FAULT_NOT_IN_STATE,
			"%s is there and is not a database%s%s", dir,
			n < 0 ? ": PG_VERSION: " : "",
			n < 0 ? strerror((int)-n) : "");
		fault_hint(f, "move it away, or choose another "
			      "HOWDAH_DATA_DIR");
		return -EINVAL;
	}
	*ret = major;
	return 0;
}

int pg_dir_make(const char *dir, const struct pg_account *a, struct fault *f)
{
	int r = folder_remove(dir);
	int fd;

	if (r == 0 && mkdir(dir, 0700) < 0)
		r = -errno;
	if (r < 0)
		return refuse(dir, -r, f);
	if (!a->is_other)
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, a->uid, a->gid) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r < 0 ? refuse(dir, -r, f) : 0;
}

/* initdb was told to trust, for it would ask for a password otherwise; no
 * server has run with that. */
static int write_hba(const char *dir)
{
	static const char text[] =
		"# Written by Howdah when it made this database.\n"
		"# TYPE  DATABASE     USER  METHOD\n"
		"local   all          all   scram-sha-256\n"
		"local   replication  all   scram-sha-256\n";
	CLEANUP(freep) char *path = xasprintf("%s/pg_hba.conf", dir);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	size_t len = sizeof(text) - 1;
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n >= 0 && (size_t)n < len)
		r = -ENOSPC;
	else if (n < 0 || fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

int pg_dir_finish(const char *new, const char *dir, struct fault *f)
{
	int r = write_hba(new);

	if (r == 0 && rename(new, dir) < 0)
		r = -errno;
	return r < 0 ? refuse(dir, -r, f) : 0;
}

/* ---- processes -------------------------------------------------------- */

/* It has two paths in it. A cut or missing one says nothing. */
static struct pg_pid_file read_pid_file(const char *dir)
{
	char text[4096];
	ssize_t n = read_file(dir, "postmaster.pid", text, sizeof(text));

	return pg_text_pid_file(slice_of(text, (size_t)MAX(n, 0)));
}

/* A file of /proc about a process; empty when it has gone. */
static struct slice read_proc(
	pid_t pid, const char *name, char *text, size_t size)
{
	char folder[32];
	ssize_t n;

	snprintf(folder, sizeof(folder), "/proc/%d", (int)pid);
	n = read_file(folder, name, text, size);
	return slice_of(text, (size_t)MAX(n, 0));
}

/* A shell that somebody left in the folder is none of them. */
static bool is_server(pid_t pid, const struct stat *dir)
{
	char path[64];
	char name[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	return stat(path, &st) == 0 && st.st_dev == dir->st_dev &&
	       st.st_ino == dir->st_ino &&
	       slice_is(slice_trim(read_proc(pid, "comm", name, sizeof(name))),
		       "postgres");
}

static bool has_our_mark(pid_t pid)
{
	char text[4096];
	struct slice line = read_proc(pid, "cmdline", text, sizeof(text));

	return memmem(line.data, line.len, our_mark, sizeof(our_mark) - 1);
}

static pid_t find_other(const struct stat *dir, pid_t postmaster)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != postmaster && is_server(pid, dir))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

void pg_dir_users(const char *dir, struct pg_users *ret)
{
	struct stat st;
	pid_t pid;

	*ret = (struct pg_users){ 0 };
	if (stat(dir, &st) < 0)
		return;
	pid = read_pid_file(dir).postmaster;
	/* A number alone proves nothing: it may be somebody else's by now. */
	if (pid > 0 && is_server(pid, &st)) {
		ret->postmaster = pid;
		ret->is_ours = has_our_mark(pid);
	}
	ret->other = find_other(&st, ret->postmaster);
}

void pg_dir_forget_server(const char *dir)
{
	CLEANUP(freep) char *path = xasprintf("%s/postmaster.pid", dir);

	unlink(path);
}

bool pg_dir_is_ready(const char *dir, pid_t postmaster)
{
	struct pg_pid_file file = read_pid_file(dir);

	return file.postmaster == postmaster && file.is_ready;
}
