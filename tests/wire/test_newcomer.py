"""The first minutes with Howdah, as README.md tells them: `howdah serve` in a
terminal, the lines of its banner copied, Ctrl-C."""
import asyncio
import fcntl
import os
import pty
import pwd
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import termios

import asyncpg
import pytest

import daemon
import procfs
from ports import free_port
from processes_support import IS_ROOT
from waiting import PATIENCE, eventually

CTRL_C, CTRL_S, CTRL_Q = b"\x03", b"\x13", b"\x11"


class Terminal:
    """A program in a terminal of its own, in a folder."""

    def __init__(self, folder, *command):
        self.master, slave = pty.openpty()
        self.text = ""

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder,
            env={"PATH": os.environ["PATH"], "TERM": "xterm",
                 **daemon.SANITIZERS}, preexec_fn=take_terminal)
        os.close(slave)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # nobody has the other end any more
                return self.text
            self.text += piece.decode().replace("\r\n", "\n")
        return self.text

    def wait_for(self, text, timeout=60):
        eventually(lambda: text in self.read(), timeout=timeout,
                   what=f"{text!r} in:\n{self.text}")
        return self

    def press(self, key):
        os.write(self.master, key)

    def wait(self):
        """Its exit status; what it says last is read, or it would wait."""
        eventually(lambda: (self.read(), self.process.poll())[1] is not None,
                   timeout=2 * PATIENCE, what=f"the end of:\n{self.text}")
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def home(request):
    """A newcomer's folder, with a .env for the app and for Howdah; and whose
    it is."""
    user = getattr(request, "param", "")
    folder = tempfile.mkdtemp(prefix="howdah-new-", dir="/tmp")
    port = free_port()
    with open(f"{folder}/.env", "w", encoding="ascii") as f:
        f.write(f'DATABASE_URL="postgresql+asyncpg://ann:s3cret@localhost:'
                f'{port}/chats" # for the app\n'
                f"HOWDAH_PG_LISTEN=127.0.0.1:{port}\nHOWDAH_WORKERS=2\n")
    os.chmod(folder, 0o755)
    if user:
        shutil.chown(folder, user)
    yield folder, user
    shutil.rmtree(folder)


@pytest.fixture
def serve(request, home):
    """Starts `howdah serve` there, as the folder's owner."""
    folder, user = home
    binary = request.config.getoption("howdah")
    started = []

    def start():
        command = [os.path.abspath(binary), "serve"]
        if user:
            entry = pwd.getpwnam(user)
            command = ["setpriv", f"--reuid={entry.pw_uid}",
                       f"--regid={entry.pw_gid}", "--clear-groups", *command]
        started.append(Terminal(folder, *command))
        return started[-1].wait_for("event=supervisor.ready")
    if not binary:
        pytest.skip("needs --howdah=PATH")
    yield start
    for terminal in started:
        terminal.close()


def psql(banner, sql):
    """The banner's line, as it stands, in a shell."""
    line, = re.findall(r"^  (psql '.*')$", banner, re.M)
    return subprocess.run(["sh", "-c", f'{line} -XAtc "$0"', sql], text=True,
                          capture_output=True, timeout=60, check=True,
                          ).stdout.strip()


def by_asyncpg(banner, sql):
    """By the line for the app."""
    url, = re.findall(r"^  DATABASE_URL=(.*)$", banner, re.M)

    async def ask():
        connection = await asyncpg.connect(url, timeout=PATIENCE)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()
    return asyncio.run(ask())


def postmaster(folder):
    with open(f"{folder}/.howdah/pg/postmaster.pid", encoding="utf-8") as f:
        return int(f.readline())


@pytest.mark.seconds(180)
@pytest.mark.parametrize("home", ("", "nobody") if IS_ROOT else ("",),
                         indirect=True)
def test_first_minutes(serve, home):
    terminal = serve()
    banner = terminal.text
    assert "does not answer" not in banner
    server = postmaster(home[0])
    assert psql(banner, "select current_user, current_database()") == \
        "ann|chats"
    assert by_asyncpg(banner, 'select count(*) from "Thread"') == 0
    terminal.press(CTRL_C)
    assert terminal.wait() == 0
    assert "all has stopped" in terminal.text
    assert not procfs.is_running(server)

    terminal = serve()
    terminal.press(CTRL_S)  # stops the terminal, and no client
    for i in range(20):
        assert by_asyncpg(banner, f"select {i}") == i
    terminal.press(CTRL_Q)
    eventually(lambda: by_asyncpg(banner, "select 1") == 1
               and "event=log.lost" in terminal.read())
    terminal.press(CTRL_C + CTRL_C)
    assert terminal.wait() == 0
    assert "s3cret" not in terminal.text.replace(":s3cret@", "", 2)


def test_killed_in_the_terminal(serve, home):
    terminal = serve()
    server = postmaster(home[0])
    terminal.process.kill()
    terminal.wait()
    eventually(lambda: not procfs.is_running(server))
    terminal = serve()
    assert "did not end cleanly" in terminal.text
    assert psql(terminal.text, "select 1") == "1"
    terminal.press(CTRL_C)
    assert terminal.wait() == 0
