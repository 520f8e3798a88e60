/*
 * LISTEN, which a client must be able to rely on though it keeps no server
 * connection: for each database and user that listens, one connection of the
 * door's own, the hub, listens for all of its clients and hands out what
 * comes.
 *
 *     client: LISTEN a ──► its backend ──► (committed) ──► probe finds "a"
 *     hub:    LISTEN a, answered ──► backend: UNLISTEN *, ──► client: Z
 *
 * So the client's ReadyForQuery comes after the hub listens, and nothing is
 * lost in between. When a client that listens says NOTIFY, its ReadyForQuery
 * waits until the hub has been heard: it finds its own notification in front
 * of it, as in PostgreSQL.
 *
 * When a hub loses its connection it opens another, and its clients are told
 * by a WARNING that notifications may have been missed.
 */
#include "session/listen.h"

#include <stdlib.h>

enum {
	HUB_RETRY_MS = 1000,
	NOTES_MAX = 8 * 1024 * 1024, /* bytes that wait for one client */
};

struct hub {
	struct table_node node; /* in the door's hubs */
	struct log_scope log;
	struct door *door;
	struct flavour *flavour; /* ref */
	struct lease lease;
	struct backend *backend; /* NULL while there is none */
	struct timer retry;
	struct table channels;
	struct list asking; /* clients that wait, in order */
	uint64_t n_asked;   /* queries sent on this connection */
	uint64_t n_answered;
	uint32_t n_members;
	bool is_lost; /* a connection was lost: say so */
	bool is_closing;
};

struct channel {
	struct table_node node;
	struct list members;
	uint32_t len;
	char name[];
};

/* One client on one channel. */
struct member {
	struct list of_channel;
	struct list of_client;
	struct channel *channel;
	struct session *session;
};

struct listening {
	struct hub *hub;
	struct list members;
	struct list asking; /* in the hub's list */
	uint64_t awaits;    /* the hub's answer that lets us go on */
	struct buf notes;   /* messages that wait for a good moment */
};

/* ---- asking the hub --------------------------------------------------- */

static void hub_query(struct hub *hub, struct slice sql)
{
	struct buf *out = &hub->door->out;

	hub->n_asked++;
	if (!hub->backend)
		return; /* asked for when there is one */
	pg_put_query(out, sql);
	stream_write_slice(&hub->backend->stream, buf_slice(out));
	out->len = 0;
}

static void put_identifier(struct buf *sql, struct slice name)
{
	buf_put_u8(sql, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '"')
			buf_put_u8(sql, '"');
		buf_put_u8(sql, (uint8_t)name.data[i]);
	}
	buf_put_u8(sql, '"');
}

static void hub_command(
	struct hub *hub, const char *command, struct slice channel)
{
	CLEANUP(buf_deinit) struct buf sql = { 0 };

	buf_append_str(&sql, command);
	put_identifier(&sql, channel);
	hub_query(hub, buf_slice(&sql));
}

/* Everything there is to listen to, on a connection that is new. */
static void hub_listen_all(struct hub *hub)
{
	CLEANUP(buf_deinit) struct buf sql = { 0 };

	table_each (node, &hub->channels) {
		struct channel *c = container_of(node, struct channel, node);

		buf_append_str(&sql, "LISTEN ");
		put_identifier(&sql, slice_of(c->name, c->len));
		buf_append_str(&sql, ";");
	}
	/* This one answer stands for all that was asked meanwhile. */
	hub->n_answered = hub->n_asked;
	hub_query(hub, buf_slice(&sql));
	list_each (node, &hub->asking)
		list_entry(node, struct listening, asking)->awaits =
			hub->n_asked;
}

/* ---- handing out ------------------------------------------------------ */

/* Between two messages of an idle client. */
static bool is_good_moment(const struct session *s)
{
	if (s->state == SESSION_READY)
		return true;
	return s->tx == 'I' && s->backend && !s->backend->replies.len &&
	       !s->backend->body_left;
}

