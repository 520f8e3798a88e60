/*
 * The rows of proto/options.def: reading a value as its row wants it,
 * writing one as a user would, and finding rows by name.
 */
#include "config/config_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct option_row rows[] = {
#define OPTION(field, variable, type, def, min, max, when, what)               \
	{ #field, variable, OPTION_##type, def, min, max, OPTION_##when, what, \
		offsetof(struct config, field) },
#include "proto/options.def"
#undef OPTION
};

_Static_assert(ARRAY_SIZE(rows) == OPTION_ID_END, "one row per option");

static const char *const when_names[] = { "start", "reload", "test" };
static const char *const source_names[] = { "default", ".env", "environment",
	"flag", "set" };

typedef int number_parse_fn(struct slice text, uint64_t *ret_number);

struct unit {
	const char *name;
	uint64_t factor; /* largest first */
};

static const struct unit durations[] = { { "d", 86400000 }, { "h", 3600000 },
	{ "min", 60000 }, { "s", 1000 }, { "ms", 1 } };
static const struct unit sizes[] = { { "GB", 1 << 30 }, { "MB", 1 << 20 },
	{ "kB", 1 << 10 }, { "", 1 } };
static const struct unit counts[] = { { "", 1 } };

/* What a type is called, and for numbers how it is read and written. */
struct type_row {
	const char *name;
	const char *noun; /* "give ..."; NULL: the row's words */
	number_parse_fn *parse;
	const struct unit *units; /* down to factor 1 */
};

static const struct type_row types[] = {
	[OPTION_FLAG] = { "flag", "yes or no", NULL, NULL },
	[OPTION_COUNT] = { "count", "a whole number", num_parse_u64, counts },
	[OPTION_SIZE] = { "size", "a size such as 64kB, 16MB or 1GB",
		num_parse_size, sizes },
	[OPTION_DURATION] = { "duration",
		"a time such as 250ms, 30s, 5min, 2h or 7d", num_parse_duration,
		durations },
	[OPTION_TEXT] = { "text", "text without NUL bytes", NULL, NULL },
	[OPTION_SECRET] = { "secret", "text without NUL bytes", NULL, NULL },
	[OPTION_CHOICE] = { "choice", NULL, NULL, NULL },
};

const struct option_row *option_row(enum option_id id)
{
	check((unsigned)id < OPTION_ID_END);
	return &rows[id];
}

const char *option_type_name(enum option_type type)
{
	return types[type].name;
}

const char *option_when_name(enum option_when when)
{
	return when_names[when];
}

const char *option_source_name(enum option_source source)
{
	return source_names[source];
}

enum option_id option_find(struct slice name)
{
	enum option_id id = 0;

	while (id < OPTION_ID_END && !slice_is(name, rows[id].field) &&
		!slice_is(name, rows[id].variable))
		id++;
	return id;
}

static int parse_flag(struct slice text, bool *ret)
{
	static const char *const words[] = { "no|false|off|0",
		"yes|true|on|1" };
	struct slice word;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!words_have(words[i], text, &word))
			continue;
		*ret = i == 1;
		return 0;
	}
	return -EINVAL;
}

static void put_range(const struct option_row *row, struct buf *b)
{
	if (*row->min)
		buf_printf(b, " from %s", row->min);
	if (*row->max)
		buf_printf(b, " to %s", row->max);
}

/* A bound of the row; the unit test has seen that it parses. */
static uint64_t bound(
	const struct type_row *type, const char *text, uint64_t otherwise)
{
	if (*text)
		check(type->parse(slice_str(text), &otherwise) == 0);
	return otherwise;
}

static int parse_number(
	const struct option_row *row, struct slice text, uint64_t *ret)
{
	const struct type_row *type = &types[row->type];
	uint64_t number;
	int r = type->parse(text, &number);

	if (r < 0)
		return r;
	if (number < bound(type, row->min, 0) ||
		number > bound(type, row->max, UINT64_MAX))
		return -ERANGE;
	*ret = number;
	return 0;
}

