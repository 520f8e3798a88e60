"""Behaviour 30, node-postgres: tests/clients/node_pg.js against PostgreSQL
and through the door."""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

PACKAGE = "pg@8"
PROGRAM = pathlib.Path(__file__).parents[1] / "clients/node_pg.js"


@pytest.fixture(scope="session")
def packages(request):
    """A folder with the npm package pg, installed once per build."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node or npm is not installed")
    path = request.config.getoption("howdah")
    folder = (pathlib.Path(path).resolve().parent / "node" if path else
              pathlib.Path(tempfile.gettempdir()) / "howdah-test-node")
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules/pg").exists():
            done = subprocess.run(
                ["npm", "install", "--prefix", str(folder), "--no-audit",
                 "--no-fund", PACKAGE], text=True, capture_output=True,
                timeout=80, check=False)
            assert done.returncode == 0, done.stderr
    return str(folder / "node_modules")


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
