/*
 * Control messages between supervisor and workers.
 *
 * SOCK_SEQPACKET keeps messages apart and tells when the other process has
 * ended; both ends are of one machine and one binary, so the header goes as
 * it lies in memory.
 */
#include "loop/loop_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	MAILS_PER_TURN = 64
};

/* What stands in front of the payload. */
struct mail_header {
	uint16_t kind;
	int16_t from;
	int16_t to;
	uint16_t unused; /* zero */
};

/* A message that waits for room in the socket. */
struct queued_mail {
	struct list link;
	struct mail_header header;
	size_t len;
	char payload[];
};

static const struct {
	const char *name;
	bool is_for_doors;
} kinds[] = {
#define PROCESS			    false
#define DOOR			    true
#define CONTROL(name, reader, what) { #name, reader },
#include "proto/control.def"
#undef CONTROL
#undef DOOR
#undef PROCESS
};

const char *control_name(enum control_kind kind)
{
	check(kind < CONTROL_KIND_END);
	return kinds[kind].name;
}

bool control_is_for_doors(enum control_kind kind)
{
	check(kind < CONTROL_KIND_END);
	return kinds[kind].is_for_doors;
}

int mailbox_pair(int ret_fds[2])
{
	int r = socketpair(AF_UNIX,
		SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds);

	return r < 0 ? -errno : 0;
}

/* ---- sending ---------------------------------------------------------- */

static int send_now(struct mailbox *m, const struct mail_header *header,
	struct slice payload)
{
	struct iovec parts[] = {
		{ (void *)header, sizeof(*header) },
		{ (void *)payload.data, payload.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	do {
		n = sendmsg(m->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void enqueue(struct mailbox *m, const struct mail_header *header,
	struct slice payload)
{
	struct queued_mail *q = xrealloc(NULL, sizeof(*q) + payload.len);

	q->link = (struct list){ 0 };
	q->header = *header;
	q->len = payload.len;
	if (payload.len)
		memcpy(q->payload, payload.data, payload.len);
	list_push_back(&m->queue, &q->link);
	m->queued += sizeof(*q) + q->len;
}

static void drop_first(struct mailbox *m)
{
	struct queued_mail *q =
		list_entry(list_pop(&m->queue), struct queued_mail, link);

	m->queued -= sizeof(*q) + q->len;
	free(q);
}

static void on_mailbox_ready(uv_poll_t *poll, int status, int events);

static void wait_for_events(struct mailbox *m)
{
	int events = UV_READABLE;

	if (m->is_closing)
		return;
	if (!list_empty(&m->queue))
		events |= UV_WRITABLE;
	check(uv_poll_start(&m->poll, events, on_mailbox_ready) == 0);
}

/* Errors other than a full socket mean that the other process has ended:
 * reading will tell, and what it did not read has no reader any more. */
static void send_queued(struct mailbox *m)
{
	struct list *node;

	while ((node = list_first(&m->queue))) {
		struct queued_mail *q =
			list_entry(node, struct queued_mail, link);
		struct slice payload = slice_of(q->payload, q->len);

		if (send_now(m, &q->header, payload) == -EAGAIN)
			return;
		drop_first(m);
	}
}

int mailbox_send(struct mailbox *m, const struct mail *mail)
{
	struct mail_header header = {
		.kind = (uint16_t)mail->kind,
		.from = (int16_t)mail->from,
		.to = (int16_t)mail->to,
	};
	size_t size = sizeof(struct queued_mail) + mail->payload.len;

	check(mail->payload.len <= MAIL_PAYLOAD_MAX);
	if (m->is_closing)
		return 0;
	if (list_empty(&m->queue) &&
		send_now(m, &header, mail->payload) != -EAGAIN)
		return 0;
	if (size > MAILBOX_QUEUE_MAX - m->queued)
		return -ENOBUFS;
	enqueue(m, &header, mail->payload);
	wait_for_events(m);
	return 0;
}

/* ---- receiving -------------------------------------------------------- */

enum received {
	RECEIVED_MAIL,
	RECEIVED_NOTHING,
	RECEIVED_END
};

static enum received receive_one(struct mailbox *m)
{
	struct mail_header header = { 0 };
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ m->loop->scratch, MAIL_PAYLOAD_MAX },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = recvmsg(m->fd, &message, MSG_DONTWAIT);
	struct mail mail;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return RECEIVED_NOTHING;
	if (n <= 0)
		return RECEIVED_END;
	/* A process that sends nonsense is as good as gone. */
	if ((size_t)n < sizeof(header) || message.msg_flags & MSG_TRUNC ||
		header.kind >= CONTROL_KIND_END)
		return RECEIVED_END;
	mail.kind = header.kind;
	mail.from = header.from;
	mail.to = header.to;
	mail.payload = slice_of(m->loop->scratch, (size_t)n - sizeof(header));
	m->ops->mail(m, &mail);
	return RECEIVED_MAIL;
}

static void on_mailbox_ready(uv_poll_t *poll, int status, int events)
{
	struct mailbox *m = container_of(poll, struct mailbox, poll);
	enum received got = RECEIVED_MAIL;

	(void)status; /* an error shows itself in reading */
	(void)events;
	send_queued(m);
	for (int i = 0; i < MAILS_PER_TURN && got == RECEIVED_MAIL; i++) {
		got = receive_one(m);
		if (m->is_closing)
			return;
	}
	if (got == RECEIVED_END) {
		uv_poll_stop(&m->poll);
		m->ops->gone(m);
		return;
	}
	wait_for_events(m);
}

/* ---- life ------------------------------------------------------------- */

void mailbox_open(struct mailbox *m, struct loop *loop, int fd,
	const struct mailbox_ops *ops)
{
	*m = (struct mailbox){ .loop = loop, .fd = fd, .ops = ops };
	list_init(&m->queue);
	check(uv_poll_init(&loop->uv, &m->poll, fd) == 0);
	wait_for_events(m);
}

static void on_mailbox_closed(uv_handle_t *handle)
{
	struct mailbox *m =
		container_of((uv_poll_t *)handle, struct mailbox, poll);

	if (m->closed)
		m->closed(m);
}

void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *m))
{
	check(!m->is_closing);
	m->is_closing = true;
	m->closed = closed;
	while (!list_empty(&m->queue))
		drop_first(m);
	uv_close((uv_handle_t *)&m->poll, on_mailbox_closed);
	close(m->fd);
	m->fd = -1;
}
