"""The admin console: what PgBouncer's clients, scripts and exporters find,
over several workers; and what stays bounded."""
import contextlib
import os
import signal
import threading
import time

import pytest

import frontend
import procfs
from pgwire import ServerError
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")

# As PgBouncer 1.18 has them; what is ours comes behind.
SOCKET = """type user database state addr port local_addr local_port
    connect_time request_time wait wait_us close_needed ptr link remote_pid
    tls application_name""".split()
BUFFERS = """recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail
    send_avail""".split()
TIMES = "xact_time query_time wait_time".split()
COLUMNS = {
    "pools": """database user cl_active cl_waiting cl_active_cancel_req
        cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled
        sv_idle sv_used sv_tested sv_login maxwait maxwait_us
        pool_mode""".split(),
    "clients": SOCKET,
    "servers": SOCKET,
    "sockets": SOCKET + BUFFERS,
    "active_sockets": SOCKET + BUFFERS,
    "databases": """name host port database force_user pool_size
        min_pool_size reserve_pool pool_mode max_connections
        current_connections paused disabled""".split(),
    "stats": """database total_xact_count total_query_count total_received
        total_sent total_xact_time total_query_time total_wait_time
        avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time
        avg_query_time avg_wait_time""".split(),
    "stats_totals": ["database", "xact_count", "query_count",
                     "bytes_received", "bytes_sent", *TIMES],
    "stats_averages": ["database", "xact_count", "query_count",
                       "bytes_received", "bytes_sent", *TIMES],
    "totals": ["name", "value"],
    "lists": ["list", "items"],
    "users": ["name", "pool_mode"],
    "mem": ["name", "size", "used", "free", "memtotal"],
    "config": ["key", "value", "default", "changeable"],
    "version": ["version"],
    "dns_hosts": ["hostname", "ttl", "addrs"],
    "dns_zones": ["zonename", "serial", "count"],
}
OURS = ("help", "states", "metrics")
INT8, INT4, TEXT, NUMERIC = 20, 23, 25, 1700
LISTS = """databases users pools free_clients used_clients login_clients
    free_servers used_servers dns_names dns_zones dns_queries
    dns_pending""".split()


@pytest.fixture(scope="module")
def door(howdah):
    return howdah(workers=3, pool_size=6)


def fails(console, sql):
    """The fields of the one error a statement ends in."""
    found = console.ask(sql)
    (error,) = [m for m in found if m.kind == "E"]
    assert found[-1].kind == "Z" and found[-1].status == "I"
    assert error.fields["S"] == error.fields["V"] == "ERROR"
    return error.fields


def does(console, sql):
    """A command that succeeds; its tag."""
    found = console.ask(sql)
    assert [m.kind for m in found if m.kind != "N"] == ["C", "Z"], found
    return next(m.tag for m in found if m.kind == "C")


def value(door, table, key, column="value"):
    """One cell: of the row whose first column is `key`."""
    for row in door.show(table):
        if list(row.values())[0] == key:
            return row[column]
    raise KeyError(key)


def workers(door):
    """The pids of the processes that serve clients."""
    found = []
    for pid in procfs.children(door.pid):
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            if f.read().startswith("howdah-w"):
                found.append(pid)
    return found


@contextlib.contextmanager
def paused(console, what=""):
    does(console, f"pause {what}")
    yield
    does(console, f"resume {what}")


class Asking(threading.Thread):
    """A statement that may have to wait, and its outcome."""

    def __init__(self, connection, sql="select 1"):
        super().__init__(daemon=True)
        self.connection, self.sql = connection, sql
        self.found = None
        self.start()

    def run(self):
        self.found = self.connection.ask(self.sql)

    def result(self):
        self.join(30)
        assert not self.is_alive()
        return self.found


# tables


@pytest.mark.parametrize("table", [*COLUMNS, *OURS])
def test_columns(door, table):
    """PgBouncer's columns first, in its order; numbers are numbers."""
    with door.connect() as c:
        assert c.is_usable()
    with door.admin("pgbouncer") as console:
        found = console.ask(f"SHOW {table.upper()};")
    names = [column[0] for column in found[0].columns]
    expected = COLUMNS.get(table, names)
    assert names[:len(expected)] == expected
    assert len(set(names)) == len(names)
    assert [m.kind for m in found[-2:]] == ["C", "Z"]
    assert found[-2].tag == "SHOW"
    for m in found[1:-2]:
        assert m.kind == "D" and len(m.values) == len(names)
        for column, field in zip(found[0].columns, m.values):
            if column[3] in (INT4, INT8, NUMERIC):
                int(field)


