/*
 * What of a database runs code that may change a session: worked out from
 * what proto/risks.sql finds in its catalogue.
 *
 * A node is a row of the catalogue; an edge says that using one means using
 * another. Each node has the flags of what its use does, and of what a change
 * of it does:
 *
 *     function audit()        uses: HIDDEN      its body says set_config
 *        ▲ "="
 *     trigger on orders       uses: HIDDEN
 *        ▲ "w"
 *     table orders            writes: HIDDEN    reading it runs nothing
 *        ▲ "="
 *     view recent_orders      writes: HIDDEN
 *
 * Flags go up along the edges until nothing changes. The bodies of functions
 * are read for words; the name of anything, as a word in one, is an edge.
 */
#include "pool/pool_priv.h"

#include <stdlib.h>

enum {
	GRAPH_PARTS = 500 * 1000,   /* nodes and edges */
	GRAPH_BYTES = 64 * 1000000, /* of rows */
	GRAPH_SETTINGS = 200,	    /* custom settings asked for by name */
	GRAPH_ALWAYS = 0,	    /* what any statement uses */
	GRAPH_DDL = 1,		    /* what changes of the catalogue use */
};

struct edge {
	struct edge *next;
	struct node *user;
	char mode; /* as in proto/risks.sql; m: a word in a body */
};

struct node {
	struct table_node by_id;
	struct table_node by_word;
	struct node *same_word; /* another object under that word */
	struct node *next;	/* to be looked at */
	struct edge *users;
	char *name;	  /* owned; NULL: nothing that a text names */
	uint64_t id;	  /* the catalogue's oid and the row's */
	uint64_t seen;	  /* the last body that mentions it */
	uint32_t uses;	  /* enum sql_flag: what its use may do */
	uint32_t writes;  /* and what a change of it may do besides */
	char kind;	  /* f, r, t: function, relation, type */
	bool is_harmless; /* a function known to compute only */
	bool is_writing;  /* its body changes tables */
	bool is_waiting;  /* in the list of those to be looked at */
};

struct graph {
	struct table ids;
	struct table words;
	struct node *waiting;
	struct node *body; /* whose is being read */
	struct sql_stored stored;
	struct buf settings; /* name\0 name\0 ... */
	size_t n_settings;
	size_t n_parts;
	size_t n_bytes;
	uint64_t n_bodies;
	bool is_bad; /* too much, or no row of ours */
};

/* ---- life ------------------------------------------------------------- */

static sql_stored_fn on_word, on_setting;

struct graph *graph_create(void)
{
	struct graph *g = xnew(struct graph);

	table_init(&g->ids);
	table_init(&g->words);
	g->stored.word_seen = on_word;
	g->stored.setting_seen = on_setting;
	g->stored.ctx = g;
	return g;
}

static void node_destroy(struct node *n)
{
	struct edge *e;

	while ((e = n->users)) {
		n->users = e->next;
		free(e);
	}
	free(n->name);
	free(n);
}

void graph_destroy(struct graph *g)
{
	struct table_node *at;

	if (!g)
		return;
	while ((at = table_any(&g->ids))) {
		table_remove(&g->ids, at);
		node_destroy(container_of(at, struct node, by_id));
	}
	table_deinit(&g->ids);
	table_deinit(&g->words);
	buf_deinit(&g->settings);
	free(g);
}

static void count_part(struct graph *g)
{
	g->is_bad |= ++g->n_parts > GRAPH_PARTS;
}

/* ---- nodes and edges -------------------------------------------------- */

static bool id_equal(const struct table_node *at, const void *key)
{
	return container_of(at, struct node, by_id)->id ==
	       *(const uint64_t *)key;
}

static struct node *node_get(struct graph *g, uint64_t id)
{
	uint64_t hash = table_hash(&g->ids, &id, sizeof(id));
	struct table_node *at = table_find(&g->ids, hash, id_equal, &id);
	struct node *n;

	if (at)
		return container_of(at, struct node, by_id);
	n = xnew(struct node);
	n->id = id;
	table_add(&g->ids, hash, &n->by_id);
	count_part(g);
	return n;
}

static struct slice node_word(const struct node *n, char *room)
{
	return slice_of(room, sql_stored_word(slice_str(n->name), room));
}

static bool word_equal(const struct table_node *at, const void *key)
{
	char room[SQL_NAME_MAX];

	return slice_equal(
		node_word(container_of(at, struct node, by_word), room),
		*(const struct slice *)key);
}

