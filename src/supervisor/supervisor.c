/*
 * The supervisor's life (states.def):
 *
 *     PREPARE ► DATABASE ► MIGRATE ► CREW ► RUN ► DRAIN ► HALT ► DONE
 *
 * Each may go to HALT when something fails or when it is told to stop; CREW
 * and later ones go through DRAIN. Everything happens on one loop; children
 * are told apart by struct child, and nothing here starts a thread, for
 * every worker is a fork of this process.
 */
#include "supervisor/supervisor_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	ORPHANS_MS = 2000, /* for the workers of a killed supervisor to go */
	GRACE_MS = 2000,   /* workers end themselves before we end them */
};

typedef void supervisor_enter_fn(struct supervisor *s);

static supervisor_enter_fn enter_database, enter_migrate, enter_crew, enter_run,
	enter_drain, enter_halt, enter_done;

struct supervisor_row {
	const char *name;
	supervisor_enter_fn *enter;
	uint32_t next;
};

#define TO(name) BIT(SUPERVISOR_##name)
static const struct supervisor_row rows[] = {
#define STATE(name, enter, next) { #name, enter, next },
#include "supervisor/states.def"
#undef STATE
};
#undef TO

void supervisor_enter(struct supervisor *s, enum supervisor_state next)
{
	const struct supervisor_row *row = &rows[next];

	check(rows[s->state].next & BIT(next));
	log_debug(NULL, "supervisor.enter", "%s", row->name);
	s->state = next;
	if (row->enter)
		row->enter(s);
}

void supervisor_fail(struct supervisor *s)
{
	s->status = SUPERVISOR_FAILED;
	if (s->state < SUPERVISOR_HALT)
		supervisor_enter(s, SUPERVISOR_HALT);
	else
		supervisor_settle(s);
}

/* ---- DATABASE, MIGRATE, CREW, RUN ------------------------------------- */

static void on_embedded_ready(void *owner)
{
	supervisor_enter(owner, SUPERVISOR_MIGRATE);
}

static void on_embedded_failed(void *owner)
{
	struct supervisor *s = owner;

	embedded_close(s->embedded);
	s->is_embedded_gone = true;
	supervisor_fail(s);
}

static void on_embedded_stopped(void *owner)
{
	struct supervisor *s = owner;

	embedded_close(s->embedded);
	s->is_embedded_gone = true;
	supervisor_settle(s);
}

static void enter_database(struct supervisor *s)
{
	struct embedded_env env = {
		.loop = s->loop,
		.children = &s->children,
		.data_dir = s->data_dir,
		.config = s->config,
		.ready = on_embedded_ready,
		.failed = on_embedded_failed,
		.stopped = on_embedded_stopped,
		.owner = s,
	};

	if (!s->config->plan.is_embedded) {
		s->is_embedded_gone = true;
		supervisor_enter(s, SUPERVISOR_MIGRATE);
		return;
	}
	s->embedded = embedded_create(&env);
	embedded_start(s->embedded);
}

static void enter_migrate(struct supervisor *s)
{
	chores_start(s);
}

static void enter_crew(struct supervisor *s)
{
	crew_start(s);
}

static void enter_run(struct supervisor *s)
{
	banner_print(s);
	log_info(NULL, "supervisor.ready", "%u workers", s->n_hands);
	chores_start(s);
	if (s->wants_reload)
		reload_from_sources(s);
}

/* ---- DRAIN, HALT, DONE ------------------------------------------------ */

/* Nobody can be taken in any more once the workers have closed theirs, too:
 * the next Howdah, or a load balancer's next machine, gets new clients. */
static void enter_drain(struct supervisor *s)
{
	log_info(NULL, "supervisor.drain",
		"transactions have %llu ms to end; a second signal ends them",
		(unsigned long long)s->config->drain_timeout);
	places_close(&s->places);
	chores_stop(s);
	timer_start(&s->deadline, s->config->drain_timeout + GRACE_MS, 0);
	crew_tell(s, CONTROL_DRAIN, (struct slice){ 0 });
	if (crew_is_gone(s))
		supervisor_enter(s, SUPERVISOR_HALT);
}

static void on_deadline(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, deadline);

	log_warn(NULL, "supervisor.deadline",
		"workers did not end in time and are killed");
	supervisor_enter(s, SUPERVISOR_HALT);
}

static void enter_halt(struct supervisor *s)
{
	places_close(&s->places);
	timer_stop(&s->deadline);
	chores_stop(s);
	crew_kill(s);
	supervisor_settle(s);
}

/* In HALT, and in DRAIN for the workers: what is left? The database goes
 * last, for workers may have last words to it. */
void supervisor_settle(struct supervisor *s)
{
	if (s->state == SUPERVISOR_DRAIN && crew_is_gone(s)) {
		supervisor_enter(s, SUPERVISOR_HALT);
		return;
	}
	if (s->state != SUPERVISOR_HALT || !crew_is_gone(s))
		return;
	if (s->embedded && !s->is_embedded_gone && !s->is_embedded_stopping) {
		s->is_embedded_stopping = true;
		embedded_stop(s->embedded);
	}
	if ((!s->embedded || s->is_embedded_gone) &&
		list_empty(&s->children.all))
		supervisor_enter(s, SUPERVISOR_DONE);
}

static void enter_done(struct supervisor *s)
{
	watch_close(&s->signals, NULL);
	timer_close(&s->deadline, NULL);
	chores_close(s);
	crew_close(s);
	/* Of what was refused nothing has begun; another Howdah may run on. */
	if (s->has_begun)
		log_info(NULL, "supervisor.end", "all has stopped");
}

