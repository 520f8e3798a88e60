#pragma once

/* What the files of pool/ share. */
#include "metrics/metrics.h"
#include "pool/pool.h"
#include "wire/crypto/crypto.h"
#include "wire/pg/pg.h"

enum {
	POOL_TICK_MS = 100,
	CONNECTS_AT_ONCE = 4, /* per pool: no stampede after an outage */
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 3000,
	RESERVE_AFTER_MS = 200,	  /* all stuck for so long: open a reserve */
	RESTED_MS = 100,	  /* idle for so long: is it alive? */
	SURPLUS_MS = 300,	  /* idle for so long: nobody here needs it */
	RING_MS = 10,		  /* at most so often the others are rung */
	CLEANING_MS = 5000,	  /* a backend not clean by then is closed */
	LOOKING_MS = 20 * 1000,	  /* and one that looks at the database */
	RECENT_MS = 60 * 1000,	  /* a period of the averages */
	GREETING_MAX = 16 * 1024, /* bytes of a server's parameters */
};

/* ---- secrets (secret.c) ----------------------------------------------- */

/* How to log in for one user, in all of its pools. */
struct secret {
	struct table_node node; /* in pools->secrets, by user */
	struct pools *pools;	/* borrowed */
	char *user;
	struct pool_secret given;
	bool has_made; /* keys of the password that is given */
	struct scram_salt made_salt;
	struct scram_keys made;
	struct list derivations; /* under way */
};

enum secret_outcome {
	SECRET_E_WAIT = 1, /* the waiter is called: ask again then */
	SECRET_E_NONE,	   /* neither keys for this salt nor a password */
	SECRET_E_PASSWORD, /* as SCRAM_E_PASSWORD */
};

/* Who waits for keys; leaves with list_remove(). done is called once. */
struct secret_waiter {
	struct list link;
	void (*done)(struct secret_waiter *w);
};

/* That of a user, made when there is none; lives as long as the pools. */
struct secret *secret_get(struct pools *pools, struct slice user);
void secret_destroy(struct secret *s);

/* Replaces what is known by a copy; NULL: nothing any more. Keys that were made
 * stay while the password does. False when nothing has changed. */
bool secret_set(struct secret *s, const struct pool_secret *given);

/* The keys for a server's salt: 0, or enum secret_outcome. */
int secret_keys(struct secret *s, const struct scram_salt *salt,
	struct secret_waiter *w, struct scram_keys *ret_keys);
bool secret_md5(const struct secret *s, struct md5_secret *ret);

/* ---- greetings (greeting.c) ------------------------------------------- */

/* Adds a whole ParameterStatus; it replaces an earlier one of its name.
 * -EPROTO when it is malformed, -E2BIG when that is more than GREETING_MAX;
 * the greeting stays as it was then. */
int greeting_put(struct buf *greeting, struct slice message);

/* The value of a parameter, or data NULL. */
struct slice greeting_get(const struct buf *greeting, const char *name);

struct flavour {
	struct table_node node; /* in its pool */
	struct pool *pool;
	uint32_t n_refs;   /* sessions, statements and backends */
	struct buf params; /* as flavour_get() normalised them */
	struct buf greeting;
	struct list backends[BACKEND_STATES];
	uint32_t n_backends[BACKEND_STATES];
	struct table statements;
};

struct pool {
	struct table_node node; /* in pools */
	struct list dirty;	/* in pools->dirty: to balance this turn */
	struct pools *pools;
	struct log_scope log;
	char *database;
	char *user;
	unsigned slot;	       /* in the page */
	struct secret *secret; /* borrowed from the pools */
	size_t host;	       /* of the upstream's hosts: the one that works */
	size_t n_unwanted; /* hosts in a row that are not what is asked for */
	struct table flavours;
	struct list waiting; /* leases, longest first */
	uint32_t n_waiting;
	struct risks *risks; /* ref: its database's */
	bool is_paused;
	bool is_proven; /* a server has let us in */
	uint64_t rung_at;
	uint64_t retry_at; /* no connect before that */
	uint64_t backoff_ms;
	struct fault trouble; /* of the last failed connect */
	struct log_limit log_trouble;
	uint32_t n_clients;
	struct pool_counts counts;
	struct pool_counts older; /* of the beginning of the last period */
	struct pool_counts newer; /* of its end */
	uint64_t older_at;
	uint64_t newer_at;
};

