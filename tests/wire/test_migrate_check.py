"""`howdah check`, line by line, and `howdah uninstall`."""
import re
import shutil
import socket

import pytest

from migrate_cluster import (DRIFT, FAILED, OK, OWN_INDEX, UNREACHABLE,
                             Database)
from migrate_cluster import database, driver, make_database, role  # fixtures

LINE = re.compile(r"(ok  |warn|fail)  (.*?)(?:  -> (.*))?$")


def check(database, *flags, expect=OK):
    """{what: (verdict, what to do)}; every line has the one shape."""
    found = {}
    for line in database.call("check", *flags, expect=expect).splitlines():
        verdict, what, todo = LINE.match(line).groups()
        assert bool(todo) == (verdict != "ok  ") or "configuration" in what
        found[what] = (verdict.strip(), todo)
    assert (expect == OK) == all(v != "fail" for v, _ in found.values())
    return found


def one(found, beginning):
    """The only finding that begins so."""
    (verdict, todo), = [f for what, f in found.items()
                        if what.startswith(beginning)]
    return verdict, todo


def test_all_is_well(database):
    database.call("migrate")
    found = check(database)
    verdicts = {what: verdict for what, (verdict, _) in found.items()}
    # initdb makes clusters without checksums
    assert verdicts.pop("data checksums: off, a failing disk goes "
                        "unnoticed") == "warn"
    assert set(verdicts.values()) == {"ok"}
    assert f"connection: 127.0.0.1:{database.port}, no TLS" in found
    assert 'chat tables: complete in schema "public"' in found
    assert f"index {OWN_INDEX}" in found
    assert one(found, "PostgreSQL 15.")


def test_tables_are_missing(database):
    found = check(database)
    assert one(found, "chat tables: ") == ("warn", "howdah migrate makes them")


def test_tables_differ(database):
    database.like_prisma()
    database.script('ALTER TABLE "Thread" DROP COLUMN "updatedAt"; '
                    'DROP INDEX "Thread_name_idx"')
    found = check(database, expect=FAILED)
    assert one(found, "chat tables: 1 differences would")[0] == "fail"
    assert one(found, "chat tables: 1 differences that do no harm")[0] == "ok"
    assert one(found, f"index {OWN_INDEX}: missing")[0] == "warn"


# configuration

def test_configuration_is_wrong(database):
    found = check(database, "--problems=HOWDAH_WORKERS: '65' is too many\n"
                  "HOWDAH_LOG: 'x' is neither logfmt nor json",
                  expect=FAILED)
    assert {what: verdict for what, (verdict, _) in found.items()} == {
        "configuration: HOWDAH_WORKERS: '65' is too many": "fail",
        "configuration: HOWDAH_LOG: 'x' is neither logfmt nor json": "fail"}


# the way there

def test_nobody_listens(database):
    database.port = 1
    found = check(database, expect=FAILED)
    assert found["host name"] == ("ok", None)
    assert "listen_addresses" in one(found, "connection: ")[1]


def test_embedded_server_is_off(database):
    database.port = 1
    found = check(database, "--embedded")
    assert one(found, "the embedded PostgreSQL") == ("warn",
                                                     "howdah serve starts it")
    said = database.call("migrate", "--embedded", expect=UNREACHABLE)
    assert "-> the embedded PostgreSQL runs while `howdah serve` does" in said


def test_host_is_unknown(database):
    database.url = lambda: "postgresql://u:p4ss@nowhere.invalid/x"
    found = check(database, expect=FAILED)
    assert "DNS" in one(found, "host name: cannot resolve")[1]


def test_password_is_wrong(database):
    database.password = "guess"
    found = check(database, expect=FAILED)
    assert found["connection"] == ("ok", None)
    assert one(found, "login: ") == (
        "fail", "the user or the password of "
        "HOWDAH_DATABASE_URL is not right")


