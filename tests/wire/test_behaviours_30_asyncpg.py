"""Behaviour 30, asyncpg, the driver of Chainlit: its pool, its named
statements, its introspection of types, its cancelling by timeouts."""
import asyncio
import datetime
import decimal
import io
import uuid

import asyncpg
import pytest

from states import lines

MOMENT = datetime.datetime(2024, 5, 17, 12, 30, 15, 123456)
VALUES = [("int4", 7), ("int8", 1 << 40), ("float8", 2.5), ("text", "é☃"),
          ("bool", True), ("timestamp", MOMENT), ("date", MOMENT.date()),
          ("numeric", decimal.Decimal("1.50")), ("jsonb", '{"a": 1}'),
          ("uuid", uuid.UUID(int=5)), ("text[]", ["a", None, "b"]),
          ("bytea", b"\0\xff"), ("interval", datetime.timedelta(hours=5)),
          ("int4range", asyncpg.Range(1, 5))]


@pytest.fixture
def alike_async(alike):
    """alike() for coroutines of a connection."""
    def compare(work, **options):
        async def run(target):
            c = await asyncpg.connect(target.url(), **options)
            try:
                return await work(c)
            finally:
                await c.close()
        return alike(lambda target: asyncio.run(run(target)))
    return compare


def test_behaviour_30_asyncpg_statements(alike_async):
    """Every type in binary, errors by class, transactions with
    savepoints."""
    async def work(c):
        seen = [await c.fetchval(f"select $1::{name}", value)
                for name, value in VALUES]
        await c.execute("create table t (id int primary key, v text)")
        await c.executemany("insert into t values ($1, $2)",
                            [(n, f"row {n}") for n in range(200)])
        for sql in ("insert into t values (1, 'x')", "selec", "select 1/0",
                    "select * from no_such_table"):
            try:
                await c.execute(sql)
            except asyncpg.PostgresError as error:
                seen.append((type(error).__name__, str(error),
                             error.sqlstate))
        async with c.transaction():
            await c.execute("delete from t where id > 100")
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with c.transaction():
                    await c.execute("delete from t")
                    await c.fetchval("select 1/$1::int", 0)
        seen.append(await c.fetchval("select count(*) from t"))
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with c.transaction(isolation="serializable"):
                await c.execute("delete from t")
                await c.execute("select 1/0")
        seen.append(tuple(await c.fetchrow(
            "select count(*), max(v) from t")))
        statement = await c.prepare("select $1::int + 1 as x, $2::text as y")
        seen.append([str(p) for p in statement.get_parameters()])
        seen.append([(a.name, a.type.name)
                     for a in statement.get_attributes()])
        seen += [tuple(row) for row in await statement.fetch(1, "y")]
        seen.append(await c.execute("select 1; select 2"))
        return seen
    alike_async(work)


def test_behaviour_30_asyncpg_introspection(alike_async):
    """Enums, composites, domains and their arrays need questions to the
    catalogue before the first Bind; `jit` is switched off and on again
    around them."""
    async def work(c):
        await c.execute("create type mood as enum ('sad', 'ok'); "
                        "create type pair as (a int, b mood); "
                        "create domain small as int check (value < 10)")
        await c.execute("create table t (m mood, ms mood[], p pair, "
                        "ps pair[], s small)")
        await c.execute("insert into t values ($1, $2, $3, $4, $5)", "ok",
                        ["sad", None], (1, "ok"), [(2, "sad")], 5)
        row = await c.fetchrow("select * from t")
        return (tuple(row), tuple(row["p"]),
                await c.fetchval("show jit"),
                await c.fetchval("select 'sad'::mood"))
    alike_async(work)


def test_behaviour_30_asyncpg_cursors_and_copy(alike_async):
    async def work(c):
        seen = []
        async with c.transaction():
            seen.append([row[0] async for row in c.cursor(
                "select generate_series(1, $1::int)", 170, prefetch=50)])
            cursor = await c.cursor("select generate_series(1, 100)")
            seen.append([row[0] for row in await cursor.fetch(10)])
            await cursor.forward(20)
            seen.append(await cursor.fetchrow())
        await c.execute("create table t (a int, b text)")
        seen.append(await c.copy_records_to_table(
            "t", records=[(n, f"text {n}") for n in range(1000)]))
        data = bytearray()

        async def keep(block):
            data.extend(block)
        seen.append(await c.copy_from_query(
            "select a, b from t where a < $1", 300, output=keep,
            format="csv"))
        seen.append(bytes(data))
        with pytest.raises(asyncpg.DataError):
            await c.copy_to_table("t", source=io.BytesIO(b"x,y\n"),
                                  format="csv")
        seen.append(await c.fetchval("select count(*) from t"))
        return [str(item) for item in seen]
    alike_async(work)


