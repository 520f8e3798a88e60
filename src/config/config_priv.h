#pragma once

/* What the files of config/ share; never leaves the folder but for tests. */
#include "config/config.h"

enum {
	DOTENV_MAX = 1024 * 1024, /* bytes of the file; of its values, too */
	EXPAND_DEPTH_MAX = 16,	  /* ${A:-${B:-...}} */
	ENDPOINTS_MAX = 16,	  /* of one listener option, hosts of a URL */
};

/* ---- names and secrets (text.c) --------------------------------------- */

/* Wipes and frees; NULL is fine. Through p, which becomes NULL. */
void secret_freep(char **p);

/* Wipes and frees what a buffer holds of a secret. */
void secret_buf_deinit(struct buf *b);

/* Is it one of the words separated by |? Any case; *ret_word as listed. */
bool words_have(const char *words, struct slice word, struct slice *ret_word);

/* Appends a value as part of a message: 60 bytes at most, printable. */
void put_value(struct buf *b, struct slice value);

/* ---- variables (env.c) ------------------------------------------------ */

/* A variable of the environment, of the file, or of both. */
struct env_var {
	struct table_node node;
	struct list link;
	char *name;
	char *value;	     /* the environment's, where that has one */
	unsigned line;	     /* in the file, its last; 0: not there */
	bool is_environment; /* the environment has it, and wins */
};

struct env {
	struct table vars;
	struct list order; /* as they came, the environment's first */
};

/* Takes in "NAME=value" strings, NULL-terminated; NULL: none. */
void env_init(struct env *env, char *const *environment);
void env_deinit(struct env *env);
const struct env_var *env_find(const struct env *env, struct slice name);

/* A line of the file: the last of one name counts. */
void env_put_line(
	struct env *env, struct slice name, struct slice value, unsigned line);

/* ---- ${...} (expand.c) ------------------------------------------------ */

struct expansion {
	const struct env *env;
	size_t room;	   /* bytes that may still be written */
	unsigned depth;	   /* 0 from outside */
	struct buf *unset; /* gets the unset names that read as "", by space */
	struct fault *fault;
};

/*
 * Appends the text with $NAME, ${NAME}, ${NAME:-default}, ${NAME-default},
 * ${NAME:?error}, ${NAME?error}, ${NAME:+other} and ${NAME+other} replaced,
 * and $$ made $. What stands behind an operator is expanded too, if it is
 * needed. 0, or -EINVAL with the fault set.
 */
int expand(struct expansion *x, struct slice text, struct buf *ret);

/* The leading [A-Za-z_][A-Za-z0-9_]* of a text; empty when there is none. */
struct slice expand_name(struct slice text);

/* ---- .env (dotenv.c) -------------------------------------------------- */

/*
 * Reads the bytes of a .env file into env; file is its name in messages.
 * Goes on after a bad line, to report all of them. 0, or -EINVAL when there
 * was one.
 */
int dotenv_read(struct slice text, const char *file, struct env *env,
	struct buf *ret_problems, struct buf *ret_warnings);

/* ---- rows (option.c) -------------------------------------------------- */

union option_value {
	bool flag;
	uint64_t number;
	struct slice text; /* borrowed from the input, the row or the config */
};

/* Reads a value as the row wants it. 0, or -EINVAL with a sentence about
 * what would be right in ret_why. */
int option_parse(const struct option_row *row, struct slice text,
	union option_value *ret, struct buf *ret_why);
void option_format(const struct option_row *row, union option_value value,
	struct buf *ret);

union option_value option_get(const struct config *c, enum option_id id);

/* Stores a value; texts are copied, the old one is freed. */
void option_put(struct config *c, enum option_id id, union option_value value,
	enum option_source source);

/* The nearest field ("pool_size") or variable to a name that is unknown, or
 * NULL when nothing is near. */
const char *option_nearest(struct slice name, bool is_variable);

/* May somebody who wrote this have meant what is so far away? */
bool option_is_near(struct slice name, size_t distance);

/* ---- URLs (url.c, conninfo.c) ----------------------------------------- */

/*
 * upstream_parse(), but unknown parameters of a URL are passed over when
 * is_lenient: the app's own URL may carry some for its driver.
 */
