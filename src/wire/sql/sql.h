#pragma once

/*
 * What an SQL text may leave behind in the session that runs it.
 *
 * An incremental scanner for the text of a Query or Parse message. It splits
 * the text into the statements PostgreSQL will see, and tells of each its
 * verb, what it may do to the session (proto/sql_flags.def), and the name it
 * is about. It lexes as PostgreSQL 15's scan.l does and does not parse: what
 * is no valid SQL gets some answer, which cannot matter, because the server
 * rejects a text as a whole before it runs any of it.
 *
 * When it cannot be sure it raises a flag too many. It sees what the text
 * names; functions behind operators, casts, views, triggers, defaults and
 * column notation (t.f for f(t)) are not in the text.
 *
 * The work per byte is bounded and nothing is allocated.
 *
 * The bytes are in the client's encoding. In the encodings that only clients
 * may have (BIG5, GBK, GB18030, JOHAB, SHIFT_JIS_2004, SJIS, UHC) a letter
 * may contain the byte of a backslash: take a text in one of these that is
 * not ASCII for SQL_ANYTHING instead of asking here.
 */
#include "base/slice.h"

enum sql_verb {
#define VERB(name, step, runs, flags) SQL_VERB_##name,
#include "proto/sql_verbs.def"
#undef VERB
};

enum sql_flag_bit {
#define FLAG(name, what) SQL_BIT_##name,
#include "proto/sql_flags.def"
#undef FLAG
};

enum sql_flag {
#define FLAG(name, what) SQL_##name = 1 << SQL_BIT_##name,
#include "proto/sql_flags.def"
#undef FLAG
};

/* A setting whose name is not in the text, or whose text is not plain. */
#define SQL_ANY_SETTING                                                        \
	(SQL_SETS | SQL_CUSTOM_SETTING | SQL_ROLE | SQL_TEMP | SQL_SEED)

/* Runs SQL that is not in the text; those besides OPAQUE leave no trace that
 * a later look at the backend would find. */
#define SQL_RUNS_TEXT                                                          \
	(SQL_OPAQUE | SQL_WRITES | SQL_CUSTOM_SETTING | SQL_SEED |             \
		SQL_SEQUENCE | SQL_LOADS)

/* What has to be assumed of a text that could not be read. */
#define SQL_ANYTHING                                                           \
	(SQL_RUNS_TEXT | SQL_ANY_SETTING | SQL_ADVISORY | SQL_HOLD |           \
		SQL_PREPARES | SQL_EXECUTES | SQL_DEALLOCATES |                \
		SQL_SEES_PREPARED | SQL_LISTENS | SQL_NOTIFIES |               \
		SQL_SEQUENCE_READ | SQL_DDL | SQL_SETTING_DDL | SQL_TX |       \
		SQL_COMMITS | SQL_CLOSES | SQL_DROPS_STATE)

#define SQL_NAME_MAX	   63 /* NAMEDATALEN - 1 */
#define SQL_MAX_STATEMENTS 16

struct sql_statement {
	/* WITH is told by its main statement. EXPLAIN, PREPARE and DECLARE
	 * have the flags of what they contain, which come true later: at
	 * EXECUTE, FETCH or COMMIT. */
	enum sql_verb verb;
	uint32_t flags; /* enum sql_flag */

	/* DEALLOCATE ALL, CLOSE ALL, UNLISTEN *, RESET ALL, DISCARD ALL */
	bool is_all;

	/*
	 * What the statement is about, or "":
	 *   PREPARE EXECUTE DEALLOCATE LISTEN UNLISTEN NOTIFY DECLARE CLOSE
	 *   SAVEPOINT RELEASE ROLLBACK_TO   the name
	 *   with SETS or SETS_LOCAL         the setting, in small letters;
	 *                                   "" for several or an unknown one
	 *   with DATABASE_DDL               the database that must be unused
	 *   DISCARD                         plans, sequences or temp
	 * EXPLAIN EXECUTE and CREATE TABLE AS EXECUTE name the prepared
	 * statement. Names are folded and cut to 63 bytes as PostgreSQL does
	 * it in UTF-8.
	 */
	char name[SQL_NAME_MAX + 1];
};

