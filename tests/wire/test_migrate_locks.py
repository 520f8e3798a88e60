"""Who waits for whom: Prisma's lock, the lock of the index builders, an
application that goes on writing, and builders that are killed."""
import contextlib
import signal
import threading

import pytest

from migrate_cluster import (BUSY, INDEX_LOCK, MISSING, OWN_INDEX,
                             PRISMA_LOCK, UNREACHABLE)
from migrate_cluster import database, driver, make_database, role  # fixtures
from waiting import eventually

LOCK = f"SELECT pg_advisory_lock({PRISMA_LOCK})"
UNLOCK = f"SELECT pg_advisory_unlock({PRISMA_LOCK})"
BUILDERS = """
    SELECT pid, coalesce(wait_event, '') FROM pg_stat_activity
    WHERE datname = current_database()
        AND query LIKE '%CREATE INDEX CONCURRENTLY%'
        AND pid <> pg_backend_pid() AND state = 'active'"""


@pytest.fixture
def complete(database):
    """The tables, without Howdah's indexes."""
    database.call("tables")
    return database


@contextlib.contextmanager
def prisma_waiting(database):
    """A second `prisma migrate deploy`, waiting for the lock of the first;
    yields the thread, which ends when it got the lock."""
    def wait():
        with database.connect(application_name="second prisma") as c:
            c.execute(LOCK)
    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: database.rows(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = "
        "'second prisma' AND wait_event = 'advisory'"))
    yield thread
    thread.join()


@contextlib.contextmanager
def old_snapshot(database):
    """A transaction that CREATE INDEX CONCURRENTLY has to wait for."""
    with database.connect() as c:
        c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        c.execute('SELECT count(*) FROM "Thread"')
        yield


def waiting_builder(database):
    """The builder's backend, once it waits for another transaction."""
    def find():
        return [pid for pid, wait in database.rows(BUILDERS)
                if wait == "virtualxid"]
    return eventually(find)[0]


def output_of(process):
    return process.communicate(timeout=80)[0]


# Prisma's lock

def test_tables_wait_for_prisma(database):
    with database.connect(application_name="prisma") as prisma:
        prisma.execute(LOCK)
        process = database.start("tables")
        lines = [process.stdout.readline() for _ in range(2)]
        assert "waiting for Prisma's migration lock" in lines[1]
        pid = prisma.info.backend_pid
        assert f"held by process {pid}: prisma, role wire" in lines[1]
        assert process.poll() is None
        assert not database.rows("SELECT FROM pg_tables WHERE "
                                 "tablename = 'Thread'")
        prisma.execute(UNLOCK)
        assert "done: " in output_of(process)
    assert process.returncode == 0


def test_tables_wait_no_longer_than_told(database):
    with database.connect() as prisma:
        prisma.execute(LOCK)
        output = database.call("tables", "--lock-timeout-ms=300", expect=BUSY)
    assert "another migration still runs" in output
    database.call("tables")


def test_looking_takes_no_lock(complete):
    with complete.connect() as prisma:
        prisma.execute(LOCK)
        complete.call("tables", "--status")
        complete.call("tables", "--dry-run")


def test_prisma_waits_for_us(complete):
    """While a repair waits for a table it holds the lock."""
    complete.script('ALTER TABLE "Thread" DROP COLUMN "updatedAt"')
    with complete.connect() as c:
        c.execute("BEGIN")
        c.execute('SELECT 1 FROM "Thread"')
        process = complete.start("tables", "--repair")
        eventually(lambda: complete.rows(
            "SELECT 1 FROM pg_locks WHERE locktype = 'relation' "
            "AND NOT granted"))
        assert complete.value(
            f"SELECT pg_try_advisory_lock({PRISMA_LOCK})") is False
        c.execute("ROLLBACK")
        output = output_of(process)
    assert process.returncode == 0, output
    assert complete.value(f"SELECT pg_try_advisory_lock({PRISMA_LOCK})")


# indexes and Prisma's lock

def test_indexes_do_not_wait_for_prisma(complete):
    with complete.connect() as prisma:
        prisma.execute(LOCK)
        complete.call("indexes")
    assert complete.own_indexes() == {OWN_INDEX: True}


def test_indexes_and_a_waiting_prisma_do_not_deadlock(complete):
    """The builder waits for the second Prisma's transaction, that one for the
    first Prisma, and the first for nobody: all of them come to an end. With
    the index built under Prisma's lock they would not."""
    with complete.connect() as first:
        first.execute(LOCK)
        with prisma_waiting(complete) as second:
            process = complete.start("indexes")
            waiting_builder(complete)
            assert second.is_alive() and process.poll() is None
            first.execute(UNLOCK)
            second.join(30)
            assert not second.is_alive()
        output = output_of(process)
    assert process.returncode == 0, output
    assert complete.own_indexes() == {OWN_INDEX: True}


def test_application_writes_while_an_index_is_built(complete):
    with old_snapshot(complete):
        process = complete.start("indexes")
        waiting_builder(complete)
        complete.script("SET lock_timeout = '1s'; "
                        "INSERT INTO \"Thread\" (metadata) VALUES ('{}')")
        assert process.poll() is None
    assert process.wait(60) == 0, output_of(process)
    assert complete.own_indexes() == {OWN_INDEX: True}


