#pragma once

/*
 * PostgreSQL's frontend/backend protocol, version 3: pure functions over
 * bytes, for both sides of a connection. Source: PostgreSQL documentation,
 * chapter "Frontend/Backend Protocol".
 *
 * Writers append whole messages to a struct buf. Readers borrow from the
 * bytes they are given.
 */
#include "base/base.h"

enum {
	PG_HEAD = 5,		  /* type byte and length word */
	PG_STARTUP_MAX = 10000,	  /* longest startup packet, as PostgreSQL */
	PG_LOGIN_MAX = 64 * 1024, /* longest message before the login ends */
	PG_SMALL_MAX = 10000 - 4, /* body limits of messages after it */
	PG_LARGE_MAX = 0x3ffffffe - 4,
	PG_MINOR_LATEST = 2,	 /* protocol 3.2 */
	PG_CANCEL_KEY_MAX = 256, /* protocol 3.2 */
	PG_CANCEL_KEY_OLD = 4,	 /* protocol 3.0 */
};

/* Message types, by name. */
enum pg_front {
#define PG_FRONT(name, type, limit) PG_FRONT_##name = type,
#include "proto/pgwire.def"
};

enum pg_back {
#define PG_BACK(name, type) PG_BACK_##name = type,
#include "proto/pgwire.def"
};

/* Longest body a client may send in a message of this type; 0: PostgreSQL
 * knows no such type. */
uint32_t pg_front_limit(char type);

/* ---- frames ----------------------------------------------------------- */

struct pg_head {
	char type;
	uint32_t len; /* of the body */
};

enum pg_head_result {
	PG_HEAD_OK = 0,
	PG_HEAD_MORE, /* fewer than PG_HEAD bytes */
	PG_HEAD_BAD,  /* the length word is below 4 */
};

static inline enum pg_head_result pg_head_parse(
	struct slice bytes, struct pg_head *ret_head)
{
	uint32_t word;

	if (bytes.len < PG_HEAD)
		return PG_HEAD_MORE;
	memcpy(&word, bytes.data + 1, sizeof(word));
	word = __builtin_bswap32(word);
	if (word < sizeof(word))
		return PG_HEAD_BAD;
	ret_head->type = bytes.data[0];
	ret_head->len = word - (uint32_t)sizeof(word);
	return PG_HEAD_OK;
}

/* Begins a message of any type; returns what pg_end() needs. */
size_t pg_begin(struct buf *b, char type);
void pg_end(struct buf *b, size_t begun);

/* A message with an empty body. */
void pg_put_empty(struct buf *b, char type);

/* ---- startup ---------------------------------------------------------- */

enum pg_startup_kind {
	PG_STARTUP_LOGIN,
	PG_STARTUP_SSL,
	PG_STARTUP_GSS,
	PG_STARTUP_CANCEL,
};

struct pg_startup {
	enum pg_startup_kind kind;
	uint16_t major, minor; /* LOGIN */
	struct slice params; /* LOGIN: name\0value\0 ... without the last \0 */
	uint32_t pid;	     /* CANCEL */
	struct slice key;    /* CANCEL: 4 to 256 bytes */
};

/*
 * The body behind the length word (len - 4 bytes). -EPROTO with *f set when
 * it is not a startup packet.
 */
int pg_startup_parse(
	struct slice body, struct pg_startup *ret, struct fault *f);

/* Walks params: false at the end. */
bool pg_startup_next(
	struct slice *params, struct slice *ret_name, struct slice *ret_value);

/* The value of a parameter, or an empty slice with data NULL. */
struct slice pg_startup_get(struct slice params, struct slice name);

/* Startup of protocol 3.0 with params as pg_startup_next() reads them. */
void pg_put_startup(struct buf *b, struct slice params);
void pg_put_ssl_request(struct buf *b);
void pg_put_cancel(struct buf *b, uint32_t pid, struct slice key);

/* ---- what a server sends ---------------------------------------------- */

