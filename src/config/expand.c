/*
 * ${NAME:-default} and its kin, as docker compose reads them
 * (docs.docker.com, "Interpolation"). Two rules that are not obvious:
 *
 *   - A ${ ends at the } that balances it, counting every { and }, so that a
 *     default may itself hold ${...} or JSON.
 *   - A $ before anything but a name, { or $ is a plain $; a ${ that is not
 *     of one of the known forms is an error, never text.
 *
 * Only the default that is needed is expanded, as in a shell: ${A:-${B:?}}
 * asks for B only while A is unset. Faults name variables, never values.
 */
#include "config/config_priv.h"

#include <errno.h>

static bool is_name_byte(char c, bool is_first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (c >= '0' && c <= '9' && !is_first);
}

struct slice expand_name(struct slice text)
{
	size_t len = 0;

	while (len < text.len && is_name_byte(text.data[len], len == 0))
		len++;
	return slice_of(text.data, len);
}

static int append(struct expansion *x, struct slice text, struct buf *ret)
{
	if (text.len > x->room) {
		fault_set(x->fault, FAULT_TOO_LARGE,
			"the values come to more than %d bytes", DOTENV_MAX);
		return -EINVAL;
	}
	x->room -= text.len;
	buf_append_slice(ret, text);
	return 0;
}

/* The value of a variable; data NULL when it is unset. */
static struct slice lookup(const struct expansion *x, struct slice name)
{
	const struct env_var *var = env_find(x->env, name);

	return var ? slice_str(var->value) : (struct slice){ 0 };
}

static int append_variable(
	struct expansion *x, struct slice name, struct buf *ret)
{
	struct slice value = lookup(x, name);

	if (value.data)
		return append(x, value, ret);
	if (x->unset->len)
		buf_put_u8(x->unset, ' ');
	buf_append_slice(x->unset, name);
	return 0;
}

static int expand_nested(
	struct expansion *x, struct slice text, struct buf *ret)
{
	int r;

	if (x->depth >= EXPAND_DEPTH_MAX) {
		fault_set(x->fault, FAULT_SYNTAX,
			"${...} is nested more than %d deep", EXPAND_DEPTH_MAX);
		return -EINVAL;
	}
	x->depth++;
	r = expand(x, text, ret);
	x->depth--;
	return r;
}

static int refuse_unset(
	struct expansion *x, struct slice name, struct slice message)
{
	CLEANUP(secret_buf_deinit) struct buf text = { 0 };
	int r = expand_nested(x, message, &text);

	if (r < 0)
		return r;
	fault_set(x->fault, FAULT_UNDEFINED, "%.*s must be set%s%.*s",
		(int)MIN(name.len, 64), name.data, text.len ? ": " : "",
		(int)MIN(text.len, 160), text.len ? text.data : "");
	return -EINVAL;
}

/* What stands between ${ and }. */
static int expand_braced(
	struct expansion *x, struct slice inner, struct buf *ret)
{
	struct slice name = expand_name(inner);
	struct slice rest = slice_from(inner, name.len);
	struct slice value = lookup(x, name);
	bool is_set = value.data != NULL;

	if (name.len && !rest.len)
		return append_variable(x, name, ret);
	if (rest.len && rest.data[0] == ':') {
		is_set = value.len != 0;
		rest = slice_from(rest, 1);
	}
	switch (name.len && rest.len ? rest.data[0] : '\0') {
	case '-':
		return is_set ? append(x, value, ret)
			      : expand_nested(x, slice_from(rest, 1), ret);
	case '+':
		return is_set ? expand_nested(x, slice_from(rest, 1), ret) : 0;
	case '?':
		return is_set ? append(x, value, ret)
			      : refuse_unset(x, name, slice_from(rest, 1));
	default:
		fault_set(x->fault, FAULT_SYNTAX,
			"${...} is a name and then }, :- - :? ? :+ or +; "
			"a $ that is meant as such is written $$");
		return -EINVAL;
	}
}

/* Where the } stands that ends a text which began behind ${; or text.len. */
static size_t find_close(struct slice text)
{
	size_t n_open = 1;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '{')
			n_open++;
		else if (text.data[i] == '}' && --n_open == 0)
			return i;
	}
	return text.len;
}

/* What begins with a $; *text goes on behind it. */
static int expand_dollar(
	struct expansion *x, struct slice *text, struct buf *ret)
{
	struct slice after = slice_from(*text, 1);
	struct slice name = expand_name(after);
	struct slice inner;

	if (name.len) {
		*text = slice_from(after, name.len);
		return append_variable(x, name, ret);
	}
	if (!after.len || after.data[0] != '{') {
		bool is_pair = after.len && after.data[0] == '$';

		*text = slice_from(after, is_pair ? 1 : 0);
		return append(x, SLICE("$"), ret);
	}
	after = slice_from(after, 1);
	inner = slice_of(after.data, find_close(after));
	if (inner.len == after.len) {
		fault_set(x->fault, FAULT_SYNTAX, "${ has no } of its own");
		return -EINVAL;
	}
	*text = slice_from(after, inner.len + 1);
	return expand_braced(x, inner, ret);
}

int expand(struct expansion *x, struct slice text, struct buf *ret)
{
	while (text.len) {
		size_t plain = slice_find(text, '$');
		int r = append(x, slice_of(text.data, plain), ret);

		if (r < 0)
			return r;
		text = slice_from(text, plain);
		if (!text.len)
			break;
		r = expand_dollar(x, &text, ret);
		if (r < 0)
			return r;
	}
	return 0;
}