void listen_flush(struct session *s)
{
	struct listening *l = s->listening;

	if (!l || !l->notes.len)
		return;
	stream_write_slice(&s->stream, buf_slice(&l->notes));
	buf_deinit(&l->notes);
}

static void hand_to(struct session *s, uint32_t pid, struct slice channel,
	struct slice payload)
{
	struct listening *l = s->listening;
	struct fault f;

	if (s->backend && s->backend->pid == pid)
		pid = s->pid; /* its own */
	pg_put_notification(&l->notes, pid, channel, payload);
	if (is_good_moment(s))
		listen_flush(s);
	if (l->notes.len + stream_out_len(&s->stream) <= NOTES_MAX)
		return;
	fault_set(&f, FAULT_TOO_LARGE,
		"more notifications wait for this client than are kept");
	session_fatal(s, &f);
}

static bool channel_equal(const struct table_node *node, const void *key)
{
	const struct channel *c = container_of(node, struct channel, node);

	return slice_equal(
		slice_of(c->name, c->len), *(const struct slice *)key);
}

static struct channel *channel_find(struct hub *hub, struct slice name)
{
	struct table_node *node = table_find(&hub->channels,
		table_hash(&hub->channels, name.data, name.len), channel_equal,
		&name);

	return node ? container_of(node, struct channel, node) : NULL;
}

static void on_notification(struct hub *hub, struct slice body)
{
	struct reader r = reader_of(body);
	uint32_t pid = reader_u32(&r);
	struct slice name = reader_cstr(&r);
	struct slice payload = reader_cstr(&r);
	struct channel *c = channel_find(hub, name);

	if (!c || r.is_bad)
		return;
	list_each_safe (node, &c->members)
		hand_to(list_entry(node, struct member, of_channel)->session,
			pid, name, payload);
}

/* ---- the hub's connection --------------------------------------------- */

/* Who asked for what is answered now goes on. */
static void hub_answered(struct hub *hub)
{
	struct list *node;

	hub->n_answered++;
	while ((node = list_first(&hub->asking))) {
		struct listening *l =
			list_entry(node, struct listening, asking);
		struct member *m;

		if (l->awaits > hub->n_answered)
			return;
		list_remove(&l->asking);
		m = list_entry(
			list_first(&l->members), struct member, of_client);
		residue_listening(m->session);
	}
}

static size_t on_hub_input(void *tenant, struct backend *b, struct slice bytes)
{
	struct hub *hub = tenant;
	struct pg_head head;
	size_t used = 0;

	while (hub->backend == b) {
		struct slice rest = slice_from(bytes, used);
		struct slice body;

		if (pg_head_parse(rest, &head) != PG_HEAD_OK ||
			rest.len - PG_HEAD < head.len)
			break;
		body = slice_of(rest.data + PG_HEAD, head.len);
		used += PG_HEAD + (size_t)head.len;
		if (head.type == PG_BACK_NOTIFICATION)
			on_notification(hub, body);
		else if (head.type == PG_BACK_READY_FOR_QUERY)
			hub_answered(hub);
		else if (head.type == PG_BACK_ERROR_RESPONSE)
			log_warn(&hub->log, "hub.error", "%.*s",
				(int)MIN(pg_error_field(body, 'M').len, 200),
				pg_error_field(body, 'M').data);
	}
	return used;
}

static void on_hub_lost(void *tenant, struct backend *b, struct slice error)
{
	struct hub *hub = tenant;

	(void)b;
	(void)error;
	log_warn(&hub->log, "hub.lost",
		"the connection that listens for %u clients is gone",
		hub->n_members);
	hub->backend = NULL;
	hub->is_lost = true;
	timer_start(&hub->retry, 0, 0);
}

static const struct backend_ops hub_ops = {
	.input = on_hub_input,
	.lost = on_hub_lost,
};

/* Notifications of the time without a connection are gone. */
static void tell_of_gap(struct hub *hub)
{
	struct buf *out = &hub->door->out;

	table_each (node, &hub->channels) {
		struct channel *c = container_of(node, struct channel, node);

		list_each (at, &c->members) {
			struct session *s =
				list_entry(at, struct member, of_channel)
					->session;

			pg_put_notice(out, "WARNING", "01000",
				"notifications may have been missed: the server connection that listens was lost and opened again");
			buf_append_slice(&s->listening->notes, buf_slice(out));
			out->len = 0;
			if (is_good_moment(s))
				listen_flush(s);
		}
	}
	hub->is_lost = false;
}