def test_pools_are_summed(door):
    """Clients and their backends on all workers, in one row."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(12)]
        for c in crowd[:3]:
            c.rows("begin")
        (pool,) = [p for p in door.show("pools")
                   if (p["database"], p["user"]) == ("wire", "wire")]
        assert int(pool["cl_active"]) == 12
        assert int(pool["sv_active"]) == 3
        clients = [c for c in door.show("clients")
                   if c["database"] == "wire"]
        assert len(clients) == 12
        assert {c["worker"] for c in clients} <= {"0", "1", "2"}
        linked = {c["link"] for c in clients if c["link"]}
        servers = {s["ptr"]: s for s in door.show("servers")}
        assert len(linked) == 3 and linked <= set(servers)
        for name in linked:
            assert servers[name]["state"] == "active"
            assert servers[name]["transaction"] == "T"
        assert int(value(door, "lists", "used_clients", "items")) == 13
        (ready,) = [s for s in door.show("states") if s["state"] == "READY"]
        assert int(ready["items"]) == 9
    eventually(lambda: not [c for c in door.show("clients")
                            if c["database"] == "wire"])


def test_clients_show_what_they_are(door):
    """Addresses, name of the application, what pins it; the console too."""
    with door.connect(application_name="seen") as c, \
            door.admin() as console:
        c.rows("create temp table t (n int)")
        port = c.sock.getsockname()[1]
        (row,) = [r for r in door.show("clients") if r["port"] == str(port)]
        assert row["addr"] == "127.0.0.1" and row["user"] == "wire"
        assert row["local_port"] == str(door.port)
        assert row["application_name"] == "seen"
        assert row["pins"] == "temp" and row["link"]
        assert row["tls"] == "" and row["state"] == "active"
        port = console.sock.getsockname()[1]
        (row,) = [r for r in door.show("clients") if r["port"] == str(port)]
        assert row["database"] == "howdah" and row["link"] == ""


def test_waiting_clients(howdah):
    """Who waits, since when, and at which place in the queue."""
    with howdah(workers=1, pool_size=1) as door, door.connect() as holder:
        holder.rows("begin")
        holder.say(frontend.query("select pg_sleep(30)")).push()
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                c = stack.enter_context(door.connect())
                c.query("select 1").push()
            eventually(lambda: door.n_waiting() == 3)
            waiting = [r for r in door.show("clients")
                       if r["state"] == "waiting"]
            assert [r["position"] for r in waiting] == ["1", "2", "3"]
            (pool,) = door.show("pools")
            assert int(pool["maxwait"]) or int(pool["maxwait_us"])
            holder.cancel()


def test_statistics(howdah):
    """What clients do is counted, whatever the protocol."""
    with howdah(workers=2) as door:
        with door.connect() as c:
            for _ in range(5):
                c.ask("select 1")
            for _ in range(5):
                c.run("select 1").push().until_ready()
            c.ask("begin; select 1; commit")
            c.ask("select pg_sleep(0.2)")
        (stats,) = door.show("stats")
        assert stats["database"] == "wire"
        assert int(stats["total_query_count"]) == 12
        assert int(stats["total_xact_count"]) == 12
        assert int(stats["total_query_time"]) >= 200_000
        assert int(stats["total_xact_time"]) >= 200_000
        assert int(stats["total_received"]) > 200
        assert int(stats["total_sent"]) > 400
        (totals,) = door.show("stats_totals")
        assert totals["xact_count"] == stats["total_xact_count"]
        assert value(door, "totals", "total_query_count") == "12"
        metrics = {r["name"]: int(r["value"]) for r in door.show("metrics")}
        assert metrics["howdah_queries_total"] == 12
        assert metrics["howdah_transactions_total"] == 12
        assert metrics["howdah_query_time_total"] >= 200_000


def test_lists_and_version(door):
    assert [r["list"] for r in door.show("lists")][:len(LISTS)] == LISTS
    (version,) = door.show("version")
    assert version["version"].startswith("Howdah ")
    assert "PgBouncer 1.18" in version["version"]
    names = [r["key"] for r in door.show("config")]
    assert {"pool_size", "max_client_conn", "default_pool_size"} <= set(names)
    assert "test_scatter" not in names
    assert value(door, "config", "pool_size") == "6"
    assert value(door, "config", "database_url") == "***"


# texts


def test_several_in_one_query(door):
    """Statements by semicolons, comments, any case; after an error the rest
    is dropped."""
    with door.admin() as console:
        found = console.ask("-- one\nshow users; ; Show/**/Version /* end */;")
        assert [m.tag for m in found if m.kind == "C"] == ["SHOW", "SHOW"]
        assert console.ask(" ;; -- nothing")[0].kind == "I"
        found = console.ask("show users; nonsense; show version")
        assert [m.kind for m in found if m.kind in "TCEZ"] == [
            "T", "C", "E", "Z"]


@pytest.mark.parametrize("sql, state, words, hint", [
    ("nonsense", "42601", "nonsense", "PAUSE"),
    ("show polls", "42601", "polls", "SHOW POOLS"),
    ("show", "42601", "SHOW", "SHOW HELP"),
    ("resum", "42601", "resum", "RESUME"),
    ("pause one two", "42601", '"two"', "[database]"),
    ("set x", "42601", "SET", "name = value"),
    ("set pool_size = 'x", "42601", "unterminated", None),
    ("set polsize = 3", "42704", "polsize", "pool_size"),
    ("set pool_size = some", "22023", "pool_size", None),
    ("set workers = 2", "55000", "workers", "restart"),
    ("kill nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("pause nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("resume", "55000", "not paused", "SHOW DATABASES"),
    ("resume wire", "55000", "not paused", "SHOW DATABASES"),
    ("shutdown", "0A000", "SHUTDOWN", "SIGTERM"),
    ("show fds", "0A000", "FDS", None),
    ("select 1", "42601", "select", "PAUSE"),
])
def test_errors(door, sql, state, words, hint):
    """PostgreSQL's errors, with what to do instead."""
    with door.admin() as console:
        error = fails(console, sql)
        assert error["C"] == state
        assert words in error["M"]
        assert (hint or "") in error.get("H", "")


