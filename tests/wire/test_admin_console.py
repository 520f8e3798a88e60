"""The admin console: psql to database `howdah`, or `pgbouncer` for what
expects PgBouncer there. Its columns are compared with those of the installed
pgbouncer."""
import contextlib
import os
import re
import subprocess

import pytest

import daemon
from pgwire import Closed, ServerError
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")

DATABASES = ["howdah", "pgbouncer"]
SHOWN = ["pools", "clients", "servers", "stats", "databases", "lists",
         "config", "version", "mem"]
NUMBERS = {20, 21, 23, 1700}
TEXTS = {19, 25, 1043}
OPTION = re.compile(r'^OPTION\((\w+), "\w+", (\w+),.*?(START|RELOAD|TEST),',
                    re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pgbouncer(postgres):
    """Debian's pgbouncer, as the measure of the columns."""
    bouncer = daemon.PgBouncer(postgres, {})
    bouncer.start()
    yield bouncer
    bouncer.stop()


@pytest.fixture(params=DATABASES)
def console(request, door):
    with door.admin(request.param) as c:
        yield c


@pytest.fixture
def admin(door):
    """A console; whatever a test paused goes on after it."""
    with door.admin(DATABASES[-1]) as c:
        yield c
    with door.admin(DATABASES[-1]) as c:
        c.ask("resume")


def columns(c, what):
    """(name, is a number) of each column of a SHOW."""
    (shape,) = [m for m in c.ask(f"show {what}") if m.kind == "T"]
    for column in shape.columns:
        assert column[3] in NUMBERS | TEXTS
    return [(column[0], column[3] in NUMBERS) for column in shape.columns]


@pytest.mark.parametrize("what", SHOWN)
def test_admin_columns(console, pgbouncer, what):
    """Every column PgBouncer 1.18 has is there, in its order and of its
    kind; columns of the door's own may stand among them."""
    with pgbouncer.admin("pgbouncer") as c:
        expected = columns(c, what)
    found = [column for column in columns(console, what)
             if column in expected]
    assert found == expected


@pytest.mark.parametrize("what", SHOWN + ["states"])
def test_admin_spelling(console, what):
    """Commands in any case, with a semicolon and blanks; each answers with
    rows and the tag SHOW."""
    for sql in (f"show {what}", f"SHOW {what.upper()};", f" show\t{what} ; "):
        answer = console.ask(sql)
        assert [m.kind for m in answer if m.kind != "D"] == ["T", "C", "Z"]
        assert any(m.kind == "D" for m in answer) or what == "servers"
        assert answer[-2].tag == "SHOW"


@pytest.mark.parametrize("database", DATABASES)
def test_admin_by_psql(door, database):
    """What people type."""
    target = door.target.replace(database=database)
    for command in ("show pools", "show help;", "SHOW VERSION"):
        done = subprocess.run(
            ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", command],
            env={**os.environ, **target.environment()}, text=True,
            capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout + done.stderr


def show(c, what):
    """Rows of a SHOW as dicts."""
    answer = c.ask(f"show {what}")
    names = [column[0] for m in answer if m.kind == "T"
             for column in m.columns]
    return [dict(zip(names, [None if v is None else v.decode()
                             for v in m.values]))
            for m in answer if m.kind == "D"]


def test_admin_show_clients(door, admin):
    """Every client with its address, user, database and name; the one that
    runs something as active."""
    with door.connect(application_name="näme of mine") as c, \
            door.as_user("plain").connect() as idle:
        c.query("select pg_sleep(80)").push()

        ports = [str(one.sock.getsockname()[1]) for one in (c, idle)]

        def listed(port):
            return [row for row in show(admin, "clients")
                    if row["port"] == port]
        eventually(lambda: listed(ports[0])[0]["state"] == "active")
        (row,) = listed(ports[0])
        assert (row["type"], row["user"], row["database"], row["addr"]) == (
            "C", "wire", "wire", "127.0.0.1")
        assert row["application_name"] == "näme of mine"
        assert listed(ports[1])[0]["user"] == "plain"
        c.cancel()
        c.until_ready()
    eventually(lambda: not listed(ports[0]))


def test_admin_show_servers(door, admin, postgres):
    """Every server connection with its address and the pid it has on the
    server."""
    with door.connect() as c:
        c.query("select pg_sleep(80)").push()

        def active():
            return [row for row in show(admin, "servers")
                    if row["state"] == "active"]
        eventually(active)
        (row,) = active()
        assert (row["type"], row["user"], row["database"], row["addr"],
                row["port"]) == ("S", "wire", "wire", "127.0.0.1",
                                 str(postgres.port))
        assert row["remote_pid"] == postgres.value(
            "select pid from pg_stat_activity where query like "
            "'%pg_sleep(80)' and state = 'active'")
        c.cancel()
        c.until_ready()


def test_admin_show_pools(door, admin):
    """A row per database and user; who is active, who waits, who is
    idle."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(3)]
        for c in crowd:
            c.rows("begin")

        def pool():
            (row,) = [row for row in show(admin, "pools")
                      if (row["database"], row["user"]) == ("wire", "wire")]
            return row
        eventually(lambda: int(pool()["sv_active"]) == 3)
        assert int(pool()["cl_active"]) >= 3
        assert int(pool()["cl_waiting"]) == 0
        for c in crowd:
            c.rows("commit")
        eventually(lambda: int(pool()["sv_active"]) == 0)
        assert int(pool()["sv_idle"]) + int(pool()["sv_used"]) >= 3


def test_admin_show_stats(door, admin):
    """Queries, transactions and bytes are counted, over all workers."""
    def stats():
        (row,) = [row for row in show(admin, "stats")
                  if row["database"] == "wire"]
        return {key: int(value) for key, value in row.items()
                if key != "database"}
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(6)]
        before = stats()
        for c in crowd:
            for _ in range(10):
                c.rows("select repeat('x', 1000)")
            c.rows("begin")
            c.run("select 1").until_ready()
            c.rows("commit")

        def grown(what, least):
            return lambda: stats()[what] - before[what] >= least
        eventually(grown("total_xact_count", 66))
        eventually(grown("total_query_count", 78))
        eventually(grown("total_sent", 60_000))
        eventually(grown("total_received", 1500))
        assert stats()["total_xact_count"] - before["total_xact_count"] < 90


def test_admin_show_config(door, admin):
    """Every option, with its value, its default and whether it may be
    changed; no password."""
    rows = {row["key"]: row for row in show(admin, "config")}
    table = OPTION.findall(daemon.OPTIONS_TABLE.read_text("ascii"))
    for field, kind, when in table:
        if when == "TEST":
            continue
        assert rows[field]["changeable"] == (
            "yes" if when == "RELOAD" else "no")
        if kind == "SECRET":
            assert "wire-secret" not in (rows[field]["value"] or "")
    assert rows["pool_size"]["value"] == str(daemon.DEFAULTS["pool_size"])
    assert rows["pool_size"]["default"] == "20"


def test_admin_show_lists_and_databases(door, admin):
    with door.connect() as c:
        assert c.is_usable()
        items = {row["list"]: int(row["items"])
                 for row in show(admin, "lists")}
        assert {"databases", "users", "pools", "free_clients",
                "used_clients", "login_clients", "free_servers",
                "used_servers"} <= set(items)
        assert items["used_clients"] >= 1 and items["pools"] >= 1
        (row,) = [row for row in show(admin, "databases")
                  if row["name"] == "wire"]
        assert (row["database"], row["paused"]) == ("wire", "0")
    assert all(int(row["memtotal"]) >= 0 for row in show(admin, "mem"))


@pytest.mark.parametrize("command", ["pause", "pause wire"])
def test_admin_pause_and_resume(door, admin, command):
    """After PAUSE statements wait, after RESUME they are answered; of
    another database only where all are paused."""
    other_target = door.target.replace(database="other")
    with door.connect() as c, other_target.connect() as other:
        assert c.is_usable() and other.is_usable()
        assert str(admin.ask(command)[0]) == "C[PAUSE]"
        c.query("select 1").push()
        assert c.is_silent()
        if command == "pause wire":
            assert other.is_usable()
            assert [row["paused"] for row in show(admin, "databases")
                    if row["name"] == "wire"] == ["1"]
        else:
            other.query("select 1").push()
            assert other.is_silent()
        resume = command.replace("pause", "resume")
        assert str(admin.ask(resume)[0]) == "C[RESUME]"
        assert str(c.until_ready()[1]) == "D['1']"
        if command == "pause":
            other.until_ready()


def test_admin_pause_waits_for_transactions(door, admin):
    """PAUSE is done when the last transaction has ended, which goes on
    meanwhile."""
    with door.connect() as c:
        c.rows("begin")
        admin.query("pause").push()
        assert admin.is_silent()
        c.rows("select 1")
        c.rows("commit")
        assert str(admin.until_ready()[0]) == "C[PAUSE]"
        admin.ask("resume")
        assert c.is_usable()


def test_admin_reconnect(door, admin):
    """RECONNECT: every later statement runs on a new server connection, no
    client notices."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(6)]

        def backends():
            for c in crowd:
                c.query("select pg_backend_pid() from pg_sleep(0.1)").push()
            return {c.until_ready()[1].values[0] for c in crowd}
        before = backends()
        for command in ("reconnect", "reconnect wire"):
            assert str(admin.ask(command)[0]) == "C[RECONNECT]"
            eventually(lambda: not backends() & before)
            before = backends()


def test_admin_reload(door, admin):
    with door.connect() as c:
        assert str(admin.ask("reload")[0]) == "C[RELOAD]"
        assert c.is_usable()


def test_admin_kill(door, admin):
    """KILL ends the clients of one database, and no others, until
    RESUME."""
    other_target = door.target.replace(database="other")
    with door.connect() as c, other_target.connect() as victim:
        assert victim.is_usable()
        assert str(admin.ask("kill other")[0]) == "C[KILL]"
        for m in victim.until_closed():
            assert m.sqlstate in ("57P01", "08P01")
        assert c.is_usable()
        admin.ask("resume other")

        def works():
            with other_target.connect() as fresh:
                return fresh.is_usable()
        eventually(works)


def test_admin_set(door, admin):
    """SET changes what a reload may change, refuses the rest and nonsense
    with a sentence that names it."""
    def value(key):
        (row,) = [row for row in show(admin, "config") if row["key"] == key]
        return row["value"]
    for sql, key, shown in (("set pool_size = 5", "pool_size", "5"),
                            ("SET pool_size = '6';", "pool_size", "6"),
                            ("set max_pinned=3", "max_pinned", "3")):
        assert str(admin.ask(sql)[0]) == "C[SET]"
        eventually(lambda: value(key) == shown)
    for sql, named in (("set pool_size = many", "many"),
                       ("set pool_size = 0", "pool_size"),
                       ("set workers = 3", "workers"),
                       ("set no_such_option = 1", "no_such_option"),
                       ("set pool_size", "pool_size")):
        (error, _) = admin.ask(sql)
        assert error.kind == "E" and named in error.fields["M"] + str(
            error.fields.get("D")) + str(error.fields.get("H"))
    admin.ask(f"set pool_size = {daemon.DEFAULTS['pool_size']}")
    admin.ask("set max_pinned = 10")


@pytest.mark.parametrize("sql", [
    "", ";", "nonsense", "show", "show nonsense", "select 1", "begin",
    "create table t (a int)", "kill", "show pools pools", "copy x from stdin", "' unterminated", "show \x01",
    pytest.param("x" * 5000, id="long")])
def test_admin_errors(console, sql):
    """What is no command is an error with a hint of what is, and the
    console stays."""
    answer = console.ask(sql)
    assert answer[0].kind in ("E", "I")
    if sql.strip(" ;"):
        assert len(answer[0].sqlstate) == 5
    assert show(console, "version")


def test_admin_extended_protocol(console):
    """Drivers that only know the extended protocol get rows, or an error
    that says no."""
    console.run("show version")
    kinds = [m.kind for m in console.until_ready()]
    assert kinds in (["1", "2", "T", "D", "C", "Z"], ["E", "Z"])
    assert show(console, "version")


def test_admin_is_no_database(console):
    """The console is not the server: no cancel key of a server, no session
    on it; its greeting is that of a server all the same."""
    assert console.parameters["client_encoding"]
    assert console.parameters["server_version"]
    console.cancel()
    assert show(console, "version")


def test_admin_needs_the_password(door):
    for database in DATABASES:
        with pytest.raises((ServerError, Closed)):
            door.target.replace(database=database,
                                password="wrong").connect()
