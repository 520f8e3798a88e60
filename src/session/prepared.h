#pragma once

/*
 * A client's names for its statements. Two clients use one name for two
 * texts; on the server every text has one name of ours. A name is known here
 * from the moment its Parse was sent, so that what the client sends behind
 * it finds it, and is taken back when the server refuses.
 */
#include "session/session_priv.h"

struct name {
	struct table_node node;
	struct statement *statement; /* ref */
	/* Hash of the row description the client was told; 0: none yet. */
	uint64_t told;
	/* DDL generation under which that was last compared. */
	uint64_t generation;
	uint32_t n_refs;
	bool is_listed;	 /* the client knows it */
	bool is_changed; /* its rows have another shape now than was told */
	uint32_t len;
	char text[];
};

/* A new name, listed; the caller's ref is given back by name_unref(). */
struct name *names_add(
	struct session *s, struct slice text, struct statement *st);
struct name *names_find(struct session *s, struct slice text);
/* Any one of them, or NULL. */
struct name *names_any(struct session *s);
size_t names_count(const struct session *s);
/* Lists it again, or no more. */
void names_put_back(struct session *s, struct name *n);
void names_remove(struct session *s, struct name *n);
void names_clear(struct session *s);

struct name *name_ref(struct name *n);
void name_unref(struct name *n);
