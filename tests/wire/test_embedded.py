"""The embedded PostgreSQL: how it is made, who may reach it, and that it ends
in every way Howdah can end."""
import contextlib
import os
import pathlib
import pwd
import signal
import subprocess

import psycopg
import pytest

from cluster import BIN
from processes_support import IS_ROOT, binary, house
from waiting import eventually

needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


@pytest.fixture(scope="module")
def template(request):
    """A database as the first start leaves it: tests begin with a copy."""
    path = binary(request.config)
    if not path:
        pytest.skip("needs --howdah=PATH")
    with house(path) as make_one:
        howdah = make_one(database_url=None, workers=1).start()
        howdah.stop()
        yield folder_of(howdah)


@pytest.fixture
def make(request, template):
    """make(**options): a Howdah with a PostgreSQL of its own, which is there
    already unless it is asked for a fresh one."""
    with house(binary(request.config)) as make_one:
        def make_embedded(fresh=False, **options):
            howdah = make_one(**{"database_url": None, "workers": 1,
                                 **options})
            if not fresh and not folder_of(howdah).exists():
                folder_of(howdah).parent.mkdir(mode=0o711)
                subprocess.run(["cp", "-a", template, folder_of(howdah)],
                               check=True)
            return howdah
        make_embedded.root = make_one.root
        yield make_embedded


def folder_of(howdah):
    return pathlib.Path(howdah.variables["HOWDAH_DATA_DIR"]) / "pg"


def connect(howdah, user="root", password="root", dbname="postgres"):
    return psycopg.connect(host=str(folder_of(howdah)), user=user,
                           password=password, dbname=dbname, autocommit=True)


def ask(howdah, sql, **login):
    with connect(howdah, **login) as connection:
        return connection.execute(sql).fetchall()


def setting(howdah, name):
    return ask(howdah, f"show {name}")[0][0]


def control_data(howdah):
    done = subprocess.run([BIN / "pg_controldata", folder_of(howdah)],
                          text=True, capture_output=True, check=True,
                          env={"LC_ALL": "C"})
    return dict(line.split(":", 1) for line in done.stdout.splitlines())


def state(howdah):
    return control_data(howdah)["Database cluster state"].strip()


def postgres_log(howdah):
    return (folder_of(howdah).parent / "postgres.log").read_text()


def server_user():
    """Who owns the database, by number."""
    return pwd.getpwnam("postgres").pw_uid if IS_ROOT else os.getuid()


def as_server(*command, **how):
    """Runs a command as the user of the server."""
    if IS_ROOT:
        command = ["setpriv", "--reuid", "postgres", "--regid", "postgres",
                   "--clear-groups", *command]
    return subprocess.Popen([str(c) for c in command], **how)


# ---- making and starting


def test_first_start(make):
    howdah = make(fresh=True).start()
    folder = folder_of(howdah)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == server_user()
    assert not (folder.parent / "pg.new").exists()
    assert setting(howdah, "listen_addresses") == ""
    assert setting(howdah, "data_checksums") == "on"
    assert setting(howdah, "server_encoding") == "UTF8"
    assert setting(howdah, "fsync") == "on"
    assert int(setting(howdah, "max_connections")) >= 80
    assert ask(howdah, "select rolname, rolsuper from pg_authid where "
               "rolpassword like 'SCRAM-SHA-256$%'") == [("root", True)]
    howdah.stop()
    assert state(howdah) == "shut down"


def test_tables_before_the_first_client_indexes_soon(make):
    howdah = make(fresh=True, postgres_db="chats of \"all\"").start()
    assert ask(howdah, 'select count(*) from "Thread"',
               dbname='chats of "all"') == [(0,)]
    eventually(lambda: ask(
        howdah, "select count(*) from pg_index i join pg_class c on c.oid = "
        "indexrelid where relname ~ '^howdah_' and indisvalid",
        dbname='chats of "all"')[0][0] > 0)
    howdah.stop()


def test_sorts_and_searches_every_language(make):
    howdah = make().start()
    with connect(howdah) as connection:
        connection.execute("create temp table words (w text)")
        connection.cursor().executemany(
            "insert into words values (%s)",
            [("zebra",), ("Äpfel",), ("apfel",), ("Zug",), ("éclair",),
             ("Ωmega",), ("яблоко",), ("banana",)])
        words = [w for w, in connection.execute(
            "select w from words order by w")]
        assert words == ["apfel", "Äpfel", "banana", "éclair", "zebra",
                         "Zug", "Ωmega", "яблоко"]
        found = [w for w, in connection.execute(
            "select w from words where w ilike any "
            "('{äPF%,ÉCL%,ωMEGA,ЯБЛ%}') order by w")]
        assert found == ["Äpfel", "éclair", "Ωmega", "яблоко"]
        assert connection.execute(
            "select to_tsvector('simple', 'ÄPFEL Яблоко')::text"
            ).fetchone() == ("'äpfel':1 'яблоко':2",)
    howdah.stop()