def test_what_drivers_say(door):
    """Transactions and settings of a driver change nothing."""
    with door.admin() as console:
        for sql, tag in [("BEGIN", "BEGIN"), ("COMMIT", "COMMIT"),
                         ("rollback", "ROLLBACK"),
                         ("DISCARD ALL", "DISCARD"),
                         ("SET DateStyle = 'ISO'", "SET"),
                         ("SET SESSION extra_float_digits TO 3", "SET")]:
            assert does(console, sql) == tag


def test_long_message(door):
    """64 KiB is the most; more ends the connection, and nobody else's."""
    with door.admin() as console, door.admin() as other:
        assert console.ask("show users" + " " * 65_000)[-1].kind == "Z"
        console.query("show users" + " " * 70_000)
        (error,) = console.until_closed()
        assert error.fields["S"] == "FATAL" and error.sqlstate == "08P01"
        assert other.ask("show users")[-1].kind == "Z"


# the extended protocol


def test_extended_protocol(door):
    """Prepare, describe, execute; text and binary; errors skip to Sync."""
    with door.admin() as console:
        found = console.run("show lists").until_ready()
        assert [m.kind for m in found[:3]] == ["1", "2", "T"]
        assert [m.kind for m in found[-2:]] == ["C", "Z"]
        console.parse("s", "show lists").describe("S", "s").sync()
        kinds = [m.kind for m in console.until_ready()]
        assert kinds == ["1", "t", "T", "Z"]
        console.bind("", "s", result_formats=[1]).describe("P").execute()
        found = console.sync().until_ready()
        assert found[1].columns[1][-1] == 1
        first = next(m for m in found if m.kind == "D")
        assert first.values[0] == b"databases"
        assert len(first.values[1]) == 4
        kinds = [m.kind for m in console.parse("s", "show users").bind()
                 .sync().until_ready()]
        assert kinds == ["E", "Z"]
        kinds = [m.kind for m in console.close_statement("s")
                 .parse("s", "show users").sync().until_ready()]
        assert kinds == ["3", "1", "Z"]


@pytest.mark.parametrize("send, state", [
    (lambda c: c.parse("", "nonsense"), "42601"),
    (lambda c: c.parse("", "show users; show users"), "42601"),
    (lambda c: c.bind("", "missing"), "26000"),
    (lambda c: c.describe("S", "missing"), "26000"),
    (lambda c: c.execute("missing"), "34000"),
    (lambda c: c.parse("", "show users").bind("", "", ["1"]), "08P01"),
])
def test_extended_errors(door, send, state):
    with door.admin() as console:
        found = send(console).sync().until_ready()
        (error,) = [m for m in found if m.kind == "E"]
        assert error.sqlstate == state and found[-1].kind == "Z"
        assert console.ask("show users")[-1].kind == "Z"


