"""The door under test: Howdah itself, or what stands in for it.

Three kinds behind one shape (the --door option):

  howdah     the real daemon, started from --howdah=PATH
  direct     no door: clients talk to PostgreSQL. Everything that does not
             need a pooler must pass; this proves the tests.
  pgbouncer  Debian's pgbouncer in transaction mode. Many tests must fail;
             this proves that they can.

A Door has a `target` to connect to; options are those of proto/options.def
by field name. stop() checks that it ended well.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.parse

import frontend
import procfs
from cluster import PASSWORDS, temporary_folder, unprivileged
from pgwire import Target
from ports import free_port
from waiting import eventually

# Any of these in the log is a bug of the daemon, whatever the test saw.
FATAL_SIGNS = re.compile(
    r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|"
    r"check\.failed|SUMMARY: \w*Sanitizer")
DEFAULTS = {
    "pool_size": 8,
    "workers": 2,
    "http_listen": "off",
    "s3_listen": "off",
    "log_level": "info",
    # Never the same backend twice when there is another: what leaks shows.
    "test_scatter": "yes",
}
# Variables that do not follow the pattern HOWDAH_<FIELD>.
VARIABLES = {"postgres_user": "POSTGRES_USER",
             "postgres_password": "POSTGRES_PASSWORD",
             "postgres_db": "POSTGRES_DB",
             "log_format": "HOWDAH_LOG"}
SANITIZERS = {
    # A small quarantine, or every memory bound would measure ASan itself.
    "ASAN_OPTIONS": "quarantine_size_mb=1:detect_leaks=1:abort_on_error=0:"
                    "malloc_context_size=8",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
ASAN_SLACK = 12 << 20
DRAIN = 40


OPTIONS_TABLE = pathlib.Path(__file__).parents[2] / "proto/options.def"


def variable(field):
    """The environment variable of an option, which must be a row of the
    table, whatever kind of door is asked for it."""
    name = VARIABLES.get(field, "HOWDAH_" + field.upper())
    assert f'OPTION({field}, "{name}"' in OPTIONS_TABLE.read_text("ascii")
    return name


class Door:
    """What the kinds have in common."""
    kind = None
    is_door = True  # something stands between client and server

    def __init__(self, cluster, options):
        self.cluster = cluster
        self.options = options
        self.variables = {variable(field): str(value) for field, value
                          in {**DEFAULTS, **options}.items()
                          if value is not None}
        self.target = cluster.target
        self.process = None
        self.log_path = None
        self.last_log = ""
        self.log_mark = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop(check=kind is None)

    def connect(self, **parameters):
        return self.target.connect(**parameters)

    def as_user(self, user):
        return self.target.replace(user=user, password=PASSWORDS[user])

    def admin(self, database="howdah"):
        """A connection to the admin console."""
        return self.target.replace(database=database).connect()

    def show(self, what):
        """SHOW of the admin console as a list of dicts."""
        with self.admin() as c:
            names, found = [], []
            for m in c.ask(f"show {what}"):
                if m.kind == "T":
                    names = [column[0] for column in m.columns]
                elif m.kind == "D":
                    found.append(dict(zip(names, [
                        None if v is None else v.decode()
                        for v in m.values])))
                assert m.kind != "E", m
            return found

    def n_waiting(self):
        """Clients that wait for a server connection."""
        return sum(int(pool["cl_waiting"]) for pool in self.show("pools"))

    def log(self):
        """All it has logged; still there after stop()."""
        if self.log_path and self.log_path.exists():
            self.last_log = self.log_path.read_text("utf-8", "replace")
        return self.last_log

    def log_since_mark(self):
        return self.log()[self.log_mark:]

    def mark_log(self):
        """log_since_mark() starts here."""
        self.log_mark = len(self.log())

    def check_alive(self):
        """Fails when the daemon is gone or has reported a bug."""

    def start(self):
        """Returns when clients can connect."""
        raise NotImplementedError

    def reload(self):
        """Has it read its configuration again."""
        raise NotImplementedError

    def stop(self, check=True):
        """Ends it orderly; with `check`, holds it to a clean end."""

    @property
    def pid(self):
        return self.process.pid

    @contextlib.contextmanager
    def memory_grows_at_most(self, limit):
        """Holds the peak of the whole tree's resident memory to its present
        size plus `limit` bytes. Only a door is held to it."""
        if not self.is_door:
            yield
            return
        before = procfs.rss_bytes(self.pid)
        procfs.forget_peaks(self.pid)
        yield
        grown = procfs.peak_bytes(self.pid) - before
        allowed = limit + self.memory_slack()
        assert grown <= allowed, (f"memory grew by {grown >> 10} KiB, "
                                  f"{allowed >> 10} KiB allowed")

    def memory_slack(self):
        return 1 << 20


class Direct(Door):
    """PostgreSQL itself, with the settings that come nearest to the
    options."""
    kind = "direct"
    is_door = False
    SETTINGS = {"login_timeout": "authentication_timeout",
                "idle_transaction_timeout":
                    "idle_in_transaction_session_timeout",
                "tls_cert": "ssl_cert_file", "tls_key": "ssl_key_file"}

    def __init__(self, cluster, options, **_):
        super().__init__(cluster, options)
        settings = {self.SETTINGS[k]: v for k, v in options.items()
                    if k in self.SETTINGS}
        if "tls_cert" in options:
            settings["ssl"] = "on"
        self.settings = settings
        self.lent = contextlib.ExitStack()

    def start(self):
        if self.settings:
            self.lent.enter_context(self.cluster.settings(**self.settings))

    def reload(self):
        self.cluster.value("select pg_reload_conf()")

    def stop(self, check=True):
        self.lent.close()


class Daemon(Door):
    """A process with a port of its own and its log in a file."""

    def __init__(self, cluster, options, passwords):
        super().__init__(cluster, options)
        self.folder = temporary_folder(self.kind)
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.port = free_port()
        self.target = Target("127.0.0.1", self.port, cluster.target.user,
                             cluster.target.password,
                             cluster.target.database)
        self.auth_file = self.folder / "userlist"
        self.write_passwords(passwords or PASSWORDS)

    def write_passwords(self, passwords):
        """The userlist, in PgBouncer's format (for a reload)."""
        self.auth_file.write_text("".join(
            f'"{user}" "{password}"\n'
            for user, password in passwords.items()), "ascii")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def spawn(self, command, **arguments):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, **arguments)
        eventually(lambda: self.process.poll() is not None
                   or self.is_answering(), timeout=60,
                   what="the door opening")
        self.check_alive()

    def is_answering(self):
        """Whether somebody answers an SSLRequest: that a connection is
        taken says only that the kernel listens."""
        with self.target.dial() as c:
            return c.say(frontend.ssl_request()).byte() in (b"N", b"S")

    def check_alive(self):
        assert self.process is None or self.process.poll() is None, (
            f"the daemon ended with {self.process.returncode}:\n"
            + self.log()[-4000:])

    def stop(self, check=True):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DRAIN)
        except subprocess.TimeoutExpired:
            status = "still there"
            self.process.kill()
            self.process.wait()
        self.process = None
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        if check:
            self.check_end(status, log)

    def check_end(self, status, log):
        """What a clean end looks like."""


