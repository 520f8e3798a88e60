/* src/loop/mailbox.c: any bytes as a message on a control socket, whose
 * length the first two bytes choose. It arrives as it was sent, or the sender
 * is taken for gone. */
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop_priv.h"

enum {
	HEADER = 8,
};

struct side {
	struct mailbox box;
	struct slice sent; /* borrowed */
	bool is_there;
	bool is_gone;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_mail(struct mailbox *m, const struct mail *mail)
{
	struct side *s = container_of(m, struct side, box);
	uint16_t kind;
	int16_t from, to;

	memcpy(&kind, s->sent.data, sizeof(kind));
	memcpy(&from, s->sent.data + 2, sizeof(from));
	memcpy(&to, s->sent.data + 4, sizeof(to));
	check(mail->kind == kind && control_name(mail->kind));
	check(mail->from == from && mail->to == to);
	check(slice_equal(mail->payload, slice_from(s->sent, HEADER)));
	s->is_there = true;
	mailbox_close(m, NULL);
}

static void on_gone(struct mailbox *m)
{
	container_of(m, struct side, box)->is_gone = true;
	mailbox_close(m, NULL);
}

static const struct mailbox_ops ops = { .mail = on_mail, .gone = on_gone };

/* The input, said over and over when the length asks for more. */
static struct slice stretch(struct slice input, size_t len, struct buf *b)
{
	while (input.len && b->len < len)
		buf_append(b, input.data, MIN(input.len, len - b->len));
	return b->len ? buf_slice(b) : input;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct loop *loop;
	CLEANUP(buf_deinit) struct buf message = { 0 };
	struct reader r = reader_of(slice_of(data, len));
	size_t wanted = 2u * reader_u16(&r);
	struct side s = { 0 };
	bool is_good;
	int fds[2];

	loop = loop ? loop : loop_create();
	s.sent = stretch(slice_of(r.at, reader_left(&r)), wanted, &message);
	check(mailbox_pair(fds) == 0);
	mailbox_open(&s.box, loop, fds[0], &ops);
	if (s.sent.len)
		check(send(fds[1], s.sent.data, s.sent.len, 0) ==
			(ssize_t)s.sent.len);
	close(fds[1]);
	loop_run(loop);
	is_good = s.sent.len >= HEADER &&
		  s.sent.len - HEADER <= MAIL_PAYLOAD_MAX &&
		  (uint8_t)s.sent.data[0] < CONTROL_KIND_END && !s.sent.data[1];
	check(s.is_there == is_good && s.is_gone == !is_good);
	return 0;
}
