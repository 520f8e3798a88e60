#pragma once

/*
 * Where Howdah listens. TCP: one SO_REUSEPORT socket per worker and address,
 * so that the kernel spreads clients. Unix: one socket, shared by all.
 */
#include <sys/types.h>

#include "config/config.h"

struct place {
	char *text;   /* "127.0.0.1:6432", for messages */
	char *path;   /* NULL: TCP */
	dev_t device; /* of the socket file, to remove only our own */
	ino_t inode;
	int *fds;
	unsigned n_fds; /* one per worker, or just one */
};

struct places {
	struct place *at;
	size_t n;
};

/*
 * Opens all of them or none. A port that is taken is tried for patience_ms
 * (blocking): a Howdah killed just now leaves its workers some moments to
 * notice. -errno with *f set.
 */
int places_open(struct places *p, const struct endpoints *endpoints,
	unsigned n_workers, unsigned patience_ms, struct fault *f);

static inline int place_fd(const struct place *place, unsigned worker)
{
	return place->fds[place->path ? 0 : worker];
}

/* Closes our copies and takes the socket files away; workers that hold
 * theirs go on with them. Zeroed memory is fine. */
void places_close(struct places *p);