def test_database_is_missing(make_database, role):
    database = make_database(create=False)
    found = check(database)
    assert one(found, "database ") == ("warn", "howdah migrate creates it")
    database.become(role())
    found = check(database, expect=FAILED)
    assert one(found, "database ")[1] == (
        f'as an administrator: CREATE DATABASE "{database.name}"')


def test_server_hangs(database):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        database.port = hole.getsockname()[1]
        found = check(database, "--connect-timeout-ms=300", expect=FAILED)
    assert one(found, "login: no answer from 127.0.0.1")


# TLS

def with_tls(database, parameters):
    plain = database.url().replace("sslmode=disable", "")
    database.url = lambda: plain + parameters
    return database


def test_tls(database, postgres, certificate):
    cert, key = certificate
    with postgres.settings(ssl="on", ssl_cert_file=cert, ssl_key_file=key):
        with_tls(database, f"sslmode=verify-full&sslrootcert={cert}")
        database.call("migrate")
        found = check(database)
    assert f"connection: 127.0.0.1:{database.port}, TLSv1.3" in found


def test_server_without_tls(database):
    with_tls(database, "sslmode=require")
    found = check(database, expect=FAILED)
    assert "sslmode" in one(found, "TLS: ")[1]
    database.call("tables", expect=UNREACHABLE)


# the server

def test_encoding(make_database, postgres):
    database = make_database(create=False)
    postgres.rows(f"create database {database.name} template template0 "
                  "encoding 'LATIN1' locale 'C'")
    database.call("tables")
    assert one(check(database), "encoding: LATIN1")[0] == "warn"


def test_room_for_connections(database, role):
    most = 197  # of 200, three are reserved
    found = check(database, f"--max-server-connections={most + 1}",
                  expect=FAILED)
    assert one(found, "connections: HOWDAH_MAX_SERVER_CONNECTIONS is 198, "
               "the server has room for 197")[1].startswith(
                   "lower HOWDAH_MAX_SERVER_CONNECTIONS to 197")
    with database.connect():
        found = check(database, f"--max-server-connections={most}")
        assert one(found, "connections: ")[0] == "warn"
    database.become(role("connection limit 5"))
    found = check(database, "--max-server-connections=6", expect=FAILED)
    verdict, todo = one(found, "connections: HOWDAH_MAX_SERVER_CONNECTIONS "
                        "is 6, the server has room for 5")
    assert "ALTER ROLE" in todo and "max_connections" not in todo
    database.become(role("connection limit 1"))
    found = check(database, expect=FAILED)
    assert one(found, "connections: ")[1].startswith("raise the role's")


def test_a_role_that_only_looks(database, role):
    database.call("migrate")
    name = database.become(role())
    database.script(f'GRANT SELECT ON "Thread" TO {name}; '
                    f'GRANT SELECT, INSERT, UPDATE, DELETE ON "User" TO {name}')
    found = check(database, expect=FAILED)
    assert one(found, "rights: may not read and write")[1] == (
        "as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON "
        '"public"."Thread", "public"."Step", "public"."Element", '
        f'"public"."Feedback" TO "{name}"')
    database.script('GRANT SELECT, INSERT, UPDATE, DELETE ON "Element", '
                    f'"Feedback", "Step", "Thread" TO {name}')
    assert one(check(database), "rights: may not create")[0] == "warn"
    # and what is complete needs no right to read Prisma's record
    assert "nothing to do" in database.call("tables")
    assert "record is taken for complete" in database.call("tables",
                                                           "--status")


def become_standby(cluster):
    cluster.stop()
    signal = cluster.data / "standby.signal"
    signal.touch()
    shutil.chown(signal, cluster.data.owner(), cluster.data.group())
    cluster.start()


