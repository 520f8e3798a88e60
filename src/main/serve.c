/* `howdah serve`: puts supervisor, worker and migrations together. */
#include "main/main_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "migrate/migrate.h"
#include "supervisor/supervisor.h"
#include "worker/worker.h"

_Static_assert((int)SUPERVISOR_REFUSED == (int)EXIT_WRONG &&
		       (int)WORKER_REFUSED == (int)EXIT_WRONG,
	"one meaning of exit status 2");

/* In a worker's process. */
static int work(const struct supervisor_post *post)
{
	CLEANUP(freep)
	struct worker_listener *listeners =
		xcalloc(post->n_listeners, sizeof(*listeners));
	struct worker_env env = {
		.index = post->index,
		.page = post->page,
		.config = post->config,
		.upstream = post->upstream,
		.control = post->control,
		.listeners = listeners,
		.n_listeners = post->n_listeners,
	};

	for (size_t i = 0; i < post->n_listeners; i++) {
		listeners[i].fd = post->listeners[i].fd;
		listeners[i].is_unix = post->listeners[i].is_unix;
	}
	return worker_run(&env);
}

/* In a process of its own. Who holds the lock is doing the same: later. */
static enum supervisor_done do_chore(enum supervisor_chore chore,
	const struct config *config, const struct upstream *upstream)
{
	struct migrate_options options = {
		.connect_timeout_ms = config->connect_timeout,
		.url_name = config_upstream_variable(config),
		.is_embedded = config->plan.is_embedded,
	};
	int r = chore == CHORE_MIGRATE ? migrate_run(upstream, &options)
				       : migrate_indexes(upstream, &options);

	if (r == MIGRATE_E_UNREACHABLE || r == MIGRATE_E_BUSY)
		return CHORE_UNREACHABLE;
	return r == 0 ? CHORE_DONE : CHORE_FAILED;
}

int command_serve(const struct command *self, char **args)
{
	struct config_sources sources = settings_sources(self, args);
	struct supervisor_env env = {
		.sources = &sources,
		.work = work,
		.chore = do_chore,
	};

	if (settings_load(&sources, &env.config) < 0)
		return EXIT_WRONG;
	return supervisor_run(&env);
}