# builders

def test_one_builder_at_a_time(complete):
    with old_snapshot(complete):
        process = complete.start("indexes")
        waiting_builder(complete)
        output = complete.call("indexes", expect=BUSY)
        assert "somebody else is building the indexes" in output
        assert "refused" not in complete.call("tables")
        complete.call("uninstall", "--yes", expect=BUSY)
    assert process.wait(60) == 0, output_of(process)


def test_the_lock_is_the_one_documented(complete):
    with complete.connect() as c:
        c.execute(f"SELECT pg_advisory_lock({INDEX_LOCK})")
        complete.call("indexes", expect=BUSY)


def test_terminated_backend_and_what_it_leaves(complete):
    with old_snapshot(complete):
        process = complete.start("indexes")
        pid = waiting_builder(complete)
        complete.rows(f"SELECT pg_terminate_backend({pid})")
        assert process.wait(60) == UNREACHABLE, output_of(process)
    assert complete.own_indexes() == {OWN_INDEX: False}
    status = complete.call("indexes", "--status", expect=MISSING)
    assert f'index "{OWN_INDEX}" is invalid' in status
    assert complete.own_indexes() == {OWN_INDEX: False}
    output = complete.call("indexes")
    assert f'dropping index "{OWN_INDEX}"' in output
    assert complete.own_indexes() == {OWN_INDEX: True}


def test_killed_builder_goes_on_in_the_server(complete):
    """The server does not notice that its client is gone, and finishes. Until
    then the lock is held, so that nobody drops the index under it."""
    with old_snapshot(complete):
        process = complete.start("indexes")
        pid = waiting_builder(complete)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        process.stdout.close()
        complete.call("indexes", expect=BUSY)
    eventually(lambda: not complete.rows(
        f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))
    assert complete.own_indexes() == {OWN_INDEX: True}
    complete.call("indexes")


def test_leftovers_of_any_own_name_go(complete):
    complete.script('CREATE INDEX howdah_old ON "Thread" (name); '
                    'CREATE INDEX stranger ON "Thread" (name); '
                    "UPDATE pg_index SET indisvalid = false "
                    "WHERE indexrelid IN ('howdah_old'::regclass, "
                    "'stranger'::regclass)")
    complete.call("indexes")
    assert complete.own_indexes() == {OWN_INDEX: True}
    assert complete.rows("SELECT 1 FROM pg_class WHERE relname = 'stranger'")


# the use of the index

THREADS = """
    INSERT INTO "User" (id, metadata, identifier)
    SELECT 'u' || n, '{}', 'u' || n FROM generate_series(1, 200) n;
    INSERT INTO "Thread" (id, "updatedAt", name, metadata, "userId")
    SELECT 't' || n, timestamp '2026-01-01' + n * interval '1 second',
        'thread ' || n, '{}', 'u' || (n % 200 + 1)
    FROM generate_series(1, 200000) n;
    INSERT INTO "Step" (id, metadata, "threadId", type, "startTime",
        "endTime")
    SELECT 's' || n, '{}', 't' || n, 'run', now(), now()
    FROM generate_series(1, 100000) n;
    ANALYZE"""
LIST = """
    SELECT t.*, u.identifier, (SELECT count(*) FROM "Thread"
        WHERE "userId" = t."userId") AS total
    FROM "Thread" t LEFT JOIN "User" u ON t."userId" = u.id
    WHERE t."deletedAt" IS NULL AND t."userId" = 'u7' {more}
    ORDER BY t."updatedAt" DESC LIMIT 36"""
CURSOR = """AND t."updatedAt" <
    (SELECT "updatedAt" FROM "Thread" WHERE id = 't100006')"""
FAVORITES = """
    SELECT s.* FROM "Step" s JOIN "Thread" t ON s."threadId" = t.id
    WHERE t."userId" = 'u7' AND s.metadata::jsonb->>'favorite' = 'true'
    ORDER BY s."createdAt" DESC"""
STATEMENTS = {
    "first page": LIST.format(more=""),
    "next page": LIST.format(more=CURSOR),
    "search": LIST.format(more="AND t.name ILIKE '%99%'"),
    "favorites": FAVORITES,
}


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(database, sql):
    plan = database.value("EXPLAIN (FORMAT JSON) " + sql)[0]["Plan"]
    scans = {(n["Node Type"], n.get("Relation Name")) for n in nodes(plan)}
    return plan["Total Cost"], scans


@pytest.mark.seconds(180)
def test_lists_of_threads_use_the_index(complete):
    complete.script(THREADS)
    before = {name: explain(complete, sql)
              for name, sql in STATEMENTS.items()}
    for name in ("first page", "next page", "search"):
        assert ("Seq Scan", "Thread") in before[name][1], name
    complete.call("indexes")
    complete.script('VACUUM "Thread"')
    for name, sql in STATEMENTS.items():
        cost, scans = explain(complete, sql)
        assert ("Seq Scan", "Thread") not in scans, name
        # most of the favourites' cost is in reading steps
        assert cost < before[name][0] / (1 if name == "favorites" else 5), name
