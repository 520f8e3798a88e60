/*
 * Logging in at the server: connect, TLS, startup, authentication, the
 * greeting up to the first ReadyForQuery. Howdah speaks the protocol itself
 * here, because a login from a verifier and a name lookup that does not
 * block are not to be had from libpq.
 *
 * The server is a stranger until it has logged us in: every message must have
 * its place (login_states.def), be whole and fit into STREAM_READ_MAX. What
 * is not so ends the login, for a reason that is told.
 */
#include "pool/login.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct login_row {
	const char *label;
	unsigned says;
};

enum {
#define LOGIN_WORD(name, type, code, handler) WORD_##name,
#include "pool/login_words.def"
#undef LOGIN_WORD
	WORD_COUNT,
	NO_CODE = -1,
};

struct word {
	const char *name;
	char type;
	int code;
	login_word_fn *handler;
};

static login_word_fn login_error, login_nothing;

#define SAYS(name) BIT(WORD_##name)
static const struct login_row rows[] = {
#define LOGIN_STATE(name, label, says) { label, says },
#include "pool/login_states.def"
#undef LOGIN_STATE
};

static const struct word words[] = {
#define LOGIN_WORD(name, type, code, handler) { #name, type, code, handler },
#include "pool/login_words.def"
#undef LOGIN_WORD
};

_Static_assert(ARRAY_SIZE(rows) == LOGIN_STATES, "one row per state");

static const struct backend_ops login_ops;

/* ---- ending ----------------------------------------------------------- */

static void login_part_closed(struct login *l)
{
	if (--l->n_open)
		return;
	if (l->orphan)
		backend_free(l->orphan);
	scram_client_deinit(&l->scram);
	buf_deinit(&l->greeting);
	free(l);
}

static void on_login_connector_closed(struct connector *connector)
{
	login_part_closed(container_of(connector, struct login, connector));
}

static void on_login_deadline_closed(struct timer *timer)
{
	login_part_closed(container_of(timer, struct login, deadline));
}

static void login_end(struct login *l)
{
	struct backend *b = l->backend;

	l->backend = NULL;
	b->login = NULL;
	list_remove(&l->waiter.link);
	connector_close(&l->connector, on_login_connector_closed);
	timer_close(&l->deadline, on_login_deadline_closed);
}

void login_abort(struct backend *b)
{
	struct login *l = b->login;

	if (b->stream.ops)
		stream_close(&b->stream);
	else
		l->orphan = b;
	login_end(l);
}

void login_succeed(struct login *l)
{
	struct backend *b = l->backend;

	login_end(l);
	pool_opened(b);
}

static void fail_with(
	struct login *l, enum fault_code code, const char *fmt, va_list args)
{
	struct fault f;
	char text[200];

	vsnprintf(text, sizeof(text), fmt, args);
	fault_set(&f, code, "cannot log in at the PostgreSQL server: %s", text);
	pool_open_failed(l->backend, (struct slice){ 0 }, &f);
}

void login_fail(struct login *l, enum fault_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail_with(l, code, fmt, args);
	va_end(args);
}

void login_broken(struct login *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail_with(l, FAULT_PROTOCOL, fmt, args);
	va_end(args);
}

/* The one writer of ->state. */
void login_enter(struct login *l, enum login_state state)
{
	log_debug(&l->backend->log, "login.enter", "%s", rows[state].label);
	l->state = state;
}

/* ---- one message ------------------------------------------------------ */

void login_send(struct login *l, struct buf *message)
{
	stream_write_slice(&l->backend->stream, buf_slice(message));
	explicit_bzero(message->data, message->len);
	buf_deinit(message);
}

/* The server's own words are for the client, when they are such. */
static void login_error(struct login *l, struct slice data)
{
	struct fault f;

	if (!pg_error_is_good(data)) {
		login_broken(l,
			"it refuses with an error that is malformed or has no SQLSTATE: %.*s",
			(int)MIN(pg_error_field(data, 'M').len, 80),
			pg_error_field(data, 'M').data);
		return;
	}
	fault_set(&f, FAULT_CONNECTION_LOST, NULL);
	pool_open_failed(l->backend, data, &f);
}

