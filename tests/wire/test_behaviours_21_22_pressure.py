"""Behaviours 21 and 22: cancelling, and who reads or writes slowly."""
import contextlib
import os
import threading
import time

import pytest

import frontend
import procfs
from proxy import Proxy
from waiting import eventually

# 21. cancel


def wait_until_running(postgres, text):
    """Until a statement with this text runs on the server."""
    eventually(lambda: postgres.n_backends(
        f"state = 'active' and query like '%{text}%'"))


def test_behaviour_21_cancel_running(door, postgres):
    """57014 for what runs, by either protocol, long before it would have
    ended; the connection is usable."""
    with door.connect() as c:
        for run in (c.query, c.run):
            run("select pg_sleep(80), 'running'").push()
            wait_until_running(postgres, "running")
            c.cancel()
            error = c.until_ready()[-2]
            assert error.sqlstate == "57014"
            assert c.is_usable()


def test_behaviour_21_cancel_in_transaction(differential, postgres):
    """The transaction has failed, as with any error."""
    def script(c):
        c.ask("begin")
        c.query("select pg_sleep(80), 'in transaction'").push()
        wait_until_running(postgres, "in transaction")
        c.cancel()
        c.until_ready()
        c.ask("select 1")
        c.ask("rollback")
    differential(script)


def test_behaviour_21_cancel_in_a_pipeline(differential, postgres):
    """Of several pipelined statements the running one is cancelled."""
    def script(c):
        c.query("select 1").query("select pg_sleep(80), 'pipeline'")
        c.query("select 2").run("select 3").push()
        wait_until_running(postgres, "pipeline")
        c.cancel()
        c.until_ready(4)
    differential(script)


def test_behaviour_21_cancel_of_an_idle_client(door):
    """No effect on the next statement, ever."""
    with door.connect() as c:
        for _ in range(100):
            c.cancel()
            assert c.is_usable()


def test_behaviour_21_cancel_in_an_idle_transaction(door):
    with door.connect() as c:
        c.ask("begin")
        for _ in range(20):
            c.cancel()
            assert c.value("select 1") == "1"
        c.ask("commit")


class Worker(threading.Thread):
    """Runs short statements until told to stop or hit by an error."""

    def __init__(self, door):
        super().__init__(daemon=True)
        self.c = door.connect()
        self.stopping = False
        self.n_done = 0
        self.errors = []

    def run(self):
        try:
            while not self.stopping:
                self.c.rows("select pg_sleep(0.002)")
                self.n_done += 1
        except Exception as error:  # whatever it was, it was foreign
            self.errors.append(repr(error))

    def end(self):
        self.stopping = True
        self.join(30)
        self.c.close()


@contextlib.contextmanager
def workers(door, count):
    crowd = [Worker(door) for _ in range(count)]
    for one in crowd:
        one.start()
    yield crowd
    for one in crowd:
        one.end()
    assert all(one.n_done for one in crowd)


@pytest.mark.seconds(300)
def test_behaviour_21_cancel_race(door, is_long):
    """Cancels that race with the end of their own statement: it is
    cancelled or not, its successor never is, and nobody else either."""
    iterations = 10_000 if is_long else 1000
    with workers(door, 8) as crowd, door.connect() as c:
        outcomes = {"C": 0, "E": 0}
        for n in range(iterations):
            c.query(f"select pg_sleep({(n % 5) / 2000})").push()
            c.cancel()
            answer = c.until_ready()
            last = answer[-2]
            assert last.kind == "C" or last.sqlstate == "57014", last
            outcomes[last.kind] += 1
            assert c.value("select 'next'") == "next"
    assert [one.errors for one in crowd] == [[]] * len(crowd)
    assert outcomes["C"]


@pytest.mark.door("a queue")
def test_behaviour_21_cancel_queued(howdah, postgres, clean):
    """A statement that still waits for a server connection is cancelled at
    once, and never runs."""
    with howdah(pool_size=1, workers=1) as door, contextlib.ExitStack() as s:
        holder, queued, other = (s.enter_context(door.connect())
                                 for _ in range(3))
        other.ask("create table t (a int)")
        holder.query("select pg_sleep(80), 'holder'").push()
        wait_until_running(postgres, "holder")
        for ask in (queued.query, queued.run):
            ask("insert into t values (1)").push()
            eventually(lambda: door.n_waiting() == 1)
            queued.cancel()
            assert queued.until_ready()[-2].sqlstate == "57014"
        assert holder.is_silent(0)
        holder.cancel()
        assert holder.until_ready()[-2].sqlstate == "57014"
        assert other.value("select count(*) from t") == "0"
        assert queued.is_usable()


@pytest.mark.door("more than one worker")
def test_behaviour_21_cancel_reaches_every_worker(howdah, postgres):
    """A cancel that arrives at another worker finds its client."""
    with howdah(workers=2, pool_size=8) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(8)]
            for _ in range(3):
                for c in crowd:
                    c.query("select pg_sleep(80), 'worker'").push()
                eventually(lambda: postgres.n_backends(
                    "query like '%worker%' and state = 'active'") == 8)
                for c in crowd:
                    c.cancel()
                for c in crowd:
                    assert c.until_ready()[-2].sqlstate == "57014"
        assert len(door.workers()) >= 2


def bogus_cancels(target, count):
    for n in range(count):
        with target.dial() as c:
            c.say(frontend.cancel_request(n * 7919 % (1 << 31),
                                          os.urandom(4)))
            c.bytes_until_closed()


