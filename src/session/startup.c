/*
 * From accept to the first ReadyForQuery: startup packets, TLS, proof of
 * identity, greeting.
 *
 * Everything here is about somebody who has proved nothing yet: little is
 * kept, all of it is bounded, and a deadline counted from accept ends it.
 */
#include "session/session_priv.h"

#include "session/admin.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	/* First byte of a TLS record that holds a handshake (RFC 8446, 5.1). */
	TLS_HANDSHAKE = 0x16,
	/* Who guesses passwords must not fill the log. */
	REFUSALS_A_SECOND = 5,
};

struct startup {
	char peer[PEER_TEXT_MAX];
	struct auth *auth;
	struct auth_reply reply;
	char *user;
	char *database;
	struct buf params;	/* for the flavour */
	struct buf application; /* the settings list with its name, or empty */
	uint32_t login_slot;	/* of page_login_enter() */
	uint16_t minor;
	bool had_ssl; /* an SSLRequest was answered */
	bool had_gss;
	bool is_refused;	/* no place for one more client */
	struct cancel_ask *ask; /* this is the connection of one */
	bool is_direct;		/* TLS from the first byte */
	bool is_replication;	/* it will speak to a WAL sender */
};

/* Keys of a plain password, made on a thread. */
struct password_work {
	struct work work;
	struct auth_work *auth;
	struct door *door; /* borrowed: it waits for us */
};

/* ---- beginning and end ------------------------------------------------ */

static struct slice address_of(const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

	switch (peer->sa_family) {
	case AF_INET:
		return slice_of(&in->sin_addr, sizeof(in->sin_addr));
	case AF_INET6:
		return slice_of(&in6->sin6_addr, sizeof(in6->sin6_addr));
	default:
		return SLICE("unix");
	}
}

void startup_begin(struct session *s, const struct sockaddr *peer)
{
	struct door *door = s->door;
	const struct config *c = door->config;
	struct startup *st = xnew(struct startup);

	s->startup = st;
	peer_text(peer, st->peer, sizeof(st->peer));
	if (!page_login_enter(door->page, door->worker, address_of(peer),
		    (uint32_t)c->max_logins,
		    (uint32_t)c->max_logins_per_address, &st->login_slot)) {
		metrics_inc(&door->metrics, METRIC_refused);
		free(st);
		s->startup = NULL;
		session_finish(s);
		return;
	}
	s->is_counted = page_client_enter(
		door->page, door->worker, (uint32_t)c->max_clients);
	st->is_refused = !s->is_counted;
}

void startup_end(struct session *s)
{
	struct startup *st = s->startup;
	struct door *door = s->door;

	if (!st)
		return;
	s->startup = NULL;
	if (st->ask)
		cancel_ask_orphan(st->ask);
	page_login_leave(door->page, door->worker, st->login_slot);
	auth_destroy(st->auth);
	buf_deinit(&st->reply.data);
	buf_deinit(&st->params);
	buf_deinit(&st->application);
	free(st->user);
	free(st->database);
	free(st);
}

bool startup_is_waiting(const struct session *s)
{
	return s->startup && s->startup->auth &&
	       auth_is_waiting(s->startup->auth);
}

struct startup_who startup_who(const struct session *s)
{
	const struct startup *st = s->startup;

	return (struct startup_who){
		.user = st->user ? st->user : "",
		.database = st->database ? st->database : "",
		.application = pg_startup_get(
			buf_slice(&st->application), SLICE("application_name")),
		.minor = st->minor,
	};
}

void startup_set_ask(struct session *s, struct cancel_ask *ask)
{
	if (s->startup)
		s->startup->ask = ask;
}

