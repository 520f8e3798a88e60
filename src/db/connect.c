/*
 * Logging in. Names are resolved here and handed to libpq as addresses, one
 * at a time: libpq would look them up inside PQconnectPoll(), and would give
 * a black-holed first address all the time there is. So each address gets its
 * share of what is left, and the attempt that came furthest is the one that
 * is told.
 */
#include "db/db_priv.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ADDRESS_MAX = 64
};

/* One place to try. */
struct candidate {
	const struct upstream_host *host; /* borrowed */
	char address[64];		  /* "": a unix socket */
};

struct candidates {
	struct candidate at[ADDRESS_MAX];
	size_t n;
};

/* The parameters of one PQconnectStartParams(), NULL-terminated, and what this
 * libpq knows of them. */
struct conninfo {
	const PQconninfoOption *known; /* borrowed */
	const char *keys[80];
	const char *values[80];
	size_t n;
	char port[8];
};

static bool is_unix(const struct upstream_host *host)
{
	return !*host->hostaddr && (*host->host == '/' || *host->host == '@');
}

static void add_candidate(struct candidates *all,
	const struct upstream_host *host, const char *address)
{
	struct candidate *c;

	if (all->n == ADDRESS_MAX)
		return;
	c = &all->at[all->n++];
	c->host = host;
	snprintf(c->address, sizeof(c->address), "%s", address);
}

static void resolve(struct candidates *all, const struct upstream_host *host,
	struct db_fault *ret_fault)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char text[64];
	int r;

	r = getaddrinfo(host->host, NULL, &hints, &found);
	if (r) {
		db_fault_set(ret_fault,
			"cannot resolve the host name \"%s\": %s", host->host,
			gai_strerror(r));
		return;
	}
	for (struct addrinfo *a = found; a; a = a->ai_next) {
		r = getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text),
			NULL, 0, NI_NUMERICHOST);
		if (!r)
			add_candidate(all, host, text);
	}
	freeaddrinfo(found);
}

static void find_candidates(struct candidates *all,
	const struct upstream *upstream, struct db_fault *ret_fault)
{
	for (size_t i = 0; i < upstream->n_hosts; i++) {
		const struct upstream_host *host = &upstream->hosts[i];

		if (is_unix(host))
			add_candidate(all, host, "");
		else if (*host->hostaddr)
			add_candidate(all, host, host->hostaddr);
		else
			resolve(all, host, ret_fault);
	}
}

static bool is_known(const PQconninfoOption *known, const char *key)
{
	for (; known->keyword; known++)
		if (!strcmp(known->keyword, key))
			return true;
	return false;
}

/*
 * Of two values of one key libpq takes the later. One that is older than the
 * parameter would refuse to connect: what it does not know is left out, and
 * what may not be is seen to by stand_in().
 */
static void put(struct conninfo *c, const char *key, const char *value)
{
	if (!*value || !is_known(c->known, key))
		return;
	check(c->n + 1 < ARRAY_SIZE(c->keys));
	c->keys[c->n] = key;
	c->values[c->n] = value;
	c->n++;
}

/* What this file decides: where, how long, and in which order. */
static bool is_ours(const char *key)
{
	static const char *const ours[] = { "host", "hostaddr", "port",
		"connect_timeout", "load_balance_hosts", "client_encoding" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!strcmp(key, ours[i]))
			return true;
	return false;
}

/* Whose libpq knows no require_auth (15 and older) can still insist on SCRAM
 * where there is TLS, by insisting that it is bound to it. */
static bool can_insist(const struct upstream *upstream)
{
	return upstream->auth == UPSTREAM_AUTH_SCRAM &&
	       (!strcmp(upstream->sslmode, "require") ||
		       !strncmp(upstream->sslmode, "verify-", 7));
}

static void stand_in(struct conninfo *c, const struct upstream *upstream)
{
	if (!is_known(c->known, "require_auth") && can_insist(upstream))
		put(c, "channel_binding", "require");
	if (!is_known(c->known, "sslcertmode") &&
		!strcmp(upstream->sslcertmode, "disable")) {
		put(c, "sslcert", "/dev/null/none");
		put(c, "sslkey", "/dev/null/none");
	}
}

