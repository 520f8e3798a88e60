"""The admin console: what its commands do, in all workers; and what is left
of a command whose console goes away."""
import contextlib
import os
import signal
import threading

import pytest

from console_support import (DATABASES, Asking, cell, does, fails, held_up,
                             is_paused, paused, pool, row, show, worker_pid)
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")


@pytest.fixture(scope="module")
def door(howdah):
    return howdah(workers=3, pool_size=6)


@pytest.fixture
def watcher(door):
    """A console; whatever a failed test has paused goes on after it."""
    with door.admin() as c:
        yield c
    with door.admin() as c:
        for name in ("", "wire", "other"):
            c.ask(f"resume {name}")


@pytest.fixture
def admin(door, watcher):
    """Another one, for commands that may have to wait."""
    with door.admin() as c:
        yield c


# PAUSE, RESUME


@pytest.mark.parametrize("command", ["pause", "pause wire"])
def test_admin_pause_and_resume(door, admin, command):
    """After PAUSE statements wait, after RESUME they are answered; of
    another database only where all are paused."""
    other_target = door.target.replace(database="other")
    with door.connect() as c, other_target.connect() as other:
        assert c.is_usable() and other.is_usable()
        assert does(admin, command) == "PAUSE"
        c.query("select 1").push()
        assert c.is_silent()
        assert is_paused(admin)
        if command == "pause wire":
            assert other.is_usable()
            assert not is_paused(admin, "other")
        else:
            other.query("select 1").push()
            assert other.is_silent()
        assert does(admin, command.replace("pause", "resume")) == "RESUME"
        assert str(c.until_ready()[1]) == "D['1']"
        if command == "pause":
            other.until_ready()


def test_admin_pause_waits_for_transactions(door, admin, watcher):
    """PAUSE is answered when the servers are closed; transactions go on
    until then, other clients wait."""
    with door.connect() as busy, door.connect() as idle:
        busy.rows("begin")
        assert idle.is_usable()
        pausing = Asking(admin, "pause wire")
        eventually(lambda: is_paused(watcher))
        waiting = held_up(watcher, idle)
        busy.rows("select 1")
        assert pausing.is_alive()
        busy.rows("commit")
        assert [m.kind for m in pausing.result()] == ["C", "Z"]
        assert not [s for s in show(watcher, "servers")
                    if s["database"] == "wire"]
        assert fails(admin, "pause wire")["C"] == "55000"
        assert waiting.is_alive()
        with door.target.replace(database="other").connect() as other:
            assert other.is_usable()
        assert does(admin, "resume wire") == "RESUME"
        assert waiting.result()[-1].kind == "Z"
        assert busy.is_usable()


def test_admin_pause_everything(door, admin):
    """A pool that begins later is paused, too."""
    with door.connect() as c:
        with paused(admin):
            waiting = Asking(c)
            eventually(lambda: door.n_waiting() == 1)
            login = threading.Thread(
                target=lambda: door.as_user("plain").connect().close())
            login.start()
            eventually(lambda: pool(admin, user="plain")["cl_waiting"] == 1)
        assert waiting.result()[-1].kind == "Z"
        login.join(30)
        assert not login.is_alive()


def test_admin_pause_is_cancelled(door, admin, watcher):
    """A PAUSE that is cancelled pauses nothing."""
    with door.connect() as busy:
        busy.rows("begin")
        pausing = Asking(admin, "pause")
        eventually(lambda: is_paused(watcher))
        admin.cancel()
        (error, _) = pausing.result()
        assert error.sqlstate == "57014"
        assert not is_paused(watcher)
        with door.connect() as c:
            assert c.is_usable()
        busy.rows("commit")
        assert busy.is_usable()
        assert does(admin, "pause wire") == "PAUSE"
        assert does(admin, "resume wire") == "RESUME"


@contextlib.contextmanager
def half_paused(door, watcher, database="howdah"):
    """A console whose PAUSE waits for a transaction; the client that is in
    it, and one that waits for the end of the PAUSE."""
    with door.connect() as busy, door.connect() as idle:
        assert idle.is_usable()
        busy.rows("begin")
        c = door.admin(database)
        try:
            c.query("pause wire").push()
            eventually(lambda: is_paused(watcher))
            yield c, busy, held_up(watcher, idle)
        finally:
            c.close()


def leave(c):
    c.terminate().push()
    c.close()


