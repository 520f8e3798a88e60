/* The table of users: who is in it, what it knows, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth_priv.h"

#define SCRAM_1                                                                \
	"SCRAM-SHA-256$4096:XPWtyG0j/SK39PoMil93Rg==$"                         \
	"ptI0gNNws48tB4RoPkfKIQV0aysXUzt8BR3nR67cUqw=:"                        \
	"acVf62erxcF6RALBJ2Wxh9yJ4UodQlCNqTpVWYezmMQ="
#define SCRAM_2                                                                \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                         \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define MD5 "md50098e7fab7b4d8d091067152a80b3f12"

static struct auth_users *load(const char *file, const char *user,
	const char *password, const char *salt_secret, struct fault *f)
{
	char path[] = "/tmp/howdah-users-XXXXXX";
	struct auth_source source = {
		.user = slice_str(user),
		.password = slice_str(password),
		.salt_secret = slice_str(salt_secret),
		.path = file ? path : NULL,
	};
	struct auth_users *users = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	if (file)
		assert_int_equal(write(fd, file, strlen(file)), strlen(file));
	close(fd);
	auth_users_create(&source, &users, f);
	unlink(path);
	return users;
}

static struct auth_users *load_file(const char *file)
{
	struct fault f;
	struct auth_users *users = load(file, "", "", "s", &f);

	assert_non_null(users);
	return users;
}

static void tells_kinds_of_secrets(void **state)
{
	struct auth_users *users = load_file("\"p\" \"plain\"\n"
					     "\"m\" \"" MD5 "\"\n"
					     "\"s\" \"" SCRAM_1 "\"\n"
					     "\"e\" \"\"\n"
					     "\"x\" \"md5 is my password\"\n");
	struct auth_secret secret;

	(void)state;
	assert_int_equal(auth_users_count(users), 5);
	assert_false(auth_users_secret(users, SLICE("nobody"), &secret));
	assert_true(auth_users_secret(users, SLICE("p"), &secret));
	assert_string_equal(secret.password, "plain");
	assert_false(secret.has_md5 || secret.has_keys);
	auth_secret_deinit(&secret);
	assert_null(secret.password);
	assert_true(auth_users_secret(users, SLICE("m"), &secret));
	assert_true(!secret.password && secret.has_md5 && !secret.has_keys);
	assert_memory_equal(secret.md5.text, MD5, MD5_SECRET_LEN);
	auth_secret_deinit(&secret);
	assert_true(auth_users_secret(users, SLICE("s"), &secret));
	assert_true(!secret.password && !secret.has_md5 && !secret.has_keys);
	auth_secret_deinit(&secret);
	assert_true(auth_users_secret(users, SLICE("e"), &secret));
	assert_true(!secret.password && !secret.has_md5 && !secret.has_keys);
	auth_secret_deinit(&secret);
	assert_true(auth_users_secret(users, SLICE("x"), &secret));
	assert_string_equal(secret.password, "md5 is my password");
	auth_secret_deinit(&secret);
	auth_users_unref(users);
}

static void the_last_line_of_a_user_counts(void **state)
{
	struct auth_users *users = load_file("\"a\" \"" MD5 "\"\n"
					     "\"a\" \"" SCRAM_1 "\"\n"
					     "\"a\" \"two\"\n");
	struct auth_secret secret;

	(void)state;
	assert_int_equal(auth_users_count(users), 1);
	assert_true(auth_users_secret(users, SLICE("a"), &secret));
	assert_string_equal(secret.password, "two");
	assert_false(secret.has_md5);
	auth_secret_deinit(&secret);
	auth_users_unref(users);
}

static void the_door_s_own_user_wins(void **state)
{
	struct fault f;
	struct auth_users *users =
		load("\"root\" \"" SCRAM_1 "\"\n", "root", MD5, "s", &f);
	struct auth_secret secret;

	(void)state;
	/* What looks like a secret in a URL is a password all the same. */
	assert_true(auth_users_secret(users, SLICE("root"), &secret));
	assert_string_equal(secret.password, MD5);
	assert_false(secret.has_md5);
	auth_secret_deinit(&secret);
	auth_users_unref(users);
	users = load(NULL, "root", "", "s", &f);
	assert_int_equal(auth_users_count(users), 1);
	auth_users_unref(users);
}

static void refuses_broken_verifiers_by_line(void **state)
{
	struct fault f;

	(void)state;
	assert_null(load(
		"\"a\" \"b\"\n\"c\" \"SCRAM-SHA-256$x\"\n", "", "", "s", &f));
	assert_non_null(strstr(f.text,
		", line 2: not a SCRAM-SHA-256 verifier as PostgreSQL stores"
		" it"));
}