/* The first of those that are known by this word. */
static struct node *nodes_of_word(struct graph *g, struct slice word)
{
	struct table_node *at = table_find(&g->words,
		table_hash(&g->words, word.data, word.len), word_equal, &word);

	return at ? container_of(at, struct node, by_word) : NULL;
}

static void node_name(
	struct graph *g, struct node *n, struct slice name, char kind)
{
	char room[SQL_NAME_MAX];
	struct slice word;
	struct node *first;

	if (n->name)
		return;
	n->name = slice_dup(name);
	n->kind = kind;
	word = node_word(n, room);
	first = nodes_of_word(g, word);
	if (first) {
		n->same_word = first->same_word;
		first->same_word = n;
		return;
	}
	table_add(&g->words, table_hash(&g->words, word.data, word.len),
		&n->by_word);
}

static void edge_add(
	struct graph *g, struct node *user, struct node *used, char mode)
{
	struct edge *e;

	if (user == used)
		return;
	e = xnew(struct edge);
	e->user = user;
	e->mode = mode;
	e->next = used->users;
	used->users = e;
	count_part(g);
}

static void node_raise(
	struct graph *g, struct node *n, uint32_t uses, uint32_t writes)
{
	if ((n->uses | uses) == n->uses && (n->writes | writes) == n->writes)
		return;
	n->uses |= uses;
	n->writes |= writes;
	if (n->is_waiting)
		return;
	n->is_waiting = true;
	n->next = g->waiting;
	g->waiting = n;
}

/* ---- bodies ----------------------------------------------------------- */

static void on_word(void *ctx, struct slice word)
{
	struct graph *g = ctx;
	struct node *n;

	for (n = nodes_of_word(g, word); n; n = n->same_word) {
		if (n->seen != g->n_bodies)
			edge_add(g, g->body, n, n->kind == 'r' ? 'm' : '=');
		n->seen = g->n_bodies;
	}
}

static bool has_setting(const struct graph *g, struct slice name)
{
	struct slice rest = buf_slice(&g->settings);

	while (rest.len)
		if (slice_equal(slice_cut(&rest, '\0'), name))
			return true;
	return false;
}

static void on_setting(void *ctx, struct slice name)
{
	struct graph *g = ctx;

	if (has_setting(g, name))
		return;
	if (g->n_settings++ < GRAPH_SETTINGS)
		buf_put_cstr(&g->settings, name);
}

static void body_end(struct graph *g)
{
	struct node *n = g->body;

	if (!n)
		return;
	sql_stored_end(&g->stored);
	n->is_writing = g->stored.is_writing;
	node_raise(g, n, g->stored.flags | (n->is_writing ? SQL_WRITES : 0), 0);
	g->body = NULL;
}

static void body_begin(struct graph *g, struct node *n, struct slice language)
{
	body_end(g);
	g->body = n;
	g->n_bodies++;
	g->stored.has_globals =
		!slice_is(language, "sql") && !slice_is(language, "plpgsql");
	sql_stored_begin(&g->stored);
}

/* ---- rows ------------------------------------------------------------- */

struct graph_row {
	struct slice kind, id, ref, mode, text;
};

static bool row_read(struct slice body, struct graph_row *ret)
{
	struct reader r = reader_of(body);

	return reader_u16(&r) == 5 && pg_row_next(&r, &ret->kind) &&
	       pg_row_next(&r, &ret->id) && pg_row_next(&r, &ret->ref) &&
	       pg_row_next(&r, &ret->mode) && pg_row_next(&r, &ret->text) &&
	       ret->kind.len == 1;
}

static void add_edge(
	struct graph *g, struct node *user, const struct graph_row *row)
{
	uint64_t ref;

	if (num_parse_u64(row->ref, &ref) < 0 || row->mode.len != 1)
		g->is_bad = true;
	else
		edge_add(g, user, node_get(g, ref), row->mode.data[0]);
}

