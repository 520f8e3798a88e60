"""Supervisor and workers: what is refused before the start, what survives a
crash, how it ends, how it takes over a new configuration."""
import os
import pty
import re
import signal
import socket
import stat
import subprocess

import pytest

from ports import free_port
from processes_support import (IS_ROOT, Client, binary, files_of, house,
                               signals_of)
from waiting import eventually


@pytest.fixture
def make(request):
    """make(**options): a Howdah that is not started yet."""
    path = binary(request.config)
    if not path:
        pytest.skip("needs --howdah=PATH")
    with house(path) as make_one:
        yield make_one


def run(make, *args, **variables):
    """One command of the program, to its end."""
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([make().binary, *args], text=True, timeout=60,
                          capture_output=True, env=environment, cwd=make.root)


# ---- arguments


def test_help_lists_commands_exits_and_options(make):
    done = run(make, "--help")
    assert done.returncode == 0
    for word in ("serve", "migrate", "check", "uninstall", "Exit status",
                 "HOWDAH_PG_LISTEN", "--pool-size"):
        assert word in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("command", ("serve", "migrate", "check",
                                     "uninstall", "help"))
def test_each_command_has_its_help(make, command):
    direct = run(make, command, "--help")
    assert direct.returncode == 0
    assert f"howdah {command}" in direct.stdout
    assert all(len(line) <= 80 for line in direct.stdout.splitlines())
    assert run(make, "help", command).stdout == direct.stdout


def test_version(make):
    done = run(make, "--version")
    assert re.fullmatch(r"howdah \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("typed, meant", (("sevre", "serve"),
                                          ("migarte", "migrate"),
                                          ("chek", "check")))
def test_unknown_command_names_the_nearest(make, typed, meant):
    done = run(make, typed)
    assert done.returncode == 2
    assert f'did you mean "{meant}"' in done.stderr


def test_unknown_command_far_from_all(make):
    done = run(make, "xyzzy")
    assert done.returncode == 2
    assert "did you mean" not in done.stderr


@pytest.mark.parametrize("typed, said", (
    (("--versoin",), 'did you mean "--version"?'),
    (("--pool-size=3", "serve"), "howdah serve --pool-size=3"),
    (("migrate", "--staus"), "did you mean --status?"),
    (("migrate", "--dryrun"), "did you mean --dry-run?"),
    (("uninstall", "--yess"), "did you mean --yes?"),
    (("serve", "--hlep"), "did you mean --help?"),
    (("serve", "--pol-size=3"), "did you mean --pool-size?"),
    (("migrate", "--status", "--repair"), "--status only looks"),
    (("migrate", "--dry-run", "--status"), "--status only looks")))
def test_wrong_arguments(make, typed, said):
    done = run(make, *typed)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_check_of_a_configuration_that_cannot_be_used(make):
    done = run(make, "check", "--pool-size=none")
    assert done.returncode == 2
    assert "fail  configuration: --pool-size=none: " in done.stdout


@pytest.mark.parametrize("args", (("--help",), ("--version",),
                                  ("help", "migrate"), ("check",)))
def test_output_that_gets_lost(make, args):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([make().binary, *args], text=True, timeout=60,
                              stdout=full, stderr=subprocess.PIPE,
                              cwd=make.root)
    assert done.returncode == 1
    assert "standard output: No space left on device" in done.stderr


def test_no_command_is_wrong(make):
    done = run(make)
    assert done.returncode == 2
    assert "Commands" in done.stderr


def test_every_problem_is_a_line(make):
    howdah = make(workers="many", pool_size="0", drain_timeout="soon")
    assert howdah.refuse() == 2
    for name in ("HOWDAH_WORKERS", "HOWDAH_POOL_SIZE",
                 "HOWDAH_DRAIN_TIMEOUT"):
        lines = [x for x in howdah.log().splitlines() if name in x]
        assert len(lines) == 1, howdah.log()


# ---- what is refused before the start