static void login_nothing(struct login *l, struct slice data)
{
	(void)l;
	(void)data;
}

static const struct word *find_word(char type, int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].type == type && words[i].code == code)
			return &words[i];
	return NULL;
}

static bool may_say(const struct login *l, const struct word *word)
{
	unsigned says = rows[l->state].says;

	if (l->state >= LOGIN_STARTED)
		says |= SAYS(ERROR) | SAYS(NOTICE);
	return says & BIT(word - words);
}

static void on_message(struct login *l, char type, struct slice data)
{
	struct reader r = reader_of(data);
	const struct word *word;
	int code = NO_CODE;

	if (type == PG_BACK_AUTHENTICATION) {
		code = (int)reader_u32(&r);
		data = slice_of(r.at, reader_left(&r));
	}
	word = r.is_bad ? NULL : find_word(type, code);
	if (word && may_say(l, word))
		word->handler(l, data);
	else if (word)
		login_broken(l, "it says %c (%s) out of turn, while it is %s",
			type, word->name, rows[l->state].label);
	else if (code != NO_CODE && !r.is_bad)
		login_fail(l, FAULT_UNSUPPORTED,
			"it wants authentication method %d, which is not supported",
			code);
	else
		login_broken(l,
			"it says something that is not PostgreSQL's protocol");
}

/* ---- the startup packet ----------------------------------------------- */

static void put_parameter(
	struct buf *params, const char *name, struct slice value)
{
	if (!value.len)
		return;
	buf_put_cstr(params, slice_str(name));
	buf_put_cstr(params, value);
}

/* The URL's options first, so that the client's own win. */
static void put_options(struct buf *params, struct slice ours, struct slice own)
{
	CLEANUP(buf_deinit) struct buf both = { 0 };

	buf_append_slice(&both, ours);
	if (ours.len && own.len)
		buf_put_u8(&both, ' ');
	buf_append_slice(&both, own);
	put_parameter(params, "options", buf_slice(&both));
}

static void put_parameters(struct buf *params, const struct backend *b)
{
	const struct upstream *up = b->pools->upstream;
	struct slice flavour = buf_slice(&b->flavour->params);
	struct slice options = pg_startup_get(flavour, SLICE("options"));
	struct slice name, value;

	put_parameter(params, "user", slice_str(b->pool->user));
	put_parameter(params, "database", slice_str(b->pool->database));
	put_parameter(params, "application_name",
		slice_str(*up->application_name
				  ? up->application_name
				  : up->fallback_application_name));
	put_options(params, slice_str(up->options), options);
	while (pg_startup_next(&flavour, &name, &value)) {
		if (slice_is(name, "options"))
			continue;
		buf_put_cstr(params, name);
		buf_put_cstr(params, value);
	}
}

static void send_startup(struct login *l)
{
	CLEANUP(buf_deinit) struct buf params = { 0 };
	struct buf message = { 0 };

	put_parameters(&params, l->backend);
	pg_put_startup(&message, buf_slice(&params));
	login_send(l, &message);
	login_enter(l, LOGIN_STARTED);
}

/* ---- TLS -------------------------------------------------------------- */

static void secure(struct login *l)
{
	struct backend *b = l->backend;

	server_secure(b->pools->server, b->host, &b->stream);
	send_startup(l);
}

static void ask_for_tls(struct login *l)
{
	struct buf message = { 0 };

	pg_put_ssl_request(&message);
	login_send(l, &message);
	login_enter(l, LOGIN_ASKED_TLS);
}

/* The answer to SSLRequest is one byte, and nothing may stand behind it:
 * what does was put there by somebody in between (CVE-2021-23222). */
static size_t on_ssl_answer(struct login *l, struct slice bytes)
{
	const struct pools *pools = l->backend->pools;

	if (bytes.len > 1)
		login_broken(l,
			"it sent unencrypted data after its answer to SSLRequest");
	else if (bytes.data[0] == 'S')
		secure(l);
	else if (bytes.data[0] != 'N')
		login_broken(l, "it answers SSLRequest with neither S nor N");
	else if (server_may_go_plain(pools->server))
		send_startup(l);
	else
		login_fail(l, FAULT_CONNECTION_LOST,
			"it does not speak TLS, and sslmode=%s asks for it",
			pools->upstream->sslmode);
	return bytes.len;
}

