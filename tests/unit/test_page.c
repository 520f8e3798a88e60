/* The shared page: bounds hold and nothing stays behind while processes take
 * and give at once, and are killed doing so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "page/page.h"

enum {
	WORKERS = 4,
	COUNTERS = 3,
	ROUNDS = 20000
};

static int setup(void **state)
{
	*state = page_create(WORKERS, COUNTERS);
	return 0;
}

static int teardown(void **state)
{
	page_destroy(*state);
	return 0;
}

static void test_hash_is_the_pages(void **state)
{
	struct page *other = page_create(1, 1);
	struct slice key = SLICE("user\0database");

	assert_int_equal(page_hash(*state, key), page_hash(*state, key));
	assert_int_not_equal(page_hash(*state, key), page_hash(other, key));
	assert_int_not_equal(page_hash(*state, key),
		page_hash(*state, SLICE("user\0databasf")));
	page_destroy(other);
}

static void test_counters_are_summed(void **state)
{
	struct page *page = *state;

	for (unsigned worker = 0; worker <= WORKERS; worker++) {
		page_counters(page, worker)[0] = 1;
		page_counters(page, worker)[2] = worker;
	}
	assert_int_equal(page_counter_sum(page, 0), WORKERS + 1);
	assert_int_equal(page_counter_sum(page, 1), 0);
	assert_int_equal(page_counter_sum(page, 2), 0 + 1 + 2 + 3 + 4);
	page_worker_died(page, 3);
	assert_int_equal(page_counter_sum(page, 2), 0 + 1 + 2 + 3 + 4);
}

static void test_pool_slots(void **state)
{
	struct page *page = *state;
	bool seen[PAGE_POOLS] = { false };
	unsigned slot;
	unsigned again;

	for (uint64_t key = 0; key < PAGE_POOLS; key++) {
		assert_int_equal(page_pool_enter(page, 0, key, &slot), 0);
		assert_false(seen[slot]);
		seen[slot] = true;
		assert_int_equal(page_pool_enter(page, 1, key, &again), 0);
		assert_int_equal(again, slot);
	}
	assert_int_equal(page_pool_enter(page, 2, 5000, &slot), -ENOSPC);
	assert_int_equal(page_pool_enter(page, 2, 5, &slot), 0);
}

/* A slot is free when the last worker has left it, or died. */
static void test_pool_slots_are_given_back(void **state)
{
	struct page *page = *state;
	unsigned slots[PAGE_POOLS];
	unsigned slot;

	for (uint64_t key = 0; key < PAGE_POOLS; key++) {
		page_pool_enter(page, 0, key, &slots[key]);
		page_pool_enter(page, 1, key, &slots[key]);
	}
	page_pool_leave(page, 0, slots[7]);
	assert_int_equal(page_pool_enter(page, 0, 5000, &slot), -ENOSPC);
	page_pool_leave(page, 1, slots[7]);
	assert_int_equal(page_pool_enter(page, 0, 5000, &slot), 0);
	assert_int_equal(slot, slots[7]);
	assert_int_equal(page_pool_enter(page, 2, 7, &slot), -ENOSPC);
	page_worker_died(page, 0);
	assert_int_equal(page_pool_enter(page, 2, 7, &slot), 0);
	assert_int_equal(slot, slots[7]);
	assert_int_equal(page_pool_enter(page, 2, 8, &slot), 0);
	assert_int_equal(slot, slots[8]);
}

static void test_two_bounds(void **state)
{
	struct page *page = *state;

	assert_int_equal(page_permit_take(page, 0, 7, 2, 3), PAGE_TAKEN);
	assert_int_equal(page_permit_take(page, 1, 7, 2, 3), PAGE_TAKEN);
	assert_int_equal(page_permit_take(page, 2, 7, 2, 3), PAGE_POOL_FULL);
	assert_int_equal(page_permit_take(page, 2, 8, 2, 3), PAGE_TAKEN);
	assert_int_equal(page_permit_take(page, 2, 8, 2, 3), PAGE_GATEWAY_FULL);
	assert_int_equal(
		page_permit_take(page, 2, -1, 0, 3), PAGE_GATEWAY_FULL);
	assert_int_equal(page_permits_used(page), 3);
	assert_int_equal(page_pool_used(page, 7), 2);
	page_permit_give(page, 1, 7);
	assert_int_equal(page_permit_take(page, WORKERS, -1, 0, 3), PAGE_TAKEN);
	assert_int_equal(page_pool_used(page, 7), 1);
	page_worker_died(page, 2);
	assert_int_equal(page_permits_used(page), 2);
	assert_int_equal(page_pool_used(page, 8), 0);
	page_permit_give(page, WORKERS, -1);
	page_permit_give(page, 0, 7);
	assert_int_equal(page_permits_used(page), 0);
}