static void on_hub_lease(
	struct lease *lease, struct backend *b, const struct lease_error *error)
{
	struct hub *hub = container_of(lease, struct hub, lease);

	if (!b) {
		struct slice text = pg_error_field(error->raw, 'M');

		log_warn(&hub->log, "hub.failed", "%.*s",
			(int)(text.len ? MIN(text.len, 200)
				       : strlen(error->fault.text)),
			text.len ? text.data : error->fault.text);
		timer_start(&hub->retry, HUB_RETRY_MS, 0);
		return;
	}
	hub->backend = b;
	backend_lend(b, &hub_ops, hub);
	hub_listen_all(hub);
	if (hub->is_lost)
		tell_of_gap(hub);
}

static void on_hub_retry(struct timer *timer)
{
	struct hub *hub = container_of(timer, struct hub, retry);
	struct fault f;

	if (pool_lease_apart(&hub->lease, &f))
		return;
	log_warn(&hub->log, "hub.failed", "%s", f.text);
	timer_start(&hub->retry, HUB_RETRY_MS, 0);
}

/* ---- hubs come and go ------------------------------------------------- */

static bool hub_equal(const struct table_node *node, const void *key)
{
	const struct hub *hub = container_of(node, struct hub, node);

	return flavour_pool(hub->flavour) == key;
}

static struct hub *hub_get(struct session *s)
{
	struct door *door = s->door;
	struct pool *pool = flavour_pool(s->flavour);
	uint64_t hash = table_hash(&door->hubs, &pool, sizeof(pool));
	struct table_node *node =
		table_find(&door->hubs, hash, hub_equal, pool);
	struct hub *hub;

	if (node)
		return container_of(node, struct hub, node);
	hub = xnew(struct hub);
	hub->door = door;
	hub->log = (struct log_scope){ "hub", ++door->n_ids };
	hub->flavour = flavour_get(door->pools, slice_str(pool_database(pool)),
		slice_str(pool_user(pool)), SLICE(""), NULL);
	hub->lease =
		(struct lease){ .flavour = hub->flavour, .done = on_hub_lease };
	table_init(&hub->channels);
	list_init(&hub->asking);
	timer_init(&hub->retry, door->loop, on_hub_retry);
	timer_start(&hub->retry, 0, 0);
	table_add(&door->hubs, hash, &hub->node);
	door->n_open++;
	return hub;
}

static void on_hub_closed(struct timer *timer)
{
	struct hub *hub = container_of(timer, struct hub, retry);
	struct door *door = hub->door;

	table_deinit(&hub->channels);
	flavour_unref(hub->flavour);
	free(hub);
	door_part_closed(door);
}

static void hub_close(struct hub *hub)
{
	struct backend *b = hub->backend;

	table_remove(&hub->door->hubs, &hub->node);
	hub->backend = NULL;
	lease_cancel(&hub->lease);
	if (b)
		backend_close(b);
	timer_close(&hub->retry, on_hub_closed);
}

void listen_evict(struct door *door, const char *database)
{
	table_each (node, &door->hubs) {
		struct hub *hub = container_of(node, struct hub, node);
		const char *name = pool_database(flavour_pool(hub->flavour));
		struct backend *b = hub->backend;

		if (!b || (database && strcmp(name, database) != 0))
			continue;
		on_hub_lost(hub, b, SLICE(""));
		backend_close(b);
	}
}

/* ---- members ---------------------------------------------------------- */

static struct member *member_find(struct session *s, struct slice name)
{
	if (!s->listening)
		return NULL;
	list_each (node, &s->listening->members) {
		struct member *m = list_entry(node, struct member, of_client);

		if (slice_equal(
			    slice_of(m->channel->name, m->channel->len), name))
			return m;
	}
	return NULL;
}