class Howdah(Daemon):
    kind = "howdah"
    binary = None  # set from --howdah
    is_sanitized = False

    def __init__(self, cluster, options, passwords=None, limits=None,
                 upstream=None):
        super().__init__(cluster, options, passwords)
        self.known_workers = []  # seen alive, and should stay so
        self.may_lose_workers = False
        self.environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **SANITIZERS,
            "HOWDAH_PG_LISTEN": f"127.0.0.1:{self.port}",
            "HOWDAH_DATABASE_URL": upstream or cluster.target.url(),
            "HOWDAH_DATA_DIR": str(self.folder / "data"),
            "HOWDAH_AUTH_FILE": str(self.auth_file), **self.variables}
        self.limits = limits

    def start(self):
        self.spawn([self.binary, "serve"], env=self.environment,
                   preexec_fn=self.limits)

    def workers(self):
        """The pids of the worker processes; other children come and go."""
        return procfs.children(self.pid, "howdah-w")

    def write_env(self, **options):
        """Writes the .env of the daemon's folder (for a reload)."""
        (self.folder / ".env").write_text(
            "".join(f"{variable(k)}={v}\n" for k, v in options.items()))

    def check_alive(self):
        super().check_alive()
        self.check_log(self.log_since_mark())
        if self.process:
            self.known_workers = self.known_workers or self.workers()

    @staticmethod
    def check_log(log):
        found = FATAL_SIGNS.search(log)
        assert not found, log[max(0, found.start() - 200):][:6000]

    def stop(self, check=True):
        if self.process is None:
            return
        lost = [] if self.may_lose_workers else [
            pid for pid in self.known_workers if not procfs.is_running(pid)]
        super().stop(check)
        lost = "event=worker.ended" in self.log()
        assert not (check and lost and not self.may_lose_workers), \
            "a worker died"

    def check_end(self, status, log):
        self.check_log(log)
        assert status == 0, f"ended with {status}:\n{log[-4000:]}"

    def memory_slack(self):
        return ASAN_SLACK if self.is_sanitized else super().memory_slack()


class PgBouncer(Daemon):
    kind = "pgbouncer"
    OPTIONS = {"pool_size": "default_pool_size",
               "login_timeout": "client_login_timeout",
               "query_wait_timeout": "query_wait_timeout",
               "max_clients": "max_client_conn",
               "tls_cert": "client_tls_cert_file",
               "tls_key": "client_tls_key_file"}

    def __init__(self, cluster, options, passwords=None, upstream=None, **_):
        super().__init__(cluster, options, passwords)
        self.server = urllib.parse.urlsplit(upstream or cluster.target.url())

    def start(self):
        lines = ["[databases]", f"* = host={self.server.hostname} "
                 f"port={self.server.port}",
                 "[pgbouncer]", "listen_addr = 127.0.0.1",
                 f"listen_port = {self.port}", "unix_socket_dir =",
                 "auth_type = scram-sha-256",
                 f"auth_file = {self.auth_file}", "admin_users = wire",
                 "pool_mode = transaction",
                 "ignore_startup_parameters = extra_float_digits"]
        lines += [f"{self.OPTIONS[k]} = {str(v).rstrip('s')}"
                  for k, v in {"pool_size": 8, **self.options}.items()
                  if k in self.OPTIONS]
        if "tls_cert" in self.options:
            lines.append("client_tls_sslmode = allow")
        ini = self.folder / "pgbouncer.ini"
        ini.write_text("\n".join(lines) + "\n", "ascii")
        for path in (self.log_path, self.auth_file, ini):
            path.chmod(0o666)
        self.spawn([*unprivileged(), "/usr/sbin/pgbouncer", str(ini)])


KINDS = {kind.kind: kind for kind in (Howdah, Direct, PgBouncer)}
