/*
 * The extended protocol of the console, as far as drivers need it to run a
 * command without parameters: prepared statements with and without names,
 * one portal at a time.
 *
 * A limit on the rows of Execute is not kept: the table comes whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "session/console.h"

/* ---- prepared statements ---------------------------------------------- */

static void prepared_unref(struct prepared_command *p)
{
	if (!p || --p->n_refs)
		return;
	admin_command_deinit(&p->command);
	free(p);
}

static struct prepared_command *prepared_find(
	struct console *c, struct slice name)
{
	list_each (node, &c->names) {
		struct prepared_command *p =
			list_entry(node, struct prepared_command, link);

		if (slice_is(name, p->name))
			return p;
	}
	return NULL;
}

static void prepared_forget(struct console *c, struct prepared_command *p)
{
	if (!p)
		return;
	list_remove(&p->link);
	c->n_names--;
	c->names_size -= p->size;
	prepared_unref(p);
}

void extended_drop(struct console *c)
{
	prepared_unref(c->portal);
	free(c->portal_name);
	c->portal = NULL;
	c->portal_name = NULL;
	c->binary = 0;
}

bool extended_forget(struct console *c, const char *name)
{
	struct prepared_command *p;
	struct list *node;

	if (name) {
		p = prepared_find(c, slice_str(name));
		prepared_forget(c, p);
		return p != NULL;
	}
	while ((node = list_first(&c->names)))
		prepared_forget(
			c, list_entry(node, struct prepared_command, link));
	return true;
}

void extended_deinit(struct console *c)
{
	extended_drop(c);
	extended_forget(c, NULL);
}

/* ---- what can be wrong ------------------------------------------------ */

static void refuse(struct console *c, enum fault_code code, const char *what)
{
	struct fault f;

	fault_set(&f, code, "%s", what);
	console_error(c, &f);
}

static void bad_message(struct console *c)
{
	refuse(c, FAULT_PROTOCOL, "invalid message format");
}

static void no_statement(struct console *c, struct slice name)
{
	struct fault f;

	fault_set(&f, FAULT_NO_STATEMENT,
		"prepared statement \"%.*s\" does not exist",
		(int)MIN(name.len, 63), name.data);
	console_error(c, &f);
}

/* ---- Parse ------------------------------------------------------------ */

/* One statement, or none: the row is NULL then. */
static int read_one(
	struct slice sql, struct admin_command *ret, struct fault *f)
{
	struct slice statement, another;

	*ret = (struct admin_command){ 0 };
	if (!admin_next(&sql, &statement))
		return 0;
	if (!admin_next(&sql, &another))
		return admin_parse(statement, ret, f);
	fault_set(f, FAULT_SYNTAX,
		"cannot insert multiple commands into a prepared statement");
	return -EINVAL;
}

/* size: of the message it came in, which is more than it takes. */
static void prepare(struct console *c, struct slice name,
	struct admin_command *command, size_t size)
{
	struct prepared_command *p = xcalloc(1, sizeof(*p) + name.len + 1);

	memcpy(p->name, name.data, name.len);
	p->n_refs = 1;
	p->size = size;
	p->command = *command;
	list_push_front(&c->names, &p->link);
	c->n_names++;
	c->names_size += size;
	pg_put_empty(&c->door->out, PG_BACK_PARSE_COMPLETE);
	session_send(c->session);
}

static void on_parse(struct console *c, struct slice body)
{
	struct admin_command command;
	struct pg_parse parse;
	struct fault f;

	if (!pg_parse_read(body, &parse)) {
		bad_message(c);
		return;
	}
	if (!parse.name.len)
		prepared_forget(c, prepared_find(c, parse.name));
	if (prepared_find(c, parse.name)) {
		fault_set(&f, FAULT_DUPLICATE_STATEMENT,
			"prepared statement \"%.*s\" already exists",
			(int)MIN(parse.name.len, 63), parse.name.data);
		console_error(c, &f);
	} else if (c->n_names == CONSOLE_NAMES_MAX ||
		   body.len > CONSOLE_NAMES_BYTES - c->names_size) {
		refuse(c, FAULT_TOO_LARGE,
			"the admin console keeps no more prepared statements");
	} else if (read_one(parse.sql, &command, &f) < 0) {
		console_error(c, &f);
	} else {
		prepare(c, parse.name, &command, body.len);
	}
}

/* ---- Bind ------------------------------------------------------------- */

/* The formats the columns are wanted in: none is text, one is for all. */
static bool read_formats(struct reader *r, size_t n_columns, uint32_t *ret)
{
	uint16_t n = reader_u16(r);
	uint32_t binary = 0;

	if (n > 1 && n != n_columns)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint16_t format = reader_u16(r);

		if (format > 1)
			return false;
		if (format)
			binary |= n == 1 ? UINT32_MAX : BIT(i);
	}
	*ret = binary;
	return true;
}