static void test_waiting(void **state)
{
	struct page *page = *state;

	page_waiting_set(page, 0, 1, 5);
	page_waiting_set(page, 1, 1, 2);
	page_waiting_set(page, 1, 2, 4);
	page_waiting_set(page, 1, 1, 3);
	assert_int_equal(page_waiting_elsewhere(page, 0, 1), 3);
	assert_int_equal(page_waiting_elsewhere(page, 1, 1), 5);
	assert_int_equal(page_waiting_elsewhere(page, 2, 2), 4);
	assert_int_equal(page_waiting_anywhere(page, 0), 7);
	assert_int_equal(page_waiting_anywhere(page, 2), 12);
	page_worker_died(page, 1);
	assert_int_equal(page_waiting_anywhere(page, 2), 5);
}

static void test_caps(void **state)
{
	struct page *page = *state;
	struct slice a = SLICE("192.0.2.1");
	struct slice b = SLICE("192.0.2.2");
	uint32_t slots[3];
	size_t len;

	assert_true(page_client_enter(page, 0, 2));
	assert_true(page_client_enter(page, 1, 2));
	assert_false(page_client_enter(page, 2, 2));
	page_client_leave(page, 0);
	assert_int_equal(page_clients(page), 1);
	assert_true(page_pinned_enter(page, 0, 1));
	assert_false(page_pinned_enter(page, 0, 1));
	page_pinned_leave(page, 0);
	assert_int_equal(page_pinned(page), 0);
	assert_false(page_pinned_enter(page, 0, 0));

	assert_true(page_login_enter(page, 0, a, 3, 2, &slots[0]));
	assert_true(page_login_enter(page, 1, a, 3, 2, &slots[1]));
	assert_int_equal(slots[0], slots[1]);
	assert_false(page_login_enter(page, 2, a, 3, 2, &slots[2]));
	assert_true(page_login_enter(page, 2, b, 3, 2, &slots[2]));
	assert_false(page_login_enter(page, 3, b, 3, 2, &slots[2]));
	page_login_leave(page, 0, slots[0]);
	assert_true(page_login_enter(page, 3, a, 3, 2, &slots[0]));
	page_worker_died(page, 1);
	assert_int_equal(page_logins(page), 2);

	assert_int_equal(page_ddl_generation(page), 0);
	page_ddl_seen(page);
	assert_int_equal(page_ddl_generation(page), 1);
	assert_int_equal(page_code_generation(page, 5), 0);
	page_code_seen(page, 5);
	assert_int_equal(page_code_generation(page, 5), 1);
	assert_int_equal(page_code_generation(page, 5 + PAGE_CODES), 1);
	assert_int_equal(page_code_generation(page, 6), 0);
	assert_non_null(page_secret(page, &len));
	assert_int_equal(len, PAGE_SECRET);
}

static void test_bells(void **state)
{
	struct page *page = *state;
	struct pollfd bell = { .fd = page_bell(page, 2), .events = POLLIN };

	assert_int_equal(poll(&bell, 1, 0), 0);
	page_ring_others(page, 2);
	assert_int_equal(poll(&bell, 1, 0), 0);
	page_ring_others(page, 0);
	page_ring(page, 2);
	assert_int_equal(poll(&bell, 1, 0), 1);
	page_bell_clear(page, 2);
	assert_int_equal(poll(&bell, 1, 0), 0);
	page_worker_died(page, 1);
	assert_int_equal(poll(&bell, 1, 0), 1);
}

/* ---- several processes ------------------------------------------------ */

enum {
	POOL_MAX = 3,
	GATEWAY_MAX = 5
};

/* Takes from one of two pools and checks what it can see: with its own
 * permit held, no sum may exceed its bound. */
static void take_and_give(struct page *page, unsigned worker, unsigned round)
{
	int slot = (int)((worker + round) % 2);

	if (page_permit_take(page, worker, slot, POOL_MAX, GATEWAY_MAX) !=
		PAGE_TAKEN)
		return;
	check(page_pool_used(page, (unsigned)slot) <= POOL_MAX);
	check(page_permits_used(page) <= GATEWAY_MAX);
	page_permit_give(page, worker, slot);
}

static pid_t fork_taker(struct page *page, unsigned worker, unsigned rounds)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (unsigned i = 0; i < rounds; i++)
		take_and_give(page, worker, i);
	_exit(0);
}

