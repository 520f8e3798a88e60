"""Behaviours 28 and 29: limits under attack; reload, drain and crashes
under load."""
import concurrent.futures
import contextlib
import os
import re
import resource
import signal
import subprocess
import threading
import time

import pytest

import procfs
from backend import Message
from cluster import PASSWORDS
from pgwire import Closed, ServerError
from ports import free_port
from waiting import eventually

# 28. limits


@pytest.mark.door("a limit of its own, with an admin console behind it")
def test_behaviour_28_max_clients(howdah):
    """One client too many gets FATAL 53300; the admin still gets in; who
    leaves makes room."""
    with howdah(max_clients=10, workers=2) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(10)]
            for _ in range(5):
                with pytest.raises(ServerError) as error:
                    door.connect()
                assert error.value.sqlstate == "53300"
                assert error.value.message.fields["S"] == "FATAL"
            assert door.show("version")
            assert all(c.is_usable() for c in crowd)
            crowd[0].close()
            eventually(lambda: door.connect().close() is None)


def refusal(target):
    """The transcript of a login that is refused."""
    with target.dial() as c:
        with pytest.raises(ServerError):
            c.login()
        c.until_closed()
        return c.transcript


@pytest.mark.parametrize("user, password", [
    ("wire", "wrong"), ("wire", ""), ("nobody", "wrong"), ("plain", "wrong"),
    ("guest", "wrong"), ("wire", "x" * 900), ("wire\twith tab", "wrong")])
def test_behaviour_28_wrong_password(postgres, door, user, password):
    """A wrong password is refused in PostgreSQL's words; an unknown user
    cannot be told from a wrong password."""
    shown = [refusal(target.replace(user=user, password=password))
             for target in (postgres.target, door.target)]
    assert shown[0] == shown[1]


