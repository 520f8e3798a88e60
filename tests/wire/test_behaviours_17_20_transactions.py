"""Behaviours 17-20: transactions, the ways out of them, and COPY."""
import contextlib
import time

import pytest

import frontend
from waiting import eventually

# 17. transactions


def test_behaviour_17_transactions(differential):
    """BEGIN to COMMIT over many exchanges of both protocols stays on one
    server connection."""
    def script(c, other):
        c.ask("create table t (a int)")
        for _ in range(3):
            c.ask("begin")
            pids = {c.value("select pg_backend_pid()") for _ in range(5)}
            c.transcript[:] = [line for line in c.transcript
                               if not line.startswith(("D[", "T["))]
            c.note(f"{len(pids)} backend")
            c.run("insert into t values ($1::int)", ["1"]).until_ready()
            other.ask("select count(*) from t")
            c.ask("commit")
            other.ask("select count(*) from t")
    differential(script)


TRANSACTIONS = {
    "error": ["begin", "select 1/0", "select 1", "commit", "select 1"],
    "rollback": ["begin", "select 1", "rollback", "select 1"],
    "select-then-begin": ["select 1; begin", "select 2", "commit"],
    "begin-in-implicit": ["create table t (a int); begin; insert into t "
                          "values (1)", "rollback", "select * from t"],
    "commit-in-implicit": ["create table t (a int); insert into t values (1)"
                           "; commit; insert into t values (2); select 1/0",
                           "select * from t"],
    "implicit-rolled-back": ["create table t (a int); insert into t values "
                             "(1); select 1/0", "select * from t"],
    "savepoints": ["begin", "create table t (a int)", "savepoint one",
                   "insert into t values (1)", "savepoint two", "select 1/0",
                   "select 1", "rollback to one", "insert into t values (2)",
                   "release one", "release one", "rollback to savepoint one",
                   "rollback"],
    "chain": ["begin isolation level serializable", "commit and chain",
              "show transaction_isolation", "select 1/0",
              "rollback and chain", "show transaction_isolation", "commit",
              "commit and chain"],
    "double-begin": ["begin", "begin", "commit", "commit", "rollback"],
    "two-phase": ["create table t (a int)", "begin",
                  "insert into t values (1)", "prepare transaction 'p1'",
                  "select count(*) from t", "commit prepared 'p1'",
                  "select count(*) from t", "rollback prepared 'p2'",
                  "begin", "select 1/0", "prepare transaction 'p3'"],
    "read-only": ["begin read only", "create table t (a int)", "rollback",
                  "start transaction isolation level repeatable read, read "
                  "only", "show transaction_read_only", "end"],
    "abort": ["begin", "abort", "abort", "end", "begin work", "end work"],
    "set-transaction": ["set transaction read only", "begin",
                        "set transaction read only", "select 1",
                        "create table t (a int)", "rollback"],
    "deferred": ["create table p (a int primary key); create table t (a int "
                 "references p deferrable initially deferred)", "begin",
                 "insert into t values (1)", "commit", "select * from t"],
    "cursor": ["begin", "declare c cursor for select generate_series(1, 5)",
               "fetch 2 from c", "move 1 from c", "fetch all from c",
               "close c", "commit", "fetch 1 from c"],
    "do-commit": ["create table t (a int)",
                  "do $$ begin insert into t values (1); commit; insert into "
                  "t values (2); rollback; end $$", "select * from t"],
    "call-commit": ["create procedure p() language plpgsql as $$ begin "
                    "commit; end $$", "call p()", "begin", "call p()",
                    "rollback"],
    "vacuum": ["create table t (a int)", "vacuum t", "begin", "vacuum t",
               "rollback", "select 1; vacuum t"],
}


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("name", TRANSACTIONS)
def test_behaviour_17_transaction_shapes(differential, name, protocol):
    """Each way of beginning, failing and ending one, statement by
    statement."""
    def script(c):
        for sql in TRANSACTIONS[name]:
            if protocol == "simple" or ";" in sql:
                c.ask(sql)
            else:
                c.run(sql).until_ready()
    differential(script)


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_behaviour_17_pipelined_transactions(differential, name):
    """The same in one write."""
    def script(c):
        for sql in TRANSACTIONS[name]:
            c.query(sql)
        c.until_ready(len(TRANSACTIONS[name]))
    differential(script)