static void add_row(
	struct graph *g, struct node *n, const struct graph_row *row)
{
	switch (row->kind.data[0]) {
	case 'n':
		if (row->mode.len == 1)
			node_name(g, n, row->text, row->mode.data[0]);
		break;
	case 'h':
		n->is_harmless = true;
		break;
	case 'x':
		node_raise(g, n, SQL_HIDDEN, 0);
		break;
	case 'l':
		node_raise(g, n, SQL_HIDDEN | SQL_LOADS, 0);
		break;
	case 'w':
		node_raise(g, n, sql_stored_call(row->text), 0);
		break;
	case 'e':
		add_edge(g, n, row);
		break;
	case 'f':
		body_begin(g, n, row->mode);
		sql_stored_feed(&g->stored, row->text);
		break;
	case 'b':
		if (g->body == n)
			sql_stored_feed(&g->stored, row->text);
		break;
	default:
		g->is_bad = true;
	}
}

bool graph_add(struct graph *g, struct slice body)
{
	struct graph_row row;
	uint64_t id;

	g->n_bytes += body.len;
	g->is_bad |= g->n_bytes > GRAPH_BYTES || !row_read(body, &row);
	if (g->is_bad)
		return false;
	if (row.kind.data[0] == 'c')
		on_setting(g, row.text);
	else if (num_parse_u64(row.id, &id) < 0)
		g->is_bad = true;
	else
		add_row(g, node_get(g, id), &row);
	return !g->is_bad;
}

/* ---- the result ------------------------------------------------------- */

static void follow(struct graph *g, const struct node *n, const struct edge *e)
{
	struct node *user = e->user;
	uint32_t both = n->uses | n->writes;
	char mode = e->mode;

	if (mode == 'm')
		mode = user->is_writing ? 'r' : 'u';
	switch (mode) {
	case 'w':
		node_raise(g, user, 0, both);
		break;
	case 'r':
		node_raise(g, user, both, 0);
		break;
	case 'u':
		node_raise(g, user, n->uses, 0);
		break;
	default:
		node_raise(g, user, n->uses, n->writes);
	}
}

static void spread(struct graph *g)
{
	struct node *n;

	while ((n = g->waiting)) {
		g->waiting = n->next;
		n->is_waiting = false;
		for (struct edge *e = n->users; e; e = e->next)
			follow(g, n, e);
	}
}

/* All functions of that name are, and none of them does anything. */
static bool is_harmless(struct graph *g, const struct node *n)
{
	char room[SQL_NAME_MAX];
	struct node *other = nodes_of_word(g, node_word(n, room));

	for (; other; other = other->same_word)
		if (other->kind == 'f' && !strcmp(other->name, n->name) &&
			(!other->is_harmless || other->uses))
			return false;
	return n->kind == 'f' && n->is_harmless;
}

/* Does a statement that has the name in it do something besides? A call of a
 * function that writes is suspected without us. */
static bool is_worth_telling(const struct node *n)
{
	uint32_t flags = n->uses | n->writes;

	if (n->kind == 'f')
		flags &= ~(uint32_t)SQL_WRITES;
	return n->name && n->kind != 'g' && flags;
}

static void tell_node(
	struct graph *g, const struct node *n, struct sql_risks *risks)
{
	/* More settings than can be asked for by their names. */
	uint32_t more = g->n_settings > GRAPH_SETTINGS ? SQL_CUSTOM_SETTING : 0;
	uint32_t uses = n->uses;
	/* These a statement that writes has anyhow. */
	uint32_t writes = n->writes & ~(uint32_t)(SQL_SEQUENCE | SQL_WRITES);

	if (uses & SQL_HIDDEN)
		uses |= more;
	if (writes & SQL_HIDDEN)
		writes |= more;
	if (n->id == GRAPH_ALWAYS)
		sql_risks_add_always(risks, uses | writes);
	else if (n->id == GRAPH_DDL)
		sql_risks_add_ddl(risks, uses | writes);
	else if (is_worth_telling(n) && n->kind == 't')
		sql_risks_add(risks, slice_str(n->name), uses | writes, 0);
	else if (is_worth_telling(n) && (uses | writes))
		sql_risks_add(risks, slice_str(n->name), uses, writes);
	else if (n->name && is_harmless(g, n))
		sql_risks_add_harmless(risks, slice_str(n->name));
}

struct sql_risks *graph_risks(struct graph *g)
{
	struct sql_risks *risks = sql_risks_create();

	body_end(g);
	spread(g);
	table_each (at, &g->ids)
		tell_node(g, container_of(at, struct node, by_id), risks);
	return risks;
}

struct slice graph_settings(const struct graph *g)
{
	return buf_slice(&g->settings);
}
