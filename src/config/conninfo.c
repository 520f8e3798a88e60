/*
 * The parameters of a connection: the "name=value ..." form of libpq
 * (PostgreSQL, "Keyword/Value Connection Strings"), and what both forms have
 * in common: words checked, host, hostaddr and port paired to a list.
 *
 * What libpq would refuse only when it connects is refused here: wrong words,
 * ports that are no ports, lists of different lengths. What it would take and
 * nobody means, too: an @ inside a host, left over from a password.
 */
#include "config/config_priv.h"

#include <errno.h>
#include <stdlib.h>

static const char default_host[] = "/var/run/postgresql";
enum {
	DEFAULT_PORT = 5432
};

struct parameter {
	const char *name;
	const char *words; /* "": any text */
	size_t offset;	   /* of the member in struct upstream */
};

static const struct parameter parameters[] = {
#define CONNINFO(name, words, taken, instead)                                  \
	{ #name, words, offsetof(struct upstream, name) },
#include "proto/conninfo.def"
#undef CONNINFO
};

static char **member(const struct upstream *u, const struct parameter *p)
{
	return (char **)((char *)u + p->offset);
}

static void upstream_init(struct upstream *u)
{
	*u = (struct upstream){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		*member(u, &parameters[i]) = xstrdup("");
}

void upstream_deinit(struct upstream *u)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		secret_freep(member(u, &parameters[i]));
	for (size_t i = 0; i < u->n_hosts; i++) {
		free(u->hosts[i].host);
		free(u->hosts[i].hostaddr);
	}
	free(u->hosts);
	*u = (struct upstream){ 0 };
}

void upstream_copy(const struct upstream *from, struct upstream *ret)
{
	*ret = (struct upstream){
		.n_hosts = from->n_hosts,
		.auth = from->auth,
	};
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		const char *text = *member(from, &parameters[i]);

		*member(ret, &parameters[i]) = text ? xstrdup(text) : NULL;
	}
	ret->hosts = xcalloc(from->n_hosts, sizeof(*ret->hosts));
	for (size_t i = 0; i < from->n_hosts; i++) {
		ret->hosts[i].host = xstrdup(from->hosts[i].host);
		ret->hosts[i].hostaddr = xstrdup(from->hosts[i].hostaddr);
		ret->hosts[i].port = from->hosts[i].port;
	}
}

bool upstream_set(struct upstream *u, struct slice name, struct slice value)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		char **text = member(u, &parameters[i]);

		if (!slice_is(name, parameters[i].name))
			continue;
		secret_freep(text);
		*text = slice_dup(value);
		return true;
	}
	return false;
}

const char *upstream_nearest(struct slice name)
{
	const char *nearest = NULL;
	size_t best = 3;

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		struct slice known = slice_str(parameters[i].name);
		size_t d = slice_distance(name, known);

		if (d >= best)
			continue;
		best = d;
		nearest = parameters[i].name;
	}
	return nearest;
}

static int refuse(struct fault *f, const char *text)
{
	fault_set(f, FAULT_BAD_VALUE, "%s", text);
	return -EINVAL;
}

/* ---- name=value ... --------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct slice *text)
{
	while (text->len && is_blank(text->data[0]))
		*text = slice_from(*text, 1);
}

/* A value up to a blank, or up to the closing quote; a backslash takes the
 * next byte as it is. False when the quote is not closed. */
static bool take_value(struct slice *text, struct buf *ret)
{
	bool is_quoted = text->len && text->data[0] == '\'';

	if (is_quoted)
		*text = slice_from(*text, 1);
	while (text->len) {
		char c = text->data[0];

		if (is_quoted ? c == '\'' : is_blank(c))
			break;
		if (c == '\\') {
			*text = slice_from(*text, 1);
			if (!text->len)
				break;
		}
		buf_put_u8(ret, (uint8_t)text->data[0]);
		*text = slice_from(*text, 1);
	}
	if (!is_quoted)
		return true;
	if (!text->len)
		return false;
	*text = slice_from(*text, 1);
	return true;
}

static struct slice take_name(struct slice *text)
{
	size_t len = 0;

	while (len < text->len && text->data[len] != '=' &&
		!is_blank(text->data[len]))
		len++;
	return slice_of(text->data, len);
}

static int read_pair(struct slice *text, struct upstream *u, struct fault *f)
{
	CLEANUP(secret_buf_deinit) struct buf value = { 0 };
	struct slice name = take_name(text);

	*text = slice_from(*text, name.len);
	skip_blanks(text);
	if (!text->len || text->data[0] != '=')
		return refuse(f, "a word is not followed by =; a value with "
				 "blanks is written in single quotes");
	*text = slice_from(*text, 1);
	skip_blanks(text);
	if (!take_value(text, &value))
		return refuse(f, "a single quote is never closed");
	if (!upstream_set(u, name, buf_slice(&value)))
		return refuse(f, "a name before a = is no parameter of libpq; "
				 "a value with blanks is written in single "
				 "quotes");
	return 0;
}

int conninfo_read(struct slice text, struct upstream *u, struct fault *f)
{
	for (;;) {
		int r;

		skip_blanks(&text);
		if (!text.len)
			return 0;
		r = read_pair(&text, u, f);
		if (r < 0)
			return r;
	}
}

/* ---- what both have in common ----------------------------------------- */

static int check_words(const struct upstream *u, struct fault *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		const struct parameter *p = &parameters[i];
		struct slice value = slice_str(*member(u, p));
		struct slice word;

		if (!value.len || !*p->words ||
			(words_have(p->words, value, &word) &&
				slice_equal(word, value)))
			continue;
		fault_set(f, FAULT_BAD_VALUE, "%s must be one of %s", p->name,
			p->words);
		return -EINVAL;
	}
	return 0;
}

