/*
 * What a client leaves behind on a backend, and what it must find on the
 * next one.
 *
 * Nobody guesses: when a transaction is over in which something ran that can
 * change the session (SET, a temporary table, a DO block, a function of the
 * user's), the server itself is asked what is there now. What are ordinary
 * settings goes into the client's list, and the backend is free; anything
 * else pins the client to the backend for as long as it is there. A few
 * things the server cannot tell; for them the text must do.
 *
 * The ReadyForQuery of the client's last exchange waits for the answer, so
 * that nothing is promised that could still be lost.
 */
#include "session/front.h"

#include <stdlib.h>

#include "session/listen.h"

/* What makes it worth asking. */
static const uint32_t suspicious =
	SQL_SETS | SQL_ROLE | SQL_TEMP | SQL_ADVISORY | SQL_HOLD |
	SQL_PREPARES | SQL_EXECUTES | SQL_DEALLOCATES | SQL_SEES_PREPARED |
	SQL_LISTENS | SQL_OPAQUE | SQL_HIDDEN | SQL_DDL | SQL_DROPS_STATE;

/* What no query shows. */
static const struct {
	uint32_t flag;
	enum session_pin pin;
} untold[] = {
	{ SQL_CUSTOM_SETTING, PIN_CUSTOM },
	{ SQL_SEED, PIN_SEED },
	{ SQL_LOADS, PIN_LOADED },
};

/*
 * One row for each thing found: its kind, and for settings the name, the
 * value and whether that is what RESET would give. Every name is qualified:
 * what a client has put in front of pg_catalog must not answer for it.
 */
#define EQUALS " OPERATOR(pg_catalog.=) "
static const char probe_sql[] =
	"SELECT CASE WHEN context" EQUALS "'superuser'"
	" AND pg_catalog.current_setting('is_superuser')" EQUALS "'off'"
	" THEN 'g' ELSE 's' END, name COLLATE pg_catalog.\"C\", setting,"
	" CASE WHEN setting" EQUALS "reset_val"
	" OR setting IS NULL AND reset_val IS NULL THEN 'r' END"
	" FROM pg_catalog.pg_settings WHERE source" EQUALS "'session'"
	" UNION ALL SELECT 't', NULL, NULL, NULL"
	" WHERE EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid" EQUALS
	"'pg_catalog.pg_namespace'::pg_catalog.regclass"
	" AND refobjid" EQUALS "pg_catalog.pg_my_temp_schema())"
	" UNION ALL SELECT 'm', NULL, NULL, NULL"
	" WHERE NOT pg_catalog.pg_my_temp_schema()" EQUALS "0::pg_catalog.oid"
	" UNION ALL SELECT 'a', NULL, NULL, NULL"
	" WHERE EXISTS (SELECT FROM pg_catalog.pg_locks"
	" WHERE locktype" EQUALS "'advisory'"
	" AND pid" EQUALS "pg_catalog.pg_backend_pid())"
	" UNION ALL SELECT 'p', NULL, NULL, NULL"
	" WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements"
	" WHERE NOT pg_catalog.starts_with(name, 'howdah_'))"
	" UNION ALL SELECT 'h', NULL, NULL, NULL"
	" WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors"
	" WHERE is_holdable)"
	" UNION ALL SELECT 'l', c COLLATE pg_catalog.\"C\", NULL, NULL"
	" FROM pg_catalog.pg_listening_channels() c"
	" UNION ALL SELECT 'r', session_user::pg_catalog.text,"
	" pg_catalog.current_setting('role'), NULL";

/* Sorted by name, as settings_intern() wants it. */
static const char probe_end[] = " ORDER BY 2, 1";

/* Gone without a trace when they are gone. */
static const uint16_t pins_clean = PIN_ADVISORY | PIN_HOLD | PIN_PREPARED;

static const struct {
	char kind;
	enum session_pin pin;
} kinds[] = {
	{ 'g', PIN_GRANTED },
	{ 'c', PIN_CUSTOM },
	{ 't', PIN_TEMP },
	{ 'a', PIN_ADVISORY },
	{ 'p', PIN_PREPARED },
	{ 'h', PIN_HOLD },
};

struct probe {
	struct buf of_client;  /* settings, as settings_intern() takes them */
	struct buf of_backend; /* the same with those that equal the default */
	struct buf channels;   /* name\0 name\0 ... */
	uint16_t pins;
	bool has_failed;
};

static void probe_destroy(struct probe *p)
{
	if (!p)
		return;
	buf_deinit(&p->of_client);
	buf_deinit(&p->of_backend);
	buf_deinit(&p->channels);
	free(p);
}