static void put_all(struct conninfo *c, const struct upstream *upstream,
	const struct db_options *options, const struct candidate *where)
{
	put(c, "application_name", "howdah");
	/* A dead peer is noticed after a minute, also by a cancel. */
	put(c, "tcp_user_timeout", "30000");
	put(c, "keepalives_idle", "30");
	put(c, "keepalives_interval", "10");
	put(c, "keepalives_count", "3");
	/* Only the upstream's own password counts, as in the pool: this keeps
	 * libpq from ~/.pgpass. */
	put(c, "passfile", "/dev/null/none");
#define CONNINFO(name, words, taken, instead)                                  \
	if (!is_ours(#name))                                                   \
		put(c, #name, upstream->name);
#include "proto/conninfo.def"
#undef CONNINFO
	stand_in(c, upstream);
	snprintf(c->port, sizeof(c->port), "%u", where->host->port);
	put(c, "host", where->host->host);
	put(c, "hostaddr", where->address);
	put(c, "port", c->port);
	put(c, "client_encoding", "UTF8");
	if (options->dbname)
		put(c, "dbname", options->dbname);
	if (options->application_name)
		put(c, "application_name", options->application_name);
	if (options->is_writer)
		put(c, "target_session_attrs", "primary");
}

static int check_known(const PQconninfoOption *known,
	const struct upstream *upstream, struct db_fault *ret_fault)
{
	if (upstream->auth == UPSTREAM_AUTH_ALL ||
		is_known(known, "require_auth") || can_insist(upstream))
		return 0;
	db_fault_set(ret_fault,
		"this libpq (%d) is too old for require_auth=%s; with sslmode=require it can do require_auth=scram-sha-256",
		PQlibVersion() / 10000, upstream->require_auth);
	return DB_E_LOST;
}

static void known_free(PQconninfoOption **known)
{
	PQconninfoFree(*known);
}

/* PGHOST and its kin would fill in what the upstream leaves open. */
static void forget_environment(const PQconninfoOption *known)
{
	for (const PQconninfoOption *o = known; o->keyword; o++)
		if (o->envvar)
			unsetenv(o->envvar);
}

static enum db_stage stage_of(ConnStatusType status)
{
	switch (status) {
	case CONNECTION_SSL_STARTUP:
	case CONNECTION_GSS_STARTUP:
		return DB_TLS;
	case CONNECTION_NEEDED:
	case CONNECTION_STARTED:
	case CONNECTION_MADE:
		return DB_CONNECT;
	default:
		return DB_LOGIN;
	}
}

static void on_notice(void *user, const char *text)
{
	(void)user;
	struct slice line = slice_trim(slice_str(text));

	log_info(NULL, "db.notice", "%.*s", (int)line.len, line.data);
}

/* Drives one login to its end. */
static int login(struct db *db, uint64_t deadline)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (PQstatus(db->pg) != CONNECTION_BAD) {
		int r;

		db->fault.stage = stage_of(PQstatus(db->pg));
		r = db_wait_socket(PQsocket(db->pg),
			next == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			deadline);
		if (r == 0) {
			db_fault_set(&db->fault, "no answer from %s in time",
				db->address);
			return DB_E_TIMEOUT;
		}
		next = PQconnectPoll(db->pg);
		if (next == PGRES_POLLING_OK) {
			db->fault.stage = DB_READY;
			return 0;
		}
		if (next == PGRES_POLLING_FAILED)
			break;
	}
	db_fault_parse(slice_str(PQerrorMessage(db->pg)), &db->fault);
	return *db->fault.sqlstate ? DB_E_SERVER : DB_E_LOST;
}

static int attempt(const struct upstream *upstream,
	const struct db_options *options, const struct candidate *where,
	uint64_t deadline, const PQconninfoOption *known, struct db *db)
{
	struct conninfo info = { .known = known };
	int r;

	put_all(&info, upstream, options, where);
	db->address =
		xasprintf(strchr(where->address, ':') ? "[%s]:%u" : "%s:%u",
			*where->address ? where->address : where->host->host,
			where->host->port);
	db->fault = (struct db_fault){ .stage = DB_CONNECT };
	db->pg = PQconnectStartParams(info.keys, info.values, 0);
	check(db->pg);
	PQsetNoticeProcessor(db->pg, on_notice, NULL);
	/* The only way to the SQLSTATE of a refused login. */
	PQsetErrorVerbosity(db->pg, PQERRORS_VERBOSE);
	r = login(db, deadline);
	if (r)
		return r;
	PQsetErrorVerbosity(db->pg, PQERRORS_DEFAULT);
	return PQsetnonblocking(db->pg, 1) ? DB_E_LOST : 0;
}

/* This address's part of the time that is left. */
static uint64_t share_of(
	const struct upstream *upstream, uint64_t deadline, size_t n_left)
{
	uint64_t now = db_now();
	uint64_t seconds = 0;
	uint64_t share = DB_FOREVER;

	if (deadline != DB_FOREVER)
		share = now + (deadline > now ? (deadline - now) / n_left : 0);
	if (*upstream->connect_timeout)
		num_parse_u64(slice_str(upstream->connect_timeout), &seconds);
	if (seconds && seconds < UINT32_MAX)
		share = MIN(share, now + seconds * 1000);
	return share;
}

/* The other hosts would say the same. */
static bool is_final(const struct db_fault *fault)
{
	return !strncmp(fault->sqlstate, "28", 2) ||
	       db_fault_is(fault, "3D000");
}

int db_create(const struct upstream *upstream, const struct db_options *options,
	struct db_fault *ret_fault, struct db **ret_db)
{
	CLEANUP(known_free) PQconninfoOption *known = PQconndefaults();
	uint64_t deadline = db_deadline(options->connect_timeout_ms);
	struct candidates all = { .n = 0 };
	int outcome = DB_E_LOST;

	check(known);
	forget_environment(known);
	*ret_fault = (struct db_fault){ .stage = DB_RESOLVE };
	if (check_known(known, upstream, ret_fault))
		return DB_E_LOST;
	find_candidates(&all, upstream, ret_fault);
	for (size_t i = 0; i < all.n; i++) {
		CLEANUP(db_destroyp) struct db *db = xnew(struct db);
		uint64_t share = share_of(upstream, deadline, all.n - i);
		int r;

		r = attempt(upstream, options, &all.at[i], share, known, db);
		if (!r) {
			*ret_db = TAKE(db);
			return 0;
		}
		if (db->fault.stage >= ret_fault->stage) {
			*ret_fault = db->fault;
			outcome = r;
		}
		if (is_final(&db->fault))
			break;
	}
	return outcome;
}

void db_destroy(struct db *db)
{
	if (!db)
		return;
	PQfinish(db->pg);
	free(db->address);
	free(db);
}

void db_destroyp(struct db **db)
{
	db_destroy(*db);
}
