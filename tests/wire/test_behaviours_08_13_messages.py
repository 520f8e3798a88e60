"""Behaviours 8-13: one client's messages, malformed, pipelined, cut up."""
import contextlib
import os
import signal
import struct
import threading

import pytest

import frontend
import procfs
from frontend import (bind, close, describe, execute, function_call, message,
                      misframed, parse, query, sync)
from waiting import eventually

# 8. malformed inside

MALFORMED = {
    "parse-empty": message("P"),
    "parse-no-nul": message("P", b"s"),
    "parse-no-sql": message("P", b"s\0"),
    "parse-sql-no-nul": message("P", b"s\0select 1"),
    "parse-no-count": message("P", b"s\0select 1\0"),
    "parse-half-count": message("P", b"s\0select 1\0\0"),
    "parse-count-too-big": message("P", b"s\0select $1\0\0\5\0\0\0\x17"),
    "parse-count-negative": message("P", b"s\0select 1\0\xff\xff"),
    "parse-trailing": message("P", b"s\0select 1\0\0\0more"),
    "bind-empty": message("B"),
    "bind-no-statement": message("B", b"p\0"),
    "bind-no-formats": message("B", b"\0\0"),
    "bind-half": message("B", b"\0\0\0\0\0\1\0\0\0\5ab"),
    "bind-count-999": message("B", b"\0\0\0\0" + struct.pack("!H", 999)),
    "bind-count-negative": message("B", b"\0\0\0\0\xff\xff"),
    "bind-length-minus-5": message(
        "B", b"\0\0\0\0\0\1" + struct.pack("!i", -5) + b"\0\0"),
    "bind-length-too-big": message(
        "B", b"\0\0\0\0\0\1" + struct.pack("!i", 0x7FFFFFF0) + b"1\0\0"),
    "bind-formats-too-many": message("B", b"\0\0\0\7\0\0\0\1"),
    "bind-format-2": bind("", "", ["1"], [2]),
    "bind-result-format-2": bind("", "", ["1"], [], [2]),
    "bind-trailing": message("B", b"\0\0\0\0\0\1\0\0\0\0011\0\0more"),
    "bind-too-few": bind("", "", []),
    "bind-too-many": bind("", "", ["1", "2"]),
    "bind-bad-value": bind("", "", ["one"]),
    "bind-bad-binary": bind("", "", [b"\0\0"], [1]),
    "bind-bad-utf8": bind("", "", [b"\xff\xfe"]),
    "describe-empty": message("D"),
    "describe-kind-X": describe("X", ""),
    "describe-no-nul": message("D", b"Ss"),
    "describe-trailing": message("D", b"S\0more"),
    "close-kind-X": close("X", ""),
    "close-empty": message("C"),
    "close-trailing": message("C", b"Ss\0more"),
    "execute-empty": message("E"),
    "execute-no-rows": message("E", b"\0"),
    "execute-trailing": message("E", b"\0\0\0\0\0more"),
    "execute-rows-negative": message("E", b"\0\xff\xff\xff\xff"),
    "sync-with-body": message("S", b"body"),
    "flush-with-body": message("H", b"body"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_behaviour_08_malformed_inside(differential, name):
    """A message of good length with nonsense in it: PostgreSQL's ERROR, all
    skipped up to the Sync, and the connection usable."""
    def script(c):
        c.parse("", "select $1::int, 7").say(MALFORMED[name])
        c.bind("", "", ["5"]).execute().sync()
        c.until_ready()
        c.sync().until_ready()
        c.ask("select 1")
        c.run("select $1::int", ["2"]).until_ready()
    differential(script)


@pytest.mark.parametrize("body", [b"", b"select 1", b"\0", b"select 1\0x\0",
                                  b"select '\xff'\0", b";\0", b" ;; \0",
                                  b"-- nothing\0", b"/* open\0", b"'open\0",
                                  b"$a$open\0", b'"open\0', b"select 1;;\0",
                                  b"select E'\\\0"], ids=repr)
def test_behaviour_08_malformed_query(differential, body):
    """The same for a simple Query, and for texts at the edge of being
    one."""
    def script(c):
        c.say(message("Q", body)).until_ready()
        c.ask("select 1")
    differential(script)


def test_behaviour_08_malformed_in_transaction(differential):
    """Inside a transaction the same fails the transaction and no more."""
    def script(c):
        c.ask("begin")
        c.say(MALFORMED["bind-half"]).sync().until_ready()
        c.ask("select 1")
        c.ask("rollback")
        c.ask("select 1")
    differential(script)


def test_behaviour_08_others_notice_nothing(door):
    """While one client sends every malformed message over and over, the
    others are answered."""
    with contextlib.ExitStack() as stack:
        bad = stack.enter_context(door.connect())
        others = [stack.enter_context(door.connect()) for _ in range(5)]
        for data in MALFORMED.values():
            bad.say(data).sync().push()
            for c in others:
                assert c.value("select $1::int", ["41"]) == "41"
        bad.query("select 'end'")
        while "D['end']" not in bad.transcript:
            bad.until_ready()
        assert bad.is_usable()


# 9. unknown types, short lengths, a late password

UNFRAMED = {
    "type-m": message("m", b"x"),
    "type-nul": message("\0"),
    "type-255": b"\xff" + message("x")[1:],
    "late-password": frontend.password("secret"),
    "length-0": misframed("Q", 0, b"select 1\0"),
    "length-3": misframed("S", 3),
    "late-startup": frontend.startup({"user": "wire"}),
    "http": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", UNFRAMED)
def test_behaviour_09_unknown_type(differential, name):
    """What cannot be a message ends this connection with FATAL 08P01 (or
    silently, where PostgreSQL does), after all that was asked before."""
    def script(c):
        c.query("select 1").say(UNFRAMED[name]).query("select 2")
        c.until_closed()
    differential(script)


@pytest.mark.parametrize("name", ["type-m", "length-3", "late-password"])
def test_behaviour_09_transaction_rolled_back(door, postgres, clean, name):
    """The transaction of such a client is rolled back, its backend fit for
    others."""
    with door.connect() as other, door.connect() as c:
        other.ask("create table t (a int); insert into t values (1)")
        c.ask("begin; update t set a = 2")
        c.say(UNFRAMED[name]).until_closed()
        other.ask("set lock_timeout = '20s'")
        assert str(other.ask("update t set a = 3")[0]) == "C[UPDATE 1]"
        assert other.value("select a from t") == "3"


def test_behaviour_09_copy_messages_outside_copy(differential):
    """CopyData, CopyDone and CopyFail are ignored where no COPY is."""
    def script(c):
        c.copy_data(b"1\n").copy_done().copy_fail("no").copy_data(b"")
        c.ask("select 1")
        c.ask("begin")
        c.copy_data(b"1\n")
        c.ask("commit")
        c.parse("", "select 1").copy_data(b"2").bind().execute().sync()
        c.until_ready()
    differential(script)


def test_behaviour_09_function_call(differential):
    """The function call protocol: a result, an error, a malformed one."""
    def script(c):
        c.say(function_call(1598)).take(1)  # random(): only that it answers
        c.transcript.clear()
        c.until_ready()
        c.say(function_call(177, ["2", "3"])).until_ready()  # int4pl
        c.say(function_call(154, ["2", "0"])).until_ready()  # int4div
        c.say(function_call(1)).until_ready()
        c.say(message("F", b"\0\0\0")).until_ready()
        c.ask("begin")
        c.say(function_call(177, ["2", "3"])).until_ready()
        c.ask("commit")
    differential(script)


# 10. pipelined exchanges

def exchanges(count):
    """Exchanges of both protocols, every seventh failing; and the number of
    ReadyForQuery they end with."""
    said = b""
    for n in range(count):
        bad = n % 7 == 6
        if n % 3 == 0:
            said += query(f"select {n}, {'1/0' if bad else '1'}")
        elif n % 3 == 1:
            said += parse("", f"select $1::int / {0 if bad else 1}")
            said += bind("", "", [str(n)]) + describe("P", "") + execute()
            said += sync()
        else:
            said += parse("s", "select $1::text")
            said += bind("p", "s", [str(n)]) + execute("p")
            said += close("S", "s" if not bad else "other")
            said += bind("p", "no such" if bad else "s", ["x"]) + sync()
    return said


def test_behaviour_10_pipelined_exchanges(differential):
    """A thousand exchanges in one write: every answer in its place, errors
    exactly where they belong, one ReadyForQuery for each Sync."""
    count = 1000

    def script(c):
        c.say(exchanges(count)).until_ready(count)
        c.ask("select 1")
    transcript = differential(script)["c"]
    assert sum(line.startswith("Z[") for line in transcript) == count + 1


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_behaviour_10_in_small_segments(differential, size):
    """The same bytes cut at every offset."""
    def script(c):
        c.say(exchanges(63)).dribble(size)
        c.until_ready(63)
    differential(script)


def test_behaviour_10_read_byte_by_byte(differential):
    """The same read one byte at a time, with a small window."""
    def script(c):
        c.chunk = 1
        c.say(exchanges(42)).until_ready(42)
    differential(script)


def test_behaviour_10_between_transactions(differential):
    """BEGIN, work, an error and COMMIT as separate exchanges of one
    write."""
    def script(c):
        for sql in ("create table t (a int primary key)", "begin",
                    "insert into t values (1)", "insert into t values (1)",
                    "select 'ignored'", "commit", "select count(*) from t",
                    "begin", "insert into t values (2)", "commit",
                    "select count(*) from t"):
            c.query(sql)
        c.until_ready(11)
    differential(script)


# 11. an error in mid-pipeline

def test_behaviour_11_error_in_mid_pipeline(differential):
    """Parse and Bind errors skip to that Sync; what follows runs."""
    def script(c):
        c.parse("", "select 1").bind().execute()
        c.parse("", "selec 1").bind().execute()
        c.parse("after", "select 2").sync()
        c.parse("", "select 3").bind().execute().sync()
        c.bind("", "after").execute().sync()
        c.until_ready(3)
    differential(script)


def test_behaviour_11_effects_of_a_failed_pipeline(differential):
    """All of a pipeline without its own transaction control is rolled back
    with its error, up to the last Sync."""
    def script(c):
        c.ask("create table t (a int)")
        c.run("insert into t values (1)")
        c.parse("", "insert into t values (2)").bind().execute()
        c.parse("", "insert into t values (1/0)").bind().execute().sync()
        c.run("insert into t values (4)")
        c.until_ready(3)
        c.ask("select a from t order by a")
    differential(script)


@pytest.mark.parametrize("sql, parameters", [
    ("selec", []), ("select 1/$1::int", ["0"]), ("select $1::int", ["x"])])
def test_behaviour_11_delayed_sync(differential, door, sql, parameters):
    """The Sync may come much later than the error; others work meanwhile,
    and the connection is usable after it."""
    def script(c):
        c.parse("", sql).bind("", "", parameters).execute().flush()
        c.until("E")
        with c.target.connect() as other:
            for n in range(20):
                assert other.value("select $1::int", [str(n)]) == str(n)
        assert c.is_silent()
        c.parse("", "select 'skipped'").bind().execute().push()
        assert c.is_silent()
        c.sync().until_ready()
        c.run("select 1").until_ready()
    differential(script)


def test_behaviour_11_query_instead_of_sync(differential):
    """After an error PostgreSQL skips a Query too, until the Sync."""
    def script(c):
        c.parse("", "selec").query("select 'skipped'").sync()
        c.until_ready()
        c.ask("select 1")
    differential(script)


def test_behaviour_11_skipped_query(differential):
    """A Query that is skipped does not close the unnamed statement."""
    def script(c):
        c.parse("", "select 1").execute("none").query("select 2").sync()
        c.until_ready()
        c.bind().execute().sync().until_ready()
    differential(script)


def test_behaviour_11_close_behind_sync(differential):
    """CloseComplete comes behind the ReadyForQuery before it."""
    def script(c):
        c.execute("none").sync()
        c.close_statement("s").close_statement("s").sync().until_ready(2)
    differential(script)


def test_behaviour_11_simple_amid_extended(differential):
    """A Query between Parse and Sync: its own ReadyForQuery, and it closes
    the unnamed statement and portal."""
    def script(c):
        c.parse("", "select 1").bind().query("select 2").execute().sync()
        c.until_ready(2)
        c.parse("s", "select 3").query("select 4")
        c.bind("", "s").execute().sync()
        c.until_ready(2)
    differential(script)


# 12. Flush without Sync

def test_behaviour_12_flush_without_sync(differential):
    """Answers come with the Flush, ReadyForQuery only with the Sync."""
    def script(c):
        c.parse("s", "select $1::int").describe("S", "s").flush().take(3)
        assert c.is_silent()
        c.bind("", "s", ["5"]).flush().take(1)
        c.describe("P").flush().take(1)
        c.execute().flush().take(2)
        assert c.is_silent()
        c.sync().until_ready()
        c.flush()
        assert c.is_silent()
        c.bind("", "s", ["6"]).execute().sync().until_ready()
    differential(script)


def test_behaviour_12_flush_keeps_the_implicit_transaction(differential):
    """Between Flush and Sync all is one transaction."""
    def script(c, other):
        other.ask("create table t (a int)")
        c.parse("", "insert into t values (1)").bind().execute().flush()
        c.until("C")
        other.ask("select count(*) from t")
        c.parse("", "select count(*) from t").bind().execute().flush()
        c.until("C")
        c.parse("", "select 1/0").bind().execute().flush().until("E")
        c.sync().until_ready()
        other.ask("select count(*) from t")
    differential(script)


def test_behaviour_12_error_and_flush(differential):
    """After an error a Flush brings nothing more."""
    def script(c):
        c.parse("", "selec").flush().until("E")
        c.flush().parse("", "select 1").flush()
        assert c.is_silent()
        c.sync().until_ready()
    differential(script)


def test_behaviour_12_empty_query(differential):
    """EmptyQueryResponse and NoData."""
    def script(c):
        c.parse("", "").describe("S").bind().describe("P").execute()
        c.flush().take(6)
        c.sync().until_ready()
        c.ask("")
    differential(script)


def test_behaviour_12_abandoned_between_flush_and_sync(door, postgres,
                                                       clean):
    """Who leaves between Flush and Sync leaves nothing behind."""
    with door.connect() as other:
        other.ask("create table t (a int)")
        for _ in range(10):
            c = door.connect()
            c.parse("", "insert into t values (1)").bind().execute().flush()
            c.until("C")
            c.close()
        eventually(lambda: postgres.n_backends(
            "xact_start is not null and state <> 'active'") == 0)
        assert other.value("select count(*) from t") == "0"


# 13. Sync storms

def test_behaviour_13_sync_storm(door, is_long):
    """As many ReadyForQuery as Syncs."""
    count = 100_000 if is_long else 20_000
    with door.connect() as c:
        c.say(sync() * count)
        assert len(c.until_ready(count)) == count
        assert set(c.transcript[-count:]) == {"Z[I]"}
        assert c.is_usable()


def test_behaviour_13_sync_in_transaction(differential):
    """Syncs tell the state of the transaction they are in."""
    def script(c):
        c.sync().sync().query("begin").sync().sync()
        c.query("select 1/0").sync().query("rollback").sync()
        c.until_ready(8)
    differential(script)


@pytest.mark.door("somebody who could answer for a stopped server")
def test_behaviour_13_no_backend_touched(door, postgres):
    """A storm is answered while every backend is stopped."""
    with door.connect() as c:
        assert c.is_usable()
        with stopped_backends(postgres):
            c.say(sync() * 1000).until_ready(1000)
        assert c.is_usable()


@contextlib.contextmanager
def stopped_backends(postgres):
    """SIGSTOP for every client backend of the door's users."""
    pids = [int(pid) for (pid,) in postgres.rows(
        "select pid from pg_stat_activity where usename <> 'postgres' and "
        "backend_type = 'client backend'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.door("a process of its own whose time can be told")
def test_behaviour_13_sync_is_cheap(door):
    """A Sync alone costs the door less than half of what an exchange
    does."""
    count = 20_000

    def cost(said):
        with door.connect() as c:
            before = procfs.cpu_seconds(door.pid)
            c.say(said * count)
            reader = threading.Thread(target=c.until_ready, args=(count,))
            reader.start()
            reader.join()
            return procfs.cpu_seconds(door.pid) - before
    assert cost(sync()) < cost(query("select 1")) / 2
