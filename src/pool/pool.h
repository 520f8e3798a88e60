#pragma once

/*
 * Server connections of the first door: opened, lent to one client at a
 * time, kept warm, replaced. What a client may leave behind on one, and what
 * must be restored on another, is described by interned `settings` and
 * `statements`; who decides is the session above.
 *
 *   pools ─┬─ pool (database, user): its size, who waits, the login secret
 *          │    └─ flavour (startup parameters): greeting, idle backends
 *          └─ backend: one server connection, lent as a whole
 *
 * A flavour is what PostgreSQL would give a client that starts with exactly
 * these parameters, so RESET and the greeting are PostgreSQL's own.
 * (application_name alone is not part of it: clients choose it freely, and it
 * travels with the settings.)
 */
#include "config/config.h"
#include "loop/loop.h"
#include "page/page.h"
#include "wire/crypto/crypto.h"
#include "wire/sql/sql.h"

struct pools;
struct pool;
struct flavour;
struct backend;
struct lease;
struct login;

/* ---- settings: what SET changed, as a value --------------------------- */

/*
 * An immutable, interned list of names and values, sorted by name: equal
 * lists are the same pointer, and the empty list is NULL.
 */
struct settings;

/* pairs: name\0value\0 ..., sorted by name, each name once. A new ref. */
struct settings *settings_intern(struct pools *pools, struct slice pairs);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct pools *pools, struct settings *s);

/* The pairs, for pg_startup_next(). */
struct slice settings_pairs(const struct settings *s);

/* ---- statements: what Parse was given, as a value --------------------- */

/*
 * One text with its parameter types under one list of settings: what a
 * server would analyse in the same way. Interned per flavour.
 */
struct statement {
	struct table_node node;
	struct flavour *flavour; /* borrowed: outlives its statements */
	uint32_t n_refs;
	uint16_t n_oids;
	uint64_t id;
	char server_name[24];	     /* what a backend knows it by */
	struct settings *under;	     /* ref */
	struct slice sql;	     /* owned, in one block with oids */
	struct slice oids;	     /* 4 * n_oids bytes, network order */
	uint32_t classified;	     /* pool_code()'s version then; 0: never */
	struct sql_statement effect; /* the session layer's to fill */
	uint64_t parsed_ddl; /* DDL generation when it was last parsed well */
	uint64_t parsed_at;  /* loop_now() of then; 0: never */
};

struct statement *statement_intern(struct flavour *flavour,
	struct settings *under, struct slice sql, uint16_t n_oids,
	struct slice oids);
struct statement *statement_ref(struct statement *st);
void statement_unref(struct statement *st);

/* ---- backends --------------------------------------------------------- */

/*
 * What a backend still owes: one entry for each message sent that has an
 * answer, in order. The session decides what an answer means by it; pool
 * only keeps the ring.
 */
enum reply_kind {
	REPLY_PARSE,
	REPLY_BIND,
	REPLY_DESCRIBE,		  /* of a portal: T or n */
	REPLY_DESCRIBE_STATEMENT, /* t, then T or n */
	REPLY_EXECUTE,
	REPLY_CLOSE,
	REPLY_SYNC,
	REPLY_QUERY,	/* everything up to Z */
	REPLY_FUNCTION, /* everything up to Z */
	REPLY_RESTORE,	/* the same, ours: settings put on the backend */
	REPLY_PROBE,	/* the same, ours: what is left behind on it */
	REPLY_COPY_END, /* no answer of its own: where COPY data ended */
	REPLY_LOCAL,	/* answered here, in this place of the order */
};

enum {
	REPLY_INJECTED = BIT(0), /* ours: the client must not see the answer */
	REPLY_REFUSED = BIT(1),	 /* meant to fail: the error is ours to say */
	REPLY_RENAMED = BIT(2),	 /* the error names our statement, not theirs */
	REPLY_MAYBE = BIT(3),	 /* a Sync that COPY may have swallowed */
	REPLY_SEEN = BIT(4),	 /* a first part of the answer has come */
	REPLY_FLUSHED = BIT(5),	 /* a Flush stands behind it */
};

