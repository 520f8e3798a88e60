/*
 * Listening sockets, opened before the first fork and lent to workers.
 *
 * SO_REUSEPORT would let two gateways share a port without a word, so each
 * address is bound once without it before the real sockets are made.
 */
#include "supervisor/place.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	PATIENCE_STEP_MS = 50
};

struct opening {
	struct places *places;
	unsigned n_workers;
	unsigned patience_ms;
	struct fault *fault;
};

/* ---- what went wrong -------------------------------------------------- */

static const struct {
	int error;
	const char *text;
	const char *hint;
} reasons[] = {
	{ EADDRINUSE, "another process listens there already",
		"stop it, or give Howdah another place in HOWDAH_PG_LISTEN" },
	{ EADDRNOTAVAIL, "this machine does not have that address",
		"HOWDAH_PG_LISTEN takes an address of this machine; :port "
		"stands for all" },
	{ EACCES, "not permitted",
		"ports below 1024 need root; a socket file needs a folder this "
		"user may write to" },
	{ ENOENT, "there is no such folder",
		"make the folder of the socket file first" },
	{ EEXIST, "a file that is no socket is in the way",
		"remove it, or name another path in HOWDAH_PG_LISTEN" },
	{ EISDIR, "that is a folder",
		"name the socket file in it: psql looks for .s.PGSQL.PORT" },
};

static int refuse(struct opening *o, const char *text, int error)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(reasons) && reasons[i].error != error)
		i++;
	fault_set(o->fault, FAULT_BAD_VALUE, "cannot listen on %s: %s", text,
		i < ARRAY_SIZE(reasons) ? reasons[i].text : strerror(error));
	if (i < ARRAY_SIZE(reasons))
		fault_hint(o->fault, "%s", reasons[i].hint);
	return -error;
}

/* ---- one socket ------------------------------------------------------- */

