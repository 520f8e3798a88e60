#pragma once

/*
 * What the files of session/ share.
 *
 *   door.c      the door: accepting, time, draining, messages of others
 *   session.c   one client's states, beginning and end
 *   startup.c   startup packets, TLS, authentication, greeting
 *   front.c     what the client says
 *   prepared.c  the client's names for statements
 *   relay.c     what the server says
 *   loss.c      a server connection is lost
 *   residue.c   what a transaction left behind: settings and pins
 *   listen.c    LISTEN and NOTIFY
 *   cancel.c    cancel keys
 *   console.c   the admin console; console.h lists its files
 */
#include "auth/auth.h"
#include "metrics/metrics.h"
#include "pool/pool.h"
#include "session/session.h"
#include "wire/pg/pg.h"
#include "wire/sql/sql.h"

enum {
	/* Messages up to this size are looked at whole; longer ones stream. */
	FRONT_WHOLE = 128 * 1024,
	/* Parse texts up to this size are kept, so that they can be prepared
	 * on other server connections. */
	STATEMENT_KEEP = 1024 * 1024,
	/* A statement prepared so recently needs no second look when a client
	 * prepares it again. */
	STATEMENT_FRESH_MS = 5000,
	/* Names one client may have prepared. */
	NAMES_MAX = 20000,
	/* Answers owed to one client before it is asked to wait. */
	REPLIES_MAX = 4096,
	CANCEL_KEY_NEW = 32, /* bytes of a protocol 3.2 key */
	DOOR_TICK_MS = 250,
	FINISH_MS = 5000, /* for last words to leave */
	/* An exchange that only looks is sent again when the server has gone
	 * without a word about it: how much is kept for that, how often it is
	 * done, and how long it may have run. */
	RERUN_MAX = 8 * 1024,
	RERUNS = 3,
	RERUN_YOUNG_MS = 1000,
};

enum session_state {
#define SESSION_STATE(name, label, next) SESSION_##name,
#include "session/session_states.def"
#undef SESSION_STATE
	SESSION_STATES
};

enum {
	PIN_NR_START_ = -1,
#define PIN(name, label, what) PIN_NR_##name,
#include "proto/pins.def"
#undef PIN
	PIN_COUNT
};

enum session_pin {
#define PIN(name, label, what) PIN_##name = 1 << PIN_NR_##name,
#include "proto/pins.def"
#undef PIN
};

struct startup;
struct cancel_ask;
struct console;
struct listening;
struct probe;
struct names;
struct name;

