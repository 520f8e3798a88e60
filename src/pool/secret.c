/*
 * How to log in for a user, the same for all databases: what the users file
 * or the URL has, and the SCRAM keys made of it.
 *
 * Keys of a plain password take PBKDF2, so they are made on a thread: once
 * for each salt that a server asks for, while every login that wants them
 * waits. The last ones made are kept for as long as the password stays.
 *
 *     login --secret_keys--> secret --work_run--> derivation (a thread)
 *       ^                                             |
 *       +--------------------- done <-----------------+
 */
#include "pool/pool_priv.h"

#include <stdlib.h>

/* Keys that are being made. Knows its own copy of the password, for the
 * secret may be replaced meanwhile. */
struct derivation {
	struct work work;
	struct secret *secret; /* borrowed: pools wait for us */
	struct list link;      /* in the secret's */
	struct list waiting;
	char *password;
	struct scram_salt salt;
	struct scram_keys keys;
	bool is_stale; /* the password is another one now */
};

/* ---- what is given ---------------------------------------------------- */

static void text_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void pool_secret_deinit(struct pool_secret *secret)
{
	text_free(secret->password);
	explicit_bzero(secret, sizeof(*secret));
}

static bool is_same_password(const char *a, const char *b)
{
	size_t len = a ? strlen(a) : 0;

	if (!a || !b)
		return a == b;
	return len == strlen(b) && mem_equal_ct(a, b, len);
}

static bool is_same_rest(
	const struct pool_secret *a, const struct pool_secret *b)
{
	if (a->has_md5 != b->has_md5 || a->has_keys != b->has_keys)
		return false;
	if (a->has_md5 && !mem_equal_ct(&a->md5, &b->md5, sizeof(a->md5)))
		return false;
	return !a->has_keys ||
	       (scram_salt_equal(&a->salt, &b->salt) &&
		       mem_equal_ct(&a->keys, &b->keys, sizeof(a->keys)));
}

static void forget_made(struct secret *s)
{
	s->has_made = false;
	explicit_bzero(&s->made, sizeof(s->made));
	list_each (node, &s->derivations)
		list_entry(node, struct derivation, link)->is_stale = true;
}

bool secret_set(struct secret *s, const struct pool_secret *given)
{
	static const struct pool_secret nothing;
	struct pool_secret next = given ? *given : nothing;
	bool has_same_password =
		is_same_password(s->given.password, next.password);

	if (has_same_password && is_same_rest(&s->given, &next)) {
		explicit_bzero(&next, sizeof(next));
		return false;
	}
	if (next.password)
		next.password = xstrdup(next.password);
	if (!has_same_password)
		forget_made(s);
	pool_secret_deinit(&s->given);
	s->given = next;
	explicit_bzero(&next, sizeof(next));
	return true;
}

/* ---- making keys ------------------------------------------------------ */

static void on_derive(struct work *work)
{
	struct derivation *d = container_of(work, struct derivation, work);
	int r = scram_keys_derive(slice_str(d->password), &d->salt, &d->keys);

	check(r == 0);
}

static void on_derived(struct work *work)
{
	struct derivation *d = container_of(work, struct derivation, work);
	struct secret *s = d->secret;
	struct list *node;

	if (!d->is_stale) {
		s->made_salt = d->salt;
		s->made = d->keys;
		s->has_made = true;
	}
	list_remove(&d->link);
	while ((node = list_pop(&d->waiting))) {
		struct secret_waiter *w =
			list_entry(node, struct secret_waiter, link);

		w->done(w);
	}
	text_free(d->password);
	explicit_bzero(d, sizeof(*d));
	free(d);
	pools_part_closed(s->pools);
}

static struct derivation *find_derivation(
	struct secret *s, const struct scram_salt *salt)
{
	list_each (node, &s->derivations) {
		struct derivation *d =
			list_entry(node, struct derivation, link);

		if (!d->is_stale && scram_salt_equal(&d->salt, salt))
			return d;
	}
	return NULL;
}

static struct derivation *derive(
	struct secret *s, const struct scram_salt *salt)
{
	struct derivation *d = xnew(struct derivation);

	d->secret = s;
	d->password = xstrdup(s->given.password);
	d->salt = *salt;
	list_init(&d->waiting);
	list_push_back(&s->derivations, &d->link);
	s->pools->n_open++;
	work_run(&d->work, s->pools->loop, on_derive, on_derived);
	return d;
}

int secret_keys(struct secret *s, const struct scram_salt *salt,
	struct secret_waiter *w, struct scram_keys *ret_keys)
{
	struct derivation *d;

	if (s->given.has_keys && scram_salt_equal(&s->given.salt, salt)) {
		*ret_keys = s->given.keys;
		return 0;
	}
	if (s->has_made && scram_salt_equal(&s->made_salt, salt)) {
		*ret_keys = s->made;
		return 0;
	}
	if (!s->given.password)
		return SECRET_E_NONE;
	if (!scram_password_ok(slice_str(s->given.password)))
		return SECRET_E_PASSWORD;
	d = find_derivation(s, salt);
	if (!d)
		d = derive(s, salt);
	list_push_back(&d->waiting, &w->link);
	return SECRET_E_WAIT;
}

bool secret_md5(const struct secret *s, struct md5_secret *ret)
{
	if (!s->given.has_md5)
		return s->given.password &&
		       md5_secret_make(slice_str(s->given.password),
			       slice_str(s->user), ret) == 0;
	*ret = s->given.md5;
	return true;
}

/* ---- life ------------------------------------------------------------- */

static bool secret_equal(const struct table_node *node, const void *key)
{
	const struct secret *s = container_of(node, struct secret, node);

	return slice_is(*(const struct slice *)key, s->user);
}

struct secret *secret_get(struct pools *pools, struct slice user)
{
	uint64_t hash = table_hash(&pools->secrets, user.data, user.len);
	struct table_node *node =
		table_find(&pools->secrets, hash, secret_equal, &user);
	struct secret *s;

	if (node)
		return container_of(node, struct secret, node);
	s = xnew(struct secret);
	s->pools = pools;
	s->user = slice_dup(user);
	list_init(&s->derivations);
	table_add(&pools->secrets, hash, &s->node);
	return s;
}

void secret_destroy(struct secret *s)
{
	check(list_empty(&s->derivations));
	pool_secret_deinit(&s->given);
	free(s->user);
	explicit_bzero(s, sizeof(*s));
	free(s);
}
