/*
 * Rows of clients and server connections, for SHOW CLIENTS, SERVERS and
 * SOCKETS. Everything that can be asked of the kernel is asked here rather
 * than kept: who looks is rare, clients are many.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "session/console.h"
#include "session/prepared.h"
#include "session/source.h"

enum {
	APPLICATION_MAX = 63
}; /* as PostgreSQL cuts it */

/* The servers of SHOW SOCKETS come behind the clients. */
#define SERVERS_FROM (UINT64_C(1) << 63)

enum table_kind {
	TABLE_PLAIN,   /* SHOW CLIENTS, SHOW SERVERS */
	TABLE_BUFFERS, /* SHOW SOCKETS */
	TABLE_ACTIVE,  /* the same, of those at work */
};

/* When this page is made. */
struct moment {
	time_t wall;
	uint64_t ms; /* loop_now() */
	uint64_t us; /* loop_clock_us() */
};

static struct moment moment_now(const struct door *door)
{
	return (struct moment){
		.wall = time(NULL),
		.ms = loop_now(door->loop),
		.us = loop_clock_us(),
	};
}

/* ---- fields ----------------------------------------------------------- */

static void put_text(struct buf *page, const char *text)
{
	pg_put_field(page, slice_str(text));
}

static void put_number(struct buf *page, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	put_text(page, text);
}

/* So many seconds ago, as PgBouncer writes it. */
static void put_time(struct buf *page, const struct moment *m, uint64_t ago_s)
{
	time_t t = m->wall - (time_t)ago_s;
	struct tm tm;
	char text[40];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	put_text(page, text);
}

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *len);

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

static union address address_of(const struct stream *s, name_fn *get_name)
{
	union address a = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(a);

	/* Before it is connected there is no socket to ask. */
	if (s->loop && get_name(s->fd, &a.any, &len) < 0)
		a.any.sa_family = AF_UNSPEC;
	return a;
}

uint16_t socket_local_port(const struct session *s)
{
	union address a = address_of(&s->stream, getsockname);

	if (a.any.sa_family == AF_INET)
		return ntohs(a.in.sin_port);
	return a.any.sa_family == AF_INET6 ? ntohs(a.in6.sin6_port) : 0;
}

/* Two fields: address and port. */
static void put_address(
	struct buf *page, const struct stream *s, name_fn *get_name)
{
	union address a = address_of(s, get_name);
	char text[INET6_ADDRSTRLEN] = "";
	uint16_t port = 0;

	if (a.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof(text));
		port = ntohs(a.in.sin_port);
	} else if (a.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text));
		port = ntohs(a.in6.sin6_port);
	} else if (a.any.sa_family == AF_UNIX) {
		memcpy(text, "unix", 5);
	}
	put_text(page, text);
	put_number(page, port);
}

/* The process at the other end of a unix socket. */
static uint64_t peer_pid(const struct session *s)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (!s->is_unix || getsockopt(s->stream.fd, SOL_SOCKET, SO_PEERCRED,
				   &peer, &len) < 0)
		return 0;
	return (uint64_t)peer.pid;
}

/* "s0.17": a name for the row that no other row has. */
static void put_row_name(struct buf *page, char type, const struct door *door,
	const struct log_scope *log)
{
	char text[40];

	snprintf(text, sizeof(text), "%c%u.%llu", type, door->worker,
		(unsigned long long)log->id);
	put_text(page, text);
}

static void put_tls(struct buf *page, const struct stream *s)
{
	char text[128] = "";

	if (s->tls)
		snprintf(text, sizeof(text), "%s/%s", tls_version(s),
			tls_cipher(s));
	put_text(page, text);
}

static void put_application(struct buf *page, struct slice name)
{
	pg_put_field(page, slice_of(name.data, MIN(name.len, APPLICATION_MAX)));
}

static struct slice application_in(const struct settings *settings)
{
	return pg_startup_get(
		settings_pairs(settings), SLICE("application_name"));
}