void startup_timed_out(struct session *s)
{
	struct fault f;
	uint32_t held;

	if (log_limit_pass(&s->door->log_timeout, REFUSALS_A_SECOND, &held))
		log_info(&s->log, "session.login_timeout",
			"from %s (%u more like it)", s->startup->peer, held);
	if (s->state == SESSION_STARTUP) {
		session_finish(s);
		return;
	}
	fault_set(&f, FAULT_AUTH_SPECIFICATION,
		"canceling authentication due to timeout");
	session_fatal(s, &f);
}

static void log_refused(struct session *s, const char *why)
{
	const struct startup *st = s->startup;
	uint32_t held;

	if (log_limit_pass(&s->door->log_refused, REFUSALS_A_SECOND, &held))
		log_info(&s->log, "session.refused",
			"%s as %s: %s (%u more like it)", st->peer, st->user,
			why, held);
}

void startup_tell_refused(struct door *door)
{
	uint32_t held;

	if (log_limit_rest(&door->log_refused, &held))
		log_info(NULL, "session.refused", "%u more logins were refused",
			held);
}

static size_t startup_bad(struct session *s, const struct fault *f)
{
	uint32_t held;

	if (log_limit_pass(&s->door->log_bad, 5, &held))
		log_warn(&s->log, "session.startup", "%s: %s (%u more like it)",
			s->startup->peer, f->text, held);
	metrics_inc(&s->door->metrics, METRIC_protocol_errors);
	session_fatal(s, f);
	return 0;
}

/* ---- greeting --------------------------------------------------------- */

/* The server's own greeting, but for the application's name. */
static void put_parameters(struct session *s)
{
	struct slice rest = flavour_greeting(s->flavour);
	struct slice initial = settings_pairs(s->initial);
	struct buf *out = &s->door->out;
	struct slice name, value;
	struct pg_head head;

	while (pg_head_parse(rest, &head) == PG_HEAD_OK) {
		struct slice one = slice_of(rest.data, PG_HEAD + head.len);
		struct slice body = slice_from(one, PG_HEAD);

		rest = slice_from(rest, one.len);
		front_parameter(s, body);
		if (!slice_is(slice_of(body.data, slice_find(body, '\0')),
			    "application_name") ||
			!initial.len)
			buf_append_slice(out, one);
	}
	if (pg_startup_next(&initial, &name, &value))
		pg_put_parameter(out, name, value);
}

static void greet(struct session *s)
{
	struct buf *out = &s->door->out;

	cancel_key_make(s, s->startup->minor);
	put_parameters(s);
	pg_put_key(out, s->pid, slice_of(s->key, s->key_len));
	pg_put_ready(out, 'I');
	session_send(s);
	log_info(&s->log, "session.login", "%s as %s to %s", s->startup->peer,
		s->startup->user, s->startup->database);
	metrics_inc(&s->door->metrics, METRIC_logins);
	startup_end(s);
	session_enter(s, SESSION_READY);
}

static void on_greeting_lease(
	struct lease *l, struct backend *b, const struct lease_error *error)
{
	struct session *s = container_of(l, struct session, lease);

	if (b) {
		pool_release(b);
		greet(s);
		session_continue(s);
	} else if (error->raw.len) {
		session_fatal_raw(s, error->raw);
	} else {
		session_fatal(s, &error->fault);
	}
}

/* A replication client has a server connection of its own, for good. */
static void on_apart_lease(
	struct lease *l, struct backend *b, const struct lease_error *error)
{
	struct session *s = container_of(l, struct session, lease);

	if (!b) {
		on_greeting_lease(l, b, error);
		return;
	}
	backend_lend(b, &relay_ops, s);
	s->backend = b;
	residue_pin(s, PIN_REPLICATION);
	greet(s);
	session_enter(s, SESSION_ACTIVE);
	session_continue(s);
}

static void startup_replicate(struct session *s)
{
	struct fault f;

	if (!residue_may_pin(s)) {
		metrics_inc(&s->door->metrics, METRIC_pins_refused);
		fault_set(&f, FAULT_BUSY, NULL);
		residue_refusal_text(s, &f);
		session_fatal(s, &f);
		return;
	}
	s->lease = (struct lease){
		.flavour = s->flavour,
		.session = s->log.id,
		.done = on_apart_lease,
	};
	if (!pool_lease_apart(&s->lease, &f))
		session_fatal(s, &f);
}

