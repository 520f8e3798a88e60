/*
 * A config from its sources. Two steps: every option by itself, from the
 * first source that has it; then what they come to together. All of it is
 * done even when something was wrong, so that one start tells everything.
 */
#include "config/config_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- the .env file ---------------------------------------------------- */

/* One byte more than is allowed tells that there is more. */
static int read_all(int fd, struct buf *ret)
{
	for (;;) {
		size_t room = DOTENV_MAX + 1 - ret->len;
		ssize_t n = read(fd, buf_reserve(ret, room), room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		if (ret->len > DOTENV_MAX)
			return 0;
	}
}

static int read_env_file(const char *path, bool may_be_missing, struct env *env,
	struct buf *problems, struct buf *warnings)
{
	CLEANUP(secret_buf_deinit) struct buf text = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT && may_be_missing)
		return 0;
	r = fd < 0 ? -errno : read_all(fd, &text);
	if (fd >= 0)
		close(fd);
	if (r == 0)
		return dotenv_read(
			buf_slice(&text), path, env, problems, warnings);
	buf_printf(problems, "%s: cannot be read: %s\n", path, strerror(-r));
	return -EINVAL;
}

/* ---- one option after another ----------------------------------------- */

struct loading {
	struct flags flags;
	const struct env *env;
	const char *env_file;
	struct config *c;
	struct buf *problems;
};

/* The text of an option, and whose it is. */
struct found {
	enum option_source source;
	struct slice text; /* borrowed */
	unsigned line;	   /* of the file */
};

static bool find_text(
	const struct loading *l, enum option_id id, struct found *ret)
{
	struct slice name = slice_str(option_row(id)->variable);
	const struct env_var *var = env_find(l->env, name);

	if (l->flags.value[id]) {
		*ret = (struct found){ OPTION_BY_FLAG,
			slice_str(l->flags.value[id]), 0 };
		return true;
	}
	if (!var || !*var->value)
		return false;
	*ret = (struct found){ var->is_environment ? OPTION_BY_ENVIRONMENT
						   : OPTION_BY_FILE,
		slice_str(var->value), var->line };
	return true;
}

static void put_problem(const struct loading *l, const struct option_row *row,
	const struct found *found, const struct buf *why)
{
	if (found->source == OPTION_BY_FILE)
		buf_printf(l->problems, "%s:%u: ", l->env_file, found->line);
	if (found->source == OPTION_BY_FLAG)
		flag_put(l->problems, row->field);
	else
		buf_append_str(l->problems, row->variable);
	buf_append_str(l->problems, "=");
	if (row->type == OPTION_SECRET)
		buf_append_str(l->problems, "***");
	else
		put_value(l->problems, found->text);
	buf_printf(l->problems, ": %.*s\n", (int)why->len, why->data);
}

static int load_option(const struct loading *l, enum option_id id)
{
	CLEANUP(buf_deinit) struct buf why = { 0 };
	const struct option_row *row = option_row(id);
	union option_value value;
	struct found found;
	int r;

	if (!find_text(l, id, &found))
		return 0;
	r = option_parse(row, found.text, &value, &why);
	if (r < 0) {
		put_problem(l, row, &found, &why);
		return r;
	}
	option_put(l->c, id, value, found.source);
	return 0;
}

static bool is_variable(const char *name)
{
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (!strcmp(option_row(id)->variable, name))
			return true;
	return false;
}

static void warn_unknown(const struct loading *l, struct buf *warnings)
{
	for (struct list *at = l->env->order.next; at != &l->env->order;
		at = at->next) {
		const struct env_var *var =
			list_entry(at, struct env_var, link);
		struct slice name = slice_str(var->name);
		const char *nearest;

		if (!slice_starts_with(name, SLICE("HOWDAH_")) ||
			is_variable(var->name))
			continue;
		nearest = option_nearest(name, true);
		if (!var->is_environment)
			buf_printf(warnings, "%s:%u: ", l->env_file, var->line);
		put_value(warnings, name);
		buf_append_str(warnings, " is not known and has no effect");
		if (nearest)
			buf_printf(warnings, "; did you mean %s?", nearest);
		buf_append_str(warnings, "\n");
	}
}

int config_read(const struct config_sources *sources, struct env *env,
	struct config *c, struct buf *ret_problems, struct buf *ret_warnings)
{
	struct loading l = { .env = env, .c = c, .problems = ret_problems };
	bool is_default;
	int r = flags_read(
		sources->flags, sources->other_flags, &l.flags, ret_problems);

	is_default = !l.flags.env_file;
	l.env_file = is_default ? sources->env_file : l.flags.env_file;
	if (l.env_file && read_env_file(l.env_file, is_default, env,
				  ret_problems, ret_warnings) < 0)
		r = -EINVAL;
	for (enum option_id id = 0; id < OPTION_ID_END; id++)
		if (load_option(&l, id) < 0)
			r = -EINVAL;
	warn_unknown(&l, ret_warnings);
	return r;
}

/* ---- what they come to ------------------------------------------------ */

static int load_endpoints(const struct config *c, enum option_id id,
	struct endpoints *ret, struct buf *problems)
{
	struct fault f;

	if (endpoints_parse(option_get(c, id).text, c->data_dir, ret, &f) ==
		0) {
		endpoints_resolve(ret);
		return 0;
	}
	config_put_name(problems, c, id);
	buf_printf(problems, ": %s\n", f.text);
	return -EINVAL;
}

static int derive(struct config *c, const struct env *env, struct buf *problems,
	struct buf *warnings)
{
	int pg = load_endpoints(
		c, OPTION_ID_pg_listen, &c->pg_endpoints, problems);
	int http = load_endpoints(
		c, OPTION_ID_http_listen, &c->http_endpoints, problems);
	int s3 = load_endpoints(
		c, OPTION_ID_s3_listen, &c->s3_endpoints, problems);
	int plan = plan_make(c, env, problems, warnings);
	int rules = rules_check(c, problems, warnings);

	return pg < 0 || http < 0 || s3 < 0 || plan < 0 || rules < 0 ? -EINVAL
								     : 0;
}

int config_load(const struct config_sources *sources, struct config **ret,
	struct buf *ret_problems, struct buf *ret_warnings)
{
	CLEANUP(config_destroyp) struct config *c = config_create();
	CLEANUP(env_deinit) struct env env;
	int r;

	env_init(&env, sources->environment);
	r = config_read(sources, &env, c, ret_problems, ret_warnings);
	if (derive(c, &env, ret_problems, ret_warnings) < 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}