static void invents_the_same_salts_in_every_worker(void **state)
{
	struct fault f;
	struct auth_users *a = load(NULL, "u", "p", "secret", &f);
	struct auth_users *b = load(NULL, "u", "p", "secret", &f);
	struct auth_users *c = load(NULL, "u", "p", "another", &f);
	struct scram_salt of_a, of_b, of_c;

	(void)state;
	auth_users_salt(a, SLICE("u"), &of_a);
	auth_users_salt(b, SLICE("u"), &of_b);
	auth_users_salt(c, SLICE("u"), &of_c);
	assert_true(scram_salt_equal(&of_a, &of_b));
	assert_false(scram_salt_equal(&of_a, &of_c));
	auth_users_unref(a);
	auth_users_unref(b);
	auth_users_unref(c);
}

/* As a login leaves them. */
static void learn(struct auth_users *users, const char *name)
{
	struct auth_user *user = auth_users_find(users, slice_str(name));

	assert_non_null(user);
	if (user->password)
		user->verifier = xnew(struct scram_verifier);
	else
		user->keys = xnew(struct scram_keys);
}

static bool knows(struct auth_users *users, const char *name)
{
	struct auth_user *user = auth_users_find(users, slice_str(name));

	return user &&
	       (user->password ? user->verifier != NULL : user->keys != NULL);
}

#define FILE_1                                                                 \
	"\"same\" \"" SCRAM_1 "\"\n\"other\" \"" SCRAM_1 "\"\n"                \
	"\"gone\" \"" SCRAM_1 "\"\n\"plain\" \"one\"\n"                        \
	"\"plain2\" \"one\"\n\"kind\" \"" SCRAM_1 "\"\n"
#define FILE_2                                                                 \
	"\"same\" \"" SCRAM_1 "\"\n\"other\" \"" SCRAM_2 "\"\n"                \
	"\"plain\" \"one\"\n\"plain2\" \"two\"\n\"kind\" \"k\"\n"              \
	"\"new\" \"" SCRAM_1 "\"\n"

/* Keys that outlive the verifier they belong to would log in a client whose
 * access was taken away. */
static void keys_die_with_their_verifier(void **state)
{
	struct auth_users *last = load_file(FILE_1);
	struct auth_users *next = load_file(FILE_2);
	struct auth_secret secret;

	(void)state;
	learn(last, "same");
	learn(last, "other");
	learn(last, "gone");
	learn(last, "plain");
	learn(last, "plain2");
	learn(last, "kind");
	auth_users_inherit(next, last);
	auth_users_unref(last);
	assert_true(knows(next, "same"));
	assert_true(auth_users_secret(next, SLICE("same"), &secret));
	assert_true(secret.has_keys);
	assert_int_equal(secret.salt.len, SCRAM_SALT_LEN);
	auth_secret_deinit(&secret);
	assert_false(knows(next, "other"));
	assert_true(auth_users_secret(next, SLICE("other"), &secret));
	assert_false(secret.has_keys);
	auth_secret_deinit(&secret);
	assert_false(knows(next, "gone"));
	assert_true(knows(next, "plain"));
	assert_false(knows(next, "plain2"));
	assert_false(knows(next, "kind"));
	assert_false(knows(next, "new"));
	auth_users_unref(next);
}

static void verifiers_die_with_their_salts(void **state)
{
	struct fault f;
	struct auth_users *last = load(NULL, "u", "p", "one", &f);
	struct auth_users *next = load(NULL, "u", "p", "two", &f);

	(void)state;
	learn(last, "u");
	auth_users_inherit(next, last);
	assert_false(knows(next, "u"));
	auth_users_unref(last);
	auth_users_unref(next);
}

static void finds_one_of_many(void **state)
{
	CLEANUP(buf_deinit) struct buf file = { 0 };
	struct auth_users *users;

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_printf(&file, "\"user%d\" \"password %d\"\n", i, i);
	buf_put_u8(&file, 0);
	users = load_file(file.data);
	assert_int_equal(auth_users_count(users), 20000);
	for (int i = 0; i < 20000; i += 777) {
		CLEANUP(freep) char *name = xasprintf("user%d", i);
		CLEANUP(freep) char *password = xasprintf("password %d", i);
		struct auth_secret secret;

		assert_true(auth_users_secret(users, slice_str(name), &secret));
		assert_string_equal(secret.password, password);
		auth_secret_deinit(&secret);
	}
	auth_users_unref(users);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_kinds_of_secrets),
		cmocka_unit_test(the_last_line_of_a_user_counts),
		cmocka_unit_test(the_door_s_own_user_wins),
		cmocka_unit_test(refuses_broken_verifiers_by_line),
		cmocka_unit_test(invents_the_same_salts_in_every_worker),
		cmocka_unit_test(keys_die_with_their_verifier),
		cmocka_unit_test(verifiers_die_with_their_salts),
		cmocka_unit_test(finds_one_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
