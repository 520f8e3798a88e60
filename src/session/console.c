/*
 * One client of the admin console: its messages, one command at a time.
 *
 * While a command is under way what the client sends stays in its stream,
 * and what a Query still holds in c->text. Its end comes from outside more
 * often than not (an answer of another worker, the timer, room for more
 * rows); then console_step() goes on with what waits.
 */
#include "session/console.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NOTICE_MAX = 256
};

/* ---- answers ---------------------------------------------------------- */

static bool is_busy(const struct console *c)
{
	return c->command.row != NULL;
}

static void command_clear(struct console *c)
{
	gather_clear(c);
	timer_stop(&c->timer);
	admin_command_deinit(&c->command);
	buf_deinit(&c->rows);
	c->rows_at = 0;
}

/* What it quotes of the client's words may be cut anywhere. */
static void put_error(struct console *c, const struct fault *f)
{
	struct fault copy = *f;

	utf8_mend(copy.text, strlen(copy.text));
	utf8_mend(copy.detail, strlen(copy.detail));
	utf8_mend(copy.hint, strlen(copy.hint));
	pg_put_fault(&c->door->out, "ERROR", &copy);
	session_send(c->session);
}

void console_ready(struct console *c)
{
	pg_put_ready(&c->door->out, c->tx);
	session_send(c->session);
}

void console_error(struct console *c, const struct fault *f)
{
	put_error(c, f);
	/* The rest of a Query is dropped with it. */
	buf_deinit(&c->text);
	c->text_at = 0;
	c->is_skipping = !c->is_simple;
}

void console_fail(struct console *c, const struct fault *f)
{
	command_clear(c);
	console_error(c, f);
}

void console_done(struct console *c)
{
	const struct admin_row *row = c->command.row;

	pg_put_complete(&c->door->out, row->is_show ? "SHOW" : row->name);
	session_send(c->session);
	command_clear(c);
}