def test_behaviour_17_begin_and_commit_in_one_sync(differential):
    """Transaction control inside one exchange of the extended protocol."""
    def script(c):
        c.ask("create table t (a int)")
        for last in ("commit", "rollback"):
            for sql in ("begin", "insert into t values (1)", last):
                c.parse("", sql).bind().execute()
            c.sync().until_ready()
        c.ask("select count(*) from t")
        for sql in ("begin", "insert into t values (1/0)", "commit"):
            c.parse("", sql).bind().execute()
        c.sync().until_ready()
        c.ask("rollback")
    differential(script)


def test_behaviour_17_one_backend_serves_all(howdah):
    """With a single server connection many clients take turns at
    transactions."""
    with howdah(pool_size=1, workers=1) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(10)]
            for _ in range(5):
                for c in crowd:
                    c.query("begin").query("select 1").query("commit").push()
                for c in crowd:
                    assert len(c.until_ready(3)) == 8


# 18. Terminate, EOF, RST in a transaction

def leave_by_terminate(c):
    c.terminate().until_closed()


def leave_by_eof(c):
    c.close()


def leave_by_reset(c):
    c.reset()


LEAVE = [leave_by_terminate, leave_by_eof, leave_by_reset]


@pytest.mark.parametrize("leave", LEAVE)
def test_behaviour_18_leaving_a_transaction(door, postgres, clean, leave):
    """Its transaction is rolled back, its locks are gone, its server
    connection serves others."""
    with door.connect() as other:
        other.ask("create table t (a int); insert into t values (1)")
        for _ in range(12):
            c = door.connect()
            c.ask("begin; update t set a = 99")
            leave(c)
            other.ask("set lock_timeout = '20s'")
            assert str(other.ask("update t set a = 2")[0]) == "C[UPDATE 1]"
        assert other.value("select a from t") == "2"
    eventually(lambda: postgres.n_backends(
        "state like 'idle in transaction%'") == 0)


@pytest.mark.door("somebody who notices: PostgreSQL runs on after a RST")
@pytest.mark.parametrize("in_transaction", [False, True])
def test_behaviour_18_reset_cancels_what_runs(door, postgres,
                                              in_transaction):
    """A statement whose client has gone with a RST is cancelled."""
    c = door.connect()
    if in_transaction:
        c.ask("begin")
    c.query("select pg_sleep(80), 'behaviour 18'").push()
    running = "state = 'active' and query like '%behaviour 18%'"
    eventually(lambda: postgres.n_backends(running) == 1)
    c.reset()
    eventually(lambda: postgres.n_backends(running) == 0)
    with door.connect() as other:
        assert other.is_usable()


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("leave", LEAVE)
def test_behaviour_18_leaving_a_batch(door, clean, leave, flush):
    """Who leaves before the Sync leaves nothing behind, whether the server
    has answered or not."""
    with door.connect() as other:
        other.ask("create table t (a int)")
        for _ in range(12):
            c = door.connect()
            c.parse("", "insert into t values (1)").bind().execute()
            if flush:
                c.flush().until("C")
            else:
                c.push()
            leave(c)
        other.ask("set lock_timeout = '20s'")
        assert other.value("select count(*) from t") == "0"
        other.ask("begin; lock t")  # whoever is still at it has ended now
        assert other.value("select count(*) from t") == "0"
        other.ask("commit")


def test_behaviour_18_terminate_behind_a_pipeline(differential):
    """Terminate after pipelined statements: they run, then it closes."""
    def script(c, other):
        c.ask("create table t (a int)")
        c.query("insert into t values (1)").query("select 1").terminate()
        c.until_closed()
        other.ask("select count(*) from t")
    differential(script)


@pytest.mark.parametrize("cut", range(1, 12))
def test_behaviour_18_eof_inside_a_message(door, postgres, clean, cut):
    """Who leaves in the middle of a message leaves no trace."""
    with door.connect() as other:
        other.ask("create table t (a int)")
        c = door.connect()
        c.ask("begin; insert into t values (1)")
        c.say(frontend.query("commit")[:cut]).push()
        c.close()
        eventually(lambda: postgres.n_backends(
            "state like 'idle in transaction%'") == 0)
        assert other.value("select count(*) from t") == "0"


# 19. half-close

@pytest.mark.parametrize("count", [1, 2, 10])
def test_behaviour_19_half_close(differential, count):
    """All answers are delivered to who has said its last word, then the
    connection ends."""
    def script(c):
        for n in range(count):
            c.query(f"select {n}, repeat('x', 1000)")
        c.half_close().until_closed()
    differential(script)


def test_behaviour_19_half_close_extended(differential):
    def script(c):
        for n in range(10):
            c.run("select $1::int", [str(n)])
        c.half_close().until_closed()
    differential(script)


