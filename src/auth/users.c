/*
 * The table of users. It is built once and swapped at a reload; whoever is
 * logging in meanwhile holds a ref on the one it began with. Only what is
 * learned from logins is added to it later, on the loop's thread.
 */
#include "auth/auth_priv.h"

#include <errno.h>
#include <stdlib.h>

struct auth_users {
	unsigned n_refs;
	struct table by_name;
	struct log_limit log_odd;
	uint8_t salt_key[CRYPTO_SHA256_LEN];
};

/* ---- a user ----------------------------------------------------------- */

static void text_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void bytes_free(void *bytes, size_t len)
{
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

static void user_forget(struct auth_user *user)
{
	text_free(user->password);
	bytes_free(user->md5, sizeof(*user->md5));
	bytes_free(user->verifier, sizeof(*user->verifier));
	bytes_free(user->keys, sizeof(*user->keys));
	user->password = NULL;
	user->md5 = NULL;
	user->verifier = NULL;
	user->keys = NULL;
}

static void user_destroy(struct auth_user *user)
{
	user_forget(user);
	free(user->name);
	free(user);
}

static void user_set_password(struct auth_user *user, struct slice password)
{
	user_forget(user);
	if (password.len)
		user->password = slice_dup(password);
}

/* Whatever PostgreSQL's rolpassword may hold, or a plain password. */
static int user_set_secret(struct auth_user *user, struct slice secret)
{
	struct scram_verifier v;

	if (slice_starts_with(secret, SLICE(SCRAM_MECHANISM "$"))) {
		if (scram_verifier_parse(secret, &v) < 0)
			return -EINVAL;
		user_forget(user);
		user->verifier = xmemdup(&v, sizeof(v));
	} else if (md5_secret_is(secret)) {
		user_forget(user);
		user->md5 = xmemdup(secret.data, sizeof(*user->md5));
	} else {
		user_set_password(user, secret);
	}
	return 0;
}

/* ---- the table -------------------------------------------------------- */

static bool user_is(const struct table_node *node, const void *key)
{
	const struct auth_user *user =
		container_of(node, struct auth_user, node);
	const struct slice *name = key;

	return slice_is(*name, user->name);
}

struct auth_user *auth_users_find(
	const struct auth_users *users, struct slice name)
{
	uint64_t hash = table_hash(&users->by_name, name.data, name.len);
	struct table_node *node =
		table_find(&users->by_name, hash, user_is, &name);

	return node ? container_of(node, struct auth_user, node) : NULL;
}

static struct auth_user *find_or_add(
	struct auth_users *users, struct slice name)
{
	struct auth_user *user = auth_users_find(users, name);

	if (user)
		return user;
	user = xnew(struct auth_user);
	user->name = slice_dup(name);
	table_add(&users->by_name,
		table_hash(&users->by_name, name.data, name.len), &user->node);
	return user;
}

/* Better known now than found out at a login. */
static void warn_if_odd(struct auth_users *users, const struct auth_user *user)
{
	enum {
		LINES_A_SECOND = 10
	};
	uint32_t n_held;

	if (!user->password || scram_password_ok(slice_str(user->password)) ||
		!log_limit_pass(&users->log_odd, LINES_A_SECOND, &n_held))
		return;
	log_warn(NULL, "auth.password_odd",
		"user \"%s\" cannot log in with SCRAM: SASLprep changes its"
		" password; choose another one, or put its verifier into the"
		" users file",
		user->name);
}

static int on_row(void *owner, const struct userlist_row *row, struct fault *f)
{
	struct auth_users *users = owner;
	struct auth_user *user = find_or_add(users, row->user);

	if (users->by_name.len > AUTH_USERS_MAX)
		return userlist_complain(f, row->line, "too many users");
	if (user_set_secret(user, row->secret) < 0)
		return userlist_complain(f, row->line,
			"not a SCRAM-SHA-256 verifier as PostgreSQL stores it");
	warn_if_odd(users, user);
	return 0;
}

static void add_own_user(
	struct auth_users *users, const struct auth_source *source)
{
	struct auth_user *user = auth_users_find(users, source->user);

	if (user)
		log_warn(NULL, "auth.user_twice",
			"user \"%s\" of the database URL is in %s too, where it"
			" is not looked at",
			user->name, source->path);
	user = find_or_add(users, source->user);
	user_set_password(user, source->password);
	warn_if_odd(users, user);
}

int auth_users_create(const struct auth_source *source,
	struct auth_users **ret_users, struct fault *f)
{
	CLEANUP(auth_users_unrefp)
	struct auth_users *users = xnew(struct auth_users);
	int r;

	users->n_refs = 1;
	table_init(&users->by_name);
	crypto_hmac_sha256(source->salt_secret, SLICE("howdah scram salt"),
		users->salt_key);
	if (source->path && *source->path) {
		r = userlist_load(source->path, on_row, users, f);
		if (r < 0)
			return r;
	}
	if (source->user.len)
		add_own_user(users, source);
	*ret_users = TAKE(users);
	return 0;
}

struct auth_users *auth_users_ref(struct auth_users *users)
{
	users->n_refs++;
	return users;
}

/* All that share a slot. */
static void destroy_chain(struct table_node *node)
{
	while (node) {
		struct table_node *next = node->next;

		user_destroy(container_of(node, struct auth_user, node));
		node = next;
	}
}

void auth_users_unref(struct auth_users *users)
{
	if (!users || --users->n_refs)
		return;
	for (size_t i = 0; i < users->by_name.n_slots; i++)
		destroy_chain(users->by_name.slots[i]);
	table_deinit(&users->by_name);
	explicit_bzero(users->salt_key, sizeof(users->salt_key));
	free(users);
}

void auth_users_unrefp(struct auth_users **users)
{
	auth_users_unref(*users);
}

size_t auth_users_count(const struct auth_users *users)
{
	return users->by_name.len;
}

void auth_users_salt(const struct auth_users *users, struct slice name,
	struct scram_salt *ret_salt)
{
	scram_salt_make(slice_of(users->salt_key, sizeof(users->salt_key)),
		name, ret_salt);
}

/* ---- what is learned -------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && mem_equal_ct(a, b, len);
}

static bool is_same_verifier(
	const struct scram_verifier *a, const struct scram_verifier *b)
{
	return scram_salt_equal(&a->salt, &b->salt) &&
	       mem_equal_ct(a->stored_key, b->stored_key, SCRAM_KEY_LEN) &&
	       mem_equal_ct(a->server_key, b->server_key, SCRAM_KEY_LEN);
}

static bool has_learned(const struct auth_user *user)
{
	return user->keys || (user->password && user->verifier);
}

static void user_inherit(struct auth_user *user, const struct auth_user *last,
	bool has_same_salts)
{
	if (user->password && last->password) {
		if (has_same_salts &&
			is_same_text(user->password, last->password))
			user->verifier = xmemdup(
				last->verifier, sizeof(*user->verifier));
	} else if (user->verifier && last->keys) {
		if (is_same_verifier(user->verifier, last->verifier))
			user->keys = xmemdup(last->keys, sizeof(*user->keys));
	}
}

void auth_users_inherit(struct auth_users *users, const struct auth_users *last)
{
	bool has_same_salts = mem_equal_ct(
		users->salt_key, last->salt_key, sizeof(users->salt_key));

	table_each (node, &last->by_name) {
		const struct auth_user *was =
			container_of(node, struct auth_user, node);
		struct auth_user *user;

		if (!has_learned(was))
			continue;
		user = auth_users_find(users, slice_str(was->name));
		if (user)
			user_inherit(user, was, has_same_salts);
	}
}

bool auth_users_secret(const struct auth_users *users, struct slice name,
	struct auth_secret *ret_secret)
{
	const struct auth_user *user = auth_users_find(users, name);
	struct auth_secret secret = { 0 };

	if (!user)
		return false;
	if (user->password)
		secret.password = xstrdup(user->password);
	if (user->md5) {
		secret.md5 = *user->md5;
		secret.has_md5 = true;
	}
	if (user->keys) {
		secret.salt = user->verifier->salt;
		secret.keys = *user->keys;
		secret.has_keys = true;
	}
	*ret_secret = secret;
	explicit_bzero(&secret, sizeof(secret));
	return true;
}

void auth_secret_deinit(struct auth_secret *secret)
{
	text_free(secret->password);
	explicit_bzero(secret, sizeof(*secret));
}
