/*
 * Where a door listens: "host:port" and "unix:/path", several by comma.
 */
#include "config/config_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

static void endpoint_deinit(struct endpoint *e)
{
	free(e->host);
	free(e->path);
	*e = (struct endpoint){ 0 };
}

void endpoints_deinit(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		endpoint_deinit(&e->at[i]);
	free(e->at);
	*e = (struct endpoints){ 0 };
}

static int refuse(struct fault *f, struct slice item, const char *text)
{
	CLEANUP(buf_deinit) struct buf shown = { 0 };

	put_value(&shown, item);
	fault_set(f, FAULT_BAD_VALUE, "\"%.*s\": %s", (int)shown.len,
		shown.len ? shown.data : "", text);
	return -EINVAL;
}

static int read_unix(struct slice item, const char *folder,
	struct endpoint *ret, struct fault *f)
{
	struct slice path = slice_from(item, strlen("unix:"));
	bool is_relative = path.len && path.data[0] != '/';

	if (!path.len || path.data[path.len - 1] == '/')
		return refuse(f, item,
			"write unix: and the path of a socket "
			"file");
	if (slice_find(path, '\0') < path.len)
		return refuse(f, item, "a path holds no NUL byte");
	ret->kind = ENDPOINT_UNIX;
	ret->host = xstrdup("");
	ret->path = xasprintf("%s%s%.*s", is_relative ? folder : "",
		is_relative ? "/" : "", (int)path.len, path.data);
	if (strlen(ret->path) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	return refuse(f, item,
		is_relative
			? "with the data folder before it the path is longer "
			  "than the 107 bytes a unix socket may have"
			: "the path is longer than the 107 bytes a unix "
			  "socket may have");
}

static bool is_ipv6(struct slice text)
{
	struct in6_addr address;
	char copy[INET6_ADDRSTRLEN];

	text.len = slice_find(text, '%'); /* a scope such as %eth0 */
	if (!text.len || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool is_host(struct slice host)
{
	for (size_t i = 0; i < host.len; i++)
		if ((unsigned char)host.data[i] <= ' ' ||
			strchr("/@*[]", host.data[i]))
			return false;
	return true;
}

static int read_tcp(struct slice item, struct endpoint *ret, struct fault *f)
{
	const char *mark = memrchr(item.data, ':', item.len);
	struct slice host = { item.data,
		mark ? (size_t)(mark - item.data) : 0 };
	struct slice port = slice_from(item, mark ? host.len + 1 : item.len);

	if (!mark)
		return refuse(f, item,
			"write host:port, :port for all "
			"addresses, unix:/path or off");
	if (host.len > 2 && host.data[0] == '[' &&
		host.data[host.len - 1] == ']') {
		host = slice_of(host.data + 1, host.len - 2);
		if (!is_ipv6(host))
			return refuse(f, item,
				"between [ and ] stands an "
				"IPv6 address");
	} else if (slice_find(host, ':') < host.len) {
		return refuse(f, item,
			"an IPv6 address is written in "
			"brackets, [::1]:6432");
	}
	if (!is_host(host))
		return refuse(f, item,
			"the host is a name or an address; "
			"all addresses are written :6432");
	if (num_parse_u16(port, &ret->port) < 0 || !ret->port)
		return refuse(f, item, "the port is a number from 1 to 65535");
	ret->kind = ENDPOINT_TCP;
	ret->host = slice_dup(host);
	ret->path = xstrdup("");
	return 0;
}

static int read_one(struct slice item, const char *folder, struct endpoint *ret,
	struct fault *f)
{
	if (!item.len)
		return refuse(f, item, "between the commas stands nothing");
	if (slice_is_nocase(item, "off"))
		return refuse(f, item, "off stands alone");
	if (slice_starts_with(item, SLICE("unix:")))
		return read_unix(item, folder, ret, f);
	return read_tcp(item, ret, f);
}

int endpoints_parse(struct slice text, const char *folder,
	struct endpoints *ret, struct fault *f)
{
	CLEANUP(endpoints_deinit) struct endpoints list = { 0 };
	struct slice left = slice_trim(text);

	*ret = list;
	if (slice_is_nocase(left, "off"))
		return 0;
	list.at = xcalloc(ENDPOINTS_MAX, sizeof(*list.at));
	do {
		struct slice item = slice_trim(slice_cut(&left, ','));
		int r;

		if (list.n == ENDPOINTS_MAX)
			return refuse(f, item, "more than 16 listeners");
		r = read_one(item, folder, &list.at[list.n++], f);
		if (r < 0)
			return r;
	} while (left.data);
	*ret = list;
	list = (struct endpoints){ 0 };
	return 0;
}

static bool is_loopback(const struct endpoint *e)
{
	struct addresses list;

	if (e->kind == ENDPOINT_UNIX)
		return true;
	addresses_of(e->host, &list);
	for (size_t i = 0; i < list.n; i++)
		if (!address_is_loopback(&list.at[i]))
			return false;
	return list.n != 0;
}

void endpoints_resolve(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		e->at[i].is_loopback = is_loopback(&e->at[i]);
}

void endpoint_put(struct buf *b, const struct endpoint *e)
{
	bool is_bracketed = strchr(e->host, ':') != NULL;

	if (e->kind == ENDPOINT_UNIX)
		buf_printf(b, "unix:%s", e->path);
	else
		buf_printf(b, "%s%s%s:%u", is_bracketed ? "[" : "", e->host,
			is_bracketed ? "]" : "", e->port);
}

static bool is_everywhere(const struct endpoint *e)
{
	return !*e->host || !strcmp(e->host, "0.0.0.0") ||
	       !strcmp(e->host, "::");
}

void endpoints_copy(const struct endpoints *from, struct endpoints *ret)
{
	*ret = (struct endpoints){ xcalloc(from->n, sizeof(*ret->at)),
		from->n };
	for (size_t i = 0; i < from->n; i++) {
		ret->at[i] = from->at[i];
		ret->at[i].host = xstrdup(from->at[i].host);
		ret->at[i].path = xstrdup(from->at[i].path);
	}
}

bool endpoint_overlaps(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ENDPOINT_UNIX)
		return !strcmp(a->path, b->path);
	return a->port == b->port &&
	       (is_everywhere(a) || is_everywhere(b) ||
		       slice_is_nocase(slice_str(a->host), b->host));
}
