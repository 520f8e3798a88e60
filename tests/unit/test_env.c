/* src/config/env.c: the variables of an environment, and of a file. */
#include "cut_help.h"

#include "config/config_priv.h"

static void assert_var(const struct env *env, const char *name,
	const char *value, unsigned line, bool is_environment)
{
	const struct env_var *var = env_find(env, slice_str(name));

	if (!value) {
		assert_null(var);
		return;
	}
	assert_string_equal(var->name, name);
	assert_string_equal(var->value, value);
	assert_int_equal(var->line, line);
	assert_int_equal(var->is_environment, is_environment);
}

static void test_environment(void **state)
{
	static const char *const strings[] = { "A=1", "B=", "C", "=D", "",
		"E=x=y", "A=2", "F\xff=\xfe", NULL };
	CLEANUP(env_deinit) struct env env;

	(void)state;
	env_init(&env, (char *const *)strings);
	assert_var(&env, "A", "1", 0, true); /* getenv() takes the first */
	assert_var(&env, "B", "", 0, true);
	assert_var(&env, "C", NULL, 0, false);
	assert_var(&env, "", NULL, 0, false);
	assert_var(&env, "E", "x=y", 0, true);
	assert_var(&env, "F\xff", "\xfe", 0, true);
}

static void test_file_behind_it(void **state)
{
	static const char *const strings[] = { "A=1", NULL };
	CLEANUP(env_deinit) struct env env;

	(void)state;
	env_init(&env, (char *const *)strings);
	env_put_line(&env, SLICE("A"), SLICE("file"), 3);
	env_put_line(&env, SLICE("B"), SLICE("one"), 4);
	env_put_line(&env, SLICE("B"), SLICE("two"), 9);
	assert_var(&env, "A", "1", 3, true);
	assert_var(&env, "B", "two", 9, false);
}

static void test_cut(void **state)
{
	(void)state;
	each_cut (cut, SLICE("NAME=va=lue")) {
		CLEANUP(freep) char *text = slice_dup(cut);
		CLEANUP(env_deinit) struct env env;

		env_init(&env, (char *const[]){ text, NULL });
		assert_var(
			&env, "NAME", cut.len >= 5 ? text + 5 : NULL, 0, true);
	}
}

static void test_nothing(void **state)
{
	CLEANUP(env_deinit) struct env env;

	(void)state;
	env_init(&env, NULL);
	assert_var(&env, "HOME", NULL, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_file_behind_it),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
