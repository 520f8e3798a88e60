#pragma once

/*
 * A PostgreSQL server of our own, in <data_dir>/pg: made when it is missing,
 * started, watched, started again when it crashes, and stopped in every way
 * Howdah can end. It listens on a unix socket inside its own folder alone,
 * which nobody but its user (and root) can enter.
 */
#include "config/config.h"
#include "supervisor/child.h"

struct embedded;

typedef void embedded_fn(void *owner);

struct embedded_env {
	struct loop *loop;
	struct children *children;
	const char *data_dir;	     /* absolute; borrowed for ever */
	const struct config *config; /* borrowed while creating */
	embedded_fn *ready;	     /* once: it takes connections */
	embedded_fn *failed;	     /* before ready: gave up, and logged why */
	embedded_fn *stopped;	     /* after embedded_stop() */
	void *owner;
};

struct embedded *embedded_create(const struct embedded_env *env);
void embedded_start(struct embedded *e);

/* A fast shutdown. Called again: an immediate one. */
void embedded_stop(struct embedded *e);

/* Closes its handles; stopped or failed. The memory goes in
 * embedded_destroy(), when the loop has run. */
void embedded_close(struct embedded *e);
void embedded_destroy(struct embedded *e);

/* How it is reached. -ENAMETOOLONG with *f set. */
int embedded_upstream(const char *data_dir, const struct config *config,
	struct upstream *ret, struct fault *f);
