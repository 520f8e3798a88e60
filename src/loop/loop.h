#pragma once

/*
 * Time and sockets, no protocol: what Howdah uses of libuv and OpenSSL. One
 * struct loop per process. Everything here belongs to one loop and is used
 * from its thread only.
 *
 * Memory: the caller embeds the structs and owns them. x_close() starts the
 * end; the memory may go only in (or after) the closed callback.
 *
 * Turns: a turn of the loop is one round of timers and ready sockets. What
 * was written to streams during a turn leaves at its end, one system call
 * per socket; work that can wait registers a turn hook.
 */
#include <uv.h>

#include "base/base.h"

struct loop;
struct stream;
struct tls;
struct tls_context;

/* ---- the loop --------------------------------------------------------- */

struct loop *loop_create(void);

/* All handles must be closed; runs the last closed callbacks. */
void loop_destroy(struct loop *loop);

/* In a child just forked: closes what the parent's loop has open, which the
 * two would share. The memory stays as it is, of no use. */
void loop_forget(struct loop *loop);

/* Runs until loop_stop() or until nothing is left to wait for. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds of a monotonic clock, as of the start of this turn. */
uint64_t loop_now(const struct loop *loop);

/* The same in microseconds, for adding up short spans: the clock as it was
 * when somebody first asked in this turn. */
uint64_t loop_now_us(struct loop *loop);

/* Microseconds of the same clock, read now. */
uint64_t loop_clock_us(void);

/*
 * Called at the end of every turn, before the turn's output leaves. Hooks
 * are few and live as long as the loop.
 */
typedef void turn_hook_fn(void *owner);
void loop_on_turn(struct loop *loop, turn_hook_fn *fn, void *owner);

/* ---- timers ----------------------------------------------------------- */

struct timer;
typedef void timer_fn(struct timer *timer);

struct timer {
	uv_timer_t handle;
	timer_fn *fn;
	void (*closed)(struct timer *timer);
};

void timer_init(struct timer *timer, struct loop *loop, timer_fn *fn);