def leave_behind(size):
    """The end of the connection stands behind what is not read while a
    command is under way, or even behind what the kernels can hold."""
    def ends(c):
        for _ in range(size // 10_000):
            c.query("show version".ljust(10_000 - 6))
        c.push()
        c.close()
    return ends


@pytest.mark.parametrize("ends", [
    leave, lambda c: c.close(), lambda c: c.reset(),
    lambda c: c.half_close(), leave_behind(10_000), leave_behind(70_000),
    leave_behind(500_000)],
    ids=["terminate", "close", "reset", "half-close", "pipeline", "full",
         "more-than-full"])
@pytest.mark.parametrize("database", DATABASES)
def test_admin_pause_is_left(door, watcher, ends, database):
    """A console that goes before its PAUSE is confirmed leaves nothing
    paused, in whatever way it goes."""
    with half_paused(door, watcher, database) as (c, busy, asked):
        ends(c)
        eventually(lambda: not is_paused(watcher))
        assert asked.result()[-1].kind == "Z"
        busy.rows("commit")
        assert busy.is_usable() and not is_paused(watcher)


def test_admin_pause_is_left_half_open(door, watcher):
    """Who only says no more is told, and what stood behind is answered."""
    with half_paused(door, watcher) as (c, *_):
        c.query("show version").half_close()
        found = c.until_closed()
        assert [m.kind for m in found] == ["E", "Z", "T", "D", "C", "Z"]
        assert found[0].sqlstate == "57014"
        assert "PAUSE" in found[0].fields["M"]


def test_admin_pause_ends_with_its_worker(howdah):
    """Drained in the middle of a PAUSE: the console is told, and the clients
    that waited are served before they go."""
    with howdah(workers=2, drain_timeout="20s") as door, \
            door.admin() as watcher, \
            half_paused(door, watcher) as (c, busy, asked):
        os.kill(door.pid, signal.SIGTERM)
        (error,) = c.until_closed()
        assert error.sqlstate == "57P01"
        assert [m.kind for m in asked.result()][:2] == ["T", "D"]
        busy.rows("commit")


def test_admin_pause_ends_by_resume(door, admin, watcher):
    """RESUME of another console ends a PAUSE that still waits: it would wait
    for ever, and must not say that it is done."""
    with half_paused(door, watcher) as (c, busy, asked):
        assert does(admin, "resume wire") == "RESUME"
        (error, _) = c.until_ready()
        assert error.sqlstate == "55000" and "RESUME" in error.fields["M"]
        assert not is_paused(watcher)
        assert asked.result()[-1].kind == "Z"
        busy.rows("commit")
        assert busy.is_usable()


def test_admin_pause_outlives_its_console(door, watcher):
    """What was confirmed stays."""
    with door.connect() as c:
        assert c.is_usable()
        with door.admin() as admin:
            does(admin, "pause wire")
        assert is_paused(watcher)
        does(watcher, "resume wire")


def test_admin_pause_outlives_a_worker(howdah):
    """A worker that is started anew knows what is paused."""
    with howdah(workers=1) as door:
        door.may_lose_workers = True
        with door.connect() as c:
            assert c.is_usable()
        with door.admin() as console:
            does(console, "pause wire")
        worker = worker_pid(door, 0)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker_pid(door, 0) != worker
                   and door.is_answering())
        c = door.target.dial(timeout=60)
        login = threading.Thread(target=c.login, daemon=True)
        login.start()

        def knows():
            with door.admin() as console:
                return pool(console)["paused"] == 1
        eventually(knows)
        assert login.is_alive()
        with door.admin() as console:
            does(console, "resume wire")
        login.join(30)
        assert c.is_usable()
        c.close()


def test_admin_too_many_pauses(howdah):
    """There is room for 64, "all" being one of them; the next one is
    refused. Databases that PostgreSQL does not have are known as long as
    somebody waits for them."""
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(howdah(workers=1))
        admin = stack.enter_context(door.admin())
        assert does(admin, "pause") == "PAUSE"
        for n in range(65):
            c = stack.enter_context(
                door.target.replace(database=f"d{n}").dial())
            c.startup({"user": "wire", "database": f"d{n}"}).authenticate()
        for n in range(63):
            assert does(admin, f"pause d{n}") == "PAUSE"
        for command in ("pause", "kill"):
            error = fails(admin, f"{command} d64")
            assert error["C"] == "54000" and "64" in error["M"]
        assert does(admin, "resume d0") == "RESUME"
        assert does(admin, "kill d64") == "KILL"


# RECONNECT, WAIT_CLOSE, KILL


def test_admin_reconnect(door, admin, watcher):
    """Idle servers are replaced at once, others when they come back."""
    with door.connect() as busy, door.connect() as idle:
        busy.rows("begin")
        pid = busy.value("select pg_backend_pid()")
        assert idle.is_usable()
        before = {s["remote_pid"] for s in show(watcher, "servers")}
        assert does(admin, "reconnect") == "RECONNECT"
        after = {s["remote_pid"]: s for s in show(watcher, "servers")}
        assert before & set(after) == {pid}
        assert after[pid]["close_needed"] == "1"
        waiting = Asking(admin, "wait_close wire")
        assert busy.value("select pg_backend_pid()") == pid
        assert waiting.is_alive()
        busy.rows("commit")
        assert waiting.result()[-1].kind == "Z"
        assert idle.is_usable()
        assert pid not in {s["remote_pid"] for s in show(watcher, "servers")}


