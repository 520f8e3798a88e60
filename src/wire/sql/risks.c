/*
 * What a database adds to what a text says: names whose use runs code that
 * nobody sees in the text. The set is made once for each look at a database
 * and read for every name of every statement, so what is not there must be
 * told fast: most words are turned away by their length and first letter.
 */
#include "wire/sql/sql_priv.h"

#include <stdlib.h>

#include "base/table.h"

struct risk {
	struct table_node node;
	uint32_t uses;	 /* enum sql_flag: when the name is there at all */
	uint32_t writes; /* and when the statement writes besides */
	uint32_t len;
	char name[];
};

struct sql_risks {
	uint32_t n_refs;
	uint32_t always;
	uint32_t ddl;
	/* Of the names that are not ASCII, whatever the client's encoding. */
	uint32_t odd_uses;
	uint32_t odd_writes;
	uint64_t lengths; /* a bit for each length there is */
	uint64_t firsts;  /* and for each first byte, modulo 64 */
	size_t n_hidden;  /* names with SQL_HIDDEN */
	struct table names;
	struct table harmless;
};

struct sql_risks *sql_risks_create(void)
{
	struct sql_risks *risks = xnew(struct sql_risks);

	risks->n_refs = 1;
	table_init(&risks->names);
	table_init(&risks->harmless);
	return risks;
}

struct sql_risks *sql_risks_ref(struct sql_risks *risks)
{
	if (risks)
		risks->n_refs++;
	return risks;
}

static void empty(struct table *t)
{
	struct table_node *node;

	while ((node = table_any(t))) {
		table_remove(t, node);
		free(container_of(node, struct risk, node));
	}
	table_deinit(t);
}

void sql_risks_unref(struct sql_risks *risks)
{
	if (!risks || --risks->n_refs)
		return;
	empty(&risks->names);
	empty(&risks->harmless);
	free(risks);
}

/* ---- adding ----------------------------------------------------------- */

static bool risk_equal(const struct table_node *node, const void *key)
{
	const struct risk *risk = container_of(node, struct risk, node);

	return slice_equal(
		slice_of(risk->name, risk->len), *(const struct slice *)key);
}

static struct risk *find(const struct table *t, struct slice name)
{
	struct table_node *node = table_find(
		t, table_hash(t, name.data, name.len), risk_equal, &name);

	return node ? container_of(node, struct risk, node) : NULL;
}

static struct risk *get(struct table *t, struct slice name)
{
	struct risk *risk = find(t, name);

	if (risk)
		return risk;
	risk = xcalloc(1, sizeof(*risk) + name.len);
	risk->len = (uint32_t)name.len;
	memcpy(risk->name, name.data, name.len);
	table_add(t, table_hash(t, name.data, name.len), &risk->node);
	return risk;
}

static bool is_ascii(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] & 0x80)
			return false;
	return true;
}

void sql_risks_add(struct sql_risks *risks, struct slice name, uint32_t uses,
	uint32_t writes)
{
	struct risk *risk;
	bool was_hidden;

	if (!name.len || name.len > SQL_NAME_MAX)
		return;
	if (!is_ascii(name)) {
		risks->odd_uses |= uses;
		risks->odd_writes |= writes;
	}
	risk = get(&risks->names, name);
	was_hidden = (risk->uses | risk->writes) & SQL_HIDDEN;
	risk->uses |= uses;
	risk->writes |= writes;
	if (!was_hidden && (uses | writes) & SQL_HIDDEN)
		risks->n_hidden++;
	risks->lengths |= UINT64_C(1) << name.len;
	risks->firsts |= UINT64_C(1) << (name.data[0] & 63);
}

void sql_risks_add_harmless(struct sql_risks *risks, struct slice name)
{
	if (is_ascii(name))
		get(&risks->harmless, name);
}

void sql_risks_add_always(struct sql_risks *risks, uint32_t flags)
{
	risks->always |= flags;
}

void sql_risks_add_ddl(struct sql_risks *risks, uint32_t flags)
{
	risks->ddl |= flags;
}

/* ---- asking ----------------------------------------------------------- */

bool sql_risks_are_none(const struct sql_risks *risks)
{
	return !risks->names.len && !risks->harmless.len && !risks->always &&
	       !risks->ddl;
}

size_t sql_risks_count(const struct sql_risks *risks)
{
	return risks->n_hidden;
}

uint32_t sql_risks_always(const struct sql_risks *risks)
{
	return risks->always;
}

static bool are_equal(const struct table *a, const struct table *b)
{
	if (a->len != b->len)
		return false;
	table_each (node, a) {
		struct risk *one = container_of(node, struct risk, node);
		struct risk *other = find(b, slice_of(one->name, one->len));

		if (!other || one->uses != other->uses ||
			one->writes != other->writes)
			return false;
	}
	return true;
}

bool sql_risks_equal(const struct sql_risks *a, const struct sql_risks *b)
{
	return a->always == b->always && a->ddl == b->ddl &&
	       are_equal(&a->names, &b->names) &&
	       are_equal(&a->harmless, &b->harmless);
}

/* ---- reading a statement ---------------------------------------------- */

static bool may_be(const struct sql_risks *risks, struct slice name)
{
	return name.len && risks->lengths >> name.len & 1 &&
	       risks->firsts >> (name.data[0] & 63) & 1;
}

/* What is stored for later runs nothing now, but what makes it may: ALTER
 * TABLE checks the rows there are. What it does then is looked for. */
static void risk_raise(struct sql_scanner *s, uint32_t uses, uint32_t writes)
{
	uint32_t mask = s->is_run || s->now.verb == SQL_VERB_DO ? UINT32_MAX
								: SQL_HIDDEN;

	sql_statement_raise(s, uses & mask);
	s->if_writes |= writes & mask;
}

void sql_risks_see(struct sql_scanner *s)
{
	const struct sql_risks *risks = s->risks;
	struct slice name = slice_of(s->text, s->len);
	struct risk *risk;

	if ((risks->odd_uses | risks->odd_writes) && !is_ascii(name))
		risk_raise(s, risks->odd_uses, risks->odd_writes);
	if (!may_be(risks, name))
		return;
	risk = find(&risks->names, name);
	if (risk)
		risk_raise(s, risk->uses, risk->writes);
}

bool sql_risks_is_harmless(
	const struct sql_risks *risks, const char *text, size_t len)
{
	return risks && risks->harmless.len &&
	       find(&risks->harmless, slice_of(text, len));
}

/* The verbs of transactions and sessions, which stand together in
 * proto/sql_verbs.def, evaluate nothing; two of them do. */
static bool is_running(enum sql_verb verb)
{
	return verb < SQL_VERB_BEGIN || verb > SQL_VERB_LOAD ||
	       verb == SQL_VERB_EXECUTE || verb == SQL_VERB_DECLARE;
}

void sql_risks_end(struct sql_scanner *s)
{
	const struct sql_risks *risks = s->risks;
	enum sql_verb verb = s->now.verb;

	if (s->now.flags & SQL_WRITES)
		sql_statement_raise(s, s->if_writes);
	if (is_running(verb))
		sql_statement_raise(s, s->always);
	if (!risks)
		return;
	/* What follows CREATE there: the catalogue, and upkeep, which may
	 * mean every table without naming one. */
	if (verb >= SQL_VERB_CREATE || s->now.flags & SQL_DDL)
		sql_statement_raise(s, risks->ddl);
	if (verb >= SQL_VERB_ANALYZE && risks->n_hidden)
		sql_statement_raise(s, SQL_HIDDEN);
}
