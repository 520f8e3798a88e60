/*
 * What a connection URL asks for beyond an address: is Howdah able to do it?
 * Whoever wrote sslcrl or require_auth relies on it, so what cannot be done
 * is refused at the start, and what contradicts itself too.
 */
#include "config/config_priv.h"

#include <errno.h>

struct demand {
	const char *name;
	const char *taken; /* as in proto/conninfo.def */
	const char *instead;
	size_t offset;
};

static const struct demand demands[] = {
#define CONNINFO(name, words, taken, instead)                                  \
	{ #name, taken, instead, offsetof(struct upstream, name) },
#include "proto/conninfo.def"
#undef CONNINFO
};

static int refuse(struct fault *f, const char *text, const char *hint)
{
	fault_set(f, FAULT_BAD_VALUE, "%s", text);
	fault_hint(f, "%s", hint);
	return -EINVAL;
}

static int check_taken(const struct upstream *u, struct fault *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(demands); i++) {
		const struct demand *d = &demands[i];
		struct slice value = slice_str(
			*(char *const *)((const char *)u + d->offset));
		struct slice word;

		if (!value.len || !strcmp(d->taken, "*") ||
			words_have(d->taken, value, &word))
			continue;
		fault_set(f, FAULT_BAD_VALUE, "%s%s is not supported", d->name,
			strcmp(d->taken, "-") ? " with this value" : "");
		fault_hint(f, "%s", d->instead);
		return -EINVAL;
	}
	return 0;
}

/* ---- require_auth ----------------------------------------------------- */

struct method {
	const char *word;
	unsigned bit;
};

static const struct method methods[] = {
#define AUTH_METHOD(name, word, is_ours) { word, UPSTREAM_AUTH_##name },
#include "proto/auth_methods.def"
#undef AUTH_METHOD
};

enum {
#define AUTH_METHOD(name, word, is_ours)                                       \
	OURS_##name = (is_ours) ? UPSTREAM_AUTH_##name : 0,
#include "proto/auth_methods.def"
#undef AUTH_METHOD
#define AUTH_METHOD(name, word, is_ours) OURS_##name |
	OURS =
#include "proto/auth_methods.def"
		0,
#undef AUTH_METHOD
};

static unsigned find_method(struct slice word)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (slice_is(word, methods[i].word))
			return methods[i].bit;
	return 0;
}

/* "a,b": these alone; "!a,!b": all but these. */
int demands_read_auth(struct upstream *u, struct fault *f)
{
	struct slice rest = slice_str(u->require_auth);
	bool is_negated = rest.len && rest.data[0] == '!';
	unsigned named = 0;

	u->auth = UPSTREAM_AUTH_ALL;
	if (!rest.len)
		return 0;
	while (rest.data) {
		struct slice word = slice_cut(&rest, ',');
		bool is_not = word.len && word.data[0] == '!';
		unsigned bit = find_method(slice_from(word, is_not));

		if (!bit || (named & bit))
			return refuse(f,
				"require_auth holds a word twice or an unknown one",
				"none, password, md5 and scram-sha-256, by comma");
		if (is_not != is_negated)
			return refuse(f,
				"require_auth mixes words with ! and without",
				"either all of them have a ! or none");
		named |= bit;
	}
	u->auth = is_negated ? UPSTREAM_AUTH_ALL & ~named : named;
	return 0;
}

static int check_auth(const struct upstream *u, struct fault *f)
{
	if (!(u->auth & OURS))
		return refuse(f,
			"require_auth leaves no method that is supported",
			"none, password, md5 or scram-sha-256");
	if (!strcmp(u->channel_binding, "require") &&
		!(u->auth & UPSTREAM_AUTH_SCRAM))
		return refuse(f,
			"channel_binding=require needs scram-sha-256, which "
			"require_auth excludes",
			"take one of the two away");
	return 0;
}

/* ---- TLS -------------------------------------------------------------- */

static bool is_set(const char *text)
{
	return *text;
}

static bool is_at_least_require(const struct upstream *u)
{
	struct slice word;

	return words_have(
		"require|verify-ca|verify-full", slice_str(u->sslmode), &word);
}

static bool is_verified(const struct upstream *u)
{
	return is_set(u->sslrootcert) || !strncmp(u->sslmode, "verify-", 7);
}

static bool may_have_tls(const struct upstream *u)
{
	for (size_t i = 0; i < u->n_hosts; i++)
		if (is_set(u->hosts[i].hostaddr) ||
			!strchr("/@", u->hosts[i].host[0]))
			return strcmp(u->sslmode, "disable");
	return false;
}

static int check_tls(const struct upstream *u, struct fault *f)
{
	if (!strcmp(u->channel_binding, "require") && !may_have_tls(u))
		return refuse(f,
			"channel_binding=require needs TLS, which this "
			"connection never has",
			"set sslmode=require or verify-full, and a host");
	if (!strcmp(u->sslnegotiation, "direct") && !is_at_least_require(u))
		return refuse(f,
			"sslnegotiation=direct needs sslmode=require or more",
			"set sslmode=require, verify-ca or verify-full");
	if ((is_set(u->sslcrl) || is_set(u->sslcrldir)) && !is_verified(u))
		return refuse(f,
			"sslcrl has no effect when certificates are not verified",
			"set sslrootcert, or sslmode=verify-full");
	if (is_set(u->ssl_min_protocol_version) &&
		is_set(u->ssl_max_protocol_version) &&
		strcmp(u->ssl_min_protocol_version,
			u->ssl_max_protocol_version) > 0)
		return refuse(f,
			"ssl_min_protocol_version is above "
			"ssl_max_protocol_version",
			"");
	return 0;
}

/* ---- numbers ---------------------------------------------------------- */

/* libpq takes negative ones for the system's default. */
static bool is_number(const char *text)
{
	struct slice digits = slice_str(text);
	uint64_t number;

	if (digits.len && digits.data[0] == '-')
		digits = slice_from(digits, 1);
	return num_parse_u64(digits, &number) == 0 && number <= INT32_MAX;
}

static int check_numbers(const struct upstream *u, struct fault *f)
{
	const char *const numbers[][2] = {
		{ "connect_timeout", u->connect_timeout },
		{ "keepalives_idle", u->keepalives_idle },
		{ "keepalives_interval", u->keepalives_interval },
		{ "keepalives_count", u->keepalives_count },
		{ "tcp_user_timeout", u->tcp_user_timeout },
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (!*numbers[i][1] || is_number(numbers[i][1]))
			continue;
		fault_set(f, FAULT_BAD_VALUE, "%s is not a number",
			numbers[i][0]);
		return -EINVAL;
	}
	return 0;
}

int demands_check(const struct upstream *u, struct fault *f)
{
	static int (*const checks[])(
		const struct upstream *, struct fault *) = { check_taken,
		check_auth, check_tls, check_numbers };

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](u, f);

		if (r < 0)
			return r;
	}
	return 0;
}
