"""The admin console: what stays bounded, and who is not disturbed, when
tables are large, readers slow, workers late or consoles many."""
import contextlib
import os
import selectors
import signal

import pytest

import frontend
from console_support import client_row, show, worker_pid
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")

DONE = b"C\0\0\0\x09SHOW\0Z\0\0\0\x05I"
KIB = 1 << 10
MIB = 1 << 20


@contextlib.contextmanager
def crowd(howdah, n, **options):
    """A door with so many idle clients."""
    more = n + 200
    with howdah(workers=2, max_clients=more, max_logins_per_address=more,
                max_logins=more, pool_size=2, **options) as door, \
            contextlib.ExitStack() as stack:
        for _ in range(n):
            stack.enter_context(door.connect())
        yield door, stack


def slow_admin(door):
    """A console whose reader takes little at a time."""
    return door.target.replace(database="howdah").connect(
        receive_buffer=4096)


@pytest.mark.seconds(300)
def test_admin_many_clients(howdah, is_long):
    """SHOW CLIENTS of a crowd, read slowly: nobody else waits, and the
    memory does not grow with the table."""
    n = 20_000 if is_long else 2_000
    with crowd(howdah, n) as (door, stack):
        small = stack.enter_context(slow_admin(door))
        (_,) = door.show("version")
        with door.memory_grows_at_most(512 * KIB):
            small.query("show clients")
            assert small.peek() == b"T"
            with door.admin() as console:
                console.query("show clients")
                rows = [m for m in console.until_ready() if m.kind == "D"]
        assert len(rows) == n + 2
        found = [m.values[13] for m in small.until_ready() if m.kind == "D"]
        assert len(found) == len(set(found)) >= n + 1


class Drain:
    """Reads what many consoles are sent, and counts whole answers."""

    def __init__(self, consoles):
        self.selector = selectors.DefaultSelector()
        self.tails = {}
        self.n_answers = self.n_bytes = 0
        for c in consoles:
            self.tails[c] = b""
            self.selector.register(c.sock, selectors.EVENT_READ, c)

    def until(self, n, between):
        """Until there are n answers; calls between() every now and then."""
        while self.n_answers < n:
            ready = self.selector.select(30)
            assert ready, f"nothing for 30 s after {self.n_answers} answers"
            for key, _ in ready:
                self.take(key.data, key.data.sock.recv(256 * KIB))
            between()

    def take(self, c, data):
        assert data, "a console was closed"
        seen = self.tails[c] + data
        self.n_answers += seen.count(DONE)
        self.n_bytes += len(data)
        # What was counted must not be counted again.
        cut = max(seen.rfind(DONE) + len(DONE) if DONE in seen else 0,
                  len(seen) - len(DONE) + 1)
        self.tails[c] = seen[cut:]


@pytest.mark.seconds(600)
def test_admin_many_consoles(howdah, is_long):
    """Fifty admins ask for all clients, again and again: that costs a bound
    for each of them, and other clients go on."""
    n_clients, n_each = (2_000, 20) if is_long else (500, 8)
    with crowd(howdah, n_clients) as (door, stack):
        consoles = [stack.enter_context(door.admin()) for _ in range(50)]
        other = stack.enter_context(door.connect(database="other"))
        turns = 0

        def go_on():
            nonlocal turns
            turns += 1
            if turns % 50 == 1:
                assert other.is_usable()
        with door.memory_grows_at_most(50 * 256 * KIB):
            for c in consoles:
                for _ in range(n_each):
                    c.query("show clients")
                c.push()
            drain = Drain(consoles)
            drain.until(50 * n_each, go_on)
        assert turns >= 50
        assert drain.n_bytes > 50 * n_each * n_clients * 100
        assert door.show("version")


def test_admin_consoles_that_do_not_read(howdah):
    """Whoever asks and does not listen is kept waiting, at a bound."""
    with crowd(howdah, 300) as (door, stack):
        consoles = [stack.enter_context(slow_admin(door)) for _ in range(30)]
        with door.memory_grows_at_most(30 * 256 * KIB):
            for c in consoles:
                for _ in range(200):
                    c.query("show clients; show config; show metrics")
                c.push()
            for c in consoles:
                assert c.peek() == b"T"
            with door.connect(database="other") as other:
                assert other.is_usable()
            assert len(door.show("clients")) >= 330


@pytest.mark.parametrize("ends", [
    lambda c: c.close(), lambda c: c.reset(), lambda c: c.terminate().push()],
    ids=["close", "reset", "terminate"])
@pytest.mark.parametrize("sql", [
    "show clients", "show pools", "show clients; show sockets; show servers",
    "reconnect", "reload", "set pool_size = 2"])
def test_admin_gone_in_mid_answer(howdah, door, sql, ends):
    """A console that goes while others are asked for it takes nothing with
    it, however far it has come."""
    for is_begun in (False, True):
        for _ in range(10):
            c = door.admin()
            c.query(sql).push()
            if is_begun:
                c.peek()
            ends(c)
            c.close()
    with door.admin() as admin:
        eventually(lambda: len([r for r in show(admin, "clients")
                                if r["database"] == "howdah"]) == 1)
        assert admin.ask(sql)[-1].kind == "Z"


def test_admin_worker_that_does_not_answer(howdah):
    """What the others have is shown, and a notice names the one."""
    with howdah(workers=2) as door, contextlib.ExitStack() as stack:
        assert stack.enter_context(door.connect()).is_usable()
        consoles = [stack.enter_context(door.admin()) for _ in range(8)]
        at = [client_row(c, c)["worker"] for c in consoles]
        victim = at[0]
        awake = [c for c, worker in zip(consoles, at) if worker != victim]
        while not awake:
            c = stack.enter_context(door.admin())
            if client_row(c, c)["worker"] != victim:
                awake.append(c)
        pid = worker_pid(door, victim)
        try:
            os.kill(pid, signal.SIGSTOP)
            for c in awake:
                c.query("show pools; show clients").push()
            for c in awake:
                found = c.until_ready()
                notices = [m.fields["M"] for m in found if m.kind == "N"]
                assert f"worker {victim} has not answered" in notices[0]
                assert [m.tag for m in found if m.kind == "C"] == [
                    "SHOW", "SHOW"]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert awake[0].ask("show pools")[0].kind == "T"


def test_admin_worker_that_dies(howdah):
    """A worker that ends while it is asked is a worker that does not
    answer; its own consoles are lost, the others are not."""
    with howdah(workers=2) as door, contextlib.ExitStack() as stack:
        door.may_lose_workers = True
        consoles = [stack.enter_context(door.admin()) for _ in range(12)]
        at = {c: client_row(c, c)["worker"] for c in consoles}
        pid = worker_pid(door, at[consoles[0]])
        os.kill(pid, signal.SIGSTOP)
        for c in consoles:
            c.query("show clients").push()
        os.kill(pid, signal.SIGKILL)
        for c in consoles:
            if at[c] == at[consoles[0]]:
                assert c.until_closed() == []
            else:
                assert c.until_ready()[-2].tag == "SHOW"
        eventually(lambda: door.is_answering() and door.show("version"))


def test_admin_cancel_of_a_table(howdah):
    """A table that its reader is tired of ends with 57014, and the console
    goes on."""
    with crowd(howdah, 1000) as (door, stack):
        c = stack.enter_context(slow_admin(door))
        c.query("show clients").query("show version")
        assert c.peek() == b"T"
        c.cancel()
        found = c.until_ready(2)
        errors = [m.sqlstate for m in found if m.kind == "E"]
        assert errors == ["57014"]
        assert c.say(frontend.query("show version")).until_ready()[-2].tag