static void startup_greet(struct session *s)
{
	struct backend *b;

	session_enter(s, SESSION_GREETING);
	if (s->startup->is_replication) {
		startup_replicate(s);
		return;
	}
	if (flavour_greeting(s->flavour).len) {
		greet(s);
		return;
	}
	s->lease = (struct lease){
		.flavour = s->flavour,
		.session = s->log.id,
		.done = on_greeting_lease,
	};
	b = pool_lease(&s->lease);
	if (b) {
		pool_release(b);
		greet(s);
	}
}

/* ---- authentication --------------------------------------------------- */

static bool may_console(struct session *s, const char *user)
{
	struct slice users = slice_str(s->door->config->admin_users);

	if (!users.len)
		return !strcmp(user, s->door->env.door_user);
	while (users.len)
		if (slice_is(slice_trim(slice_cut(&users, ',')), user))
			return true;
	return false;
}

/* Asked only of somebody who has proved who he is: strangers are not told who
 * the administrators are. */
static void enter_console(struct session *s)
{
	struct startup *st = s->startup;
	struct fault f;

	if (!may_console(s, st->user)) {
		fault_set(&f, FAULT_PRIVILEGE,
			"user \"%s\" may not use the admin console", st->user);
		fault_hint(&f, "HOWDAH_ADMIN_USERS names who may.");
		metrics_inc(&s->door->metrics, METRIC_login_failures);
		log_refused(s, f.text);
		session_fatal(s, &f);
		return;
	}
	log_info(&s->log, "console.login", "%s as %s", st->peer, st->user);
	session_enter(s, SESSION_CONSOLE);
	console_begin(s);
}

static void logged_in(struct session *s)
{
	struct startup *st = s->startup;
	struct door *door = s->door;
	struct pool_secret secret = { 0 };
	bool has_secret;
	struct fault f;

	pg_put_auth(&door->out, PG_AUTH_OK, (struct slice){ 0 });
	session_send(s);
	if (s->is_admin) {
		enter_console(s);
		return;
	}
	has_secret = door_secret(door, slice_str(st->user), &secret);
	s->flavour = flavour_get(door->pools, slice_str(st->database),
		slice_str(st->user), buf_slice(&st->params),
		has_secret ? &secret : NULL);
	pool_secret_deinit(&secret);
	if (!s->flavour) {
		fault_set(&f, FAULT_BUSY,
			"too many databases and users for one gateway");
		session_fatal(s, &f);
		return;
	}
	flavour_count_client(s->flavour, 1);
	s->initial = settings_intern(door->pools, buf_slice(&st->application));
	s->settings = settings_ref(s->initial);
	startup_greet(s);
}

static void auth_step(struct session *s, int outcome, const struct fault *f)
{
	struct startup *st = s->startup;

	if (st->reply.code) {
		pg_put_auth(&s->door->out, (enum pg_auth)st->reply.code,
			buf_slice(&st->reply.data));
		session_send(s);
	}
	switch (outcome) {
	case 0:
		logged_in(s);
		break;
	case AUTH_MORE:
		break;
	default:
		metrics_inc(&s->door->metrics, METRIC_login_failures);
		log_refused(s, st->auth ? auth_reason(st->auth) : f->text);
		session_fatal(s, f);
	}
}

static void on_auth_ready(void *owner)
{
	struct session *s = owner;
	struct startup *st = s->startup;

	auth_step(s, auth_resume(st->auth, &st->reply), NULL);
	session_continue(s);
}

static void on_password_work(struct work *work)
{
	auth_work_run(container_of(work, struct password_work, work)->auth);
}

