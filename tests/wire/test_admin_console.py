"""The admin console: psql to database `howdah`, or `pgbouncer` for what
expects PgBouncer there. Its tables, over several workers, held to those of
the installed pgbouncer.

The language is in test_admin_console_language.py, what commands do in
test_admin_console_commands.py, drivers and exporters in
test_admin_console_drivers.py, what stays bounded in
test_admin_console_bounds.py."""
import contextlib
import re

import pytest

import daemon
import frontend
from console_support import (DATABASES, NUMBERS, cell, client_row, pool, row,
                             shape, show)
from pgwire import Closed, ServerError
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")

SHOWN = """pools clients servers sockets active_sockets stats stats_totals
    stats_averages totals databases users lists config version mem dns_hosts
    dns_zones""".split()
OURS = ["help", "states", "metrics"]
# Where even an idle PgBouncer has a row: exporters take none for a failure.
NEVER_EMPTY = """pools clients stats stats_totals stats_averages totals
    databases users lists config version mem""".split()
# What the pgbouncer of Debian 12 has, for those who read and do not run this.
POOLS = """database user cl_active cl_waiting cl_active_cancel_req
    cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle
    sv_used sv_tested sv_login maxwait maxwait_us pool_mode""".split()
LISTS = """databases users pools free_clients used_clients login_clients
    free_servers used_servers dns_names dns_zones dns_queries
    dns_pending""".split()
