"""Behaviour 30, node-postgres: tests/clients/node_pg.js against PostgreSQL
and through the door."""
import json
import os
import pathlib
import subprocess

from node_packages import packages  # noqa: F401, a fixture

PROGRAM = pathlib.Path(__file__).parents[1] / "clients/node_pg.js"


def test_behaviour_30_node_postgres(alike, packages):
    def work(target):
        done = subprocess.run(
            ["node", PROGRAM, target.url()], text=True, timeout=80,
            capture_output=True, check=False,
            env={**os.environ, "NODE_PATH": packages})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    seen = alike(work)
    assert seen["named"][0] == [{"n": 2}]
    assert seen["wrongPassword"]["code"] == "28P01"
