/*
 * The embedded server's life, a row per state (embedded_states.def):
 *
 *     CLEAR ──► INIT ──► ROLES ──► START ──► READY
 *       ▲  └──────────────▲  │       │         │     any ──► STOP ──► STOPPED
 *       └──── WAIT ◄─────────┴───────┴─────────┘
 *
 * CLEAR waits for what is left of an earlier server, INIT runs initdb in a
 * folder beside the final one, ROLES makes role and password what is
 * configured, START waits until the server takes connections. Before the
 * first READY a failure is final and told to the user; later ones are tried
 * again, for clients wait meanwhile.
 */
#include "supervisor/embedded.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/folder.h"
#include "supervisor/pg.h"

enum {
	POLL_MS = 10,
	CLEAR_QUIT_MS = 20000, /* a left-over that does not stop */
	CLEAR_GIVE_UP_MS = 30000,
	FIRST_WAIT_MS = 500, /* between starts, doubled each time */
	LAST_WAIT_MS = 30000,
	STEADY_MS = 60000,    /* a life this long ends a row of failures */
	STOP_QUIT_MS = 30000, /* fast shutdown did not do */
	STOP_KILL_MS = 5000,  /* nor did immediate shutdown */
	RESERVE = 10,	      /* connections beside Howdah's: psql, backups */
};

enum embedded_state {
#define STATE(name, enter, timer, ended, next) EMBEDDED_##name,
#include "supervisor/embedded_states.def"
#undef STATE
};

struct embedded {
	struct embedded_env env;
	enum embedded_state state;
	char *dir;     /* the database */
	char *new_dir; /* while initdb fills it */
	char *user;
	char *password;
	char *bin; /* HOWDAH_PG_BIN, may be "" */
	uint64_t max_connections;
	struct pg_programs programs;
	struct pg_account account;
	struct pg_log log;
	struct child child;
	struct timer timer;
	uint64_t entered_at; /* loop_now() of the current state */
	unsigned n_failures; /* in a row */
	bool was_ready;	     /* ever */
	bool has_told_other; /* CLEAR: about processes that still end */
	bool is_stopping;    /* embedded_stop() was called */
	int stop_signal;     /* STOP: the next to send */
};

typedef void embedded_step_fn(struct embedded *e);
typedef void embedded_ended_fn(struct embedded *e, int status);

static embedded_step_fn enter_clear, enter_init, enter_roles, enter_start,
	enter_ready, enter_wait, enter_stop, enter_stopped;
static embedded_step_fn look_for_users, look_for_ready, start_again,
	stop_harder, tell_owner;
static embedded_ended_fn init_ended, roles_ended, start_ended, ready_ended,
	stop_ended;

struct embedded_row {
	const char *name;
	embedded_step_fn *enter;
	embedded_step_fn *timer;
	embedded_ended_fn *ended;
	uint32_t next;
};