def test_behaviour_21_bogus_cancels(door):
    """Floods of cancels for nobody hit nobody and leave nothing open."""
    with workers(door, 3) as crowd:
        threads = [threading.Thread(target=bogus_cancels,
                                    args=(door.target, 100))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.errors for one in crowd] == [[]] * 3
        if door.is_door:
            settled = procfs.n_files(door.pid)
            bogus_cancels(door.target, 50)
            eventually(lambda: procfs.n_files(door.pid) <= settled + 2)


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", b"x" * 300],
                         ids=["none", "no-key", "too-long"])
def test_behaviour_21_malformed_cancels(door, body):
    """A CancelRequest of any length is closed without a word."""
    with door.target.dial() as c:
        c.say(frontend.packet(frontend.CANCEL_REQUEST, body))
        assert c.bytes_until_closed() == b""


@pytest.mark.door("its own connections for cancelling")
def test_behaviour_21_server_never_closes_the_cancel(make_door, postgres):
    """A server that takes cancel connections and never closes them does not
    make the door pile them up, nor keep a client waiting for ever."""
    def swallow_cancels(data):
        return data[4:8] != frontend.cancel_request(0, b"")[4:8]
    with Proxy(postgres.port) as proxy:
        proxy.watch = swallow_cancels
        upstream = postgres.target.replace(port=proxy.port).url()
        with make_door(postgres, upstream=upstream, workers=1, pool_size=2,
                       connect_timeout="1s") as door, door.connect() as c:
            assert c.is_usable()
            settled = procfs.n_files(door.pid)
            for _ in range(10):
                c.query("select pg_sleep(0.2)").push()
                c.cancel()
                c.until_ready()
            eventually(c.is_usable)
            eventually(lambda: procfs.n_files(door.pid) <= settled + 2)


# 22. back-pressure

def megabytes(is_long, long, short):
    return (long if is_long else short) << 20


def test_behaviour_22_result_nobody_reads(door, postgres, is_long):
    """A huge result waits in the server, not in the door; others are
    served meanwhile; then all of it arrives."""
    rows = megabytes(is_long, 300, 60) // 1000
    with door.connect(receive_buffer=65536, timeout=60) as c:
        assert c.is_usable()
        with door.memory_grows_at_most(1 << 20):
            c.query("select repeat('x', 990), generate_series(1, "
                    f"{rows})").push()
            eventually(lambda: postgres.n_backends(
                "wait_event = 'ClientWrite'"))
            with door.connect() as other:
                for _ in range(50):
                    assert other.is_usable()
        assert sum(m.kind == "D" for m in c.until_ready()) == rows


def test_behaviour_22_one_huge_row(door, is_long):
    """A single row larger than the door may ever hold."""
    size = megabytes(is_long, 500, 40)
    with door.connect(timeout=60) as c, door.memory_grows_at_most(2 << 20):
        c.query(f"select repeat('x', {size})").push()
        time.sleep(0.5)  # unread for a while
        (row,) = [m for m in c.until_ready() if m.kind == "D"]
        assert len(row.values[0]) == size


def test_behaviour_22_notices_nobody_reads(door, postgres, is_long):
    """Notices wait like rows."""
    count = 100_000 if is_long else 20_000
    with door.connect(receive_buffer=65536, timeout=60) as c:
        assert c.is_usable()
        with door.memory_grows_at_most(1 << 20):
            c.query("do $$ begin for i in 1.." + str(count) + " loop raise "
                    "notice '% %', i, repeat('x', 400); end loop; end $$")
            c.push()
            eventually(lambda: postgres.n_backends(
                "wait_event = 'ClientWrite'"))
            with door.connect() as other:
                assert other.is_usable()
        assert sum(m.kind == "N" for m in c.until_ready()) == count


@pytest.mark.parametrize("how", ["bind", "query"])
def test_behaviour_22_slow_uploader(door, postgres, is_long, how):
    """A huge message that arrives slowly: bounded memory, others served."""
    size = megabytes(is_long, 100, 12)
    if how == "bind":
        said = frontend.parse("", "select length($1)")
        said += frontend.bind("", "", [b"x" * size]) + frontend.execute()
        said += frontend.sync()
    else:
        said = frontend.query(b"select length('" + b"x" * size + b"')")
    with door.connect(timeout=60) as c, door.connect() as other:
        assert c.is_usable() and other.is_usable()
        with door.memory_grows_at_most(2 << 20):
            step = len(said) // 20
            for at in range(0, len(said), step):
                c.say(said[at:at + step]).push()
                assert other.is_usable()
            answer = c.until_ready()
        assert [m.values for m in answer if m.kind == "D"] == [
            [str(size).encode()]]


def test_behaviour_22_many_slow_readers(door):
    """Readers that all stop reading: no hoard, and who is left is served."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect(receive_buffer=16384))
                 for _ in range(6)]
        other = stack.enter_context(door.connect())
        with door.memory_grows_at_most(4 << 20):
            for c in crowd:
                c.query("select repeat('x', 1000), "
                        "generate_series(1, 20000)").push()
            for _ in range(50):
                assert other.is_usable()
            for c in crowd:
                assert sum(m.kind == "D" for m in c.until_ready()) == 20000


def test_behaviour_22_pipeline_whose_answers_nobody_reads(door):
    """A client that sends without ever reading is stopped, not served from
    a growing heap; when it reads, every answer is there."""
    count = 400
    padding = " -- " + "p" * 50_000
    said = frontend.query("select repeat('y', 50000)" + padding) * count
    with door.connect(receive_buffer=16384, timeout=60) as c:
        with door.memory_grows_at_most(2 << 20):
            c.sock.setblocking(False)
            left, sent_at = said, time.monotonic()
            while left and time.monotonic() - sent_at < 1:
                try:
                    left = left[c.sock.send(left):]
                    sent_at = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.02)
            assert left, "the door swallowed it all"
            c.sock.settimeout(60)
            c.say(left).until_ready(count)
