#pragma once

/* LISTEN and NOTIFY without a server connection; listen.c has the story. */
#include "session/session_priv.h"

/*
 * The client listens to exactly these channels (name\0 name\0 ...) from now
 * on. True: the hub has yet to answer; residue_listening() is called then.
 */
bool listen_set(struct session *s, struct slice names);

/*
 * What its own backend says of a channel: the client's message is written to
 * out when the hub does not listen for it there yet, which a transaction that
 * said LISTEN itself, or one right behind it, may find. True: written.
 */
bool listen_overhear(struct session *s, struct slice body, struct buf *out);

/* The client has notified: true when the hub must be heard first. */
bool listen_hear(struct session *s);

/* LISTEN commands for all its channels, one after the other. */
void listen_put_commands(struct session *s, struct buf *sql);

/* A good moment: what waits goes to the client. */
void listen_flush(struct session *s);

/* The client ends. */
void listen_drop(struct session *s);

/* Closes the hubs' connections to a database (all when NULL); they come
 * back. */
void listen_evict(struct door *door, const char *database);