def test_needs_a_password_even_inside(make):
    howdah = make().start()
    for user, password in (("root", "wrong"), ("root", ""),
                           ("postgres", "root")):
        with pytest.raises(psycopg.OperationalError):
            connect(howdah, user, password)
    howdah.stop()


def test_second_start_keeps_what_was_there(make):
    howdah = make().start()
    with connect(howdah) as connection:
        connection.execute("create table kept as select 42 as n")
    howdah.stop()
    howdah.start()
    assert ask(howdah, "select n from kept") == [(42,)]
    assert not howdah.lines("postgres.init")
    howdah.stop()


def test_changed_password_and_user_count(make):
    howdah = make(postgres_password="it's \\ \"new\" %I $$").start()
    assert ask(howdah, "select 1",
               password="it's \\ \"new\" %I $$") == [(1,)]
    with pytest.raises(psycopg.OperationalError):
        connect(howdah)
    howdah.stop()
    howdah = make(postgres_user="O'Neil \"x\"").start()
    assert ask(howdah, "select current_user, 1",
               user="O'Neil \"x\"") == [("O'Neil \"x\"", 1)]
    howdah.stop()
    assert "it's" not in postgres_log(howdah) + howdah.log()


@pytest.mark.parametrize("fresh", (True, False))
def test_role_and_database_of_the_apps_url(make, fresh):
    """One .env for the app and for Howdah: what the app logs in with is what
    the server has, and where the tables are."""
    howdah = make(fresh=fresh)
    howdah.variables["DATABASE_URL"] = (
        f"postgresql+asyncpg://app:s%20cret@localhost:{howdah.port}/chats")
    howdah.start()
    login = {"user": "app", "password": "s cret", "dbname": "chats"}
    assert ask(howdah, 'select count(*) from "Thread"', **login) == [(0,)]
    assert "s cret" not in howdah.log() + postgres_log(howdah)
    howdah.stop()


def test_max_connections_follow_the_cap(make):
    howdah = make(max_server_connections=7).start()
    assert 7 < int(setting(howdah, "max_connections")) <= 20
    howdah.stop()


def test_runs_in_its_own_session(make):
    howdah = make().start()
    postmaster = howdah.postmaster()
    assert os.getsid(postmaster) == postmaster
    assert os.stat(f"/proc/{postmaster}").st_uid == server_user()
    howdah.stop()


@needs_root
def test_folder_below_one_that_only_root_enters(make):
    """A clone in root's home, which has mode 0700."""
    home = make.root / "home"
    home.mkdir(mode=0o700)
    howdah = make(fresh=True, data_dir=home / "app" / ".howdah").start()
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()
    howdah.start()
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()
    assert state(howdah) == "shut down"


@needs_root
def test_as_an_ordinary_user(make):
    """Not root: the server is this user's."""
    make.root.chmod(0o777)
    howdah = make(fresh=True)
    for name in ("out", "log"):
        (make.root / name).touch()
    howdah.start(user="nobody")
    assert folder_of(howdah).stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()


# ---- clear refusals


def refused(howdah, *texts, **how):
    assert howdah.refuse(**how) == 1, howdah.log()
    for text in texts:
        assert text in howdah.log()
    howdah.check_log()


def test_programs_missing(make):
    refused(make(fresh=True, PATH="/nowhere", pg_bin="/nowhere"),
            "HOWDAH_PG_BIN=/nowhere has no initdb and postgres")


def test_database_of_another_version(make):
    howdah = make()
    (folder_of(howdah) / "PG_VERSION").write_text("9\n")
    refused(howdah, "made by PostgreSQL 9, and only PostgreSQL 15 is here",
            "apt-get install postgresql-9")


def test_folder_that_is_no_database(make):
    howdah = make(fresh=True)
    folder_of(howdah).mkdir(parents=True)
    (folder_of(howdah) / "precious").touch()
    refused(howdah, "is there and is not a database", "move it away")
    assert (folder_of(howdah) / "precious").exists()


@needs_root
def test_database_of_somebody_else(make):
    """Root was here first. Nobody shall be told to move a database away."""
    howdah = make().start()
    howdah.stop()
    other = pwd.getpwnam("nobody")
    os.chown(folder_of(howdah).parent, other.pw_uid, other.pw_gid)
    os.chown(folder_of(howdah).parent / "howdah.lock", other.pw_uid, -1)
    owner = pwd.getpwuid(server_user()).pw_name
    refused(howdah, "may not be read by this user",
            f"it belongs to {owner}: run Howdah as root or that user",
            user="nobody")


