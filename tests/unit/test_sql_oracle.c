/*
 * src/wire/sql against PostgreSQL's own lexer and parser (libpg_query), over
 * the corpus of the fuzzer: as many statements, and no call of a foreign
 * function that the scanner does not see.
 */
#include "sql_help.h"

#include <glob.h>
#include <pg_query.h>

static const char *const harmless[] = {
#define LENGTH(n)
#define BUILTIN(name)	      #name,
#define FUNCTION(name, flags) #name,
#include "proto/builtins.def"
#include "proto/functions.def"
#undef LENGTH
#undef BUILTIN
#undef FUNCTION
};

/* The statements that run what they name, as the parser calls them. */
static const char *const running[] = { "SelectStmt", "InsertStmt", "UpdateStmt",
	"DeleteStmt", "MergeStmt", "CopyStmt", "ExplainStmt", "PrepareStmt",
	"ExecuteStmt", "DeclareCursorStmt", "CreateTableAsStmt", "IndexStmt",
	"AlterTableStmt", "AlterDomainStmt" };

static bool is_one_of(struct slice name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_is(name, names[i]))
			return true;
	}
	return false;
}

/* What stands in a JSON text from at to the next quote; moves behind it. */
static struct slice json_word(const char **at)
{
	const char *end = strchr(*at, '"');
	struct slice word = slice_of(*at, (size_t)(end - *at));

	*at = end + 1;
	return word;
}

/* The list of names behind "funcname":[ is a function's, perhaps qualified. */
static bool is_foreign(const char *at)
{
	static const char next[] = "{\"String\":{\"sval\":\"";
	struct slice schema = SLICE("pg_catalog");
	struct slice name = { 0 };

	while (!strncmp(at, next, strlen(next))) {
		if (name.data)
			schema = name;
		at += strlen(next);
		name = json_word(&at);
		at += strlen("}}");
		at += *at == ',';
	}
	return !(slice_is(schema, "pg_catalog") ||
		       slice_is(schema, "information_schema")) ||
	       !is_one_of(name, harmless, ARRAY_SIZE(harmless));
}

/* Does the parse tree have a call of a function that neither table knows? */
static bool has_foreign_call(const char *json)
{
	static const char call[] = "\"FuncCall\":{\"funcname\":[";

	while ((json = strstr(json, call))) {
		json += strlen(call);
		if (is_foreign(json))
			return true;
	}
	return false;
}

static bool is_running(const char *json)
{
	static const char first[] = "\"stmts\":[{\"stmt\":{\"";
	const char *at = strstr(json, first);

	if (!at)
		return false;
	at += strlen(first);
	return is_one_of(json_word(&at), running, ARRAY_SIZE(running));
}

static void check_statement(struct slice text)
{
	CLEANUP(freep) char *copy = slice_dup(text);
	PgQueryParseResult r = pg_query_parse(copy);
	struct sql_scanner s;

	assert_null(r.error);
	if (is_running(r.parse_tree) && has_foreign_call(r.parse_tree) &&
		!(sql_scan(&s, text, true)->flags & SQL_OPAQUE))
		fail_msg("a call is not seen: %s", copy);
	pg_query_free_parse_result(r);
}

/* Says whether the parser takes the text. */
static bool check_parsed(const char *text, uint32_t n_statements)
{
	PgQuerySplitResult r = pg_query_split_with_parser(text);
	bool is_valid = !r.error;

	if (is_valid)
		assert_int_equal(n_statements, r.n_stmts);
	for (int i = 0; is_valid && i < r.n_stmts; i++)
		check_statement(slice_of(text + r.stmts[i]->stmt_location,
			(size_t)r.stmts[i]->stmt_len));
	pg_query_free_split_result(r);
	return is_valid;
}

static uint64_t proto_number(struct reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(r);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

/* The kind of a token: its character, or a number above 255. */
static uint64_t token_kind(struct reader token)
{
	enum {
		FIELD_TOKEN = 4
	};
	uint64_t kind = 0;

	while (reader_left(&token)) {
		uint64_t field = proto_number(&token) >> 3;
		uint64_t value = proto_number(&token);

		if (field == FIELD_TOKEN)
			kind = value;
	}
	return kind;
}

struct split {
	uint32_t n;
	uint32_t depth;
	bool is_open;
};

static void split_token(struct split *s, uint64_t kind)
{
	enum {
		SQL_COMMENT = 275,
		C_COMMENT = 276
	};

	if (kind == SQL_COMMENT || kind == C_COMMENT)
		return;
	if (kind == ';' && !s->depth) {
		s->n += s->is_open;
		s->is_open = false;
		return;
	}
	s->is_open = true;
	if (kind == '(')
		s->depth++;
	if (kind == ')' && s->depth)
		s->depth--;
}

/* Texts that only the lexer takes; it knows nothing of function bodies. */
static void check_lexed(const char *text, uint32_t n_statements)
{
	enum {
		FIELD_TOKENS = 2
	};
	PgQueryScanResult result = pg_query_scan(text);
	struct reader r =
		reader_of(slice_of(result.pbuf.data, result.pbuf.len));
	struct split split = { 0 };

	while (!result.error && reader_left(&r)) {
		uint64_t tag = proto_number(&r);
		uint64_t len = proto_number(&r);

		if (tag >> 3 == FIELD_TOKENS)
			split_token(&split,
				token_kind(reader_of(reader_bytes(&r, len))));
	}
	if (!result.error)
		assert_int_equal(n_statements, split.n + split.is_open);
	pg_query_free_scan_result(result);
}

/*
 * Where the oracle is no judge: it stops at a NUL, a literal does not go on
 * behind a comment for it (the server's does), and the tag of one text is
 * longer than the scanner can remember.
 */
static bool is_excluded(const char *path)
{
	return strstr(path, "/nul") || strstr(path, "/strings-continued") ||
	       strstr(path, "/long-tag");
}

static void check_file(const char *path)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	FILE *f = fopen(path, "r");
	struct sql_scanner s;
	uint32_t n;

	assert_non_null(f);
	text.len = fread(buf_reserve(&text, 65536), 1, 65535, f);
	fclose(f);
	text.data[text.len] = '\0';
	n = sql_scan(&s, buf_slice(&text), true)->n_statements;
	print_message("%s: %u statements\n", path, n);
	if (is_excluded(path))
		return;
	if (!check_parsed(text.data, n) && !strstr(text.data, "atomic"))
		check_lexed(text.data, n);
}

static void test_corpus(void **state)
{
	glob_t files = { 0 };

	(void)state;
	assert_int_equal(glob(SQL_CORPUS "/*", 0, NULL, &files), 0);
	assert_true(files.gl_pathc > 50);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_file(files.gl_pathv[i]);
	globfree(&files);
	pg_query_exit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
