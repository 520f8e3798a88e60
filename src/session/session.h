#pragma once

/*
 * The PostgreSQL door of one worker: accepts clients, logs them in, and
 * carries what they say to server connections of pool/ and back.
 */
#include "config/config.h"
#include "loop/loop.h"
#include "page/page.h"

struct door;

/* Carries a message to another worker, or to all others (to_worker -1). */
typedef void door_send_fn(
	void *owner, int to_worker, uint8_t kind, struct slice payload);
typedef void door_idle_fn(void *owner);

struct door_env {
	struct loop *loop;
	struct page *page;
	unsigned worker;
	const struct config *config;	 /* borrowed until door_reload() */
	const struct upstream *upstream; /* borrowed for ever */
	/* The one user the configuration itself names; may be "". */
	const char *door_user;
	const char *door_password;
	const char *door_database;
	door_send_fn *send;
	void *owner;
};

/* NULL with *f set when the configuration cannot be used. */
struct door *door_create(const struct door_env *env, struct fault *f);

/* fd listens; it is lent, not given. */
void door_listen(struct door *door, int fd, bool is_unix);

/* 0: next is used from now on, the old one no more. -EINVAL with *f set:
 * nothing has changed. */
int door_reload(struct door *door, const struct config *next, struct fault *f);

/* Accepts who waits, stops accepting, ends idle clients, lets transactions
 * end. done is called once when no client is left. */
void door_drain(struct door *door, door_idle_fn *done);

/* A message from another worker's door; kinds are proto/control.def's. */
void door_control(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload);

/* The shared page changed. */
void door_bell(struct door *door);

/* Ends every client at once. The loop must run until closed is called; then
 * door_destroy(). */
void door_close(struct door *door, door_idle_fn *closed);
void door_destroy(struct door *door);