def test_serves_and_ends(make):
    howdah = make().start()
    assert f"psql 'postgresql://nobody@127.0.0.1:{howdah.port}/nothing'" in \
        howdah.banner()
    assert len(howdah.workers()) == 2
    with howdah.connect() as client:
        assert client.pid == howdah.workers()[client.worker]
    howdah.stop()
    assert (make.root / "data/howdah.lock").read_text() == ""


def test_one_gateway_per_data_directory(make):
    first = make().start()
    second = make()
    assert second.refuse() == 1
    assert f"in use by the Howdah with pid {first.pid}" in second.log()
    first.stop()


def test_two_gateways_on_one_port(make):
    """SO_REUSEPORT alone would let both have it."""
    first = make().start()
    second = make(data_dir=make.root / "other",
                  pg_listen=f"127.0.0.1:{first.port}")
    assert second.refuse() == 1
    assert f"cannot listen on 127.0.0.1:{first.port}: another process " \
        "listens there already" in second.log()
    first.stop()


def test_port_of_a_stranger_with_reuseport(make):
    howdah = make()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", howdah.port))
        other.listen()
        assert howdah.refuse() == 1
    assert "another process listens there already" in howdah.log()
    howdah.start().stop()


def test_several_listeners(make):
    howdah = make()
    second, third = free_port(), free_port()
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", second))
        except OSError:
            pytest.skip("no IPv6 on this machine")
    howdah.variables["HOWDAH_PG_LISTEN"] = (
        f"127.0.0.1:{howdah.port},[::1]:{second},:{third},unix:door")
    howdah.variables["HOWDAH_INSECURE"] = "yes"
    howdah.start()
    for address in (("127.0.0.1", howdah.port), ("::1", second),
                    ("127.0.0.1", third), ("::1", third)):
        with socket.create_connection(address, 20) as client:
            assert client.recv(7) == b"worker "
    howdah.stop()


def test_address_of_another_machine(make):
    howdah = make(pg_listen="192.0.2.1:6432", insecure="yes")
    assert howdah.refuse() == 1
    assert "this machine does not have that address" in howdah.log()


def test_unix_socket(make):
    path = make.root / "data/door"
    howdah = make(pg_listen="unix:door").start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    with Client(path).greet() as client:
        assert client.ask("get pool_size") == "20"
    howdah.stop()
    assert not path.exists()


def test_stale_unix_socket_is_replaced(make):
    path = make.root / "door"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    howdah = make(pg_listen=f"unix:{path}").start()
    Client(path).greet().close()
    howdah.stop()


def test_live_unix_socket_is_respected(make):
    path = make.root / "door"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        howdah = make(pg_listen=f"unix:{path}")
        assert howdah.refuse() == 1
        assert "another process listens there already" in howdah.log()
        assert path.exists()


def test_unix_socket_does_not_replace_a_file(make):
    path = make.root / "door"
    path.write_text("precious")
    howdah = make(pg_listen=f"unix:{path}")
    assert howdah.refuse() == 1
    assert "no socket is in the way" in howdah.log()
    assert path.read_text() == "precious"


def test_unix_socket_of_a_successor_is_left_alone(make):
    path = make.root / "door"
    howdah = make(pg_listen=f"unix:{path}").start()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        howdah.stop()
        assert path.exists()


def test_unusable_data_directory(make):
    (make.root / "data").write_text("a file")
    howdah = make()
    assert howdah.refuse() == 1
    assert "HOWDAH_DATA_DIR" in howdah.log()
    assert "name a folder" in howdah.log()


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_data_directory_of_somebody_else(make):
    make().start().stop()
    howdah = make()
    howdah.spawn(user="nobody")
    assert howdah.wait() == 1
    assert "it belongs to root: run Howdah as that user" in howdah.log()


def url(howdah):
    """What stands in the banner behind psql, and behind DATABASE_URL."""
    text = howdah.banner()
    return (re.findall(r"psql '(.*)'", text),
            re.findall(r"DATABASE_URL=(.*)", text))


