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
 * names. What runs behind these names (triggers, views, defaults, operators,
 * casts, t.f for f(t)) is not in the text: whoever has looked at the database
 * says it with struct sql_risks.
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

/* ---- what a database adds --------------------------------------------- */

/*
 * The names of one database whose use runs code that the text does not show,
 * and what that code may do. Flags add up. Names are in UTF-8, as the
 * catalogue has them; one that is not ASCII counts for all such names,
 * because clients may use another encoding.
 */
struct sql_risks;

struct sql_risks *sql_risks_create(void); /* with one ref */
struct sql_risks *sql_risks_ref(struct sql_risks *risks);
void sql_risks_unref(struct sql_risks *risks);

/* A statement that has the name in it may do what uses says; one that also
 * writes (SQL_WRITES) may do what writes says, too. */
void sql_risks_add(struct sql_risks *risks, struct slice name, uint32_t uses,
	uint32_t writes);

/* Calls of this function are SQL_VOLATILE instead of SQL_OPAQUE. */
void sql_risks_add_harmless(struct sql_risks *risks, struct slice name);

/* What every statement may do that runs something, and what changes of the
 * catalogue may do. */
void sql_risks_add_always(struct sql_risks *risks, uint32_t flags);
void sql_risks_add_ddl(struct sql_risks *risks, uint32_t flags);

/* Whether nothing was added, and how many names have SQL_HIDDEN. */
bool sql_risks_are_none(const struct sql_risks *risks);
size_t sql_risks_count(const struct sql_risks *risks);
uint32_t sql_risks_always(const struct sql_risks *risks);
bool sql_risks_equal(const struct sql_risks *a, const struct sql_risks *b);

/* ---- what stored code does -------------------------------------------- */

/*
 * Reads the body of a function, in whatever language, a piece at a time. It
 * goes by words, strings and comments included, because strings may be run.
 * What cannot be told from them (EXECUTE of something composed) is SQL_HIDDEN:
 * a look at the session afterwards finds nearly everything.
 */
typedef void sql_stored_fn(void *ctx, struct slice word);

struct sql_stored {
	/* The caller's: NULL, or told of every word, in small letters, and of
	 * every custom setting (a name with a dot) that is set. */
	sql_stored_fn *word_seen;
	sql_stored_fn *setting_seen;
	void *ctx;
	bool has_globals; /* the language has variables of the session's */

	/* The results: SQL_HIDDEN; besides that what no look would find (custom
	 * settings whose names are not told, SEED, LOADS), and SEQUENCE,
	 * SEQUENCE_READ, NOTIFIES, SEES_PREPARED and DEALLOCATES. */
	uint32_t flags;
	bool is_writing; /* it may change tables */

	/* Where it is: stored.c. */
	char text[SQL_NAME_MAX + 9];
	size_t len;
	char name[2 * SQL_NAME_MAX + 1]; /* of the setting at hand */
	size_t name_len;
	uint8_t state;	/* enum stored */
	uint8_t last;	/* the byte before */
	bool is_start;	/* a statement may begin here */
	bool is_quote;	/* the byte before the word was a quote, */
	bool is_string; /* and before SET */
	bool is_update; /* the next SET belongs to an UPDATE */
	bool is_comment;
};

/* Everything but the caller's members becomes zero. */
void sql_stored_begin(struct sql_stored *s);
void sql_stored_feed(struct sql_stored *s, struct slice bytes);
void sql_stored_end(struct sql_stored *s);

/* What a function of pg_catalog does that stored code calls by its number. */
uint32_t sql_stored_call(struct slice function);

/* The word under which sql_stored_feed() tells of an object: its name in
 * small letters, up to what stands in no word. ret is for SQL_NAME_MAX bytes;
 * the length is returned. */
size_t sql_stored_word(struct slice name, char *ret);

/* ---- texts ------------------------------------------------------------ */

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

	/* What the database adds, or NULL (risks.c). */
	const struct sql_risks *risks; /* borrowed */
	uint32_t always;	       /* flags of all that run something */
	uint32_t if_writes;	       /* flags, should the statement write */
	bool is_temp_kind;	       /* CREATE TEMP */
	uint8_t code;		       /* enum code */
	bool names_code;	       /* in what is stored for later */
};

/* Begins a text. The setting is the one in force when the text is sent. */
void sql_scan_begin(struct sql_scanner *s, bool standard_conforming_strings);

/* Directly after sql_scan_begin(). The risks must outlive the text; always is
 * raised by every statement that runs something. */
void sql_scan_risks(
	struct sql_scanner *s, const struct sql_risks *risks, uint32_t always);

/* Any cut of the text into bytes gives the same result. */
void sql_scan_feed(struct sql_scanner *s, struct slice bytes);

/* Ends the text. The summary is the scanner's and lasts until the next begin.
 */
const struct sql_summary *sql_scan_end(struct sql_scanner *s);

/* All three, for a text in one piece. */
const struct sql_summary *sql_scan(struct sql_scanner *s, struct slice text,
	bool standard_conforming_strings);
