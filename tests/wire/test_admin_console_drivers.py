"""The admin console: psql, drivers in both protocols, and what the exporters
in use ask of a PgBouncer and make of the answers."""
import asyncio
import contextlib
import decimal
import json
import os
import pathlib
import subprocess

import asyncpg
import psycopg
import psycopg.rows
import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import pytest

from console_support import DATABASES, NUMBERS, shape, show
from node_packages import packages  # noqa: F401, a fixture

pytestmark = pytest.mark.door("an admin console")

ASKED = ["STATS", "POOLS", "DATABASES", "LISTS", "CONFIG", "VERSION"]
TABLES = ASKED + """CLIENTS SERVERS SOCKETS STATS_TOTALS STATS_AVERAGES TOTALS
    USERS MEM STATES METRICS HELP DNS_HOSTS""".split()
NODE_PROGRAM = pathlib.Path(__file__).parents[1] / "clients/node_console.js"


@pytest.fixture(scope="module", autouse=True)
def client(door):
    """Somebody who has used the door: there is something to show."""
    with door.connect() as c:
        assert c.is_usable()
        yield c


@pytest.fixture(params=DATABASES)
def target(request, door):
    return door.target.replace(database=request.param)


@pytest.fixture
def names(target):
    """The columns of every table."""
    with target.connect() as c:
        return {table: [name for name, _ in shape(c, table)]
                for table in TABLES}


# psql


@pytest.mark.parametrize("command", [
    "show pools", "show help;", "SHOW VERSION", "show fds", "\\conninfo",
    "set client_encoding to 'utf8'; show lists", "\\encoding LATIN1"])
def test_admin_by_psql(target, command):
    """What people type."""
    done = subprocess.run(
        ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", command],
        env={**os.environ, **target.environment()}, text=True,
        capture_output=True, check=False)
    if command == "show fds":
        assert done.returncode == 1
        assert "SHOW FDS is not supported" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr or command.startswith("\\e")


def test_admin_by_psql_script(target, names):
    """Several, with headings, and an error in between that ends nothing."""
    done = subprocess.run(
        ["psql", "-X", "-A"], input="show pools;\nnonsense;\nshow version;\n",
        env={**os.environ, **target.environment()}, text=True,
        capture_output=True, check=False)
    assert done.returncode == 0
    assert "|".join(names["POOLS"]) in done.stdout
    assert "version\nHowdah" in done.stdout
    assert "42601" not in done.stdout and "nonsense" in done.stderr


# drivers


@contextlib.contextmanager
def connect2(target, **options):
    c = psycopg2.connect(target.dsn(), **options)
    try:
        yield c
    finally:
        c.close()


@pytest.mark.parametrize("is_autocommit", [True, False])
def test_admin_by_psycopg2(target, names, is_autocommit):
    """With and without the BEGIN that it says by itself."""
    with connect2(target, application_name="exporter",
                  options="-c statement_timeout=5000",
                  client_encoding="UTF8") as c:
        c.autocommit = is_autocommit
        with c.cursor(cursor_factory=psycopg2.extras.DictCursor) as cur:
            for table in TABLES:
                cur.execute(f"SHOW {table};")
                rows = cur.fetchall()
                assert [d.name for d in cur.description] == names[table]
                for d, value in zip(cur.description, rows[0] if rows else []):
                    if d.type_code in NUMBERS:
                        assert isinstance(value, (int, decimal.Decimal))
            with pytest.raises(psycopg2.errors.SyntaxError):
                cur.execute("nonsense")
            c.rollback()
            cur.execute("SHOW VERSION")
        c.commit()
        assert c.get_transaction_status() == \
            psycopg2.extensions.TRANSACTION_STATUS_IDLE
        c.set_client_encoding("LATIN1")
        c.set_session(readonly=True)


@pytest.mark.parametrize("is_autocommit", [True, False])
@pytest.mark.parametrize("options", [
    {}, {"prepare": True}, {"binary": True}], ids=["plain", "prepared",
                                                   "binary"])
def test_admin_by_psycopg3(target, names, is_autocommit, options):
    """Simple protocol, named statements, binary results."""
    with psycopg.connect(target.dsn(), autocommit=is_autocommit,
                         row_factory=psycopg.rows.dict_row) as c:
        for table in TABLES:
            cursor = c.execute(f"SHOW {table}", **options)
            rows = cursor.fetchall()
            assert [d.name for d in cursor.description] == names[table]
            for d in cursor.description if rows else []:
                if d.type_code in NUMBERS:
                    assert isinstance(rows[0][d.name],
                                      (int, decimal.Decimal))
        with pytest.raises(psycopg.errors.SyntaxError):
            c.execute("nonsense", **options)
        c.rollback()
        with c.transaction():
            assert c.execute("SHOW VERSION", **options).fetchone()
        assert c.info.transaction_status == \
            psycopg.pq.TransactionStatus.IDLE


def test_admin_by_psycopg3_for_long(target):
    """It prepares what it says often, and drops what it has prepared when
    that is too much; the console has room for less than it keeps."""
    with psycopg.connect(target.dsn(), autocommit=True) as c:
        c.prepare_threshold = 0
        c.prepared_max = 20
        for n in range(150):
            assert c.execute("SHOW VERSION" + " " * n).fetchone()