/* ---- signals ---------------------------------------------------------- */

static void quit(struct supervisor *s)
{
	if (s->state == SUPERVISOR_CREW || s->state == SUPERVISOR_RUN) {
		supervisor_enter(s, SUPERVISOR_DRAIN);
	} else if (s->state < SUPERVISOR_HALT) {
		supervisor_enter(s, SUPERVISOR_HALT);
	} else if (s->state == SUPERVISOR_HALT && s->is_embedded_stopping) {
		embedded_stop(s->embedded);
	}
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A terminal that closes sends HUP, too: then nobody is left to whom a
 * daemon in the foreground belongs. */
static void hang_up(struct supervisor *s)
{
	if (s->had_terminal && !has_terminal())
		quit(s);
	else
		reload_from_sources(s);
}

static void on_signals(struct watch *w)
{
	struct supervisor *s = container_of(w, struct supervisor, signals);
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			children_reap(&s->children);
			continue;
		}
		log_info(NULL, "supervisor.signal", "%s",
			strsignal((int)info.ssi_signo));
		if (info.ssi_signo == SIGHUP)
			hang_up(s);
		else
			quit(s);
		if (s->state == SUPERVISOR_DONE)
			return;
	}
}

/* nohup(1) asks for it. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 &&
	       action.sa_handler == SIG_IGN;
}

static void open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	check(s->signal_fd >= 0);
	watch_open(&s->signals, s->loop, s->signal_fd, on_signals);
	s->had_terminal = has_terminal() && !is_ignored(SIGHUP);
}

/* ---- beginning -------------------------------------------------------- */

/* Those this process may use. */
static unsigned count_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* So that no worker is left without server connections. */
static unsigned count_workers(const struct config *config)
{
	uint64_t n = MIN(count_cores(), config->pool_size / 4);

	if (config->workers)
		n = config->workers;
	return (unsigned)MAX(1u, MIN(n, (uint64_t)PAGE_WORKERS_MAX));
}

/* The usual 1024 is for programs that use select(). */
static void raise_file_limit(const struct config *config, unsigned n_workers)
{
	uint64_t wanted = config->max_clients / n_workers +
			  config->max_server_connections;
	struct rlimit limit;

	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
		log_warn(NULL, "supervisor.files",
			"a process may open %llu files, too few for "
			"HOWDAH_MAX_CLIENTS; raise its limit (ulimit -Hn)",
			(unsigned long long)limit.rlim_cur);
}

int supervisor_upstream(
	const struct config *config, struct upstream *ret, struct fault *f)
{
	CLEANUP(freep) char *dir = NULL;

	if (!config->plan.is_embedded) {
		upstream_copy(&config->plan.upstream, ret);
		return 0;
	}
	dir = folder_path(config->data_dir);
	return embedded_upstream(dir, config, ret, f);
}

/* What can be refused before anything is started. */
static int prepare(struct supervisor *s, struct fault *f)
{
	unsigned patience_ms;
	int r = folder_open(s->config->data_dir, &s->data_dir, f);

	if (r < 0)
		return r;
	r = lock_take(s->data_dir, &s->lock, f);
	if (r < 0)
		return r;
	r = supervisor_upstream(s->config, &s->upstream, f);
	if (r < 0)
		return r;
	if (s->lock.unclean)
		log_warn(NULL, "supervisor.unclean",
			"the last Howdah here, pid %d, did not end cleanly",
			(int)s->lock.unclean);
	patience_ms = s->lock.unclean ? ORPHANS_MS : 0;
	return places_open(&s->places, &s->config->pg_endpoints, s->n_hands,
		patience_ms, f);
}

static void begin(struct supervisor *s, const struct supervisor_env *env)
{
	s->env = *env;
	s->config = env->config;
	s->lock.fd = -1;
	s->loop = loop_create();
	children_init(&s->children, s->loop);
	s->n_hands = count_workers(s->config);
	raise_file_limit(s->config, s->n_hands);
	s->page = page_create(s->n_hands, METRIC_ID_END);
	metrics_init(&s->metrics, s->page, s->n_hands);
	timer_init(&s->deadline, s->loop, on_deadline);
	open_signals(s);
	chores_init(s);
	crew_init(s);
}

static void end(struct supervisor *s)
{
	loop_destroy(s->loop);
	close(s->signal_fd);
	embedded_destroy(s->embedded);
	page_destroy(s->page);
	places_close(&s->places);
	upstream_deinit(&s->upstream);
	config_destroy(s->trial);
	config_destroy(s->config);
	lock_release(&s->lock);
	free(s->data_dir);
}

int supervisor_run(const struct supervisor_env *env)
{
	struct supervisor *s = xnew(struct supervisor);
	struct fault f;
	int status;

	log_setup_words(
		env->config->log_level, env->config->log_format, "supervisor");
	begin(s, env);
	if (prepare(s, &f) < 0) {
		log_error(NULL, "supervisor.refused", "%s%s%s", f.text,
			*f.hint ? "; " : "", f.hint);
		s->status = SUPERVISOR_FAILED;
		supervisor_enter(s, SUPERVISOR_HALT);
	} else {
		s->has_begun = true;
		supervisor_enter(s, SUPERVISOR_DATABASE);
	}
	loop_run(s->loop);
	end(s);
	status = s->status;
	free(s);
	return status;
}
