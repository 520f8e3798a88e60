/* src/pool/secret.c: keys are made once, and forgotten with the password. */
#include "tests/unit/loop_help.h"

#include "pool/pool_priv.h"

struct scene {
	struct pools pools;
	struct secret *secret;
};

struct asker {
	struct secret_waiter waiter;
	struct secret *secret;
	const struct scram_salt *salt;
	struct scram_keys keys;
	int outcome;
	int n_called;
	bool asks_again;
};

static const struct scram_salt one = {
	.iterations = 4096, .len = 4, .bytes = "one!"
};
static const struct scram_salt two = {
	.iterations = 4096, .len = 4, .bytes = "two!"
};

static int create(void **state)
{
	struct scene *sc = xnew(struct scene);

	sc->pools.loop = loop_create();
	sc->pools.n_open = 1;
	table_init(&sc->pools.secrets);
	sc->secret = secret_get(&sc->pools, SLICE("alice"));
	*state = sc;
	return 0;
}

static int destroy(void **state)
{
	struct scene *sc = *state;

	loop_run(sc->pools.loop);
	assert_int_equal(sc->pools.n_open, 1);
	loop_destroy(sc->pools.loop);
	table_remove(&sc->pools.secrets, &sc->secret->node);
	secret_destroy(sc->secret);
	table_deinit(&sc->pools.secrets);
	free(sc);
	return 0;
}

static void on_called(struct secret_waiter *w)
{
	struct asker *a = container_of(w, struct asker, waiter);

	a->n_called++;
	if (a->asks_again)
		a->outcome =
			secret_keys(a->secret, a->salt, &a->waiter, &a->keys);
}

static int ask(struct scene *sc, struct asker *a, const struct scram_salt *salt)
{
	*a = (struct asker){ .waiter.done = on_called };
	a->secret = sc->secret;
	a->salt = salt;
	a->asks_again = true;
	a->outcome = secret_keys(sc->secret, salt, &a->waiter, &a->keys);
	return a->outcome;
}

static bool set_password(struct scene *sc, const char *password)
{
	CLEANUP(pool_secret_deinit)
	struct pool_secret given = { .password = xstrdup(password) };

	return secret_set(sc->secret, &given);
}

static void assert_keys(const struct asker *a, const char *password)
{
	struct scram_keys expected;

	assert_int_equal(a->outcome, 0);
	assert_int_equal(
		scram_keys_derive(slice_str(password), a->salt, &expected), 0);
	assert_memory_equal(&a->keys, &expected, sizeof(expected));
}

static void one_secret_for_a_user(void **state)
{
	struct scene *sc = *state;
	struct asker a;

	assert_ptr_equal(secret_get(&sc->pools, SLICE("alice")), sc->secret);
	assert_int_equal(ask(sc, &a, &one), SECRET_E_NONE);
	set_password(sc, "pass\u00b2");
	assert_int_equal(ask(sc, &a, &one), SECRET_E_PASSWORD);
}

static void all_wait_for_one_derivation(void **state)
{
	struct scene *sc = *state;
	struct asker a, b, gone, other;

	set_password(sc, "pencil");
	assert_int_equal(ask(sc, &a, &one), SECRET_E_WAIT);
	assert_int_equal(ask(sc, &b, &one), SECRET_E_WAIT);
	assert_int_equal(ask(sc, &gone, &one), SECRET_E_WAIT);
	assert_int_equal(sc->pools.n_open, 2);
	list_remove(&gone.waiter.link);
	turn_until(sc->pools.loop, a.n_called && b.n_called);
	assert_keys(&a, "pencil");
	assert_keys(&b, "pencil");
	assert_int_equal(gone.n_called, 0);
	assert_int_equal(sc->pools.n_open, 1);
	/* Known now; for another salt they are made anew. */
	assert_int_equal(ask(sc, &a, &one), 0);
	assert_int_equal(ask(sc, &other, &two), SECRET_E_WAIT);
	turn_until(sc->pools.loop, other.n_called);
	assert_keys(&other, "pencil");
}

static void keys_go_with_the_password(void **state)
{
	struct scene *sc = *state;
	struct asker a;

	assert_true(set_password(sc, "pencil"));
	assert_int_equal(ask(sc, &a, &one), SECRET_E_WAIT);
	turn_until(sc->pools.loop, a.n_called);
	assert_false(set_password(sc, "pencil"));
	assert_int_equal(ask(sc, &a, &one), 0);
	assert_true(set_password(sc, "crayon"));
	assert_int_equal(ask(sc, &a, &one), SECRET_E_WAIT);
	turn_until(sc->pools.loop, a.n_called);
	assert_keys(&a, "crayon");
	assert_true(secret_set(sc->secret, NULL));
	assert_int_equal(ask(sc, &a, &one), SECRET_E_NONE);
	assert_false(secret_set(sc->secret, NULL));
}

/* Replaced while keys of the old one are being made: whoever waits gets those
 * of the new one. */
static void replaced_in_the_middle(void **state)
{
	struct scene *sc = *state;
	struct asker a, b;

	set_password(sc, "pencil");
	assert_int_equal(ask(sc, &a, &one), SECRET_E_WAIT);
	set_password(sc, "crayon");
	assert_int_equal(ask(sc, &b, &one), SECRET_E_WAIT);
	turn_until(sc->pools.loop, !a.outcome && !b.outcome);
	assert_keys(&a, "crayon");
	assert_keys(&b, "crayon");
	set_password(sc, "chalk");
	assert_int_equal(ask(sc, &a, &one), SECRET_E_WAIT);
	secret_set(sc->secret, NULL);
	turn_until(sc->pools.loop, a.n_called);
	assert_int_equal(a.outcome, SECRET_E_NONE);
}

static void keys_that_were_given(void **state)
{
	struct scene *sc = *state;
	struct pool_secret given = { .has_keys = true, .salt = one };
	struct asker a;

	memset(&given.keys, 5, sizeof(given.keys));
	assert_true(secret_set(sc->secret, &given));
	assert_false(secret_set(sc->secret, &given));
	assert_int_equal(ask(sc, &a, &one), 0);
	assert_memory_equal(&a.keys, &given.keys, sizeof(given.keys));
	/* The server's verifier is another one by now. */
	assert_int_equal(ask(sc, &a, &two), SECRET_E_NONE);
	given.keys.client_key[0] ^= 1;
	assert_true(secret_set(sc->secret, &given));
}

static void md5(void **state)
{
	struct scene *sc = *state;
	struct pool_secret given = { .has_md5 = true };
	struct md5_secret made;

	assert_false(secret_md5(sc->secret, &made));
	set_password(sc, "pencil");
	assert_true(secret_md5(sc->secret, &made));
	assert_true(md5_secret_is(slice_of(made.text, MD5_SECRET_LEN)));
	given.md5 = made;
	secret_set(sc->secret, &given);
	memset(&made, 0, sizeof(made));
	assert_true(secret_md5(sc->secret, &made));
	assert_memory_equal(&made, &given.md5, sizeof(made));
}

int main(void)
{
#define SECRET_TEST(f) cmocka_unit_test_setup_teardown(f, create, destroy)
	const struct CMUnitTest tests[] = {
		SECRET_TEST(one_secret_for_a_user),
		SECRET_TEST(all_wait_for_one_derivation),
		SECRET_TEST(keys_go_with_the_password),
		SECRET_TEST(replaced_in_the_middle),
		SECRET_TEST(keys_that_were_given),
		SECRET_TEST(md5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
