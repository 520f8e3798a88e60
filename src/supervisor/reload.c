/*
 * Taking over a new configuration while running.
 *
 * The supervisor reads and checks it, then one worker tries it (certificates
 * and user lists are files that only a door can judge). When that worker
 * says yes it becomes everybody's, and that of workers started later; when
 * it says no, nothing has changed.
 */
#include "supervisor/supervisor_priv.h"

static void log_lines(
	enum log_level level, const char *event, const struct buf *lines)
{
	struct slice rest = buf_slice(lines);

	while (rest.len) {
		struct slice line = slice_cut(&rest, '\n');

		log_write(level, NULL, event, "%.*s", (int)line.len, line.data);
	}
}

static void refuse(struct supervisor *s, struct slice why)
{
	metrics_inc(&s->metrics, METRIC_reload_failures);
	log_error(NULL, "config.refused",
		"the configuration stays as it was%s%.*s", why.len ? ": " : "",
		(int)why.len, why.data);
}

static void adopt(struct supervisor *s, struct config *next)
{
	config_destroy(s->config);
	s->config = next;
	log_setup_words(next->log_level, next->log_format, "supervisor");
	metrics_inc(&s->metrics, METRIC_reloads);
	log_info(NULL, "config.reloaded", "the new configuration holds");
}

static struct hand *find_trier(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_hands; i++)
		if (s->hands[i].is_ready && s->hands[i].is_box_open)
			return &s->hands[i];
	return NULL;
}

/* Owns next. */
static void try_config(struct supervisor *s, struct config *next)
{
	CLEANUP(buf_deinit) struct buf packed = { 0 };
	struct hand *h = find_trier(s);

	config_pack(next, &packed);
	if (packed.len > MAIL_PAYLOAD_MAX) {
		refuse(s, SLICE("it is longer than 64 KiB"));
		config_destroy(next);
	} else if (!h) {
		adopt(s, next); /* those that start now will judge it */
	} else {
		s->trial = next;
		s->trial_hand = h->index;
		crew_tell_one(h, CONTROL_RELOAD, buf_slice(&packed));
	}
}

void reload_from_sources(struct supervisor *s)
{
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	struct config *next = NULL;

	s->wants_reload = s->state < SUPERVISOR_RUN || s->trial;
	if (s->state != SUPERVISOR_RUN || s->trial)
		return;
	if (config_next(s->config, s->env.sources, &next, &problems,
		    &warnings) < 0) {
		log_lines(LOG_ERROR, "config.problem", &problems);
		refuse(s, (struct slice){ 0 });
		return;
	}
	log_lines(LOG_WARN, "config.warning", &warnings);
	try_config(s, next);
}

void reload_set(struct supervisor *s, struct slice name_and_value)
{
	const struct config *base = s->config;
	struct slice name = slice_cut(&name_and_value, '=');
	struct config *next = NULL;
	struct fault f;

	if (s->queued)
		base = s->queued;
	else if (s->trial)
		base = s->trial;
	if (config_set(base, name, name_and_value, &next, &f) < 0) {
		refuse(s, slice_str(f.text));
		return;
	}
	if (s->trial) {
		config_destroy(s->queued);
		s->queued = next;
	} else {
		try_config(s, next);
	}
}

/* What was asked for during the trial. Reading the sources forgets SETs. */
static void go_on(struct supervisor *s)
{
	struct config *queued = TAKE(s->queued);

	if (s->wants_reload) {
		config_destroy(queued);
		reload_from_sources(s);
	} else if (queued) {
		try_config(s, queued);
	}
}

static void hand_out(struct supervisor *s)
{
	CLEANUP(buf_deinit) struct buf packed = { 0 };

	config_pack(s->config, &packed);
	for (unsigned i = 0; i < s->n_hands; i++)
		if (i != s->trial_hand)
			crew_tell_one(&s->hands[i], CONTROL_RELOAD,
				buf_slice(&packed));
}

void reload_answered(struct hand *h, struct slice why_not)
{
	struct supervisor *s = h->supervisor;
	struct config *trial;

	if (!s->trial || h->index != s->trial_hand) {
		if (why_not.len)
			log_error(NULL, "config.refused",
				"worker %u keeps the old one: %.*s", h->index,
				(int)why_not.len, why_not.data);
		return;
	}
	trial = TAKE(s->trial);
	if (why_not.len) {
		refuse(s, why_not);
		config_destroy(trial);
	} else {
		adopt(s, trial);
		hand_out(s);
	}
	go_on(s);
}

void reload_hand_ended(struct hand *h)
{
	struct supervisor *s = h->supervisor;

	if (!s->trial || h->index != s->trial_hand)
		return;
	config_destroy(s->trial);
	s->trial = NULL;
	refuse(s, SLICE("the worker that tried the new one ended"));
	if (s->state == SUPERVISOR_RUN)
		go_on(s);
}