struct reply {
	uint8_t kind; /* enum reply_kind */
	uint8_t flags;
	char local;    /* REPLY_LOCAL: the message type to send */
	uint8_t undo;  /* the session's: what to take back if it fails */
	uint8_t fault; /* REPLY_REFUSED: enum fault_code */
	struct statement *statement; /* ref, or NULL */
	void *name;		     /* the session's */
};

/* Does its answer end with ReadyForQuery? */
static inline bool reply_ends_ready(const struct reply *r)
{
	return r->kind == REPLY_SYNC || r->kind == REPLY_QUERY ||
	       r->kind == REPLY_FUNCTION || r->kind == REPLY_RESTORE ||
	       r->kind == REPLY_PROBE;
}

struct backend_ops {
	/* As stream_ops.input. */
	size_t (*input)(void *tenant, struct backend *b, struct slice bytes);
	/* The connection is gone; b closes itself. error: the body of the
	 * server's last FATAL ErrorResponse, or empty. */
	void (*lost)(void *tenant, struct backend *b, struct slice error);
	/* Output fell low again; may be NULL. */
	void (*drained)(void *tenant, struct backend *b);
};

enum backend_state {
#define BACKEND_STATE(name, label, next) BACKEND_##name,
#include "pool/backend_states.def"
#undef BACKEND_STATE
	BACKEND_STATES
};

struct backend {
	struct stream stream;
	struct log_scope log;
	struct pools *pools; /* borrowed, as are pool and flavour */
	struct pool *pool;
	struct pool_counts *counts; /* the pool's */
	struct flavour *flavour;
	struct list link; /* in its flavour's list of its state */
	enum backend_state state;
	char tx;	     /* last ReadyForQuery: I, T or E */
	bool must_close;     /* do not lend again */
	int error;	     /* why its connection failed, or 0 */
	bool is_reserve;     /* beyond the pool's size */
	bool is_apart;	     /* opened for one lease, not for the pool */
	struct lease *apart; /* that lease, until it is had */
	struct list cancels; /* requests under way */
	struct list cancel_waiters;
	uint32_t body_left; /* of the server's message being relayed */
	uint32_t n_ready;   /* CLEANING: ReadyForQuery messages to come */
	size_t host;	    /* which of the upstream's it is connected to */
	uint32_t pid;
	struct buf key;	     /* cancel key */
	struct buf fatal;    /* body of a FATAL ErrorResponse */
	struct login *login; /* while it logs in */
	const struct backend_ops *ops;
	void *tenant;		   /* whoever has it: session, login, cleaner */
	struct settings *settings; /* ref: what is set on it now */
	struct table prepared;	   /* by statement */
	struct list prepared_lru;  /* longest unused first */
	struct {
		struct reply *ring;
		uint32_t head, len, cap; /* cap: a power of two */
	} replies;
	/* What its tenant asks of it, as long as that may have to be asked
	 * elsewhere: the tenant's, and here so that nobody allocates. */
	struct buf kept;
	uint64_t unnamed_owner;	 /* session whose unnamed statement it holds */
	uint64_t sequence_owner; /* session whose currval()s it holds */
	bool is_sticky;		 /* and who may come to ask for them */
	uint64_t last_session;
	uint64_t opened_at; /* loop_now() */
	uint64_t state_at;
	uint64_t transaction_us; /* loop_now_us() when its last one began */
	uint64_t close_at;	 /* server_lifetime, with jitter; 0: never */
	uint64_t n_leases;
};

struct reply *backend_expect(
	struct backend *b, enum reply_kind kind, uint8_t flags);
struct reply *backend_reply(struct backend *b, uint32_t nth);
void backend_pop(struct backend *b);
/* Drops the last entry: taking back what was never sent. */
void backend_unexpect(struct backend *b);

static inline struct reply *backend_head(struct backend *b)
{
	return b->replies.len
		       ? &b->replies
				  .ring[b->replies.head & (b->replies.cap - 1)]
		       : NULL;
}

/* Is this statement prepared on b, and under which DDL generation? */
bool backend_has(struct backend *b, const struct statement *st,
	uint64_t *ret_generation);
void backend_prepared(
	struct backend *b, struct statement *st, uint64_t generation);
void backend_forget(struct backend *b, const struct statement *st);
void backend_forget_all(struct backend *b);
struct statement *backend_any_prepared(struct backend *b);
/* The statement to close before one more is prepared, or NULL. */
struct statement *backend_evictee(struct backend *b);

