#pragma once

/* One worker process: a loop, a door, and the wires to the supervisor. */
#include "config/config.h"
#include "page/page.h"

struct worker_env {
	unsigned index;
	struct page *page;
	const struct config *config;	 /* borrowed */
	const struct upstream *upstream; /* borrowed */
	int control; /* a socket of mailbox_pair(); the worker's from now on */
	const struct worker_listener {
		int fd; /* listens; the worker's from now on */
		bool is_unix;
	} * listeners;
	size_t n_listeners;
};

/* Exit statuses. */
enum {
	WORKER_OK = 0,	    /* drained */
	WORKER_REFUSED = 2, /* the door cannot use the configuration */
};

/* Runs until drained; returns the exit status. */
int worker_run(const struct worker_env *env);
