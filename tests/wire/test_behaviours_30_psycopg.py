"""Behaviour 30, psycopg 2 and 3: the same Python against PostgreSQL and
through the door, results compared."""
import asyncio
import contextlib
import datetime
import decimal
import io
import threading
import time

import psycopg
import psycopg.rows
import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import pytest

from waiting import eventually

MOMENT = datetime.datetime(2024, 5, 17, 12, 30, 15, 123456)
VALUES = [1, -2.5, "text with 'quotes' and \\", None, True, MOMENT,
          decimal.Decimal("12345678901234567890.123"), [1, None, 3],
          MOMENT.date()]


def code(error):
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


# psycopg 2

@contextlib.contextmanager
def connect2(target, **options):
    c = psycopg2.connect(target.dsn(), **options)
    try:
        yield c
    finally:
        c.close()


def test_behaviour_30_psycopg2_statements(alike):
    """Values of many types, transactions, errors, notices, status."""
    def work(target):
        seen = []
        with connect2(target) as c, c.cursor() as cur:
            cur.execute("create table t (id serial primary key, v text)")
            for value in VALUES:
                cur.execute("select %s", (value,))
                seen.append(cur.fetchone())
            c.commit()
            psycopg2.extras.execute_values(
                cur, "insert into t (v) values %s returning id",
                [(f"row {n}",) for n in range(250)], fetch=True)
            psycopg2.extras.execute_batch(
                cur, "update t set v = %s where id = %s",
                [(f"new {n}", n) for n in range(1, 50)])
            c.commit()
            with pytest.raises(psycopg2.errors.DivisionByZero):
                cur.execute("select 1/0")
            with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
                cur.execute("select 1")
            seen.append(c.get_transaction_status())
            c.rollback()
            cur.execute("do $$ begin raise notice 'noticed'; end $$")
            seen.append(list(c.notices))
            cur.execute("select count(*), min(v), max(v) from t")
            seen.append((cur.fetchone(), cur.description[0].name))
            c.rollback()
            c.set_session(isolation_level="SERIALIZABLE", readonly=True)
            cur.execute("show transaction_isolation")
            seen.append(cur.fetchone())
            c.rollback()
            c.set_session(autocommit=True)
            c.set_client_encoding("LATIN1")
            cur.execute("select 'é', length('é')")
            seen.append((cur.fetchone(), c.encoding))
            seen.append(c.get_parameter_status("DateStyle"))
        return seen
    alike(work)


def test_behaviour_30_psycopg2_cursors_and_copy(alike):
    """Named cursors, WITH HOLD, scrolling, copy both ways, dict rows."""
    def work(target):
        seen = []
        with connect2(target) as c:
            with c.cursor("named") as cur:
                cur.itersize = 7
                cur.execute("select generate_series(1, 40)")
                seen.append([row[0] for row in cur])
            with c.cursor("held", withhold=True, scrollable=True) as cur:
                cur.execute("select generate_series(1, 40)")
                c.commit()
                seen.append(cur.fetchmany(3))
                cur.scroll(-2)
                seen.append(cur.fetchmany(3))
            with c.cursor(
                    cursor_factory=psycopg2.extras.RealDictCursor) as cur:
                cur.execute("create table t (a int, b text)")
                cur.copy_expert("copy t from stdin", io.StringIO(
                    "".join(f"{n}\ttext {n}\n" for n in range(500))))
                out = io.StringIO()
                cur.copy_expert("copy t to stdout csv", out)
                seen.append(out.getvalue())
                with pytest.raises(psycopg2.errors.
                                   InvalidTextRepresentation):
                    cur.copy_expert("copy t from stdin",
                                    io.StringIO("x\ty\n"))
                c.rollback()
                cur.execute("select 1 as one")
                seen.append(dict(cur.fetchone()))
        return seen
    alike(work)


def test_behaviour_30_psycopg2_two_phase(alike):
    def work(target):
        with connect2(target) as c, c.cursor() as cur:
            cur.execute("create table t (a int)")
            c.commit()
            for end in (c.tpc_commit, c.tpc_rollback):
                xid = c.xid(1, "global", end.__name__)
                c.tpc_begin(xid)
                cur.execute("insert into t values (1)")
                c.tpc_prepare()
                end()
            c.tpc_begin(c.xid(2, "global", "later"))
            cur.execute("insert into t values (2)")
            c.tpc_prepare()
            c.reset()
            waiting = [str(xid) for xid in c.tpc_recover()]
            c.rollback()
            c.tpc_rollback(c.tpc_recover()[0])
            cur.execute("select * from t")
            return waiting, cur.fetchall()
    alike(work)


def test_behaviour_30_psycopg2_notify_and_cancel(alike):
    def work(target):
        with connect2(target) as c, connect2(target) as other:
            c.set_session(autocommit=True)
            other.set_session(autocommit=True)
            with c.cursor() as cur, other.cursor() as sender:
                cur.execute("listen news")
                sender.execute("notify news, 'hello'")

                def heard():
                    c.poll()
                    return c.notifies
                note = eventually(heard).pop()
                timer = threading.Timer(0.5, c.cancel)
                timer.start()
                with pytest.raises(psycopg2.errors.QueryCanceled):
                    cur.execute("select pg_sleep(60)")
                timer.join()
                cur.execute("select 'usable'")
                return note.channel, note.payload, cur.fetchone()
    alike(work)


# psycopg 3

