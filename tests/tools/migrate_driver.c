/*
 * Runs one call of migrate/ for the tests, with an upstream given as a URL
 * and nothing else of the environment:
 *
 *   migrate_driver CALL [--status] [--dry-run] [--repair] [--yes] [--log]
 *       [--lock-timeout-ms=N] [--connect-timeout-ms=N]
 *       [--max-server-connections=N] [--problems=LINES] [--embedded]
 *       [--url-name=VARIABLE] [--client=URL] URL
 *
 * CALL is migrate (tables and indexes), tables, indexes, check or uninstall.
 * Exits with what the call returned.
 */
#include <stdio.h>
#include <stdlib.h>

#include "migrate/migrate.h"

struct arguments {
	struct migrate_options options;
	uint64_t max_server_connections;
	struct slice problems;
	const char *client; /* a URL */
	const char *url;
};

static bool take_number(const char *arg, const char *flag, uint64_t *ret)
{
	struct slice a = slice_str(arg);
	struct slice f = slice_str(flag);

	return slice_starts_with(a, f) &&
	       !num_parse_u64(slice_from(a, f.len), ret);
}

static bool take(struct arguments *a, const char *arg)
{
	struct migrate_options *o = &a->options;
	struct {
		const char *flag;
		bool *is_set;
	} flags[] = {
		{ "--status", &o->is_status },
		{ "--dry-run", &o->is_dry_run },
		{ "--repair", &o->is_repair },
		{ "--yes", &o->is_certain },
		{ "--embedded", &o->is_embedded },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(arg, flags[i].flag))
			continue;
		*flags[i].is_set = true;
		return true;
	}
	if (!strcmp(arg, "--log")) {
		o->out = NULL;
		return true;
	}
	if (slice_starts_with(slice_str(arg), SLICE("--problems="))) {
		a->problems = slice_str(arg + strlen("--problems="));
		return true;
	}
	if (slice_starts_with(slice_str(arg), SLICE("--url-name="))) {
		o->url_name = arg + strlen("--url-name=");
		return true;
	}
	if (slice_starts_with(slice_str(arg), SLICE("--client="))) {
		a->client = arg + strlen("--client=");
		return true;
	}
	if (take_number(arg, "--lock-timeout-ms=", &o->lock_timeout_ms) ||
		take_number(
			arg, "--connect-timeout-ms=", &o->connect_timeout_ms) ||
		take_number(arg, "--max-server-connections=",
			&a->max_server_connections))
		return true;
	a->url = arg;
	return *arg != '-';
}

static int call(const char *name, const struct upstream *u,
	const struct upstream *client, const struct arguments *a)
{
	struct check_options check = {
		.out = stdout,
		.problems = a->problems,
		.is_embedded = a->options.is_embedded,
		.url_name = a->options.url_name,
		.client = client,
		.max_server_connections = a->max_server_connections,
		.connect_timeout_ms = a->options.connect_timeout_ms,
	};

	if (!strcmp(name, "migrate"))
		return migrate_command(u, &a->options);
	if (!strcmp(name, "tables"))
		return migrate_run(u, &a->options);
	if (!strcmp(name, "indexes"))
		return migrate_indexes(u, &a->options);
	if (!strcmp(name, "uninstall"))
		return uninstall_run(u, &a->options);
	if (!strcmp(name, "check"))
		return check_run(a->problems.len ? NULL : u, &check);
	return 2;
}

int main(int argc, char **argv)
{
	struct arguments a = {
		.options = { .out = stdout },
		.max_server_connections = 20,
	};
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	CLEANUP(upstream_deinit) struct upstream client = { 0 };
	struct fault f;

	for (int i = 2; i < argc; i++)
		if (!take(&a, argv[i]))
			return 2;
	if (!a.url)
		return 2;
	if (upstream_parse(slice_str(a.url), &u, &f) ||
		(a.client &&
			upstream_parse(slice_str(a.client), &client, &f))) {
		fprintf(stderr, "%s\n", f.text);
		return 2;
	}
	return call(argv[1], &u, a.client ? &client : NULL, &a);
}