/* repeat_ms 0: once. Starting again replaces the earlier start. */
void timer_start(struct timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void timer_stop(struct timer *timer);
bool timer_is_active(const struct timer *timer);

/* closed may be NULL when the memory outlives the loop. */
void timer_close(struct timer *timer, void (*closed)(struct timer *timer));

/* ---- work ------------------------------------------------------------- */

/*
 * One piece of work on a thread. fn runs there: it may touch what work holds,
 * and nothing that the loop's thread changes meanwhile. done is called on the
 * loop's thread, always, once, and not before work_run() has returned. Until
 * then the memory must stay: whoever wants the result may go earlier, the
 * work itself may not, and the loop does not end before it.
 */
struct work;
typedef void work_fn(struct work *work);

struct work {
	uv_work_t request;
	work_fn *fn;
	work_fn *done;
};

void work_run(struct work *work, struct loop *loop, work_fn *fn, work_fn *done);

/* ---- streams ---------------------------------------------------------- */

enum {
	STREAM_READ_MAX = 64 * 1024, /* bytes one turn takes from one socket */
	STREAM_OUT_HIGH = 64 * 1024, /* a writer should pause above this */
	STREAM_OUT_LOW = 16 * 1024,  /* and may go on below this */
	STREAM_FINISH_MS = 10000,    /* a peer's time to read the last bytes */
};

struct stream_ops {
	/*
	 * Bytes have come: all that was not consumed before, and the new
	 * ones behind them. Returns how many are consumed; the rest is kept
	 * and shown again with more. When as much as the limit is kept,
	 * reading stops until stream_consume().
	 */
	size_t (*input)(struct stream *s, struct slice bytes);

	/* The peer will send no more. Output still leaves. */
	void (*eof)(struct stream *s);

	/* The connection is lost (negative errno, or the TLS layer's -EPROTO)
	 * and all that came is read. The owner closes the stream. */
	void (*failed)(struct stream *s, int error);

	/*
	 * A write failed: output is dropped from now on. What the peer sent
	 * before may still be read, and failed() ends that; a paused owner
	 * hears of a lost peer here alone. May be NULL.
	 */
	void (*broken)(struct stream *s, int error);

	/* Output fell below STREAM_OUT_LOW after having been above
	 * STREAM_OUT_HIGH. May be NULL. */
	void (*drained)(struct stream *s);

	/* The TLS handshake is done. May be NULL where TLS never starts. */
	void (*secured)(struct stream *s);

	/* After stream_close(): the memory is the owner's again. */
	void (*closed)(struct stream *s);
};

struct stream_chunk;

struct stream_queue {
	struct stream_chunk *first;
	struct stream_chunk *last;
	size_t len;
};

/* A connected stream socket: what was read and not consumed, what was
 * written and has not left. Both are freed while empty, so that an idle
 * connection costs this struct alone. */
struct stream {
	uv_poll_t poll;
	const struct stream_ops *ops;
	struct loop *loop;     /* borrowed */
	struct tls *tls;       /* NULL: plain */
	struct list dirty;     /* in the loop's list while output waits */
	struct list finishing; /* in the loop's list while a peer reads on */
	uint64_t finish_at;
	char *in;
	uint32_t in_len;
	uint32_t in_cap;
	uint32_t in_limit;
	int fd;
	int broken; /* why a write failed, 0: none did */
	struct stream_queue out;
	uint8_t events; /* what poll waits for */
	bool is_paused;
	bool is_eof;
	bool is_closing;
	bool is_above_high;
	bool is_broken_told;
	bool is_finishing; /* close once the output has left */
	bool is_ending;	   /* the output so far was all: say so behind it */
	bool is_ended;	   /* said */
};

/* Takes the descriptor over (non-blocking from now on) and reads. */
void stream_open(struct stream *s, struct loop *loop, int fd,
	const struct stream_ops *ops);

/* Most bytes that may wait unconsumed; STREAM_READ_MAX at first. TLS may add
 * two of its records. */
void stream_set_limit(struct stream *s, size_t limit);

/* Bytes kept, for an owner that can go on outside of input(). */
static inline struct slice stream_pending(const struct stream *s)
{
	return slice_of(s->in, s->in_len);
}

/* Drops the first n of stream_pending(). Not from inside input(). */
void stream_consume(struct stream *s, size_t n);

/* Stops and goes on with reading from the socket. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Copies into the output, which leaves at the end of the turn. */
void stream_write(struct stream *s, const void *data, size_t len);

static inline void stream_write_slice(struct stream *s, struct slice bytes)
{
	stream_write(s, bytes.data, bytes.len);
}

/* Bytes written that have not left yet. */
size_t stream_out_len(const struct stream *s);

/* Lets output leave now, for writers that fill it faster than turns end. What
 * there is to tell of it comes at the end of the turn as ever. */
void stream_flush(struct stream *s);

/* Nothing is written any more: the peer sees the end of it once all has left.
 * What it answers is still read. */
void stream_end(struct stream *s);

/* Reads now, once, instead of when poll says so: an owner that is about to
 * rely on a connection it has not used for a while looks whether it lives. */
void stream_look(struct stream *s);

/* Puts bytes back in front of stream_pending(), as if they had not been
 * consumed. Not from inside input(). */
void stream_unread(struct stream *s, struct slice bytes);

/* Closes once the output has left, at the end of this turn at the earliest,
 * or when the peer has not read it in STREAM_FINISH_MS. Input is no longer
 * read and output no longer taken. */
void stream_finish(struct stream *s);

/* Closes now; output that has not left is lost. Twice is fine. */
void stream_close(struct stream *s);

/* ---- TLS -------------------------------------------------------------- */

/*
 * TLS 1.2 and later, without renegotiation. What is asked for a file: PEM,
 * and of a key file that nobody else can read it. A context is counted; the
 * streams made with it hold it.
 *
 * For listening: cert holds the chain, ours first. ca NULL or "": clients are
 * not asked for a certificate; else one that is given must be verified by it.
 * tickets (80 bytes, shared by all workers) encrypt session tickets; NULL: no
 * resumption. NULL with *f set on failure.
 */
struct tls_context *tls_context_server(const char *cert, const char *key,
	const char *ca, const void *tickets, struct fault *f);

/*
 * For connecting, with libpq's names for what may be asked; texts may be NULL
 * or "". Whether to ask for TLS at all, and what to do when it is refused, is
 * the caller's.
 */
struct tls_client {
	const char *sslmode; /* as far as certificates go; never NULL */

	/* One that is given is verified against in every mode. Without one
	 * nothing is verified below verify-ca, verify-full takes the system's
	 * authorities ("system" says so explicitly), and verify-ca fails, for
	 * those prove nothing without the name. */
	const char *root;

	/* Certificates revoked, a file and a folder. With either of them each
	 * certificate of a chain needs a list that is in date. */
	const char *crl;
	const char *crl_folder;

	/* Ours: both or none. */
	const char *cert;
	const char *key;

	/* "TLSv1.2": what lies between is spoken. */
	const char *min_version;
	const char *max_version;

	bool is_direct;	 /* the server must choose ALPN's "postgresql" */
	bool hides_name; /* no SNI */
};

struct tls_context *tls_context_client(
	const struct tls_client *client, struct fault *f);

struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);