static int parse_text(struct slice text, struct slice *ret)
{
	if (slice_find(text, '\0') < text.len)
		return -EINVAL;
	*ret = text;
	return 0;
}

/* "error, warn or info" */
static void put_words(struct slice words, struct buf *b)
{
	const char *joint = "";

	while (words.data) {
		struct slice word = slice_cut(&words, '|');

		buf_append_str(b, joint);
		buf_append_slice(b, word);
		joint = slice_find(words, '|') < words.len ? ", " : " or ";
	}
}

static void put_why(const struct option_row *row, struct buf *b)
{
	buf_append_str(b, "give ");
	if (row->type == OPTION_CHOICE) {
		put_words(slice_str(row->min), b);
		return;
	}
	buf_append_str(b, types[row->type].noun);
	put_range(row, b);
}

int option_parse(const struct option_row *row, struct slice text,
	union option_value *ret, struct buf *ret_why)
{
	int r;

	if (types[row->type].parse)
		r = parse_number(row, slice_trim(text), &ret->number);
	else if (row->type == OPTION_FLAG)
		r = parse_flag(slice_trim(text), &ret->flag);
	else if (row->type == OPTION_CHOICE)
		r = words_have(row->min, slice_trim(text), &ret->text)
			    ? 0
			    : -EINVAL;
	else
		r = parse_text(text, &ret->text);
	if (r < 0)
		put_why(row, ret_why);
	return r;
}

void option_format(
	const struct option_row *row, union option_value value, struct buf *ret)
{
	const struct unit *unit = types[row->type].units;

	if (unit && !value.number) {
		buf_append_str(ret, "0");
	} else if (unit) {
		while (value.number % unit->factor)
			unit++;
		buf_printf(ret, "%" PRIu64 "%s", value.number / unit->factor,
			unit->name);
	} else if (row->type == OPTION_FLAG) {
		buf_append_str(ret, value.flag ? "yes" : "no");
	} else if (row->type == OPTION_SECRET) {
		buf_append_str(ret, value.text.len ? "***" : "");
	} else {
		buf_append_slice(ret, value.text);
	}
}

union option_value option_get(const struct config *c, enum option_id id)
{
	const void *field = (const char *)c + option_row(id)->offset;
	union option_value value = { 0 };

	if (types[rows[id].type].units)
		value.number = *(const uint64_t *)field;
	else if (rows[id].type == OPTION_FLAG)
		value.flag = *(const bool *)field;
	else
		value.text = slice_str(*(char *const *)field);
	return value;
}

void option_put(struct config *c, enum option_id id, union option_value value,
	enum option_source source)
{
	void *field = (char *)c + option_row(id)->offset;

	c->sources[id] = source;
	if (types[rows[id].type].units) {
		*(uint64_t *)field = value.number;
	} else if (rows[id].type == OPTION_FLAG) {
		*(bool *)field = value.flag;
	} else {
		/* The new text may be a piece of the old one. */
		char *text = slice_dup(value.text);

		secret_freep(field);
		*(char **)field = text;
	}
}

/* A third of the letters may be wrong, and never more than four. */
bool option_is_near(struct slice name, size_t distance)
{
	return distance <= MIN(name.len / 3, (size_t)4);
}

/* What all variables share says nothing about nearness. */
static struct slice without_prefix(struct slice variable)
{
	struct slice prefix = SLICE("HOWDAH_");

	return slice_starts_with(variable, prefix)
		       ? slice_from(variable, prefix.len)
		       : variable;
}

static const char *row_name(const struct option_row *row, bool is_variable)
{
	return is_variable ? row->variable : row->field;
}

const char *option_nearest(struct slice name, bool is_variable)
{
	struct slice wanted = is_variable ? without_prefix(name) : name;
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct slice known = slice_str(row_name(&rows[i], is_variable));
		size_t d;

		d = slice_distance(
			wanted, is_variable ? without_prefix(known) : known);
		if (d >= best || !option_is_near(wanted, d))
			continue;
		best = d;
		nearest = known.data;
	}
	return nearest;
}