#define TO(name) BIT(EMBEDDED_##name)
static const struct embedded_row rows[] = {
#define STATE(name, enter, timer, ended, next)                                 \
	{ #name, enter, timer, ended, next },
#include "supervisor/embedded_states.def"
#undef STATE
};
#undef TO

/* The one writer of ->state. */
static void embedded_enter(struct embedded *e, enum embedded_state next)
{
	const struct embedded_row *row = &rows[next];

	check(rows[e->state].next & BIT(next));
	log_debug(NULL, "postgres.enter", "%s", row->name);
	e->state = next;
	e->entered_at = loop_now(e->env.loop);
	timer_stop(&e->timer);
	if (row->enter)
		row->enter(e);
}

/* ---- failing ---------------------------------------------------------- */

static void give_up(struct embedded *e, const struct fault *f)
{
	log_error(NULL, "postgres.failed", "%s%s%s", f->text,
		*f->hint ? "; " : "", f->hint);
	if (e->was_ready)
		embedded_enter(e, EMBEDDED_WAIT);
	else
		embedded_enter(e, EMBEDDED_STOPPED);
}

static void on_timer(struct timer *timer)
{
	struct embedded *e = container_of(timer, struct embedded, timer);

	rows[e->state].timer(e);
}

/* A program of PostgreSQL's ended and should not have. */
static void give_up_child(struct embedded *e, const char *program, int status)
{
	struct fault f;
	char how[64];

	child_status_text(status, how, sizeof(how));
	fault_set(&f, FAULT_NOT_READY,
		"the embedded PostgreSQL's %s ended with %s%s%s", program, how,
		*e->log.words.error ? ": " : "", e->log.words.error);
	if (e->log.words.is_disk_full)
		fault_hint(&f, "the disk that holds %s is full", e->dir);
	else
		fault_hint(&f, "%s says more", e->log.path);
	give_up(e, &f);
}

static void on_child_ended(struct child *child, int status)
{
	struct embedded *e = container_of(child, struct embedded, child);

	pg_log_drain(&e->log);
	check(rows[e->state].ended);
	rows[e->state].ended(e, status);
}

/* Runs a program in the folder; its end is told to the state's row. */
static void run(struct embedded *e, const char *program, const char *dir,
	const char *const *args, int input)
{
	struct pg_command command = {
		.programs = &e->programs,
		.account = &e->account,
		.program = program,
		.args = args,
		.dir = dir,
		.input = input,
		.output = e->log.pipe[1],
	};
	struct fault f;
	int r;

	pg_log_reset(&e->log);
	r = pg_spawn(e->env.children, &e->child, on_child_ended, &command);
	if (r == 0)
		return;
	fault_set(&f, FAULT_NOT_READY, "cannot start %s: %s", program,
		strerror(-r));
	give_up(e, &f);
}

/* ---- CLEAR ------------------------------------------------------------ */

static void refuse_user(struct embedded *e, pid_t pid)
{
	struct fault f;

	fault_set(&f, FAULT_BUSY,
		"the embedded database %s is in use by the PostgreSQL process "
		"%d, which Howdah did not start",
		e->dir, (int)pid);
	fault_hint(&f, "stop that server, or choose another HOWDAH_DATA_DIR");
	give_up(e, &f);
}

/* Its Howdah was killed: what it carried has no clients any more. */
static void stop_left_over(struct embedded *e, pid_t pid)
{
	uint64_t age = loop_now(e->env.loop) - e->entered_at;

	if (!e->has_told_other) {
		log_warn(NULL, "postgres.leftover",
			"stopping the server with pid %d, left by a Howdah "
			"that was killed",
			(int)pid);
		kill(pid, SIGINT);
	} else if (age >= CLEAR_QUIT_MS) {
		kill(pid, SIGQUIT);
	}
	e->has_told_other = true;
}

static void wait_for_other(struct embedded *e, pid_t pid)
{
	if (!e->has_told_other)
		log_warn(NULL, "postgres.leftover",
			"waiting for process %d of an earlier server to end",
			(int)pid);
	e->has_told_other = true;
}

/* Nobody works in the folder: find out what there is, and go on. */
static void go_on_when_clear(struct embedded *e)
{
	unsigned major;
	struct fault f;
	int r = pg_dir_version(e->dir, &major, &f);

	pg_programs_deinit(&e->programs);
	pg_account_deinit(&e->account);
	if (r == 0)
		r = pg_find_programs(e->bin, major, &e->programs, &f);
	if (r == 0)
		r = pg_find_account(e->dir, &e->account, &f);
	if (r < 0) {
		give_up(e, &f);
	} else if (!major) {
		embedded_enter(e, EMBEDDED_INIT);
	} else {
		pg_dir_forget_server(e->dir);
		embedded_enter(e, EMBEDDED_ROLES);
	}
}

static void look_for_users(struct embedded *e)
{
	struct pg_users users;
	pid_t pid;

	pg_dir_users(e->dir, &users);
	pid = users.postmaster ? users.postmaster : users.other;
	if (!pid) {
		go_on_when_clear(e);
		return;
	}
	if ((users.postmaster && !users.is_ours) ||
		loop_now(e->env.loop) - e->entered_at >= CLEAR_GIVE_UP_MS) {
		refuse_user(e, pid);
		return;
	}
	if (users.postmaster)
		stop_left_over(e, pid);
	else
		wait_for_other(e, pid);
	timer_start(&e->timer, POLL_MS, 0);
}

static void enter_clear(struct embedded *e)
{
	e->has_told_other = false;
	look_for_users(e);
}

/* ---- INIT ------------------------------------------------------------- */

/*
 * The locale. Chats are sorted and searched in every language, on machines
 * that have no locales installed: so not a libc locale such as en_US, which
 * a container lacks, nor C, which knows no letters beyond ASCII. ICU's root
 * collation sorts as people do and comes with PostgreSQL's own packages;
 * C.UTF-8, part of glibc, classifies letters for what does not ask ICU (text
 * search, trigrams). Before version 15 a database could not have an ICU
 * collation as its default: there C.UTF-8 does both, sorting by code point.
 */
static void enter_init(struct embedded *e)
{
	const char *args[] = { "-D", pg_dir_argument, "-U", e->user,
		"--auth=trust", "--data-checksums", "--encoding=UTF8",
		"--locale=C.UTF-8", "--no-instructions",
		e->programs.major >= 15 ? "--locale-provider=icu" : NULL,
		"--icu-locale=und", NULL };
	struct fault f;
	int r = pg_dir_make(e->new_dir, &e->account, &f);

	if (r < 0) {
		give_up(e, &f);
		return;
	}
	log_info(NULL, "postgres.init",
		"making a database in %s with PostgreSQL %u as user %s", e->dir,
		e->programs.major, e->account.name);
	run(e, "initdb", e->new_dir, args, -1);
}

static void init_ended(struct embedded *e, int status)
{
	struct fault f;

	if (status) {
		folder_remove(e->new_dir);
		give_up_child(e, "initdb", status);
		return;
	}
	if (pg_dir_finish(e->new_dir, e->dir, &f) < 0)
		give_up(e, &f);
	else
		embedded_enter(e, EMBEDDED_ROLES);
}

/* ---- ROLES ------------------------------------------------------------ */

/* An SQL literal in one line, for a backend that reads lines. */
static void put_literal(struct buf *sql, const char *text)
{
	buf_append_str(sql, "E'");
	for (; *text; text++) {
		if (*text == '\n')
			buf_append_str(sql, "\\n");
		else if (*text == '\'' || *text == '\\')
			buf_printf(sql, "\\%c", *text);
		else
			buf_put_u8(sql, (uint8_t)*text);
	}
	buf_put_u8(sql, '\'');
}

static char *roles_sql(const struct embedded *e)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };
	CLEANUP(freep) char *text = NULL;
	struct buf sql = { 0 };

	buf_append_str(&body, "DECLARE u text := ");
	put_literal(&body, e->user);
	buf_append_str(&body, "; p text := ");
	put_literal(&body, e->password);
	buf_append_str(&body,
		"; BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE "
		"rolname = u) THEN EXECUTE pg_catalog.format('CREATE ROLE "
		"%I', u); END IF; EXECUTE pg_catalog.format('ALTER ROLE %I "
		"LOGIN SUPERUSER PASSWORD %L', u, p); END");
	text = buf_take_str(&body);
	buf_append_str(&sql, "DO ");
	put_literal(&sql, text);
	buf_append_str(&sql, ";\n");
	explicit_bzero(text, strlen(text));
	return buf_take_str(&sql);
}

