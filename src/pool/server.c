/*
 * The server as its URL describes it: what that asks of every connection is
 * read once, when the pools are made.
 */
#include "pool/pool_priv.h"

#include <pwd.h>
#include <stdlib.h>

static bool is_unix(const struct upstream_host *host)
{
	return !*host->hostaddr && strchr("/@", host->host[0]);
}

/* config/ has seen that it is a number; libpq takes negative ones for 0. */
static int number_of(const char *text)
{
	uint64_t number = 0;

	num_parse_u64(slice_str(text), &number);
	return (int)number;
}

static bool is_text(const char *text, const char *word)
{
	return !strcmp(text, word);
}

static int load_tls(struct server *s, struct fault *f)
{
	const struct upstream *up = s->upstream;
	bool has_cert = !is_text(up->sslcertmode, "disable");
	struct tls_client client = {
		.sslmode = up->sslmode,
		.root = up->sslrootcert,
		.crl = up->sslcrl,
		.crl_folder = up->sslcrldir,
		.cert = has_cert ? up->sslcert : NULL,
		.key = has_cert ? up->sslkey : NULL,
		.min_version = up->ssl_min_protocol_version,
		.max_version = up->ssl_max_protocol_version,
		.is_direct = is_text(up->sslnegotiation, "direct"),
		.hides_name = is_text(up->sslsni, "0"),
	};

	if (!*up->sslmode || is_text(up->sslmode, "disable"))
		return 0;
	for (size_t i = 0; i < up->n_hosts && !s->tls; i++) {
		if (is_unix(&up->hosts[i]))
			continue;
		s->tls = tls_context_client(&client, f);
		if (!s->tls)
			return -1;
	}
	s->is_direct = client.is_direct;
	return 0;
}

/* Asked now, for the answer may take a while. */
static int find_peer(struct server *s, struct fault *f)
{
	const char *name = s->upstream->requirepeer;
	const struct passwd *account = *name ? getpwnam(name) : NULL;

	if (*name && !account) {
		fault_set(f, FAULT_BAD_VALUE,
			"requirepeer: there is no user \"%s\" on this machine",
			name);
		return -1;
	}
	s->must_peer = account;
	s->peer_uid = account ? account->pw_uid : 0;
	return 0;
}

static void read_numbers(struct server *s)
{
	const struct upstream *up = s->upstream;

	s->connect_timeout_ms = (uint64_t)number_of(up->connect_timeout) * 1000;
	s->patience = (struct socket_patience){
		.is_off = is_text(up->keepalives, "0"),
		.idle_s = number_of(up->keepalives_idle),
		.interval_s = number_of(up->keepalives_interval),
		.count = number_of(up->keepalives_count),
		.user_timeout_ms = number_of(up->tcp_user_timeout),
	};
}

struct server *server_create(const struct upstream *up, struct fault *f)
{
	struct server *s = xnew(struct server);

	s->upstream = up;
	read_numbers(s);
	if (find_peer(s, f) < 0 || load_tls(s, f) < 0) {
		server_destroy(s);
		return NULL;
	}
	return s;
}

void server_destroy(struct server *s)
{
	if (!s)
		return;
	tls_context_unref(s->tls);
	free(s);
}

size_t server_first_host(const struct server *s)
{
	if (!is_text(s->upstream->load_balance_hosts, "random"))
		return 0;
	return loop_clock_us() % s->upstream->n_hosts;
}

bool server_has_tls(const struct server *s, size_t host)
{
	return s->tls && !is_unix(&s->upstream->hosts[host]);
}

bool server_may_go_plain(const struct server *s)
{
	return is_text(s->upstream->sslmode, "prefer") ||
	       is_text(s->upstream->sslmode, "allow");
}

void server_secure(const struct server *s, size_t host, struct stream *stream)
{
	stream_secure_client(stream, s->tls, s->upstream->hosts[host].host);
}

void server_connect(const struct server *s, size_t host, struct connector *c,
	struct loop *loop, uint64_t timeout_ms, connector_fn *done)
{
	const struct upstream_host *h = &s->upstream->hosts[host];

	connector_open(c, loop, *h->hostaddr ? h->hostaddr : h->host, h->port,
		timeout_ms, done);
}

bool server_accept(
	const struct server *s, size_t host, int fd, const char **ret_why)
{
	unsigned uid;

	if (!is_unix(&s->upstream->hosts[host])) {
		socket_be_patient(fd, &s->patience);
		return true;
	}
	if (!s->must_peer)
		return true;
	*ret_why = "requirepeer: the server runs as another user";
	return socket_peer_uid(fd, &uid) == 0 && uid == s->peer_uid;
}
