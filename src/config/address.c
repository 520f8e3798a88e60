/*
 * Names to addresses, for one question: would a client that connects to this
 * host and port come out at one of our listeners? Asked at the start only,
 * because the resolver blocks.
 */
#include "config/config_priv.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff };

static bool is_v4(const struct address *a)
{
	return !memcmp(a->bytes, v4_prefix, sizeof(v4_prefix));
}

static bool from_sockaddr(const struct sockaddr *from, struct address *ret)
{
	if (from && from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		memcpy(ret->bytes, v4_prefix, sizeof(v4_prefix));
		memcpy(ret->bytes + 12, &in->sin_addr, 4);
		return true;
	}
	if (from && from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		memcpy(ret->bytes, &in6->sin6_addr, 16);
		return true;
	}
	return false;
}

bool address_is_loopback(const struct address *a)
{
	return is_v4(a) ? a->bytes[12] == 127
			: !memcmp(a->bytes, &in6addr_loopback, 16);
}

/* 0.0.0.0 and :: */
static bool address_is_any(const struct address *a)
{
	static const uint8_t zero[4];

	return is_v4(a) ? !memcmp(a->bytes + 12, zero, 4)
			: !memcmp(a->bytes, &in6addr_any, 16);
}

static void add(struct addresses *list, const struct sockaddr *from)
{
	if (list->n < ARRAY_SIZE(list->at) &&
		from_sockaddr(from, &list->at[list->n]))
		list->n++;
}

/* RFC 6761, 6.3: these names mean the loopback addresses, whoever is asked. */
static bool is_localhost(struct slice host)
{
	struct slice suffix = SLICE(".localhost");

	return slice_is_nocase(host, "localhost") ||
	       (host.len > suffix.len &&
		       slice_equal_nocase(
			       slice_from(host, host.len - suffix.len),
			       suffix));
}

static void resolve(const char *host, int flags, struct addresses *ret)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags,
	};
	struct addrinfo *found = NULL;

	if (getaddrinfo(host, NULL, &hints, &found))
		return;
	for (struct addrinfo *a = found; a; a = a->ai_next)
		add(ret, a->ai_addr);
	freeaddrinfo(found);
}

void addresses_of(const char *host, struct addresses *ret)
{
	*ret = (struct addresses){ 0 };
	if (!*host)
		return;
	if (is_localhost(slice_str(host))) {
		resolve("127.0.0.1", AI_NUMERICHOST, ret);
		resolve("::1", AI_NUMERICHOST, ret);
		return;
	}
	resolve(host, AI_NUMERICHOST, ret);
	if (!ret->n)
		resolve(host, 0, ret);
}

static bool has_address(const struct addresses *list, const struct address *a)
{
	for (size_t i = 0; i < list->n; i++)
		if (!memcmp(&list->at[i], a, sizeof(*a)))
			return true;
	return false;
}

/* Is it an address of this machine? */
static bool is_local(const struct address *a)
{
	struct ifaddrs *interfaces = NULL;
	bool is_found = address_is_loopback(a);

	if (is_found || getifaddrs(&interfaces) < 0)
		return is_found;
	for (struct ifaddrs *i = interfaces; i && !is_found; i = i->ifa_next) {
		struct address own;

		is_found = from_sockaddr(i->ifa_addr, &own) &&
			   !memcmp(&own, a, sizeof(own));
	}
	freeifaddrs(interfaces);
	return is_found;
}

static bool listener_has(const struct addresses *listener, bool is_everywhere,
	const struct address *a)
{
	return is_everywhere ? is_local(a) : has_address(listener, a);
}

static bool serves_tcp(
	const struct endpoint *e, const struct upstream_host *host)
{
	const char *name = *host->hostaddr ? host->hostaddr : host->host;
	struct addresses listener, wanted;
	bool is_everywhere;

	if (e->port != host->port)
		return false;
	if (*name && slice_is_nocase(slice_str(name), e->host))
		return true;
	addresses_of(e->host, &listener);
	addresses_of(name, &wanted);
	/* Linux takes a connection to 0.0.0.0 to the machine itself. */
	if (wanted.n && address_is_any(&wanted.at[0]))
		addresses_of("localhost", &wanted);
	is_everywhere =
		!*e->host || (listener.n && address_is_any(&listener.at[0]));
	for (size_t i = 0; i < wanted.n; i++)
		if (listener_has(&listener, is_everywhere, &wanted.at[i]))
			return true;
	return false;
}

static bool serves_unix(
	const struct endpoint *e, const struct upstream_host *host)
{
	struct slice folder = slice_str(host->host);
	char name[32];
	struct slice path = slice_str(e->path);
	size_t len = (size_t)snprintf(
		name, sizeof(name), "/.s.PGSQL.%u", host->port);

	while (folder.len && folder.data[folder.len - 1] == '/')
		folder.len--;
	return path.len == folder.len + len &&
	       slice_starts_with(path, folder) &&
	       slice_is(slice_from(path, folder.len), name);
}

bool endpoints_serve(
	const struct endpoints *e, const struct upstream_host *host)
{
	bool is_unix = !*host->hostaddr && host->host[0] == '/';

	for (size_t i = 0; i < e->n; i++) {
		const struct endpoint *at = &e->at[i];

		if (is_unix != (at->kind == ENDPOINT_UNIX))
			continue;
		if (is_unix ? serves_unix(at, host) : serves_tcp(at, host))
			return true;
	}
	return false;
}
