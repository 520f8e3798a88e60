/*
 * Lets a test do things with one struct db, in the order of its arguments:
 *
 *   db_shell URL [option...] [do...]
 *
 * Options: --writer, --connect-timeout-ms=N, --dbname=NAME.
 * Doing: timeout=MS, param=TEXT (for the next query), query=SQL, script=SQL.
 *
 * Prints each row as its values between bars, NULL as (null), and each
 * outcome but 0 as "outcome N: fault".
 */
#include <stdio.h>

#include "db/db.h"

struct shell {
	struct db *db;
	struct db_options options;
	const char *params[8];
	size_t n_params;
};

static void print_fault(int outcome, const struct db_fault *fault)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	db_fault_put(fault, &text);
	printf("outcome %d: %.*s\n", outcome, (int)text.len, text.data);
}

static void print_row(const struct db_rows *rows, size_t row)
{
	for (int i = 0; i < db_rows_columns(rows); i++) {
		struct slice s = db_rows_slice(rows, row, i);

		printf("|%.*s", s.data ? (int)s.len : 6,
			s.data ? s.data : "(null)");
	}
	printf("|\n");
}

static void query(struct shell *sh, const char *sql)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	int r = db_query(sh->db, sql, sh->params, &rows);

	sh->n_params = 0;
	sh->params[0] = NULL;
	if (r) {
		print_fault(r, db_fault(sh->db));
		return;
	}
	for (size_t i = 0; i < db_rows_count(rows); i++)
		print_row(rows, i);
}

static bool starts(const char **arg, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*arg, word, len))
		return false;
	*arg += len;
	return true;
}

static void do_one(struct shell *sh, const char *arg)
{
	uint64_t timeout_ms = 0;
	int r;

	if (starts(&arg, "timeout=")) {
		num_parse_u64(slice_str(arg), &timeout_ms);
		db_set_timeout(sh->db, timeout_ms);
	} else if (starts(&arg, "param=")) {
		check(sh->n_params + 1 < ARRAY_SIZE(sh->params));
		sh->params[sh->n_params++] = arg;
		sh->params[sh->n_params] = NULL;
	} else if (starts(&arg, "query=")) {
		query(sh, arg);
	} else if (starts(&arg, "script=")) {
		r = db_script(sh->db, arg);
		if (r)
			print_fault(r, db_fault(sh->db));
	}
	fflush(stdout);
}

static void take_option(struct shell *sh, const char *arg)
{
	if (starts(&arg, "--connect-timeout-ms="))
		num_parse_u64(slice_str(arg), &sh->options.connect_timeout_ms);
	else if (starts(&arg, "--dbname="))
		sh->options.dbname = arg;
	else if (starts(&arg, "--writer"))
		sh->options.is_writer = true;
}

static int connect_and_do(
	struct shell *sh, const struct upstream *u, int argc, char **argv)
{
	struct db_fault fault;
	const char *tls;
	int r;

	for (int i = 2; i < argc; i++)
		take_option(sh, argv[i]);
	r = db_create(u, &sh->options, &fault, &sh->db);
	if (r) {
		printf("stage %d, ", (int)fault.stage);
		print_fault(r, &fault);
		return r;
	}
	tls = db_tls_version(sh->db);
	printf("at %s, %d, %s\n", db_address(sh->db),
		db_server_version(sh->db) / 10000, tls ? tls : "no TLS");
	for (int i = 2; i < argc; i++)
		do_one(sh, argv[i]);
	return 0;
}

int main(int argc, char **argv)
{
	struct shell sh = { 0 };
	struct upstream u;
	struct fault f;
	int r;

	if (argc < 2 || upstream_parse(slice_str(argv[1]), &u, &f))
		return 100;
	r = connect_and_do(&sh, &u, argc, argv);
	db_destroy(sh.db);
	upstream_deinit(&u);
	return r;
}
