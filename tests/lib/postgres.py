"""A throw-away PostgreSQL for tests and benchmarks, in a folder of its own.

The server refuses to run as root, so root starts it as user postgres; anyone
else runs it as themselves. Everything lies in one folder under /tmp that both
can reach, and is gone after stop().
"""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from ports import free_port
from waiting import eventually


def newest_major():
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    majors = [int(re.search(r"/(\d+)/bin", path).group(1)) for path in found]
    if not majors:
        raise SystemExit("PostgreSQL is missing (run deps/install.sh)")
    return max(majors)


def unprivileged(argv, user="postgres"):
    """The command line that runs argv as user when we are root. Either way
    the process ends when we do, however we do."""
    become = []
    if os.geteuid() == 0:
        become = [f"--reuid={user}", f"--regid={user}", "--init-groups",
                  "--reset-env"]
    return ["setpriv", "--pdeathsig=INT", *become, *argv]


class Cluster:
    def __init__(self, initdb=(), **settings):
        self.bin = f"/usr/lib/postgresql/{newest_major()}/bin"
        self.dir = tempfile.mkdtemp(prefix="howdah-pg.", dir="/tmp")
        self.data = f"{self.dir}/data"
        self.host = "127.0.0.1"
        self.port = free_port()
        self.process = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.dir, owner.pw_uid, owner.pw_gid)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-N", "-A",
                 "trust", *initdb)
        self.settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": self.dir,
            "fsync": "off",
            **settings,
        }

    def run(self, program, *args):
        subprocess.run(unprivileged([f"{self.bin}/{program}", *args]),
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        argv = [f"{self.bin}/postgres", "-D", self.data]
        for name, value in self.settings.items():
            argv += ["-c", f"{name}={value}"]
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                unprivileged(argv), stdout=log, stderr=log, cwd="/")
        eventually(self.is_ready, timeout=60, what="PostgreSQL starting")
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            with open(f"{self.dir}/log", encoding="utf-8") as log:
                raise SystemExit(f"PostgreSQL ended at once:\n{log.read()}")
        argv = [f"{self.bin}/pg_isready", "-q", "-h", self.host, "-p",
                str(self.port)]
        return subprocess.run(argv).returncode == 0

    @property
    def pid(self):
        return self.process.pid

    def sql(self, text, dbname="postgres"):
        """Runs statements with psql and returns what it prints."""
        argv = [f"{self.bin}/psql", "-X", "-A", "-t", "-q", "-v",
                "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port),
                "-U", "postgres", "-d", dbname, "-c", text]
        return subprocess.run(argv, check=True, capture_output=True,
                              text=True).stdout.strip()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