static void on_password_work_done(struct work *work)
{
	struct password_work *p =
		container_of(work, struct password_work, work);
	struct door *door = p->door;

	auth_work_finish(p->auth);
	free(p);
	door_part_closed(door);
}

/* Once for each user with a plain password. The door stays until it is
 * done; the session need not. */
static void password_work_start(struct session *s)
{
	struct auth_work *auth = auth_take_work(s->startup->auth);
	struct password_work *p;

	if (!auth)
		return; /* another login of this user has begun it */
	p = xnew(struct password_work);
	p->auth = auth;
	p->door = s->door;
	s->door->n_open++;
	work_run(&p->work, s->door->loop, on_password_work,
		on_password_work_done);
}

static void startup_auth(struct session *s)
{
	struct startup *st = s->startup;
	struct door *door = s->door;
	uint8_t hash[TLS_HASH_MAX];
	char cert_name[AUTH_USER_MAX + 1] = "";
	struct auth_login login = {
		.user = slice_str(st->user),
		.method = auth_method_of(s->is_unix ? door->config->unix_auth
						    : door->config->auth),
		.ready = on_auth_ready,
		.owner = s,
	};
	struct fault f;
	int r;

	session_enter(s, SESSION_AUTH);
	if (s->stream.tls) {
		login.endpoint_hash =
			slice_of(hash, tls_endpoint_hash(&s->stream, hash));
		tls_peer_name(&s->stream, cert_name, sizeof(cert_name));
		if (*door->config->tls_client_ca)
			login.cert_name = slice_str(cert_name);
	}
	r = auth_begin(door->users, &login, &st->auth, &st->reply, &f);
	if (r == AUTH_WORK)
		password_work_start(s);
	else
		auth_step(s, r, &f);
}

static size_t auth_input(struct session *s, struct slice bytes)
{
	struct pg_head head;
	struct fault f;
	size_t whole;

	if (pg_head_parse(bytes, &head) == PG_HEAD_MORE)
		return 0;
	if (bytes.data[0] != 'p') {
		fault_set(&f, FAULT_PROTOCOL,
			"expected %s response, got message type %d",
			auth_awaited(s->startup->auth),
			(unsigned char)bytes.data[0]);
		return startup_bad(s, &f);
	}
	if (pg_head_parse(bytes, &head) == PG_HEAD_BAD ||
		head.len > PG_LOGIN_MAX - PG_HEAD) {
		fault_set(&f, FAULT_PROTOCOL, "invalid message length");
		return startup_bad(s, &f);
	}
	whole = PG_HEAD + (size_t)head.len;
	if (bytes.len < whole)
		return 0;
	auth_step(s,
		auth_feed(s->startup->auth,
			slice_of(bytes.data + PG_HEAD, head.len),
			&s->startup->reply, &f),
		&f);
	return whole;
}

/* ---- the login packet ------------------------------------------------- */

/* PostgreSQL cuts names at NAMEDATALEN - 1 bytes. */
static char *name_dup(struct slice name)
{
	return slice_dup(slice_of(name.data, MIN(name.len, 63)));
}

/* "utf-8", "UTF8", "'utf-8'": one encoding, so one flavour. */
static struct slice normal_encoding(struct slice value)
{
	char plain[8];
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '-' || c == '_' || c == '\'' || c == '"')
			continue;
		if (n == sizeof(plain))
			return value;
		plain[n++] = c;
	}
	return slice_is_nocase(slice_of(plain, n), "utf8") ? SLICE("UTF8")
							   : value;
}

/* Anything but a plain "no"; the server judges the rest. */
static bool is_replication(struct slice value)
{
	static const char *const no[] = { "", "false", "off", "no", "0", "f",
		"n" };

	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (slice_is_nocase(value, no[i]))
			return false;
	return true;
}

