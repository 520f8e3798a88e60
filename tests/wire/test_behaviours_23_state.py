"""Behaviour 23: session state never leaks from one client to another, and
its owner keeps it or is told."""
import contextlib
import random

import pytest

from pgwire import ServerError
from states import STATES, lines
from waiting import eventually

N_OTHERS = 20


@pytest.fixture(scope="module")
def door(howdah):
    """Few server connections, so that they all pass through all hands."""
    return howdah(pool_size=4)


@pytest.fixture(scope="module")
def others(door):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(door.connect()) for _ in range(N_OTHERS)]


def see(c, probe):
    return probe(c) if callable(probe) else lines(c.ask(probe))


def set_up(c, state):
    """Plays the owner's part; the answers as lines."""
    return [line for step in state.setup
            for line in lines(step(c) if callable(step) else c.ask(step))]


def expected_of(postgres, state):
    """What PostgreSQL answers: (the setup, the owner's probe, the probe of
    somebody else)."""
    with postgres.target.connect() as other, \
            postgres.target.connect(**state.startup) as owner:
        if state.prepare:
            other.rows(state.prepare)
        setup = set_up(owner, state)
        return setup, see(owner, state.probe), see(other, state.probe)


def is_loud(answer):
    return any(line.startswith("E[") for line in answer)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_behaviour_23_session_state(postgres, door, others, clean, state):
    """Twenty others, during and after, see what a fresh client of
    PostgreSQL sees; the owner sees its state in every later transaction, or
    an error."""
    setup, for_owner, for_others = expected_of(postgres, state)
    assert (for_owner != for_others) == state.leaves, "a poor probe"
    postgres.reset()
    if state.prepare:
        others[0].rows(state.prepare)
    with door.connect(**state.startup) as owner:
        answer = set_up(owner, state)
        is_refused = answer != setup
        assert not is_refused or is_loud(set(answer) - set(setup)), answer
        for n, other in enumerate(others):
            assert see(other, state.probe) == for_others
            if n % 5 == 0 and not is_refused:
                seen = see(owner, state.probe)
                assert seen == for_owner or is_loud(seen) or (
                    state.is_let_go and seen == for_others)
        for other in others[:5]:  # the same inside transactions
            other.ask("begin")
        for other in others[:5]:
            assert see(other, state.probe)[:-1] == for_others[:-1]
        for other in others[:5]:
            other.ask("rollback")
    for other in others:
        assert see(other, state.probe) == for_others
    for _ in range(3):
        with door.connect() as fresh:
            assert see(fresh, state.probe) == for_others


def test_behaviour_23_operators_in_front_of_pg_catalog(door, others, clean):
    """A client's own operators and types do not answer for PostgreSQL's when
    it is looked for what the client leaves behind."""
    with door.connect() as owner:
        owner.ask("""
            create function never(text, text) returns bool language sql
                as 'select false';
            create function never(oid, int) returns bool language sql
                as 'select false';
            create operator = (leftarg = text, rightarg = text,
                               function = never);
            create operator <> (leftarg = oid, rightarg = int,
                                function = never);
            create domain text as pg_catalog.text check (value is null);
        """)
        owner.ask("set search_path = public, pg_catalog")
        owner.ask("set work_mem = '7MB'; create temp table leak_t (a int)")
        assert owner.value("show work_mem") == "7MB"
        for other in others:
            assert other.value("show work_mem") == "4MB"
            assert other.value("show search_path") == '"$user", public'
            assert other.value("select to_regclass('pg_temp.leak_t')") is None
        assert owner.value("show search_path") == "public, pg_catalog"
        assert owner.value("select count(*) from leak_t") == "0"


def test_behaviour_23_setseed(door, others):
    """The seed of one client is not the seed of another."""
    with door.connect() as owner:
        def sequence():
            owner.rows("select setseed(0.25)")
            return [owner.value("select random()") for _ in range(30)]
        first = sequence()
        try:
            assert sequence() == first
        except ServerError:
            pass  # loud
        owner.rows("select setseed(0.25)")
        seen = {other.value("select random()") for other in others}
        assert len(seen) == N_OTHERS
        assert not seen & set(first)
    seen = {other.value("select random()") for other in others}
    assert not seen & set(first)


def test_behaviour_23_locks_are_exclusive(door, others):
    """A session lock keeps all others out, who cannot release it either; it
    ends with its owner."""
    with door.connect() as owner:
        owner.rows("select pg_advisory_lock(815)")
        for other in others:
            assert other.value("select pg_try_advisory_lock(815)") == "f"
            assert other.value("select pg_advisory_unlock(815)") == "f"
        assert owner.value("select pg_advisory_unlock(815)") == "t"
        owner.rows("select pg_advisory_lock(815)")
    eventually(lambda: others[0].value("select pg_try_advisory_lock(815)")
               == "t")
    assert others[0].value("select pg_advisory_unlock(815)") == "t"


def test_behaviour_23_discarded_custom(door, others):
    """What DISCARD ALL leaves of a custom setting is nobody else's."""
    custom = "select current_setting('leak.discarded', true)"
    with door.connect() as owner:
        owner.rows("set leak.discarded = 'seen'")
        owner.rows("discard all")
        for other in others:
            assert other.value(custom) is None
    for other in others:
        assert other.value(custom) is None


SETTINGS = {"work_mem": ["7MB", "8MB", "9MB"],
            "DateStyle": ["German", "SQL, DMY", "ISO, YMD"],
            "leak.model": ["one", "two"],
            "search_path": ["public", "pg_catalog", "leak"]}