struct sql_summary {
	uint32_t n_statements; /* all of them, also those not kept below */
	uint32_t flags;	       /* of all of them */
	uint32_t n_tokens;
	uint32_t max_depth; /* of parentheses */

	/* There were more statements than are kept, or a text that does not
	 * fit the scanner; flags say so with SQL_OPAQUE or SQL_ANYTHING. */
	bool is_truncated;

	/* A quote, comment, parenthesis or function body was left open. */
	bool is_incomplete;

	struct sql_statement statements[SQL_MAX_STATEMENTS];
};

/*
 * Embedded by callers; all but the summary belongs to wire/sql. begin() makes
 * it ready, whatever was in it; there is nothing to give back.
 */
struct sql_scanner {
	struct sql_summary summary;

	/* Between bytes (scan.c): where in a token the text was cut. */
	uint8_t state; /* enum lex_state */
	uint8_t last_byte;
	uint32_t operator_len;
	uint32_t comment_depth;
	bool has_escapes; /* '...' means E'...' */

	/* In a string (quote.c). */
	bool is_escaping;  /* it obeys backslashes */
	bool is_bits;	   /* B'...' or X'...' */
	bool is_continued; /* a line ended after it: it may go on */
	bool is_body;	   /* it follows DO */
	bool is_path;	   /* it is a search_path, */
	bool names_temp;   /* which contains pg_temp, */
	uint8_t temp_at;   /* or so many letters of it */
	bool is_tag_matching;
	uint8_t tag_at;
	uint8_t tag_len;
	unsigned char tag[SQL_NAME_MAX];

	/* The last token that has a text: its first bytes and how many it has
	 * in all. A name is clipped, and eight zeros follow it. */
	bool is_plain; /* no escapes: the text is what it stands for */
	uint8_t op;    /* the first byte of the last operator */
	char text[SQL_NAME_MAX + 9];
	size_t len;

	/* Between tokens (statement.c): where in which statement. */
	struct sql_statement now;
	bool is_open;	      /* it has begun */
	bool is_run;	      /* functions named here are run */
	bool is_routine;      /* CREATE FUNCTION or PROCEDURE */
	bool sees_settings;   /* it names the view pg_settings */
	uint8_t step;	      /* enum step: what reads the next token */
	uint8_t last;	      /* enum sql_token: the one before */
	uint16_t word;	      /* enum sql_word: of this token, */
	uint16_t last_word;   /* the one before it, */
	uint16_t before_word; /* and the one before that */
	uint32_t depth;	      /* of parentheses */
	uint32_t body_depth;  /* of BEGIN ATOMIC */
	uint32_t with_depth;  /* where the verb stands */

	/* After SET, and in set_config(...) (set.c). */
	bool is_local;
	uint16_t set_word; /* enum sql_word: the last one before the name */
	uint8_t config;	   /* enum config: which argument is next */
	uint32_t config_depth;
	uint32_t config_flags; /* of the setting */
	uint32_t n_settings;   /* that set_config() has named */

	/* Names and calls (call.c). A set has one bit for each of the first
	 * 64 depths of parentheses. */
	uint8_t call;	      /* enum call: may a call follow */
	uint8_t name_call;    /* the same when the name at hand began */
	uint8_t qualifier;    /* enum qualifier: the schema it is in */
	uint16_t name_before; /* enum sql_word: what stands before it */
	bool must_be_as;      /* or what was closed was a call */
	uint64_t with_lists;  /* set: in WITH, before the main statement */
	uint64_t call_after;  /* set: a call may follow the parenthesis */
	uint64_t as_after;    /* set: AS must follow it */

	uint8_t body; /* enum body: in the text of DO (body.c) */
};

/* Begins a text. The setting is the one in force when the text is sent. */
void sql_scan_begin(struct sql_scanner *s, bool standard_conforming_strings);

/* Any cut of the text into bytes gives the same result. */
void sql_scan_feed(struct sql_scanner *s, struct slice bytes);

/* Ends the text. The summary is the scanner's and lasts until the next begin.
 */
const struct sql_summary *sql_scan_end(struct sql_scanner *s);

/* All three, for a text in one piece. */
const struct sql_summary *sql_scan(struct sql_scanner *s, struct slice text,
	bool standard_conforming_strings);