static void test_concurrent_takers(void **state)
{
	struct page *page = *state;
	pid_t pids[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = fork_taker(page, i, ROUNDS);
	for (unsigned i = 0; i < WORKERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(page_permits_used(page), 0);
}

/* Kills takers wherever they are, often inside the lock: the others go on,
 * and the dead leave nothing behind. */
static void test_killed_takers(void **state)
{
	struct page *page = *state;
	pid_t pids[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = fork_taker(page, i, UINT32_MAX);
	for (unsigned n = 0; n < 200; n++) {
		unsigned victim = (unsigned)random() % WORKERS;
		int status;

		for (unsigned i = 0; i < 50; i++)
			take_and_give(page, WORKERS, i);
		kill(pids[victim], SIGKILL);
		assert_int_equal(
			waitpid(pids[victim], &status, 0), pids[victim]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		page_worker_died(page, victim);
		assert_in_range(page_permits_used(page), 0, GATEWAY_MAX);
		pids[victim] = fork_taker(page, victim, UINT32_MAX);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		page_worker_died(page, i);
	}
	assert_int_equal(page_permits_used(page), 0);
	assert_int_equal(page_pool_used(page, 0), 0);
	assert_int_equal(page_pool_used(page, 1), 0);
}

/* A pool is stuck when nobody in any worker gets anything done with it. */
static void test_stuck_pools(void **state)
{
	struct page *page = *state;

	assert_false(page_pool_is_stuck(page, 0));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			page_permit_take(page, i % 2, 0, 10, 10), PAGE_TAKEN);
	assert_false(page_pool_is_stuck(page, 0));
	page_stuck_set(page, 0, 0, 2);
	assert_false(page_pool_is_stuck(page, 0));
	page_stuck_set(page, 1, 0, 1);
	assert_true(page_pool_is_stuck(page, 0));
	assert_false(page_pool_is_stuck(page, 1));
	page_worker_died(page, 0);
	assert_true(page_pool_is_stuck(page, 0));
	page_worker_died(page, 1);
	assert_false(page_pool_is_stuck(page, 0));
}

static void test_pauses(void **state)
{
	struct page *page = *state;
	uint64_t a = page_hash(page, SLICE("a")),
		 b = page_hash(page, SLICE("b"));

	assert_false(page_is_paused(page, PAGE_ALL_DATABASES));
	assert_false(page_is_paused(page, a));
	assert_int_equal(page_pause_set(page, a, false), PAGE_PAUSE_SAME);
	assert_int_equal(page_pause_set(page, a, true), PAGE_PAUSE_CHANGED);
	assert_int_equal(page_pause_set(page, a, true), PAGE_PAUSE_SAME);
	assert_true(page_is_paused(page, a));
	assert_false(page_is_paused(page, b));
	assert_false(page_is_paused(page, PAGE_ALL_DATABASES));
	assert_int_equal(page_pause_set(page, PAGE_ALL_DATABASES, true),
		PAGE_PAUSE_CHANGED);
	assert_int_equal(page_pause_set(page, a, false), PAGE_PAUSE_CHANGED);
	assert_false(page_is_paused(page, a));
	assert_true(page_is_paused(page, PAGE_ALL_DATABASES));
}

static void test_pauses_are_bounded(void **state)
{
	struct page *page = *state;

	for (uint64_t i = 1; i <= PAGE_PAUSED; i++)
		assert_int_equal(
			page_pause_set(page, 2 * i, true), PAGE_PAUSE_CHANGED);
	assert_int_equal(page_pause_set(page, 1000, true), PAGE_PAUSE_FULL);
	assert_int_equal(page_pause_set(page, 4, false), PAGE_PAUSE_CHANGED);
	assert_int_equal(page_pause_set(page, 1000, true), PAGE_PAUSE_CHANGED);
}

#define PAGE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(test_pauses),
		PAGE_TEST(test_pauses_are_bounded),
		PAGE_TEST(test_hash_is_the_pages),
		PAGE_TEST(test_counters_are_summed),
		PAGE_TEST(test_pool_slots),
		PAGE_TEST(test_pool_slots_are_given_back),
		PAGE_TEST(test_two_bounds),
		PAGE_TEST(test_waiting),
		PAGE_TEST(test_stuck_pools),
		PAGE_TEST(test_caps),
		PAGE_TEST(test_bells),
		PAGE_TEST(test_concurrent_takers),
		PAGE_TEST(test_killed_takers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
