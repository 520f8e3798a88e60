"""`howdah migrate` on databases that are empty, missing, complete or made by
Prisma: what it makes, and what it leaves alone."""
import re
import socket

import psycopg
import pytest

import prisma_schema
from migrate_cluster import (CHAT_TABLES, DRIFT, FAILED, MISSING, OK,
                             OWN_INDEX, RIGHTS, UNREACHABLE)
from migrate_cluster import database, driver, make_database, role  # fixtures


def without_own(indexes):
    return [row for row in indexes if not row[1].startswith("howdah_")]


def chat_only(rows):
    return [row for row in rows if row[0] in CHAT_TABLES]


# the schema

def test_schema_prisma_is_what_prisma_migrated():
    schema = prisma_schema.load()
    for name, sql in schema.migrations().items():
        assert prisma_schema.checksum(sql) == prisma_schema.MIGRATIONS[name]


def test_fresh_database_is_what_schema_prisma_says(database):
    database.call("migrate")
    schema, have = prisma_schema.load(), database.structure()
    assert chat_only(have["columns"]) == schema.catalogue_columns()
    assert (chat_only(without_own(have["indexes"]))
            == schema.catalogue_indexes())
    assert have["keys"] == schema.catalogue_keys()
    assert have["labels"] == [(x,) for x in schema.enums["StepType"]]


def test_fresh_database_is_what_prisma_leaves(make_database):
    ours, theirs = make_database(), make_database()
    ours.call("tables")
    theirs.like_prisma()
    assert ours.structure() == theirs.structure()


def test_prismas_record(database):
    database.call("migrate")
    rows = database.rows(
        "SELECT migration_name, checksum, applied_steps_count, logs, "
        "rolled_back_at, finished_at = started_at, length(id) "
        "FROM _prisma_migrations ORDER BY started_at")
    assert rows == [(name, checksum, 1, None, None, True, 36)
                    for name, checksum in prisma_schema.MIGRATIONS.items()]
    assert database.value("SELECT count(DISTINCT started_at) "
                          "FROM _prisma_migrations") == 2


def test_pgcrypto_and_own_index(database):
    database.call("migrate")
    assert database.value("SELECT count(*) FROM pg_extension "
                          "WHERE extname = 'pgcrypto'") == 1
    assert database.own_indexes() == {OWN_INDEX: True}


# again, and together

def test_twice_changes_nothing(database):
    database.call("migrate")
    before = database.everything()
    assert "nothing to do" in database.call("migrate")
    assert database.everything() == before


def test_ten_at_once(make_database):
    database = make_database(create=False)
    processes = [database.start("migrate") for _ in range(10)]
    outputs = [p.communicate(timeout=80)[0] for p in processes]
    assert {p.returncode for p in processes} == {OK}, outputs
    assert sum("done: " in o for o in outputs) == 1, outputs
    assert sum("building index" in o for o in outputs) == 1, outputs
    assert database.own_indexes() == {OWN_INDEX: True}
    assert database.value("SELECT count(*) FROM _prisma_migrations") == 2


def test_prismas_tables_are_left_as_they_are(database):
    database.like_prisma()
    before = database.everything()
    assert "nothing to do" in database.call("tables")
    assert database.everything() == before
    database.call("migrate")
    new = {row[2] for row in database.everything() - before
           if row[0] == "table"}
    assert new == {OWN_INDEX}


def test_tables_without_prismas_record_get_it(database):
    database.like_prisma()
    database.script("DROP TABLE _prisma_migrations")
    before = database.structure()
    database.call("tables")
    after = database.structure()
    assert chat_only(after["columns"]) == before["columns"]
    assert database.value("SELECT count(*) FROM _prisma_migrations") == 2


def test_one_missing_table_is_made(database):
    database.like_prisma()
    complete = database.structure()
    database.script('DROP TABLE "Feedback"')
    assert 'table "Feedback"' in database.call("tables")
    assert database.structure() == complete