/* Who wants to know when a cancel request is over; the caller's memory. */
struct cancel_waiter {
	struct list link;
	void (*done)(struct cancel_waiter *w);
};

/*
 * Asks the server to cancel what b runs. b is not lent again before the
 * request is over, so that it cannot hit somebody else's statement. w may be
 * NULL; its done is called then, once, unless false is returned: there is
 * nothing to wait for.
 */
bool backend_cancel(struct backend *b, struct cancel_waiter *w);

/* ---- lending ---------------------------------------------------------- */

/* Why a lease could not be had. raw is the body of the server's own
 * ErrorResponse; when it is empty, fault says it. */
struct lease_error {
	struct slice raw;
	struct fault fault;
};

/* Exactly one of b and error is given. */
typedef void lease_done_fn(
	struct lease *l, struct backend *b, const struct lease_error *error);

struct lease {
	struct list link;	   /* in the pool's queue while waiting */
	struct flavour *flavour;   /* borrowed from the session's ref */
	struct settings *settings; /* borrowed: what it wants to find set */
	uint64_t session;	   /* who asks */
	uint64_t prefer;   /* a session id: rather the backend it used; or 0 */
	uint64_t since_us; /* loop_clock_us() when it began to wait */
	uint32_t position; /* in the queue, from 1: pools_number_queues() */
	struct backend *apart; /* being opened for it alone */
	lease_done_fn *done;
};

/*
 * A backend at once, or NULL: then done is called later, exactly once,
 * unless lease_cancel() comes first.
 */
struct backend *pool_lease(struct lease *l);

/*
 * A server connection of its own, beside the pool and within the gateway's
 * cap: it is closed, not lent again, when it is given back. false with *f set
 * when the cap is reached; else done is called later, as above.
 */
bool pool_lease_apart(struct lease *l, struct fault *f);
void lease_cancel(struct lease *l);

/* Who has it now. */
void backend_lend(
	struct backend *b, const struct backend_ops *ops, void *tenant);

/* Given back clean: nothing owed, no transaction, nothing left in its
 * session. Goes to whoever waits, or idle, or is closed. */
void pool_release(struct backend *b);

/*
 * Given back in any state, by a client that is gone: what runs is cancelled,
 * the transaction is rolled back, and the backend is lent again only when
 * nothing of the client is left; else it is closed. must_close beforehand
 * says that something is left.
 */
void pool_abandon(struct backend *b);

/* Closes it now. */
void backend_close(struct backend *b);

/* ---- pools ------------------------------------------------------------ */

/* How Howdah logs in for a user: with whatever of this is there. */
struct pool_secret {
	char *password; /* owned, or NULL */
	bool has_md5;
	bool has_keys; /* of this salt: made here, or passed through */
	struct md5_secret md5;
	struct scram_salt salt;
	struct scram_keys keys;
};

void pool_secret_deinit(struct pool_secret *secret);

/* Called when the longest waiter's fate or the idle set changed; for the
 * session layer's statistics there is pool_stats. */
struct pools_env {
	struct loop *loop;
	struct page *page;
	unsigned worker;
	const struct config *config;	 /* borrowed until pools_reload() */
	const struct upstream *upstream; /* borrowed for ever */
};

struct pools *pools_create(const struct pools_env *env, struct fault *f);

/* The secret of a user after a reload, for the caller to deinit; false when
 * there is no such user any more. */
typedef bool pool_secret_fn(
	void *owner, struct slice user, struct pool_secret *ret);

/* Forgets passwords and keys of before, and has secret_of say what they are
 * now. Connections that are open stay. */
void pools_reload(struct pools *pools, const struct config *next,
	pool_secret_fn *secret_of, void *owner);

/* The page changed: give up what others wait for, take what was given up. */
void pools_bell(struct pools *pools);

/* Closes every backend; the callback comes when none is left. */
void pools_close(struct pools *pools, void (*closed)(void *owner), void *owner);
void pools_destroy(struct pools *pools);

/*
 * The flavour for a client's startup parameters (as pg_startup_next() reads
 * them), with a ref. secret is copied and replaces the user's earlier one;
 * NULL keeps it. NULL when there are too many pools.
 */