int upstream_read(struct slice url, bool is_lenient, struct upstream *ret,
	struct fault *f);

/* Reads require_auth. -EINVAL with *f set. */
int demands_read_auth(struct upstream *u, struct fault *f);

/* Can Howdah do what is asked of the connection? -EINVAL with *f set. */
int demands_check(const struct upstream *u, struct fault *f);

/* Sets one parameter by name, to a copy; a later value replaces the earlier.
 * False when libpq knows none of that name. */
bool upstream_set(struct upstream *u, struct slice name, struct slice value);

/* The nearest parameter to a name that is unknown, or NULL. */
const char *upstream_nearest(struct slice name);

/*
 * The two forms. Both fill the parameters, not hosts. A URL comes without
 * its "scheme://".
 */
int url_read(struct slice rest, bool is_lenient, struct upstream *u,
	struct fault *f);
int conninfo_read(struct slice text, struct upstream *u, struct fault *f);

/* ---- listeners (endpoint.c) ------------------------------------------- */

/*
 * Reads a list as at enum endpoint_kind; relative unix paths are inside
 * folder. Asks nobody: is_loopback stays false. 0, or -EINVAL with *f saying
 * what would be right.
 */
int endpoints_parse(struct slice text, const char *folder,
	struct endpoints *ret, struct fault *f);
void endpoints_deinit(struct endpoints *e);
void endpoints_copy(const struct endpoints *from, struct endpoints *ret);

/* Fills is_loopback; may ask the resolver. */
void endpoints_resolve(struct endpoints *e);

/* Would both listeners be given the same clients? By their texts. */
bool endpoint_overlaps(const struct endpoint *a, const struct endpoint *b);

/* ---- addresses (address.c) -------------------------------------------- */

/* IPv6, or IPv4 as ::ffff:a.b.c.d. */
struct address {
	uint8_t bytes[16];
};

struct addresses {
	struct address at[32]; /* more are not looked at */
	size_t n;
};

/* What a host of a URL or a listener stands for; none when it has no answer.
 * "localhost" and numeric ones without the resolver. */
void addresses_of(const char *host, struct addresses *ret);
bool address_is_loopback(const struct address *a);

/* Does one of the listeners serve a client that connects to this host? */
bool endpoints_serve(
	const struct endpoints *e, const struct upstream_host *host);

/* ---- what the options come to (plan.c, rules.c) ----------------------- */

/*
 * Fills c->plan from the options and c->pg_endpoints. Start only: may ask the
 * resolver. 0, or -EINVAL when a problem was reported.
 */
int plan_make(struct config *c, const struct env *env, struct buf *ret_problems,
	struct buf *ret_warnings);
void door_plan_deinit(struct door_plan *p);
void plan_copy(const struct door_plan *from, struct door_plan *ret);

/* Checks what concerns several options. 0, or -EINVAL when a problem was
 * reported. */
int rules_check(const struct config *c, struct buf *ret_problems,
	struct buf *ret_warnings);

/* ---- loading (flag.c, load.c, config.c) ------------------------------- */

struct flags {
	const char *value[OPTION_ID_END]; /* borrowed; NULL: not given */
	const char *env_file;		  /* the same way */
};

/* 0, or -EINVAL when a problem was reported; other_flags may have been meant.
 */
int flags_read(char *const *args, const char *other_flags, struct flags *ret,
	struct buf *ret_problems);

/* Appends "--pool-size" for "pool_size". */
void flag_put(struct buf *b, const char *field);

/* Every option at its default, nothing derived. */
struct config *config_create(void);
struct config *config_copy(const struct config *from);

/* config_load() without what the options come to: fills env and c. */
int config_read(const struct config_sources *sources, struct env *env,
	struct config *c, struct buf *ret_problems, struct buf *ret_warnings);

/* Appends "HOWDAH_POOL_SIZE", or the flag where that set it. */
void config_put_name(struct buf *b, const struct config *c, enum option_id id);

/* Appends "HOWDAH_POOL_SIZE=20: ", or with the flag where that set it. */
void config_put_option(
	struct buf *b, const struct config *c, enum option_id id);