/* ---- pins ------------------------------------------------------------- */

bool residue_may_pin(struct session *s)
{
	struct door *door = s->door;

	return page_pinned(door->page) < door->config->max_pinned;
}

void residue_refusal_text(struct session *s, struct fault *f)
{
	if (f->code != FAULT_BUSY)
		return;
	fault_set(f, FAULT_BUSY,
		"too many clients hold session state (%llu): this statement would keep a server connection for itself",
		(unsigned long long)s->door->config->max_pinned);
	fault_hint(f,
		"HOWDAH_MAX_PINNED sets how many clients may; SHOW CLIENTS tells which do, and why.");
}

static void set_pins(struct session *s, uint16_t pins)
{
	struct door *door = s->door;

	if (!s->pins && pins) {
		page_pinned_enter(door->page, door->worker, UINT32_MAX);
		metrics_inc(&door->metrics, METRIC_pins);
		metrics_inc(&door->metrics, METRIC_pinned);
	} else if (s->pins && !pins) {
		page_pinned_leave(door->page, door->worker);
		metrics_dec(&door->metrics, METRIC_pinned);
	}
	/* What went may still have left something, unless it is known not
	 * to: nobody else gets this backend. */
	if (s->pins & ~pins & ~pins_clean)
		s->backend->must_close = true;
	s->pins = pins;
}

void residue_pin(struct session *s, enum session_pin pin)
{
	set_pins(s, s->pins | (uint16_t)pin);
}

void residue_unpin(struct session *s)
{
	if (s->pins) {
		page_pinned_leave(s->door->page, s->door->worker);
		metrics_dec(&s->door->metrics, METRIC_pinned);
	}
	s->pins = 0;
	probe_destroy(s->probe);
	s->probe = NULL;
	front_drop_scanner(s);
}

void residue_discarded(struct session *s)
{
	set_pins(s, s->pins & (uint16_t) ~(PIN_CUSTOM | PIN_LOADED));
	s->residue &= ~(uint32_t)(SQL_CUSTOM_SETTING | SQL_LOADS);
}

/* ---- restoring -------------------------------------------------------- */

bool residue_needs_restore(struct session *s)
{
	return s->backend->settings != s->settings;
}

/* E'' strings mean the same whatever standard_conforming_strings says. */
static void put_literal(struct buf *sql, struct slice text)
{
	buf_append_str(sql, "E'");
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\'' || text.data[i] == '\\')
			buf_put_u8(sql, (uint8_t)text.data[i]);
		buf_put_u8(sql, (uint8_t)text.data[i]);
	}
	buf_put_u8(sql, '\'');
}

static void put_resets(struct buf *sql, struct slice had, struct slice wanted)
{
	struct slice name, value;

	while (pg_startup_next(&had, &name, &value)) {
		if (pg_startup_get(wanted, name).data)
			continue;
		buf_append_str(sql, "RESET \"");
		buf_append_slice(sql, name);
		buf_append_str(sql, "\";");
	}
}

static void put_sets(struct buf *sql, struct slice had, struct slice wanted)
{
	struct slice name, value;
	const char *before = "SELECT ";

	while (pg_startup_next(&wanted, &name, &value)) {
		struct slice old = pg_startup_get(had, name);

		if (old.data && slice_equal(old, value))
			continue;
		buf_append_str(sql, before);
		buf_append_str(sql, "pg_catalog.set_config(");
		put_literal(sql, name);
		buf_append_str(sql, ",");
		put_literal(sql, value);
		buf_append_str(sql, ",false)");
		before = ",";
	}
}

void residue_restore(struct session *s)
{
	struct slice had = settings_pairs(s->backend->settings);
	struct slice wanted = settings_pairs(s->settings);
	CLEANUP(buf_deinit) struct buf sql = { 0 };

	put_resets(&sql, had, wanted);
	put_sets(&sql, had, wanted);
	pg_put_query(&s->door->out, buf_slice(&sql));
	backend_expect(s->backend, REPLY_RESTORE, REPLY_INJECTED);
	s->backend->unnamed_owner = 0;
	session_send_back(s);
}

static void set_backend_settings(struct session *s, struct settings *settings)
{
	settings_unref(s->door->pools, s->backend->settings);
	s->backend->settings = settings;
}

static void on_restore_message(struct session *s, char type, struct slice body)
{
	struct backend *b = s->backend;

	if (type == PG_BACK_ERROR_RESPONSE) {
		b->must_close = true;
		session_fatal_raw(s, body);
	} else if (type == PG_BACK_READY_FOR_QUERY) {
		backend_pop(b);
		set_backend_settings(s, settings_ref(s->settings));
		session_enter(s, SESSION_ACTIVE);
		session_continue(s);
	}
}

