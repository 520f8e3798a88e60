"""Behaviour 30, PostgreSQL's own programs: psql, pg_dump, pg_restore,
pgbench, and a program on libpq's pipeline mode. Each does the same directly
and through the door; what it prints is compared."""
import os
import pathlib
import re
import subprocess

import pytest

SCHEMA = """\
create type mood as enum ('sad', 'ok', 'glad');
create domain positive as int check (value > 0);
create sequence numbers start 100 increment 5;
create table people (
    id serial primary key,
    name text not null unique,
    mood mood default 'ok',
    age positive,
    tags text[] default '{}',
    about jsonb,
    born timestamp(3),
    photo bytea
);
create table visits (
    person int references people on delete cascade,
    at timestamptz default now(),
    amount numeric(10, 2)
) partition by range (amount);
create table visits_small partition of visits for values from (0) to (100);
create table visits_large partition of visits default;
create index on visits (at);
create view happy as select id, name from people where mood = 'glad';
create materialized view ages as select age, count(*) from people group by 1;
create function double(int) returns int language sql immutable
    as $$ select $1 * 2 $$;
create function stamp() returns trigger language plpgsql as $$
begin new.about := coalesce(new.about, '{}') || '{"seen": true}'; return new;
end $$;
create trigger stamp before insert on people
    for each row execute function stamp();
insert into people (name, mood, age, tags, about, born, photo)
    select 'näme ' || g || E' with\\ttab, "quotes" and \\\\ backslash',
        (array['sad', 'ok', 'glad'])[g % 3 + 1]::mood, g, array['a', null],
        jsonb_build_object('n', g, 'snow', '☃'),
        timestamp '2024-01-01' + g * interval '1 day', decode(repeat(
        to_hex(g % 256 + 256), 2), 'hex')
    from generate_series(1, 300) g;
insert into visits select g, timestamptz '2024-06-01 12:00:00+02', g * 1.5
    from generate_series(1, 300) g;
refresh materialized view ages;
comment on table people is 'it''s a comment; with a semicolon';
select nextval('numbers');
select lo_from_bytea(77000, 'a large object');
"""


def run(target, *command, given=None, status=0):
    """What a program prints; its complaints too."""
    done = subprocess.run(
        command, input=given, text=True, capture_output=True, timeout=80,
        check=False, env={**os.environ, **target.environment(),
                          "PGAPPNAME": "program", "LC_ALL": "C.UTF-8"})
    assert done.returncode == status, done.stderr[-3000:]
    return done.stdout, done.stderr


