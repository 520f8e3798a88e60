#include "supervisor/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/pg.h"

/* ---- the folder ------------------------------------------------------- */

char *folder_user(uid_t uid)
{
	const struct passwd *found = getpwuid(uid);

	return found ? xstrdup(found->pw_name) : xasprintf("%u", (unsigned)uid);
}

/* Whose it is, when it is not ours: of a Howdah that ran as root, say. */
static void hint_owner(const char *path, struct fault *f)
{
	CLEANUP(freep) char *owner = NULL;
	struct stat st;

	if (stat(path, &st) < 0 || st.st_uid == geteuid())
		return;
	owner = folder_user(st.st_uid);
	fault_hint(f,
		"it belongs to %s: run Howdah as that user, or name a folder "
		"that this user may write to in HOWDAH_DATA_DIR",
		owner);
}

static int refuse_folder(const char *path, int error, struct fault *f)
{
	fault_set(f, FAULT_BAD_VALUE, "HOWDAH_DATA_DIR %s cannot be used: %s",
		path, strerror(error));
	fault_hint(f, "%s",
		error == ENOSPC
			? "the disk is full: make room on it, or name a folder "
			  "on another in HOWDAH_DATA_DIR"
			: "name a folder that this user may write to");
	if (error == EACCES)
		hint_owner(path, f);
	return -error;
}

/* Makes one folder; that it is there already is fine. Others may pass
 * through when we are root: the embedded PostgreSQL is not. */
static int make_one(const char *path)
{
	if (mkdir(path, geteuid() == 0 ? 0711 : 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int make_all(const char *path)
{
	CLEANUP(freep) char *copy = xstrdup(path);

	for (char *at = copy + 1; *at; at++) {
		int r;

		if (*at != '/')
			continue;
		*at = '\0';
		r = make_one(copy);
		*at = '/';
		if (r < 0)
			return r;
	}
	return make_one(copy);
}

char *folder_path(const char *path)
{
	char real[PATH_MAX];
	CLEANUP(freep) char *here = NULL;

	if (realpath(path, real))
		return xstrdup(real);
	if (*path == '/')
		return xstrdup(path);
	here = getcwd(NULL, 0);
	return xasprintf("%s/%s", here ? here : ".", path);
}

int folder_open(const char *path, char **ret, struct fault *f)
{
	CLEANUP(freep) char *absolute = NULL;
	struct stat st;
	int r = make_all(path);

	if (r < 0)
		return refuse_folder(path, -r, f);
	absolute = folder_path(path);
	if (stat(absolute, &st) < 0)
		return refuse_folder(absolute, errno, f);
	if (!S_ISDIR(st.st_mode))
		return refuse_folder(absolute, ENOTDIR, f);
	*ret = TAKE(absolute);
	return 0;
}

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

int folder_remove(const char *path)
{
	int r = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	if (r == -1 && errno == ENOENT)
		return 0;
	return r == -1 ? -errno : r;
}

/* ---- the lock --------------------------------------------------------- */

static pid_t read_pid(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	return pg_text_pid(slice_of(text, (size_t)MAX(n, 0)));
}

static int refuse_lock(int fd, const char *folder, struct fault *f)
{
	pid_t pid = read_pid(fd);

	close(fd);
	if (pid)
		fault_set(f, FAULT_BUSY,
			"the data directory %s is in use by the Howdah with "
			"pid %d",
			folder, (int)pid);
	else /* it holds the lock and has not yet written who it is */
		fault_set(f, FAULT_BUSY,
			"the data directory %s is in use by another Howdah",
			folder);
	fault_hint(f, "stop that one, or give this one another "
		      "HOWDAH_DATA_DIR");
	return -EBUSY;
}

int lock_take(const char *folder, struct lock *ret, struct fault *f)
{
	CLEANUP(freep) char *path = xasprintf("%s/howdah.lock", folder);
	/* We empty it, as root perhaps, in a folder of perhaps another's; and
	 * whoever may open it may lock it. */
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	pid_t unclean;

	if (fd < 0)
		return refuse_folder(path, errno, f);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_lock(fd, folder, f);
	unclean = read_pid(fd);
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
		int error = errno;

		close(fd);
		return refuse_folder(path, error, f);
	}
	ret->fd = fd;
	ret->unclean = unclean;
	return 0;
}

void lock_release(struct lock *lock)
{
	if (lock->fd < 0)
		return;
	/* Empty: ended cleanly. The file stays: removing it would let two
	 * others lock two different files. */
	if (ftruncate(lock->fd, 0) < 0)
		log_warn(NULL, "lock.kept", "%s", strerror(errno));
	close(lock->fd);
	lock->fd = -1;
}
