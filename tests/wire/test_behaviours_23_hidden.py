"""Behaviour 23 where no statement shows it: what triggers, views, defaults
and their like change in a session stays with the client that ran them."""
import contextlib

import pytest

from hidden_states import INSERT, KINDS, SETTER, TABLE, WAYS, \
    function, trigger
from states import MEMORY
from test_behaviours_23_state import see, set_up
from waiting import eventually

N_OTHERS = 20


@pytest.fixture(scope="module")
def door(howdah):
    """Few server connections, so that they all pass through all hands; one
    worker, so that its look at the database is everybody's."""
    return howdah(pool_size=4, workers=1, test_look_every="1d")


@pytest.fixture(scope="module")
def crowd(door):
    """crowd(user): twenty others."""
    with contextlib.ExitStack() as stack:
        known = {}

        def get(user):
            if user not in known:
                known[user] = [stack.enter_context(
                    door.as_user(user).connect()) for _ in range(N_OTHERS)]
            return known[user]
        yield get


@pytest.fixture
def maker(postgres, door):
    """Who makes what a test needs. An empty `public`, and the door knows."""
    postgres.reset()
    know(door)
    with door.connect() as c:
        yield c


def count(door, *names):
    """Some of the door's counters, by their names in proto/metrics.def."""
    if not door.is_door:
        return [0] * len(names)
    rows = {row["name"]: int(row["value"]) for row in door.show("metrics")}
    return [rows[f"howdah_{name}"] if f"howdah_{name}" in rows else rows[name]
            for name in names]


def know(door):
    """Waits until the door knows the code of the database: a harmless
    statement is not suspected any more. The DDL is for what was changed
    past it."""
    with door.connect() as c:
        def is_trusted():
            before = count(door, "hidden_total")
            c.rows("select 1")
            return count(door, "hidden_total") == before
        c.rows("create table leak_z (a int); drop table leak_z")
        eventually(is_trusted)


def expected(postgres, way):
    """expected_of() for a user of the way's own."""
    def connect(user):
        return postgres.target.replace(
            user=user, password=f"{user}-secret").connect()
    with connect("wire") as maker, connect(way.user) as other, \
            connect(way.user) as owner:
        maker.rows(way.prepare)
        setup = set_up(owner, way)
        return setup, see(owner, way.probe), see(other, way.probe)


def hunt(postgres, door, crowd, maker, way):
    setup, for_owner, for_others = expected(postgres, way)
    assert (for_owner != for_others) == way.leaves, "a poor probe"
    postgres.reset()
    others = crowd(way.user)
    maker.rows(way.prepare)
    if not way.is_everywhere:
        know(door)
    with door.as_user(way.user).connect() as owner:
        assert set_up(owner, way) == setup
        for n, other in enumerate(others):
            assert see(other, way.probe) == for_others
            if n % 5 == 0:
                seen = see(owner, way.probe)
                assert seen == for_owner or (way.may_refuse and
                                             "55000" in str(seen))
    for other in others:
        assert see(other, way.probe) == for_others


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_behaviour_23_hidden_way(postgres, door, crowd, maker, way):
    """However the code comes to run, the setting it changes is its
    client's: twenty others see nothing of it, the client does."""
    hunt(postgres, door, crowd, maker, way)


@pytest.mark.parametrize("way", KINDS, ids=lambda way: way.name)
def test_behaviour_23_hidden_kind(postgres, door, crowd, maker, way):
    """Whatever a trigger leaves in the session, as on PostgreSQL."""
    hunt(postgres, door, crowd, maker, way)


def test_behaviour_23_hidden_seed(door, crowd, maker):
    """setseed() in a trigger seeds its client's numbers alone."""
    others = crowd("wire")
    maker.rows(TABLE + trigger("perform setseed(0.25)"))
    know(door)
    with door.connect() as owner:
        def sequence():
            owner.rows(INSERT)
            return [owner.value("select random()") for _ in range(30)]
        first = sequence()
        assert sequence() == first
        owner.rows(INSERT)
        seen = {other.value("select random()") for other in others}
        assert len(seen) == N_OTHERS and not seen & set(first)
    seen = {other.value("select random()") for other in others}
    assert not seen & set(first)


