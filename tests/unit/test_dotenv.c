/* src/config/dotenv.c: files as docker compose v2 reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/config_priv.h"

static const char *const environment[] = { "HOME=/root", "OUTER=outer",
	"EMPTY=", NULL };

struct result {
	struct env env;
	struct buf problems;
	struct buf warnings;
	int r;
};

static void result_deinit(struct result *x)
{
	env_deinit(&x->env);
	buf_deinit(&x->problems);
	buf_deinit(&x->warnings);
}

static void read_text(struct result *x, struct slice text)
{
	*x = (struct result){ 0 };
	env_init(&x->env, (char *const *)environment);
	x->r = dotenv_read(text, ".env", &x->env, &x->problems, &x->warnings);
	buf_put_u8(&x->problems, 0);
	buf_put_u8(&x->warnings, 0);
}

/* The file has one variable A, and that is its value. */
static void assert_a(const char *text, const char *value)
{
	CLEANUP(result_deinit) struct result x;
	const struct env_var *a;

	read_text(&x, slice_str(text));
	assert_string_equal(x.problems.data, "");
	assert_int_equal(x.r, 0);
	a = env_find(&x.env, SLICE("A"));
	assert_non_null(a);
	assert_string_equal(a->value, value);
}

static void assert_problem(const char *text, const char *problems)
{
	CLEANUP(result_deinit) struct result x;

	read_text(&x, slice_str(text));
	assert_true(x.r < 0);
	assert_string_equal(x.problems.data, problems);
}

static void assert_warning(const char *text, const char *warnings)
{
	CLEANUP(result_deinit) struct result x;

	read_text(&x, slice_str(text));
	assert_int_equal(x.r, 0);
	assert_string_equal(x.warnings.data, warnings);
}

static void test_forms(void **state)
{
	(void)state;
	assert_a("A=b", "b");
	assert_a("A=b\n", "b");
	assert_a("  A = b  \n", "b");
	assert_a("\tA=b", "b");
	assert_a("A: b", "b");
	assert_a("A=b:c=d", "b:c=d");
	assert_a("A=", "");
	assert_a("A=\nB=c", "");
	assert_a("A=\"\"", "");
	assert_a("export A=b", "b");
	assert_a("export\tA=b", "b");
	assert_a("export A\nA=b", "b");
	assert_a("exportA=c\nA=b", "b");
	assert_a("# A=c\n\n \n  # x\nA=b", "b");
	assert_a("A=b\nA=c", "c");
	assert_a("B\nA=b\nC", "b");
	assert_a("a.b-c[1]=x\n\xc3\xa9=y\nA=b", "b");
}

static void test_line_ends(void **state)
{
	(void)state;
	assert_a("A=b\r\nB=c\r\n", "b");
	assert_a("B=c\r\n\r\nA=b\r\n", "b");
	assert_a("A=\"b\"\r\nB=c", "b");
	assert_a("A=\"b\r\nc\"\r\n", "b\r\nc");
	assert_a("\xef\xbb\xbf"
		 "A=b\n",
		"b");
}

static void test_comments(void **state)
{
	(void)state;
	assert_a("A=b # c", "b");
	assert_a("A=b   # c", "b");
	assert_a("A=b# c", "b# c");
	assert_a("A=b\t# c", "b\t# c");
	assert_a("A=b #c # d", "b");
	assert_a("A=\"b # c\" # d", "b # c");
	assert_a("A='b # c' # d", "b # c");
	assert_a("A=\"b\"# c", "b");
	assert_a("A=#b", "#b");
	assert_a("A= # b", "# b");
	assert_warning("A=#b", "");
	assert_warning("A= # b", ".env:1: A: a # right after the = begins the "
				 "value, not a comment\n");
}

static void test_quotes(void **state)
{
	(void)state;
	assert_a("A='b\\n$HOME\\\\'", "b\\n$HOME\\\\");
	assert_a("A='let\\'s'", "let's");
	assert_a("A='b\n c'\nB=d", "b\n c");
	assert_a("A=\"b\\\"c\\\"\"", "b\"c\"");
	assert_a("A=\"\\a\\b\\f\\n\\r\\t\\v\\\\\"", "\a\b\f\n\r\t\v\\");
	assert_a("A=\"\\x\\'\"", "\\x\\'");
	assert_a("A=\"b\n\tc\\\nd\"", "b\n\tc\\\nd");
	assert_a("A=\"\\$HOME $$HOME \\${HOME}\"", "$HOME $HOME ${HOME}");
	assert_a("A=\"\\\\$HOME\"", "\\/root");
	assert_a("A=\"it's\"", "it's");
	assert_a("A=b\"c\"", "b\"c\"");
	assert_a("A=b\\nc\\\\", "b\\nc\\\\");
}

