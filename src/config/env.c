/*
 * The variables a config is read from: the environment, and the lines of the
 * .env file behind it. One table, because expansion in the file sees both:
 * the environment first, then the lines above.
 */
#include "config/config_priv.h"

#include <stdlib.h>

static bool has_name(const struct table_node *node, const void *key)
{
	const struct env_var *var = container_of(node, struct env_var, node);

	return slice_is(*(const struct slice *)key, var->name);
}

static struct env_var *find(const struct env *env, struct slice name)
{
	uint64_t hash = table_hash(&env->vars, name.data, name.len);
	struct table_node *node;

	node = table_find(&env->vars, hash, has_name, &name);
	return node ? container_of(node, struct env_var, node) : NULL;
}

static struct env_var *add(
	struct env *env, struct slice name, struct slice value)
{
	struct env_var *var = xnew(struct env_var);

	var->name = slice_dup(name);
	var->value = slice_dup(value);
	table_add(&env->vars, table_hash(&env->vars, name.data, name.len),
		&var->node);
	list_push_back(&env->order, &var->link);
	return var;
}

void env_init(struct env *env, char *const *environment)
{
	table_init(&env->vars);
	list_init(&env->order);
	for (; environment && *environment; environment++) {
		struct slice value = slice_str(*environment);
		struct slice name = slice_cut(&value, '=');

		/* getenv() takes the first of two, and no name is empty. */
		if (!value.data || !name.len || find(env, name))
			continue;
		add(env, name, value)->is_environment = true;
	}
}

void env_deinit(struct env *env)
{
	struct list *link;

	while (env->order.next && (link = list_pop(&env->order))) {
		struct env_var *var = list_entry(link, struct env_var, link);

		secret_freep(&var->value);
		free(var->name);
		free(var);
	}
	table_deinit(&env->vars);
}

const struct env_var *env_find(const struct env *env, struct slice name)
{
	return find(env, name);
}

void env_put_line(
	struct env *env, struct slice name, struct slice value, unsigned line)
{
	struct env_var *var = find(env, name);

	if (!var) {
		var = add(env, name, value);
	} else if (!var->is_environment) {
		secret_freep(&var->value);
		var->value = slice_dup(value);
	}
	var->line = line;
}