void console_notice(struct console *c, const char *fmt, ...)
{
	char text[NOTICE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pg_put_notice(&c->door->out, "NOTICE", "00000", text);
	session_send(c->session);
}

/* ---- commands --------------------------------------------------------- */

const struct pg_column *console_columns(const struct console *c,
	const struct admin_row *row, size_t *ret_n, size_t *ret_n_all)
{
	size_t n_pgbouncer;
	const struct pg_column *columns =
		admin_columns(row, ret_n_all, &n_pgbouncer);

	*ret_n = c->is_plain ? n_pgbouncer : *ret_n_all;
	return columns;
}

/* What changes something; not what drivers say by themselves. */
static void log_command(struct console *c)
{
	const struct admin_command *command = &c->command;

	if (!command->row->is_show && *command->row->help &&
		!command->is_ignored)
		log_info(&c->session->log, "console.command", "%s%s%.63s by %s",
			command->row->name, command->argument ? " " : "",
			command->argument ? command->argument : "", c->user);
}

void console_start(struct console *c)
{
	size_t n, n_all;
	const struct pg_column *columns =
		console_columns(c, c->command.row, &n, &n_all);

	c->stage = 0;
	c->gather.told = 0;
	c->door->n_commands++;
	log_command(c);
	if (c->is_simple && n) {
		pg_put_row_description(&c->door->out, columns, n, 0);
		session_send(c->session);
	}
	c->command.row->step(c);
}

/* What is left of a Query, until one of its commands has to wait. */
static void query_continue(struct console *c)
{
	struct slice rest = slice_from(buf_slice(&c->text), c->text_at);
	struct slice statement;
	struct fault f;

	while (!is_busy(c) && c->text.len && admin_next(&rest, &statement)) {
		c->text_at = c->text.len - rest.len;
		if (admin_parse(statement, &c->command, &f) < 0)
			console_error(c, &f);
		else
			console_start(c);
	}
	if (is_busy(c))
		return;
	buf_deinit(&c->text);
	c->is_simple = false;
	console_ready(c);
}

void console_step(struct console *c)
{
	if (is_busy(c))
		c->command.row->step(c);
	if (is_busy(c))
		return;
	if (c->is_simple)
		query_continue(c);
	if (!is_busy(c))
		session_continue(c->session);
}

void console_wait(struct console *c, uint64_t ms)
{
	timer_start(&c->timer, ms, 0);
}

static void on_console_timer(struct timer *timer)
{
	struct console *c = container_of(timer, struct console, timer);

	if (c->gather.id)
		gather_tick(c);
	else
		console_step(c);
}

/* Not at once: a client that reads fast must not keep the turn to itself. */
void console_drained(struct session *s)
{
	if (!s->console->gather.id)
		console_wait(s->console, 0);
}

/* Above the mark, what it has sent already waits for room. */
bool console_is_busy(const struct session *s)
{
	return is_busy(s->console) ||
	       stream_out_len(&s->stream) > STREAM_OUT_HIGH;
}

bool console_is_left(const struct console *c)
{
	struct pollfd p = {
		.fd = c->session->stream.fd,
		.events = POLLRDHUP,
	};

	return c->session->has_eof || poll(&p, 1, 0) > 0;
}

void console_cancel(struct session *s)
{
	struct console *c = s->console;
	struct fault f;

	if (!is_busy(c))
		return;
	command_abandon(c);
	fault_set(&f, FAULT_CANCELLED, NULL);
	console_fail(c, &f);
	console_step(c);
}

/* ---- messages --------------------------------------------------------- */

/* An error that a message of the simple protocol ends in. */
static void refuse(struct console *c, enum fault_code code, const char *why)
{
	struct fault f;

	fault_set(&f, code, "%s", why);
	put_error(c, &f);
	console_ready(c);
}

static void on_query(struct console *c, struct slice body)
{
	struct slice text = slice_of(body.data, slice_find(body, '\0'));
	struct slice rest = text, statement;

	if (text.len + 1 != body.len) {
		refuse(c, FAULT_PROTOCOL,
			text.len == body.len ? "invalid string in message"
					     : "invalid message format");
		return;
	}
	extended_drop(c);
	c->is_simple = true;
	buf_append_slice(&c->text, text);
	c->text_at = 0;
	if (!admin_next(&rest, &statement)) {
		pg_put_empty(&c->door->out, PG_BACK_EMPTY_QUERY_RESPONSE);
		session_send(c->session);
	}
	query_continue(c);
}

static void bad(struct console *c, const struct fault *f)
{
	metrics_inc(&c->door->metrics, METRIC_protocol_errors);
	session_fatal(c->session, f);
}

static void on_message(struct console *c, char type, struct slice body)
{
	if (type == PG_FRONT_TERMINATE) {
		session_finish(c->session);
		return;
	}
	if (c->is_skipping && type != PG_FRONT_SYNC)
		return;
	switch (type) {
	case PG_FRONT_QUERY:
		on_query(c, body);
		break;
	case PG_FRONT_FUNCTION_CALL:
		refuse(c, FAULT_UNSUPPORTED,
			"the admin console has no functions");
		break;
	case PG_FRONT_COPY_DATA:
	case PG_FRONT_COPY_DONE:
	case PG_FRONT_COPY_FAIL:
		break; /* of a COPY that has failed: as PostgreSQL does */
	default:
		extended_message(c, type, body);
	}
}

/* PostgreSQL would read it whole and then say no; here it is dropped on its
 * way. */
static size_t drop_long(
	struct console *c, const struct pg_head *head, struct slice bytes)
{
	struct fault f;
	size_t whole = PG_HEAD + (size_t)head->len;
	size_t here = MIN(bytes.len, whole);

	c->session->front_left = (uint32_t)(whole - here);
	fault_set(&f, FAULT_TOO_LARGE,
		"the admin console takes messages of up to %d bytes",
		CONSOLE_MESSAGE_MAX);
	if (c->is_skipping || head->type == PG_FRONT_COPY_DATA)
		return here;
	if (head->type == PG_FRONT_QUERY ||
		head->type == PG_FRONT_FUNCTION_CALL)
		refuse(c, f.code, f.text);
	else
		console_error(c, &f);
	return here;
}

/* The rest of such a one. */
static size_t drop_rest(struct session *s, struct slice bytes)
{
	size_t here = MIN(bytes.len, s->front_left);

	s->front_left -= (uint32_t)here;
	return here;
}

/* The bytes used; 0: wait for more. */
static size_t one_message(struct console *c, struct slice bytes)
{
	enum pg_head_result result;
	struct pg_head head = { 0 };
	struct fault f;

	result = pg_head_parse(bytes, &head);
	if (result == PG_HEAD_MORE)
		return 0;
	if (!pg_front_limit(bytes.data[0])) {
		fault_set(&f, FAULT_PROTOCOL,
			"invalid frontend message type %d",
			(unsigned char)bytes.data[0]);
		bad(c, &f);
		return 0;
	}
	if (result == PG_HEAD_BAD || head.len > pg_front_limit(head.type)) {
		fault_set(&f, FAULT_PROTOCOL, "invalid message length");
		bad(c, &f);
		return 0;
	}
	if (head.len > CONSOLE_MESSAGE_MAX)
		return drop_long(c, &head, bytes);
	if (bytes.len - PG_HEAD < head.len)
		return 0;
	on_message(c, head.type, slice_of(bytes.data + PG_HEAD, head.len));
	return PG_HEAD + (size_t)head.len;
}

size_t console_input(struct session *s, struct slice bytes)
{
	size_t used = 0;

	while (s->state == SESSION_CONSOLE && !is_busy(s->console) &&
		stream_out_len(&s->stream) <= STREAM_OUT_HIGH) {
		struct slice rest = slice_from(bytes, used);
		size_t n = s->front_left ? drop_rest(s, rest)
					 : one_message(s->console, rest);

		if (!n)
			break;
		used += n;
	}
	return s->state == SESSION_CONSOLE ? used : bytes.len;
}

/* ---- beginning and end ------------------------------------------------ */

static void greet(struct session *s, const struct startup_who *who)
{
	struct slice told[][2] = {
		{ SLICE("server_version"),
			SLICE("15.0 (Howdah " HOWDAH_VERSION ")") },
		{ SLICE("server_encoding"), SLICE("UTF8") },
		{ SLICE("client_encoding"), SLICE("UTF8") },
		{ SLICE("application_name"), who->application },
		{ SLICE("DateStyle"), SLICE("ISO, MDY") },
		{ SLICE("IntervalStyle"), SLICE("postgres") },
		{ SLICE("TimeZone"), SLICE("UTC") },
		{ SLICE("integer_datetimes"), SLICE("on") },
		{ SLICE("is_superuser"), SLICE("on") },
		{ SLICE("session_authorization"), slice_str(who->user) },
		{ SLICE("standard_conforming_strings"), SLICE("on") },
	};
	struct buf *out = &s->door->out;

	cancel_key_make(s, who->minor);
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		pg_put_parameter(out, told[i][0], told[i][1]);
	pg_put_key(out, s->pid, slice_of(s->key, s->key_len));
	pg_put_ready(out, 'I');
	session_send(s);
}

void console_begin(struct session *s)
{
	struct console *c = xnew(struct console);
	struct startup_who who = startup_who(s);

	s->console = c;
	c->session = s;
	c->door = s->door;
	c->door->n_open++;
	c->user = xstrdup(who.user);
	c->database = xstrdup(who.database);
	c->application = slice_dup(who.application);
	c->is_plain = !strcmp(who.database, CONSOLE_NAME);
	c->tx = 'I';
	list_init(&c->names);
	table_init(&c->gather.records);
	timer_init(&c->timer, c->door->loop, on_console_timer);
	greet(s, &who);
	startup_end(s);
}

static void on_console_closed(struct timer *timer)
{
	struct console *c = container_of(timer, struct console, timer);
	struct door *door = c->door;

	free(c);
	door_part_closed(door);
}

void console_end(struct session *s)
{
	struct console *c = s->console;

	if (!c)
		return;
	if (is_busy(c))
		command_abandon(c);
	s->console = NULL;
	c->session = NULL;
	command_clear(c);
	table_deinit(&c->gather.records);
	extended_deinit(c);
	buf_deinit(&c->text);
	free(c->user);
	free(c->database);
	free(c->application);
	timer_close(&c->timer, on_console_closed);
}

struct startup_who console_who(const struct session *s)
{
	return (struct startup_who){
		.user = s->console->user,
		.database = s->console->database,
		.application = slice_str(s->console->application),
	};
}
