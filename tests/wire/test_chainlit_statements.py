"""Chainlit's data layer at work: 12 processes of 10 connections each on a
pool of 8, statement names colliding across them, without an error; and
through a crash of PostgreSQL, without a connection lost that was idle."""
import contextlib
import json
import pathlib
import signal
import subprocess
import time

import pytest

import chat_schema
from waiting import eventually

PROGRAM = pathlib.Path(__file__).parents[1] / "clients/chainlit_layer.py"
PROCESSES = 12
POOL_SIZE = 8
# How a statement may fail whose server connection died under it.
LOST = {"57P01", "57P02", "08000", "08006", "08003", "08007",
        "ConnectionDoesNotExistError"}


@pytest.fixture(scope="module")
def chat_door(make_door, own_postgres):
    door = make_door(own_postgres, pool_size=POOL_SIZE,
                     query_wait_timeout="60s")
    chat_schema.ensure(own_postgres)
    return door


@contextlib.contextmanager
def chats(door, turns):
    """The processes, running; afterwards the list of their reports."""
    reports = []
    door.cluster.rows('truncate "User", "Thread", "Step", "Element", '
                      '"Feedback"')
    processes = [subprocess.Popen(
        ["/usr/bin/python3", PROGRAM, door.target.url(), str(number),
         str(turns)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
        for number in range(PROCESSES)]
    try:
        yield reports
        for process in processes:
            out, err = process.communicate(timeout=150)
            assert process.returncode == 0, err[-3000:]
            reports.append(json.loads(out))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()


def merged(reports, what):
    found = {}
    for report in reports:
        for key, count in report[what].items():
            found[key] = found.get(key, 0) + count
    return found


def check_database(cluster):
    """All chats were deleted by those who chatted."""
    for table, left in (("Thread", "0"), ("Step", "0"), ("Element", "0"),
                        ("User", str(PROCESSES * 10))):
        assert cluster.value(f'select count(*) from "{table}"') == left


@pytest.mark.seconds(240)
def test_chainlit_statements(chat_door, own_postgres, is_long):
    """No statement fails, everything is read back as it was written, and no
    more server connections were used than the pool may have."""
    with chats(chat_door, turns=10 if is_long else 2) as reports:
        eventually(lambda: own_postgres.n_backends() > 4)
        if chat_door.is_door:
            assert own_postgres.n_backends() <= POOL_SIZE + 2
    assert merged(reports, "failed") == {}
    assert [wrong for report in reports for wrong in report["wrong"]] == []
    assert sum(report["idle_lost"] for report in reports) == 0
    assert sum(report["done"] for report in reports) > PROCESSES * 500
    check_database(own_postgres)
    with chat_door.connect() as c:  # asyncpg switched it off, and on again
        assert c.value("show jit") == "on"


@pytest.mark.seconds(240)
@pytest.mark.door("clients that outlive their server")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT],
                         ids=["crash", "restart"])
def test_chainlit_through_a_crash(chat_door, own_postgres, how):
    """Only statements that were on a server connection fail, once each; no
    idle connection is lost, and everything is read back in the end."""
    with chats(chat_door, turns=4) as reports:
        eventually(lambda: int(own_postgres.value(
            'select count(*) from "Step"')) > 400, timeout=100)
        own_postgres.stop(how)
        time.sleep(0.5)  # they go on asking meanwhile
        own_postgres.start()
    failed = merged(reports, "failed")
    assert set(failed) <= LOST
    assert sum(failed.values()) <= 2 * POOL_SIZE
    assert [wrong for report in reports for wrong in report["wrong"]] == []
    assert sum(report["idle_lost"] for report in reports) == 0
    check_database(own_postgres)
