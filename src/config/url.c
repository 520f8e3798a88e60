/*
 * A connection URL, as libpq documents it (PostgreSQL, "Connection URIs"):
 *
 *   postgresql://[user[:password]@][host[:port]][,...][/dbname][?name=value&...]
 *
 * Every part is percent-decoded. Host and port lists are kept as libpq keeps
 * them, joined by commas, so that ?host=/run/postgresql can replace them.
 * Stricter than libpq where that turns a later surprise into an error: see
 * upstream_read(). Faults quote nothing but parameter names, because a
 * password with a bare / or @ in it ends up in any of the parts.
 */
#include "config/config_priv.h"

#include <errno.h>

struct url {
	struct slice left;
	bool is_lenient;
	struct upstream *u;
	struct fault *fault;
};

static int refuse(struct url *url, const char *text)
{
	fault_set(url->fault, FAULT_BAD_VALUE, "%s", text);
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(struct url *url, struct slice raw, struct buf *ret)
{
	for (size_t i = 0; i < raw.len; i++) {
		bool has_digits = raw.len - i > 2;
		int high, low;

		if (raw.data[i] != '%') {
			buf_put_u8(ret, (uint8_t)raw.data[i]);
			continue;
		}
		high = has_digits ? hex_digit(raw.data[i + 1]) : -1;
		low = has_digits ? hex_digit(raw.data[i + 2]) : -1;
		if (high < 0 || low < 0)
			return refuse(url, "a % is not followed by two hex "
					   "digits; a plain % is written %25");
		if (!high && !low)
			return refuse(url, "%00 stands for no character");
		buf_put_u8(ret, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return 0;
}

/* Decodes and sets one parameter; an empty part sets nothing. */
static int put(struct url *url, const char *name, struct slice raw)
{
	CLEANUP(secret_buf_deinit) struct buf value = { 0 };
	int r = decode(url, raw, &value);

	if (r < 0)
		return r;
	if (value.len)
		upstream_set(url->u, slice_str(name), buf_slice(&value));
	return 0;
}

/* Cuts the part before the first of the bytes; they stay. */
static struct slice take_until(struct url *url, const char *bytes)
{
	struct slice part = url->left;

	part.len = 0;
	while (part.len < url->left.len &&
		!strchr(bytes, url->left.data[part.len]))
		part.len++;
	url->left = slice_from(url->left, part.len);
	return part;
}

static char next_byte(const struct url *url)
{
	return url->left.len ? url->left.data[0] : '\0';
}

static void skip_byte(struct url *url)
{
	url->left = slice_from(url->left, 1);
}

static int read_login(struct url *url)
{
	struct url ahead = *url;
	struct slice login = take_until(&ahead, "@/");
	struct slice user, password;
	int r;

	if (next_byte(&ahead) != '@')
		return 0;
	skip_byte(&ahead);
	url->left = ahead.left;
	password = login;
	user = slice_cut(&password, ':');
	r = put(url, "user", user);
	if (r < 0)
		return r;
	return put(url, "password", password);
}

/* One host without its port; the brackets of an IPv6 address are dropped. */
static int read_host(struct url *url, struct buf *hosts)
{
	struct slice host;

	if (next_byte(url) != '[') {
		buf_append_slice(hosts, take_until(url, ":/?,"));
		return 0;
	}
	skip_byte(url);
	host = take_until(url, "]");
	if (!host.len || next_byte(url) != ']')
		return refuse(url, "[ and ] do not enclose an IPv6 address");
	skip_byte(url);
	if (url->left.len && !strchr(":/?,", next_byte(url)))
		return refuse(url, "only :port, a comma, / or ? may follow "
				   "the ] of an IPv6 address");
	buf_append_slice(hosts, host);
	return 0;
}

static int read_hosts(struct url *url)
{
	CLEANUP(secret_buf_deinit) struct buf hosts = { 0 };
	CLEANUP(secret_buf_deinit) struct buf ports = { 0 };
	int r;

	for (;;) {
		r = read_host(url, &hosts);
		if (r < 0)
			return r;
		if (next_byte(url) == ':') {
			skip_byte(url);
			buf_append_slice(&ports, take_until(url, "/?,"));
		}
		if (next_byte(url) != ',')
			break;
		skip_byte(url);
		buf_put_u8(&hosts, ',');
		buf_put_u8(&ports, ',');
	}
	r = put(url, "host", buf_slice(&hosts));
	if (r < 0)
		return r;
	return put(url, "port", buf_slice(&ports));
}

/* Quotes the name only where nothing of a password can be in it. */
static int refuse_name(struct url *url, struct slice name)
{
	const char *nearest = upstream_nearest(name);

	if (slice_find(url->left, '@') < url->left.len || name.len > 64 ||
		expand_name(name).len != name.len)
		return refuse(url, "a parameter behind the ? is none of "
				   "libpq's");
	fault_set(url->fault, FAULT_BAD_VALUE,
		"parameter \"%.*s\" is none of libpq's", (int)name.len,
		name.data);
	if (nearest)
		fault_hint(url->fault, "did you mean %s?", nearest);
	return -EINVAL;
}

static int put_parameter(struct url *url, struct slice name, struct slice value)
{
	/* The one spelling of JDBC that libpq takes, too. */
	if (slice_is(name, "ssl") && slice_is(value, "true")) {
		name = SLICE("sslmode");
		value = SLICE("require");
	}
	if (upstream_set(url->u, name, value) || url->is_lenient)
		return 0;
	return refuse_name(url, name);
}

static int read_parameter(struct url *url)
{
	CLEANUP(secret_buf_deinit) struct buf name = { 0 };
	CLEANUP(secret_buf_deinit) struct buf value = { 0 };
	struct slice raw = take_until(url, "&");
	struct slice raw_name = slice_cut(&raw, '=');
	int r;

	if (url->left.len)
		skip_byte(url);
	if (!raw.data || slice_find(raw, '=') < raw.len)
		return refuse(url, "behind the ? stand name=value pairs, "
				   "joined by &");
	r = decode(url, raw_name, &name);
	if (r < 0)
		return r;
	r = decode(url, raw, &value);
	if (r < 0)
		return r;
	return put_parameter(url, buf_slice(&name), buf_slice(&value));
}

int url_read(
	struct slice rest, bool is_lenient, struct upstream *u, struct fault *f)
{
	struct url url = { rest, is_lenient, u, f };
	int r = read_login(&url);

	if (r < 0)
		return r;
	r = read_hosts(&url);
	if (r < 0)
		return r;
	if (next_byte(&url) == '/') {
		skip_byte(&url);
		r = put(&url, "dbname", take_until(&url, "?"));
	}
	if (url.left.len)
		skip_byte(&url);
	while (r == 0 && url.left.len)
		r = read_parameter(&url);
	return r;
}