def test_behaviour_23_hidden_dblink(postgres, door, crowd, maker):
    """A connection of dblink that a trigger opens is its client's."""
    others = crowd("wire")
    with extensions(postgres, "dblink"):
        maker.rows(TABLE + trigger(
            "perform dblink_connect('leak', 'host=127.0.0.1 port="
            f"{postgres.port} user=wire password=wire-secret dbname=wire')"))
        know(door)
        with door.connect() as owner:
            owner.rows(INSERT)
            for other in others:
                assert other.value("select dblink_get_connections()") is None
            assert owner.value("select dblink_get_connections()") == "{leak}"
        for other in others:
            assert other.value("select dblink_get_connections()") is None
        maker.rows("drop function leak_f() cascade")


@contextlib.contextmanager
def extensions(postgres, *names):
    for name in names:
        postgres.rows(f'create extension if not exists "{name}"')
    try:
        yield
    finally:
        for name in names:
            postgres.rows(f'drop extension "{name}" cascade')


@pytest.mark.parametrize("is_prepared", [False, True])
@pytest.mark.parametrize("ddl", [
    trigger(name="leak_g"),
    "create or replace function leak_f() returns trigger language plpgsql as "
    f"$$ begin {SETTER}; return new; end $$",
    "do $do$ begin execute 'create rule leak_r as on insert to leak_t do "
    "also select set_config(''work_mem'', ''77MB'', false)'; end $do$",
], ids=["trigger", "function", "do"])
def test_behaviour_23_hidden_later(door, crowd, maker, ddl,
                                   is_prepared):
    """Code that becomes risky is noticed at once, also by statements that
    were prepared before, even while the database is not looked at yet."""
    others = crowd("wire")
    maker.rows(TABLE + trigger("null"))
    know(door)
    with door.connect() as owner:
        if is_prepared:
            owner.parse("leak_s", INSERT).sync().until_ready()

        def insert():
            if is_prepared:
                owner.bind("", "leak_s").execute().sync().until_ready()
            else:
                owner.rows(INSERT)
        insert()
        maker.rows(ddl)
        insert()
        for other in others:
            assert other.value(MEMORY) == "4MB"
        assert owner.value(MEMORY) == "77MB"
        owner.rows("reset work_mem")
        know(door)
        insert()
        for other in others:
            assert other.value(MEMORY) == "4MB"
        assert owner.value(MEMORY) == "77MB"


def test_behaviour_23_hidden_waits_for_ddl(door, crowd, maker):
    """A statement that was sent before the DDL and waits for its lock runs
    the new trigger."""
    others = crowd("wire")
    maker.rows(TABLE)
    know(door)
    with door.connect() as owner:
        maker.ask("begin")
        maker.rows(trigger())
        owner.query(INSERT).push()
        eventually(lambda: others[0].value(
            "select count(*) from pg_locks where not granted") == "1")
        maker.ask("commit")
        owner.until_ready()
        for other in others:
            assert other.value(MEMORY) == "4MB"
        assert owner.value(MEMORY) == "77MB"


@pytest.mark.door("only a door has to look")
def test_behaviour_23_hidden_unseen_ddl(postgres, howdah, clean):
    """DDL past the door is noticed with the next look, and told of."""
    with howdah(pool_size=2, workers=1, test_look_every="100ms") as door:
        with door.connect() as owner, door.connect() as other:
            owner.rows("create table leak_t (a int)")
            know(door)
            postgres.rows("set role wire; " + trigger())

            def is_noticed():
                before = count(door, "hidden_total")
                owner.rows(INSERT)
                return count(door, "hidden_total") != before
            eventually(is_noticed)
            eventually(lambda: "names run code that may change a session"
                       in door.log())
            for _ in range(4):
                other.rows("reset work_mem")
            assert other.value(MEMORY) == "4MB"


def delta(door, work, *names):
    before = count(door, *names)
    work()
    return [b - a for a, b in zip(before, count(door, *names))]


PLAIN = """\
create table leak_t (id serial primary key, a int default 7 check (a > 0),
  b text default upper('x'), c timestamptz default now(),
  d int generated always as (a + 1) stored, e uuid default gen_random_uuid());
create table leak_u (id int references leak_t on delete cascade);
create view leak_v as select a, b from leak_t;
create function leak_touch() returns trigger language plpgsql as
  $$ begin new.c = now(); update leak_u set id = id; return new; end $$;
create trigger leak_touch before update on leak_t for each row
  execute function leak_touch();
create function leak_tell() returns trigger language plpgsql as
  $$ begin perform pg_notify('leak', new.id::text); return null; end $$;
create trigger leak_tell after insert on leak_t for each row
  execute function leak_tell();
"""
EVERYDAY = ["select 1", "insert into leak_t (a) values (1)",
            "select * from leak_v", "update leak_t set a = a + 1",
            "delete from leak_t where id = 1", "select now()"]