def command(howdah, *args, user=None):
    """What another command says that reads the same configuration."""
    words = [howdah.binary, *args]
    if user:
        entry = pwd.getpwnam(user)
        words = ["setpriv", f"--reuid={entry.pw_uid}",
                 f"--regid={entry.pw_gid}", "--clear-groups", *words]
    return subprocess.run(words, env=howdah.environment(), cwd=howdah.root,
                          text=True, capture_output=True, check=False,
                          timeout=60).stdout


@needs_root
def test_commands_beside_a_running_server(make):
    howdah = make().start()
    assert "\nok    connection: /" in command(howdah, "check")
    assert "nothing to do" in command(howdah, "migrate")
    for args in (("check",), ("migrate", "--status"), ("uninstall",)):
        said = command(howdah, *args, user="nobody")
        assert "-> the embedded PostgreSQL may be asked by root" in said
    howdah.stop()
    assert "does not run  -> howdah serve starts it" in command(howdah,
                                                                "check")


def test_lock_that_leads_elsewhere(make):
    howdah = make(fresh=True)
    folder_of(howdah).parent.mkdir()
    precious = make.root / "precious"
    precious.write_text("kept")
    (folder_of(howdah).parent / "howdah.lock").symlink_to(precious)
    refused(howdah, "cannot be used: Too many levels of symbolic links")
    assert precious.read_text() == "kept"


def test_path_too_long_for_a_socket(make):
    refused(make(fresh=True, data_dir=make.root / ("x" * 90)),
            "is too long for a socket", "choose a shorter one")


def fake_programs(make, initdb):
    """A folder of programs with another initdb."""
    programs = make.root / "bin"
    programs.mkdir()
    (programs / "postgres").symlink_to(BIN / "postgres")
    (programs / "initdb").write_text(f"#!/bin/sh\n{initdb}\n")
    (programs / "initdb").chmod(0o755)
    return programs


HALF = 'while [ "$1" != -D ]; do shift; done; mkdir "$2/base"; ' \
    'echo 15 >"$2/PG_VERSION"; '


def test_initdb_that_fails_half_way(make):
    programs = fake_programs(make, HALF + "echo 'initdb: error: no luck' >&2;"
                             "exit 3")
    howdah = make(fresh=True, pg_bin=programs)
    refused(howdah, "initdb ended with exit status 3: error: no luck",
            "postgres.log")
    assert not (folder_of(howdah).parent / "pg.new").exists()
    assert not folder_of(howdah).exists()
    make(fresh=True).start().stop()


def test_howdah_killed_during_initdb(make):
    programs = fake_programs(make, HALF + "exec sleep 1000")
    howdah = make(fresh=True, pg_bin=programs).spawn()
    eventually((folder_of(howdah).parent / "pg.new/PG_VERSION").exists)
    howdah.look()
    howdah.process.kill()
    howdah.wait()
    howdah.check_gone()
    make(fresh=True).start().stop()


def test_ctrl_c_during_initdb(make):
    programs = fake_programs(make, HALF + "exec sleep 1000")
    howdah = make(fresh=True, pg_bin=programs).spawn()
    eventually((folder_of(howdah).parent / "pg.new/PG_VERSION").exists)
    howdah.look()
    os.killpg(howdah.pid, signal.SIGINT)
    assert howdah.wait() == 0
    howdah.check_gone()
    assert not (folder_of(howdah).parent / "pg.new").exists()
    make(fresh=True).start().stop()


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                           f"size={size},mode=755", "tmpfs", path],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Until the disk is full."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)


@needs_root
def test_disk_full(make):
    with small_disk(make.root / "disk", "24m") as disk:
        howdah = make(fresh=True, data_dir=disk / "data")
        refused(howdah, "No space left on device", "the disk that holds")
        assert not folder_of(howdah).exists()
        assert not (disk / "data/pg.new").exists()
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        howdah.start()
        howdah.stop()
        fill(disk / "filler")
        refused(howdah, "No space left on device", "the disk is full")
        os.truncate(disk / "filler",  # room for the lock file alone
                    (disk / "filler").stat().st_size - 4096)
        refused(howdah, "No space left on device", "the disk that holds")
        (disk / "filler").unlink()
        howdah.start()
        howdah.stop()


def test_door_that_refuses_ends_the_server_too(make):
    howdah = make(auth_file="missing")
    assert howdah.refuse() == 2
    assert howdah.lines("postgres.stopped")
    assert state(howdah) == "shut down"
    howdah.check_log()


