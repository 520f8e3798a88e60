"""Behaviour 24: LISTEN and NOTIFY, though the listener has no session."""
import contextlib
import time

import pytest

from pgwire import Closed
from waiting import eventually


def test_behaviour_24_listen_notify(differential):
    """A notification arrives once, with its payload, while the listener is
    idle; not before the sender has committed, not at all when it rolls
    back."""
    def script(listener, sender):
        listener.ask("listen news")
        sender.ask("notify news, 'one'")
        listener.until("A")
        sender.run("select pg_notify('news', $1)", ["two"]).until_ready()
        listener.until("A")
        sender.ask("begin; notify news, 'three'")
        assert listener.is_silent()
        sender.ask("commit")
        listener.until("A")
        sender.ask("begin; notify news, 'never'")
        sender.ask("rollback")
        sender.ask("notify other, 'not heard'")
        sender.ask("notify news")
        listener.until("A")
        assert listener.is_silent()
        listener.ask("select 1")
    differential(script)


def test_behaviour_24_transactions_of_the_listener(differential):
    """LISTEN counts from its commit on, not when rolled back; inside a
    transaction nothing is delivered."""
    def script(listener, sender):
        listener.ask("begin; listen news")
        sender.ask("notify news, 'too early'")
        listener.ask("rollback")
        sender.ask("notify news, 'not listening'")
        assert listener.is_silent()
        listener.ask("begin")
        listener.ask("listen news")
        listener.ask("commit")
        sender.ask("notify news, 'heard'")
        listener.until("A")
        listener.ask("begin")
        sender.ask("notify news, 'held back'")
        assert listener.is_silent()
        listener.query("commit").until("A")
        if listener.status != "I":
            listener.until_ready()
        listener.ask("begin; unlisten news")
        listener.ask("rollback")
        sender.ask("notify news, 'still'")
        listener.until("A")
        listener.transcript[:] = sorted(listener.transcript)
    differential(script)


@pytest.mark.parametrize("unlisten", ["unlisten news", "unlisten *",
                                      "discard all"])
def test_behaviour_24_unlisten(differential, unlisten):
    def script(listener, sender):
        listener.ask("listen news; listen other")
        listener.ask(unlisten)
        sender.ask("notify news, 'x'")
        assert listener.is_silent()
        sender.ask("notify other, 'y'")
        if unlisten == "unlisten news":
            listener.until("A")
        assert listener.is_silent()
        listener.ask("select pg_listening_channels()")
    differential(script)


@pytest.mark.parametrize("sql, channel", [
    ("listen CamelCase", "camelcase"), ('listen "Camel Case"', "Camel Case"),
    ('listen "we""ird"', 'we"ird'), ("LISTEN ünïcode", "ünïcode"),
    ("listen " + "n" * 63, "n" * 63)])
def test_behaviour_24_names_of_channels(differential, sql, channel):
    def script(listener, sender):
        listener.ask(sql)
        listener.ask("select pg_listening_channels()")
        sender.rows("select pg_notify($1, $2)", [channel, "payload é"])
        listener.until("A")
    differential(script)


@pytest.mark.parametrize("sql", ["listen", "listen 1", "listen a, b",
                                 "listen " + "n" * 70, "unlisten",
                                 "listen a; select 1/0", "notify",
                                 "notify a, b", "listen a; listen a"])
def test_behaviour_24_odd_statements(differential, sql):
    """Wrong LISTENs are wrong in PostgreSQL's words."""
    def script(listener):
        listener.ask(sql)
        listener.ask("select pg_listening_channels()")
        listener.run(sql).until_ready()
        listener.ask("select 1")
    differential(script)


def test_behaviour_24_self_notification(differential):
    """The listener's own NOTIFY comes back to it: after the CommandComplete,
    before the ReadyForQuery or right behind it."""
    def script(c):
        c.ask("listen news")
        c.query("notify news, 'mine'").query("select 1").until_ready(2)
        while "A[news 'mine']" not in c.transcript:
            c.message()
        c.transcript[:] = sorted(c.transcript)
    differential(script)


