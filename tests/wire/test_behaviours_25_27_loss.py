"""Behaviours 25-27: waiting for a server connection, losing one, and a
primary that turns standby."""
import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

from pgwire import Closed, ServerError, Silence
from proxy import Proxy
from waiting import eventually

# The ways PostgreSQL and a pooler say that a connection was lost.
LOST = {"57P01", "57P02", "08006", "08003"}

# 25. queueing


@contextlib.contextmanager
def busy(door, postgres, count=1):
    """Keeps `count` server connections running something."""
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(door.connect()) for _ in range(count)]
        for c in holders:
            c.query("select pg_sleep(80), 'holder'").push()
        eventually(lambda: postgres.n_backends(
            "state = 'active' and query like '%holder%'") == count)
        yield
        for c in holders:
            c.cancel()
            assert c.until_ready()[-2].sqlstate == "57014"


@pytest.mark.door("a queue")
def test_behaviour_25_queue_is_first_in_first_out(howdah, postgres, clean):
    """Who waits longest is served first."""
    with howdah(pool_size=1, workers=1) as door, contextlib.ExitStack() as s:
        crowd = [s.enter_context(door.connect()) for _ in range(25)]
        crowd[0].rows("create sequence turn")
        with busy(door, postgres):
            for n, c in enumerate(crowd):
                c.query("select nextval('turn')").push()
                eventually(lambda: door.n_waiting() == n + 1)
        turns = [[m for m in c.until_ready() if m.kind == "D"][0].values[0]
                 for c in crowd]
        assert turns == [str(n + 1).encode() for n in range(len(crowd))]


@pytest.mark.door("a queue")
def test_behaviour_25_query_wait_timeout(howdah, postgres):
    """Who has waited too long gets 53300 with a sentence, keeps the
    connection, and did not lose a place for others."""
    with howdah(pool_size=1, workers=1, query_wait_timeout="1s") as door:
        with door.connect() as c, door.connect() as idle:
            with busy(door, postgres):
                for ask in (c.query, c.run):
                    ask("select 1")
                    error = c.until_ready()[-2]
                    assert error.sqlstate == "53300"
                    assert "pool" in error.fields["M"] + error.fields.get(
                        "D", "") + error.fields.get("H", "")
            assert c.is_usable() and idle.is_usable()


@pytest.mark.door("a queue")
def test_behaviour_25_waiting_is_visible(howdah, postgres):
    """SHOW POOLS counts who waits, SHOW CLIENTS names them."""
    with howdah(pool_size=1, workers=1) as door, door.connect() as c:
        with busy(door, postgres):
            c.query("select 1").push()
            eventually(lambda: door.n_waiting() == 1)
            (pool,) = [pool for pool in door.show("pools")
                       if int(pool["cl_waiting"])]
            assert (pool["database"], pool["user"]) == ("wire", "wire")
            states = [client["state"] for client in door.show("clients")]
            assert states.count("waiting") == 1
        c.until_ready()
        assert door.n_waiting() == 0


@pytest.mark.door("a pool")
def test_behaviour_25_pool_idle_in_transaction(howdah):
    """A pool whose server connections are all idle in transaction while
    others wait opens more within the cap, and the log says so."""
    with howdah(pool_size=2, workers=1, max_server_connections=10,
                query_wait_timeout="20s") as door:
        with contextlib.ExitStack() as stack:
            idlers = [stack.enter_context(door.connect()) for _ in range(2)]
            c = stack.enter_context(door.connect())
            for idler in idlers:
                idler.rows("begin")
            door.mark_log()
            assert c.is_usable()
            assert "reserve" in door.log_since_mark()
            for idler in idlers:
                idler.rows("commit")