/* As PostgreSQL shows an application's name: ASCII, 63 bytes at most. */
static void put_clean(struct buf *b, struct slice value)
{
	for (size_t i = 0; i < MIN(value.len, 63); i++) {
		char c = value.data[i];

		buf_put_u8(b, c < 32 || c > 126 ? '?' : (uint8_t)c);
	}
	buf_put_u8(b, 0);
}

static void take_parameter(
	struct startup *st, struct slice name, struct slice value)
{
	if (slice_is(name, "user") || slice_is(name, "database") ||
		slice_starts_with(name, SLICE("_pq_.")))
		return;
	if (slice_is(name, "application_name")) {
		st->application.len = 0;
		if (!value.len)
			return;
		buf_put_cstr(&st->application, name);
		put_clean(&st->application, value);
		return;
	}
	if (slice_is(name, "client_encoding"))
		value = normal_encoding(value);
	if (slice_is(name, "replication"))
		st->is_replication = is_replication(value);
	buf_put_cstr(&st->params, name);
	buf_put_cstr(&st->params, value);
}

/* Newer than we speak, or with options we do not know: say so, go on. */
static void negotiate(struct session *s, const struct pg_startup *packet)
{
	CLEANUP(buf_deinit) struct buf unknown = { 0 };
	struct slice rest = packet->params;
	struct slice name, value;
	uint32_t n = 0;

	while (pg_startup_next(&rest, &name, &value)) {
		if (!slice_starts_with(name, SLICE("_pq_.")))
			continue;
		buf_put_cstr(&unknown, name);
		n++;
	}
	s->startup->minor = MIN(packet->minor, PG_MINOR_LATEST);
	if (packet->minor > PG_MINOR_LATEST || n) {
		pg_put_negotiate(&s->door->out, s->startup->minor, n,
			buf_slice(&unknown));
		session_send(s);
	}
}

static bool check_login(struct session *s, struct fault *f)
{
	struct startup *st = s->startup;

	if (!*st->user) {
		fault_set(f, FAULT_AUTH_SPECIFICATION,
			"no PostgreSQL user name specified in startup packet");
		return false;
	}
	s->is_admin = admin_is_console(st->database);
	if (st->is_refused && !s->is_admin) {
		metrics_inc(&s->door->metrics, METRIC_refused);
		fault_set(f, FAULT_BUSY, "sorry, too many clients already");
		fault_hint(f, "HOWDAH_MAX_CLIENTS sets how many there may be.");
		return false;
	}
	if (s->door->config->tls_required && !s->stream.tls && !s->is_unix) {
		fault_set(f, FAULT_AUTH_SPECIFICATION,
			"this server takes TLS connections only");
		return false;
	}
	return true;
}

static void on_login(struct session *s, const struct pg_startup *packet)
{
	struct startup *st = s->startup;
	struct slice rest = packet->params;
	struct slice user = pg_startup_get(rest, SLICE("user"));
	struct slice database = pg_startup_get(rest, SLICE("database"));
	struct slice name, value;
	struct fault f;

	st->user = name_dup(user);
	st->database = name_dup(database.len ? database : user);
	while (pg_startup_next(&rest, &name, &value))
		take_parameter(st, name, value);
	negotiate(s, packet);
	if (!check_login(s, &f)) {
		log_refused(s, f.text);
		session_fatal(s, &f);
		return;
	}
	startup_auth(s);
}

/* ---- packets ---------------------------------------------------------- */

/* Asked for twice, it is read as a version of the protocol. */
static size_t bad_version(struct session *s, unsigned minor)
{
	struct fault f;

	fault_set(&f, FAULT_UNSUPPORTED,
		"unsupported frontend protocol 1234.%u: server supports 3.0 to 3.2",
		minor);
	return startup_bad(s, &f);
}

/* Bytes behind a request for encryption were put there by somebody else, or
 * the client is broken (CVE-2021-23214). */
static bool has_injection(struct session *s, size_t n_behind, const char *what)
{
	struct fault f;

	if (!n_behind)
		return false;
	fault_set(&f, FAULT_PROTOCOL,
		"received unencrypted data after %s request", what);
	fault_detail(&f,
		"This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.");
	startup_bad(s, &f);
	return true;
}

