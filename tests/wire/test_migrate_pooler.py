"""A pooler between Howdah and PostgreSQL: in transaction mode it is found out
and refused, whichever server connection it likes to hand out; in session mode
it does no harm."""
import contextlib
import shutil
import subprocess

import psycopg
import pytest

from cluster import temporary_folder, unprivileged
from migrate_cluster import FAILED, OWN_INDEX, POOLER
from migrate_cluster import database, driver, make_database, role  # fixtures
from ports import free_port
from waiting import eventually

FLAVOURS = {
    "the last one back": {},
    "only one": {"default_pool_size": 1},
    "one after the other": {"server_round_robin": 1},
    "cleaned each time": {"server_reset_query_always": 1},
}


@pytest.fixture
def pgbouncer(database):
    """pgbouncer(**settings): the database, reached through PgBouncer."""
    with contextlib.ExitStack() as stack:
        def start(**settings):
            folder = temporary_folder("pgbouncer")
            stack.callback(shutil.rmtree, folder)
            port = start_pgbouncer(stack, folder, database, settings)
            database.port = port
            eventually(lambda: dial(database).close() is None)
            return database
        yield start


def start_pgbouncer(stack, folder, database, settings):
    port = free_port()
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port,
        "unix_socket_dir": "", "auth_type": "scram-sha-256",
        "auth_file": folder / "users", "pool_mode": "transaction",
        "default_pool_size": 6, **settings}
    (folder / "users").write_text(
        f'"{database.user}" "{database.password}"\n', "ascii")
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={database.cluster.port}\n"
        "[pgbouncer]\n"
        + "".join(f"{k} = {v}\n" for k, v in settings.items()), "ascii")
    process = stack.enter_context(subprocess.Popen(
        [*unprivileged(), "/usr/sbin/pgbouncer", "-q", folder / "ini"],
        stderr=subprocess.DEVNULL))
    stack.callback(process.terminate)
    return port


def dial(database):
    return psycopg.connect(
        host="127.0.0.1", port=database.port, user=database.user,
        password=database.password, dbname=database.name)


def warm(database):
    """Four idle server connections for the pooler to choose from."""
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            c = stack.enter_context(dial(database))
            c.execute("SELECT 1")


@pytest.mark.parametrize("is_warm", (False, True), ids=("cold", "warm"))
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_transaction_pooler_is_refused(pgbouncer, flavour, is_warm):
    database = pgbouncer(**FLAVOURS[flavour])
    if is_warm and flavour != "only one":
        warm(database)
    before = database.everything()
    for call in ("migrate", "tables", "indexes", "uninstall"):
        output = database.call(call, expect=POOLER)
        assert "is a transaction pooler" in output
        assert "point HOWDAH_DATABASE_URL at PostgreSQL" in output
    assert database.everything() == before


def test_the_doctor_finds_it(pgbouncer):
    output = pgbouncer().call("check", expect=FAILED)
    assert ("fail  the upstream is a transaction pooler  -> point "
            "HOWDAH_DATABASE_URL at PostgreSQL itself") in output


def test_session_pooler_is_fine(pgbouncer):
    database = pgbouncer(pool_mode="session")
    database.call("migrate")
    assert database.own_indexes() == {OWN_INDEX: True}
    output = database.call("check")
    assert "ok    no transaction pooler in between" in output