def test_banner_shows_no_password_that_is_one(make):
    howdah = make(database_url="postgresql://me:s%20cret@127.0.0.1:1/d").start()
    at = f"127.0.0.1:{howdah.port}/d"
    assert url(howdah) == ([f"postgresql://me@{at}"],
                           [f"postgresql://me:PASSWORD@{at}"])
    assert "PASSWORD is that of HOWDAH_DATABASE_URL" in howdah.banner()
    assert "cret" not in howdah.banner() + howdah.log()
    howdah.stop()
    howdah = make(database_url="postgresql://me:root@127.0.0.1:1/d").start()
    assert url(howdah)[1] == [f"postgresql://me:root@127.0.0.1:{howdah.port}/d"]
    howdah.stop()


def test_banner_without_a_server_behind(make):
    howdah = make().start()
    assert "The server behind does not answer yet" in howdah.banner()
    howdah.stop()


def test_banner_of_a_socket(make):
    howdah = make(pg_listen=f"unix:{make.root}/door,"
                  f"unix:{make.root}/.s.PGSQL.77").start()
    folder = str(make.root).replace("/", "%2F")
    assert url(howdah)[0] == [
        f"postgresql://nobody@/nothing?host={folder}&port=77"]
    howdah.stop()
    howdah = make(pg_listen=f"unix:{make.root}/door").start()
    assert url(howdah) == ([], [])
    assert ".s.PGSQL.PORT" in howdah.banner()
    howdah.stop()


def test_no_listener_at_all(make):
    howdah = make(pg_listen="off").start()
    assert "no client can connect" in howdah.lines("supervisor.closed")[0]
    howdah.stop()


def test_socket_in_place_of_a_folder(make):
    howdah = make(pg_listen=f"unix:{make.root}")
    assert howdah.refuse() == 1
    assert "that is a folder; name the socket file in it" in howdah.log()
    assert not howdah.lines("supervisor.end")


def test_door_that_refuses_the_configuration(make):
    howdah = make(auth_file="missing")
    assert howdah.refuse() == 2
    assert howdah.lines("door.refused")
    howdah.check_log()


# ---- clean children


def test_workers_have_their_own_descriptors_only(make):
    howdah = make().start()
    for pid in howdah.workers().values():
        files = files_of(pid)
        kinds = [re.sub(r"[:\[].*", "", what) for what in files.values()]
        assert "anon_inode" in kinds
        # its control socket and its listener
        assert kinds.count("socket") == 2, files
        # two bells, one eventfd of its loop
        bells = [w for w in files.values() if "eventfd" in w]
        assert len(bells) == 3, files
        assert not [w for w in files.values() if "signalfd" in w], files
        assert not [w for w in files.values()
                    if str(make.root / "data") in w], files
    howdah.stop()


def test_workers_leave_signals_to_the_supervisor(make):
    howdah = make().start()
    for pid in howdah.workers().values():
        masks = signals_of(pid)
        assert masks["SigBlk"] == set()
        assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                signal.SIGPIPE} <= masks["SigIgn"]
        os.kill(pid, signal.SIGTERM)
    with howdah.connect() as client:
        assert client.ask("get pool_size") == "20"
    howdah.stop()


def test_supervisor_starts_no_thread(make):
    howdah = make().start()
    assert os.listdir(f"/proc/{howdah.pid}/task") == [str(howdah.pid)]
    howdah.stop()


# ---- crashes


def test_killed_worker_is_replaced(make):
    howdah = make().start()
    before = howdah.workers()
    with howdah.connect_to(0) as doomed, howdah.connect_to(1) as other:
        for _ in range(3):
            assert doomed.ask("take") == "taken"
        assert other.ask("permits") == "3"
        os.kill(before[0], signal.SIGKILL)
        assert doomed.is_ended()
        line = howdah.wait_for("worker.ended")
        assert f"worker 0, pid {before[0]}, ended with signal 9 (Killed)" \
            in line
        assert "starts in 100 ms" in line
        assert other.ask("permits") == "0"
    with howdah.connect_to(0) as again:
        assert again.pid != before[0]
    assert howdah.workers()[1] == before[1]
    assert len(howdah.lines("worker.ended")) == 1
    howdah.stop()


def test_crash_tells_its_signal(make):
    howdah = make().start()
    with howdah.connect_to(1) as client:
        client.send("crash")
    assert "signal 6 (Aborted)" in howdah.wait_for("worker.ended")
    howdah.connect_to(1).close()
    howdah.stop()