OPTION = re.compile(r'^OPTION\((\w+), "\w+", (\w+),.*?(START|RELOAD|TEST),',
                    re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def door(howdah):
    return howdah(workers=3, pool_size=6)


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
    with door.admin() as c:
        yield c


# columns


@pytest.mark.parametrize("what", SHOWN)
def test_admin_columns(door, pgbouncer, what):
    """PgBouncer's columns, in its order and of its kind: all and no more in
    database pgbouncer, all and then the door's own in howdah."""
    with pgbouncer.admin("pgbouncer") as c:
        expected = shape(c, what)
    with door.admin("pgbouncer") as c:
        assert shape(c, what) == expected
    with door.admin("howdah") as c:
        found = shape(c, what)
    assert found[:len(expected)] == expected
    assert len({name for name, _ in found}) == len(found)


def test_admin_columns_of_debian(pgbouncer):
    """The measure itself is the one this console was made for."""
    with pgbouncer.admin("pgbouncer") as c:
        assert [name for name, _ in shape(c, "pools")] == POOLS
        assert cell(c, "version", "PgBouncer 1.18.0", "version")


@pytest.mark.parametrize("what", SHOWN + OURS)
def test_admin_rows(door, console, what):
    """Every row has every column, and numbers are numbers."""
    with door.connect() as c:
        assert c.is_usable()
        found = console.ask(f"SHOW {what.upper()};")
    columns = found[0].columns
    assert [m.kind for m in found[-2:]] == ["C", "Z"]
    assert found[-2].tag == "SHOW"
    for m in found[1:-2]:
        assert m.kind == "D" and len(m.values) == len(columns)
        for column, field in zip(columns, m.values):
            if column[3] in NUMBERS:
                int(field)


@pytest.mark.parametrize("what", NEVER_EMPTY)
def test_admin_rows_without_clients(howdah, pgbouncer, what):
    """What has a row in an idle PgBouncer has one here, where nobody has
    logged in either."""
    with pgbouncer.admin("pgbouncer") as c:
        assert show(c, what)
    with howdah(workers=1) as door, door.admin("pgbouncer") as c:
        assert show(c, what)


def test_admin_lists_itself(door, pgbouncer):
    """The console stands among the databases as PgBouncer's does, with what
    exporters make labels of."""
    with pgbouncer.admin("pgbouncer") as c, door.admin("pgbouncer") as ours:
        for what, key in (("pools", "database"), ("databases", "name"),
                          ("stats", "database"), ("users", "name")):
            expected = row(c, what, **{key: "pgbouncer"})
            found = row(ours, what, **{key: "pgbouncer"})
            for column in ("user", "host", "database", "force_user",
                           "pool_mode", "paused", "disabled"):
                assert found.get(column) == expected.get(column)
        assert cell(ours, "databases", "pgbouncer", "port") == str(door.port)
        assert pool(ours, "pgbouncer", "pgbouncer")["cl_active"] == 1
        before = int(cell(ours, "stats", "pgbouncer", "total_query_count"))
        after = int(cell(ours, "stats", "pgbouncer", "total_query_count"))
        assert after == before + 1


# clients and servers


def test_admin_pools_are_summed(door):
    """Clients and their backends on all workers, in one row."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(12)]
        for c in crowd[:3]:
            c.rows("begin")
        admin = stack.enter_context(door.admin())
        found = pool(admin)
        assert (found["cl_active"], found["cl_waiting"]) == (12, 0)
        assert found["sv_active"] == 3
        clients = [c for c in show(admin, "clients")
                   if c["database"] == "wire"]
        assert len(clients) == 12
        assert {c["worker"] for c in clients} <= {"0", "1", "2"}
        linked = {c["link"] for c in clients if c["link"]}
        servers = {s["ptr"]: s for s in show(admin, "servers")}
        assert len(linked) == 3 and linked <= set(servers)
        for name in linked:
            assert servers[name]["state"] == "active"
            assert servers[name]["transaction"] == "T"
        assert cell(admin, "lists", "used_clients", "items") == "13"
        assert row(admin, "states", state="READY")["items"] == "9"
        for c in crowd[:3]:
            c.rows("commit")
        eventually(lambda: pool(admin)["sv_active"] == 0)
        found = pool(admin)
        assert found["sv_idle"] + found["sv_used"] >= 3
    with door.admin() as admin:
        eventually(lambda: not [c for c in show(admin, "clients")
                                if c["database"] == "wire"])


def test_admin_pools_show_what_fills_them(door, admin):
    """Connections whose clients sit in a transaction, or are pinned."""
    def filling():
        found = pool(admin)
        return found["sv_in_transaction"], found["sv_pinned"]
    with contextlib.ExitStack() as stack:
        idle, failed, pinned, busy = [
            stack.enter_context(door.connect()) for _ in range(4)]
        assert idle.is_usable() and filling() == (0, 0)
        idle.rows("begin")
        failed.ask("begin; select 1/0")
        assert filling() == (2, 0)
        pinned.rows("create temp table t (n int)")
        assert filling() == (2, 1)
        busy.rows("begin")
        busy.query("select pg_sleep(80)").push()
        eventually(lambda: pool(admin)["sv_active"] == 4)
        assert filling() == (2, 1)
        pinned.rows("begin")
        assert filling() == (3, 1)
        busy.cancel()
        busy.until_ready()
    eventually(lambda: filling() == (0, 0))


def test_admin_pools_show_reserves(howdah):
    """What was opened beyond the pool's size because all of it sat idle."""
    with howdah(workers=1, pool_size=1) as door, door.connect() as holder, \
            door.connect() as other, door.admin() as admin:
        holder.rows("begin")
        other.rows("begin")
        found = pool(admin)
        assert (found["sv_active"], found["sv_reserve"]) == (2, 1)
        assert found["sv_in_transaction"] == 2


def test_admin_clients_show_what_they_are(door, admin):
    """Addresses, name of the application, what pins it; the console too."""
    with door.connect(application_name="seen") as c, \
            door.as_user("plain").connect() as idle:
        c.rows("create temp table t (n int)")
        c.rows("select pg_advisory_lock(7)")
        found = client_row(admin, c)
        assert (found["type"], found["user"], found["database"]) == (
            "C", "wire", "wire")
        assert found["addr"] == found["local_addr"] == "127.0.0.1"
        assert found["local_port"] == str(door.port)
        assert found["application_name"] == "seen"
        assert found["pins"] == "temp,advisory" and found["link"]
        assert found["tls"] == "" and found["state"] == "active"
        found = client_row(admin, idle)
        assert (found["user"], found["state"]) == ("plain", "idle")
        assert found["pins"] == found["link"] == ""
        found = client_row(admin, admin)
        assert found["database"] == "howdah" and found["link"] == ""
    eventually(lambda: not [r for r in show(admin, "clients")
                            if r["application_name"] == "seen"])


def test_admin_clients_at_work(door, admin, postgres):
    """The one that runs something, under the name that PostgreSQL gives its
    application; and the server connection it runs on."""
    with door.connect(application_name="näme of mine") as c:
        c.query("select pg_sleep(80)").push()

        def active():
            return [found for found in show(admin, "servers")
                    if found["state"] == "active"]
        eventually(active)
        found = client_row(admin, c)
        assert found["state"] == "active"
        assert found["application_name"] == c.parameters["application_name"]
        (server,) = active()
        assert found["link"] == server["ptr"]
        assert found["ptr"] == server["link"]
        assert (server["type"], server["user"], server["database"],
                server["addr"], server["port"]) == (
                    "S", "wire", "wire", "127.0.0.1", str(postgres.port))
        eventually(lambda: server["remote_pid"] == postgres.value(
            "select pid from pg_stat_activity where query like "
            "'%pg_sleep(80)' and state = 'active'"))
        c.cancel()
        c.until_ready()
    eventually(lambda: not active())


def test_admin_waiting_clients(howdah):
    """Who waits, since when, and at which place in the queue."""
    with howdah(workers=1, pool_size=1) as door, door.connect() as holder:
        holder.rows("begin")
        holder.say(frontend.query("select pg_sleep(30)")).push()
        with contextlib.ExitStack() as stack:
            for n in range(3):
                c = stack.enter_context(door.connect())
                c.query("select 1").push()
                eventually(lambda: door.n_waiting() == n + 1)
            waiting = [r for r in door.show("clients")
                       if r["state"] == "waiting"]
            assert [r["position"] for r in waiting] == ["1", "2", "3"]
            admin = stack.enter_context(door.admin())
            assert pool(admin)["maxwait"] or pool(admin)["maxwait_us"]
            holder.cancel()


# numbers


def test_admin_statistics(howdah):
    """What clients do is counted, whatever the protocol."""
    with howdah(workers=2) as door, door.admin() as admin:
        with door.connect() as c:
            for _ in range(5):
                c.ask("select 1")
            for _ in range(5):
                c.run("select 1").push().until_ready()
            c.ask("begin; select 1; commit")
            c.ask("select pg_sleep(0.2)")
        stats = row(admin, "stats", database="wire")
        assert int(stats["total_query_count"]) == 12
        assert int(stats["total_xact_count"]) == 12
        assert int(stats["total_query_time"]) >= 200_000
        assert int(stats["total_xact_time"]) >= 200_000
        assert int(stats["total_received"]) > 200
        assert int(stats["total_sent"]) > 400
        totals = row(admin, "stats_totals", database="wire")
        assert totals["xact_count"] == stats["total_xact_count"]
        everything = int(cell(admin, "totals", "total_query_count"))
        itself = int(cell(admin, "stats", "pgbouncer", "total_query_count"))
        assert everything == 12 + itself - 1
        metrics = {r["name"]: int(r["value"]) for r in show(admin, "metrics")}
        assert metrics["howdah_queries_total"] == 12
        assert metrics["howdah_transactions_total"] == 12
        assert metrics["howdah_query_time_total"] >= 200_000


def test_admin_statistics_grow(door, admin):
    """Queries, transactions and bytes are counted, over all workers."""
    def stats():
        return {key: int(value) for key, value
                in row(admin, "stats", database="wire").items()
                if key != "database"}
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(6)]
        for c in crowd:
            assert c.is_usable()
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