def test_behaviour_19_half_close_large_answer(differential):
    """Also when the answers are far larger than any buffer."""
    def script(c):
        for _ in range(3):
            c.query("select repeat('x', 3000000)")
        c.half_close()
        time.sleep(0.2)  # the end of input is seen before the output fits
        c.until_closed()
    differential(script)


def test_behaviour_19_half_close_in_transaction(differential):
    """A transaction left open is rolled back."""
    def script(c, other):
        c.ask("create table t (a int)")
        c.query("begin").query("insert into t values (1)").half_close()
        c.until_closed()
        other.ask("set lock_timeout = '20s'; lock t; select count(*) from t")
    differential(script)


def test_behaviour_19_half_close_without_sync(differential):
    """An exchange without its Sync gets no more than PostgreSQL gives."""
    def script(c, other):
        c.ask("create table t (a int)")
        c.parse("", "insert into t values (1)").bind().execute().half_close()
        c.until_closed()
        other.ask("set lock_timeout = '20s'; lock t; select count(*) from t")
    differential(script)


# 20. COPY

ROWS = b"1\tone\n2\ttwo\n3\t\\N\n"


@pytest.fixture
def copying(differential):
    """A script about COPY, with a table to copy into."""
    def run(script):
        def whole(c):
            c.ask("create table t (a int primary key, b text)")
            script(c)
            c.sync().until_ready()
            c.ask("select * from t order by a")
            c.run("select count(*) from t").until_ready()
        return differential(whole)
    return run


def start_copy(c, protocol):
    sql = "copy t from stdin"
    if protocol == "simple":
        c.query(sql)
    else:
        c.parse("", sql).bind().execute().flush()
    c.until("G")


both_protocols = pytest.mark.parametrize("protocol", ["simple", "extended"])


def finish(c, protocol):
    if protocol == "extended":
        c.sync()
    c.until_ready()


@both_protocols
def test_behaviour_20_copy_in(copying, protocol):
    def script(c):
        start_copy(c, protocol)
        c.copy_data(ROWS).copy_data(b"4\tfo").copy_data(b"ur\n").copy_done()
        finish(c, protocol)
    copying(script)


@both_protocols
def test_behaviour_20_copy_fail(copying, protocol):
    """CopyFail is 57014 with the client's words."""
    def script(c):
        start_copy(c, protocol)
        c.copy_data(ROWS).copy_fail("the client says so")
        finish(c, protocol)
    copying(script)


@both_protocols
def test_behaviour_20_server_error_in_the_middle(copying, protocol):
    """The server fails during the data; what the client still sends of it
    is skipped."""
    def script(c):
        start_copy(c, protocol)
        c.copy_data(b"nonsense\n")
        if protocol == "simple":
            c.until_ready()
        else:
            c.copy_data(b"more" * 3000).until("E")
        c.copy_data(ROWS).copy_data(ROWS).copy_done()
        if protocol == "extended":
            c.sync().until_ready()
    copying(script)


@both_protocols
def test_behaviour_20_server_error_at_the_end(copying, protocol):
    """The server fails only when all has come."""
    def script(c):
        start_copy(c, protocol)
        c.copy_data(ROWS).copy_data(b"1\tduplicate\n").copy_done()
        finish(c, protocol)
    copying(script)


def test_behaviour_20_sync_and_flush_inside(copying):
    """Sync and Flush inside COPY of a simple Query are ignored."""
    def script(c):
        start_copy(c, "simple")
        c.copy_data(b"1\tone\n").sync().flush().sync()
        c.copy_data(b"2\ttwo\n").copy_done().until_ready()
    copying(script)


def test_behaviour_20_sync_before_copy_done(copying):
    """libpq sends Sync together with Execute: it is ignored inside the COPY,
    and another one must follow."""
    def script(c):
        c.parse("", "copy t from stdin").bind().execute().sync().until("G")
        c.copy_data(ROWS).copy_done().sync().until_ready()
    copying(script)


@pytest.mark.parametrize("said", [
    frontend.query("select 1"), frontend.parse("", "select 1"),
    frontend.terminate(), frontend.password("x")],
    ids=["query", "parse", "terminate", "password"])
def test_behaviour_20_something_else_inside(differential, said):
    """Any other message inside COPY IN: ERROR and the end, nothing
    copied."""
    def script(c, other):
        c.ask("create table t (a int primary key, b text)")
        start_copy(c, "simple")
        c.copy_data(ROWS).say(said).until_closed()
        other.ask("set lock_timeout = '20s'; lock t; select count(*) from t")
    differential(script)


