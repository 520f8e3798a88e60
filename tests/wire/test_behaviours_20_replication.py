"""Behaviour 20, COPY in both directions at once: clients that replicate.
They speak to a WAL sender of their own, for as long as they like."""
import contextlib
import os
import subprocess

import pytest

from pgwire import ServerError
from waiting import eventually


def run(target, program, *arguments):
    """What one of PostgreSQL's replication programs prints."""
    done = subprocess.run([program, *arguments], text=True, timeout=80,
                          capture_output=True, check=False,
                          env={**os.environ, **target.environment()})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def slot(postgres):
    """A logical replication slot of `wire`, gone afterwards."""
    postgres.rows("select pg_create_logical_replication_slot("
                  "'door', 'test_decoding')")
    yield "door"
    eventually(lambda: postgres.rows("select pg_drop_replication_slot("
                                     "'door')"))


@pytest.mark.parametrize("parameters", [
    {"replication": "true"}, {"replication": "database"},
    {"replication": "on", "options": "-c wal_sender_timeout=7s"},
    {"replication": "false"}, {"replication": "nonsense"}],
    ids=lambda parameters: "-".join(parameters.values()).split()[0])
def test_behaviour_20_replication_commands(postgres, door, parameters):
    """What a WAL sender is asked in simple queries, and who is none."""
    def play(target):
        with contextlib.suppress(ServerError):
            with target.connect(**parameters) as c:
                c.transcript.clear()
                for sql in ("IDENTIFY_SYSTEM", "SHOW wal_sender_timeout",
                            "select 1", "nonsense"):
                    c.ask(sql)
                return [line for line in c.transcript
                        if not line.startswith("D['7")]
        return "refused"
    assert play(door.target) == play(postgres.target)


def test_behaviour_20_base_backup(door, tmp_path):
    """A whole base backup with its WAL streamed beside it, verified by its
    manifest."""
    run(door.target, "pg_basebackup", "-D", str(tmp_path / "backup"),
        "-X", "stream", "-c", "fast")
    run(door.target, "/usr/lib/postgresql/15/bin/pg_verifybackup",
        str(tmp_path / "backup"))


def test_behaviour_20_receive_wal(door, postgres, clean, tmp_path):
    """pg_receivewal up to a position gets the bytes the server has."""
    postgres.rows("create table t as select generate_series(1, 1000) a")
    end = postgres.value("select pg_current_wal_flush_lsn()")
    first = postgres.value("select pg_walfile_name("
                           "pg_current_wal_flush_lsn())")
    run(door.target, "pg_receivewal", "-D", str(tmp_path), "--no-loop",
        f"--endpos={end}", "--synchronous")
    received = sorted(tmp_path.iterdir())[0]
    with open(postgres.data / "pg_wal" / first, "rb") as f:
        there = f.read(8192)
    assert received.name.startswith(first)
    assert received.read_bytes()[:8192] == there


def test_behaviour_20_receive_logical(door, postgres, clean, slot):
    """pg_recvlogical decodes what others write through the door."""
    with door.connect() as c:
        c.ask("create table t (a int, b text)")
        for n in range(50):
            c.ask(f"insert into t values ({n}, 'row {n}')")
    end = postgres.value("select pg_current_wal_flush_lsn()")
    changes = run(door.target, "pg_recvlogical", "-d", "wire", "--slot",
                  slot, "--start", "-f", "-", "--no-loop",
                  f"--endpos={end}")
    inserted = [line for line in changes.splitlines() if "INSERT" in line]
    assert inserted == [
        f"table public.t: INSERT: a[integer]:{n} b[text]:'row {n}'"
        for n in range(50)]


@pytest.mark.door("a bound on who has a server connection for good")
def test_behaviour_20_replication_is_bounded(howdah, postgres):
    """It counts among the pinned clients, SHOW CLIENTS says why, and one too
    many gets 53300; its place is free again when it goes."""
    with howdah(max_pinned=1) as door:
        with door.connect(replication="database") as c:
            assert c.ask("IDENTIFY_SYSTEM")[0].kind == "T"
            pins = [client["pins"] for client in door.show("clients")]
            assert "replication" in pins
            with pytest.raises(ServerError) as error:
                door.connect(replication="database")
            assert error.value.sqlstate == "53300"
        eventually(lambda: door.connect(replication="true").close() is None)