def test_behaviour_30_asyncpg_timeouts_cancel(alike_async):
    """A timeout and a cancelled task send a CancelRequest; the connection
    is usable afterwards, over and over."""
    async def work(c):
        for _ in range(5):
            with pytest.raises(asyncio.TimeoutError):
                await c.fetchval("select pg_sleep(60)", timeout=0.2)
            task = asyncio.ensure_future(c.fetchval("select pg_sleep(60)"))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return await c.fetchval("select 'usable'")
    assert alike_async(work) == "usable"


def test_behaviour_30_asyncpg_listen(alike_async):
    async def work(c):
        heard = asyncio.Queue()

        def hear(_, __, channel, payload):
            heard.put_nowait((channel, payload))
        await c.add_listener("news", hear)
        for n in range(5):
            await c.execute(f"notify news, '{n}'")
        seen = [await asyncio.wait_for(heard.get(), 20) for _ in range(5)]
        await c.remove_listener("news", hear)
        await c.execute("notify news, 'not heard'")
        return seen, heard.qsize(), await c.fetchval("select 1")
    alike_async(work)


def test_behaviour_30_asyncpg_schema_change(alike_async):
    """asyncpg heals `cached plan must not change result type` by itself,
    outside of a transaction."""
    async def work(c):
        await c.execute("create table t (a int); insert into t values (1)")
        seen = [tuple(await c.fetchrow("select * from t"))]
        await c.execute("alter table t add column b text default 'new'")
        seen.append(tuple(await c.fetchrow("select * from t")))
        async with c.transaction():
            seen.append(tuple(await c.fetchrow("select * from t")))
        return seen
    alike_async(work)


def test_behaviour_30_asyncpg_settings(alike_async):
    """server_settings of the connection hold for its whole life."""
    async def work(c):
        seen = []
        for _ in range(3):
            seen.append([await c.fetchval(f"show {name}") for name in (
                "application_name", "search_path", "work_mem", "jit")])
            await c.execute("set work_mem = '9MB'")
            seen.append(await c.fetchval("show work_mem"))
            await c.execute("reset all")
        return seen
    alike_async(work, server_settings={
        "application_name": "chat", "search_path": "public, pg_catalog",
        "work_mem": "7MB", "jit": "off"})


def test_behaviour_30_asyncpg_cache_off(alike_async):
    """Unnamed statements (statement_cache_size=0)."""
    async def work(c):
        return [await c.fetchval("select $1::int + $2::int", n, n)
                for n in range(50)]
    alike_async(work, statement_cache_size=0)


async def use_pool(target, users, size):
    """Many tasks on one pool: acquire, work, release, with a reset query at
    each release."""
    async with asyncpg.create_pool(target.url(), min_size=size,
                                   max_size=size) as pool:
        async def user(number):
            for n in range(10):
                async with pool.acquire() as c:
                    assert await c.fetchval(
                        "select $1::int * 1000 + $2::int",
                        number, n) == number * 1000 + n
                    if n % 3 == 0:
                        await c.execute(f"set work_mem = '{number + 1}MB'")
                        assert await c.fetchval(
                            "show work_mem") == f"{number + 1}MB"
                    if n % 5 == 0:
                        async with c.transaction():
                            await c.execute("insert into t values ($1, $2)",
                                            number, n)
                async with pool.acquire() as c:
                    assert await c.fetchval("show work_mem") == "4MB"
        await asyncio.gather(*(user(n) for n in range(users)))


def test_behaviour_30_asyncpg_pool(door, clean):
    with door.connect() as c:
        c.ask("create table t (number int, n int)")
        asyncio.run(use_pool(door.target, users=40, size=10))
        assert c.value("select count(*) from t") == "80"
        assert lines(c.ask("show work_mem"))[1] == "D['4MB']"
