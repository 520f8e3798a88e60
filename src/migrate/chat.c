/* The chat tables of proto/chat.def, as arrays. */
#include "migrate/migrate_priv.h"

const struct chat_table chat_tables[] = {
#define CHAT_TABLE(table, mark) { #table, mark },
#include "proto/chat.def"
};

const struct chat_column chat_columns[] = {
#define NOT_NULL true
#define NULLABLE false
#define CHAT_COLUMN(table, column, type, nullability, def, fill)               \
	{ #table, column, type, nullability, def, fill },
#include "proto/chat.def"
};

const struct chat_index chat_indexes[] = {
#define CHAT_INDEX(table, name, kind, columns)                                 \
	{ #table, name, CHAT_##kind, columns },
#include "proto/chat.def"
};

const struct chat_key chat_keys[] = {
#define CHAT_KEY(table, name, column, target, on_delete)                       \
	{ #table, name, column, target, on_delete[0] },
#include "proto/chat.def"
};

const char *const chat_labels[] = {
#define CHAT_LABEL(label) label,
#include "proto/chat.def"
};

const char *const chat_migrations[] = {
#define CHAT_MIGRATION(name) name,
#include "proto/chat.def"
};

const size_t n_chat_tables = ARRAY_SIZE(chat_tables);
const size_t n_chat_columns = ARRAY_SIZE(chat_columns);
const size_t n_chat_indexes = ARRAY_SIZE(chat_indexes);
const size_t n_chat_keys = ARRAY_SIZE(chat_keys);
const size_t n_chat_labels = ARRAY_SIZE(chat_labels);
const size_t n_chat_migrations = ARRAY_SIZE(chat_migrations);