static size_t list_count(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static bool is_host(struct slice host)
{
	bool is_path = host.len && strchr("/@", host.data[0]);

	for (size_t i = 0; i < host.len && !is_path; i++)
		if ((unsigned char)host.data[i] <= ' ' ||
			strchr("/@", host.data[i]))
			return false;
	return true;
}

static int read_port(struct slice text, uint16_t *ret)
{
	*ret = DEFAULT_PORT;
	if (!text.len)
		return 0;
	return num_parse_u16(text, ret) < 0 || !*ret ? -EINVAL : 0;
}

/* The next of the hosts; lists go on behind it. */
static int read_entry(struct slice *hosts, struct slice *addrs,
	struct slice port, struct upstream_host *ret, struct fault *f)
{
	struct slice host = slice_cut(hosts, ',');
	struct slice addr = slice_cut(addrs, ',');

	ret->host =
		host.len || addr.len ? slice_dup(host) : xstrdup(default_host);
	ret->hostaddr = slice_dup(addr);
	if (!is_host(host) || !is_host(addr))
		return refuse(f, "a host holds a blank, a / or an @");
	if (read_port(port, &ret->port) < 0)
		return refuse(f, "a port is not a number from 1 to 65535");
	return 0;
}

static int fill_hosts(struct upstream *u, struct fault *f)
{
	struct slice hosts = slice_str(u->host);
	struct slice addrs = slice_str(u->hostaddr);
	struct slice ports = slice_str(u->port);
	size_t n = list_count(addrs.len ? u->hostaddr : u->host);
	size_t n_ports = list_count(u->port);
	int r = 0;

	if (n > ENDPOINTS_MAX)
		return refuse(f, "there are more than 16 hosts");
	if (addrs.len && hosts.len && list_count(u->host) != n)
		return refuse(f, "host and hostaddr differ in number");
	if (n_ports > 1 && n_ports != n)
		return refuse(f, "ports and hosts differ in number");
	u->hosts = xcalloc(n, sizeof(*u->hosts));
	for (; u->n_hosts < n && r == 0; u->n_hosts++) {
		struct slice port =
			n_ports > 1 ? slice_cut(&ports, ',') : ports;

		r = read_entry(&hosts, &addrs, port, &u->hosts[u->n_hosts], f);
	}
	return r;
}

/*
 * Takes "postgresql://" or "postgres://" off, also with a "+driver" as
 * SQLAlchemy has it. False when there is no scheme, *ret_is_url when there
 * is one of any kind.
 */
static bool cut_scheme(struct slice *url, bool *ret_is_url)
{
	const char *mark =
		url->len ? memmem(url->data, url->len, "://", 3) : NULL;
	struct slice driver = { url->data,
		mark ? (size_t)(mark - url->data) : 0 };
	struct slice scheme;

	*ret_is_url = mark && slice_find(driver, '=') == driver.len;
	scheme = slice_cut(&driver, '+');
	if (!*ret_is_url || (driver.data && !driver.len) ||
		(!slice_is(scheme, "postgresql") &&
			!slice_is(scheme, "postgres")))
		return false;
	*url = slice_from(*url, (size_t)(mark - url->data) + 3);
	return true;
}

static int read_form(
	struct slice text, bool is_lenient, struct upstream *u, struct fault *f)
{
	struct slice url = slice_trim(text);
	bool is_url;

	if (cut_scheme(&url, &is_url))
		return url_read(url, is_lenient, u, f);
	if (is_url)
		return refuse(f, "this is not a URL of PostgreSQL; "
				 "it begins with postgresql://");
	if (slice_find(text, '=') == text.len)
		return refuse(f, "this is neither a URL nor name=value pairs; "
				 "write postgresql://user:password@host:5432/"
				 "database");
	return conninfo_read(text, u, f);
}

/*
 * What a fault of a URL most likely comes from: `docker run --env-file` keeps
 * quotes; a / in a password ends the host early, and an @ the password.
 */
static void explain(struct slice text, struct fault *f)
{
	const char *mark =
		text.len ? memmem(text.data, text.len, "://", 3) : NULL;
	struct slice rest = { mark, 0 };
	size_t first;

	if (!mark)
		return;
	if (text.data[0] == '"' || text.data[0] == '\'') {
		fault_hint(f, "take away the quotes around it");
		return;
	}
	rest.data += 3;
	rest.len = (size_t)(text.data + text.len - rest.data);
	first = slice_find(rest, '@');
	if (first < rest.len && (slice_find(rest, '/') < first ||
					memchr(rest.data + first + 1, '@',
						rest.len - first - 1)))
		fault_hint(f, "in user and password write %% as %%25, / as "
			      "%%2F, : as %%3A, ? as %%3F and @ as %%40");
}

static int read_all(
	struct slice text, bool is_lenient, struct upstream *u, struct fault *f)
{
	int r;

	if (slice_find(text, '\0') < text.len)
		return refuse(f, "it holds a NUL byte");
	r = read_form(text, is_lenient, u, f);
	if (r < 0)
		return r;
	r = check_words(u, f);
	if (r == 0)
		r = demands_read_auth(u, f);
	return r < 0 ? r : fill_hosts(u, f);
}

int upstream_read(struct slice url, bool is_lenient, struct upstream *ret,
	struct fault *f)
{
	CLEANUP(upstream_deinit) struct upstream u;
	int r;

	upstream_init(&u);
	r = read_all(url, is_lenient, &u, f);
	if (r < 0) {
		explain(url, f);
		return r;
	}
	*ret = u;
	u = (struct upstream){ 0 };
	return 0;
}

int upstream_parse(struct slice url, struct upstream *ret, struct fault *f)
{
	return upstream_read(url, false, ret, f);
}