# what is there already

def test_extra_columns_are_fine(database):
    database.like_prisma()
    database.script('ALTER TABLE "Step" ADD COLUMN "command" TEXT, '
                    'ADD COLUMN "defaultOpen" BOOLEAN, '
                    'ADD COLUMN "modes" JSONB')
    before = database.everything()
    database.call("tables")
    assert database.everything() == before
    status = database.call("tables", "--status")
    assert '"Step"."modes" jsonb is extra, and left alone' in status
    assert 'ok       table "Step"' in status


def test_other_applications_are_untouched(database):
    database.script("""
        CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
        INSERT INTO users VALUES (1, 'x');
        CREATE TABLE threads (id uuid, "userId" uuid);
        CREATE INDEX threads_user ON threads ("userId");
        CREATE VIEW people AS SELECT name FROM users;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER touched BEFORE INSERT ON users
            FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE TYPE mood AS ENUM ('ok');
        CREATE SCHEMA other;
        CREATE TABLE other."Thread" (id int);
        GRANT SELECT ON users TO PUBLIC;
        ALTER DATABASE current SET work_mem = '5MB'
        """.replace("DATABASE current", f"DATABASE {database.name}"))
    before = database.everything()
    database.call("migrate")
    after = database.everything()
    assert before <= after
    ours = {"StepType", "_StepType", "_prisma_migrations", "pgcrypto",
            "__prisma_migrations", *CHAT_TABLES,
            *(f"_{name}" for name in CHAT_TABLES)}
    pgcrypto = {row[0] for row in database.rows(
        "SELECT p.proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid "
        "AND d.deptype = 'e'")}
    for row in after - before:
        names = {re.sub(r'^"?(\w+)"?.*', r"\1", part) for part in row[1:3]}
        names |= {name.split("_")[0] for name in names}
        assert (names & (ours | pgcrypto | {OWN_INDEX})
                or any("_prisma_migrations" in part for part in row)), row


def test_a_schema_of_its_own(database):
    """The search_path decides, as it does for Chainlit's statements."""
    database.script("CREATE SCHEMA bot; CREATE TABLE public.\"Thread\" (x int);"
                    f"ALTER DATABASE {database.name} "
                    "SET search_path = bot, public")
    # public has one table of that name, bot has none: still public's
    database.call("tables", expect=DRIFT)
    database.script('DROP TABLE public."Thread"')
    database.call("migrate")
    found = database.rows("SELECT schemaname, count(*) FROM pg_tables "
                          "WHERE schemaname IN ('bot', 'public') GROUP BY 1")
    assert found == [("bot", 6)]
    assert "complete, nothing to do" in database.call("migrate")


def test_somebody_elses_table_is_refused(database):
    database.script('CREATE TABLE "User" (id int PRIMARY KEY, email text)')
    before = database.everything()
    for flags in ((), ("--repair",)):
        output = database.call("tables", *flags, expect=DRIFT)
        assert 'table "User" is somebody else\'s' in output
    assert database.everything() == before


# telling without doing

def test_status(database):
    before = database.everything()
    status = database.call("migrate", "--status", expect=MISSING)
    assert 'missing  table "Thread"' in status
    assert f'missing  index "{OWN_INDEX}"' in status
    assert database.everything() == before
    database.call("migrate")
    status = database.call("migrate", "--status")
    for name in CHAT_TABLES:
        assert f'ok       table "{name}"' in status
    assert "missing" not in status and "wrong" not in status


def test_dry_run_prints_sql_that_does_it(make_database):
    ours, theirs = make_database(), make_database()
    before = ours.everything()
    sql = ours.call("tables", "--dry-run")
    assert ours.everything() == before
    with theirs.connect() as c:
        c.execute(sql)
    ours.call("tables")
    assert ours.structure() == theirs.structure()
    assert "nothing to do" in theirs.call("tables")