def test_a_standby(make_cluster, driver):
    cluster = make_cluster()
    cluster.rows("create database chat")
    database = Database(cluster, "chat", driver)
    database.call("migrate")
    become_standby(cluster)
    found = check(database, "--url-name=DATABASE_URL", expect=FAILED)
    assert one(found, "the server is a standby")[1] == (
        "give DATABASE_URL the primary")
    assert one(found, "no transaction pooler")[0] == "ok"
    assert [w for w, (v, _) in found.items() if v == "fail"] == [
        "the server is a standby, it takes no writes"]
    assert 'ok       table "Thread"' in database.call("migrate", "--status")
    for call in (("migrate",), ("uninstall", "--yes")):
        assert "-> give HOWDAH_DATABASE_URL the primary" in \
            database.call(*call, expect=UNREACHABLE)


# clients

def test_clients_with_another_name(database, role):
    database.call("migrate")
    client = role()
    url = (f"postgresql://{client}:rather-secret@127.0.0.1:{database.port}/"
           f"{database.name}?sslmode=disable")
    assert one(check(database, f"--client={url}"), "clients: ")[0] == "ok"
    wrong = url.replace("rather-secret", "guess")
    found = check(database, f"--client={wrong}", expect=FAILED)
    assert "password authentication failed" in " ".join(found)
    assert "DATABASE_URL names who logs in" in one(found, "clients: ")[1]


def test_rights(database, role):
    name = database.become(role())
    found = check(database, expect=FAILED)
    assert one(found, "rights: may not")[1] == (
        "as the schema's owner: GRANT USAGE, CREATE ON SCHEMA \"public\" TO "
        f'"{name}"')
    database.like_prisma()
    database.script("GRANT SELECT, INSERT, UPDATE, DELETE "
                    f"ON ALL TABLES IN SCHEMA public TO {name}")
    assert one(check(database), "rights: may not")[0] == "warn"


# uninstall

@pytest.fixture
def installed(database):
    database.call("migrate")
    database.script("CREATE SCHEMA howdah; CREATE TABLE howdah.job (id int); "
                    "COMMENT ON SCHEMA howdah IS 'Howdah''s own tables'")
    return database


def test_uninstall_tells_first(installed):
    before = installed.everything()
    output = installed.call("uninstall")
    assert f'DROP INDEX CONCURRENTLY IF EXISTS "public"."{OWN_INDEX}";' \
        in output
    assert "DROP SCHEMA howdah CASCADE;" in output
    assert installed.everything() == before


def test_uninstall_leaves_what_prisma_made(installed):
    before = installed.everything()
    installed.script("INSERT INTO \"User\" (metadata, identifier) "
                     "VALUES ('{}', 'ann')")
    installed.call("uninstall", "--yes")
    gone = before - installed.everything()
    assert gone and all("howdah" in " ".join(row) or row[1] == "job"
                        for row in gone), gone
    assert installed.own_indexes() == {}
    assert installed.value('SELECT count(*) FROM "User"') == 1
    assert "nothing of Howdah's" in installed.call("uninstall", "--yes")
    assert "nothing to do" in installed.call("tables")


def test_uninstall_of_chats_in_a_schema_howdah(database, role):
    """A role of that name has its tables in a schema of that name."""
    database.script('CREATE SCHEMA howdah; SET search_path = howdah; '
                    'CREATE TABLE "Thread" (id int)')
    before = database.everything()
    output = database.call("uninstall", "--yes")
    assert "the schema howdah is not Howdah's" in output
    assert "nothing of Howdah's" in output
    assert database.everything() == before


def test_uninstall_of_a_drifted_database(database):
    """What Chainlit's tables look like does not matter."""
    database.script('CREATE TABLE "Thread" (id int); '
                    'CREATE INDEX howdah_x ON "Thread" (id); '
                    'CREATE INDEX mine ON "Thread" (id)')
    database.call("tables", expect=DRIFT)
    database.call("uninstall", "--yes")
    assert database.own_indexes() == {}
    assert database.rows("SELECT 1 FROM pg_class WHERE relname = 'mine'")


def test_read_only_by_default(database, postgres):
    """A setting, no standby: it is overridden for our own transactions."""
    with postgres.settings(default_transaction_read_only="on"):
        database.call("migrate")
    assert database.own_indexes() == {OWN_INDEX: True}
