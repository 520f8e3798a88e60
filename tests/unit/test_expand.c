/* src/config/expand.c: the eight forms of ${}, nested and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

static const char *const environment[] = { "SET=set", "EMPTY=", "_1=one",
	NULL };

/* "=text" when it works, "!fault" when it does not, then the unset names. */
static char *run(struct slice text)
{
	CLEANUP(env_deinit) struct env env;
	CLEANUP(buf_deinit) struct buf value = { 0 };
	CLEANUP(buf_deinit) struct buf unset = { 0 };
	struct buf result = { 0 };
	struct fault fault;
	struct expansion x = { &env, 1000, 0, &unset, &fault };

	env_init(&env, (char *const *)environment);
	if (expand(&x, text, &value) == 0) {
		buf_append_str(&result, "=");
		buf_append_slice(&result, buf_slice(&value));
	} else {
		buf_printf(&result, "!%s", fault.text);
	}
	if (unset.len)
		buf_printf(&result, " unset %.*s", (int)unset.len, unset.data);
	assert_int_equal(x.depth, 0);
	return buf_take_str(&result);
}

static void assert_expands(const char *text, const char *expected)
{
	CLEANUP(freep) char *result = run(slice_str(text));

	assert_string_equal(result, expected);
}

static void test_plain(void **state)
{
	(void)state;
	assert_expands("", "=");
	assert_expands("abc }{", "=abc }{");
	assert_expands("$SET", "=set");
	assert_expands("$SET-$SET.$_1", "=set-set.one");
	assert_expands("${SET}x", "=setx");
	assert_expands("$SETx", "= unset SETx");
	assert_expands("$NO ${NIL}", "=  unset NO NIL");
	assert_expands("$EMPTY", "=");
	assert_expands("$$SET $$$SET", "=$SET $set");
	assert_expands("$", "=$");
	assert_expands("5$ $1 $- $\"", "=5$ $1 $- $\"");
}

static void test_operators(void **state)
{
	(void)state;
	assert_expands("${SET:-x}${SET-x}", "=setset");
	assert_expands("${EMPTY:-x}${EMPTY-y}", "=x");
	assert_expands("${NO:-x}${NO-y}", "=xy");
	assert_expands("${NO:-}${NO-}", "=");
	assert_expands("${SET:+x}${SET+y}", "=xy");
	assert_expands("${EMPTY:+x}${EMPTY+y}", "=y");
	assert_expands("${NO:+x}${NO+y}", "=");
	assert_expands("${SET:?x}${SET?y}${EMPTY?z}", "=setset");
	assert_expands("${EMPTY:?give one}", "!EMPTY must be set: give one");
	assert_expands("${NO?}", "!NO must be set");
	assert_expands("${NO:?${SET} is $$5}", "!NO must be set: set is $5");
	assert_expands("${NO:-a:-b-c?d}", "=a:-b-c?d");
}

static void test_nested(void **state)
{
	(void)state;
	assert_expands("${NO:-${NIL:-c}}", "=c");
	assert_expands("${NO:-<${SET}>}", "=<set>");
	assert_expands("${NO:-$SET}", "=set");
	assert_expands("${NO:-{\"a\":{}}}", "={\"a\":{}}");
	assert_expands("${SET:+${NO-${EMPTY:-x}}}", "=x");
	/* what is not needed is not looked at */
	assert_expands("${SET:-${NO:?x}}", "=set");
	assert_expands("${NO:+${NIL:?x}}", "=");
	assert_expands("${NO:-${NIL:?x}}", "!NIL must be set: x");
}

static void test_broken(void **state)
{
	static const char form[] =
		"!${...} is a name and then }, :- - :? ? :+ or +; "
		"a $ that is meant as such is written $$";

	(void)state;
	assert_expands("${}", form);
	assert_expands("${1}", form);
	assert_expands("${SET/a/b}", form);
	assert_expands("${SET:}", form);
	assert_expands("${SET:=x}", form);
	assert_expands("${:-x}", form);
	assert_expands("${ SET}", form);
	assert_expands("${SET", "!${ has no } of its own");
	assert_expands("${NO:-${SET}", "!${ has no } of its own");
	assert_expands("${", "!${ has no } of its own");
}

static void test_depth(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *good = NULL;
	CLEANUP(freep) char *bad = NULL;

	(void)state;
	for (int i = 0; i < EXPAND_DEPTH_MAX; i++)
		buf_append_str(&text, "${NO:-");
	buf_append_str(&text, "x");
	for (int i = 0; i < EXPAND_DEPTH_MAX; i++)
		buf_append_str(&text, "}");
	good = run(buf_slice(&text));
	assert_string_equal(good, "=x");

	text.len = 0;
	for (int i = 0; i <= EXPAND_DEPTH_MAX; i++)
		buf_append_str(&text, "${NO:-");
	for (int i = 0; i <= EXPAND_DEPTH_MAX; i++)
		buf_append_str(&text, "}");
	bad = run(buf_slice(&text));
	assert_string_equal(bad, "!${...} is nested more than 16 deep");
}

static void test_room(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *good = NULL;
	CLEANUP(freep) char *bad = NULL;

	(void)state;
	for (int i = 0; i < 333; i++)
		buf_append_str(&text, "$SET");
	good = run(buf_slice(&text));
	assert_int_equal(strlen(good), 1000);
	buf_append_str(&text, "$SET");
	bad = run(buf_slice(&text));
	assert_string_equal(bad, "!the values come to more than 1048576 bytes");
}

static void test_cut(void **state)
{
	static const char text[] = "a$SET ${NO:-${NIL-{x}}} $$ ${SET:+${_1}} $";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		char *copy = xmemdup(text, cut);
		CLEANUP(freep) char *result = run(slice_of(copy, cut));

		free(copy);
		assert_true(result[0] == '=' || result[0] == '!');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
