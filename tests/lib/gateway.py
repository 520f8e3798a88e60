"""The gateways that tests and benchmarks put between clients and a cluster:
Howdah itself, Debian's PgBouncer for comparison, or nothing."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from ports import free_port
from postgres import unprivileged
from waiting import eventually

PASSWORD = "postgres"


class Gateway:
    """One running gateway in front of one cluster. It knows the password of
    user postgres, and of others what `users` says: a password or a SCRAM
    verifier. `settings` are its own: environment variables or lines of an ini
    file."""

    name = None

    def __init__(self, cluster, users=None, **settings):
        self.cluster = cluster
        self.settings = settings
        self.host = "127.0.0.1"
        self.port = free_port()
        self.process = None
        self.dir = tempfile.mkdtemp(prefix="howdah-door.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.userlist = f"{self.dir}/userlist.txt"
        with open(self.userlist, "w", encoding="utf-8") as f:
            for user, secret in {"postgres": PASSWORD,
                                 **(users or {})}.items():
                f.write(f'"{user}" "{secret}"\n')

    def command(self):
        """The command line and the environment that start it."""
        raise NotImplementedError

    def start(self):
        argv, environment = self.command()
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                argv, stdout=log, stderr=log, cwd="/",
                env={**os.environ, **environment})
        eventually(self.is_ready, timeout=60, what=f"{self.name} opening")
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended at once:\n{self.log()}")
        with socket.socket() as s:
            return s.connect_ex((self.host, self.port)) == 0

    def log(self):
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    @property
    def pid(self):
        return self.process.pid

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Howdah(Gateway):
    name = "howdah"
    binary = "build/release/howdah"

    def command(self):
        c = self.cluster
        environment = {
            "HOWDAH_PG_LISTEN": f"{self.host}:{self.port}",
            "HOWDAH_HTTP_LISTEN": "off",
            "HOWDAH_S3_LISTEN": "off",
            "HOWDAH_DATABASE_URL": f"postgresql://postgres:{PASSWORD}"
                                   f"@{c.host}:{c.port}/postgres",
            "HOWDAH_DATA_DIR": f"{self.dir}/data",
            "HOWDAH_AUTH_FILE": self.userlist,
            "HOWDAH_AUTH": "trust",
            "HOWDAH_LOG_LEVEL": "warn",
            **self.settings,
        }
        argv = [os.path.abspath(self.binary), "serve"]
        return ["setpriv", "--pdeathsig=TERM", *argv], environment


class PgBouncer(Gateway):
    name = "pgbouncer"

    def command(self):
        c = self.cluster
        lines = {
            "listen_addr": self.host,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self.userlist,
            "pool_mode": "transaction",
            "default_pool_size": 20,
            "max_client_conn": 20000,
            "log_connections": 0,
            "log_disconnections": 0,
            "log_pooler_errors": 0,
            "log_stats": 0,
            "ignore_startup_parameters": "options,extra_float_digits",
            **self.settings,
        }
        ini = f"{self.dir}/pgbouncer.ini"
        with open(ini, "w", encoding="utf-8") as f:
            f.write(f"[databases]\n* = host={c.host} port={c.port}\n")
            f.write("[pgbouncer]\n")
            f.writelines(f"{name} = {value}\n" for name, value in lines.items())
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise SystemExit("pgbouncer is missing (run deps/install.sh)")
        return unprivileged([program, "-q", ini]), {}


class Direct(Gateway):
    """No gateway: the cluster's own address."""

    name = "direct"

    def __init__(self, cluster, **_):
        self.cluster = cluster
        self.host, self.port = cluster.host, cluster.port

    @property
    def pid(self):
        return self.cluster.pid

    def start(self):
        return self

    def stop(self, how=None):
        pass


GATEWAYS = {kind.name: kind for kind in (Direct, PgBouncer, Howdah)}
