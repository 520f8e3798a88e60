#pragma once

/*
 * What is set: environment, .env and flags, checked against
 * proto/options.def. A struct config is read-only once loaded; a reload
 * loads a second one and swaps it in only when it is good.
 */
#include "base/base.h"

enum option_type {
	OPTION_FLAG,
	OPTION_COUNT,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_TEXT,
	OPTION_SECRET,
	OPTION_CHOICE,
};

enum option_when { OPTION_START, OPTION_RELOAD, OPTION_TEST };

/* The C types of the option types. Durations are milliseconds. Texts are
 * NUL-terminated, owned by the config and never NULL; unset is "". */
typedef bool option_FLAG;
typedef uint64_t option_COUNT;
typedef uint64_t option_SIZE;
typedef uint64_t option_DURATION;
typedef char *option_TEXT;
typedef char *option_SECRET;
typedef char *option_CHOICE;

struct config {
#define OPTION(field, variable, type, def, min, max, when, what) \
	option_##type field;
#include "proto/options.def"
#undef OPTION
};

/* The server behind the first door. Texts are owned; "" when unset. */
struct upstream {
	char *host;      /* name, address, or folder of a unix socket */
	uint16_t port;
	char *user;
	char *password;
	char *dbname;
	char *sslmode;   /* disable allow prefer require verify-ca verify-full */
	char *sslrootcert;
	char *sslcert;
	char *sslkey;
	char *options;   /* libpq's options parameter, for own connections */
};
