"""Tables that differ: what is said of them, that nothing happens without
--repair, and that afterwards Chainlit's own statements run on them with every
row still there."""
import pytest

import migrate_statements
from migrate_cluster import BUSY, CHAT_TABLES, DRIFT, FAILED
from migrate_cluster import database, driver, make_database, role  # fixtures
from migrate_variants import UUID_ROWS, UUIDS, VARIANTS, S, T


def counts(database):
    return [database.value(f'SELECT count(*) FROM "{t}"')
            for t in CHAT_TABLES]


def by_column(structure):
    """Without the physical order, which a repair cannot change."""
    return {**structure, "columns": sorted(structure["columns"])}


@pytest.fixture
def prisma_structure(make_database):
    reference = make_database()
    reference.like_prisma()
    return reference.structure()


@pytest.fixture
def drifted(database):
    """drifted(sql): Prisma's tables, then this."""
    def make(sql=""):
        database.like_prisma()
        if sql:
            database.script(sql)
        return database
    return make


def test_the_statements_run_on_prismas_tables(drifted):
    migrate_statements.run_all(drifted())


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_happens_unasked(database, variant):
    tables, rows = VARIANTS[variant]
    database.script(tables + rows)
    before = database.everything()
    output = database.call("migrate", expect=DRIFT)
    assert "refused" in output and "--repair" in output
    assert '"Thread"."id" is uuid, not text' in output
    assert ('-> ALTER TABLE "Thread" ALTER COLUMN "id" DROP DEFAULT, '
            'ALTER COLUMN "id" TYPE text USING "id"::text, '
            'ALTER COLUMN "id" SET DEFAULT gen_random_uuid();') in output
    database.call("tables", "--repair", "--dry-run")
    database.call("tables", "--status", expect=DRIFT)
    assert database.everything() == before


@pytest.mark.parametrize("variant", VARIANTS)
def test_repaired_tables_are_prismas(database, prisma_structure, variant):
    tables, rows = VARIANTS[variant]
    database.script(tables + rows)
    n_rows = counts(database)
    database.call("tables", "--repair")
    assert counts(database) == n_rows
    database.script('DROP TABLE IF EXISTS "State"')
    assert by_column(database.structure()) == by_column(prisma_structure)
    assert "nothing to do" in database.call("tables")
    migrate_statements.run_all(database)


def test_dry_run_is_what_repair_runs(make_database):
    ours, theirs = make_database(), make_database()
    for one in (ours, theirs):
        one.script(UUIDS + UUID_ROWS)
    sql = ours.call("tables", "--repair", "--dry-run")
    ours.call("tables", "--repair")
    with theirs.connect() as c:
        c.execute(sql)
    assert ours.structure() == theirs.structure()


def test_values_survive(database):
    database.script(UUIDS + UUID_ROWS)
    output = database.call("tables", "--repair")
    assert "times are written in UTC and rounded to milliseconds" in output
    assert ("a JSON string becomes its text, any other value its JSON"
            in output)
    row, = database.rows('SELECT id, metadata, "createdAt"::text FROM "User"')
    assert row[1:] == ({"a": 1}, "2026-01-02 01:04:05.679")
    row, = database.rows('SELECT id, name, tags, metadata, "updatedAt" = '
                         '"createdAt" FROM "Thread"')
    assert row == (T, "rain", ["x", "y"], {}, True)
    row, = database.rows('SELECT id, input, output, type::text, "startTime" '
                         '= "createdAt" FROM "Step"')
    assert row == (S, "how are you?", '{"text": "fine"}', "run", True)
    assert database.value('SELECT "stepId" FROM "Feedback"') == S


# one difference at a time