def random_step(dice):
    """One statement of the kind that moves settings about."""
    name = dice.choice(list(SETTINGS))
    value = f"'{dice.choice(SETTINGS[name])}'"
    return dice.choice([
        f"set {name} = {value}", f"set {name} = {value}",
        f"set local {name} = {value}", f"reset {name}", "reset all",
        "begin", "begin", "commit", "commit", "rollback", "savepoint s",
        "savepoint s", "rollback to s", "release s", "select 1/0",
        f"set {name} = {value}; select 1/0",
        f"begin; set {name} = {value}", f"set {name} = {value}; commit",
        f"set {name} = {value}; rollback", "commit and chain",
        f"select set_config('{name}', {value}, true)", "discard all"])


@pytest.mark.parametrize("seed", range(12))
def test_behaviour_23_settings_follow_transactions(differential, door, seed):
    """A long random walk over SET, SET LOCAL, RESET, savepoints, errors and
    ends of transactions, of three clients in turn: after every step all
    settings read as on PostgreSQL."""
    def script(a, b, c):
        dice = random.Random(seed)
        for _ in range(60):
            one = dice.choice((a, b, c))
            step = random_step(dice)
            one.note(step)
            if dice.random() < 0.5 or ";" in step:
                one.ask(step)
            else:
                one.run(step).until_ready()
            if one.status != "E":
                one.ask("select current_setting('work_mem'), "
                        "current_setting('DateStyle'), "
                        "coalesce(nullif(current_setting('leak.model', true)"
                        ", ''), 'unset'), current_setting('search_path')")
    differential(script, through=door)


def test_behaviour_23_everybody_has_his_own(door):
    """Sixteen clients with settings of their own on four server
    connections, over and over."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(16)]
        for n, c in enumerate(crowd):
            c.rows(f"set work_mem = '{n + 1}MB'; set time zone {n - 8}")
        for _ in range(10):
            for n, c in enumerate(crowd):
                c.query("select current_setting('work_mem'), "
                        "extract(timezone from now()) / 3600")
            for n, c in enumerate(crowd):
                (row,) = [m for m in c.until_ready() if m.kind == "D"]
                assert row.values[0].decode() == f"{n + 1}MB"
                assert float(row.values[1]) == n - 8


def test_behaviour_23_reset_query_of_asyncpg(differential):
    """What asyncpg and psycopg send between users: DISCARD ALL and the
    four-part reset query, with and without anything to reset."""
    reset = ("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\n"
             "RESET ALL;")

    def script(c):
        for sql in (reset, "DISCARD ALL", "discard all;"):
            c.ask(sql)
            c.run("discard all").until_ready()
            c.ask("set work_mem = '7MB'; set datestyle = german; "
                  "select pg_advisory_lock(1); listen x")
            c.ask("declare h cursor with hold for select 1")
            c.ask("prepare p as select 1")
            c.ask("create temp table leak_t (a int)")
            c.ask(sql)
            c.ask("select current_setting('work_mem'), '2024-12-31'::date")
            c.ask("select name from pg_cursors")
            c.ask("select pg_listening_channels()")
            c.ask("select pg_advisory_unlock(1)")
            c.ask("execute p")
            c.ask("select * from leak_t")
            c.ask("discard all")
            c.ask("begin")
            c.ask(sql)
            c.ask("rollback")
    differential(script)


@pytest.mark.door("a bound on pinned clients")
def test_behaviour_23_pins_are_bounded(howdah, clean):
    """The statement that would pin one client too many gets 53300 before it
    runs; when a pin is given back it may."""
    with howdah(max_pinned=2, pool_size=6, workers=1) as door:
        with contextlib.ExitStack() as stack:
            first, second, third = (stack.enter_context(door.connect())
                                    for _ in range(3))
            for c in (first, second):
                assert c.ask("create temp table leak_t (a int)")[0].kind == "C"
            error = third.ask("create temp table leak_t (a int)")[0]
            assert error.sqlstate == "53300"
            assert third.is_usable()
            assert third.ask("select * from leak_t")[0].sqlstate == "42P01"
            pinned = [client for client in door.show("clients")
                      if any("temp" in str(value).lower()
                             for value in client.values())]
            assert len(pinned) == 2, "SHOW CLIENTS does not tell the cause"
            first.ask("discard all")
            second.close()
            eventually(lambda: third.ask(
                "create temp table leak_t (a int)")[0].kind == "C")


@pytest.mark.parametrize("change", [
    "alter role wire set work_mem = '13MB'",
    "alter database wire set work_mem = '13MB'",
    "alter role wire in database wire set work_mem = '13MB'"])
def test_behaviour_23_defaults_of_roles_and_databases(door, change):
    """A new default of the role or the database holds for the next client
    that logs in, and is gone when it is reset."""
    undo = change.split(" set ")[0] + " reset work_mem"
    with door.connect() as admin:
        admin.rows(change)
        try:
            with door.connect() as fresh:
                assert fresh.value("show work_mem") == "13MB"
                fresh.rows("set work_mem = '7MB'; reset work_mem")
                assert fresh.value("show work_mem") == "13MB"
        finally:
            admin.rows(undo)
        with door.connect() as fresh:
            assert fresh.value("show work_mem") == "4MB"


@pytest.mark.parametrize("sql", [
    "create database copied template other; drop database copied",
    "alter database other rename to renamed; "
    "alter database renamed rename to other",
    "drop database other; create database other"])
def test_behaviour_23_idle_backends_do_not_hold_a_database(door, sql):
    """Server connections kept idle for a database are no session of
    anybody: what needs it free succeeds."""
    with door.connect() as admin:
        for _ in range(2):
            with door.target.replace(database="other").connect() as visitor:
                assert visitor.is_usable()
            for statement in sql.split("; "):
                eventually(lambda: admin.rows(statement) == [])