def test_behaviour_24_notified_at_once(differential):
    """NOTIFY in the transaction of LISTEN, and pipelined behind it."""
    def script(c):
        c.ask("listen together; notify together; select 1")
        c.query("listen next").query("notify next").parse("s", "select 1")
        c.until_ready(2)
        c.sync().until_ready()
    differential(script)


def test_behaviour_24_pipelined_behind_listen(differential):
    """What is said while the hub begins to listen is answered, too."""
    def script(c):
        for n in range(8):
            c.query(f"listen behind{n}").push()
            c.parse("", "select 1").sync().query("select 2").push()
            c.until_ready(3)
    differential(script)


def test_behaviour_24_in_the_extended_protocol(differential):
    def script(listener, sender):
        listener.run("listen news").until_ready()
        for n in range(5):
            sender.run(f"notify news, '{n}'").until_ready()
            listener.until("A")
        listener.run("unlisten news").until_ready()
        sender.run("notify news, 'x'").until_ready()
        assert listener.is_silent()
    differential(script)


def test_behaviour_24_duplicates_in_a_transaction(differential):
    """Equal notifications of one transaction are one, distinct ones come in
    order."""
    def script(listener, sender):
        listener.ask("listen news")
        sender.ask("begin; notify news, 'a'; notify news, 'a'; "
                   "notify news, 'b'; notify news, 'a'; commit")
        listener.until("A")
        listener.until("A")
        assert listener.is_silent()
    differential(script)


def test_behaviour_24_every_listener_once(door):
    """Many listeners, many channels: each hears each of its own exactly
    once, in order, also while it asks things."""
    count = 40
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(12)]
        sender = stack.enter_context(door.connect())
        for n, c in enumerate(crowd):
            c.rows(f"listen all_of_us; listen group_{n % 3}")
            c.transcript.clear()
        for n in range(count):
            sender.rows(f"notify all_of_us, '{n}'")
            sender.rows(f"notify group_{n % 3}, '{n}'")
            if n % 5 == 0:
                for c in crowd[::2]:
                    assert c.value("select 1") == "1"
        for n, c in enumerate(crowd):
            def heard(channel):
                return [line for line in c.transcript
                        if line.startswith(f"A[{channel} ")]
            expected = [f"A[all_of_us '{i}']" for i in range(count)]
            group = [f"A[group_{n % 3} '{i}']" for i in range(count)
                     if i % 3 == n % 3]
            while (len(heard("all_of_us")) < count
                   or len(heard(f"group_{n % 3}")) < len(group)):
                c.message()
            assert heard("all_of_us") == expected
            assert heard(f"group_{n % 3}") == group
            assert c.is_silent(0)


def test_behaviour_24_listeners_do_not_hold_backends(howdah):
    """More listeners than server connections, none of them in the way."""
    with howdah(pool_size=2, workers=1) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(15)]
            for c in crowd:
                c.rows("listen crowd")
            for c in crowd:
                assert c.value("select 1") == "1"
            crowd[0].rows("notify crowd")
            for c in crowd:
                if "A[crowd '']" not in c.transcript:
                    c.until("A")


def test_behaviour_24_listener_comes_back(door, postgres):
    """When the listening backend is lost, a listener is told (it is closed)
    or hears what is sent later."""
    with door.connect() as listener:
        listener.rows("listen comeback")
        postgres.terminate_backends()
        deadline = time.monotonic() + 20
        with contextlib.suppress(Closed):
            while time.monotonic() < deadline:
                with door.connect() as sender:
                    eventually(lambda: sender.rows("notify comeback") == [])
                if not listener.is_silent(0.2):
                    if listener.is_closed or listener.until("A"):
                        break
            else:
                raise AssertionError("deaf, and not told")
