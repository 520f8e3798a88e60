/* The commands that look at the database or change it: migrate, check,
 * uninstall. */
#include "main/main_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "migrate/migrate.h"
#include "supervisor/supervisor.h"

/* Where the database of this configuration is. 0, or the exit status with
 * what is wrong told. */
static int find_upstream(const struct command *self, char **args,
	struct config **ret_config, struct upstream *ret)
{
	struct config_sources sources = settings_sources(self, args);
	struct fault f;

	if (settings_load(&sources, ret_config) < 0)
		return EXIT_WRONG;
	if (supervisor_upstream(*ret_config, ret, &f) < 0) {
		fprintf(stderr, "howdah: %s; %s\n", f.text, f.hint);
		return EXIT_WRONG;
	}
	return 0;
}

typedef int upstream_fn(
	const struct upstream *upstream, const struct migrate_options *options);

static int run(const struct command *self, char **args,
	struct migrate_options *options, upstream_fn *fn)
{
	CLEANUP(config_destroyp) struct config *config = NULL;
	CLEANUP(upstream_deinit) struct upstream upstream = { 0 };
	int status = find_upstream(self, args, &config, &upstream);

	if (status)
		return status;
	options->out = stdout;
	options->connect_timeout_ms = config->connect_timeout;
	options->url_name = config_upstream_variable(config);
	options->is_embedded = config->plan.is_embedded;
	return fn(&upstream, options);
}

int command_migrate(const struct command *self, char **args)
{
	struct migrate_options options = {
		.is_status = args_take(args, "--status"),
		.is_dry_run = args_take(args, "--dry-run"),
		.is_repair = args_take(args, "--repair"),
	};

	if (options.is_status && (options.is_dry_run || options.is_repair)) {
		fprintf(stderr, "howdah: --status only looks: it goes with "
				"neither --repair nor --dry-run\n");
		return EXIT_WRONG;
	}
	return run(self, args, &options, migrate_command);
}

int command_uninstall(const struct command *self, char **args)
{
	struct migrate_options options = {
		.is_certain = args_take(args, "--yes"),
	};

	return run(self, args, &options, uninstall_run);
}

/* Those of the app come in under the name that its URL has. */
static bool has_other_client(
	const struct config *config, const struct upstream *upstream)
{
	const struct door_plan *p = &config->plan;

	return p->is_app_ours && *p->password &&
	       (strcmp(p->user, upstream->user) ||
		       strcmp(p->password, upstream->password) ||
		       strcmp(p->dbname, upstream->dbname));
}

int command_check(const struct command *self, char **args)
{
	struct config_sources sources = settings_sources(self, args);
	CLEANUP(config_destroyp) struct config *config = NULL;
	CLEANUP(upstream_deinit) struct upstream upstream = { 0 };
	CLEANUP(upstream_deinit) struct upstream client = { 0 };
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct check_options options = { .out = stdout };
	struct fault f;
	int status;
	int r = config_load(&sources, &config, &problems, &warnings);

	if (r == 0)
		r = supervisor_upstream(config, &upstream, &f);
	if (r < 0 && config)
		buf_printf(&problems, "%s; %s\n", f.text, f.hint);
	options.problems = buf_slice(&problems);
	options.warnings = buf_slice(&warnings);
	if (config) {
		options.max_server_connections = config->max_server_connections;
		options.connect_timeout_ms = config->connect_timeout;
		options.is_embedded = config->plan.is_embedded;
		options.url_name = config_upstream_variable(config);
	}
	if (r == 0 && has_other_client(config, &upstream)) {
		plan_client(&config->plan, &upstream, &client);
		options.client = &client;
	}
	status = check_run(r < 0 ? NULL : &upstream, &options);
	return r < 0 ? EXIT_WRONG : status;
}