def load(target):
    run(target, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", given=SCHEMA)


def dump(target):
    # The key would be random otherwise.
    return run(target, "pg_dump", "--blobs", "--restrict-key=same")[0]


def psql(target, script, status=0):
    return run(target, "psql", "-X", "-a", "-v", "VERBOSITY=verbose",
               given=script, status=status)


# psql

def test_behaviour_30_psql_statements(alike):
    """A whole schema, queries, errors with their positions."""
    def work(target):
        return psql(target, SCHEMA + """\
select * from people where id < 5 order by id;
select no_such_column from people;
selec 1;
begin; select 1/0; select 1; rollback;
\\x on
select * from people where id = 3;
\\x off
table happy limit 3;
explain (costs off) select * from people where id = 3;
""")
    out, err = alike(work)
    assert "syntax error" in err and "(300 rows)" not in out


def test_behaviour_30_psql_backslash(alike, tmp_path):
    r"""\d and friends, \gset, \gexec, \gdesc, \bind-less parameters, \copy
    both ways, \crosstabview, \if, \errverbose, \set AUTOCOMMIT off and
    FETCH_COUNT (cursors under the hood)."""
    file = tmp_path / "people"

    def work(target):
        return psql(target, SCHEMA + f"""\
\\d people
\\d+ visits
\\dt
\\di
\\dv+ happy
\\df double
\\dT+ mood
\\du guest
\\l wire
select 5 as five, 'six' as six \\gset
select :five + 1, :'six';
select 'select ' || g from generate_series(1, 3) g \\gexec
select 1 as a, 'x'::text as b \\gdesc
\\copy people to '{file}'
delete from visits;
delete from people;
\\copy people from '{file}'
select count(*), sum(age) from people;
\\copy (select name from people where id < 3 order by id) to stdout csv
\\copy people (name) from stdin
new one
new two
\\.
select name from people where age is null order by 1;
select g % 2 as a, g % 3 as b, g from generate_series(0, 5) g \\crosstabview
\\if true
select 'taken';
\\else
select 'not taken';
\\endif
select 1/0;
\\errverbose
\\set AUTOCOMMIT off
insert into people (name) values ('rolled back');
rollback;
\\set AUTOCOMMIT on
\\set FETCH_COUNT 7
select id from people order by id limit 20;
\\set ON_ERROR_ROLLBACK on
begin;
select 1/0;
select 'alive';
commit;
\\encoding
\\c other
select current_database();
\\c - plain
""" + "\\echo :ERROR\n", status=2)
    # \\c as another user asks for a password it does not have: status 2
    alike(lambda target: tuple(part.replace(f"port {target.port}", "port N")
                               for part in work(target)))


def test_behaviour_30_psql_notify_and_cursors(alike):
    def work(target):
        out, err = psql(target, """\
listen news;
notify news, 'payload';
select 1;
begin;
declare c cursor for select generate_series(1, 10);
fetch 3 from c;
move 2 from c;
fetch backward 1 from c;
commit;
prepare p(int) as select $1 * 2;
execute p(4);
deallocate p;
create temp table t as select 1 as a;
select * from t;
set search_path to pg_temp;
\\d t
show search_path;
""")
        # Centred, so that the number's length moves it.
        return re.sub(r"PID \d+| *Table \"pg_temp_\d+", "N", out), err
    alike(work)


def test_behaviour_30_psql_single_transaction(alike):
    """-1 with an error leaves nothing; -c strings and -f files alike."""
    def work(target):
        return [run(target, "psql", "-X", "-1", "-v", "ON_ERROR_STOP=1",
                    "-c", "create table t (a int)", "-c", "select 1/0",
                    status=1),
                run(target, "psql", "-X", "-c", "table t", status=1),
                run(target, "psql", "-X", "-At", "-c",
                    "select 1; select 2"),
                run(target, "psql", "-X", "-At", "-F", " ", "-c",
                    "select 1, null, 3")]
    alike(work)


# pg_dump

def test_behaviour_30_dump_is_the_same(alike):
    """A dump through the door is the dump taken directly, byte for byte."""
    def work(target):
        load(target)
        return dump(target)
    assert "CREATE TYPE public.mood" in alike(work)


def test_behaviour_30_dump_and_restore(postgres, door, clean):
    """pg_dump | psql into another database, both through the door; then
    both databases dump alike."""
    load(door.target)
    other = door.target.replace(database="restored")
    postgres.rows("create database restored")
    try:
        taken = dump(door.target)
        run(other, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", given=taken)
        assert dump(other) == taken
    finally:
        postgres.terminate_backends("datname = 'restored'")
        postgres.rows("drop database restored with (force)")


def test_behaviour_30_parallel_dump(postgres, door, clean, tmp_path):
    """pg_dump -j and pg_restore -j: exported snapshots and several
    connections at once."""
    load(door.target)
    postgres.rows("create database restored")
    try:
        folder = str(tmp_path / "dump")
        run(door.target, "pg_dump", "-Fd", "-j", "3", "-f", folder)
        other = door.target.replace(database="restored")
        run(other, "pg_restore", "-j", "3", "-d", "restored", folder)
        with other.connect() as c:
            assert c.value("select count(*) from people") == "300"
            assert c.value("select count(*) from visits") == "300"
    finally:
        postgres.terminate_backends("datname = 'restored'")
        postgres.rows("drop database restored with (force)")


def test_behaviour_30_maintenance_programs(alike):
    """vacuumdb, reindexdb, clusterdb, createdb and dropdb, pg_isready."""
    def work(target):
        load(target)
        return [run(target, *command) for command in (
            ["vacuumdb", "-z", "-q", "-j", "2", "wire"],
            ["reindexdb", "-q", "-t", "people", "wire"],
            ["clusterdb", "-q", "wire"],
            ["createdb", "made"], ["dropdb", "made"],
            ["createuser", "--no-login", "made"], ["dropuser", "made"])]
    alike(work)


# pgbench

@pytest.fixture
def bench_tables(door, clean):
    run(door.target, "pgbench", "-i", "-s", "1", "-q", "--foreign-keys")


MODES = ["simple", "extended", "prepared"]


def assert_bench(target, *arguments):
    out, _ = run(target, "pgbench", "-n", "-j", "2", *arguments)
    assert "number of failed transactions: 0 " in out


@pytest.mark.parametrize("mode", MODES)
def test_behaviour_30_pgbench(door, bench_tables, mode):
    """The balances of TPC-B agree under every protocol; -S and -N run
    too."""
    assert_bench(door.target, "-M", mode, "-c", "6", "-t", "25")
    with door.connect() as c:
        sums = {c.value(f"select sum({column}) from pgbench_{table}")
                for column, table in (
                    ("delta", "history"), ("abalance", "accounts"),
                    ("tbalance", "tellers"), ("bbalance", "branches"))}
        assert len(sums) == 1
    assert_bench(door.target, "-M", mode, "-c", "12", "-t", "100", "-S")
    assert_bench(door.target, "-M", mode, "-c", "4", "-t", "25", "-N")


def test_behaviour_30_pgbench_connects_anew(door, bench_tables):
    """-C: a connection per transaction."""
    assert_bench(door.target, "-C", "-S", "-c", "4", "-t", "15")


PIPELINE = """\
\\set aid random(1, 100000)
\\startpipeline
begin;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
select abalance from pgbench_accounts where aid = :aid;
insert into pgbench_history (tid, bid, aid, delta) values (1, 1, :aid, 1);
commit;
\\endpipeline
select 1;
\\startpipeline
select 2;
select 3;
\\endpipeline
"""


@pytest.mark.parametrize("mode", ["extended", "prepared"])
def test_behaviour_30_pgbench_pipeline(door, bench_tables, tmp_path, mode):
    script = tmp_path / "pipeline.sql"
    script.write_text(PIPELINE, "ascii")
    assert_bench(door.target, "-M", mode, "-c", "6", "-t", "30", "-f",
                 str(script))
    with door.connect() as c:
        assert c.value("select sum(abalance) from pgbench_accounts") == "180"
        assert c.value("select count(*) from pgbench_history") == "180"


# libpq's pipeline mode

@pytest.fixture(scope="session")
def libpq_pipeline(request, tmp_path_factory):
    """The program tests/clients/libpq_pipeline.c."""
    folder = request.config.getoption("clients")
    path = request.config.getoption("howdah")
    if not folder and path:
        folder = pathlib.Path(path).resolve().parent / "tests/clients"
    if folder:
        return str(pathlib.Path(folder) / "libpq_pipeline")
    built = tmp_path_factory.mktemp("clients") / "libpq_pipeline"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"],
                           text=True, capture_output=True, check=True)
    source = pathlib.Path(__file__).parents[1] / "clients/libpq_pipeline.c"
    subprocess.run(["cc", "-o", built, source, *flags.stdout.split()],
                   check=True)
    return str(built)


def test_behaviour_30_libpq_pipeline(alike, libpq_pipeline):
    """Pipelines, aborted ones, several Syncs, single-row mode, COPY, cancel
    and notifications as libpq sees them."""
    def work(target):
        return run(target, libpq_pipeline, target.dsn())
    out, _ = alike(work)
    assert out.endswith("done\n")
