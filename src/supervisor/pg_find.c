#include "supervisor/pg.h"

#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char debian_places[] = "/usr/lib/postgresql/*/bin";

/* ---- versions --------------------------------------------------------- */

/* Runs `program -V` and reads what it prints. */
static int read_version_line(char *program, char *line, size_t size)
{
	char *args[] = { program, (char[]){ "-V" }, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2];
	ssize_t n = 0;
	pid_t pid;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	r = posix_spawn(&pid, program, &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (r == 0) {
		n = read(fds[0], line, size - 1);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	line[MAX(n, 0)] = '\0';
	return -r;
}

/* The version of the programs in a folder; 0 when they are not there. */
static unsigned version_in(const char *bin)
{
	CLEANUP(freep) char *initdb = xasprintf("%s/initdb", bin);
	CLEANUP(freep) char *postgres = xasprintf("%s/postgres", bin);
	char line[128];

	if (access(initdb, X_OK) < 0 || access(postgres, X_OK) < 0)
		return 0;
	if (read_version_line(postgres, line, sizeof(line)) < 0)
		return 0;
	return pg_text_version(slice_str(line));
}

/* ---- the search ------------------------------------------------------- */

struct search {
	unsigned wanted;
	struct pg_programs best;
	struct pg_programs other; /* of another version than wanted */
};

static void replace(struct pg_programs *p, const char *bin, unsigned major)
{
	pg_programs_deinit(p);
	p->bin = xstrdup(bin);
	p->major = major;
}

static void look_into(struct search *s, const char *bin)
{
	unsigned major = version_in(bin);

	if (!major)
		return;
	if (s->wanted ? major == s->wanted : major > s->best.major)
		replace(&s->best, bin, major);
	else if (!s->other.bin)
		replace(&s->other, bin, major);
}

static void search_path(struct search *s)
{
	struct slice rest = slice_str(getenv("PATH"));

	while (rest.data && !s->best.bin) {
		CLEANUP(freep) char *folder = slice_dup(slice_cut(&rest, ':'));

		if (*folder)
			look_into(s, folder);
	}
}

static void search_places(struct search *s)
{
	glob_t found;

	if (s->best.bin || glob(debian_places, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		look_into(s, found.gl_pathv[i]);
	globfree(&found);
}

static int refuse(
	const struct search *s, const char *configured, struct fault *f)
{
	if (s->wanted && s->other.bin) {
		fault_set(f, FAULT_NOT_IN_STATE,
			"the embedded database was made by PostgreSQL %u, and "
			"only PostgreSQL %u is here (%s)",
			s->wanted, s->other.major, s->other.bin);
		fault_hint(f,
			"apt-get install postgresql-%u, or move the folder "
			"away and begin anew",
			s->wanted);
	} else if (*configured) {
		fault_set(f, FAULT_UNDEFINED,
			"HOWDAH_PG_BIN=%s has no initdb and postgres",
			configured);
		fault_hint(f,
			"name the folder that has both (Debian's are %s, from "
			"the package postgresql), or leave HOWDAH_PG_BIN unset "
			"to have them found",
			debian_places);
	} else {
		fault_set(f, FAULT_UNDEFINED,
			"PostgreSQL's programs initdb and postgres are neither "
			"in PATH nor in %s",
			debian_places);
		fault_hint(f, "apt-get install postgresql, or name a running "
			      "server in HOWDAH_DATABASE_URL");
	}
	return -ENOENT;
}

int pg_find_programs(const char *configured, unsigned wanted,
	struct pg_programs *ret, struct fault *f)
{
	struct search s = { .wanted = wanted };
	int r = 0;

	if (*configured) {
		look_into(&s, configured);
	} else {
		search_path(&s);
		search_places(&s);
	}
	if (!s.best.bin) {
		r = refuse(&s, configured, f);
	} else if (s.best.major < PG_OLDEST) {
		fault_set(f, FAULT_UNSUPPORTED,
			"PostgreSQL %u in %s is too old: at least %d is needed",
			s.best.major, s.best.bin, PG_OLDEST);
		r = -ENOENT;
	}
	if (r == 0)
		*ret = (struct pg_programs){ TAKE(s.best.bin), s.best.major };
	pg_programs_deinit(&s.best);
	pg_programs_deinit(&s.other);
	return r;
}

void pg_programs_deinit(struct pg_programs *p)
{
	free(p->bin);
	*p = (struct pg_programs){ 0 };
}

/* ---- the account ------------------------------------------------------ */

static const struct passwd *find_passwd(const char *dir)
{
	static const char *const names[] = { "postgres", "nobody" };
	const struct passwd *found = NULL;
	struct stat st;

	if (stat(dir, &st) == 0 && st.st_uid != 0)
		found = getpwuid(st.st_uid);
	for (size_t i = 0; !found && i < ARRAY_SIZE(names); i++)
		found = getpwnam(names[i]);
	return found;
}

int pg_find_account(const char *dir, struct pg_account *ret, struct fault *f)
{
	const struct passwd *found;

	if (geteuid() != 0) {
		found = getpwuid(geteuid());
		*ret = (struct pg_account){
			.uid = geteuid(),
			.gid = getegid(),
			.name = xstrdup(found ? found->pw_name : "this user"),
		};
		return 0;
	}
	found = find_passwd(dir);
	if (!found) {
		fault_set(f, FAULT_UNDEFINED,
			"PostgreSQL must not run as root, and there is neither "
			"a user postgres nor nobody");
		fault_hint(f, "adduser --system postgres, or do not run "
			      "Howdah as root");
		return -ENOENT;
	}
	*ret = (struct pg_account){
		.uid = found->pw_uid,
		.gid = found->pw_gid,
		.name = xstrdup(found->pw_name),
		.is_other = true,
	};
	return 0;
}

void pg_account_deinit(struct pg_account *a)
{
	free(a->name);
	*a = (struct pg_account){ 0 };
}
