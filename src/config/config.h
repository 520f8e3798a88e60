#pragma once

/*
 * What is set: flags, environment and .env, checked against
 * proto/options.def. A struct config is read-only once loaded; a reload
 * makes a second one and swaps it in only when it is good.
 *
 * Precedence: flags over environment over the .env file over defaults. In
 * the environment and in .env an empty value is an unset one, so that
 * compose's `HOWDAH_WORKERS: ${HOWDAH_WORKERS:-}` gives the default; an
 * empty variable of the environment still hides the line in .env.
 *
 * Nothing here logs: what is wrong comes back as lines, each ended by a
 * newline, that name the place, the variable, the value (secrets as ***) and
 * what would be right.
 */
#include "base/base.h"

/* ---- options ---------------------------------------------------------- */

enum option_type {
	OPTION_FLAG,
	OPTION_COUNT,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_TEXT,
	OPTION_SECRET,
	OPTION_CHOICE,
};

enum option_when {
	OPTION_START,
	OPTION_RELOAD,
	OPTION_TEST
};

/* Where a value comes from. */
enum option_source {
	OPTION_BY_DEFAULT,
	OPTION_BY_FILE, /* .env */
	OPTION_BY_ENVIRONMENT,
	OPTION_BY_FLAG,
	OPTION_BY_SET, /* the console's SET */
};

enum option_id {
#define OPTION(field, variable, type, def, min, max, when, what)               \
	OPTION_ID_##field,
#include "proto/options.def"
#undef OPTION
	OPTION_ID_END
};

/* One row of proto/options.def. */
struct option_row {
	const char *field;    /* pool_size; the flag is --pool-size */
	const char *variable; /* HOWDAH_POOL_SIZE */
	enum option_type type;
	const char *def; /* as a user would write them */
	const char *min; /* CHOICE: the words, separated by | */
	const char *max;
	enum option_when when;
	const char *what;
	size_t offset; /* of the field in struct config */
};

const struct option_row *option_row(enum option_id id);
const char *option_type_name(enum option_type type);	   /* "duration" */
const char *option_when_name(enum option_when when);	   /* "reload" */
const char *option_source_name(enum option_source source); /* ".env" */

/* The row of a field ("pool_size") or of a variable ("HOWDAH_POOL_SIZE"), the
 * case as there; OPTION_ID_END when there is none. */
enum option_id option_find(struct slice name);

/* The C types of the option types. Durations are milliseconds. Texts are
 * NUL-terminated, owned by the config and never NULL; unset is "". */
typedef bool option_FLAG;
typedef uint64_t option_COUNT;
typedef uint64_t option_SIZE;
typedef uint64_t option_DURATION;
typedef char *option_TEXT;
typedef char *option_SECRET;
typedef char *option_CHOICE; /* one of the row's words, as the row has it */

/* ---- listeners -------------------------------------------------------- */

/*
 * "host:port", "[::1]:6432", ":6432" (all addresses), "unix:/path" or "off",
 * several by comma, at most 16. A relative unix path is inside
 * HOWDAH_DATA_DIR. Clients of libpq look for a socket file called
 * .s.PGSQL.<port>.
 */
enum endpoint_kind {
	ENDPOINT_TCP,
	ENDPOINT_UNIX
};

/* One place to listen on. Texts are owned and never NULL. */
struct endpoint {
	enum endpoint_kind kind;
	char *host; /* TCP: name or address, no brackets; "" is all addresses */
	uint16_t port; /* TCP: 1 to 65535 */
	char *path;    /* UNIX: the socket file */
	/* Only this machine can reach it. A unix socket always is; a name is
	 * when every address it had at the start is. */
	bool is_loopback;
};

struct endpoints {
	struct endpoint *at;
	size_t n; /* 0: off */
};

/* "127.0.0.1:6432", "[::1]:6432", "unix:/path". */
void endpoint_put(struct buf *b, const struct endpoint *e);

/* ---- the server behind the first door --------------------------------- */

enum {
	UPSTREAM_AUTH_NR_START_ = -1,
#define AUTH_METHOD(name, word, is_ours) UPSTREAM_AUTH_NR_##name,
#include "proto/auth_methods.def"
#undef AUTH_METHOD
	UPSTREAM_AUTH_COUNT
};

/* How the server may have us log in. */
enum upstream_auth {
#define AUTH_METHOD(name, word, is_ours)                                       \
	UPSTREAM_AUTH_##name = 1 << UPSTREAM_AUTH_NR_##name,
#include "proto/auth_methods.def"
#undef AUTH_METHOD
	UPSTREAM_AUTH_ALL = (1 << UPSTREAM_AUTH_COUNT) - 1,
};

struct upstream_host {
	/* Name or address, or, when it begins with / or @, the folder of a
	 * unix socket. "" only beside a hostaddr. */
	char *host;
	char *hostaddr; /* the address to connect to; "": resolve host */
	uint16_t port;
};

/*
 * A parsed connection URL. Each parameter that libpq documents is a member
 * under its own name, decoded, "" when it was not given; hosts is what host,
 * hostaddr and port come to and is never empty, first choice first. Without
 * a host it is /var/run/postgresql, as with Debian's libpq. PGHOST and its
 * kin are not looked at.
 *
 * What is set here was written down by somebody who relies on it (sslcrl,
 * channel_binding, ...). What Howdah cannot do is refused when the plan is
 * made; who connects honours the rest.
 */