def test_crashes_in_a_row_wait_longer(make):
    howdah = make(workers=1).start()
    waits = []
    for n in range(1, 4):
        pid = eventually(lambda: howdah.workers().get(0))
        os.kill(pid, signal.SIGKILL)
        line = howdah.wait_for("worker.ended", n=n)
        waits.append(int(re.search(r"starts in (\d+) ms", line)[1]))
    assert waits == [100, 200, 400]
    howdah.connect().close()
    howdah.stop()


def test_connections_wait_for_the_replacement(make):
    """The socket is the supervisor's: what queues in it is not lost."""
    howdah = make(workers=1).start()
    os.kill(howdah.workers()[0], signal.SIGKILL)
    howdah.connect().close()
    howdah.stop()


def test_worker_that_will_not_end_is_killed(make):
    howdah = make(workers=1, drain_timeout="100ms").start()
    with howdah.connect() as client:
        client.send("hang")
        howdah.process.terminate()
        assert howdah.wait() == 0
    assert howdah.lines("supervisor.deadline")
    howdah.check_gone()


def test_killed_supervisor_leaves_nothing(make):
    howdah = make().start()
    with howdah.connect() as idle:
        howdah.look()
        howdah.process.kill()
        howdah.wait()
        assert idle.is_ended()
    howdah.check_gone()
    howdah.check_log()
    assert len(howdah.lines("worker.orphan")) == 2


def test_orphans_let_transactions_end(make):
    howdah = make(workers=1).start()
    with howdah.connect() as client:
        assert client.ask("hold") == "held"
        howdah.process.kill()
        howdah.wait()
        howdah.wait_for("worker.orphan")
        # while the next one serves already
        after = make(pg_listen=f"127.0.0.1:{howdah.port}")
        after.port = howdah.port
        after.start()
        assert f"pid {howdah.pid}, did not end cleanly" in \
            after.lines("supervisor.unclean")[0]
        assert client.ask("get pool_size") == "20"
        assert client.ask("done") == "done"
        assert client.is_ended()
    howdah.check_gone()
    after.connect().close()
    after.stop()


# ---- ending


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_drain(make, number):
    howdah = make().start()
    with howdah.connect() as idle, howdah.connect() as busy:
        assert busy.ask("hold") == "held"
        howdah.look()
        howdah.process.send_signal(number)
        assert idle.is_ended()
        howdah.wait_for("supervisor.drain")
        eventually(lambda: refuses(howdah.port))
        assert busy.ask("get pool_size") == "20"
        assert howdah.process.poll() is None
        assert busy.ask("done") == "done"
        assert busy.is_ended()
    assert howdah.wait() == 0
    howdah.check_gone()
    howdah.check_log()


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_drain_takes_in_who_waits_at_the_door(make):
    """Connections the kernel has accepted are not reset."""
    howdah = make(workers=1).start()
    worker = howdah.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    clients = [Client(howdah.port) for _ in range(20)]
    howdah.process.terminate()
    howdah.wait_for("supervisor.drain")
    os.kill(worker, signal.SIGCONT)
    for client in clients:
        assert client.greet().pid == worker
        assert client.is_ended()
        client.close()
    assert howdah.wait() == 0
    howdah.check_log()


def test_drain_has_a_deadline(make):
    howdah = make(drain_timeout="200ms").start()
    with howdah.connect() as client:
        assert client.ask("hold") == "held"
        howdah.process.terminate()
        assert client.is_ended()
    assert howdah.wait() == 0
    assert howdah.lines("worker.deadline")
    assert not howdah.lines("supervisor.deadline")
    howdah.check_gone()
    howdah.check_log()


def test_second_signal_stops_at_once(make):
    howdah = make(drain_timeout="1h").start()
    with howdah.connect() as client:
        assert client.ask("hold") == "held"
        howdah.process.send_signal(signal.SIGINT)
        howdah.wait_for("supervisor.drain")
        howdah.process.send_signal(signal.SIGINT)
        assert client.is_ended()
    assert howdah.wait() == 0
    howdah.check_gone()