@pytest.mark.seconds(120)
def test_behaviour_25_pgbench_deadlock(howdah, postgres):
    """pgbench prepares inside transactions with a call that blocks all
    clients of its thread: 32 clients on a pool of 16 must not stop."""
    with howdah(pool_size=16, query_wait_timeout="60s") as door:
        environment = {**os.environ, **door.target.environment()}
        for arguments in (["-i", "-s", "2", "-q"],
                          ["-n", "-M", "prepared", "-c", "32", "-j", "2",
                           "-t", "15"]):
            done = subprocess.run(["pgbench", *arguments], timeout=100,
                                  env=environment, text=True, check=False,
                                  capture_output=True)
            assert done.returncode == 0, done.stderr
        assert "480/480" in done.stdout


@pytest.mark.door("a pool")
def test_behaviour_25_parse_needs_no_backend(howdah):
    """Parse of a known text is answered while every server connection the
    cap allows is taken."""
    with howdah(pool_size=1, workers=1, max_server_connections=2) as door:
        with contextlib.ExitStack() as stack:
            first, second, c = (stack.enter_context(door.connect())
                                for _ in range(3))
            for one in (first, second, c):
                one.parse("known", "select 'known'").sync().until_ready()
                one.close_statement("known").sync().until_ready()
            first.rows("begin")
            second.query("begin").push()
            second.is_silent(0.5)  # served by a reserve, or waiting
            c.parse("s", "select 'known'").flush()
            assert str(c.message()) == "1"


def test_behaviour_25_everybody_is_served(howdah):
    """Sixty clients on two server connections all get through."""
    with howdah(pool_size=2, workers=1) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(60)]
            for c in crowd:
                for n in range(10):
                    c.query(f"begin; select {n}; commit")
                    c.run("select $1::text", [str(n)])
                c.push()
            for c in crowd:
                kinds = [m.kind for m in c.until_ready(20)]
                assert kinds.count("D") == 20 and "E" not in kinds


# 26. backend loss

@pytest.fixture(scope="module")
def frail(own_postgres, make_door):
    """A door to a PostgreSQL that tests may kill."""
    return make_door(own_postgres, query_wait_timeout="40s")


def end_of(c):
    """What is left to hear: (SQLSTATEs, whether the connection lives)."""
    try:
        answer = c.until_ready()
    except Closed:
        codes = [line.split()[1] for line in c.transcript
                 if line.startswith("E[")]
        return codes, False
    return [m.sqlstate for m in answer if m.kind == "E"], True


def assert_lost_once(c, may_be_silent=False):
    """The client heard of the loss exactly once; when its connection was
    kept, it works."""
    c.transcript.clear()
    codes, is_alive = end_of(c)
    if may_be_silent and not codes and not is_alive:
        return
    assert len(codes) == 1 and set(codes) <= LOST, codes
    if is_alive:
        c.ask("rollback")
        eventually(c.is_usable)


@pytest.mark.door("clients that outlive their backends")
def test_behaviour_26_idle_clients_notice_nothing(frail, own_postgres):
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(frail.connect()) for _ in range(20)]
        for c in crowd:
            c.rows("set work_mem = '7MB'")
            c.parse("s", "select $1::int").sync().until_ready()
        own_postgres.terminate_backends()
        for n, c in enumerate(crowd):
            assert c.is_usable()
            c.bind("", "s", [str(n)]).execute().sync()
            assert c.until_ready()[1].values == [str(n).encode()]
            assert c.value("show work_mem") == "7MB"


def kill_backend(cluster, condition):
    """SIGKILL for one backend: PostgreSQL ends all the others and recovers.
    Returns when it is back."""
    pid = cluster.value(f"select pid from pg_stat_activity where {condition}")
    with cluster.local.connect() as witness:
        os.kill(int(pid), signal.SIGKILL)
        witness.until_closed()
    eventually(lambda: cluster.value("select 1"))


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_behaviour_26_lost_in_transaction(frail, own_postgres, how):
    """Who is in a transaction is told once; the transaction is gone."""
    own_postgres.reset()
    with frail.connect() as c:
        c.rows("create table t (a int)")
        c.rows("begin; insert into t values (1)")
        if how == "terminate":
            own_postgres.terminate_backends()
        else:
            kill_backend(own_postgres, "state = 'idle in transaction'")
        c.query("insert into t values (2)")
        assert_lost_once(c, may_be_silent=not frail.is_door)
    with frail.connect() as other:
        assert other.value("select count(*) from t") == "0"