/* As PgBouncer names states in SHOW SOCKETS. */
static void put_state(struct buf *page, const char *prefix, const char *label,
	enum table_kind kind)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%s", kind == TABLE_PLAIN ? "" : prefix,
		label);
	put_text(page, text);
}

static void put_buffers(
	struct buf *page, const struct stream *s, uint32_t message_left)
{
	put_number(page, s->in_len);
	put_number(page, 0); /* what waits begins where the buffer does */
	put_number(page, message_left);
	put_number(page, 0);
	put_number(page, stream_out_len(s));
	put_number(page, s->in_len);
	put_number(page, stream_out_len(s));
}

/* ---- clients ---------------------------------------------------------- */

static void put_pins(struct buf *page, uint16_t pins)
{
	static const char *const labels[] = {
#define PIN(name, label, what) label,
#include "proto/pins.def"
#undef PIN
	};
	CLEANUP(buf_deinit) struct buf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		if (pins & BIT(i))
			buf_printf(
				&text, "%s%s", text.len ? "," : "", labels[i]);
	pg_put_field(page, buf_slice(&text));
}

static struct startup_who who_is(const struct session *s)
{
	if (s->console)
		return console_who(s);
	if (s->startup)
		return startup_who(s);
	return (struct startup_who){
		.user = pool_user(flavour_pool(s->flavour)),
		.database = pool_database(flavour_pool(s->flavour)),
		.application = application_in(s->settings),
	};
}

static bool client_is_active(const struct session *s)
{
	return s->stream.in_len || stream_out_len(&s->stream) ||
	       s->front_left || (s->backend && s->backend->replies.len);
}

static void put_client_link(struct buf *page, const struct session *s)
{
	put_row_name(page, 'c', s->door, &s->log);
	if (s->backend)
		put_row_name(page, 's', s->door, &s->backend->log);
	else
		put_text(page, "");
}

static void put_client(struct buf *page, const struct session *s,
	const struct moment *m, enum table_kind kind)
{
	struct startup_who who = who_is(s);
	uint64_t age_s = (m->ms - s->connected_at) / 1000;
	bool is_waiting = s->state == SESSION_WAITING;
	uint64_t wait_us = is_waiting ? m->us - s->lease.since_us : 0;

	put_text(page, "C");
	put_text(page, who.user);
	put_text(page, who.database);
	put_state(page, "cl_", session_state_name((enum session_state)s->state),
		kind);
	put_address(page, &s->stream, getpeername);
	put_address(page, &s->stream, getsockname);
	put_time(page, m, age_s);
	put_time(page, m,
		is_waiting	? wait_us / 1000000
		: s->request_us ? (m->us - s->request_us) / 1000000
				: age_s);
	put_number(page, wait_us / 1000000);
	put_number(page, wait_us % 1000000);
	put_number(page, 0);
	put_client_link(page, s);
	put_number(page, peer_pid(s));
	put_tls(page, &s->stream);
	put_application(page, who.application);
	if (kind != TABLE_PLAIN)
		put_buffers(page, &s->stream, s->front_left);
	put_number(page, s->door->worker);
	if (kind != TABLE_PLAIN)
		return;
	put_pins(page, s->pins);
	put_number(page, is_waiting ? s->lease.position : 0);
	put_number(page, names_count(s));
}

/* In the order of their ids, which is that of the list. */
static uint64_t put_clients(struct door *door, uint64_t cursor,
	struct buf *page, enum table_kind kind)
{
	struct moment m = moment_now(door);

	if (kind == TABLE_PLAIN && door->n_sessions[SESSION_WAITING])
		pools_number_queues(door->pools);
	list_each (node, &door->all) {
		struct session *s = list_entry(node, struct session, in_all);

		if (s->log.id <= cursor || s->state == SESSION_FINISHING ||
			(kind == TABLE_ACTIVE && !client_is_active(s)))
			continue;
		put_client(page, s, &m, kind);
		if (page->len > CONSOLE_PAGE)
			return s->log.id;
	}
	return 0;
}

uint64_t source_clients(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)argument;
	return put_clients(door, cursor, page, TABLE_PLAIN);
}