/* False when it has parameters, or is malformed. */
static bool read_bind(struct slice rest, size_t n_columns, uint32_t *ret_binary)
{
	struct reader r = reader_of(rest);
	uint16_t n_formats = reader_u16(&r);

	reader_bytes(&r, 2u * n_formats);
	return reader_u16(&r) == 0 && read_formats(&r, n_columns, ret_binary) &&
	       reader_done(&r);
}

static void on_bind(struct console *c, struct slice body)
{
	struct slice portal, statement, rest;
	struct prepared_command *p;
	uint32_t binary = 0;
	size_t n = 0, n_all;

	if (!pg_bind_names(body, &portal, &statement, &rest)) {
		bad_message(c);
		return;
	}
	p = prepared_find(c, statement);
	if (!p) {
		no_statement(c, statement);
		return;
	}
	if (p->command.row)
		console_columns(c, p->command.row, &n, &n_all);
	if (!read_bind(rest, n, &binary)) {
		refuse(c, FAULT_PROTOCOL,
			"commands of the admin console take no parameters");
		return;
	}
	extended_drop(c);
	p->n_refs++;
	c->portal = p;
	c->portal_name = slice_dup(portal);
	c->binary = binary;
	pg_put_empty(&c->door->out, PG_BACK_BIND_COMPLETE);
	session_send(c->session);
}

static bool is_portal(struct console *c, struct slice name)
{
	struct fault f;

	if (c->portal && slice_is(name, c->portal_name))
		return true;
	fault_set(&f, FAULT_NO_PORTAL, "portal \"%.*s\" does not exist",
		(int)MIN(name.len, 63), name.data);
	console_error(c, &f);
	return false;
}

/* ---- Describe, Execute, Close ----------------------------------------- */

static void put_description(
	struct console *c, const struct admin_command *command)
{
	struct buf *out = &c->door->out;
	const struct pg_column *columns = NULL;
	size_t n = 0, n_all;

	if (command->row)
		columns = console_columns(c, command->row, &n, &n_all);
	if (n)
		pg_put_row_description(out, columns, n, c->binary);
	else
		pg_put_empty(out, PG_BACK_NO_DATA);
	session_send(c->session);
}

static void describe_statement(struct console *c, struct slice name)
{
	struct prepared_command *p = prepared_find(c, name);
	struct buf *out = &c->door->out;
	uint32_t binary = c->binary;
	size_t begun;

	if (!p) {
		no_statement(c, name);
		return;
	}
	begun = pg_begin(out, PG_BACK_PARAMETER_DESCRIPTION);
	buf_put_u16(out, 0);
	pg_end(out, begun);
	c->binary = 0; /* it is not known yet */
	put_description(c, &p->command);
	c->binary = binary;
}

static void on_describe(struct console *c, struct slice body)
{
	struct slice name;
	char kind;

	if (!pg_target_read(body, &kind, &name))
		bad_message(c);
	else if (kind == 'S')
		describe_statement(c, name);
	else if (kind != 'P')
		bad_message(c);
	else if (is_portal(c, name))
		put_description(c, &c->portal->command);
}

static void on_execute(struct console *c, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice name = reader_cstr(&r);

	reader_u32(&r);
	if (!reader_done(&r)) {
		bad_message(c);
	} else if (is_portal(c, name)) {
		if (c->portal->command.row) {
			admin_command_copy(&c->portal->command, &c->command);
			console_start(c);
			return;
		}
		pg_put_empty(&c->door->out, PG_BACK_EMPTY_QUERY_RESPONSE);
		session_send(c->session);
	}
}

static void on_close(struct console *c, struct slice body)
{
	struct slice name;
	char kind;

	if (!pg_target_read(body, &kind, &name)) {
		bad_message(c);
		return;
	}
	if (kind == 'S')
		prepared_forget(c, prepared_find(c, name));
	else if (c->portal && slice_is(name, c->portal_name))
		extended_drop(c);
	pg_put_empty(&c->door->out, PG_BACK_CLOSE_COMPLETE);
	session_send(c->session);
}

static void on_sync(struct console *c, struct slice body)
{
	(void)body;
	c->is_skipping = false;
	extended_drop(c);
	console_ready(c);
}

static void on_flush(struct console *c, struct slice body)
{
	(void)c;
	(void)body; /* all leaves at the end of the turn as it is */
}

/* ------------------------------------------------------------------------ */

bool extended_message(struct console *c, char type, struct slice body)
{
	static const struct {
		char type;
		void (*fn)(struct console *c, struct slice body);
	} handlers[] = {
		{ PG_FRONT_PARSE, on_parse },
		{ PG_FRONT_BIND, on_bind },
		{ PG_FRONT_DESCRIBE, on_describe },
		{ PG_FRONT_EXECUTE, on_execute },
		{ PG_FRONT_CLOSE, on_close },
		{ PG_FRONT_FLUSH, on_flush },
		{ PG_FRONT_SYNC, on_sync },
	};

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].type == type) {
			handlers[i].fn(c, body);
			return true;
		}
	return false;
}
