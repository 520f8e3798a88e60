"""`prisma migrate deploy` after `howdah migrate`, without Prisma: what its
schema engine says on the wire, and the conclusion it draws, which has to be
that there is nothing to do.

The engine connects twice, first to see whether it can. Each statement is
prepared, executed and closed in exchanges of its own, with binary values; the
lock is taken with a simple query, given up by closing the connection, and
waited for ten seconds at most.
"""
import struct
import threading

import pytest

import frontend
import prisma_schema
from differential import canonical
from migrate_cluster import PRISMA_LOCK, Database
from migrate_cluster import driver  # a fixture
from waiting import eventually

NAME = 19  # the type "name"
SETUP = ("SELECT EXISTS(SELECT 1 FROM pg_namespace WHERE nspname = $1), "
         "version(), current_setting('server_version_num')::integer as "
         "numeric_version;")
TABLES = """
    SELECT tbl.relname AS table_name FROM pg_class AS tbl
    INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace
    WHERE tbl.relkind = 'r' AND namespace.nspname = ANY ( $1 )
"""
RECORD = ('SELECT "id", "checksum", "finished_at", "migration_name", "logs", '
          '"rolled_back_at", "started_at", "applied_steps_count" '
          'FROM "_prisma_migrations" ORDER BY "started_at" ASC')
LOCK = f"SELECT pg_advisory_lock({PRISMA_LOCK})"


def array_of_names(*names):
    items = b"".join(struct.pack("!i", len(n)) + n.encode() for n in names)
    return struct.pack("!iiIii", 1, 0, NAME, len(names), 1) + items


class Engine:
    """Prisma's schema engine on one connection."""

    def __init__(self, target):
        self.c = target.dial()
        self.n_statements = 0
        assert self.c.say(frontend.ssl_request()).byte() == b"N"
        self.c.login(client_encoding="UTF8", search_path='"public"')
        self.c.transcript.clear()

    def query(self, sql, *parameters):
        """The rows, as tuples of bytes or None."""
        c, name = self.c, f"s{self.n_statements}"
        self.n_statements += 1
        c.parse(name, sql).describe("S", name).sync().until_ready()
        c.bind("", name, parameters, [1] * len(parameters), [1])
        answer = c.execute().sync().until_ready()
        c.close_statement(name).sync().until_ready()
        assert all(m.kind != "E" for m in answer), answer
        return [tuple(m.values) for m in answer if m.kind == "D"]

    def command(self, sql):
        answer = self.c.ask(sql)
        assert all(m.kind != "E" for m in answer), answer

    def connect(self):
        """What it does with every new connection."""
        self.query("SELECT version()")
        (exists, version, _), = self.query(SETUP, b"public")
        assert exists == b"\1" and b"CockroachDB" not in version

    def apply(self):
        """The names of the migrations it would run, under the lock."""
        self.command(LOCK)
        tables = {name for name, in self.query(TABLES,
                                               array_of_names("public"))}
        assert b"_prisma_migrations" in tables, "P3005: schema is not empty"
        rows = self.query(RECORD)
        assert not [r for r in rows if r[2] is None and r[5] is None], \
            "P3009: a migration failed"
        applied = {r[3].decode() for r in rows if r[5] is None}
        return [name for name in prisma_schema.MIGRATIONS
                if name not in applied]

    def close(self):
        self.c.terminate().push()
        self.c.close()
        return canonical(self.c.transcript)


def deploy(target):
    """`prisma migrate deploy`: what it would run, and what was said."""
    first = Engine(target)
    first.connect()
    said = first.close()
    second = Engine(target)
    second.connect()
    pending = second.apply()
    return pending, said + second.close()


@pytest.fixture
def migrated(postgres, driver):
    """The door's database, after `howdah migrate`; with the indexes, so that
    nobody builds them while a test looks."""
    database = Database(postgres, postgres.target.database, driver)
    database.call("migrate")
    return database


def is_free(database):
    return database.value(f"SELECT pg_try_advisory_lock({PRISMA_LOCK})")


def test_deploy_has_nothing_to_do(migrated, door):
    before = migrated.everything()
    pending, _ = deploy(door.target)
    assert pending == []
    assert migrated.everything() == before
    eventually(lambda: is_free(migrated))


def test_deploy_through_the_door_is_as_direct(migrated, door):
    _, expected = deploy(migrated.cluster.target)
    eventually(lambda: is_free(migrated))
    _, actual = deploy(door.target)
    assert actual == expected


def test_a_second_deploy_waits_for_the_first(migrated, door):
    """The lock is a session's: it is held between statements, and goes with
    the connection."""
    first = Engine(door.target)
    first.connect()
    assert first.apply() == []
    assert not is_free(migrated)
    found = []
    second = threading.Thread(
        target=lambda: found.append(deploy(door.target)[0]))
    second.start()
    eventually(lambda: migrated.rows(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' "
        f"AND objid = {PRISMA_LOCK} AND NOT granted"))
    assert not found
    first.close()
    second.join(30)
    assert found == [[]]


def test_howdah_and_prisma_take_turns(migrated, door):
    engine = Engine(door.target)
    engine.connect()
    engine.apply()
    process = migrated.start("tables")
    lines = [process.stdout.readline() for _ in range(2)]
    assert "waiting for Prisma's migration lock" in lines[1]
    engine.close()
    assert "nothing to do" in process.communicate(timeout=60)[0]
