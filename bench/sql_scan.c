/*
 * What src/wire/sql costs: nanoseconds per text, the least of many rounds.
 *
 *     ninja -C build/release bench_sql_scan &&
 * build/release/bench/bench_sql_scan
 */
#include <stdio.h>
#include <time.h>

#include "wire/sql/sql.h"

static const char *const texts[] = {
	"BEGIN",
	"SELECT abalance FROM pgbench_accounts WHERE aid = 4711;",
	"UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 1;",
	"SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
	"SELECT t.*, lower(u.name), count(*) OVER (PARTITION BY t.id) FROM t "
	"LEFT JOIN u ON u.id = t.id AND coalesce(u.a, $1) > now() - '1h'::"
	"interval WHERE t.b IN (SELECT c FROM d) ORDER BY t.e DESC LIMIT $2",
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double round_ns(struct slice text)
{
	enum {
		SCANS = 10000
	};
	struct sql_scanner s;
	double began = now_ns();

	for (int i = 0; i < SCANS; i++)
		sql_scan(&s, text, true);
	return (now_ns() - began) / SCANS;
}

int main(void)
{
	enum {
		ROUNDS = 100
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct slice text = slice_str(texts[i]);
		double least = round_ns(text);

		for (int n = 1; n < ROUNDS; n++)
			least = MIN(least, round_ns(text));
		printf("%6.0f ns %4zu bytes  %.40s\n", least, text.len,
			texts[i]);
	}
	return 0;
}
