"""The tables of functions that wire/sql believes in, held against a server.

proto/builtins.def is what proto/builtins.sql makes of a PostgreSQL 15, and
all that proto/functions.def judges is there. A function in neither table
counts as foreign code, which is safe, so newer servers may have more.
"""
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
sys.path[:0] = [os.path.join(ROOT, "tests", "lib"),
                os.path.join(ROOT, "tests", "wire")]

from postgres import Cluster  # noqa: E402

# What 14 has and 15 has not.
OLDER = {"pg_start_backup", "pg_stop_backup"}
# What they set lives in the server's memory until it ends, for pg_upgrade.
UPGRADE = "binary_upgrade_"


def read(name):
    with open(os.path.join(ROOT, "proto", name), encoding="utf-8") as f:
        return f.read()


def names(table, macro):
    return set(re.findall(rf"^{macro}\((\w+)", read(table), re.MULTILINE))


@pytest.fixture(scope="module")
def server():
    with Cluster() as cluster:
        yield cluster.start()


def ask(server, text):
    return set(server.sql(text).split())


def is_15(server):
    return server.sql("SHOW server_version_num").startswith("15")


def test_builtins_are_those_of_the_server(server):
    if not is_15(server):
        pytest.skip("the table is that of PostgreSQL 15")
    argv = [f"{server.bin}/psql", "-XAtq", "-h", server.host, "-p",
            str(server.port), "-U", "postgres", "-f",
            os.path.join(ROOT, "proto", "builtins.sql")]
    made = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert made.stdout == read("builtins.def")


def test_builtins_are_harmless(server):
    volatile = ask(server, """
        SELECT proname FROM pg_proc
        WHERE provolatile = 'v' AND oid < 16384""")
    assert not volatile & names("builtins.def", "BUILTIN")


def test_every_volatile_function_is_judged(server):
    if not is_15(server):
        pytest.skip("the table is that of PostgreSQL 15")
    # Without those that take or return what no statement can have.
    volatile = ask(server, """
        SELECT proname FROM pg_proc
        WHERE provolatile = 'v' AND oid < 16384
            AND pronamespace = 'pg_catalog'::regnamespace
            AND prorettype::regtype::text NOT IN ('internal', 'trigger',
                'event_trigger', 'index_am_handler', 'table_am_handler',
                'fdw_handler', 'language_handler')
            AND (prorettype = 'tsm_handler'::regtype
                OR 'internal'::regtype <> ALL (proargtypes))
            AND proname NOT LIKE 'plpgsql%'""")
    judged = names("functions.def", "FUNCTION")
    assert {name for name in volatile - judged
            if not name.startswith(UPGRADE)} == set()


def test_what_is_judged_is_there(server):
    there = ask(server, """
        SELECT proname FROM pg_proc
        UNION SELECT relname FROM pg_class""")
    assert names("functions.def", "FUNCTION") - OLDER <= there