struct flavour *flavour_get(struct pools *pools, struct slice database,
	struct slice user, struct slice params,
	const struct pool_secret *secret);
struct flavour *flavour_ref(struct flavour *flavour);
void flavour_unref(struct flavour *flavour);

/* ParameterStatus messages for a client's greeting; empty until a server
 * connection of this flavour was made. */
struct slice flavour_greeting(const struct flavour *flavour);

struct pools *flavour_pools(const struct flavour *flavour);
struct pool *flavour_pool(const struct flavour *flavour);
const char *pool_database(const struct pool *pool);
const char *pool_user(const struct pool *pool);

/*
 * What the pool's database adds to what the texts of statements show: code
 * that they run unseen. pool/ looks at the catalogue for it, by itself.
 */
struct pool_code {
	/* For sql_scan_risks(): borrowed until the loop's next turn. */
	struct sql_risks *risks;
	uint32_t always;
	/* Texts that were scanned under another version are scanned anew. */
	uint32_t version;
	/* Another one later: what was scanned meanwhile may be wrong. */
	uint64_t generation;
};

struct pool_code pool_code(const struct pool *pool);

/* A statement that may have changed it was committed. */
void pool_code_changed(struct pool *pool);

/* Custom settings that such code sets, name\0 name\0 ..., for whoever looks
 * what is left on a backend: no list of the server's has them. */
struct slice pool_settings(const struct pool *pool);

/* What was done for the clients of one pool. Whoever does it counts it. */
struct pool_counts {
	uint64_t transactions;
	uint64_t queries;
	uint64_t bytes_in;  /* from clients */
	uint64_t bytes_out; /* from servers */
	uint64_t transaction_us;
	uint64_t query_us;
	uint64_t wait_us; /* for a server connection */
};

struct pool_counts *flavour_counts(struct flavour *flavour);

/* A client that uses the pool comes (1) or goes (-1). */
void flavour_count_client(struct flavour *flavour, int change);

/* Closes idle backends of a database (every one when NULL), and the others
 * when they come back. */
void pools_evict(struct pools *pools, const char *database);

/*
 * PAUSE and RESUME of a database, or of all when NULL: nobody is lent a
 * server connection of it any more. The page remembers; the pools of other
 * workers know after pools_look_paused().
 */
enum page_pause pools_pause(struct pools *pools, const char *database);
enum page_pause pools_resume(struct pools *pools, const char *database);
/* By its name or with all others. */
bool pools_is_paused(const struct pools *pools, const char *database);
void pools_look_paused(struct pools *pools);

/* One pool's numbers, for the admin console. */
struct pool_stats {
	const char *database;
	const char *user;
	unsigned slot;	    /* a number of its own in all workers */
	uint32_t n_clients; /* of its sessions, the waiting ones included */
	uint32_t n_waiting;
	uint64_t longest_wait_us;
	/* Without those apart, which are for LISTEN and replication. */
	uint32_t n_backends[BACKEND_STATES];
	uint32_t n_apart;
	uint32_t n_reserve;	   /* beyond the pool's size */
	uint32_t n_in_transaction; /* whose clients are idle in one */
	uint32_t n_must_close;	   /* when they come back */
	uint32_t n_cancelled;	   /* a cancel request is on its way to them */
	uint32_t n_cancels;	   /* requests on their way */
	bool is_paused;
	struct pool_counts counts; /* since it exists */
	struct pool_counts recent; /* in the last period or two */
	uint64_t recent_ms;	   /* how long that was */
};

typedef void pool_each_fn(
	void *ctx, struct pool *pool, const struct pool_stats *stats);
typedef void backend_each_fn(void *ctx, struct backend *b);
void pools_each(struct pools *pools, pool_each_fn *fn, void *ctx);
void pools_each_backend(struct pools *pools, backend_each_fn *fn, void *ctx);

/* Writes its place in the queue into every lease that waits. */
void pools_number_queues(struct pools *pools);

/* How much of everything there is, for SHOW MEM. */
struct pools_memory {
	struct {
		const char *what;
		size_t size; /* of one, what it points at not included */
		size_t n;
	} of[4];
};

void pools_memory(struct pools *pools, struct pools_memory *ret);

const char *backend_state_name(enum backend_state state);