def first_server_message(target):
    """What SCRAM tells about a user: iteration count, length of the salt
    and the salt."""
    with target.dial() as c:
        c.startup({"user": target.user, "database": "wire"}).take(1)
        scram = c.answer(Message("R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
        scram.final(c.message().body[4:])
        told = scram.server_first
        return told["i"], len(told["s"]), told["s"]


def test_behaviour_28_mock_logins(door):
    """The salt of an unknown user is as stable and as long as that of a
    known one, and not everybody's."""
    known = first_server_message(door.target)
    unknown = [first_server_message(door.target.replace(user=user))
               for user in ("nobody", "nobody", "somebody")]
    assert {told[:2] for told in unknown} == {known[:2]}
    assert unknown[0] == unknown[1] != unknown[2]


def test_behaviour_28_passwords_are_guessed(door):
    """Hundreds of wrong passwords: honest clients go on, new ones log in,
    the log is not flooded."""
    attempts = 400
    wrong = door.target.replace(password="guess")

    def guess():
        for _ in range(attempts // 4):
            with contextlib.suppress(ServerError, Closed):
                wrong.connect().close()
    door.mark_log()
    with door.connect() as honest:
        threads = [threading.Thread(target=guess) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert honest.is_usable()
            with door.connect() as fresh:
                assert fresh.is_usable()
    log = door.log_since_mark()
    assert log.count("event=session.refused") < attempts / 2
    if door.kind == "howdah":
        # None is forgotten: what was held back is told as a number.
        def told():
            lines = [line for line in door.log_since_mark().splitlines()
                     if "event=session.refused" in line]
            held = re.findall(r"(\d+) more (?:like it|logins)",
                              "\n".join(lines))
            alone = sum("as wire: " in line for line in lines)
            return alone + sum(map(int, held)) >= attempts
        eventually(told)


@pytest.mark.seconds(300)
@pytest.mark.door("pools")
def test_behaviour_28_invented_databases(howdah):
    """Who asks for one database after the other that does not exist gets
    PostgreSQL's answer each time and uses nothing up."""
    with howdah(workers=1) as door:
        def ask(number):
            for n in range(280):
                with pytest.raises(ServerError) as error:
                    door.target.replace(
                        database=f"invented_{number}_{n}").connect()
                assert error.value.sqlstate == "3D000"
        with concurrent.futures.ThreadPoolExecutor() as executor:
            list(executor.map(ask, range(4)))
        with door.target.replace(database="other").connect() as c:
            assert c.is_usable()
        databases = [row["database"] for row in door.show("pools")]
        assert len(databases) < 300


@pytest.mark.door("a limit of its own")
def test_behaviour_28_files_run_out(howdah):
    """When file descriptors run out the door stops accepting and nothing
    dies; when some are free again it goes on."""
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    with howdah(limits=few_files, workers=1, pool_size=2,
                max_server_connections=10, max_clients=1000,
                max_logins_per_address=1000) as door:
        with door.connect() as inside:
            with contextlib.ExitStack() as stack:
                for _ in range(300):
                    stack.enter_context(door.target.dial())
                for _ in range(20):
                    assert inside.is_usable()
            eventually(lambda: door.connect().close() is None)
            assert inside.is_usable()


def test_behaviour_28_idle_in_transaction(howdah):
    """Who idles in a transaction for too long is ended with 25P03; who
    idles outside of one is not."""
    with howdah(idle_transaction_timeout="500ms") as door:
        with door.connect() as c, door.connect() as idle:
            c.rows("begin")
            (error,) = c.until_closed()
            assert (error.fields["S"], error.sqlstate) == ("FATAL", "25P03")
            assert idle.is_usable()


@pytest.mark.door("a limit of its own")
def test_behaviour_28_idle_clients(howdah):
    """Who asks nothing for too long is ended with 57P05."""
    with howdah(client_idle_timeout="500ms") as door, door.connect() as c:
        (error,) = c.until_closed()
        assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P05")


def test_behaviour_28_users_of_all_kinds(howdah):
    """Plain passwords; a user whose password the server keeps as md5; the
    role that runs the statements is the user's own."""
    with howdah() as door:
        for user in PASSWORDS:
            with door.as_user(user).connect() as c:
                assert c.value("select current_user") == user
                assert c.value("select session_user") == user
                assert c.parameters["session_authorization"] == user
                assert c.parameters["is_superuser"] == (
                    "on" if user == "wire" else "off")


@pytest.mark.door("a userlist")
@pytest.mark.parametrize("kind", ["scram-verifier", "md5-verifier"])
def test_behaviour_28_verifiers(howdah, postgres, kind):
    """A userlist with verifiers only: SCRAM is passed through, md5 is
    checked against the stored hash."""
    user = "plain" if kind == "scram-verifier" else "md5user"
    (verifier,) = postgres.rows(
        f"select rolpassword from pg_authid where rolname = '{user}'")[0]
    auth = "scram" if kind == "scram-verifier" else "md5"
    with howdah(passwords={user: verifier, "wire": PASSWORDS["wire"]},
                auth=auth) as door:
        for _ in range(3):
            with door.as_user(user).connect() as c:
                assert c.value("select current_user") == user
        with pytest.raises(ServerError) as error:
            door.target.replace(user=user, password="wrong").connect()
        assert error.value.sqlstate == "28P01"


# 29. reload, drain, crash

@contextlib.contextmanager
def pgbench(target, seconds, *arguments):
    """pgbench in the background; at the end it must have had no error."""
    environment = {**os.environ, **target.environment()}
    process = subprocess.Popen(
        ["pgbench", "-n", "-T", str(seconds), *arguments], text=True,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 0, err
    assert "number of failed transactions: 0 " in out


@pytest.fixture
def bench_tables(postgres):
    subprocess.run(["pgbench", "-i", "-s", "1", "-q"], check=True,
                   env={**os.environ, **postgres.target.environment()},
                   capture_output=True)


def test_behaviour_29_reload_under_load(door, bench_tables):
    """Many reloads during a load of transactions and prepared statements:
    not one fails, cancel keys and statements stay valid."""
    with door.connect() as c:
        c.parse("s", "select $1::int").sync().until_ready()
        c.rows("begin")
        with pgbench(door.target, 4, "-c", "6", "-j", "2", "-M",
                     "prepared") as load:
            while load.poll() is None:
                door.reload()
                c.bind("", "s", ["1"]).execute().sync()
                assert c.until_ready()[1].values == [b"1"]
                time.sleep(0.05)
        c.rows("commit")
        c.query("select pg_sleep(80)").push()
        c.is_silent(0.3)
        c.cancel()
        assert c.until_ready()[-2].sqlstate == "57014"


@pytest.mark.door("a configuration of its own")
def test_behaviour_29_reload_changes_options(howdah):
    """A reload takes over what may change while running; SHOW CONFIG tells
    it."""
    def pool_size(door):
        return {row["key"]: row["value"]
                for row in door.show("config")}["pool_size"]
    with howdah(pool_size=None) as door, door.connect() as c:
        assert pool_size(door) == "20"
        door.write_env(pool_size=7)
        door.reload()
        eventually(lambda: pool_size(door) == "7")
        assert c.is_usable()


@pytest.mark.door("a configuration of its own")
def test_behaviour_29_bad_reload_changes_nothing(howdah):
    """A configuration with a mistake is refused whole, and the log says
    where it is wrong."""
    with howdah(pool_size=None) as door, door.connect() as c:
        door.mark_log()
        door.write_env(pool_size="many", max_pinned=3)
        door.reload()
        eventually(lambda: "HOWDAH_POOL_SIZE" in door.log_since_mark()
                   and "many" in door.log_since_mark())
        config = {row["key"]: row["value"] for row in door.show("config")}
        assert (config["pool_size"], config["max_pinned"]) == ("20", "10")
        assert c.is_usable()


@pytest.mark.door("a userlist")
def test_behaviour_29_reload_of_users(howdah, postgres):
    """A reload knows new users, forgets removed ones and believes the new
    password, not the keys it had cached."""
    with howdah() as door:
        with door.as_user("plain").connect() as before:
            postgres.rows("alter role plain password 'changed'")
            try:
                door.write_passwords({**PASSWORDS, "plain": "changed"})
                door.reload()
                changed = door.target.replace(user="plain",
                                              password="changed")
                eventually(lambda: changed.connect().close() is None)
                with pytest.raises(ServerError):
                    door.as_user("plain").connect()
                postgres.terminate_backends("usename = 'plain'")
                eventually(lambda: not postgres.n_backends(
                    "usename = 'plain'"))
                with changed.connect() as c:
                    assert c.is_usable()
                assert before.is_usable()
            finally:
                postgres.rows("alter role plain password 'plain-secret'")


class Depositor(threading.Thread):
    """Inserts one row per transaction; counts what was acknowledged."""

    def __init__(self, door, number):
        super().__init__(daemon=True)
        self.c = door.connect()
        self.number = number
        self.acknowledged = 0
        self.asked = 0

    def run(self):
        with contextlib.suppress(ServerError, Closed, ConnectionError):
            while True:
                self.c.rows("begin")
                self.c.rows(f"insert into t values ({self.number})")
                self.asked += 1
                self.c.rows("commit")
                self.acknowledged += 1


@pytest.mark.door("a process that can be told to go")
def test_behaviour_29_drain(howdah, postgres, clean):
    """SIGTERM: who is in a transaction finishes it, nobody new gets in, all
    that was acknowledged is there, and the end is clean (status 0)."""
    with howdah() as door:
        inside = door.connect()
        inside.rows("create table t (a int)")
        crowd = [Depositor(door, n) for n in range(1, 7)]
        for one in crowd:
            one.start()
        inside.rows("begin; insert into t values (0)")
        eventually(lambda: all(one.acknowledged > 5 for one in crowd))
        door.process.send_signal(signal.SIGTERM)
        for one in crowd:
            one.join(30)
            assert one.asked == one.acknowledged
        assert inside.value("select count(*) from t where a = 0") == "1"

        def is_refused():
            with contextlib.suppress(ConnectionError, Closed, ServerError):
                door.connect().close()
                return False
            return True
        eventually(is_refused)
        inside.rows("commit")
        inside.until_closed()
        door.process.wait(30)
    counted = dict(postgres.rows("select a, count(*) from t group by a"))
    assert counted == {"0": "1", **{str(one.number): str(one.acknowledged)
                                    for one in crowd}}


@pytest.mark.door("a process that can be told to go")
def test_behaviour_29_drain_answers_what_was_asked(howdah):
    """A statement that is there when SIGTERM comes is answered before its
    client is told to go, though nobody had read it."""
    with howdah(workers=1) as door, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(40)]
        (worker,) = door.workers()
        os.kill(worker, signal.SIGSTOP)
        for n, c in enumerate(crowd):
            c.query(f"select {n}").push()
        door.process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        for n, c in enumerate(crowd):
            found = [str(m) for m in c.until_closed()]
            assert f"D['{n}']" in found
        assert door.process.wait(30) == 0


@pytest.mark.door("a process that can be told to go")
def test_behaviour_29_drain_has_a_deadline(howdah):
    """Who never ends a transaction is ended, with 57P01."""
    with howdah(drain_timeout="1s") as door:
        inside = door.connect()
        inside.rows("begin")
        door.process.send_signal(signal.SIGTERM)
        (error,) = inside.until_closed()
        assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P01")
        assert door.process.wait(30) == 0


@pytest.mark.door("worker processes")
def test_behaviour_29_worker_crash(howdah):
    """A worker that dies is replaced, its server connections are given
    back, the clients of the other notice nothing."""
    with howdah(workers=2, pool_size=4) as door:
        door.may_lose_workers = True
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(20)]
            assert all(c.is_usable() for c in crowd)
            victim = door.workers()[0]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: any(not c.is_silent(0) for c in crowd))
            left = [c for c in crowd if c.is_silent(0)]
            assert all(c.is_usable() for c in left)
            eventually(lambda: len(door.workers()) >= 2)
            fresh = [stack.enter_context(eventually(door.connect))
                     for _ in range(20)]
            for c in fresh:
                c.query("select pg_sleep(0.01)").push()
            for c in fresh:
                assert c.until_ready()[-2].kind == "C"
        log = door.log()
        assert str(victim) in log


@pytest.mark.door("a supervisor")
def test_behaviour_29_supervisor_killed(howdah):
    """Nothing is left running when the supervisor is killed."""
    with howdah(workers=2) as door:
        family = procfs.tree(door.pid)
        assert len(family) >= 3
        door.may_lose_workers = True
        door.process.kill()
        door.process.wait()
        eventually(lambda: not any(map(procfs.is_running, family)))
        door.process = None


@pytest.mark.door("a lock file")
def test_behaviour_29_second_daemon(howdah):
    """A second daemon on the same folder or port refuses to start and says
    why; the first is not disturbed."""
    with howdah() as door:
        for listen, data in ((f"127.0.0.1:{door.port}", "other"),
                             (f"127.0.0.1:{free_port()}", "data")):
            environment = {**door.environment, "HOWDAH_PG_LISTEN": listen,
                           "HOWDAH_DATA_DIR": str(door.folder / data)}
            second = subprocess.run(
                [door.binary, "serve"], env=environment, text=True,
                cwd=door.folder, capture_output=True, timeout=30,
                check=False)
            assert second.returncode != 0
            named = listen if data == "other" else str(door.folder / data)
            assert named in second.stderr
        with door.connect() as c:
            assert c.is_usable()
