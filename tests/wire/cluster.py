"""A real PostgreSQL of the tests' own: small, loopback, thrown away.

Roles: `wire` (superuser, the one the door logs in with), `plain` (none),
`md5user` (md5 password), `guest` (cannot log in; for SET ROLE). Databases:
`wire` and `other`, both in UTF-8.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from pgwire import Target
from ports import free_port
from waiting import eventually

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
PASSWORDS = {"wire": "wire-secret", "plain": "plain-secret",
             "md5user": "md5-secret"}
# What howdah migrate leaves in public; reset() does not touch these.
CHAT_TABLES = ("User", "Thread", "Step", "Element", "Feedback",
               "_prisma_migrations")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "max_wal_senders": "8",
    "wal_level": "logical",
    "shared_buffers": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %a ",
    "timezone": "Europe/Paris",
    "unix_socket_permissions": "0777",
}
HBA = """\
local all postgres trust
host all md5user 127.0.0.0/8 md5
host all all 127.0.0.0/8 scram-sha-256
host replication all 127.0.0.0/8 scram-sha-256
"""
ROLES = """\
create role wire superuser login password 'wire-secret';
create role plain login password 'plain-secret';
set password_encryption = md5;
create role md5user login password 'md5-secret';
create role guest;
grant guest to plain, md5user;
create database wire owner wire;
create database other owner wire;
"""
RESET = """\
do $$
declare statement text;
begin
  -- an array: all is named before the first of it is gone
  for statement in select unnest(array(
    select format('drop %s if exists public.%I cascade',
             case c.relkind when 'v' then 'view' when 'S' then 'sequence'
               when 'm' then 'materialized view' when 'c' then 'type'
               else 'table' end, c.relname)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'p', 'v', 'm', 'S', 'c')
      and c.relname <> all (array[{chat_tables}])
    union all
    select format('drop routine if exists %s cascade', p.oid::regprocedure)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and not exists (
      select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select format('drop type if exists public.%I cascade', t.typname)
    from pg_type t
    where t.typnamespace = 'public'::regnamespace
      and t.typtype in ('e', 'd') and t.typname <> 'StepType'))
  loop
    execute statement;
  end loop;
  perform lo_unlink(oid) from pg_largeobject_metadata;
end $$
"""


def unprivileged():
    """The command prefix that drops root, which PostgreSQL refuses; ends
    the server should the tests die."""
    prefix = ["setpriv", "--pdeathsig", "INT"]
    if os.getuid() == 0:
        prefix += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
    return prefix


def temporary_folder(name):
    """A folder that the unprivileged user may use."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"howdah-{name}-",
                                           dir="/tmp"))
    folder.chmod(0o755)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    return folder


class Cluster:
    def __init__(self):
        self.folder = temporary_folder("pg")
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self.process = None
        self.target = Target("127.0.0.1", self.port, "wire",
                             PASSWORDS["wire"], "wire")
        self.local = Target(str(self.folder), self.port, "postgres", "",
                            "postgres")

    # life

    def create(self):
        subprocess.run(
            [*unprivileged(), BIN / "initdb", "-D", self.data, "-U",
             "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust",
             "--no-sync"], check=True, capture_output=True, cwd="/tmp")
        settings = {**SETTINGS, "port": self.port,
                    "unix_socket_directories": self.folder}
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as f:
            f.writelines(f"{k} = '{v}'\n" for k, v in settings.items())
        (self.data / "pg_hba.conf").write_text(HBA, "ascii")
        self.start()
        with self.local.connect() as c:
            for statement in ROLES.splitlines():
                c.rows(statement)
        return self

    def start(self):
        """Starts the postmaster and waits until it takes connections."""
        def is_up():
            if self.process is None or self.process.poll() is not None:
                self._spawn()  # shared memory of the last one still in use
            with self.local.connect():
                return True
        eventually(is_up, timeout=60, every=0.1, what="PostgreSQL starting")

    def _spawn(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*unprivileged(), BIN / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/tmp")

    def stop(self, how=signal.SIGINT):
        """INT is a fast shutdown, TERM a smart one, KILL a crash."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        self.process = None

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()

    def destroy(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # what tests ask of it, past any door

    def rows(self, sql, database="wire"):
        with self.local.replace(database=database).connect() as c:
            return c.rows(sql)

    def value(self, sql, database="wire"):
        return self.rows(sql, database)[0][0]

    def reset(self):
        """Drops what tests made in public of `wire`. A transaction that a
        failed test left behind would hold it, and fail all that follow."""
        self.terminate_backends("state like 'idle in transaction%' or "
                                "state = 'active' and "
                                "wait_event = 'ClientRead'")
        tables = ", ".join(f"'{name}'" for name in CHAT_TABLES)
        with self.target.connect(options="-c lock_timeout=10s "
                                 "-c client_min_messages=error") as c:
            c.rows(RESET.format(chat_tables=tables))

    def n_backends(self, condition="true"):
        """Client backends of the door's users that fulfil a condition on
        pg_stat_activity."""
        return int(self.value(
            "select count(*) from pg_stat_activity where "
            "backend_type = 'client backend' and usename <> 'postgres' "
            f"and ({condition})"))

    def terminate_backends(self, condition="true"):
        """Terminates those; returns how many."""
        return int(self.value(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where backend_type = 'client backend' and "
            f"usename <> 'postgres' and ({condition})"))

    @contextlib.contextmanager
    def settings(self, **values):
        """Settings of the whole cluster for a while (reload only)."""
        self._apply(f"alter system set {k} = '{v}'"
                    for k, v in values.items())
        try:
            yield
        finally:
            self._apply(f"alter system reset {k}" for k in values)

    def _apply(self, statements):
        loaded = self.value("select pg_conf_load_time()")
        with self.local.connect() as c:
            for statement in statements:
                c.rows(statement)
            c.rows("select pg_reload_conf()")
        eventually(lambda: self.value("select pg_conf_load_time()") != loaded)
