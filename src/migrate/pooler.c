/*
 * Is the upstream a transaction pooler? What a statement leaves behind in a
 * session has to be there for the next one of the same connection, also when
 * a second connection was busy in between:
 *
 *     first                          second
 *     sets the marker
 *     pid A; is the marker there?
 *                                    BEGIN, pid B: is B = A?
 *     pid and marker: as before?
 *                                    ROLLBACK, and again, some rounds
 *
 * A server answers yes, no, yes. A pooler that hands out the server
 * connection it got back last, or its only one, gives A to the second; one
 * that goes round or draws lots gives the first another before long; one that
 * cleans up after each transaction loses the marker. A pooler in session mode
 * passes, and it should. The cancel key is no proof, a proxy may pass it on;
 * nor is a connection that is alone, it tends to get the same server again.
 *
 * The marker is a setting of our own. When there is a pooler it stays behind
 * on one of the pooler's connections, where nobody reads it.
 */
#include "migrate/migrate_priv.h"

#include <time.h>
#include <unistd.h>

#define MARKER_SETTING "howdah.probe"

enum {
	ROUNDS = 4
};

/* Like nobody else's. */
static char *make_mark(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return xasprintf("%ld-%lld-%ld", (long)getpid(), (long long)now.tv_sec,
		now.tv_nsec);
}

/* The backend, and what it remembers of the marker: "4711 mark". */
static int read_state(struct db *db, char **ret_state)
{
	CLEANUP(db_rows_destroyp) struct db_rows *rows = NULL;
	int r;

	r = db_query(db,
		"SELECT pg_catalog.pg_backend_pid()::text || ' ' || coalesce("
		"pg_catalog.current_setting('" MARKER_SETTING "', true), '')",
		NULL, &rows);
	if (!r)
		*ret_state = xstrdup(db_rows_text(rows, 0, 0));
	return r;
}

/* Sets the marker; is it there for the next statement? */
static int set_marker(struct db *db, char **ret_state, bool *ret_is_pooler)
{
	CLEANUP(freep) char *mark = make_mark();
	struct slice seen;
	int r;

	r = db_query(db,
		"SELECT pg_catalog.set_config('" MARKER_SETTING "', $1, false)",
		DB_PARAMS(mark), NULL);
	if (r)
		return r;
	r = read_state(db, ret_state);
	if (r)
		return r;
	seen = slice_str(*ret_state);
	slice_cut(&seen, ' ');
	*ret_is_pooler = !slice_is(seen, mark);
	return 0;
}

static bool is_same_backend(const char *state, const char *other)
{
	struct slice a = slice_str(state);
	struct slice b = slice_str(other);

	return slice_equal(slice_cut(&a, ' '), slice_cut(&b, ' '));
}

/* One round; before is the first's state. */
static int play_round(struct db *first, struct db *second, const char *before,
	bool *ret_is_pooler)
{
	CLEANUP(freep) char *theirs = NULL;
	CLEANUP(freep) char *after = NULL;
	int r;

	r = db_query(second, "BEGIN", NULL, NULL);
	if (r)
		return r;
	r = read_state(second, &theirs);
	if (r)
		return r;
	if (is_same_backend(theirs, before)) {
		*ret_is_pooler = true;
		return 0;
	}
	r = read_state(first, &after);
	if (r)
		return r;
	*ret_is_pooler = strcmp(after, before);
	return db_query(second, "ROLLBACK", NULL, NULL);
}

int pooler_probe(struct run *run, bool *ret_is_pooler)
{
	CLEANUP(db_destroyp) struct db *second = NULL;
	CLEANUP(freep) char *before = NULL;
	int r;

	r = run_connect(run, NULL, &second);
	if (r)
		return r;
	r = set_marker(run->db, &before, ret_is_pooler);
	for (int i = 0; !r && !*ret_is_pooler && i < ROUNDS; i++)
		r = play_round(run->db, second, before, ret_is_pooler);
	return r;
}