enum pg_auth {
	PG_AUTH_OK = 0,
	PG_AUTH_CLEARTEXT = 3,
	PG_AUTH_MD5 = 5,
	PG_AUTH_SASL = 10,
	PG_AUTH_SASL_CONTINUE = 11,
	PG_AUTH_SASL_FINAL = 12,
};

void pg_put_auth(struct buf *b, enum pg_auth code, struct slice data);
void pg_put_parameter(struct buf *b, struct slice name, struct slice value);
void pg_put_key(struct buf *b, uint32_t pid, struct slice key);
void pg_put_ready(struct buf *b, char status);
void pg_put_complete(struct buf *b, const char *tag);

/* unknown: the protocol options (names beginning _pq_.) we do not know, as
 * name\0 name\0 ...; n of them. */
void pg_put_negotiate(
	struct buf *b, uint16_t minor, uint32_t n, struct slice unknown);

/* severity: "ERROR", "FATAL", "NOTICE" ... */
void pg_put_fault(struct buf *b, const char *severity, const struct fault *f);
void pg_put_notice(struct buf *b, const char *severity, const char *sqlstate,
	const char *text);
void pg_put_notification(struct buf *b, uint32_t pid, struct slice channel,
	struct slice payload);

/* Rows of text columns, for the admin console. */
enum {
	PG_TYPE_INT8 = 20,
	PG_TYPE_INT4 = 23,
	PG_TYPE_TEXT = 25,
	PG_TYPE_NUMERIC = 1700,
};

struct pg_column {
	const char *name;
	uint32_t type; /* an OID of above */
};

/* binary: a bit for each of at most 32 columns that does not come as text. */
void pg_put_row_description(struct buf *b, const struct pg_column *columns,
	size_t n, uint32_t binary);
size_t pg_begin_row(struct buf *b, uint16_t n);
void pg_put_field(struct buf *b, struct slice value);
void pg_put_null(struct buf *b);

/* ---- what a client sends ---------------------------------------------- */

void pg_put_query(struct buf *b, struct slice sql);
/* oids: n words in network order, as a Parse body holds them. */
void pg_put_parse(struct buf *b, struct slice name, struct slice sql,
	uint16_t n_oids, struct slice oids);
/* kind: 'S' statement or 'P' portal. */
void pg_put_close(struct buf *b, char kind, struct slice name);
void pg_put_describe(struct buf *b, char kind, struct slice name);
void pg_put_password(struct buf *b, struct slice bytes);
void pg_put_sasl_initial(
	struct buf *b, const char *mechanism, struct slice data);

/* ---- reading bodies --------------------------------------------------- */

struct pg_parse {
	struct slice name;
	struct slice sql;
	uint16_t n_oids;
	struct slice oids; /* 4 * n_oids bytes */
};

/* False when the body is malformed: PostgreSQL should say so itself. */
bool pg_parse_read(struct slice body, struct pg_parse *ret);

/* The two names in front of a Bind; rest is what follows them. bytes may be
 * only the beginning of the body. */
bool pg_bind_names(struct slice bytes, struct slice *ret_portal,
	struct slice *ret_statement, struct slice *ret_rest);

/* Kind and name of Describe and Close. */
bool pg_target_read(struct slice body, char *ret_kind, struct slice *ret_name);

/* One field of an ErrorResponse or NoticeResponse ('C', 'M', 'S' ...), empty
 * when it is not there. */
struct slice pg_error_field(struct slice body, char field);

/* Is an ErrorResponse whole: fields that end where the body does, a severity,
 * a text, and an SQLSTATE that is one? */
bool pg_error_is_good(struct slice body);

/* Name and value of a ParameterStatus. */
bool pg_parameter_read(
	struct slice body, struct slice *ret_name, struct slice *ret_value);

/* The next column of a DataRow whose column count was read already. False
 * when the row is malformed; NULL is a slice with data NULL. */
bool pg_row_next(struct reader *row, struct slice *ret_value);