/* ---- probing ---------------------------------------------------------- */

/* Somebody else's DDL may have come between the reading of a text and its
 * run: texts do not wait for it, but its locks make statements wait. */
void residue_look_at_code(struct session *s)
{
	struct pool_code code = pool_code(s->backend->pool);

	if (s->code_seen && s->code_seen != code.generation + 1)
		s->residue |= SQL_HIDDEN;
	s->code_seen = s->backend->replies.len ? code.generation + 1 : 0;
}

bool residue_is_suspect(struct session *s)
{
	uint32_t untold_flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(untold); i++)
		untold_flags |= untold[i].flag;
	return s->has_large || s->residue & (suspicious | untold_flags);
}

bool residue_needs_probe(struct session *s)
{
	if (s->pins & PIN_REPLICATION)
		return false; /* it may not even be able to answer */
	if (s->listening && s->residue & SQL_NOTIFIES)
		return true;
	return residue_is_suspect(s);
}

/* Custom settings are in no list; those that the database's own code sets
 * are asked for by their names. An extension's that is loaded is none. */
static void put_custom(struct buf *sql, struct slice names)
{
	const char *before =
		" UNION ALL SELECT 'c', c COLLATE pg_catalog.\"C\", NULL, NULL"
		" FROM pg_catalog.unnest(ARRAY[";

	while (names.len) {
		buf_append_str(sql, before);
		put_literal(sql, slice_cut(&names, '\0'));
		before = ",";
	}
	buf_append_str(sql, "]) c"
			    " WHERE pg_catalog.current_setting(c, true)"
			    " IS NOT NULL AND NOT EXISTS"
			    " (SELECT FROM pg_catalog.pg_settings"
			    " WHERE name" EQUALS "c)");
}

void residue_probe(struct session *s)
{
	struct slice names = pool_settings(s->backend->pool);
	CLEANUP(buf_deinit) struct buf sql = { 0 };

	buf_append_str(&sql, probe_sql);
	if (names.len && s->residue & (SQL_OPAQUE | SQL_HIDDEN))
		put_custom(&sql, names);
	buf_append_str(&sql, probe_end);
	metrics_inc(&s->door->metrics, METRIC_probes);
	if (s->residue & SQL_HIDDEN)
		metrics_inc(&s->door->metrics, METRIC_hidden);
	/* It may have taken away what we believe to be prepared there. */
	if (s->residue & SQL_HIDDEN && s->residue & SQL_DEALLOCATES)
		s->backend->must_close = true;
	s->probe = xnew(struct probe);
	pg_put_query(&s->door->out, buf_slice(&sql));
	backend_expect(s->backend, REPLY_PROBE, REPLY_INJECTED);
	s->backend->unnamed_owner = 0;
	session_send_back(s);
	session_enter(s, SESSION_PROBING);
}

static void probe_setting(
	struct probe *p, struct slice name, struct slice value, bool is_default)
{
	buf_put_cstr(&p->of_backend, name);
	buf_put_cstr(&p->of_backend, value);
	if (is_default)
		return;
	buf_put_cstr(&p->of_client, name);
	buf_put_cstr(&p->of_client, value);
}

/* Nobody else may see it, so its backend goes with the client. Without a
 * table in it it is not worth a backend: unless that also holds what
 * currval() has to answer. */
static void probe_temp_schema(struct session *s)
{
	if (s->uses_sequences && s->backend->sequence_owner == s->log.id)
		s->probe->pins |= PIN_TEMP;
	else
		s->backend->must_close = true;
}

static void probe_row(struct session *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice kind, name, value, is_default;
	struct probe *p = s->probe;

	reader_u16(&r);
	if (!pg_row_next(&r, &kind) || !pg_row_next(&r, &name) ||
		!pg_row_next(&r, &value) || !pg_row_next(&r, &is_default) ||
		kind.len != 1)
		return;
	if (kind.data[0] == 'm')
		probe_temp_schema(s);
	if (kind.data[0] == 'l')
		buf_put_cstr(&p->channels, name);
	else if (kind.data[0] == 's' || kind.data[0] == 'g')
		probe_setting(p, name, value, is_default.data);
	else if (kind.data[0] == 'r' &&
		 (!slice_is(value, "none") ||
			 !slice_is(name, pool_user(s->backend->pool))))
		p->pins |= PIN_ROLE;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].kind == kind.data[0])
			p->pins |= (uint16_t)kinds[i].pin;
}

