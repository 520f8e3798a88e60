/*
 * The server's greeting, from AuthenticationOk to the first ReadyForQuery:
 * its parameters, its cancel key, and whether it is what the URL asks for.
 */
#include "pool/login.h"

#include <errno.h>

void login_parameter(struct login *l, struct slice data)
{
	struct slice message =
		slice_of(data.data - PG_HEAD, data.len + PG_HEAD);

	switch (greeting_put(&l->greeting, message)) {
	case 0:
		break;
	case -E2BIG:
		login_broken(l, "its parameters are longer than %d bytes",
			GREETING_MAX);
		break;
	default:
		login_broken(
			l, "its ParameterStatus is not a name and a value");
	}
}

void login_key(struct login *l, struct slice data)
{
	struct reader r = reader_of(data);

	if (l->has_key) {
		login_broken(l, "it says BackendKeyData twice");
		return;
	}
	if (data.len < sizeof(uint32_t) + PG_CANCEL_KEY_OLD ||
		data.len > sizeof(uint32_t) + PG_CANCEL_KEY_MAX) {
		login_broken(
			l, "its BackendKeyData is %zu bytes long", data.len);
		return;
	}
	l->has_key = true;
	l->backend->pid = reader_u32(&r);
	buf_append_slice(&l->backend->key, reader_bytes(&r, reader_left(&r)));
}

/* ---- target_session_attrs --------------------------------------------- */

static bool is_on(const struct login *l, const char *name)
{
	return slice_is(greeting_get(&l->greeting, name), "on");
}

/* Why it is not the server that is asked for, or NULL. PostgreSQL 14 and
 * later say of themselves what is asked. */
static const char *why_not(const struct login *l, const char *wanted)
{
	bool is_standby = is_on(l, "in_hot_standby");
	bool is_read_only =
		is_standby || is_on(l, "default_transaction_read_only");

	if (!greeting_get(&l->greeting, "in_hot_standby").data)
		return "it does not say whether it is (PostgreSQL 14 does)";
	if (!strcmp(wanted, "read-write"))
		return is_read_only ? "its sessions are read-only" : NULL;
	if (!strcmp(wanted, "read-only"))
		return is_read_only ? NULL : "its sessions are read-write";
	if (!strcmp(wanted, "primary"))
		return is_standby ? "it is a standby" : NULL;
	return is_standby ? NULL : "it is not a standby";
}

/* prefer-standby takes any server when all have been asked. */
static bool is_wanted(struct login *l)
{
	const struct upstream *up = l->backend->pools->upstream;
	struct pool *pool = l->backend->pool;
	const char *wanted = up->target_session_attrs;
	const char *why;

	if (!*wanted || !strcmp(wanted, "any"))
		return true;
	why = why_not(l, wanted);
	if (!why || (!strcmp(wanted, "prefer-standby") &&
			    pool->n_unwanted >= up->n_hosts)) {
		pool->n_unwanted = 0;
		return true;
	}
	pool->n_unwanted++;
	login_fail(
		l, FAULT_NOT_READY, "target_session_attrs=%s: %s", wanted, why);
	return false;
}

/* ---- the end ---------------------------------------------------------- */

void login_ready(struct login *l, struct slice data)
{
	struct backend *b = l->backend;
	struct pools *pools = b->pools;
	uint64_t lifetime = pools->config->server_lifetime;

	if (!slice_is(data, "I")) {
		login_broken(l, "it greets in the middle of a transaction");
		return;
	}
	if (!is_wanted(l))
		return;
	buf_deinit(&b->flavour->greeting);
	b->flavour->greeting = l->greeting;
	l->greeting = (struct buf){ 0 };
	if (lifetime) /* spread, so that not all are replaced at once */
		b->close_at = loop_now(pools->loop) + lifetime -
			      loop_clock_us() % (lifetime / 5 + 1);
	login_succeed(l);
}