struct pools {
	struct loop *loop;
	struct page *page;
	unsigned worker;
	const struct config *config;
	const struct upstream *upstream;
	struct metrics metrics;
	struct server *server;
	struct table pools;
	struct table secrets;
	struct list dirty;
	struct table settings;
	struct table risks; /* by database */
	struct timer tick;
	uint64_t n_ids;
	uint32_t n_open; /* backends and cancels whose memory is alive */
	bool is_closing;
	void (*closed)(void *owner);
	void *owner;
};

/* For every pool; none may be added or removed meanwhile. */
#define pools_each_pool(pool, pools)                                           \
	table_each (pool##_node, &(pools)->pools)                              \
		for (struct pool *pool =                                       \
				container_of(pool##_node, struct pool, node);  \
			pool; pool = NULL)

/* ---- the server (server.c) -------------------------------------------- */

/* What the URL asks of a connection, read once. */
struct server {
	const struct upstream *upstream; /* borrowed */
	struct tls_context *tls;	 /* NULL: never */
	bool is_direct;			 /* TLS without asking for it */
	bool must_peer;			 /* requirepeer, on unix sockets */
	unsigned peer_uid;
	uint64_t connect_timeout_ms; /* 0: none of its own */
	struct socket_patience patience;
};

struct server *server_create(const struct upstream *up, struct fault *f);
void server_destroy(struct server *s);

/* Where a pool begins. */
size_t server_first_host(const struct server *s);

/* May TLS be spoken with this host? */
bool server_has_tls(const struct server *s, size_t host);

/* And without it, when the server does not? */
bool server_may_go_plain(const struct server *s);

void server_secure(const struct server *s, size_t host, struct stream *stream);

/* Starts a connection to it. */
void server_connect(const struct server *s, size_t host, struct connector *c,
	struct loop *loop, uint64_t timeout_ms, connector_fn *done);

/* A socket that has just been connected: makes it patient, and sees who is
 * there. False with *ret_why set when that is somebody else. */
bool server_accept(
	const struct server *s, size_t host, int fd, const char **ret_why);

/* backend.c */
struct backend *backend_create(struct flavour *flavour, bool is_reserve);
void backend_enter(struct backend *b, enum backend_state state);
void backend_free(struct backend *b);
extern const struct stream_ops backend_stream_ops;
extern const struct backend_ops idle_ops;
void pools_part_closed(struct pools *pools);

/* login.c: connects and logs in; then pool_opened() or pool_open_failed(). */
void login_start(struct backend *b);
/* The backend ends while it logs in: calls neither. */
void login_abort(struct backend *b);

/* stats.c */
/* Begins another period when it is time. */
void pool_count_period(struct pool *pool, uint64_t now);

/* pool.c */
void pool_opened(struct backend *b);
/* Closes b. raw: the body of the server's ErrorResponse, or empty; fault:
 * our own words otherwise. */
void pool_open_failed(
	struct backend *b, struct slice raw, const struct fault *f);
/* Its queue or its backends changed: look at both at the end of the turn. */
void pool_touch(struct pool *pool);
void pool_destroy(struct pool *pool);

/* balance.c */
void pool_balance(struct pool *pool);
void pool_tick(struct pool *pool, uint64_t now);

/* clean.c */
void clean_start(struct backend *b);
void clean_tick(struct backend *b, uint64_t now);

/* risks.c */
/* What is known of a database, with a ref. */
struct risks *risks_get(struct pools *pools, struct slice database);
void risks_unref(struct risks *r);
/* Another database may be behind the name (NULL: all names). */
void risks_forget(struct pools *pools, const char *database);
/* Should the next backend that comes back look at the database? */
bool risks_are_wanted(const struct pool *pool);
/* It does, and is released again then. */
void risks_look(struct backend *b);
bool risks_are_looked_at(const struct backend *b);
/* The backend goes. */
void risks_orphan(struct backend *b);

/* graph.c */
struct graph;
struct graph *graph_create(void);
void graph_destroy(struct graph *g);
/* A DataRow's body. False: it is too much, or nothing we asked for. */
bool graph_add(struct graph *g, struct slice body);
/* A new ref; when all rows are added. */
struct sql_risks *graph_risks(struct graph *g);
/* Custom settings that functions set, name\0 name\0 ... */
struct slice graph_settings(const struct graph *g);

/* Made of proto/risks.sql. */
extern const char risks_sql[];

/* cancel.c: the backend goes, its cancel requests end without it. */
void cancel_orphan(struct backend *b);