struct upstream {
	struct upstream_host *hosts;
	size_t n_hosts;
	unsigned auth; /* enum upstream_auth: what require_auth leaves */
#define CONNINFO(name, words, taken, instead) char *name;
#include "proto/conninfo.def"
#undef CONNINFO
};

/*
 * Reads a URL (postgresql:// or postgres://, also with SQLAlchemy's +driver,
 * as in postgresql+asyncpg://) or a "host=... port=..." string. 0, or
 * -EINVAL with *f set; its text never quotes what could be a piece of a
 * password.
 */
int upstream_parse(struct slice url, struct upstream *ret, struct fault *f);
void upstream_deinit(struct upstream *u); /* wipes the secrets */
void upstream_copy(const struct upstream *from, struct upstream *ret);

/*
 * What DATABASE_URL and HOWDAH_DATABASE_URL come to:
 *
 *   DATABASE_URL   HOWDAH_DATABASE_URL   the upstream is     clients log in as
 *   -              -                     embedded            POSTGRES_*
 *   -              set                   HOWDAH_DATABASE_URL its user
 *   our listener   -                     embedded            DATABASE_URL's
 *   our listener   set                   HOWDAH_DATABASE_URL DATABASE_URL's
 *   elsewhere      -                     DATABASE_URL        its user
 *   elsewhere      set                   HOWDAH_DATABASE_URL its user
 *
 * HOWDAH_DATABASE_URL at our own listener is an error, a loop. A URL is at
 * our listener when one of its hosts has the port of a listener of the first
 * door and an address that listener serves: for a listener on all addresses
 * every address of this machine, else the listener's own. "localhost" is
 * 127.0.0.1 and ::1; other names are resolved, once, at the start, and only
 * when the port is the same; a name without an answer is elsewhere.
 *
 * POSTGRES_PORT is the port a compose file publishes; the embedded server has
 * no TCP port and does not read it. In a compose network it has no meaning
 * either, so a URL that takes its port from it gets a warning.
 */
struct door_plan {
	bool is_embedded;
	bool is_app_ours; /* DATABASE_URL is at our own listener */
	/* Zeroed when embedded. User, dbname and sslmode are filled in as libpq
	 * would (the account's name, the user, "prefer"). */
	struct upstream upstream;
	/* Who may log in at the door, and the database that it asks for;
	 * owned, never NULL. Without a password only auth_file helps. The
	 * same role and database are those of an embedded server. */
	char *user;
	char *password;
	char *dbname;
};

/* The server as a client of the door comes to it: under its own name. */
void plan_client(const struct door_plan *p, const struct upstream *server,
	struct upstream *ret);

/* ---- the whole -------------------------------------------------------- */

struct config {
#define OPTION(field, variable, type, def, min, max, when, what)               \
	option_##type field;
#include "proto/options.def"
#undef OPTION
	enum option_source sources[OPTION_ID_END];
	/* what the options above come to */
	struct endpoints pg_endpoints;
	struct endpoints http_endpoints;
	struct endpoints s3_endpoints;
	struct door_plan plan;
};

struct config_sources {
	/* "--pool-size=20", or "--pool-size", "20"; what is left when main has
	 * taken its own arguments. NULL-terminated; NULL: none. */
	char *const *flags;
	/* What main takes, "status|repair": meant by one who mistypes it. NULL:
	 * nothing. */
	const char *other_flags;
	char *const *environment; /* "NAME=value", the same way */
	/* Read when there is no --env-file=PATH, and may be missing; NULL:
	 * nothing is read. The daemon's is ".env". */
	const char *env_file;
};

/*
 * Reads and checks everything, and reports all that is wrong at once. May
 * block in the resolver: call it before any loop runs. 0 with *ret for
 * config_destroy(), or -EINVAL with the lines of ret_problems; warnings come
 * either way.
 */
int config_load(const struct config_sources *sources, struct config **ret,
	struct buf *ret_problems, struct buf *ret_warnings);
void config_destroy(struct config *c); /* wipes the secrets */
void config_destroyp(struct config **c);

/*
 * The config after a reload: RELOAD options from the sources read anew, what
 * SET changed included (it is forgotten), START and TEST options kept; each
 * of these that now reads otherwise gets a warning that it needs a restart.
 * Does not resolve names. Errors as config_load(); old stays as it is.
 */
int config_next(const struct config *old, const struct config_sources *sources,
	struct config **ret, struct buf *ret_problems,
	struct buf *ret_warnings);

/* A copy with one RELOAD option changed, by field or by variable. 0, or
 * -EINVAL with *f set. */
int config_set(const struct config *old, struct slice name, struct slice value,
	struct config **ret, struct fault *f);

/* Appends all RELOAD options, for a process that began with the same START
 * options; config_unpack() there makes the config that was packed here.
 * -EINVAL when the bytes are no such thing. */
void config_pack(const struct config *c, struct buf *ret);
int config_unpack(
	const struct config *old, struct slice packed, struct config **ret);

/* Appends the value as a user would write it, secrets as ***. */
void config_show(const struct config *c, enum option_id id, struct buf *ret);

/* The variable that names the upstream, unless that is embedded. */
const char *config_upstream_variable(const struct config *c);

/* The variable that has the password of the door's own user. */
const char *config_password_variable(const struct config *c);

/* Appends what --help says of the options: grouped, 80 columns. */
void config_help(struct buf *ret);
