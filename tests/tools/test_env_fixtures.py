"""What Howdah reads in a .env file is what others read there.

The expected values come from two programs that share no code with Howdah,
nor with each other:

docker-compose 1.29 (Debian's; `config` needs no engine) in two arrangements.
  "env file": the file is .env, and a compose file passes each of its names
  through as "${NAME}"; `config` prints what a container would get. It reads
  .env by python-dotenv, which knows ${NAME} and ${NAME:-default} only: no
  $NAME, no $$, no - ? + operators, nothing nested (a default ends at the
  first }). It differs from compose v2, and so from Howdah, in three things
  that no file here does: it expands in single quotes, it gives the default
  only for an unset variable and not for an empty one, and inside ${} the file
  wins over the environment. So environments are varied in names that the file
  does not set, and empty ones are for bash alone.
  "compose file": the values themselves stand in the compose file, where the
  same program knows $NAME, $$, ${NAME-default}, ${NAME?error} and :?, too,
  though nothing nested and no +.

bash, which sources the file. It knows all eight operators and any nesting,
  but has escapes, CRLF and $ at the end of its own, so those are left out.

The seeds' files go through both; S2.21 with its trailing comment, too: its
defaults stand beside each other, which python-dotenv can do. Defaults inside
defaults are in shell.env, for bash alone.
"""
import os
import shutil
import subprocess

import pytest
import yaml

TOOLS = os.environ["HOWDAH_TOOLS"]
FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures", "env")
PATH = {"PATH": "/usr/bin:/bin"}

# file: the environments it is read in
SEEDS = {
    "chainlit-datalayer.env": [{}],
    "openrag-rdb.env": [{}],
    "openrag-submodule.env": [{}],
    "openrag-defaults.env": [
        {},
        {"POSTGRES_USER": "alice"},
        {"POSTGRES_PASSWORD": "hu$h # x", "POSTGRES_DB": "chainlit"},
        {"POSTGRES_PORT": "5433", "LOCALSTACK_PORT": "4567"},
    ],
}
COMPOSE = {
    **SEEDS,
    "chainlit-gcs.env": [{}],
    "forms.env": [{}, {"NOWHERE": "from outside"}],
}
SHELL = {
    **SEEDS,
    "shell.env": [
        {},
        {"UNSET": "now set"},
        {"UNSET": ""},
        {"POSTGRES_USER": "alice", "DB_PASSWORD": "", "_A1": "_"},
    ],
}


def split(output):
    pairs = [pair.split("=", 1) for pair in output.split("\0") if pair]
    return dict(pairs)


def read_by_howdah(path, environment):
    done = subprocess.run([os.path.join(TOOLS, "print_env"), path],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return split(done.stdout)


def run_compose(folder, environment, values):
    """The values of one service's environment, as docker-compose has them."""
    assert shutil.which("docker-compose"), "apt-get install docker-compose"
    compose = {"version": "3", "services": {
        "probe": {"image": "probe", "environment": values}}}
    with open(folder / "docker-compose.yml", "w") as f:
        yaml.safe_dump(compose, f)
    done = subprocess.run(["docker-compose", "config"], cwd=folder,
                          env={**PATH, **environment}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]["probe"]["environment"]
    # config writes a compose file again, where a $ is doubled
    return {name: value.replace("$$", "$") for name, value in read.items()}


def read_by_compose(path, environment, names, folder):
    shutil.copy(path, folder / ".env")
    return run_compose(folder, environment,
                       {name: "${%s}" % name for name in names})


def read_by_shell(path, environment, names):
    script = 'set -a; . "$0"; for n; do printf "%s=%s\\0" "$n" "${!n}"; done'
    done = subprocess.run(["bash", "--norc", "-c", script, path, *names],
                          env={**PATH, **environment}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return split(done.stdout)


def cases(files):
    return [(name, environment) for name, environments in files.items()
            for environment in environments]


@pytest.mark.parametrize("name, environment", cases(COMPOSE))
def test_as_docker_compose(name, environment, tmp_path):
    path = os.path.join(FIXTURES, name)
    ours = read_by_howdah(path, environment)
    assert ours == read_by_compose(path, environment, ours, tmp_path)


@pytest.mark.parametrize("name, environment", cases(SHELL))
def test_as_a_shell(name, environment):
    path = os.path.join(FIXTURES, name)
    ours = read_by_howdah(path, environment)
    assert ours == read_by_shell(path, environment, ours)


# One line each; the names come from the environment below.
VALUES = [
    "$SET", "${SET}", "<$SET$SET.$SET>", "$$SET", "$$$SET", "$${SET}",
    "${SET:-x}", "${SET-x}", "${EMPTY:-x}", "${EMPTY-x}", "${UNSET:-x}",
    "${UNSET-x}", "${UNSET:-}", "${SET:?x}", "${SET?x}", "${EMPTY?x}",
    "${UNSET:-a b}", "${UNSET:-a:-b}", "$UNSET.", "$EMPTY.",
    "100%", "a#b", "postgresql://${SET}:${UNSET:-root}@postgres:${EMPTY:-5432}/x",
]


def test_as_a_compose_file(tmp_path):
    environment = {"SET": "se$t", "EMPTY": ""}
    path = tmp_path / "howdah.env"
    path.write_text("".join(f"V{i}={value}\n"
                            for i, value in enumerate(VALUES)))
    theirs = run_compose(tmp_path, environment,
                         {f"V{i}": value for i, value in enumerate(VALUES)})
    assert read_by_howdah(path, environment) == theirs


def test_the_seeds_by_hand():
    """The one line that matters most, spelled out."""
    path = os.path.join(FIXTURES, "openrag-submodule.env")
    assert (read_by_howdah(path, {})["DATABASE_URL"]
            == "postgresql://root:root@postgres:5432/postgres")
    path = os.path.join(FIXTURES, "chainlit-datalayer.env")
    assert (read_by_howdah(path, {})["DATABASE_URL"]
            == "postgresql+asyncpg://root:root@localhost:5432/postgres")