/* Standard input for a child: the text, in memory. */
static int input_of(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len ||
		lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/*
 * At every start, so that a changed POSTGRES_PASSWORD is not a riddle. A
 * single-user backend asks nobody for a password and takes some 40 ms.
 */
static void enter_roles(struct embedded *e)
{
	static const char *const args[] = { "--single", "-D", pg_dir_argument,
		"--password_encryption=scram-sha-256",
		"--log_line_prefix=", "--log_statement=none",
		"--log_min_error_statement=panic",
		"--log_error_verbosity=terse", "--log_checkpoints=off",
		"postgres", NULL };
	char *sql = roles_sql(e);
	int input = input_of(sql);

	explicit_bzero(sql, strlen(sql));
	free(sql);
	check(input >= 0);
	run(e, "postgres", e->dir, args, input);
	close(input);
}

static void roles_ended(struct embedded *e, int status)
{
	/* A statement that fails does not end this backend with an error. */
	if (status || *e->log.words.error)
		give_up_child(e, "postgres --single", status);
	else
		embedded_enter(e, EMBEDDED_START);
}

/* ---- START, READY ----------------------------------------------------- */

static void enter_start(struct embedded *e)
{
	char max[48];
	const char *args[] = { "-D", pg_dir_argument, max,
		"--cluster_name=howdah",
		"--listen_addresses=", "--unix_socket_directories=.",
		"--unix_socket_permissions=0700", "--port=5432",
		"--password_encryption=scram-sha-256",
		"--logging_collector=off", "--log_destination=stderr", NULL };

	snprintf(max, sizeof(max), "--max_connections=%" PRIu64,
		e->max_connections + RESERVE);
	timer_start(&e->timer, POLL_MS, POLL_MS);
	run(e, "postgres", e->dir, args, -1);
}

static void look_for_ready(struct embedded *e)
{
	if (pg_dir_is_ready(e->dir, e->child.pid))
		embedded_enter(e, EMBEDDED_READY);
}

static void start_ended(struct embedded *e, int status)
{
	give_up_child(e, "postgres", status);
}

static void enter_ready(struct embedded *e)
{
	bool is_first = !e->was_ready;

	e->was_ready = true;
	log_info(NULL, "postgres.ready", "PostgreSQL %u, pid %d, on %s",
		e->programs.major, (int)e->child.pid, e->dir);
	if (is_first)
		e->env.ready(e->env.owner);
}

static void ready_ended(struct embedded *e, int status)
{
	if (loop_now(e->env.loop) - e->entered_at >= STEADY_MS)
		e->n_failures = 0;
	give_up_child(e, "postgres", status);
}

/* ---- WAIT ------------------------------------------------------------- */

static void enter_wait(struct embedded *e)
{
	uint64_t wait = FIRST_WAIT_MS << MIN(e->n_failures, 6u);

	e->n_failures++;
	wait = MIN(wait, (uint64_t)LAST_WAIT_MS);
	log_info(NULL, "postgres.wait", "next start in %" PRIu64 " ms", wait);
	timer_start(&e->timer, wait, 0);
}

static void start_again(struct embedded *e)
{
	embedded_enter(e, EMBEDDED_CLEAR);
}

/* ---- STOP ------------------------------------------------------------- */

/* INT, QUIT, KILL: fast, immediate, and what nobody survives. */
static void stop_harder(struct embedded *e)
{
	child_kill(&e->child, e->stop_signal);
	timer_start(&e->timer,
		e->stop_signal == SIGINT ? STOP_QUIT_MS : STOP_KILL_MS, 0);
	e->stop_signal = e->stop_signal == SIGINT ? SIGQUIT : SIGKILL;
}

static void enter_stop(struct embedded *e)
{
	e->stop_signal = SIGINT;
	stop_harder(e);
}

static void stop_ended(struct embedded *e, int status)
{
	char how[64];

	child_status_text(status, how, sizeof(how));
	log_info(NULL, "postgres.stopped", "with %s", how);
	folder_remove(e->new_dir);
	embedded_enter(e, EMBEDDED_STOPPED);
}

/* Not from inside embedded_start() or embedded_stop(). */
static void enter_stopped(struct embedded *e)
{
	timer_start(&e->timer, 0, 0);
}

static void tell_owner(struct embedded *e)
{
	if (e->is_stopping)
		e->env.stopped(e->env.owner);
	else
		e->env.failed(e->env.owner);
}

/* ---- from outside ----------------------------------------------------- */

/* The role has one in any case: nobody gets in without. */
static const char *server_password(const struct config *config)
{
	return *config->plan.password ? config->plan.password
				      : config->postgres_password;
}

struct embedded *embedded_create(const struct embedded_env *env)
{
	struct embedded *e = xnew(struct embedded);

	e->env = *env;
	e->dir = xasprintf("%s/pg", env->data_dir);
	e->new_dir = xasprintf("%s/pg.new", env->data_dir);
	e->user = xstrdup(env->config->plan.user);
	e->password = xstrdup(server_password(env->config));
	e->bin = xstrdup(env->config->pg_bin);
	e->max_connections = env->config->max_server_connections;
	timer_init(&e->timer, env->loop, on_timer);
	check(pg_log_open(&e->log, env->loop, env->data_dir) == 0);
	return e;
}

void embedded_start(struct embedded *e)
{
	embedded_enter(e, EMBEDDED_CLEAR);
}

void embedded_stop(struct embedded *e)
{
	e->is_stopping = true;
	if (e->state == EMBEDDED_STOP)
		stop_harder(e);
	else if (child_is_alive(&e->child))
		embedded_enter(e, EMBEDDED_STOP);
	else if (e->state != EMBEDDED_STOPPED)
		embedded_enter(e, EMBEDDED_STOPPED);
}

void embedded_close(struct embedded *e)
{
	check(e->state == EMBEDDED_STOPPED);
	timer_close(&e->timer, NULL);
	pg_log_close(&e->log);
}

void embedded_destroy(struct embedded *e)
{
	if (!e)
		return;
	pg_programs_deinit(&e->programs);
	pg_account_deinit(&e->account);
	explicit_bzero(e->password, strlen(e->password));
	free(e->password);
	free(e->user);
	free(e->bin);
	free(e->new_dir);
	free(e->dir);
	free(e);
}

/* One parameter of a conninfo string, quoted as libpq wants it. */
static void put_parameter(
	struct buf *conninfo, const char *name, const char *value)
{
	buf_printf(conninfo, "%s='", name);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_put_u8(conninfo, '\\');
		buf_put_u8(conninfo, (uint8_t)*value);
	}
	buf_append_str(conninfo, "' ");
}

int embedded_upstream(const char *data_dir, const struct config *config,
	struct upstream *ret, struct fault *f)
{
	CLEANUP(freep) char *dir = xasprintf("%s/pg", data_dir);
	CLEANUP(buf_deinit) struct buf conninfo = { 0 };
	struct sockaddr_un address;
	size_t room = sizeof(address.sun_path) - sizeof("/.s.PGSQL.5432");
	int r;

	if (strlen(dir) > room) {
		fault_set(f, FAULT_BAD_VALUE,
			"HOWDAH_DATA_DIR %s is too long for a socket inside "
			"it, by %zu bytes",
			data_dir, strlen(dir) - room);
		fault_hint(f, "choose a shorter one");
		return -ENAMETOOLONG;
	}
	put_parameter(&conninfo, "host", dir);
	put_parameter(&conninfo, "port", "5432");
	put_parameter(&conninfo, "user", config->plan.user);
	put_parameter(&conninfo, "password", server_password(config));
	put_parameter(&conninfo, "dbname", config->plan.dbname);
	put_parameter(&conninfo, "sslmode", "disable");
	r = upstream_parse(buf_slice(&conninfo), ret, f);
	explicit_bzero(conninfo.data, conninfo.len);
	return r;
}
