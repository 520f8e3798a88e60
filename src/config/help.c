/* What `howdah --help` says of the options, from their rows. */
#include "config/config_priv.h"

enum {
	HELP_WIDTH = 80,
	HELP_INDENT = 8,
	VARIABLE_COLUMN = 40
};

/* A title, or an option. */
struct help_row {
	const char *title; /* NULL: an option */
	enum option_id id;
};

static const struct help_row help_rows[] = {
#define OPTION_GROUP(title) { title, OPTION_ID_END },
#define OPTION(field, variable, type, def, min, max, when, what)               \
	{ NULL, OPTION_ID_##field },
#include "proto/options.def"
#undef OPTION
};

static const char *const placeholders[] = {
	[OPTION_FLAG] = "yes|no",
	[OPTION_COUNT] = "NUMBER",
	[OPTION_SIZE] = "SIZE",
	[OPTION_DURATION] = "TIME",
	[OPTION_TEXT] = "TEXT",
	[OPTION_SECRET] = "TEXT",
	[OPTION_CHOICE] = NULL, /* its words */
};

static const char intro[] =
	"Each option is a flag, an environment variable or a line of .env; the\n"
	"first of these that has it counts. What is marked \"reload\" changes\n"
	"on SIGHUP and by SET in the console, the rest with a restart.\n"
	"\n"
	"  --env-file=FILE\n"
	"        read this file instead of ./.env\n";

/* Appends words, each line indented and at most HELP_WIDTH wide. */
static void put_wrapped(struct buf *b, struct slice text)
{
	size_t column = 0;

	while (text.data) {
		struct slice word = slice_cut(&text, ' ');

		if (column && column + 1 + word.len > HELP_WIDTH) {
			buf_append_str(b, "\n");
			column = 0;
		}
		if (column)
			buf_append_str(b, " ");
		else
			buf_printf(b, "%*s", HELP_INDENT, "");
		column += word.len + (column ? 1 : HELP_INDENT);
		buf_append_slice(b, word);
	}
	buf_append_str(b, "\n");
}

static void put_limits(struct buf *b, const struct option_row *row)
{
	buf_append_str(b, " (");
	if (*row->def)
		buf_printf(b, "default %s", row->def);
	else
		buf_append_str(b, "not set");
	if (row->type != OPTION_CHOICE && (*row->min || *row->max))
		buf_printf(b, "; %s to %s", row->min, row->max);
	if (row->when == OPTION_RELOAD)
		buf_append_str(b, "; reload");
	buf_append_str(b, ")");
}

static void put_option(struct buf *b, const struct option_row *row)
{
	CLEANUP(buf_deinit) struct buf what = { 0 };
	size_t start = b->len;
	const char *placeholder = placeholders[row->type];

	buf_append_str(b, "  ");
	flag_put(b, row->field);
	buf_printf(b, "=%s", placeholder ? placeholder : row->min);
	if (b->len - start < VARIABLE_COLUMN)
		buf_printf(b, "%*s", (int)(VARIABLE_COLUMN - (b->len - start)),
			"");
	buf_printf(b, " %s\n", row->variable);
	buf_append_str(&what, row->what);
	put_limits(&what, row);
	put_wrapped(b, buf_slice(&what));
}

/* A group of nothing but test options says nothing. */
static bool is_shown(size_t i)
{
	size_t end = ARRAY_SIZE(help_rows);

	if (!help_rows[i].title)
		return option_row(help_rows[i].id)->when != OPTION_TEST;
	for (i++; i < end && !help_rows[i].title; i++)
		if (option_row(help_rows[i].id)->when != OPTION_TEST)
			return true;
	return false;
}

void config_help(struct buf *ret)
{
	buf_append_str(ret, intro);
	for (size_t i = 0; i < ARRAY_SIZE(help_rows); i++) {
		if (!is_shown(i))
			continue;
		if (help_rows[i].title)
			buf_printf(ret, "\n%s\n", help_rows[i].title);
		else
			put_option(ret, option_row(help_rows[i].id));
	}
}