static void member_add(struct session *s, struct slice name)
{
	struct hub *hub = s->listening->hub;
	struct channel *c = channel_find(hub, name);
	struct member *m = xnew(struct member);

	if (!c) {
		c = xcalloc(1, sizeof(*c) + name.len);
		c->len = (uint32_t)name.len;
		memcpy(c->name, name.data, name.len);
		list_init(&c->members);
		table_add(&hub->channels,
			table_hash(&hub->channels, name.data, name.len),
			&c->node);
		hub_command(hub, "LISTEN ", name);
	}
	m->channel = c;
	m->session = s;
	list_push_back(&c->members, &m->of_channel);
	list_push_back(&s->listening->members, &m->of_client);
	hub->n_members++;
}

static void member_remove(struct hub *hub, struct member *m)
{
	struct channel *c = m->channel;

	list_remove(&m->of_channel);
	list_remove(&m->of_client);
	free(m);
	hub->n_members--;
	if (!list_empty(&c->members))
		return;
	hub_command(hub, "UNLISTEN ", slice_of(c->name, c->len));
	table_remove(&hub->channels, &c->node);
	free(c);
}

static void listening_end(struct session *s)
{
	struct listening *l = s->listening;

	listen_flush(s);
	list_remove(&l->asking);
	if (!l->hub->n_members)
		hub_close(l->hub);
	buf_deinit(&l->notes);
	free(l);
	s->listening = NULL;
}

void listen_drop(struct session *s)
{
	struct listening *l = s->listening;
	struct list *node;

	if (!l)
		return;
	while ((node = list_first(&l->members)))
		member_remove(
			l->hub, list_entry(node, struct member, of_client));
	buf_deinit(&l->notes);
	listening_end(s);
}

static bool is_among(struct slice name, struct slice names)
{
	while (names.len) {
		struct slice one = slice_cut(&names, '\0');

		if (slice_equal(one, name))
			return true;
	}
	return false;
}

/* Waits for the hub's answer to what it was asked last. */
static bool await_hub(struct listening *l)
{
	if (l->hub->n_answered == l->hub->n_asked && l->hub->backend)
		return false;
	l->awaits = l->hub->n_asked;
	list_remove(&l->asking);
	list_push_back(&l->hub->asking, &l->asking);
	return true;
}

bool listen_set(struct session *s, struct slice names)
{
	struct slice rest = names;

	if (!s->listening && !names.len)
		return false;
	if (!s->listening) {
		s->listening = xnew(struct listening);
		s->listening->hub = hub_get(s);
		list_init(&s->listening->members);
	}
	list_each_safe (node, &s->listening->members) {
		struct member *m = list_entry(node, struct member, of_client);

		if (!is_among(
			    slice_of(m->channel->name, m->channel->len), names))
			member_remove(s->listening->hub, m);
	}
	while (rest.len) {
		struct slice one = slice_cut(&rest, '\0');

		if (!member_find(s, one))
			member_add(s, one);
	}
	if (!names.len) {
		listening_end(s);
		return false;
	}
	return await_hub(s->listening);
}

bool listen_overhear(struct session *s, struct slice body, struct buf *out)
{
	struct reader r = reader_of(body);
	uint32_t pid = reader_u32(&r);
	struct slice name = reader_cstr(&r);
	struct slice payload = reader_cstr(&r);

	if (r.is_bad || member_find(s, name))
		return false;
	if (s->backend->pid == pid)
		pid = s->pid;
	pg_put_notification(out, pid, name, payload);
	return true;
}

bool listen_hear(struct session *s)
{
	if (!s->listening)
		return false;
	hub_query(s->listening->hub, SLICE(""));
	return await_hub(s->listening);
}

void listen_put_commands(struct session *s, struct buf *sql)
{
	if (!s->listening)
		return;
	list_each (node, &s->listening->members) {
		struct channel *c =
			list_entry(node, struct member, of_client)->channel;

		buf_append_str(sql, "LISTEN ");
		put_identifier(sql, slice_of(c->name, c->len));
		buf_append_str(sql, ";");
	}
}