def test_behaviour_20_pipelined_behind_copy(copying):
    """COPY, its data and the next queries in one write."""
    def script(c):
        c.query("copy t from stdin").copy_data(ROWS).copy_done()
        c.query("select count(*) from t").query("copy t from stdin")
        c.copy_data(b"bad\n").copy_done().query("select count(*) from t")
        c.until_ready(4)
    copying(script)


def test_behaviour_20_copy_in_a_transaction(copying):
    def script(c):
        c.ask("begin")
        c.query("copy t from stdin").copy_data(ROWS).copy_done()
        c.until_ready()
        c.ask("copy t to stdout")
        c.query("copy t from stdin").copy_data(b"x\n").copy_done()
        c.until_ready()
        c.ask("rollback")
    copying(script)


def test_behaviour_20_several_copies_in_one_query(copying):
    def script(c):
        c.query("copy t from stdin; copy t to stdout; copy t from stdin; "
                "select 1")
        c.copy_data(ROWS).copy_done().copy_data(b"7\tseven\n").copy_done()
        c.until_ready()
    copying(script)


@pytest.mark.parametrize("size", [1, 50, 1000])
def test_behaviour_20_pipelined_behind_several_copies(copying, size):
    """The end of the data of one COPY is not that of the next, and what
    stands behind them is answered in its place."""
    def script(c):
        c.query("copy t from stdin; copy t from stdin")
        c.copy_done().copy_fail("no").copy_done().sync()
        c.parse("s", "select 1").describe("S", "s").close_statement("s").sync()
        c.dribble(size).until_ready(3)
        c.ask("select count(*) from t")
    copying(script)


def test_behaviour_20_error_between_pipelined_syncs(copying):
    """Nobody but the server knows how many of the Syncs COPY ignored."""
    def script(c):
        c.query("copy t from stdin").sync().copy_data(b"x\n")
        c.sync().copy_done().sync()
        c.parse("s", "select 1").describe("S", "s").sync()
        c.until("t")
        c.until_ready()
    copying(script)


@pytest.mark.parametrize("options", ["", "(format csv, header)",
                                     "(format binary)"])
@both_protocols
def test_behaviour_20_copy_out(differential, protocol, options):
    def script(c):
        sql = ("copy (select g, repeat('x', g % 100) from "
               f"generate_series(1, 3000) g) to stdout {options}")
        if protocol == "simple":
            c.ask(sql)
        else:
            c.parse("", sql).bind().execute().sync().until_ready()
        c.ask("copy (select 1/0) to stdout")
        c.ask("copy (select 1/(3 - g) from generate_series(1, 5) g) "
              "to stdout")
    differential(script)


def test_behaviour_20_copy_out_cancelled(door):
    """A cancel half-way: 57014, and the connection usable."""
    with door.connect(receive_buffer=8192) as c:
        c.query("copy (select repeat('x', 1000), "
                "generate_series(1, 100000000)) to stdout")
        c.take(50)
        c.cancel()
        assert c.until_ready()[-2].sqlstate == "57014"
        assert c.is_usable()


@pytest.mark.parametrize("leave", LEAVE[1:])
def test_behaviour_20_client_vanishes(door, postgres, clean, leave):
    """No row of a COPY whose client left is ever seen; its server
    connection is free again."""
    with door.connect() as other:
        other.ask("create table t (a int primary key, b text)")
        c = door.connect()
        start_copy(c, "simple")
        c.copy_data(ROWS).push()
        leave(c)
        other.ask("set lock_timeout = '20s'")
        other.ask("begin; lock t")
        assert other.value("select count(*) from t") == "0"
        other.ask("commit")
    eventually(lambda: postgres.n_backends("state = 'active'") == 0)


def test_behaviour_20_both_ways_at_speed(door, clean, is_long):
    """Megabytes in and out, with bounded memory even while nobody reads."""
    rows = 400_000 if is_long else 60_000
    line = b"x" * 200 + b"\n"
    with door.connect() as c, door.memory_grows_at_most(4 << 20):
        c.ask("create table t (a text)")
        c.query("copy t from stdin").until("G")
        for _ in range(rows // 100):
            c.copy_data(line * 100).push()
        assert c.copy_done().until_ready()[0].tag == f"COPY {rows}"
        c.query("copy t to stdout").push()
        time.sleep(1)  # the door must wait for this reader, not hoard
        answer = c.until_ready()
        assert sum(len(m.body) for m in answer
                   if m.kind == "d") == rows * len(line)