struct session {
	struct stream stream;
	struct log_scope log;
	struct door *door;  /* borrowed */
	struct list link;   /* in the door's list of its state */
	struct list in_all; /* in the door's list of all, by id */
	struct table_node by_pid;
	struct startup *startup;   /* until READY */
	struct console *console;   /* in CONSOLE */
	struct flavour *flavour;   /* ref */
	struct settings *initial;  /* ref: what its startup packet set */
	struct settings *settings; /* ref: what is set for it now */
	struct backend *backend;   /* leased, or NULL */
	struct lease lease;
	struct sql_scanner *scanner; /* of a long Query on its way, else NULL */
	struct sql_risks *scan_risks; /* ref: the scanner's */
	struct listening *listening;  /* channels; NULL: none */
	struct probe *probe;	      /* what is found so far, in PROBING */
	struct fault *doom;	      /* FATAL once what is owed has come */
	struct names *names;	      /* its prepared statements; NULL: none */
	struct statement *unnamed;    /* ref; its unnamed statement */
	uint64_t state_at;	      /* loop_now() */
	uint64_t connected_at;
	uint64_t request_us; /* loop_now_us() of the exchange's start */
	/* What its transaction's first text was scanned under: pool_code()'s
	 * generation, plus one; 0: there is none yet. */
	uint64_t code_seen;
	uint32_t pid;	     /* ours, not the server's */
	uint32_t residue;    /* SQL_* of what ran since the last look */
	uint32_t front_left; /* of a message that streams through */
	/* Changes of its names that are not answered: behind an earlier Sync,
	 * and since the last one. */
	uint16_t names_past;
	uint16_t names_open;
	uint16_t pins; /* enum session_pin */
	uint8_t state;
	uint8_t n_reruns; /* of this exchange */
	char tx;	  /* as the client was told last */
	uint8_t key_len;  /* of the cancel key */
	bool is_unix;
	bool has_eof;	       /* the client says no more */
	bool has_failed;       /* an error came since residue was empty */
	bool is_skipping;      /* drop messages until Sync */
	bool is_dropping;      /* front_left bytes go nowhere */
	bool in_batch;	       /* extended messages without a Sync yet */
	bool is_keeping;       /* nothing was answered yet: keep what it says */
	bool kept_in_batch;    /* in_batch as it was before that */
	bool is_out_of_step;   /* the server will end it: read no more */
	bool was_rolled_back;  /* its last transaction */
	bool is_heard;	       /* the hub has answered it */
	bool shows_channels;   /* its backend listens to them, too */
	bool in_copy;	       /* the server waits for COPY data */
	bool has_copied;       /* COPY data of the client is, or was, read */
	bool is_uncertain;     /* a Sync may or may not be answered */
	bool is_native;	       /* its names are the server's names */
	bool uses_sequences;   /* has named nextval(), currval() or the like */
	bool has_large;	       /* a statement of its own is on the backend */
	bool is_barred;	       /* waits for an injected answer */
	bool has_old_strings;  /* standard_conforming_strings is off */
	bool has_odd_encoding; /* letters may contain a backslash's byte */
	bool is_doomed;	       /* doom, or the end without a word */
	bool is_admin;
	bool is_counted;    /* among the gateway's clients */
	bool is_securing;   /* TLS begins with the next byte */
	bool is_swallowing; /* the rest of the server's message, too */
	bool is_nonsense;   /* the server broke the protocol */
	uint8_t key[CANCEL_KEY_NEW];
};

struct door {
	struct loop *loop;
	struct page *page;
	unsigned worker;
	const struct config *config;
	struct door_env env;
	struct pools *pools;
	struct auth_users *users;
	struct tls_context *tls;
	struct list listeners;
	struct list sessions[SESSION_STATES];
	struct list all; /* sessions, the oldest first */
	uint32_t n_sessions[SESSION_STATES];
	struct table by_pid;
	struct table hubs; /* listen.c */
	struct list asks;  /* cancel requests other workers have */
	struct timer tick;
	struct buf out; /* a message being built; empty in between */
	struct sql_scanner scanner; /* for texts that are whole */
	struct metrics metrics;
	uint64_t n_ids;
	uint64_t n_commands; /* of the admin console */
	uint32_t n_pids;
	uint32_t n_open;
	door_idle_fn *drained;
	door_idle_fn *closed;
	struct log_limit log_bad;
	struct log_limit log_refused;
	struct log_limit log_timeout;
	bool is_draining;
	bool is_closing;
};

/* session.c */
/* Takes the descriptor; the session lives until its stream has closed. */
void session_create(struct door *door, int fd, const struct sockaddr *peer);
void session_enter(struct session *s, enum session_state next);
/* The client gets this as FATAL and is gone; its backend is cleaned. */
void session_fatal(struct session *s, const struct fault *f);
/* The same, but behind the answers that are still on their way; f NULL: it
 * ends without a word. */
void session_doom(struct session *s, const struct fault *f);
/* The client broke the protocol: counts, and says so in the log, not too
 * often. */
void session_complain(struct session *s, const char *what);
/* True when that moment has come, and the session is over. */
bool session_meets_doom(struct session *s);
/* The same with the body of a server's own ErrorResponse. */
void session_fatal_raw(struct session *s, struct slice body);
/* Ends without a word, once what was written has left. */
void session_finish(struct session *s);
/* Processes what the client has sent already. */
void session_continue(struct session *s);
/* Whatever was written to door->out goes to the client. */
void session_send(struct session *s);
void session_write_back(struct session *s, struct slice bytes);
/* Whatever was written to door->out goes to its backend. */
void session_send_back(struct session *s);
const char *session_state_name(enum session_state state);
/* After its end of file: what it asked for is still answered, unless nothing
 * of it can take effect any more; then it ends. */
void session_check_eof(struct session *s);