DIFFERENCES = {
    # what was done: (what is said, the statement offered)
    'ALTER TABLE "Thread" DROP COLUMN "updatedAt"': (
        '"Thread"."updatedAt" is missing',
        'ADD COLUMN "updatedAt" timestamp(3) without time zone NOT NULL '
        'DEFAULT CURRENT_TIMESTAMP;'),
    'ALTER TABLE "User" DROP COLUMN metadata': (
        '"User"."metadata" is missing', 'ADD COLUMN "metadata" jsonb;'),
    'ALTER TABLE "Thread" DROP COLUMN tags': (
        '"Thread"."tags" is missing',
        'ADD COLUMN "tags" text[] DEFAULT ARRAY[]::text[];'),
    'ALTER TABLE "Step" ALTER output SET NOT NULL': (
        '"Step"."output" is NOT NULL, and Chainlit leaves it out',
        'ALTER COLUMN "output" DROP NOT NULL;'),
    'ALTER TABLE "Step" ALTER "createdAt" DROP DEFAULT': (
        '"Step"."createdAt" has no default, not CURRENT_TIMESTAMP',
        'ALTER COLUMN "createdAt" SET DEFAULT CURRENT_TIMESTAMP;'),
    'ALTER TABLE "Element" ADD COLUMN tenant int NOT NULL': (
        '"Element"."tenant" integer is extra, and NOT NULL without a default',
        'ALTER COLUMN "tenant" DROP NOT NULL;'),
    'ALTER TABLE "User" DROP CONSTRAINT "User_pkey" CASCADE': (
        'index "User_pkey" on "User" (id) is missing',
        'ADD CONSTRAINT "User_pkey" PRIMARY KEY ("id");'),
    'DROP INDEX "User_identifier_key"': (
        'index "User_identifier_key" on "User" (identifier) is missing',
        'CREATE UNIQUE INDEX "User_identifier_key"'),
    'ALTER TABLE "Step" DROP CONSTRAINT "Step_threadId_fkey"': (
        'foreign key "Step_threadId_fkey" is missing',
        'ADD CONSTRAINT "Step_threadId_fkey"'),
    'ALTER TABLE "Step" DROP CONSTRAINT "Step_threadId_fkey"; '
    'ALTER TABLE "Step" ADD CONSTRAINT mine FOREIGN KEY ("threadId") '
    'REFERENCES "Thread"(id)': (
        'foreign key "mine" has other actions than Chainlit\'s',
        'DROP CONSTRAINT "mine";'),
    'ALTER TABLE "Step" ALTER type TYPE text; DROP TYPE "StepType"; '
    'CREATE TYPE "StepType" AS ENUM (\'run\', \'tool\')': (
        'type "StepType" lacks the label \'assistant_message\'',
        'ALTER TYPE "StepType" ADD VALUE \'embedding\' AFTER '
        '\'assistant_message\';'),
}


@pytest.mark.parametrize("change", DIFFERENCES)
def test_difference(drifted, change):
    said, offered = DIFFERENCES[change]
    database = drifted(change)
    output = database.call("tables", expect=DRIFT)
    assert said in output and offered in output
    database.call("tables", "--repair")
    assert "nothing to do" in database.call("tables")
    migrate_statements.run_all(database)


HARMLESS = {
    'ALTER TABLE "Step" ALTER "showInput" DROP DEFAULT':
        '"Step"."showInput" has no default, not \'json\'::text',
    'ALTER TABLE "Thread" ALTER metadata SET DEFAULT \'{}\'':
        '"Thread"."metadata" has DEFAULT \'{}\'::jsonb, not none',
    'ALTER TABLE "Thread" ALTER "updatedAt" TYPE timestamp(6)':
        '"Thread"."updatedAt" is timestamp(6) without time zone',
    'ALTER TABLE "Element" ALTER "stepId" DROP NOT NULL':
        '"Element"."stepId" may be NULL',
    'ALTER TABLE "Thread" ALTER name TYPE varchar(100)':
        '"Thread"."name" is character varying(100), not text',
    'DROP INDEX "Step_name_idx"':
        'index "Step_name_idx" on "Step" (name) is missing',
    'UPDATE _prisma_migrations SET finished_at = NULL':
        "Prisma's record says that 20250108095538_add_tags_to_thread failed",
}


@pytest.mark.parametrize("change", HARMLESS)
def test_harmless_difference(drifted, prisma_structure, change):
    """Is a note, and stops nothing; --repair mends it all the same."""
    database = drifted(change)
    before = database.everything()
    assert "nothing to do" in database.call("tables")
    assert database.everything() == before
    assert HARMLESS[change] in database.call("tables", "--status")
    migrate_statements.run_all(database)
    database.call("tables", "--repair")
    assert by_column(database.structure()) == by_column(prisma_structure)