def statements(script):
    """Of a script, without its comments."""
    lines = [x for x in script.splitlines() if not x.startswith("--")]
    return [s for s in "\n".join(lines).split(";") if s.strip()]


def test_dry_run_of_an_index_names_the_schema(make_database):
    database = make_database()
    database.script("CREATE SCHEMA chats; ALTER DATABASE "
                    f"{database.name} SET search_path = chats")
    database.call("tables")
    sql = database.call("migrate", "--dry-run")
    database.script(f"ALTER DATABASE {database.name} RESET search_path")
    with database.connect() as c:
        for statement in statements(sql):
            c.execute(statement)
    assert database.own_indexes() == {OWN_INDEX: True}


def test_dry_run_that_is_refused_is_a_script_still(database):
    database.like_prisma()
    database.script('ALTER TABLE "Thread" DROP COLUMN "updatedAt"')
    sql = database.call("tables", "--dry-run", expect=DRIFT)
    assert "refused: 1 differences" in sql and statements(sql) == []


def test_dry_run_without_a_database(make_database):
    database = make_database(create=False)
    sql = database.call("migrate", "--dry-run")
    assert "CREATE DATABASE" in sql and OWN_INDEX in sql
    with pytest.raises(psycopg.OperationalError):
        database.connect()
    assert "missing  database" in database.call("tables", "--status",
                                                expect=MISSING)


# Functions and operators whose arguments fit better than pg_catalog's do. In
# a public schema where everybody may create, anybody may leave them there.
TRAPS = """
    CREATE FUNCTION unnest(name[]) RETURNS SETOF name LANGUAGE plpgsql AS {};
    CREATE FUNCTION unnest(int2vector) RETURNS SETOF int2
        LANGUAGE plpgsql AS {};
    CREATE FUNCTION cardinality(int2[]) RETURNS int LANGUAGE plpgsql AS {};
    CREATE FUNCTION pg_try_advisory_xact_lock(int) RETURNS bool
        LANGUAGE plpgsql AS {};
    CREATE FUNCTION format(text, name) RETURNS text LANGUAGE plpgsql AS {};
    CREATE FUNCTION btrim(varchar) RETURNS text LANGUAGE plpgsql AS {};
    CREATE FUNCTION obj_description(oid, text) RETURNS text
        LANGUAGE plpgsql AS {};
    CREATE FUNCTION trap(int, text) RETURNS text LANGUAGE plpgsql AS {};
    CREATE FUNCTION trap(name, name) RETURNS bool LANGUAGE plpgsql AS {};
    CREATE FUNCTION trap(jsonb, jsonb) RETURNS text LANGUAGE plpgsql AS {};
    CREATE FUNCTION trap(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS {};
    CREATE OPERATOR || (leftarg = int, rightarg = text, function = trap);
    CREATE OPERATOR ~~ (leftarg = name, rightarg = name, function = trap);
    CREATE OPERATOR #>> (leftarg = jsonb, rightarg = jsonb, function = trap);
    CREATE OPERATOR = (leftarg = varchar, rightarg = varchar,
        function = trap);
    CREATE FUNCTION trap(text, name, text) RETURNS text LANGUAGE plpgsql AS {};
    CREATE AGGREGATE string_agg(name, text) (sfunc = trap, stype = text);
    CREATE SCHEMA howdah
    """.replace("{}", "$$BEGIN RAISE EXCEPTION 'trapped'; END$$")
# Columns that a repair converts by such functions, and keys without values.
TRAPPED_TABLES = """
    ALTER TABLE "Element" ALTER "props" TYPE varchar,
        ALTER "mime" TYPE jsonb USING NULL;
    ALTER TABLE "Feedback" DROP CONSTRAINT "Feedback_stepId_fkey";
    ALTER TABLE "Feedback" ALTER "stepId" TYPE varchar;
    INSERT INTO "Step" (id, metadata, type, "startTime", "endTime")
        VALUES ('1', '{}', 'run', now(), now());
    INSERT INTO "Element" ("stepId", metadata, name, props, mime)
        VALUES ('1', '{}', '', '', '"text"');
    INSERT INTO "Feedback" ("stepId", name, value) VALUES ('1', '', 1)"""