def test_admin_config(door, admin):
    """Every option, with its value, its default and whether it may be
    changed; no password; PgBouncer's names where it has them."""
    rows = {r["key"]: r for r in show(admin, "config")}
    table = OPTION.findall(daemon.OPTIONS_TABLE.read_text("ascii"))
    for field, kind, when in table:
        if when == "TEST":
            assert field not in rows
            continue
        assert rows[field]["changeable"] == (
            "yes" if when == "RELOAD" else "no")
        if kind == "SECRET":
            assert "wire-secret" not in (rows[field]["value"] or "")
    assert rows["pool_size"]["value"] == "6"
    assert rows["pool_size"]["default"] == "20"
    assert rows["pool_size"]["variable"] == "HOWDAH_POOL_SIZE"
    assert rows["database_url"]["value"] == "***"
    assert {"max_client_conn", "default_pool_size"} <= set(rows)


def test_admin_lists_and_databases(door, admin):
    with door.connect() as c:
        assert c.is_usable()
        rows = show(admin, "lists")
        assert [r["list"] for r in rows][:len(LISTS)] == LISTS
        items = {r["list"]: int(r["items"]) for r in rows}
        assert items["used_clients"] >= 1 and items["pools"] >= 1
        found = row(admin, "databases", name="wire")
        assert (found["database"], found["paused"]) == ("wire", "0")
    assert all(int(r["memtotal"]) >= 0 for r in show(admin, "mem"))


def test_admin_version(door):
    """Whose console it is; the first number in what exporters read is
    PgBouncer's, and nothing follows it."""
    with door.admin("howdah") as c:
        (found,) = show(c, "version")
        assert re.fullmatch(r"Howdah [\d.]+, .* PgBouncer 1\.18\.0",
                            found["version"])
    with door.admin("pgbouncer") as c:
        (found,) = show(c, "version")
        assert re.fullmatch(r"Howdah\D* PgBouncer 1\.18\.0", found["version"])


# who may


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


def test_admin_needs_to_be_named(door):
    """Another user is refused, with the option that would help."""
    with pytest.raises(ServerError) as error:
        door.as_user("plain").replace(database="pgbouncer").connect()
    assert error.value.sqlstate == "42501"
    assert "HOWDAH_ADMIN_USERS" in error.value.message.fields["H"]


def test_admin_comes_in_when_it_is_full(howdah):
    """At max_clients, and with every server connection taken."""
    with howdah(workers=1, max_clients=2, pool_size=1,
                max_server_connections=2) as door:
        with door.connect() as holder, door.connect() as waiter:
            holder.rows("begin")
            waiter.query("select 1").push()
            with pytest.raises(ServerError) as error:
                door.connect()
            assert error.value.sqlstate == "53300"
            with door.admin() as console:
                assert console.ask("show pools")[-1].kind == "Z"
            holder.rows("commit")
            assert waiter.until_ready()[-1].kind == "Z"
