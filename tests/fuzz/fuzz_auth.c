/*
 * src/auth/auth.c: what a client may send during its login. The first byte
 * picks user, method and TLS; then bodies of messages, each behind a byte
 * with its length. Nobody gets in.
 */
#include "auth/auth_priv.h"

#define BINDING SLICE("0123456789abcdef0123456789abcdef")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Once: a first login costs PBKDF2, a table random bytes. */
static struct auth_users *get_users(void)
{
	static struct auth_users *users;
	struct auth_source source = {
		.user = SLICE("plain"),
		.password = SLICE("pencil"),
		.salt_secret = SLICE("fuzz"),
	};
	struct fault f;

	if (users)
		return users;
	check(auth_users_create(&source, &users, &f) == 0);
	return users;
}

static void on_ready(void *owner)
{
	*(bool *)owner = true;
}

static void resume(struct auth *a, struct auth_reply *reply)
{
	struct auth_work *work = auth_take_work(a);

	auth_work_run(work);
	auth_work_finish(work);
	check(auth_resume(a, reply) == AUTH_MORE);
}

static void log_in(struct auth *a, struct reader *r, struct auth_reply *reply)
{
	struct fault f = { 0 };

	while (reader_left(r)) {
		size_t len = reader_u8(r);
		struct slice body = reader_bytes(r, MIN(len, reader_left(r)));
		int outcome = auth_feed(a, body, reply, &f);

		check(outcome == AUTH_MORE || outcome == AUTH_FAILED);
		if (outcome == AUTH_FAILED) {
			check(f.text[0] && !reply->code && !reply->data.len);
			check(auth_reason(a)[0]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(auth_destroyp) struct auth *a = NULL;
	struct reader r = reader_of(slice_of(copy, len));
	uint8_t choice = reader_u8(&r);
	bool is_ready = false;
	struct auth_login login = {
		.user = choice & 1 ? SLICE("plain") : SLICE("nobody"),
		.method = choice & 2 ? AUTH_MD5 : AUTH_SCRAM,
		.endpoint_hash = choice & 4 ? BINDING : (struct slice){ 0 },
		.ready = on_ready,
		.owner = &is_ready,
	};
	struct auth_reply reply = { 0 };
	struct fault f;

	if (auth_begin(get_users(), &login, &a, &reply, &f) == AUTH_WORK)
		resume(a, &reply);
	log_in(a, &r, &reply);
	buf_deinit(&reply.data);
	return 0;
}