def test_failed_migration_is_given_up(drifted):
    """As `prisma migrate resolve` would: else deploy refuses for ever."""
    database = drifted("UPDATE _prisma_migrations SET finished_at = NULL")
    database.call("tables", "--repair")
    assert database.value(
        "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL "
        "AND rolled_back_at IS NULL") == 0
    assert database.value(
        "SELECT count(*) FROM _prisma_migrations "
        "WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL") == 2


# what rows decide

ORPHAN = """
    ALTER TABLE "Step" DROP CONSTRAINT "Step_parentId_fkey";
    INSERT INTO "Step" (id, "parentId", metadata, type, "startTime",
        "endTime") VALUES ('s', 'nobody', '{}', 'run', now(), now())"""


def test_orphans_are_kept(drifted):
    database = drifted(ORPHAN)
    output = database.call("tables", "--repair")
    assert 'rows of "Step" point at nothing' in output
    assert counts(database)[2] == 1
    assert database.value("SELECT convalidated FROM pg_constraint WHERE "
                          "conname = 'Step_parentId_fkey'") is False
    migrate_statements.run_all(database)
    assert "nothing to do" in database.call("tables", "--repair")
    database.script('UPDATE "Step" SET "parentId" = NULL')
    database.call("tables", "--repair")
    assert database.value("SELECT convalidated FROM pg_constraint WHERE "
                          "conname = 'Step_parentId_fkey'") is True


def test_missing_values_without_a_substitute_stay(drifted):
    database = drifted("""
        ALTER TABLE "Element" ALTER "stepId" DROP NOT NULL;
        INSERT INTO "Element" (metadata, name) VALUES ('{}', 'x')""")
    output = database.call("tables", "--repair")
    assert "may be NULL, and is in some rows: it stays so" in output
    assert counts(database)[3] == 1
    migrate_statements.run_all(database)


@pytest.mark.parametrize("change, said", [
    ('ALTER TABLE "User" ALTER metadata TYPE text; '
     "INSERT INTO \"User\" (identifier, metadata) VALUES ('x', 'no json')",
     "22P02"),
    ('ALTER TABLE "Step" ALTER type TYPE text; INSERT INTO "Step" (metadata, '
     "type, \"startTime\", \"endTime\", output) VALUES ('{}', 'new', now(), "
     "now(), ''); ALTER TABLE \"Step\" ALTER output SET NOT NULL", "22P02"),
    ('DROP INDEX "User_identifier_key"; INSERT INTO "User" (identifier, '
     "metadata) VALUES ('x', '{}'), ('x', '{}')", "23505"),
], ids=("no JSON", "no label", "twice"))
def test_a_repair_is_all_or_nothing(drifted, change, said):
    database = drifted(change)
    before = database.everything()
    output = database.call("tables", "--repair", expect=FAILED)
    assert "nothing was changed" in output and said in output
    assert database.everything() == before


def test_what_cannot_be_converted_is_refused(drifted):
    database = drifted('ALTER TABLE "Thread" ALTER tags DROP DEFAULT, '
                       'ALTER tags TYPE integer USING 1')
    before = database.everything()
    output = database.call("tables", "--repair", expect=DRIFT)
    assert "Howdah has no statement for this" in output
    assert database.everything() == before


def test_a_foreign_table_on_our_keys_stops_the_repair(database):
    """Somebody's own table points at a column that has to change: PostgreSQL
    says so, and nothing is done to that table."""
    database.script(UUIDS + 'CREATE TABLE invoice (owner uuid REFERENCES '
                    '"User"(id))')
    before = database.everything()
    output = database.call("tables", "--repair", expect=FAILED)
    assert "42804" in output and "invoice" in output
    assert database.everything() == before


def test_a_busy_table_is_not_waited_for_long(drifted):
    """A repair that cannot get its locks gives up, so that it does not hold
    up the application behind it."""
    database = drifted('ALTER TABLE "Thread" DROP COLUMN "updatedAt"')
    with database.connect() as c, c.transaction():
        c.execute('SELECT * FROM "Feedback"')
        output = database.call("tables", "--repair", expect=BUSY)
    assert "still working after 5 s" in output
    assert "locking the tables; nothing was changed" in output
    database.call("tables", "--repair")