def test_ctrl_c_reaches_the_whole_group(make):
    howdah = make().start()
    with howdah.connect() as client:
        assert client.ask("hold") == "held"
        howdah.look()
        os.killpg(howdah.pid, signal.SIGINT)
        howdah.wait_for("supervisor.drain")
        assert client.ask("get pool_size") == "20"
        assert client.ask("done") == "done"
    assert howdah.wait() == 0
    howdah.check_gone()
    howdah.check_log()
    assert not howdah.lines("worker.ended")


def test_terminal_that_closes_ends_it(make):
    """HUP from a terminal that has gone is no wish to reload."""
    howdah = make()
    master, slave = pty.openpty()
    howdah.spawn_on(slave)
    os.close(slave)
    eventually(howdah._is_ready)
    howdah.look()
    os.close(master)
    assert howdah.wait() == 0
    howdah.check_gone()


def test_nohup_outlives_the_terminal(make):
    howdah = make()
    master, slave = pty.openpty()
    howdah.spawn_on(slave, nohup=True)
    os.close(slave)
    eventually(howdah._is_ready)
    os.close(master)
    howdah.process.send_signal(signal.SIGHUP)
    howdah.wait_for("config.reloaded")
    howdah.connect().close()
    howdah.stop()


# ---- between workers


def test_messages_to_one_and_to_all_others(make):
    howdah = make(workers=3).start()
    with howdah.connect_to(0) as zero, howdah.connect_to(1) as one, \
            howdah.connect_to(2) as two:
        assert zero.ask("tell 2 hello") == "told"
        eventually(lambda: two.ask("heard") == "ADMIN_ASK from 0: hello")
        assert one.ask("heard") == ""
        assert one.ask("tell -1 all") == "told"
        for client in (zero, two):
            eventually(lambda c=client:
                       c.ask("heard") == "ADMIN_ASK from 1: all")
        assert one.ask("heard") == ""
        assert one.ask("tell 40 nobody") == "told"
        assert one.ask("tell 1 me") == "told"
        eventually(lambda: one.ask("heard") == "ADMIN_ASK from 1: me")
    howdah.stop()