# ---- ending


def test_killed_supervisor_leaves_no_server(make):
    howdah = make().start()
    howdah.look()
    howdah.process.kill()
    howdah.wait()
    howdah.check_gone()
    assert state(howdah) == "shut down"


def test_restart_right_after_a_kill(make):
    howdah = make().start()
    with connect(howdah) as connection:
        connection.execute("create table kept as select 42 as n")
    howdah.process.kill()
    howdah.wait()
    howdah.start()
    assert ask(howdah, "select n from kept") == [(42,)]
    howdah.stop()


def test_ctrl_c_of_the_group_is_no_crash(make):
    howdah = make().start()
    with howdah.connect() as client:
        assert client.ask("hold") == "held"
        howdah.look()
        os.killpg(howdah.pid, signal.SIGINT)
        howdah.wait_for("supervisor.drain")
        assert ask(howdah, "select 1") == [(1,)]
        assert client.ask("done") == "done"
    assert howdah.wait() == 0
    howdah.check_gone()
    assert state(howdah) == "shut down"


def test_signals_in_quick_succession(make):
    howdah = make().start()
    howdah.look()
    for _ in range(5):
        howdah.process.send_signal(signal.SIGINT)
    assert howdah.wait() == 0
    howdah.check_gone()


def test_stops_while_it_starts(make):
    howdah = make().spawn()
    howdah.process.terminate()
    assert howdah.wait() in (0, -signal.SIGTERM)
    howdah.check_gone()
    howdah.start()
    howdah.stop()


def test_server_that_crashes_is_started_again(make):
    howdah = make().start()
    first = howdah.postmaster()
    os.kill(first, signal.SIGKILL)
    line = howdah.wait_for("postgres.failed")
    assert "postgres ended with signal 9 (Killed)" in line
    howdah.wait_for("postgres.ready", n=2)
    assert howdah.postmaster() != first
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()


# ---- left-overs


def start_server(howdah, *args):
    """A server in the folder that no Howdah watches."""
    server = as_server(BIN / "postgres", "-D", folder_of(howdah), "-c",
                       "listen_addresses=", "-c",
                       "unix_socket_directories=.", *args,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       cwd="/", start_new_session=True)
    eventually(lambda: "ready" in (folder_of(howdah) / "postmaster.pid")
               .read_text())
    return server


def test_left_over_server_is_stopped(make):
    howdah = make()
    left = start_server(howdah, "-c", "cluster_name=howdah")
    howdah.start()
    assert f"pid {left.pid}" in howdah.lines("postgres.leftover")[0]
    assert left.wait(20) == 0
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()


def test_server_of_somebody_else_is_respected(make):
    howdah = make()
    other = start_server(howdah)
    try:
        refused(howdah, f"in use by the PostgreSQL process {other.pid}",
                "which Howdah did not start")
        assert other.poll() is None
    finally:
        other.send_signal(signal.SIGINT)
        assert other.wait(20) == 0


def test_pid_file_that_names_a_stranger(make):
    """After a reboot the number may be anybody's."""
    howdah = make()
    (folder_of(howdah) / "postmaster.pid").write_text(
        f"{os.getpid()}\n{folder_of(howdah)}\n1\n5432\n.\n\n  1 1\nready\n")
    howdah.start()
    assert ask(howdah, "select 1") == [(1,)]
    howdah.stop()


def test_orphaned_backend_is_waited_for(make):
    """A postmaster was killed; one of its processes is still about to
    end."""
    howdah = make()
    (make.root / "postgres").symlink_to("/bin/sleep")
    left = as_server(make.root / "postgres", "1000", cwd=folder_of(howdah),
                     start_new_session=True)
    try:
        howdah.spawn()
        assert str(left.pid) in howdah.wait_for("postgres.leftover")
    finally:
        left.kill()
        left.wait()
    eventually(howdah._is_ready)
    howdah.stop()


def test_shell_in_the_folder_does_not_matter(make):
    howdah = make()
    shell = as_server("sleep", "1000", cwd=folder_of(howdah),
                      start_new_session=True)
    try:
        howdah.start()
        howdah.stop()
    finally:
        shell.kill()
        shell.wait()


def test_log_of_the_server_is_bounded(make):
    howdah = make().start()
    folder = folder_of(howdah).parent
    howdah.stop()
    with open(folder / "postgres.log", "ab") as log:
        log.truncate(10 << 20)
    howdah.start()
    assert (folder / "postgres.log.1").stat().st_size == 10 << 20
    assert (folder / "postgres.log").stat().st_size < 1 << 20
    assert (folder / "postgres.log").stat().st_mode & 0o777 == 0o600
    howdah.stop()