@pytest.mark.parametrize("begin", ("empty", "drifted"))
def test_functions_of_others_are_not_called(database, begin):
    if begin == "drifted":
        database.like_prisma()
        database.script(TRAPPED_TABLES)
    database.script(TRAPS)
    is_wrong = begin == "drifted"
    database.call("check", expect=FAILED if is_wrong else OK)
    database.call("migrate", "--status",
                  expect=DRIFT if is_wrong else MISSING)
    database.call("migrate", "--repair")
    assert "nothing to do" in database.call("migrate")
    database.call("check")
    database.call("uninstall", "--yes")


# creating the database, and rights

def test_database_is_created(make_database):
    database = make_database(create=False)
    database.call("migrate")
    assert database.value("SELECT pg_encoding_to_char(encoding) "
                          "FROM pg_database WHERE datname = "
                          "current_database()") == "UTF8"


def test_database_is_created_by_a_plain_role(make_database, role):
    database = make_database(create=False)
    database.become(role("createdb"))
    database.call("migrate")
    assert database.own_indexes() == {OWN_INDEX: True}


def test_database_may_not_be_created(make_database, role):
    database = make_database(create=False)
    database.become(role())
    output = database.call("migrate", expect=RIGHTS)
    assert f'CREATE DATABASE "{database.name}"' in output
    assert "CREATEDB" in output


def test_tables_may_not_be_created(database, role):
    name = database.become(role())
    before = database.everything()
    output = database.call("migrate", expect=RIGHTS)
    assert f'GRANT USAGE, CREATE ON SCHEMA "public" TO "{name}"' in output
    assert database.everything() == before


def test_pgcrypto_may_be_missing(database, role):
    """A role that may create tables and not extensions: PostgreSQL has
    gen_random_uuid() of its own."""
    name = database.become(role())
    database.script(f"GRANT CREATE ON SCHEMA public TO {name}")
    database.call("tables")
    assert database.value('INSERT INTO "User" (metadata, identifier) VALUES '
                          "('{}', 'x') RETURNING length(id)") == 36
    assert "nothing needs it" in database.call("tables", "--status")


def test_repair_takes_the_owner(database, role):
    database.like_prisma()
    database.script('ALTER TABLE "Thread" DROP COLUMN "updatedAt"')
    name = database.become(role())
    database.script(f"GRANT ALL ON SCHEMA public TO {name};"
                    f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    before = database.everything()
    output = database.call("tables", "--repair", expect=RIGHTS)
    assert "only its owner may change it" in output
    assert database.everything() == before


# not reaching it

def test_wrong_password(database):
    database.password = "guess"
    output = database.call("migrate", expect=FAILED)
    assert "28P01" in output
    assert "-> the user or the password of HOWDAH_DATABASE_URL is" in output


def test_nobody_listens(database):
    database.port = 1
    output = database.call("migrate", expect=UNREACHABLE)
    assert "failed: connecting" in output and "listen_addresses" in output
    # told once, though there are two parts
    output = database.call("migrate", "--status", "--url-name=DATABASE_URL",
                           expect=UNREACHABLE)
    assert len(output.splitlines()) == 1
    assert "give HOWDAH_PG_LISTEN that address" in output


def test_a_black_hole(database):
    """An address where nobody answers costs the time given, no more."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        database.port = hole.getsockname()[1]
        output = database.call("migrate", "--connect-timeout-ms=500",
                               expect=UNREACHABLE)
    assert "no answer from 127.0.0.1" in output


def test_lines_for_the_log(database):
    lines = database.call("tables", "--log").splitlines()
    assert all("event=migrate.step" in line for line in lines)
    assert any("done:" in line for line in lines)