def test_behaviour_30_psycopg3_statements(alike):
    """Both formats, server-side binding, prepared after the first use."""
    def work(target):
        seen = []
        with psycopg.connect(target.dsn(), prepare_threshold=0) as c:
            c.execute("create table t (id int primary key, v text)")
            for binary in (False, True):
                for value in VALUES:
                    seen.append(c.execute("select %s", (value,),
                                          binary=binary).fetchone())
            for n in range(120):  # over its 100 prepared statements
                c.execute(f"select %s::int + {n}", (n,))
                c.execute("insert into t values (%s, %s)", (n, f"row {n}"))
            c.commit()
            with pytest.raises(psycopg.errors.UniqueViolation) as error:
                c.execute("insert into t values (%s, %s)", (1, "again"))
            seen.append((code(error.value), error.value.diag.constraint_name,
                         error.value.diag.message_detail))
            c.rollback()
            with c.transaction():
                with contextlib.suppress(psycopg.Error), c.transaction():
                    c.execute("insert into t values (999, 'rolled back')")
                    c.execute("select 1/0")
                c.execute("insert into t values (1000, 'kept')")
            seen.append(c.execute("select count(*), max(id) from t")
                        .fetchone())
            cur = c.cursor(row_factory=psycopg.rows.dict_row)
            cur.executemany("select %s::int as n", [(1,), (2,)],
                            returning=True)
            seen.append(cur.fetchall())
            seen.append(c.info.parameter_status("TimeZone"))
        return seen
    alike(work)


def test_behaviour_30_psycopg3_pipeline(alike):
    """Pipeline mode: order, errors, nested blocks, prepared inside."""
    def work(target):
        seen = []
        with psycopg.connect(target.dsn(), autocommit=True,
                             prepare_threshold=2) as c:
            c.execute("create table t (a int)")
            with c.pipeline() as p:
                cursors = [c.execute("select %s::int", (n,))
                           for n in range(200)]
                p.sync()
                seen.append([cur.fetchone()[0] for cur in cursors])
            with c.pipeline(), c.cursor() as cur:
                cur.executemany("insert into t values (%s)",
                                [(n,) for n in range(300)])
            seen.append(c.execute("select count(*) from t").fetchone())
            with pytest.raises(psycopg.Error):
                with c.pipeline() as p:
                    c.execute("insert into t values (1)")
                    c.execute("select 1/%s", (0,))
                    c.execute("insert into t values (2)")
            seen.append(c.execute("select count(*) from t").fetchone())
            with c.pipeline():
                with c.transaction():
                    c.execute("delete from t where a > 10")
                    with c.pipeline():
                        left = c.execute("select count(*) from t")
            seen.append(left.fetchone())
        return seen
    alike(work)


def test_behaviour_30_psycopg3_copy_and_cursors(alike):
    """COPY in text and binary, row by row; server-side cursors; stream()."""
    def work(target):
        seen = []
        with psycopg.connect(target.dsn()) as c:
            cur = c.cursor()
            cur.execute("create table t (a int, b text, c timestamp)")
            with cur.copy("copy t from stdin (format binary)") as copy:
                copy.set_types(["int4", "text", "timestamp"])
                for n in range(400):
                    copy.write_row((n, f"text {n}", MOMENT))
            with cur.copy("copy t to stdout") as copy:
                seen.append([bytes(block) for block in copy])
            with pytest.raises(psycopg.errors.QueryCanceled):
                with cur.copy("copy t from stdin") as copy:
                    copy.write_row((1, "x", None))
                    raise ValueError("the application gives up")
            c.rollback()
            seen.append(cur.execute("select to_regclass('t')").fetchone())
            with c.cursor("named", scrollable=True) as named:
                named.execute("select generate_series(1, %s)", (50,))
                seen.append(named.fetchmany(5))
                named.scroll(10)
                seen.append(named.fetchone())
            seen.append([row[0] for row in cur.stream(
                "select generate_series(1, 2000)")])
        return seen
    alike(work)


def test_behaviour_30_psycopg3_notify_and_cancel(alike):
    def work(target):
        with psycopg.connect(target.dsn(), autocommit=True) as c, \
                psycopg.connect(target.dsn(), autocommit=True) as other:
            c.execute("listen news")
            for n in range(3):
                other.execute("select pg_notify('news', %s)", (str(n),))
            notes = []
            for note in c.notifies():
                notes.append((note.channel, note.payload))
                if len(notes) == 3:
                    break
            timer = threading.Timer(0.5, c.cancel)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                c.execute("select pg_sleep(60)")
            timer.join()
            return notes, c.execute("select 'usable'").fetchone()
    alike(work)


def test_behaviour_30_psycopg3_async(alike):
    """Many tasks, each with its own connection and transactions."""
    async def task(target, number):
        async with await psycopg.AsyncConnection.connect(
                target.dsn(), prepare_threshold=1) as c:
            seen = []
            for n in range(15):
                async with c.transaction():
                    cur = await c.execute("select %s::int * %s::int",
                                          (number, n))
                    seen.append((await cur.fetchone())[0])
            return seen

    async def all_of(target):
        return await asyncio.gather(*(task(target, n) for n in range(20)))
    alike(lambda target: asyncio.run(all_of(target)))


def test_behaviour_30_psycopg3_threads(door):
    """Connections of many threads, opened and closed over and over."""
    failures = []

    def work(number):
        try:
            for n in range(6):
                with psycopg.connect(door.target.dsn()) as c:
                    got = c.execute("select %s", (number * 100 + n,))
                    assert got.fetchone() == (number * 100 + n,)
        except Exception as error:  # reported below
            failures.append(repr(error))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_behaviour_30_psycopg3_closed_by_the_server(door):
    """A connection the server ends is seen as broken, and a new one
    works."""
    with psycopg.connect(door.target.dsn(), autocommit=True) as c:
        c.execute("begin")
        with pytest.raises(psycopg.OperationalError):
            c.execute("select pg_terminate_backend(pg_backend_pid())")
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                c.execute("select 1")
    with psycopg.connect(door.target.dsn()) as c:
        assert c.execute("select 1").fetchone() == (1,)