def test_worker_that_does_not_read_is_replaced(make, reloading):
    """Its queue is bounded; and it may not go on with an old
    configuration."""
    text = "x" * 60000
    with reloading.connect_to(0) as zero:
        pid = reloading.workers()[1]
        os.kill(pid, signal.SIGSTOP)
        while not reloading.lines("mail.dropped"):
            assert zero.ask(f"tell 1 {text}") == "told"
        for _ in range(len(text) // 100):  # what is left of the room
            assert zero.ask(f"tell 1 {text[:100]}") == "told"
        write_env(make, "HOWDAH_POOL_SIZE=12\n")
        reloading.process.send_signal(signal.SIGHUP)
        assert f"pid {pid}" in reloading.wait_for("worker.stuck")
        reloading.wait_for("worker.ended")
    assert everywhere(reloading, "pool_size") == ["12", "12"]


def test_bells(make):
    howdah = make().start()
    with howdah.connect_to(0) as zero, howdah.connect_to(1) as one:
        assert one.ask("rung") == "0"
        assert zero.ask("ring 1") == "rung"
        eventually(lambda: int(one.ask("rung")) >= 1)
        assert zero.ask("rung") == "0"
    howdah.stop()


# ---- reload


@pytest.fixture
def reloading(make):
    """A Howdah whose pool size is read from .env."""
    (make.root / ".env").write_text("HOWDAH_POOL_SIZE=11\n")
    howdah = make().start()
    yield howdah
    howdah.stop()


def write_env(make, text):
    (make.root / ".env").write_text(text)


def everywhere(howdah, name):
    return [howdah.ask(f"get {name}", worker) for worker in (0, 1)]


def test_reload_reaches_all_workers(make, reloading):
    assert everywhere(reloading, "pool_size") == ["11", "11"]
    write_env(make, "HOWDAH_POOL_SIZE=12\nHOWDAH_LOGIN_TIMEOUT=7s\n")
    reloading.process.send_signal(signal.SIGHUP)
    reloading.wait_for("config.reloaded")
    eventually(lambda: everywhere(reloading, "pool_size") == ["12", "12"])
    assert everywhere(reloading, "login_timeout") == ["7s", "7s"]
    os.kill(reloading.workers()[0], signal.SIGKILL)
    assert reloading.ask("get pool_size", 0) == "12"


def test_bad_configuration_changes_nothing(make, reloading):
    write_env(make, "HOWDAH_POOL_SIZE=none\nHOWDAH_LOGIN_TIMEOUT=7s\n")
    reloading.process.send_signal(signal.SIGHUP)
    reloading.wait_for("config.refused")
    assert "HOWDAH_POOL_SIZE" in reloading.lines("config.problem")[0]
    assert everywhere(reloading, "pool_size") == ["11", "11"]
    assert everywhere(reloading, "login_timeout") == ["15s", "15s"]
    os.kill(reloading.workers()[0], signal.SIGKILL)
    assert reloading.ask("get pool_size", 0) == "11"


def test_configuration_that_the_door_refuses(make, reloading):
    write_env(make, "HOWDAH_POOL_SIZE=12\nHOWDAH_AUTH_FILE=missing\n")
    reloading.process.send_signal(signal.SIGHUP)
    assert "HOWDAH_AUTH_FILE" in reloading.wait_for("config.refused")
    assert everywhere(reloading, "pool_size") == ["11", "11"]
    os.kill(reloading.workers()[0], signal.SIGKILL)
    assert reloading.ask("get pool_size", 0) == "11"
    assert not reloading.lines("config.reloaded")


def test_option_that_needs_a_restart(make, reloading):
    write_env(make, "HOWDAH_POOL_SIZE=12\nPOSTGRES_DB=other\n")
    reloading.process.send_signal(signal.SIGHUP)
    reloading.wait_for("config.reloaded")
    assert "needs a restart" in reloading.lines("config.warning")[0]
    assert everywhere(reloading, "pool_size") == ["12", "12"]


def test_reload_and_set_from_a_console(make, reloading):
    assert reloading.ask("set pool_size=13") == "asked"
    eventually(lambda: everywhere(reloading, "pool_size") == ["13", "13"])
    with reloading.connect() as client:  # faster than they are tried
        for n in range(14, 24):
            assert client.ask(f"set pool_size={n}") == "asked"
        assert client.ask("set login_timeout=9s") == "asked"
    eventually(lambda: everywhere(reloading, "pool_size") == ["23", "23"])
    eventually(lambda: everywhere(reloading, "login_timeout") == ["9s", "9s"])
    assert reloading.ask("set pool_size=none") == "asked"
    reloading.wait_for("config.refused")
    assert reloading.ask("reload") == "asked"  # forgets what was set
    eventually(lambda: everywhere(reloading, "pool_size") == ["11", "11"])


def test_worker_that_dies_while_it_tries(make, reloading):
    write_env(make, "HOWDAH_POOL_SIZE=12\n")
    pid = reloading.workers()[0]
    os.kill(pid, signal.SIGSTOP)
    reloading.process.send_signal(signal.SIGHUP)
    reloading.wait_for("supervisor.signal")
    os.kill(pid, signal.SIGKILL)
    assert "ended" in reloading.wait_for("config.refused")
    assert everywhere(reloading, "pool_size") == ["11", "11"]
    reloading.process.send_signal(signal.SIGHUP)
    eventually(lambda: everywhere(reloading, "pool_size") == ["12", "12"])


# ---- a database that does not answer


def test_migrations_are_tried_again(make):
    howdah = make().start()
    howdah.wait_for("chore.later", "migrate")
    howdah.connect().close()
    howdah.stop()


def test_ends_while_a_migration_waits(make):
    """A server that takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        howdah = make(
            HOWDAH_DATABASE_URL=f"postgresql://x@127.0.0.1:{port}/x")
        howdah.spawn()
        silent.settimeout(20)
        silent.accept()
        howdah.look()
        howdah.process.terminate()
        assert howdah.wait() == 0
        howdah.check_gone()

