"""The test house: a PostgreSQL for the session, doors for each module, and
what every test is held to besides its own assertions (the daemon lives, no
sanitizer reported, nothing hangs)."""
import contextlib
import faulthandler
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

import daemon
import differential as differ
from cluster import Cluster, temporary_folder

SECONDS_PER_TEST = 90


def pytest_addoption(parser):
    parser.addoption("--howdah", metavar="PATH", help="the daemon")
    parser.addoption("--door", choices=("howdah", "direct", "pgbouncer"),
                     help="what stands between clients and PostgreSQL; "
                     "default: howdah when --howdah is given, else direct")
    parser.addoption("--clients", metavar="FOLDER",
                     help="where the test programs in C were built; "
                     "default: tests/clients beside the daemon")


def pytest_configure(config):
    config.addinivalue_line("markers", "door(reason): needs a pooler; "
                            "skipped when clients talk to PostgreSQL itself")
    config.addinivalue_line("markers", "seconds(n): may take this long")
    path = config.getoption("howdah")
    if path and not os.access(path, os.X_OK):
        raise pytest.UsageError(f"--howdah={path}: no such program")
    if not config.getoption("door"):
        config.option.door = "howdah" if path else "direct"
    if config.option.door == "howdah":
        if not path:
            raise pytest.UsageError("--door=howdah needs --howdah=PATH")
        binary = pathlib.Path(path).resolve()
        daemon.Howdah.binary = str(binary)
        daemon.Howdah.is_sanitized = b"__asan_init" in binary.read_bytes()


def pytest_report_header(config):
    return f"door: {config.option.door}"


def pytest_collection_modifyitems(config, items):
    if config.option.door != "direct":
        return
    for item in items:
        marker = item.get_closest_marker("door")
        if marker:
            item.add_marker(pytest.mark.skip(
                reason=f"PostgreSQL itself has none: {marker.args[0]}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what the daemons logged during it."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for door in getattr(item.module, "__doors__", ()):
            log = door.log_since_mark()
            if log:
                report.sections.append((f"log of {door.kind}", log[-8000:]))


class TooLong(BaseException):
    """Not an Exception, so that no test swallows it."""


@pytest.fixture(autouse=True)
def watchdog(request):
    """Ends a test that hangs, showing where."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else SECONDS_PER_TEST

    def bark(*_):
        faulthandler.dump_traceback(file=sys.__stderr__)
        raise TooLong(f"more than {seconds} s")
    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def is_long():
    """HOWDAH_TEST_LONG=1: the full numbers instead of the quick ones."""
    return os.environ.get("HOWDAH_TEST_LONG", "") not in ("", "0")


@pytest.fixture(scope="session")
def postgres():
    """The PostgreSQL that doors lead to."""
    cluster = Cluster().create()
    yield cluster
    cluster.destroy()


@pytest.fixture(scope="module")
def make_cluster():
    """make_cluster(): one more PostgreSQL, until the end of the module."""
    with contextlib.ExitStack() as stack:
        def make():
            cluster = Cluster().create()
            stack.callback(cluster.destroy)
            return cluster
        yield make


@pytest.fixture(scope="module")
def own_postgres(make_cluster):
    """A PostgreSQL that a module may crash and restart."""
    return make_cluster()


@pytest.fixture(scope="module")
def make_door(request, make_cluster):  # doors end before their clusters
    """make_door(cluster, **options): a running door, stopped at the end of
    the module unless it was used in a `with`. `passwords` replaces the
    userlist, `limits` is called in the daemon's process before it starts,
    `upstream` is the URL of another server."""
    kind = daemon.KINDS[request.config.option.door]
    doors = []
    request.module.__doors__ = doors

    def make(cluster, passwords=None, limits=None, upstream=None, **options):
        door = kind(cluster, options, passwords=passwords, limits=limits,
                    upstream=upstream)
        doors.append(door)
        door.start()
        return door
    yield make
    with contextlib.ExitStack() as stack:
        for door in doors:
            stack.callback(door.stop)


@pytest.fixture(scope="module")
def howdah(make_door, postgres):
    """howdah(**options): a door to the session's PostgreSQL."""
    return functools.partial(make_door, postgres)


@pytest.fixture(scope="module")
def door(howdah):
    """The module's ordinary door."""
    return howdah()


@pytest.fixture(autouse=True)
def doors_stay_well(request):
    """Each test begins with a fresh mark in every log and ends with every
    daemon alive."""
    doors = getattr(request.module, "__doors__", [])
    for one in doors:
        one.mark_log()
    yield
    for one in doors:
        one.check_alive()


@pytest.fixture
def differential(postgres, door):
    """differential(script, **startup parameters): see differential.py."""
    def run(script, through=None, **parameters):
        target = (through or door).target
        direct = postgres.target.replace(
            user=target.user, password=target.password,
            database=target.database)
        postgres.reset()
        expected = differ.play(script, direct, **parameters)
        postgres.reset()
        actual = differ.play(script, target, **parameters)
        differ.compare(expected, actual)
        return expected
    return run


def assert_alike(expected, actual):
    """Of long texts a failure shows where they differ."""
    if isinstance(expected, tuple) and all(
            isinstance(part, str) for part in (*expected, *actual)):
        differ.compare({f"part {n}": part.splitlines()
                        for n, part in enumerate(expected)},
                       {f"part {n}": part.splitlines()
                        for n, part in enumerate(actual)})
    assert actual == expected


@pytest.fixture
def alike(postgres, door):
    """alike(function): differential for whole programs and drivers.
    function(target) is called for PostgreSQL and for the door, each time on
    an empty `public`; the two results must be equal."""
    def compare(function):
        results = []
        for target in (postgres.target, door.target):
            postgres.reset()
            results.append(function(target))
        assert_alike(*results)
        return results[0]
    return compare


@pytest.fixture
def clean(postgres):
    """An empty `public` for tests that are not differential."""
    postgres.reset()


@pytest.fixture(scope="session")
def certificate():
    """(certificate, key): self-signed, P-256, for 127.0.0.1; readable by
    the unprivileged servers."""
    folder = temporary_folder("tls")
    cert, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o600)
    if os.getuid() == 0:
        for path in (cert, key):
            shutil.chown(path, "postgres", "postgres")
    yield cert, key
    shutil.rmtree(folder)