static size_t on_ssl_request(struct session *s, size_t whole, size_t n_behind)
{
	struct startup *st = s->startup;
	bool has_tls = s->door->tls && !s->is_unix;

	if (st->had_ssl || s->stream.tls)
		return bad_version(s, 5679);
	st->had_ssl = true;
	stream_write(&s->stream, has_tls ? "S" : "N", 1);
	if (has_injection(s, n_behind, "SSL"))
		return whole;
	if (has_tls) {
		st->had_gss = true;
		stream_flush(&s->stream);
		s->is_securing = true;
	}
	return whole;
}

static size_t on_gss_request(struct session *s, size_t whole, size_t n_behind)
{
	if (s->startup->had_gss)
		return bad_version(s, 5680);
	s->startup->had_gss = true;
	stream_write(&s->stream, "N", 1);
	has_injection(s, n_behind, "GSSAPI encryption");
	return whole;
}

static size_t packet_input(struct session *s, struct slice bytes)
{
	struct pg_startup packet;
	struct fault f;
	uint32_t len;

	if (bytes.data[0] == TLS_HANDSHAKE && s->door->tls && !s->is_unix &&
		!s->startup->had_ssl && !s->startup->had_gss &&
		!s->stream.tls) {
		/* Direct TLS, as PostgreSQL 17 has it: this is a ClientHello.
		 */
		s->startup->had_ssl = true;
		s->startup->had_gss = true;
		s->startup->is_direct = true;
		s->is_securing = true;
		return 0;
	}
	if (bytes.len < sizeof(len))
		return 0;
	memcpy(&len, bytes.data, sizeof(len));
	len = __builtin_bswap32(len);
	if (len < 8 || len > PG_STARTUP_MAX + 4) {
		/* Not PostgreSQL's protocol: nobody there reads our words. */
		metrics_inc(&s->door->metrics, METRIC_protocol_errors);
		session_finish(s);
		return 0;
	}
	if (bytes.len < len)
		return 0;
	packet.kind = PG_STARTUP_LOGIN;
	if (pg_startup_parse(slice_of(bytes.data + 4, len - 4), &packet, &f) <
		0) {
		/* Who asks for a cancel never gets an answer. */
		if (packet.kind == PG_STARTUP_CANCEL)
			session_finish(s);
		else
			startup_bad(s, &f);
		return 0;
	}
	switch (packet.kind) {
	case PG_STARTUP_SSL:
		return on_ssl_request(s, len, bytes.len - len);
	case PG_STARTUP_GSS:
		return on_gss_request(s, len, bytes.len - len);
	case PG_STARTUP_CANCEL:
		cancel_request(s, packet.pid, packet.key);
		return len;
	case PG_STARTUP_LOGIN:
		on_login(s, &packet);
		break;
	}
	return len;
}

size_t startup_input(struct session *s, struct slice bytes)
{
	size_t used = 0;

	while (used < bytes.len && !s->is_securing && s->startup &&
		!s->startup->ask && !startup_is_waiting(s) &&
		(s->state == SESSION_STARTUP || s->state == SESSION_AUTH)) {
		struct slice rest = slice_from(bytes, used);
		size_t n = s->state == SESSION_STARTUP ? packet_input(s, rest)
						       : auth_input(s, rest);

		if (!n)
			break;
		used += n;
	}
	if (s->state == SESSION_FINISHING || (s->startup && s->startup->ask))
		return bytes.len;
	if (s->is_securing) {
		s->is_securing = false;
		stream_secure_server(
			&s->stream, s->door->tls, s->startup->is_direct);
	}
	return used;
}

void startup_secured(struct session *s)
{
	log_debug(&s->log, "session.secured", "%s %s", tls_version(&s->stream),
		tls_cipher(&s->stream));
}