/* RESET gives a client what its startup packet asked for; of that, only the
 * application's name is not the backend's own default. */
static void put_back_initial(struct session *s, struct probe *p)
{
	struct slice initial = settings_pairs(s->initial);
	struct slice rest = buf_slice(&p->of_client);
	struct slice name, value, own_name, own_value;
	struct buf merged = { 0 };
	bool is_in = false;

	if (!pg_startup_next(&initial, &own_name, &own_value) ||
		pg_startup_get(rest, own_name).data)
		return;
	while (pg_startup_next(&rest, &name, &value)) {
		if (!is_in && slice_order(own_name, name) < 0) {
			buf_put_cstr(&merged, own_name);
			buf_put_cstr(&merged, own_value);
			is_in = true;
		}
		buf_put_cstr(&merged, name);
		buf_put_cstr(&merged, value);
	}
	if (!is_in) {
		buf_put_cstr(&merged, own_name);
		buf_put_cstr(&merged, own_value);
	}
	buf_deinit(&p->of_client);
	p->of_client = merged;
}

static uint16_t untold_pins(struct session *s)
{
	uint16_t pins =
		s->pins & (PIN_CUSTOM | PIN_SEED | PIN_LOADED | PIN_LARGE |
				  PIN_REPLICATION | PIN_UNKNOWN);

	for (size_t i = 0; i < ARRAY_SIZE(untold); i++)
		if (s->residue & untold[i].flag && !s->has_failed)
			pins |= (uint16_t)untold[i].pin;
	if (s->has_large)
		pins |= PIN_LARGE;
	return pins;
}

static void probe_apply(struct session *s)
{
	struct pools *pools = s->door->pools;
	struct probe *p = s->probe;
	uint16_t pins = untold_pins(s);

	if (p->has_failed) {
		set_pins(s, pins | s->pins | PIN_UNKNOWN);
		return;
	}
	set_backend_settings(
		s, settings_intern(pools, buf_slice(&p->of_backend)));
	put_back_initial(s, p);
	settings_unref(pools, s->settings);
	s->settings = settings_intern(pools, buf_slice(&p->of_client));
	set_pins(s, pins | p->pins);
	if (s->is_native && !(p->pins & PIN_PREPARED))
		s->is_native = false;
}

/* The client's own answer leaves at last. */
static void probe_over(struct session *s)
{
	probe_destroy(s->probe);
	s->probe = NULL;
	s->residue = 0;
	s->has_failed = false;
	session_enter(s, SESSION_ACTIVE);
	listen_flush(s);
	pg_put_ready(&s->door->out, 'I');
	session_send(s);
	relay_settled(s);
}

/*
 * The channels of a client live with the door's hub, not with its backend.
 * What the backend listens to is what the client does, if its own were put
 * there (front.c); a transaction that was rolled back took them, too.
 * True: the hub has to answer first.
 */
static bool probe_channels(struct session *s)
{
	struct slice names = buf_slice(&s->probe->channels);
	bool is_told = s->shows_channels && !s->was_rolled_back;

	s->shows_channels = false;
	if (names.len)
		front_inject(s, "UNLISTEN *");
	if (is_told || names.len)
		return listen_set(s, names);
	return s->residue & SQL_NOTIFIES && listen_hear(s);
}

void residue_listening(struct session *s)
{
	s->is_heard = true;
	if (s->backend->replies.len)
		return; /* UNLISTEN is on its way */
	probe_over(s);
	session_continue(s); /* what it has said meanwhile */
}

void residue_settled(struct session *s)
{
	if (s->state == SESSION_PROBING && s->is_heard)
		probe_over(s);
}

static void probe_done(struct session *s)
{
	backend_pop(s->backend);
	probe_apply(s);
	s->is_heard = !probe_channels(s);
	if (s->is_heard && !s->backend->replies.len)
		probe_over(s);
}

static void on_probe_message(struct session *s, char type, struct slice body)
{
	switch (type) {
	case PG_BACK_DATA_ROW:
		probe_row(s, body);
		break;
	case PG_BACK_ERROR_RESPONSE:
		log_warn(&s->log, "session.probe", "%.*s",
			(int)MIN(pg_error_field(body, 'M').len, 200),
			pg_error_field(body, 'M').data);
		s->probe->has_failed = true;
		break;
	case PG_BACK_READY_FOR_QUERY:
		probe_done(s);
		break;
	default:
		break;
	}
}

void residue_message(struct session *s, char type, struct slice body)
{
	if (backend_head(s->backend)->kind == REPLY_RESTORE)
		on_restore_message(s, type, body);
	else
		on_probe_message(s, type, body);
}