@pytest.mark.parametrize("sql", ["select pg_sleep(80), 'lost'",
                                 "insert into t select 1 from pg_sleep(80)"])
def test_behaviour_26_lost_while_running(frail, own_postgres, sql):
    own_postgres.reset()
    with frail.connect() as c:
        c.rows("create table t (a int)")
        c.query(sql).push()
        running = "state = 'active' and query like '%pg_sleep(80)%'"
        eventually(lambda: own_postgres.n_backends(running))
        own_postgres.terminate_backends(running)
        assert_lost_once(c)
    with frail.connect() as other:
        assert other.value("select count(*) from t") == "0"


def test_behaviour_26_lost_in_mid_result(frail, own_postgres):
    """A result that was cut is never taken for a whole one."""
    with frail.connect(receive_buffer=32768) as c:
        c.query("select repeat('x', 1000), generate_series(1, 500000)")
        c.take(20)
        own_postgres.terminate_backends()
        c.transcript.clear()
        codes, is_alive = end_of(c)
        assert not any(line.startswith("C[") for line in c.transcript)
        # A closed connection may have lost the words: RST overtakes them.
        assert set(codes) <= LOST and (codes or not is_alive)


def test_behaviour_26_lost_in_mid_copy(frail, own_postgres):
    own_postgres.reset()
    with frail.connect() as c:
        c.rows("create table t (a int)")
        c.query("copy t from stdin").until("G")
        c.copy_data(b"1\n").push()
        own_postgres.terminate_backends()
        c.copy_data(b"2\n").copy_done()
        codes, is_alive = end_of(c)
        assert set(codes) <= LOST and (codes or not is_alive)
    with frail.connect() as other:
        assert other.value("select count(*) from t") == "0"


class Teller(threading.Thread):
    """Asks for numbers without pause and checks each answer."""

    def __init__(self, door, number):
        super().__init__(daemon=True)
        self.door = door
        self.number = number
        self.stopping = False
        self.n_answers = 0
        self.wrong = []

    def run(self):
        c = None
        while not self.stopping:
            try:
                if c is None or c.is_closed:
                    c = self.door.connect()
                self._ask(c)
            except ServerError as error:
                if error.sqlstate not in LOST | {"57P03"}:
                    self.wrong.append(str(error))
            except (Closed, ConnectionError):
                c = None
            except (Silence, AssertionError) as error:
                self.wrong.append(repr(error))
                return

    def _ask(self, c):
        self.n_answers += 1
        expected = f"{self.number}-{self.n_answers}"
        if self.n_answers % 2:
            got = c.value(f"select '{expected}'")
        else:
            got = c.value("select $1::text", [expected])
        assert got == expected


def test_behaviour_26_backends_die_under_load(frail, own_postgres):
    """Whatever happens to backends, nobody ever gets another's answer, and
    errors are errors of loss."""
    tellers = [Teller(frail, n) for n in range(8)]
    for one in tellers:
        one.start()
    for _ in range(15):
        time.sleep(0.15)
        own_postgres.terminate_backends()
    before = [one.n_answers for one in tellers]
    eventually(lambda: all(one.n_answers > n
                           for one, n in zip(tellers, before)))
    for one in tellers:
        one.stopping = True
    for one in tellers:
        one.join(30)
    assert [one.wrong for one in tellers] == [[]] * len(tellers)


@pytest.mark.door("clients that outlive their server")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL],
                         ids=["restart", "crash"])