/*
 * The stream speaks TLS. What was written before leaves as it is; what was
 * read and input() does not consume is TLS already. So after SSLRequest the
 * caller makes sure that nothing followed it, and for direct TLS it consumes
 * nothing. The handshake begins at the end of this turn, also while paused;
 * secured() tells when it is done, and input() then shows what came with it,
 * paused or not. What is written earlier waits for it.
 *
 * Server: with must_alpn (direct TLS) the client must offer the protocol
 * "postgresql"; otherwise it may offer none, but no list without it. Client:
 * host is for SNI and for verify-full, which needs one.
 */
void stream_secure_server(
	struct stream *s, struct tls_context *ctx, bool must_alpn);
void stream_secure_client(
	struct stream *s, struct tls_context *ctx, const char *host);

/* What an error given to failed() or broken() means, TLS's own included.
 * Valid until the stream is closed. */
const char *stream_error_text(const struct stream *s, int error);

enum {
	TLS_HASH_MAX = 64
};

/* RFC 5929 tls-server-end-point of the server's certificate, at most
 * TLS_HASH_MAX bytes; 0 when there is none: no TLS, or a certificate signed
 * without a hash (Ed25519), for which no channel binding may be offered. */
size_t tls_endpoint_hash(const struct stream *s, uint8_t *hash);

/* Common name of a verified peer certificate, "" when there is none. */
void tls_peer_name(const struct stream *s, char *name, size_t size);

/* "TLSv1.3" and the cipher, for SHOW CLIENTS; "" when plain. */
const char *tls_version(const struct stream *s);
const char *tls_cipher(const struct stream *s);

/* ---- listening, connecting -------------------------------------------- */

/* Room for "[address]:port" or "unix:path". */
enum {
	PEER_TEXT_MAX = 128
};

struct listener;

/* The descriptor is the callee's. peer is borrowed. */
typedef void listener_accept_fn(
	struct listener *l, int fd, const struct sockaddr *peer);

struct listener {
	uv_poll_t poll;
	struct loop *loop;
	listener_accept_fn *accept;
	void (*closed)(struct listener *l);
	struct timer pause; /* out of descriptors: try again later */
	struct log_limit log_limit;
	int fd;
	uint8_t n_open;
};

/* fd listens already and is non-blocking; it is borrowed, not closed. */
void listener_open(struct listener *l, struct loop *loop, int fd,
	listener_accept_fn *accept);

/* Accepts all that wait (until EAGAIN), then stops. */
void listener_drain(struct listener *l);

/* Also from inside accept(); twice is fine. */
void listener_close(struct listener *l, void (*closed)(struct listener *l));

/* "127.0.0.1:5432", "[::1]:5432" or "unix" of a peer. */
void peer_text(const struct sockaddr *peer, char *text, size_t size);

/*
 * Looks a name up and connects, trying every address in turn, each for its
 * share of timeout_ms. A host that starts with '/' is the folder of a unix
 * socket. The callback fires once: fd >= 0 is the caller's, else error is a
 * negative errno and text says what failed.
 */
