#pragma once

/* What front.c and batch.c share: the client's messages. */
#include "session/prepared.h"

/* One message of a client, of which the beginning is here. */
struct front_message {
	char type;
	bool is_whole;
	size_t whole;	    /* its length with the head */
	struct slice bytes; /* what is here of it, with the head */
	struct slice body;  /* the same without */
};

/*
 * What a handler did with it: how many bytes are used up; 0: nothing yet,
 * the message waits for more of it, or for a backend.
 */
typedef size_t front_fn(struct session *s, const struct front_message *m);

/* True with a backend that is ready for this session. */
bool front_need_backend(struct session *s);

/* Waits for the whole of a message of at most max bytes. */
size_t front_need_whole(struct session *s, const struct front_message *m);

/* A long message is not begun before a good part of it is here: who dribbles
 * must not hold a backend meanwhile. */
bool front_has_start(struct session *s, const struct front_message *m);

/* Sends what is here; the rest streams through behind it. */
size_t front_forward(struct session *s, const struct front_message *m);

/* Does away with the message, and with the rest of it when it comes. */
size_t front_drop(struct session *s, const struct front_message *m);

/* One of our own, in front of what the client says next; its answers are
 * swallowed. */
void front_inject(struct session *s, const char *sql);

/* Answers in the place of the server, in the order of the answers. */
void front_answer(struct session *s, char type);

/* Makes the server raise an error that stands for f in the client's eyes:
 * the transaction fails as it would in PostgreSQL. */
void front_refuse(struct session *s, enum fault_code code);

/*
 * Looks at what a statement will do before it is sent: makes ready what it
 * needs, notes what it may leave. False: it must not be sent, and
 * front_refuse() was called.
 */
bool front_prepare_effect(
	struct session *s, const struct sql_statement *effect, uint32_t flags);

/* What is known of the code of the client's database, and that texts of its
 * transaction are scanned under it. */
struct pool_code front_code(struct session *s);

/* What a text does, as this client means it; good until the next one. */
const struct sql_summary *front_scan(
	struct session *s, struct slice text, const struct pool_code *code);

/* What relay_undo() takes back for an entry that was skipped or failed. */
enum undo {
	UNDO_NOTHING,
	UNDO_PARSE,	  /* the statement is not on the backend */
	UNDO_PARSE_NAMED, /* nor has the client a name for it */
	UNDO_NAME,	  /* the client has no name for it */
	UNDO_UNNAMED,	  /* the client has no unnamed statement */
	UNDO_CLOSE,	  /* the statement is still on the backend */
	UNDO_CLOSE_NAME,  /* the client still has the name */
};

static inline bool undo_is_of_name(uint8_t undo)
{
	return undo == UNDO_PARSE_NAMED || undo == UNDO_NAME ||
	       undo == UNDO_CLOSE_NAME;
}

front_fn batch_parse, batch_bind, batch_describe, batch_execute, batch_close,
	batch_flush, batch_sync;

/* A statement goes to the server. */
void front_count_query(struct session *s);
