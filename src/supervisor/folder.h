#pragma once

/* The data directory and the lock on it. */
#include <sys/types.h>

#include "base/base.h"

struct lock {
	int fd;
	/* The last holder did not end cleanly: what it started may still be
	 * about to end. 0: it did. */
	pid_t unclean;
};

/* Makes the folder and those above it when they are missing; *ret is its
 * absolute path, for the caller to free. -errno with *f set. */
int folder_open(const char *path, char **ret, struct fault *f);

/* The absolute path of a folder that need not exist, for messages and for
 * those who only look. */
char *folder_path(const char *path);

/* A user's name, or number; for the caller to free. */
char *folder_user(uid_t uid);

/* One Howdah per data directory: -EBUSY says who holds it. */
int lock_take(const char *folder, struct lock *ret, struct fault *f);

/* At a clean end. */
void lock_release(struct lock *lock);

/* Removes a folder with all that is in it; none is fine. -errno. */
int folder_remove(const char *path);
