"""node-postgres, for the programs in tests/clients: a fixture to import."""
import fcntl
import pathlib
import shutil
import subprocess
import tempfile

import pytest

PACKAGE = "pg@8"


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
