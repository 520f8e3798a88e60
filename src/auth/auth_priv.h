#pragma once

#include "auth/auth.h"

/* ---- the users file --------------------------------------------------- */

/* One line: a user and its secret, unescaped. Borrowed, and wiped after. */
struct userlist_row {
	struct slice user;
	struct slice secret;
	size_t line;
};

/* A negative result ends the parsing and is passed on; *f is set by then. */
typedef int userlist_row_fn(
	void *owner, const struct userlist_row *row, struct fault *f);

/* -EINVAL when the text is not of that format; *f names the line. */
int userlist_parse(struct slice text, userlist_row_fn *on_row, void *owner,
	struct fault *f);

/* Sets *f to "line 3: ..."; -EINVAL. */
int userlist_complain(struct fault *f, size_t line, const char *what);

/* Reads the file and parses it; *f names the file. */
int userlist_load(const char *path, userlist_row_fn *on_row, void *owner,
	struct fault *f);

/* ---- the table -------------------------------------------------------- */

/* Has a password, an md5 secret, a verifier that was given, or nothing. */
struct auth_user {
	struct table_node node;
	char *name;
	char *password;
	struct md5_secret *md5;
	struct scram_verifier *verifier; /* given, or made of the password */
	struct scram_keys *keys;	 /* of a given verifier, once known */
	struct auth_work *work;		 /* borrowed: makes the verifier */
};

/* NULL when there is no such user. Lives as long as the table. */
struct auth_user *auth_users_find(
	const struct auth_users *users, struct slice name);

/* The salt of everybody who has no verifier. */
void auth_users_salt(const struct auth_users *users, struct slice name,
	struct scram_salt *ret_salt);