static int bind_socket(const struct addrinfo *to, bool is_shared)
{
	int one = 1;
	int fd = socket(
		to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (is_shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (to->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, to->ai_addr, to->ai_addrlen) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static int listen_socket(int fd)
{
	int error;

	if (fd < 0 || listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static struct place *add_place(
	struct places *p, const char *text, const char *path, unsigned n_fds)
{
	struct place *place;

	p->at = xrealloc(p->at, (p->n + 1) * sizeof(*p->at));
	place = &p->at[p->n++];
	*place = (struct place){ .text = xstrdup(text), .n_fds = n_fds };
	if (path)
		place->path = xstrdup(path);
	place->fds = xcalloc(n_fds, sizeof(int));
	for (unsigned i = 0; i < n_fds; i++)
		place->fds[i] = -1;
	return place;
}

/* ---- TCP -------------------------------------------------------------- */

/* Bound without SO_REUSEPORT, the kernel tells whether somebody listens. */
static int probe(struct opening *o, const struct addrinfo *to)
{
	int fd;

	for (;;) {
		fd = bind_socket(to, false);
		if (fd != -EADDRINUSE || !o->patience_ms)
			break;
		o->patience_ms -= MIN(o->patience_ms, PATIENCE_STEP_MS);
		poll(NULL, 0, PATIENCE_STEP_MS);
	}
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int open_address(
	struct opening *o, const char *text, const struct addrinfo *to)
{
	struct place *place;
	int r = probe(o, to);

	if (r < 0)
		return r;
	place = add_place(o->places, text, NULL, o->n_workers);
	for (unsigned i = 0; i < o->n_workers; i++) {
		place->fds[i] = listen_socket(bind_socket(to, true));
		if (place->fds[i] < 0)
			return place->fds[i];
	}
	return 0;
}

/* A name may have addresses of a family this machine does not speak. */
static bool may_be_absent(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_tcp(
	struct opening *o, const struct endpoint *e, const char *text)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char service[8];
	size_t before = o->places->n;
	int error = 0;
	int r;

	snprintf(service, sizeof(service), "%u", e->port);
	r = getaddrinfo(*e->host ? e->host : NULL, service, &hints, &found);
	if (r) {
		fault_set(o->fault, FAULT_BAD_VALUE, "cannot listen on %s: %s",
			text, gai_strerror(r));
		return -EINVAL;
	}
	for (struct addrinfo *to = found; to; to = to->ai_next) {
		r = open_address(o, text, to);
		if (r < 0)
			error = r;
		if (r < 0 && !may_be_absent(r))
			break;
	}
	freeaddrinfo(found);
	if (error && (!may_be_absent(error) || o->places->n == before))
		return refuse(o, text, -error);
	return 0;
}

/* ---- unix ------------------------------------------------------------- */

/* 0 when the socket file is left from a process that has gone, and was
 * removed now. */
static int remove_stale(const struct sockaddr_un *to)
{
	struct stat st;
	int fd;
	int r;

	if (lstat(to->sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)to, sizeof(*to));
	if (r < 0)
		r = -errno;
	close(fd);
	if (r != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(to->sun_path) < 0 ? -errno : 0;
}

static int bind_unix(const struct sockaddr_un *to)
{
	struct addrinfo info = {
		.ai_family = AF_UNIX,
		.ai_addr = (struct sockaddr *)to,
		.ai_addrlen = sizeof(*to),
	};
	int fd = bind_socket(&info, false);
	int r;

	if (fd != -EADDRINUSE)
		return fd;
	r = remove_stale(to);
	return r < 0 ? r : bind_socket(&info, false);
}

static int open_unix(
	struct opening *o, const struct endpoint *e, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct place *place;
	struct stat st;
	int fd;

	if (strlen(e->path) >= sizeof(to.sun_path)) {
		fault_set(o->fault, FAULT_BAD_VALUE,
			"cannot listen on %s: the path has more than %zu bytes",
			text, sizeof(to.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strncpy(to.sun_path, e->path, sizeof(to.sun_path) - 1);
	fd = bind_unix(&to);
	if (fd < 0)
		return refuse(o, text, -fd);
	place = add_place(o->places, text, e->path, 1);
	place->fds[0] = fd;
	/* Who may log in is the door's to decide, as with PostgreSQL's. */
	if (chmod(e->path, 0777) < 0 || stat(e->path, &st) < 0)
		return refuse(o, text, errno);
	place->device = st.st_dev;
	place->inode = st.st_ino;
	if (listen(fd, BACKLOG) < 0)
		return refuse(o, text, errno);
	return 0;
}

/* ---- all -------------------------------------------------------------- */

static int open_one(struct opening *o, const struct endpoint *e)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) char *name = NULL;

	endpoint_put(&text, e);
	name = buf_take_str(&text);
	return e->kind == ENDPOINT_UNIX ? open_unix(o, e, name)
					: open_tcp(o, e, name);
}

int places_open(struct places *p, const struct endpoints *endpoints,
	unsigned n_workers, unsigned patience_ms, struct fault *f)
{
	struct opening o = {
		.places = p,
		.n_workers = n_workers,
		.patience_ms = patience_ms,
		.fault = f,
	};

	*p = (struct places){ 0 };
	for (size_t i = 0; i < endpoints->n; i++) {
		int r = open_one(&o, &endpoints->at[i]);

		if (r < 0) {
			places_close(p);
			return r;
		}
	}
	return 0;
}

static void remove_socket(const struct place *place)
{
	struct stat st;

	if (stat(place->path, &st) == 0 && st.st_dev == place->device &&
		st.st_ino == place->inode)
		unlink(place->path);
}

void places_close(struct places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct place *place = &p->at[i];

		if (place->path)
			remove_socket(place);
		for (unsigned k = 0; k < place->n_fds; k++)
			if (place->fds[k] >= 0)
				close(place->fds[k]);
		free(place->fds);
		free(place->path);
		free(place->text);
	}
	free(p->at);
	*p = (struct places){ 0 };
}