def test_behaviour_26_server_restarts(frail, own_postgres, how):
    """Idle clients notice nothing; queries of the time between wait; only
    who was in a transaction is told."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(frail.connect()) for _ in range(30)]
        inside = stack.enter_context(frail.connect())
        inside.rows("begin")
        own_postgres.stop(how)
        for c in crowd[:15]:
            c.query("select 1").push()
        time.sleep(0.5)  # some of them asked while it was down
        own_postgres.start()
        for c in crowd[:15]:
            assert str(c.until_ready()[1]) == "D['1']"
        for c in crowd[15:]:
            assert c.is_usable()
        inside.query("select 1")
        assert_lost_once(inside)
        assert own_postgres.n_backends() <= 9  # no stampede


@pytest.mark.door("a queue")
def test_behaviour_26_server_stays_away(own_postgres, make_door):
    """A server that is away longer than anybody may wait: a loud error, the
    connection kept, and all well when it is back; meanwhile the door does
    not hammer at it."""
    with Proxy(own_postgres.port) as proxy:
        upstream = own_postgres.target.replace(port=proxy.port).url()
        with make_door(own_postgres, upstream=upstream, workers=1,
                       query_wait_timeout="2s") as door:
            with contextlib.ExitStack() as stack:
                crowd = [stack.enter_context(door.connect())
                         for _ in range(20)]
                own_postgres.stop()
                before = proxy.n_accepted
                for c in crowd:
                    c.query("select 1").push()
                for c in crowd:
                    codes, is_alive = end_of(c)
                    assert is_alive and len(codes) == 1
                    assert set(codes) <= LOST | {"57P03", "53300"}
                assert proxy.n_accepted - before < 60
                own_postgres.start()
                for c in crowd:
                    eventually(c.is_usable)


def through_proxy(make_door, cluster, proxy, **options):
    upstream = cluster.target.replace(port=proxy.port).url()
    return make_door(cluster, upstream=upstream, workers=1, **options)


def proxy_that_swallows(proxy, what):
    """Cuts every connection when these bytes come by for the first time,
    without passing them on; returns a list as long as how often they came.
    """
    seen = []

    def watch(data):
        if what in data:
            seen.append(data)
        if what not in data or len(seen) > 1:
            return True
        threading.Thread(target=proxy.cut).start()
        return False
    proxy.watch = watch
    return seen


@pytest.mark.door("its own connections to the server")
@pytest.mark.parametrize("sql, answer", [
    ("select 'marked'", "D['marked']"),
    ("insert into t values ('marked') returning a", "08007"),
    ("select 'marked', random()", "08006"), ("select f('marked')", "08007")])
def test_behaviour_26_never_asked_twice(make_door, own_postgres, sql,
                                        answer):
    """A server that goes before it has answered: what only looks is asked
    again, once; of anything else nobody knows whether it has run, so it
    fails, with 08007 when it may have changed something, and is not
    repeated."""
    own_postgres.reset()
    own_postgres.rows("create table t (a text); create function f(text) "
                      "returns text language sql as "
                      "'insert into t values ($1) returning a'")
    with Proxy(own_postgres.port) as proxy:
        with through_proxy(make_door, own_postgres, proxy) as door:
            with door.connect() as c:
                assert c.is_usable()
                seen = proxy_that_swallows(proxy, b"marked")
                found = [str(m) for m in c.query(sql).until_ready()]
                if answer.startswith("D"):
                    assert found[1] == answer and len(seen) == 2
                else:
                    assert found[0].startswith(f"E[ERROR {answer}")
                    assert len(seen) == 1
                proxy.watch = None
                assert c.is_usable()


@pytest.mark.door("its own connections to the server")
def test_behaviour_26_network_cut(make_door, own_postgres):
    """RST on every connection: idle clients notice nothing, who is in a
    transaction gets 08006."""
    with Proxy(own_postgres.port) as proxy:
        with through_proxy(make_door, own_postgres, proxy) as door:
            with door.connect() as idle, door.connect() as inside:
                assert idle.is_usable()
                inside.rows("begin")
                proxy.cut()
                inside.query("select 1")
                assert_lost_once(inside)
                assert idle.is_usable()


@pytest.mark.door("its own connections to the server")
def test_behaviour_26_black_hole(make_door, own_postgres):
    """A network that swallows everything: new connections are given up at
    the deadline, with an error; when it is back, so is the door."""
    with Proxy(own_postgres.port) as proxy:
        with through_proxy(make_door, own_postgres, proxy,
                           connect_timeout="500ms",
                           query_wait_timeout="2s") as door:
            with door.connect() as c:
                assert c.is_usable()
                proxy.freeze()
                proxy.cut()
                codes, is_alive = end_of(c.query("select 1"))
                assert is_alive and len(codes) == 1
                proxy.thaw()
                eventually(c.is_usable)


@pytest.mark.door("somebody between client and server")
@pytest.mark.parametrize("how", ["simple", "extended", "prepared"])
def test_behaviour_26_lost_commit(make_door, own_postgres, how):
    """A COMMIT whose answer was lost is neither reported as done nor as
    failed, and never repeated: 08007."""
    own_postgres.reset()

    def cut_at_commit(data):
        if b"commit" in data.lower() or is_armed and b"E\0\0\0\x09" in data:
            threading.Timer(0.2, proxy.cut).start()
            return False
        return True
    is_armed = []
    with Proxy(own_postgres.port) as proxy:
        with through_proxy(make_door, own_postgres, proxy) as door:
            with door.connect() as c:
                c.rows("create table t (a int)")
                if how == "prepared":
                    c.parse("end", "commit").sync().until_ready()
                c.rows("begin; insert into t values (1)")
                proxy.watch = cut_at_commit
                if how == "simple":
                    c.query("commit")
                elif how == "extended":
                    c.run("commit")
                else:
                    is_armed.append(True)
                    c.bind("", "end").execute().sync()
                codes, is_alive = end_of(c)
                assert codes == ["08007"]
                proxy.watch = None
                if is_alive:
                    eventually(c.is_usable)
    assert own_postgres.value("select count(*) from t") == "0"


@pytest.mark.door("clients that outlive their server")
def test_behaviour_26_login_while_the_server_is_away(frail, own_postgres):
    """A login waits for the server like a query does."""
    own_postgres.stop()
    found = []

    def log_in():
        with frail.connect() as c:
            found.append(c.value("select 1"))
    thread = threading.Thread(target=log_in)
    thread.start()
    time.sleep(0.5)  # long enough to be refused, if it were
    own_postgres.start()
    thread.join(40)
    assert found == ["1"]


# 27. failover

@pytest.fixture
def standby(own_postgres):
    """Turns the primary into a standby; and back at the end."""
    def demote():
        own_postgres.stop()
        (own_postgres.data / "standby.signal").touch()
        own_postgres.start()

    def promote():
        own_postgres.rows("select pg_promote()")
        eventually(lambda: own_postgres.value(
            "select pg_is_in_recovery()") == "f")
    yield demote, promote
    if own_postgres.value("select pg_is_in_recovery()") == "t":
        promote()


@pytest.mark.door("clients that outlive their server")
def test_behaviour_27_failover(make_door, own_postgres, standby):
    """While the server is a standby writes are refused loudly (25006, or
    57P03 after the wait); when it is promoted the same clients write
    again."""
    demote, promote = standby
    own_postgres.reset()
    with make_door(own_postgres, query_wait_timeout="2s") as door:
        with door.connect() as c, door.connect() as other:
            c.rows("create table t (a int)")
            assert other.is_usable()
            demote()
            for one in (c, other):
                one.query("insert into t values (1)")
                codes, is_alive = end_of(one)
                assert is_alive and len(codes) == 1
                assert set(codes) <= {"25006", "57P03"}
            promote()
            for one in (c, other):
                eventually(lambda: one.rows("insert into t values (2)")
                           == [])
            assert c.value("select count(*) from t where a = 2") == "2"
            assert c.value("select count(*) from t where a = 1") == "0"


def test_behaviour_27_standby_greets_as_one(frail, own_postgres, standby):
    """in_hot_standby follows the server."""
    demote, promote = standby
    demote()

    def greeting():
        with frail.connect() as c:
            return c.parameters["in_hot_standby"]
    eventually(lambda: greeting() == "on")
    promote()
    eventually(lambda: greeting() == "off")
