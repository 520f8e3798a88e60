"""node-postgres, for the programs in tests/clients: a fixture to import."""
import pathlib

import pytest

# Debian's, or where deps/install.sh puts it when node is another vendor's.
PLACES = (pathlib.Path("/usr/share/nodejs"),
          pathlib.Path(__file__).parents[2] / "build/node/node_modules")


@pytest.fixture(scope="session")
def packages():
    """The folder that has the package pg."""
    found = [str(place) for place in PLACES if (place / "pg").exists()]
    assert found, "node-postgres is missing: deps/install.sh test"
    return found[0]