def test_pipeline(door):
    """What is sent while a command is under way is answered behind it."""
    with door.admin() as console:
        for _ in range(20):
            console.query("show pools").run("show lists")
        found = console.until_ready(40)
        assert len([m for m in found if m.kind == "C"]) == 40
        console.query("show pools; show clients").half_close()
        assert [m.tag for m in console.until_closed() if m.kind == "C"] == [
            "SHOW", "SHOW"]


# what commands do


def test_pause_and_resume(door):
    """PAUSE is answered when the servers are closed; clients wait; RESUME
    lets them go on. A pool that begins later is paused, too."""
    with door.connect() as busy, door.connect() as idle, \
            door.admin() as console:
        busy.rows("begin")
        assert idle.is_usable()
        pausing = Asking(console, "pause wire")
        eventually(lambda: value(door, "databases", "wire", "paused") == "1")
        waiting = Asking(idle)
        eventually(lambda: door.n_waiting() == 1)
        assert pausing.is_alive()
        busy.rows("commit")
        assert [m.kind for m in pausing.result()] == ["C", "Z"]
        assert not [s for s in door.show("servers")
                    if s["database"] == "wire"]
        assert fails(console, "pause wire")["C"] == "55000"
        assert waiting.is_alive()
        with door.target.replace(database="other").connect() as other:
            assert other.is_usable()
        assert does(console, "resume wire") == "RESUME"
        assert waiting.result()[-1].kind == "Z"
        assert busy.is_usable()


def test_pause_everything(door):
    with door.connect() as c, door.admin() as console:
        with paused(console):
            waiting = Asking(c)
            eventually(lambda: door.n_waiting() == 1)
            login = threading.Thread(
                target=lambda: door.as_user("plain").connect().close())
            login.start()
        assert waiting.result()[-1].kind == "Z"
        login.join(30)
        assert not login.is_alive()


def test_pause_is_cancelled(door):
    """A PAUSE that is cancelled pauses nothing."""
    with door.connect() as busy, door.admin() as console:
        busy.rows("begin")
        pausing = Asking(console, "pause")
        eventually(lambda: value(door, "databases", "wire", "paused") == "1")
        console.cancel()
        (error, _) = pausing.result()
        assert error.sqlstate == "57014"
        assert value(door, "databases", "wire", "paused") == "0"
        with door.connect() as c:
            assert c.is_usable()


def test_pause_outlives_a_worker(howdah):
    """A worker that is started anew knows what is paused."""
    with howdah(workers=1) as door:
        door.may_lose_workers = True
        with door.connect() as c:
            assert c.is_usable()
        with door.admin() as console:
            does(console, "pause wire")
        (worker,) = workers(door)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker not in workers(door)
                   and door.is_answering())
        c = door.target.dial(timeout=60)
        login = threading.Thread(target=c.login, daemon=True)
        login.start()
        eventually(lambda: door.show("pools")[0]["paused"] == "1")
        assert login.is_alive()
        with door.admin() as console:
            does(console, "resume wire")
        login.join(30)
        assert c.is_usable()
        c.close()


def test_reconnect(door):
    """Idle servers are replaced at once, others when they come back."""
    with door.connect() as busy, door.connect() as idle, \
            door.admin() as console:
        busy.rows("begin")
        pid = busy.value("select pg_backend_pid()")
        assert idle.is_usable()
        before = {s["remote_pid"] for s in door.show("servers")}
        assert does(console, "reconnect") == "RECONNECT"
        after = {s["remote_pid"]: s for s in door.show("servers")}
        assert before & set(after) == {pid}
        assert after[pid]["close_needed"] == "1"
        waiting = Asking(console, "wait_close wire")
        assert busy.value("select pg_backend_pid()") == pid
        assert waiting.is_alive()
        busy.rows("commit")
        assert waiting.result()[-1].kind == "Z"
        assert idle.is_usable()
        assert pid not in {s["remote_pid"] for s in door.show("servers")}