def test_admin_reconnect_of_a_crowd(door, admin):
    """Every later statement runs on a new server connection, no client
    notices."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(6)]

        def backends():
            for c in crowd:
                c.query("select pg_backend_pid() from pg_sleep(0.1)").push()
            return {c.until_ready()[1].values[0] for c in crowd}
        before = backends()
        for command in ("reconnect", "reconnect wire"):
            assert does(admin, command) == "RECONNECT"
            eventually(lambda: not backends() & before)
            before = backends()


def test_admin_wait_close_is_left(door, admin, watcher):
    """Nobody waits any more for whom there is nobody to tell."""
    with door.connect() as busy:
        busy.rows("begin")
        assert does(admin, "reconnect wire") == "RECONNECT"
        admin.query("wait_close wire").half_close()
        (error, ready) = admin.until_closed()
        assert (error.sqlstate, ready.kind) == ("57014", "Z")
        busy.rows("commit")
    eventually(lambda: row(watcher, "lists", list="console_clients")["items"]
               == "1")


def test_admin_kill(door, admin, postgres):
    """KILL ends the clients of a database, on all workers, and what they
    run, and no others; it stays paused."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(9)]
        other = stack.enter_context(
            door.target.replace(database="other").connect())
        crowd[0].query("select pg_sleep(60)").push()
        crowd[1].rows("begin")
        crowd[2].rows("create temp table t (n int)")
        crowd[3].rows("listen news")
        assert does(admin, "kill wire") == "KILL"
        for c in crowd:
            (error,) = c.until_closed()
            assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P01")
        assert other.is_usable()
        eventually(lambda: postgres.value(
            "select count(*) from pg_stat_activity"
            " where query like '%pg_sleep(60)' and state = 'active'"
            " and pid <> pg_backend_pid()") == "0")
        assert is_paused(admin)
        assert does(admin, "kill wire") == "KILL"  # nothing is left to do
        does(admin, "resume wire")
        with door.connect() as c:
            assert c.is_usable()


def test_admin_kill_while_it_is_paused(door, admin, watcher):
    """Of those whose transactions a PAUSE waits for, too: which is done
    then."""
    with half_paused(door, watcher) as (c, busy, _):
        assert does(admin, "kill wire") == "KILL"
        (error,) = busy.until_closed()
        assert error.sqlstate == "57P01"
        assert [m.kind for m in c.until_ready()] == ["C", "Z"]
        does(admin, "resume wire")


# SET, RELOAD


def test_admin_set(admin):
    """SET changes what a reload may change."""
    for sql, key, shown in (("set pool_size = 5", "pool_size", "5"),
                            ("SET pool_size = '6';", "pool_size", "6"),
                            ("set max_pinned=3", "max_pinned", "3"),
                            ("set max_pinned TO 10", "max_pinned", "10")):
        assert does(admin, sql) == "SET"
        assert cell(admin, "config", key) == shown


def test_admin_set_and_reload(door, admin):
    """SET holds in all workers until RELOAD; PgBouncer's names do, too."""
    assert does(admin, "SET default_pool_size = 5") == "SET"

    def everywhere(expected):
        for _ in range(12):  # consoles on all workers
            with door.admin() as c:
                if cell(c, "config", "pool_size") != expected:
                    return False
        return True
    eventually(lambda: everywhere("5"))
    assert cell(admin, "config", "pool_size", "source") == "set"
    assert does(admin, "reload") == "RELOAD"
    eventually(lambda: everywhere("6"))
    with door.connect() as c:
        assert c.is_usable()


def test_admin_set_by_many(door):
    """Consoles that change options at the same time: none is told that what
    was refused has been done."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.admin()) for _ in range(6)]
        for n, c in enumerate(crowd):
            c.query(f"set max_prepared = {100 + n}" if n % 2 else
                    f"set tls_cert = '/nowhere/{n}'").push()
        outcomes = [c.until_ready()[0] for c in crowd]
        for m in outcomes[::2]:
            assert m.sqlstate == "22023"
        for m in outcomes[1::2]:
            assert m.kind == "C" or m.sqlstate in ("22023", "55000")
        assert cell(crowd[0], "config", "tls_cert") == ""
        assert does(crowd[0], "set max_prepared = 107") == "SET"
        assert cell(crowd[0], "config", "max_prepared") == "107"
        does(crowd[0], "reload")


def test_admin_set_of_what_is_not_there(door, admin):
    """What only a door can judge is judged before it holds."""
    error = fails(admin, "set auth_file = '/nowhere/userlist'")
    assert error["C"] == "22023" and "log" in error["H"]
    assert cell(admin, "config", "auth_file") == str(door.auth_file)
    with door.connect() as c:
        assert c.is_usable()


def test_admin_reload_that_fails(howdah):
    """A configuration that is wrong changes nothing, and RELOAD says so."""
    with howdah(pool_size=None) as own, own.admin() as console:
        own.write_env(pool_size="many")
        assert fails(console, "reload")["C"] == "22023"
        assert cell(console, "config", "pool_size") == "20"
        own.write_env(pool_size="3")
        does(console, "reload")
        assert cell(console, "config", "pool_size") == "3"
