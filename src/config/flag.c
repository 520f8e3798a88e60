/*
 * Flags: --pool-size=20, --pool-size 20, and for a yes/no option the flag
 * alone. The last of two wins.
 */
#include "config/config_priv.h"

#include <errno.h>

static char as_flag(char c)
{
	return c == '_' ? '-' : c;
}

void flag_put(struct buf *b, const char *field)
{
	buf_append_str(b, "--");
	for (; *field; field++)
		buf_put_u8(b, (uint8_t)as_flag(*field));
}

static bool is_flag_of(struct slice name, const char *field)
{
	for (size_t i = 0; i < name.len; i++)
		if (!field[i] || name.data[i] != as_flag(field[i]))
			return false;
	return !field[name.len];
}

static enum option_id find_option(struct slice name)
{
	enum option_id id = 0;

	while (id < OPTION_ID_END && !is_flag_of(name, option_row(id)->field))
		id++;
	return id;
}

/* Of "status|repair", what is nearer to the name than best. */
static bool find_other(
	const char *words, struct slice name, size_t best, struct slice *ret)
{
	struct slice left = slice_str(words);
	bool is_found = false;

	while (left.data) {
		struct slice word = slice_cut(&left, '|');
		size_t d = slice_distance(name, word);

		if (!word.len || d >= best || !option_is_near(name, d))
			continue;
		best = d;
		*ret = word;
		is_found = true;
	}
	return is_found;
}

static void put_unknown(
	struct buf *problems, struct slice name, const char *other_flags)
{
	CLEANUP(buf_deinit) struct buf field = { 0 };
	const char *nearest;
	struct slice other;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < name.len; i++)
		buf_put_u8(&field, name.data[i] == '-' ? '_' : name.data[i]);
	nearest = option_nearest(buf_slice(&field), false);
	if (nearest)
		best = slice_distance(buf_slice(&field), slice_str(nearest));
	buf_append_str(problems, "--");
	put_value(problems, name);
	buf_append_str(problems, ": there is no such flag; ");
	if (find_other(other_flags, name, best, &other)) {
		buf_printf(problems, "did you mean --%.*s?\n", (int)other.len,
			other.data);
	} else if (nearest) {
		buf_append_str(problems, "did you mean ");
		flag_put(problems, nearest);
		buf_append_str(problems, "?\n");
	} else {
		buf_append_str(problems, "--help names them all\n");
	}
}

/* Whose value "--name" takes; NULL when there is no such flag. */
static const char **find_target(
	struct flags *flags, struct slice name, bool *ret_is_yes_no)
{
	enum option_id id = find_option(name);

	*ret_is_yes_no = false;
	if (slice_is(name, "env-file"))
		return &flags->env_file;
	if (id == OPTION_ID_END)
		return NULL;
	*ret_is_yes_no = option_row(id)->type == OPTION_FLAG;
	return &flags->value[id];
}

/* Reads the flag at *at, and moves it to the last argument that it took. */
static int read_flag(char *const **at, const char *other_flags,
	struct flags *ret, struct buf *problems)
{
	struct slice value = slice_from(slice_str(**at), 2);
	struct slice name = slice_cut(&value, '=');
	const char *next = (*at)[1];
	bool is_yes_no;
	const char **target = find_target(ret, name, &is_yes_no);

	if (!target) {
		put_unknown(problems, name, other_flags);
		return -EINVAL;
	}
	if (value.data) {
		*target = value.data;
	} else if (is_yes_no) {
		*target = "yes";
	} else if (next && strncmp(next, "--", 2)) {
		*target = next;
		(*at)++;
	} else {
		buf_printf(problems, "%s: give a value, %s=...\n", **at, **at);
		return -EINVAL;
	}
	return 0;
}

int flags_read(char *const *args, const char *other_flags, struct flags *ret,
	struct buf *ret_problems)
{
	int r = 0;

	*ret = (struct flags){ 0 };
	for (; args && *args; args++) {
		if (strncmp(*args, "--", 2)) {
			buf_append_str(ret_problems, "\"");
			put_value(ret_problems, slice_str(*args));
			buf_append_str(ret_problems,
				"\": flags are written --name=value\n");
			r = -EINVAL;
		} else if (read_flag(&args, other_flags, ret, ret_problems) <
			   0) {
			r = -EINVAL;
		}
	}
	return r;
}
