"""Howdah's processes with a stand-in door (tests/standin/door.c): started,
asked, killed, and looked at through /proc."""
import contextlib
import fcntl
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import termios

import daemon
import procfs
from ports import free_port
from waiting import eventually

# A server that refuses at once: for tests that need no database.
NO_SERVER = "postgresql://nobody@127.0.0.1:1/nothing"
IS_ROOT = os.getuid() == 0


def binary(config):
    """The stand-in beside the daemon."""
    howdah = config.getoption("howdah")
    if not howdah:
        return None
    return str(pathlib.Path(howdah).resolve().parent / "howdah_standin")


def folder():
    """A folder with a short name that other users may pass through."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="howdah-", dir="/tmp"))
    path.chmod(0o755)
    return path


class Client:
    """A connection to the stand-in door, line by line."""

    def __init__(self, address):
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address), 20)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            self.socket.connect(str(address))
        self.file = self.socket.makefile("r", encoding="utf-8")

    def greet(self):
        """Reads who has taken it in."""
        words = self.line().split()
        self.worker, self.pid = int(words[1]), int(words[3])
        return self

    def line(self):
        return self.file.readline().rstrip("\n")

    def send(self, command):
        self.socket.sendall(command.encode() + b"\n")

    def ask(self, command):
        self.send(command)
        return self.line()

    def is_ended(self):
        """The other side has closed; waits for it."""
        try:
            return self.file.read() == ""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Howdah:
    """One `howdah serve`. Options by field name, or any variable in capital
    letters; None takes one away."""

    def __init__(self, binary, root, **options):
        self.binary = binary
        self.root = pathlib.Path(root)
        self.port = free_port()
        settings = {"HOWDAH_PG_LISTEN": f"127.0.0.1:{self.port}",
                    "HOWDAH_HTTP_LISTEN": "off", "HOWDAH_S3_LISTEN": "off",
                    "HOWDAH_DATA_DIR": str(self.root / "data"),
                    "HOWDAH_DATABASE_URL": NO_SERVER, "HOWDAH_WORKERS": "2"}
        for name, value in options.items():
            if not name.isupper():
                name = daemon.variable(name)
            settings[name] = None if value is None else str(value)
        self.variables = {n: v for n, v in settings.items() if v is not None}
        self.process = None
        self.seen = []  # every pid it ever had

    # -- life

    def environment(self):
        kept = {n: os.environ[n] for n in ("PATH", "TZ") if n in os.environ}
        sanitizers = dict(daemon.SANITIZERS)
        return {**kept, **sanitizers, **self.variables}

    def spawn(self, *args, user=None, prepare=None, **how):
        """Starts it and does not wait."""
        def begin():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if prepare:
                prepare()
        command = [self.binary, "serve", *args]
        if user:
            entry = pwd.getpwnam(user)
            command = ["setpriv", f"--reuid={entry.pw_uid}",
                       f"--regid={entry.pw_gid}", "--clear-groups", *command]
        self.out = open(self.root / "out", "ab")
        self.err = open(self.root / "log", "ab")
        self.mark = self.err.tell()
        self.out_mark = self.out.tell()
        how.setdefault("start_new_session", True)
        self.process = subprocess.Popen(
            command, env=self.environment(), stdout=self.out,
            stderr=self.err, stdin=subprocess.DEVNULL, cwd=self.root,
            preexec_fn=begin, **how)
        return self

    def spawn_on(self, terminal, nohup=False):
        """As a shell of that terminal would."""
        def take_terminal():
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            if nohup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self.spawn(prepare=take_terminal, pass_fds=(terminal,),
                          start_new_session=False)

    def start(self, *args, **how):
        """Returns when all is ready."""
        self.spawn(*args, **how)
        eventually(self._is_ready, what="ready: " + self.log()[-2000:])
        self.look()
        return self

    def _is_ready(self):
        assert self.process.poll() is None, self.log()
        return "event=supervisor.ready" in self.log()

    def refuse(self, *args, **how):
        """Starts it, expects that it ends by itself; its status."""
        self.spawn(*args, **how)
        return self.wait()

    def wait(self, timeout=40):
        status = self.process.wait(timeout)
        self.out.close()
        self.err.close()
        return status

    def stop(self, number=signal.SIGTERM):
        """Orderly; nothing may be left and nothing have been reported."""
        self.look()
        self.process.send_signal(number)
        assert self.wait() == 0, self.log()
        self.check_gone()
        self.check_log()

    def kill(self):
        """With whatever it has started, so that a failed test leaves
        nothing."""
        if self.process and self.process.poll() is None:
            self.look()
            self.process.kill()
            self.wait()
        for pid in self.seen:
            with contextlib.suppress(ProcessLookupError):
                if procfs.is_running(pid):
                    os.kill(pid, signal.SIGKILL)

    # -- looking

    def log(self):
        """What this run has logged."""
        text = (self.root / "log").read_bytes()
        return text[self.mark:].decode("utf-8", "replace")

    def banner(self):
        return (self.root / "out").read_bytes()[self.out_mark:].decode()

    def lines(self, event):
        return [line for line in self.log().splitlines()
                if f" event={event} " in line]

    def wait_for(self, event, text="", n=1):
        """The n-th line of that event that holds the text."""
        def found():
            lines = [x for x in self.lines(event) if text in x]
            return lines[n - 1] if len(lines) >= n else None
        return eventually(found, what=f"{event} {text}: {self.log()[-3000:]}")

    def check_log(self):
        assert not daemon.FATAL_SIGNS.search(self.log()), self.log()

    @property
    def pid(self):
        return self.process.pid

    def look(self):
        """Remembers the processes it has now."""
        found = procfs.tree(self.process.pid)
        self.seen += [p for p in found if p not in self.seen]
        return found

    def check_gone(self):
        eventually(lambda: not any(map(procfs.is_running, self.seen)),
                   what=f"{self.seen} gone")

    def workers(self):
        """pid by number."""
        found = {}
        for pid in procfs.children(self.pid):
            with contextlib.suppress(FileNotFoundError):
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                if name.startswith("howdah-w"):
                    found[int(name[8:])] = pid
        return found

    def postmaster(self):
        """The pid of the embedded server, or None."""
        for pid in procfs.children(self.pid):
            with contextlib.suppress(FileNotFoundError):
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"cluster_name=howdah" in line:
                    return pid
        return None

    # -- clients

    def connect(self):
        return Client(self.port).greet()

    def connect_to(self, worker):
        """The kernel chooses: tries until it is that worker's turn."""
        def attempt():
            client = self.connect()
            if client.worker == worker:
                return client
            client.close()
            return None
        return eventually(attempt, what=f"a connection to worker {worker}")

    def ask(self, command, worker=None):
        with (self.connect() if worker is None
              else self.connect_to(worker)) as client:
            return client.ask(command)


@contextlib.contextmanager
def house(binary):
    """make(**options): a Howdah in a folder of this test; all is killed and
    removed at the end."""
    root = folder()
    made = []

    def make(**options):
        one = Howdah(binary, root, **options)
        made.append(one)
        return one
    make.root = root
    try:
        yield make
    finally:
        for one in made:
            one.kill()
        shutil.rmtree(root, ignore_errors=True)


def signals_of(pid):
    """The masks in /proc/PID/status as sets of numbers."""
    masks = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("SigBlk", "SigIgn", "SigCgt"):
            bits = int(value, 16)
            masks[name] = {n for n in range(1, 65) if bits >> (n - 1) & 1}
    return masks


def files_of(pid):
    """What each descriptor of a process leads to."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found