struct connector;
typedef void connector_fn(struct connector *c, int fd, int error);

struct connector {
	struct loop *loop;
	connector_fn *done;
	uv_getaddrinfo_t lookup;
	uv_poll_t poll;
	struct timer deadline;
	uint64_t end_at;
	struct addrinfo *addresses;
	struct addrinfo *next;
	char host[256];
	uint16_t port;
	int fd;
	int error;
	bool is_looking;
	bool is_polling;
	uint8_t n_open; /* handles that must close before the memory goes */
	void (*closed)(struct connector *c);
	char text[192];
};

void connector_open(struct connector *c, struct loop *loop, const char *host,
	uint16_t port, uint64_t timeout_ms, connector_fn *done);

/* Needed after done, too. Without done before: done is not called. */
void connector_close(struct connector *c, void (*closed)(struct connector *c));

/* How long a silent peer is believed in, in libpq's units and with its
 * defaults: 0 is the system's. */
struct socket_patience {
	bool is_off;	     /* no keepalive at all */
	int idle_s;	     /* until the first probe */
	int interval_s;	     /* between probes */
	int count;	     /* of probes */
	int user_timeout_ms; /* for what was sent and is not acknowledged */
};

/* Of a TCP socket. What the kernel does not take stays as it is. */
void socket_be_patient(int fd, const struct socket_patience *p);

/* Who is at the other end of a unix socket. A negative errno on failure. */
int socket_peer_uid(int fd, unsigned *ret_uid);

/* ---- between processes ------------------------------------------------ */

/* A descriptor (signalfd, eventfd, seqpacket socket) that becomes readable.
 * It stays the owner's; fn reads it. */
struct watch;
typedef void watch_fn(struct watch *w);

struct watch {
	uv_poll_t poll;
	watch_fn *fn;
	void (*closed)(struct watch *w);
	int fd;
};

void watch_open(struct watch *w, struct loop *loop, int fd, watch_fn *fn);
void watch_close(struct watch *w, void (*closed)(struct watch *w));

/*
 * A mailbox is one end of a control socket between supervisor and worker:
 * messages stay whole and in order, and what the socket does not take waits
 * in a bounded queue.
 */
enum control_kind {
#define CONTROL(name, reader, what) CONTROL_##name,
#include "proto/control.def"
#undef CONTROL
	CONTROL_KIND_END
};

enum {
	MAIL_OTHERS = -1,     /* to: every worker but the sender */
	MAIL_SUPERVISOR = -2, /* from or to */
	MAIL_PAYLOAD_MAX = STREAM_READ_MAX,
	MAILBOX_QUEUE_MAX = 16 * 1024 * 1024, /* bytes */
};

struct mail {
	enum control_kind kind;
	int from; /* a worker's number, or MAIL_SUPERVISOR */
	int to;
	struct slice payload; /* borrowed */
};

/* "CANCEL", and whether doors read it rather than the processes. */
const char *control_name(enum control_kind kind);
bool control_is_for_doors(enum control_kind kind);

struct mailbox;

struct mailbox_ops {
	/* One message; its payload is good until this returns. */
	void (*mail)(struct mailbox *m, const struct mail *mail);

	/* The other process has ended. The owner closes the mailbox. */
	void (*gone)(struct mailbox *m);
};

struct mailbox {
	uv_poll_t poll;
	const struct mailbox_ops *ops;
	struct loop *loop;
	void (*closed)(struct mailbox *m);
	struct list queue;
	size_t queued; /* bytes, payloads and headers */
	int fd;
	bool is_closing;
};

/* Two connected ends, each for one mailbox. A negative errno on failure. */
int mailbox_pair(int ret_fds[2]);

/* Takes the descriptor over. */
void mailbox_open(struct mailbox *m, struct loop *loop, int fd,
	const struct mailbox_ops *ops);

/* 0, or -ENOBUFS when MAILBOX_QUEUE_MAX bytes wait already: the other side
 * does not read, and this message is dropped. */
int mailbox_send(struct mailbox *m, const struct mail *mail);

/* What has not left is lost. closed may be NULL when the memory outlives the
 * loop. */
void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *m));