static void test_expansion(void **state)
{
	(void)state;
	assert_a("B=c\nA=$B/${B}", "c/c");
	assert_a("B=c\nA=\"$B ${B}\"", "c c");
	assert_a("A=$HOME\\$HOME", "/root\\/root");
	assert_a("A=pa$$word", "pa$word");
	assert_a("A=5$", "5$");
	assert_a("A=${B:-c} # d", "c");
	assert_a("A=$B\nB=c", "");
	assert_a("A=b\nA=${A}c", "bc");
	/* the environment comes first, in ${} and for the line itself */
	assert_a("OUTER=inner\nA=$OUTER", "outer");
	assert_a("EMPTY=inner\nA=[${EMPTY}]", "[]");
	assert_warning("A=$B$C", ".env:1: $B is not set and reads as nothing; "
				 "a $ that is meant as such is written $$\n"
				 ".env:1: $C is not set and reads as nothing; "
				 "a $ that is meant as such is written $$\n");
}

static void test_lines(void **state)
{
	CLEANUP(result_deinit) struct result x;
	const struct env_var *var;

	(void)state;
	read_text(&x, slice_str("A=\"1\n2\n\"\n\nB=2\nOUTER=3\nA=4"));
	assert_int_equal(x.r, 0);
	assert_int_equal(env_find(&x.env, SLICE("A"))->line, 7);
	assert_int_equal(env_find(&x.env, SLICE("B"))->line, 5);
	var = env_find(&x.env, SLICE("OUTER"));
	assert_int_equal(var->line, 6);
	assert_true(var->is_environment);
	assert_string_equal(var->value, "outer");
	assert_int_equal(env_find(&x.env, SLICE("HOME"))->line, 0);
}

static void test_problems(void **state)
{
	(void)state;
	assert_problem("A=\"b", ".env:1: A: the quote is never closed\n");
	assert_problem(
		"B=1\nA='b\nc\n", ".env:2: A: the quote is never closed\n");
	assert_problem("A=\"b\"c", ".env:1: A: only a # comment may follow the "
				   "closing quote; a quote inside is written "
				   "with a \\ before it\n");
	assert_problem("A=1\n=b", ".env:2: this is neither NAME=value nor a # "
				  "comment; names are letters, digits and _ . "
				  "- [ ]\n");
	assert_problem("A B=1\nC!\n${X}=1",
		".env:1: this is neither NAME=value nor a # comment; names are "
		"letters, digits and _ . - [ ]\n"
		".env:2: this is neither NAME=value nor a # comment; names are "
		"letters, digits and _ . - [ ]\n"
		".env:3: this is neither NAME=value nor a # comment; names are "
		"letters, digits and _ . - [ ]\n");
	assert_problem("A=${B:?set B}\nC=${D",
		".env:1: A: B must be set: set B\n"
		".env:2: C: ${ has no } of its "
		"own\n");
}

static void test_bounds(void **state)
{
	CLEANUP(result_deinit) struct result nul, large, bomb, binary;
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	read_text(&nul, SLICE("A=b\0c"));
	assert_string_equal(nul.problems.data,
		".env:1: the file holds a NUL byte: it is no text\n");
	while (text.len <= DOTENV_MAX)
		buf_append_str(&text, "# 34567\n");
	read_text(&large, buf_slice(&text));
	assert_string_equal(
		large.problems.data, ".env:1: the file is larger than 1 MiB\n");

	text.len = 0;
	buf_append_str(&text, "A=0123456789abcdef\n");
	for (int i = 0; i < 30; i++)
		buf_append_str(&text, "A=$A$A\n");
	read_text(&bomb, buf_slice(&text));
	assert_true(bomb.r < 0);
	assert_non_null(strstr(bomb.problems.data, ":17: A: the values come to "
						   "more than 1048576 bytes"));

	text.len = 0;
	for (int i = 0; i < 1000; i++)
		buf_append_str(&text, "!\n");
	read_text(&binary, buf_slice(&text));
	assert_non_null(strstr(binary.problems.data,
		".env:20: too many errors; is this a .env file?\n"));
	assert_null(strstr(binary.problems.data, ".env:21:"));
}

/* Every prefix of a file with every form in it: no crash, no read beyond the
 * end, and a prefix that ends with a line reads as that line does whole. */
static void test_cut(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf# comment\r\nexport A=\"b\\n$HOME ${B:-${C:-d}}\" # e\n"
		"B: 'x\\'y\nz'\nC=${A:+${B+c}} # tail\nD\nE=${F?${G:?h}}\n";
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		CLEANUP(result_deinit) struct result x;
		char *copy = xmemdup(text, cut);
		const struct env_var *a;

		read_text(&x, slice_of(copy, cut));
		free(copy);
		a = env_find(&x.env, SLICE("A"));
		if (a && cut >= (size_t)(strstr(text, "B: ") - text))
			assert_string_equal(a->value, "b\n/root d");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