def test_admin_by_asyncpg(target, names):
    """The extended protocol throughout: introspection, binary numbers,
    transactions, errors."""
    async def work():
        c = await asyncpg.connect(target.url(), server_settings={
            "application_name": "exporter", "search_path": "public"})
        try:
            for table in TABLES:
                rows = await c.fetch(f"SHOW {table}")
                if rows:
                    assert list(rows[0].keys()) == names[table]
                assert await c.fetch(f"SHOW {table}") is not None
            row = await c.fetchrow("SHOW LISTS")
            assert isinstance(row["items"], int)
            stats = await c.fetchrow("SHOW STATS")
            assert isinstance(stats["total_query_count"], decimal.Decimal)
            assert "1.18" in await c.fetchval("SHOW VERSION")
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await c.fetch("nonsense")
            async with c.transaction():
                assert await c.fetch("SHOW POOLS")
            assert await c.execute("SET extra_float_digits = 3") == "SET"
            statement = await c.prepare("SHOW DATABASES")
            assert await statement.fetch()
            assert len(await asyncio.gather(*(
                other() for other in [one_more] * 10))) == 10
        finally:
            await c.close()

    async def one_more():
        c = await asyncpg.connect(target.url(), statement_cache_size=0)
        try:
            return await c.fetch("SHOW CLIENTS")
        finally:
            await c.close()
    asyncio.run(work())


def test_admin_by_node_postgres(target, names, packages):  # noqa: F811
    """Its simple queries, its named ones, its pool."""
    done = subprocess.run(
        ["node", NODE_PROGRAM, target.url(), *TABLES], text=True, timeout=80,
        capture_output=True, check=False,
        env={**os.environ, "NODE_PATH": packages})
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    for table, results in seen["tables"].items():
        assert results == [{"command": "SHOW", "names": names[table],
                            "numbers": True}] * 3
    assert seen["errors"] == ["42601", "42601", "08P01"]
    assert seen["several"] == ["SHOW", "SHOW"] and seen["pooled"] == 12


# exporters


def test_admin_exporter_of_prometheus_community(door, client):
    """In Go, with lib/pq: its startup packet, its ping, the simple protocol.
    It takes nothing but so many columns of some tables, and fails as a whole
    when one answer is not as it should be."""
    assert client.is_usable()
    with door.target.replace(database="pgbouncer").connect(
            client_encoding="UTF8", datestyle="ISO, MDY",
            extra_float_digits="2", application_name="exporter") as c:
        assert [m.kind for m in c.ask(";")] == ["I", "Z"]
        assert c.ask("SHOW STATS")[-1].kind == "Z"
        assert [name for name, _ in shape(c, "VERSION;")] == ["version"]
        assert len(shape(c, "LISTS;")) == 2
        for row in show(c, "LISTS;"):
            float(row["items"])
        assert len(shape(c, "CONFIG;")) == 4
        (limit,) = [float(row["value"]) for row in show(c, "CONFIG;")
                    if row["key"] == "max_client_conn"]
        assert limit > 0
        for table, labels in (("DATABASES", {"name", "host", "port",
                                             "database", "force_user",
                                             "pool_mode"}),
                              ("STATS_TOTALS", {"database"}),
                              ("POOLS", {"database", "user", "pool_mode"})):
            rows = show(c, f"{table};")
            for row in rows:
                for column in set(row) - labels:
                    float(row[column])
            # The same labels twice would fail every scrape.
            keys = [tuple(row[label] for label in sorted(labels))
                    for row in rows]
            assert len(set(keys)) == len(keys)


def test_admin_exporter_of_spreaker(door):
    """In Python, with psycopg2: an answer without rows counts as down."""
    with connect2(door.target.replace(database="pgbouncer"),
                  connect_timeout=5) as c:
        c.set_session(autocommit=True)
        answers = {}
        for table in ("STATS", "POOLS", "DATABASES", "CONFIG"):
            with c.cursor(cursor_factory=psycopg2.extras.DictCursor) as cur:
                cur.execute(f"SHOW {table}")
                answers[table] = cur.fetchall()
                assert answers[table]
    for row in answers["POOLS"]:
        assert row["maxwait"] + row["maxwait_us"] / 1000000.0 >= 0
        assert sum(row[name] for name in (
            "cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used",
            "sv_tested", "sv_login")) >= 0
    assert "wire" in {row["database"] for row in answers["STATS"]}
    (row,) = [row for row in answers["CONFIG"]
              if row["key"] == "max_client_conn"]
    assert int(row["value"]) > 0


def test_admin_exporter_by_position(door):
    """Those that take a table by its columns' number or refuse one with a
    name they do not know (jbub's exporter, pgbouncer_fdw) find PgBouncer's
    in database pgbouncer: see test_admin_columns. And the version's first
    number, with what follows it, is one."""
    with door.admin("pgbouncer") as c:
        (row,) = show(c, "version")
    digits = row["version"][row["version"].index("1"):]
    assert [int(part) for part in digits.split(".")] == [1, 18, 0]
