"""What the tests of `howdah migrate` share: databases of their own on the
session's PostgreSQL, calls of migrate/ through tests/tools/migrate_driver, and
pictures of a catalogue to compare."""
import itertools
import os
import pathlib
import subprocess

import psycopg
import pytest

import prisma_schema

OK, FAILED, UNREACHABLE, RIGHTS, POOLER, BUSY, DRIFT, MISSING = (
    0, 1, 3, 4, 5, 6, 7, 8)
PRISMA_LOCK = 72707369
INDEX_LOCK = 7525364775374028801
CHAT_TABLES = ("User", "Thread", "Step", "Element", "Feedback")
OWN_INDEX = "howdah_thread_user_updated"
ROLE_PASSWORD = "rather-secret"
numbers = itertools.count(1)

COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    ORDER BY c.relname COLLATE "C", a.attnum"""
INDEXES = """
    SELECT c.relname, i.relname,
        (SELECT string_agg(a.attname, ',' ORDER BY key.place)
         FROM unnest(x.indkey) WITH ORDINALITY AS key(num, place)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.num),
        x.indisunique
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND x.indisvalid
        AND x.indpred IS NULL
    ORDER BY c.relname COLLATE "C", i.relname COLLATE "C" """
KEYS = """
    SELECT c.relname, k.conname, a.attname, t.relname,
        CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
            ELSE k.confdeltype::text END,
        CASE k.confupdtype WHEN 'c' THEN 'CASCADE'
            ELSE k.confupdtype::text END
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_class t ON t.oid = k.confrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.convalidated
        AND c.relnamespace = 'public'::regnamespace
    ORDER BY c.relname COLLATE "C", k.conname COLLATE "C" """
LABELS = """
    SELECT e.enumlabel FROM pg_enum e
    WHERE e.enumtypid = '"StepType"'::regtype ORDER BY e.enumsortorder"""
# Every object of a database, by a text that says all about it.
EVERYTHING = """
    SELECT 'table', n.nspname, c.relname, c.relkind::text, c.oid::text,
        coalesce(c.relacl::text, ''), pg_get_userbyid(c.relowner)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
    UNION ALL SELECT 'column', c.relname, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
        coalesce(pg_get_expr(d.adbin, d.adrelid), ''), ''
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname,
        pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
    UNION ALL SELECT 'function', proname, oid::regprocedure::text, prosrc,
        '', '', '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'type', typname, oid::text, typtype::text, '', '', ''
    FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL SELECT 'schema', nspname, oid::text, coalesce(nspacl::text, ''),
        '', '', '' FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'extension', extname, extversion, '', '', '', ''
    FROM pg_extension
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname,
        pg_get_triggerdef(oid), '', '', '' FROM pg_trigger
        WHERE NOT tgisinternal
    UNION ALL SELECT 'setting', setdatabase::text, setrole::text,
        setconfig::text, '', '', '' FROM pg_db_role_setting"""


class Database:
    """One database, dropped at the end, and howdah's calls on it."""

    def __init__(self, cluster, name, driver):
        self.cluster = cluster
        self.name = name
        self.driver = driver
        self.user = cluster.target.user
        self.password = cluster.target.password
        self.port = cluster.port

    def url(self):
        return (f"postgresql://{self.user}:{self.password}@127.0.0.1:"
                f"{self.port}/{self.name}?sslmode=disable")

    def become(self, role):
        """Howdah logs in as this role from now on."""
        self.user, self.password = role, ROLE_PASSWORD
        return role

    def connect(self, **options):
        """As the superuser, whoever `howdah` is."""
        target = self.cluster.target
        return psycopg.connect(
            host="127.0.0.1", port=self.cluster.port, user=target.user,
            password=target.password, dbname=self.name, autocommit=True,
            **options)

    def rows(self, sql, *parameters):
        with self.connect() as c:
            found = c.execute(sql, parameters or None)
            return found.fetchall() if found.description else []

    def value(self, sql, *parameters):
        (value,), = self.rows(sql, *parameters)
        return value

    def script(self, sql):
        with self.connect() as c:
            c.execute(sql)

    def start(self, call, *flags, **options):
        return subprocess.Popen(
            [self.driver, call, *flags, self.url()], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def call(self, name, *flags, expect=OK):
        """The output of a call, which must end so."""
        process = self.start(name, *flags)
        output = process.communicate(timeout=80)[0]
        assert process.returncode == expect, output
        assert self.password not in output
        return output

    def like_prisma(self):
        """As `prisma migrate deploy` leaves an empty database."""
        self.script(PRISMA_TABLE)
        for name, sql in prisma_schema.load().migrations().items():
            assert prisma_schema.checksum(sql) == prisma_schema.MIGRATIONS[name]
            self.script(sql)
            self.rows(PRISMA_ROW, prisma_schema.checksum(sql), name)

    # pictures

    def everything(self):
        return set(self.rows(EVERYTHING))

    def structure(self):
        """What clients of the chat tables can see of them."""
        return {"columns": self.rows(COLUMNS), "indexes": self.rows(INDEXES),
                "keys": self.rows(KEYS), "labels": self.rows(LABELS)}

    def own_indexes(self):
        """{name: is valid} of Howdah's own."""
        return dict(self.rows(
            "SELECT i.relname, x.indisvalid FROM pg_index x "
            "JOIN pg_class i ON i.oid = x.indexrelid "
            "WHERE i.relname LIKE 'howdah%'"))


PRISMA_TABLE = """
    CREATE TABLE _prisma_migrations (
        id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL,
        finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
        logs TEXT, rolled_back_at TIMESTAMPTZ,
        started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        applied_steps_count INTEGER NOT NULL DEFAULT 0)"""
PRISMA_ROW = """
    INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at,
        finished_at, applied_steps_count)
    VALUES (gen_random_uuid(), %s, %s, clock_timestamp(), clock_timestamp(),
        1)"""


@pytest.fixture(scope="session")
def driver(request):
    """The program of tests/tools, built beside the daemon."""
    folder = os.environ.get("HOWDAH_TOOLS")
    if not folder:
        howdah = request.config.getoption("--howdah")
        assert howdah, "needs --howdah, or the folder in HOWDAH_TOOLS"
        folder = pathlib.Path(howdah).resolve().parent / "tests"
    return str(pathlib.Path(folder) / "migrate_driver")


@pytest.fixture
def make_database(postgres, driver, role):
    """make_database(create=True): a Database with a name of its own. (Roles
    outlive what they own.)"""
    made = []

    def make(create=True):
        database = Database(postgres, f"chat_{next(numbers)}", driver)
        made.append(database)
        if create:
            postgres.rows(f"create database {database.name}")
        return database
    yield make
    for database in made:
        postgres.rows(f"drop database if exists {database.name} with (force)")


@pytest.fixture
def database(make_database):
    """An empty database."""
    return make_database()


@pytest.fixture
def role(postgres):
    """role(options): the name of a new role; see Database.become()."""
    made = []

    def make(options=""):
        name = f"tester_{next(numbers)}"
        postgres.rows(f"create role {name} login password "
                      f"'{ROLE_PASSWORD}' {options}")
        made.append(name)
        return name
    yield make
    for name in made:
        for database, in postgres.rows(
                "select datname from pg_database where datallowconn "
                "and datname <> 'template1'"):
            postgres.rows(f"drop owned by {name} cascade", database)
        postgres.rows(f"drop role {name}")