/* door.c */
void door_part_closed(struct door *door);
/* How Howdah logs in for a user, for the caller to deinit; false when there is
 * no such user. */
bool door_secret(struct door *door, struct slice user, struct pool_secret *ret);
/* While draining: a client with nothing on its way is told and goes. */
void door_drain_one(struct session *s);

/* startup.c */
size_t startup_input(struct session *s, struct slice bytes);
void startup_begin(struct session *s, const struct sockaddr *peer);
void startup_secured(struct session *s);
void startup_timed_out(struct session *s);
/* It is the connection of a cancel request. */
void startup_set_ask(struct session *s, struct cancel_ask *ask);
void startup_end(struct session *s);
/* Goes on by itself: what its login needs is being made. */
bool startup_is_waiting(const struct session *s);
/* Tells of logins refused that were not logged one by one. */
void startup_tell_refused(struct door *door);
/* What a client has said of itself while it logs in; "" where it has not.
 * Good until startup_end(). */
struct startup_who {
	const char *user;
	const char *database;
	struct slice application;
	uint16_t minor; /* of the protocol */
};
struct startup_who startup_who(const struct session *s);

/* front.c */
size_t front_input(struct session *s, struct slice bytes);
/* A ParameterStatus the client is told: some change how its texts read. */
void front_parameter(struct session *s, struct slice body);
/* Forgets the long Query that is being scanned. */
void front_drop_scanner(struct session *s);
/* The client says no more: is it still to hear something? */
bool front_hears_out(struct session *s);

/* The exchange the client waits for fails here; the next one may not. */
void front_fail(struct session *s, const struct fault *f);

/* relay.c */
extern const struct backend_ops relay_ops;
/* Nothing is owed and the server is idle: probe, keep or give back. */
void relay_settled(struct session *s);
/* Takes back what was to be answered from the nth entry on, last first. */
void relay_undo(struct session *s, uint32_t from);
/* The client goes: its entries keep no pointer to it. */
void relay_forget(struct backend *b);

/* loss.c */
/* While is_keeping: what the client has said to its backend. */
void loss_keep(struct session *s, struct slice bytes);
/* An answer has come: it will not be asked again. */
void loss_heard(struct session *s);
/* Its backend is lost; error: the server's FATAL, or empty. */
void loss_met(struct session *s, struct slice error);

/* residue.c */
bool residue_needs_restore(struct session *s);
void residue_restore(struct session *s);
/* A transaction is over: was code of the database changed meanwhile? */
void residue_look_at_code(struct session *s);
bool residue_needs_probe(struct session *s);
/* May its backend hold something that a rollback does not take away? */
bool residue_is_suspect(struct session *s);
void residue_probe(struct session *s);
/* One message of the answers to the two above. */
void residue_message(struct session *s, char type, struct slice body);
/* Why a statement that would pin its client is refused. */
void residue_refusal_text(struct session *s, struct fault *f);
/* It keeps its backend for that reason from now on. */
void residue_pin(struct session *s, enum session_pin pin);
/* May one more client be pinned? */
bool residue_may_pin(struct session *s);
void residue_unpin(struct session *s);
/* Nothing is owed any more while the probe's result is worked on. */
void residue_settled(struct session *s);
/* The hub has answered what the probe asked it. */
void residue_listening(struct session *s);
/* DISCARD ALL has run. */
void residue_discarded(struct session *s);

/* cancel.c */
void cancel_key_make(struct session *s, uint16_t minor);
void cancel_key_drop(struct session *s);
/* asker's connection ends when the request is over. */
void cancel_request(struct session *asker, uint32_t pid, struct slice key);
void cancel_control(struct door *door, unsigned from, struct slice payload);
/* asker is gone. */
void cancel_ask_orphan(struct cancel_ask *ask);
/* Forgets what other workers were asked. */
void cancel_asks_drop(struct door *door);

/* console.c */
void console_begin(struct session *s);
size_t console_input(struct session *s, struct slice bytes);
void console_end(struct session *s);
/* Is there anything it will still be answered? */
bool console_is_busy(const struct session *s);
void console_cancel(struct session *s);
/* There is room for more of the answer. */
void console_drained(struct session *s);
struct startup_who console_who(const struct session *s);
void console_control(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload);