/* ---- its stream ------------------------------------------------------- */

/* Behind ReadyForQuery nothing is to come that was not asked for. */
static bool says_too_much(char type, struct slice rest)
{
	return type == PG_BACK_READY_FOR_QUERY && rest.len &&
	       !memchr("SNAE", rest.data[0], 4);
}

static size_t on_login_input(
	void *tenant, struct backend *b, struct slice bytes)
{
	struct login *l = tenant;
	size_t used = 0;

	if (l->state == LOGIN_ASKED_TLS)
		return on_ssl_answer(l, bytes);
	while (b->login) {
		struct slice rest = slice_from(bytes, used);
		enum pg_head_result r;
		struct pg_head head;
		size_t whole;

		r = pg_head_parse(rest, &head);
		if (r == PG_HEAD_MORE)
			break;
		whole = r == PG_HEAD_OK ? PG_HEAD + (size_t)head.len : 0;
		if (r == PG_HEAD_BAD || whole > STREAM_READ_MAX) {
			login_broken(
				l, "it does not speak PostgreSQL's protocol");
			break;
		}
		if (rest.len < whole)
			break;
		if (says_too_much(head.type, slice_from(rest, whole))) {
			login_broken(l, "it says more than its greeting");
			break;
		}
		used += whole;
		on_message(
			l, head.type, slice_of(rest.data + PG_HEAD, head.len));
	}
	return b->state == BACKEND_CLOSING ? bytes.len : used;
}

static void on_login_lost(void *tenant, struct backend *b, struct slice error)
{
	(void)error;
	if (b->error)
		login_fail(tenant, FAULT_CONNECTION_LOST,
			"the connection is lost: %s",
			stream_error_text(&b->stream, b->error));
	else
		login_fail(tenant, FAULT_CONNECTION_LOST,
			"it closed the connection");
}

static const struct backend_ops login_ops = {
	.input = on_login_input,
	.lost = on_login_lost,
};

/* ---- connecting ------------------------------------------------------- */

static void on_login_connected(struct connector *connector, int fd, int error)
{
	struct login *l = container_of(connector, struct login, connector);
	struct backend *b = l->backend;
	const struct server *server = b->pools->server;
	const char *why;

	(void)error;
	if (fd < 0) {
		login_fail(l, FAULT_CONNECTION_LOST, "%s", connector->text);
		return;
	}
	stream_open(&b->stream, b->pools->loop, fd, &backend_stream_ops);
	backend_lend(b, &login_ops, l);
	if (!server_accept(server, b->host, fd, &why))
		login_fail(l, FAULT_AUTH_SPECIFICATION, "%s", why);
	else if (!server_has_tls(server, b->host))
		send_startup(l);
	else if (server->is_direct)
		secure(l);
	else
		ask_for_tls(l);
}

static void on_login_deadline(struct timer *timer)
{
	struct login *l = container_of(timer, struct login, deadline);

	login_fail(l, FAULT_CONNECTION_LOST,
		"no answer in time (connect_timeout), while %s",
		rows[l->state].label);
}

/* The shorter one of the option and the URL's. */
static uint64_t timeout_ms(const struct pools *pools)
{
	uint64_t ours = pools->config->connect_timeout;
	uint64_t of_url = pools->server->connect_timeout_ms;

	return of_url ? MIN(ours, of_url) : ours;
}

void login_start(struct backend *b)
{
	struct login *l = xnew(struct login);
	struct pools *pools = b->pools;

	l->backend = b;
	b->host = b->pool->host;
	l->n_open = 2;
	b->login = l;
	scram_client_init(&l->scram, (struct slice){ 0 });
	timer_init(&l->deadline, pools->loop, on_login_deadline);
	timer_start(&l->deadline, timeout_ms(pools), 0);
	server_connect(pools->server, b->host, &l->connector, pools->loop,
		timeout_ms(pools), on_login_connected);
}
