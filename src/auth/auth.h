#pragma once

/*
 * Who may log in at the first door. struct auth_users is everybody who may,
 * and struct auth is one client's login: it is fed the bodies of messages and
 * says what to answer, without knowing sockets or framing.
 */
#include "base/base.h"
#include "wire/crypto/crypto.h"

/* ---- users ------------------------------------------------------------ */

enum {
	AUTH_USER_MAX = 63,	  /* PostgreSQL's NAMEDATALEN - 1 */
	AUTH_SECRET_MAX = 2048,	  /* one secret of a users file */
	AUTH_FILE_MAX = 64 << 20, /* bytes of a users file */
	AUTH_USERS_MAX = 1000000,
};

/* Where users come from. All borrowed. */
struct auth_source {
	struct slice user;     /* the door's own user; empty: there is none */
	struct slice password; /* of the door's own user, always plain text */
	const char *path;      /* a users file; NULL or "": there is none */

	/*
	 * From this and the user's name the salts are made which a client is
	 * shown when its user is unknown or has a plain password. Two workers,
	 * or two runs, with different ones give away who exists.
	 */
	struct slice salt_secret;
};

/*
 * The file is in PgBouncer's userlist format: lines of
 *
 *     "user" "secret" anything
 *
 * "" inside quotes is one quote; empty lines and those that begin with ; or #
 * are skipped; of several lines for one user the last counts. The secret is
 * md5..., SCRAM-SHA-256$..., or else a plain password; empty means that no
 * password lets this user in. The door's own user wins over a line of the
 * file. Quotes end on the line they began on.
 *
 * Reading a million users takes about a second; PBKDF2 is not done here.
 * Touches nothing shared, so that it may run on any thread. A negative result
 * comes with *f set, naming the file and the line. What is odd but no error
 * (a file everybody can read) is logged.
 */
struct auth_users;
int auth_users_create(const struct auth_source *source,
	struct auth_users **ret_users, struct fault *f);
struct auth_users *auth_users_ref(struct auth_users *users);
void auth_users_unref(struct auth_users *users);
void auth_users_unrefp(struct auth_users **users);

size_t auth_users_count(const struct auth_users *users);

/*
 * After a reload: what last has learned since (verifiers made from plain
 * passwords, keys recovered from logins) goes to those users of the next
 * table whose secret is still the same, and to no others.
 */
void auth_users_inherit(
	struct auth_users *users, const struct auth_users *last);

/*
 * How Howdah may log in at PostgreSQL for a user, by whatever of this is
 * there. Keys are there once a client has logged in against a verifier of the
 * file, and are good at a server that has the same verifier. A copy, owned by
 * whoever asked: ask again after a reload rather than keep it.
 */
struct auth_secret {
	char *password; /* or NULL */
	bool has_md5;
	bool has_keys;
	struct md5_secret md5;
	struct scram_salt salt;
	struct scram_keys keys;
};

/* False when there is no such user; a user may still have nothing. */
bool auth_users_secret(const struct auth_users *users, struct slice user,
	struct auth_secret *ret_secret);

/* Wipes. */
void auth_secret_deinit(struct auth_secret *secret);

/* ---- a login ---------------------------------------------------------- */

enum auth_method {
	AUTH_SCRAM,
	AUTH_MD5,   /* for users whose secret allows it, SCRAM for others */
	AUTH_TRUST, /* the user must exist */
};

/* Of the option's text: scram, md5 or trust. */
enum auth_method auth_method_of(const char *choice);

typedef void auth_ready_fn(void *owner);

/* Who wants to log in, and how. Borrowed during auth_begin(). */
struct auth_login {
	struct slice user;
	enum auth_method method;
	struct slice endpoint_hash; /* of our certificate; empty without TLS */

	/* Whom the client's certificate names; data NULL: none was asked for.
	 * It must name the user, besides what the method asks. */
	struct slice cert_name;

	/* Called once when AUTH_WORK was returned and the work is finished,
	 * unless the login is destroyed first. */
	auth_ready_fn *ready;
	void *owner;
};

/* The next Authentication message: its code, and what follows the code. */
struct auth_reply {
	uint32_t code; /* 0: there is nothing to send */
	struct buf data;
};

enum auth_outcome {
	AUTH_MORE = 1, /* send the reply and feed the next message */
	AUTH_WORK,     /* see to the work, come back when ready is called */
	AUTH_FAILED,   /* *f is what the client is told, FATAL */
};

struct auth;	  /* about 600 bytes until it is destroyed */
struct auth_work; /* PBKDF2 for a plain password: at a user's first login */

/*
 * 0: logged in, AuthenticationOk may go out (trust). AUTH_MORE, AUTH_WORK:
 * *ret_auth is made. AUTH_FAILED. The reply is overwritten; its buffer stays
 * the caller's.
 */
int auth_begin(struct auth_users *users, const struct auth_login *login,
	struct auth **ret_auth, struct auth_reply *reply, struct fault *f);

/*
 * The body of the client's next 'p' message. 0: logged in; first the reply,
 * if there is one, then AuthenticationOk. AUTH_MORE, AUTH_FAILED.
 */
int auth_feed(struct auth *a, struct slice body, struct auth_reply *reply,
	struct fault *f);

/* What PostgreSQL calls the message that auth_feed() awaits: "SASL" or
 * "password". */
const char *auth_awaited(const struct auth *a);

/*
 * After AUTH_WORK, once: hands over the work, which holds on to the table and
 * needs no login, so that any of them may go before it. NULL when the same
 * work was handed over for another login of this user: all of them wait for
 * that. auth_work_run() takes 0.8 ms, on any thread. auth_work_finish(), on
 * the thread of the logins, keeps the result for later ones, frees the work
 * and calls ready for each login that waits; for each of these auth_resume()
 * goes on as auth_begin() would have: AUTH_MORE.
 */
struct auth_work *auth_take_work(struct auth *a);
void auth_work_run(struct auth_work *work);
void auth_work_finish(struct auth_work *work);
int auth_resume(struct auth *a, struct auth_reply *reply);

/* Is it waiting for that? What the client says meanwhile must wait, too. */
bool auth_is_waiting(const struct auth *a);

/* Why it failed, for the log and never for the client; a literal. */
const char *auth_reason(const struct auth *a);

/* At any time; wipes. */
void auth_destroy(struct auth *a);
void auth_destroyp(struct auth **a);