@pytest.mark.door("counts what a door adds")
def test_behaviour_23_hidden_costs_nothing(door, crowd, maker):
    """A database whose functions and triggers leave nothing behind: no
    statement is followed by a look at the session, and what goes to the
    server is what came from the client."""
    c = maker
    c.rows(PLAIN)
    know(door)

    def work():
        for sql in EVERYDAY * 20:
            c.rows(sql)
            c.rows(sql, ())
    work()  # after it, no server connection has settings of somebody else
    probes, hidden, sent, received = delta(
        door, work, "probes_total", "hidden_total", "server_bytes_out_total",
        "client_bytes_in_total")
    assert (probes, hidden) == (0, 0)
    assert sent <= received  # the console's own questions are in there


@pytest.mark.door("counts what a door adds")
def test_behaviour_23_hidden_reading_is_free(door, crowd, maker):
    """A table with a risky trigger is looked after when it is written,
    not when it is read."""
    c = maker
    c.rows(TABLE + trigger("perform pg_advisory_lock(1); "
                           "perform pg_advisory_unlock(1)"))
    know(door)

    def read():
        for _ in range(5):
            c.rows("select a from leak_t")
            c.rows("begin; select a from leak_t; commit")
    assert delta(door, read, "probes_total") == [0]
    assert delta(door, lambda: c.rows(INSERT), "probes_total",
                 "hidden_total") == [1, 1]


@pytest.mark.door("counts what a door adds")
def test_behaviour_23_hidden_extensions_are_cheap(postgres, door, crowd,
                                                  maker):
    """Functions, operators and types of ordinary extensions are not
    suspected, not even when a statement names them."""
    c = maker
    names = ("pgcrypto", "pg_trgm", "uuid-ossp", "hstore", "citext",
             "btree_gist", "cube")
    with extensions(postgres, *names):
        c.rows("create table leak_t (a text default crypt('x', "
               "gen_salt('md5')), b uuid default uuid_generate_v4(), c citext,"
               " d hstore, e cube, exclude using gist (b with =)); "
               "create index on leak_t using gin (a gin_trgm_ops)")
        know(door)

        def work():
            for _ in range(3):
                c.rows("insert into leak_t (c, d, e) values ('x', 'a=>1', "
                       "cube(1))")
                c.rows("select * from leak_t where a % 'x' and c = 'X' and "
                       "d ? 'a' and e = cube(2)")
                c.rows("select similarity(a, 'x'), digest(a, 'sha1'), "
                       "public.word_similarity(a, 'y') from leak_t")
        assert delta(door, work, "probes_total") == [0]
        c.rows("drop table leak_t")


def test_behaviour_23_hidden_rights(postgres, howdah, clean):
    """A role that may not read the catalogue: its clients are served, each
    statement is suspected, and the log says so once."""
    with howdah(pool_size=2, workers=1) as door:
        plain = door.as_user("plain")
        postgres.rows("set role wire; " + TABLE + trigger() +
                      "grant all on leak_t to plain")
        postgres.rows("revoke select on pg_proc from public", "wire")
        try:
            with plain.connect() as owner, plain.connect() as other:
                for _ in range(5):
                    owner.rows(INSERT)
                    assert other.value(MEMORY) == "4MB"
                    assert other.value(MEMORY) == "4MB"
                    assert owner.value(MEMORY) == "77MB"
            if door.is_door:
                assert door.log().count("cannot be found out") == 1
        finally:
            postgres.rows("grant select on pg_proc to public", "wire")


def test_behaviour_23_alter_system(postgres, door, crowd, maker):
    """ALTER SYSTEM and a reload change the default of all, and leave alone
    what a client has set itself."""
    others = crowd("wire")
    with door.connect() as owner:
        owner.rows("set work_mem = '9MB'")
        try:
            maker.rows("alter system set work_mem = '6MB'")
            maker.rows("select pg_reload_conf()")
            eventually(lambda: all(other.value(MEMORY) == "6MB"
                                   for other in others))
            assert owner.value(MEMORY) == "9MB"
            owner.rows("reset work_mem")
            assert owner.value(MEMORY) == "6MB"
        finally:
            maker.rows("alter system reset work_mem")
            maker.rows("select pg_reload_conf()")
        eventually(lambda: all(other.value(MEMORY) == "4MB"
                               for other in others))
        assert owner.value(MEMORY) == "4MB"
