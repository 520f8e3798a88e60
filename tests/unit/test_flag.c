/* src/config/flag.c: the forms of a flag, and what is none. */
#include "cut_help.h"

#include <errno.h>

#include "config/config_priv.h"

#define ARGS(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

/* "field=value ..." in the order of the options, or "!" and the problems. */
static char *run(char *const *args)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	struct buf shown = { 0 };
	struct flags flags;
	int r = flags_read(args, "", &flags, &problems);

	assert_int_equal(r, problems.len ? -EINVAL : 0);
	if (r < 0)
		buf_printf(&shown, "!%.*s", (int)problems.len, problems.data);
	for (enum option_id id = 0; r == 0 && id < OPTION_ID_END; id++)
		if (flags.value[id])
			buf_printf(&shown, "%s=%s ", option_row(id)->field,
				flags.value[id]);
	if (r == 0 && flags.env_file)
		buf_printf(&shown, "env-file=%s", flags.env_file);
	return buf_take_str(&shown);
}

static void assert_read(char *const *args, const char *expected)
{
	CLEANUP(freep) char *shown = run(args);

	assert_string_equal(shown, expected);
}

static void test_forms(void **state)
{
	(void)state;
	assert_read(NULL, "");
	assert_read(ARGS(NULL), "");
	assert_read(ARGS("--pool-size=20"), "pool_size=20 ");
	assert_read(ARGS("--pool-size", "20"), "pool_size=20 ");
	assert_read(ARGS("--pool-size=1", "--pool-size=2"), "pool_size=2 ");
	assert_read(ARGS("--insecure"), "insecure=yes ");
	assert_read(ARGS("--insecure=no"), "insecure=no ");
	assert_read(ARGS("--pg-listen="), "pg_listen= ");
	assert_read(ARGS("--pg-listen=a=b"), "pg_listen=a=b ");
	assert_read(ARGS("--pg-listen", "-"), "pg_listen=- ");
	assert_read(
		ARGS("--env-file", "x", "--workers=2"), "workers=2 env-file=x");
}

static void test_wrong(void **state)
{
	(void)state;
	assert_read(ARGS("--pool-sise=1"),
		"!--pool-sise: there is no such flag; did you mean "
		"--pool-size?\n");
	assert_read(ARGS("--elephants"),
		"!--elephants: there is no such flag; --help names them all\n");
	assert_read(ARGS("--pool-size"),
		"!--pool-size: give a value, --pool-size=...\n");
	assert_read(ARGS("--pool-size", "--insecure"),
		"!--pool-size: give a value, --pool-size=...\n");
	assert_read(
		ARGS("pool"), "!\"pool\": flags are written --name=value\n");
	assert_read(ARGS(""), "!\"\": flags are written --name=value\n");
	assert_read(ARGS("--"),
		"!--: there is no such flag; --help names them all\n");
	/* one does not hide the next */
	assert_read(ARGS("x", "--insecure=no", "--y"),
		"!\"x\": flags are written --name=value\n"
		"--y: there is no such flag; --help names them all\n");
}

/* Nothing but the whole name is that flag. */
static void test_cut(void **state)
{
	struct slice whole = SLICE("--pool-size=20");

	(void)state;
	each_cut (cut, whole) {
		CLEANUP(freep) char *arg = slice_dup(cut);
		CLEANUP(freep) char *shown = run(ARGS(arg));

		assert_int_equal(
			shown[0] != '!', cut.len >= sizeof("--pool-size=") - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
