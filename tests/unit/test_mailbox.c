/* Mailboxes: messages arrive whole, in order and once; a reader that does
 * not read costs a bounded queue; the end of the other side is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"

struct side {
	struct mailbox box;
	uint32_t n_mails;
	uint32_t next; /* the number the next payload must begin with */
	uint32_t stop_at;
	bool is_gone;
};

static void on_mail(struct mailbox *m, const struct mail *mail)
{
	struct side *s = container_of(m, struct side, box);

	if (mail->payload.len >= sizeof(uint32_t)) {
		uint32_t number;

		memcpy(&number, mail->payload.data, sizeof(number));
		assert_int_equal(number, s->next);
		s->next++;
	}
	s->n_mails++;
	if (s->n_mails == s->stop_at)
		mailbox_close(m, NULL);
}

static void on_gone(struct mailbox *m)
{
	struct side *s = container_of(m, struct side, box);

	s->is_gone = true;
	mailbox_close(m, NULL);
}

static const struct mailbox_ops ops = { .mail = on_mail, .gone = on_gone };

static void open_sides(struct loop *loop, struct side *a, struct side *b)
{
	int fds[2];

	*a = (struct side){ 0 };
	*b = (struct side){ 0 };
	assert_int_equal(mailbox_pair(fds), 0);
	mailbox_open(&a->box, loop, fds[0], &ops);
	mailbox_open(&b->box, loop, fds[1], &ops);
}

static int send_number(struct side *s, uint32_t number, size_t len)
{
	static char payload[MAIL_PAYLOAD_MAX];
	struct mail mail = {
		.kind = CONTROL_ADMIN_ROW,
		.from = 3,
		.to = MAIL_OTHERS,
		.payload = slice_of(payload, len),
	};

	memcpy(payload, &number, sizeof(number));
	return mailbox_send(&s->box, &mail);
}

static void test_order_and_end(void **state)
{
	struct loop *loop = loop_create();
	struct side a, b;
	uint32_t n = 0;

	(void)state;
	open_sides(loop, &a, &b);
	/* far more than the socket holds */
	for (; n < 100; n++)
		assert_int_equal(send_number(&a, n, MAIL_PAYLOAD_MAX), 0);
	for (; n < 1000; n++)
		assert_int_equal(send_number(&a, n, sizeof(n)), 0);
	b.stop_at = 1000;
	loop_run(loop); /* b closes at the last one, a sees that */
	assert_int_equal(b.n_mails, 1000);
	assert_int_equal(b.next, 1000);
	assert_int_equal(a.n_mails, 0);
	assert_true(a.is_gone);
	assert_false(b.is_gone);
	loop_destroy(loop);
}

static void test_envelope(void **state)
{
	struct loop *loop = loop_create();
	struct mail mail = { .kind = CONTROL_DRAIN, .from = MAIL_SUPERVISOR };
	struct side a, b;

	(void)state;
	open_sides(loop, &a, &b);
	mail.to = 63;
	assert_int_equal(mailbox_send(&a.box, &mail), 0);
	b.stop_at = 1;
	loop_run(loop);
	assert_int_equal(b.n_mails, 1);
	assert_int_equal(b.next, 0);
	loop_destroy(loop);
}

static void test_queue_is_bounded(void **state)
{
	struct loop *loop = loop_create();
	struct side a, b;
	uint32_t n = 0;
	int r;

	(void)state;
	open_sides(loop, &a, &b);
	do {
		r = send_number(&a, n++, MAIL_PAYLOAD_MAX);
		assert_true(a.box.queued <= MAILBOX_QUEUE_MAX);
	} while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(n, 2, 2 * MAILBOX_QUEUE_MAX / MAIL_PAYLOAD_MAX);
	b.stop_at = n - 1; /* all but the one refused */
	loop_run(loop);
	assert_int_equal(b.next, n - 1);
	loop_destroy(loop);
}

static void test_nonsense_ends_it(void **state)
{
	struct loop *loop = loop_create();
	struct side b = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(mailbox_pair(fds), 0);
	mailbox_open(&b.box, loop, fds[1], &ops);
	assert_int_equal(send(fds[0], "abc", 3, 0), 3);
	loop_run(loop);
	assert_true(b.is_gone);
	close(fds[0]);

	b = (struct side){ 0 };
	assert_int_equal(mailbox_pair(fds), 0);
	mailbox_open(&b.box, loop, fds[1], &ops);
	assert_int_equal(send(fds[0], "\377\377345678", 8, 0), 8);
	loop_run(loop);
	assert_true(b.is_gone);
	assert_int_equal(b.n_mails, 0);
	close(fds[0]);
	loop_destroy(loop);
}

/* The other process sends this, as it lies in memory, and ends. */
static void receive_raw(const char *bytes, size_t len, struct side *s)
{
	struct loop *loop = loop_create();
	int fds[2];

	*s = (struct side){ 0 };
	assert_int_equal(mailbox_pair(fds), 0);
	mailbox_open(&s->box, loop, fds[1], &ops);
	assert_int_equal(send(fds[0], bytes, len, 0), len);
	close(fds[0]);
	loop_run(loop);
	assert_true(s->is_gone);
	loop_destroy(loop);
}

/* A message has its header whole, or its sender is as good as gone; payloads
 * have every length up to the longest. */
static void test_cut(void **state)
{
	enum {
		HEADER = 8,
		LONGEST = HEADER + MAIL_PAYLOAD_MAX
	};
	static char bytes[LONGEST + 1] = { CONTROL_CANCEL, 0, 1, 0, 2 };
	struct side s;

	(void)state;
	for (size_t len = 1; len <= HEADER + 20; len++) {
		receive_raw(bytes, len, &s);
		assert_int_equal(s.n_mails, len >= HEADER);
	}
	receive_raw(bytes, LONGEST, &s);
	assert_int_equal(s.n_mails, 1);
	receive_raw(bytes, LONGEST + 1, &s);
	assert_int_equal(s.n_mails, 0);
	bytes[0] = CONTROL_KIND_END;
	receive_raw(bytes, HEADER, &s);
	assert_int_equal(s.n_mails, 0);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_string_equal(control_name(CONTROL_CANCEL), "CANCEL");
	assert_true(control_is_for_doors(CONTROL_CANCEL));
	assert_false(control_is_for_doors(CONTROL_DRAIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_end),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_nonsense_ends_it),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