/* ---- server connections ----------------------------------------------- */

struct server_list {
	struct backend **at;
	size_t n;
	uint64_t from; /* an id */
};

static void list_server(void *ctx, struct backend *b)
{
	struct server_list *list = ctx;

	if (b->log.id <= list->from || b->state == BACKEND_CLOSING)
		return;
	list->at = xrealloc(list->at, (list->n + 1) * sizeof(struct backend *));
	list->at[list->n++] = b;
}

static int by_id(const void *a, const void *b)
{
	const struct backend *x = *(struct backend *const *)a;
	const struct backend *y = *(struct backend *const *)b;

	return (x->log.id > y->log.id) - (x->log.id < y->log.id);
}

static bool server_is_active(const struct backend *b)
{
	return b->stream.in_len || stream_out_len(&b->stream) || b->body_left ||
	       b->replies.len;
}

static void put_server_link(
	struct buf *page, const struct door *door, const struct backend *b)
{
	const struct session *s = b->tenant;

	put_row_name(page, 's', door, &b->log);
	if (b->ops == &relay_ops)
		put_row_name(page, 'c', door, &s->log);
	else
		put_text(page, "");
}

static void put_server(struct buf *page, const struct door *door,
	const struct backend *b, const struct moment *m, enum table_kind kind)
{
	uint64_t age_s = (m->ms - b->opened_at) / 1000;
	char tx[2] = { b->tx, '\0' };

	put_text(page, "S");
	put_text(page, pool_user(b->pool));
	put_text(page, pool_database(b->pool));
	put_state(page, "sv_", backend_state_name(b->state), kind);
	put_address(page, &b->stream, getpeername);
	put_address(page, &b->stream, getsockname);
	put_time(page, m, age_s);
	put_time(page, m,
		b->transaction_us ? (m->us - b->transaction_us) / 1000000
				  : age_s);
	put_number(page, 0);
	put_number(page, 0);
	put_number(page, b->must_close);
	put_server_link(page, door, b);
	put_number(page, b->pid);
	put_tls(page, &b->stream);
	put_application(page, application_in(b->settings));
	if (kind != TABLE_PLAIN)
		put_buffers(page, &b->stream, b->body_left);
	put_number(page, door->worker);
	if (kind != TABLE_PLAIN)
		return;
	put_text(page, tx);
	put_number(page, b->is_apart);
	put_number(page, b->prepared.len);
}

static uint64_t put_servers(struct door *door, uint64_t cursor,
	struct buf *page, enum table_kind kind)
{
	struct moment m = moment_now(door);
	struct server_list list = { .from = cursor };
	uint64_t next = 0;

	pools_each_backend(door->pools, list_server, &list);
	if (list.n)
		qsort(list.at, list.n, sizeof(*list.at), by_id);
	for (size_t i = 0; i < list.n && !next; i++) {
		if (kind == TABLE_ACTIVE && !server_is_active(list.at[i]))
			continue;
		put_server(page, door, list.at[i], &m, kind);
		if (page->len > CONSOLE_PAGE)
			next = list.at[i]->log.id;
	}
	free(list.at);
	return next;
}

uint64_t source_servers(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)argument;
	return put_servers(door, cursor, page, TABLE_PLAIN);
}

/* ---- both ------------------------------------------------------------- */

static uint64_t put_sockets(struct door *door, uint64_t cursor,
	struct buf *page, enum table_kind kind)
{
	uint64_t next;

	if (!(cursor & SERVERS_FROM)) {
		next = put_clients(door, cursor, page, kind);
		return next ? next : SERVERS_FROM;
	}
	next = put_servers(door, cursor & ~SERVERS_FROM, page, kind);
	return next ? next | SERVERS_FROM : 0;
}

uint64_t source_sockets(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)argument;
	return put_sockets(door, cursor, page, TABLE_BUFFERS);
}

uint64_t source_active_sockets(struct door *door, const char *argument,
	uint64_t cursor, struct buf *page)
{
	(void)argument;
	return put_sockets(door, cursor, page, TABLE_ACTIVE);
}