def test_kill(door, postgres):
    """KILL ends the clients of a database, on all workers, and what they
    run; it stays paused."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(9)]
        other = stack.enter_context(
            door.target.replace(database="other").connect())
        console = stack.enter_context(door.admin())
        crowd[0].query("select pg_sleep(60)").push()
        crowd[1].rows("begin")
        assert does(console, "kill wire") == "KILL"
        for c in crowd:
            (error,) = c.until_closed()
            assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P01")
        assert other.is_usable()
        eventually(lambda: postgres.value(
            "select count(*) from pg_stat_activity"
            " where query like '%pg_sleep(60)' and state = 'active'"
            " and pid <> pg_backend_pid()") == "0")
        assert value(door, "databases", "wire", "paused") == "1"
        does(console, "resume wire")
        with door.connect() as c:
            assert c.is_usable()


def test_set_and_reload(door):
    """SET holds in all workers until RELOAD; PgBouncer's names do, too."""
    with door.admin() as console:
        assert does(console, "SET default_pool_size = 5") == "SET"

        def everywhere(expected):
            for _ in range(12):  # consoles on all workers
                if value(door, "config", "pool_size") != expected:
                    return False
            return True
        eventually(lambda: everywhere("5"))
        assert value(door, "config", "pool_size", "source") == "set"
        assert does(console, "reload") == "RELOAD"
        eventually(lambda: everywhere("6"))


def test_reload_that_fails(howdah, door):
    """A configuration that is wrong changes nothing, and RELOAD says so."""
    with howdah(pool_size=None) as own, own.admin() as console:
        own.write_env(pool_size="many")
        assert fails(console, "reload")["C"] == "22023"
        assert value(own, "config", "pool_size") == "20"
        own.write_env(pool_size="3")
        does(console, "reload")
        assert value(own, "config", "pool_size") == "3"


# bounds


def test_worker_that_does_not_answer(howdah):
    """What the others have is shown, and a notice names the one."""
    with howdah(workers=2) as door:
        with door.connect() as c:
            assert c.is_usable()
        *_, victim = workers(door)
        consoles = [door.admin() for _ in range(8)]
        try:
            os.kill(victim, signal.SIGSTOP)
            for console in consoles:
                console.timeout = 10
                console.query("show pools; show clients").push()
            time.sleep(0.1)
            answers = []
            for console in consoles:
                with contextlib.suppress(AssertionError):
                    if not console.is_silent(0.5):
                        answers.append(console.until_ready())
            assert answers
            for found in answers:
                notices = [m for m in found if m.kind == "N"]
                assert "has not answered" in notices[0].fields["M"]
        finally:
            os.kill(victim, signal.SIGCONT)
            for console in consoles:
                console.close()


@pytest.mark.seconds(300)
def test_many_clients(howdah, is_long):
    """SHOW CLIENTS of a crowd, read slowly: nobody else waits, and the
    memory does not grow with the table."""
    n = 20_000 if is_long else 2_000
    with howdah(workers=2, max_clients=n, max_logins_per_address=n,
                max_logins=n, pool_size=2) as door, \
            contextlib.ExitStack() as stack:
        for _ in range(n):
            stack.enter_context(door.connect())
        small = door.target.replace(database="howdah").connect(
            receive_buffer=4096)
        stack.enter_context(small)
        (_,) = door.show("version")
        with door.memory_grows_at_most(512 << 10):
            small.query("show clients").push()
            time.sleep(0.5)
            with door.admin() as console:
                console.query("show clients")
                rows = [m for m in console.until_ready() if m.kind == "D"]
        assert len(rows) == n + 2
        found = [m.values[13] for m in small.until_ready() if m.kind == "D"]
        assert len(found) == len(set(found)) >= n + 1


def test_admin_comes_in_when_it_is_full(howdah):
    """At max_clients, and with every server connection taken."""
    with howdah(workers=1, max_clients=2, pool_size=1,
                max_server_connections=2) as door:
        with door.connect() as holder, door.connect() as waiter:
            holder.rows("begin")
            asking = Asking(waiter)
            with pytest.raises(ServerError) as error:
                door.connect()
            assert error.value.sqlstate == "53300"
            with door.admin() as console:
                assert console.ask("show pools")[-1].kind == "Z"
            holder.rows("commit")
            asking.result()


def test_only_admins(door):
    """Another user is refused, with the option that would help."""
    with pytest.raises(ServerError) as error:
        door.as_user("plain").replace(database="pgbouncer").connect()
    assert error.value.sqlstate == "42501"
    assert "HOWDAH_ADMIN_USERS" in error.value.message.fields["H"]
