"""db/, the connection for Howdah's own statements: which host it takes, what
it makes of answers, errors and silence."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess

import psycopg
import pytest

from fakeserver import FakeServer, greeting
from pgwire import Target
from waiting import eventually

LOST, SERVER, TIMEOUT = 1, 2, 3
RESOLVE, CONNECT, TLS, LOGIN = range(4)

NOBODY = Target("127.0.0.1", 0, "wire", "secret", "wire")


@pytest.fixture(scope="session")
def shell(request):
    """shell(hosts, *do): what db_shell prints, as lines."""
    folder = os.environ.get("HOWDAH_TOOLS") or pathlib.Path(
        request.config.getoption("--howdah")).resolve().parent / "tests"

    def run(url, *do, expect=0, **environment):
        process = subprocess.run(
            [f"{folder}/db_shell", url, *do], text=True, timeout=60,
            capture_output=True, env={**os.environ, **environment})
        assert process.returncode == expect, (process.stdout, process.stderr)
        assert "secret" not in process.stdout + process.stderr
        return process.stdout.splitlines() + process.stderr.splitlines()
    return run


@pytest.fixture
def url(postgres):
    """url(hosts=..., parameters=...): the session's PostgreSQL."""
    t = postgres.target

    def make(hosts=None, parameters="", database=t.database,
             password=t.password):
        hosts = hosts or f"127.0.0.1:{t.port}"
        return (f"postgresql://{t.user}:{password}@{hosts}/{database}"
                f"?{parameters}")
    return make


# answers

def test_rows_and_parameters(shell, url):
    said = shell(url(), "param=it's", "param=",
                 "query=select $1::text, $2::text, null, ''",
                 "query=select n, n::text || 'é' from generate_series(1, 2) n",
                 "query=select 1 where false", "query=set work_mem = '1MB'",
                 "query=show work_mem")
    assert said[1:] == ["|it's||(null)||", "|1|1é|", "|2|2é|", "|1MB|"]


def test_script_of_statements(shell, url):
    """One transaction, as the simple protocol has it; the first error
    counts."""
    said = shell(url(), "script=create temp table t (n int); "
                 "insert into t values (1); select * from t",
                 "query=select n from t",
                 "script=insert into t values (2); select 1 / 0; select 2",
                 "query=select n from t")
    assert said[1:] == ["|1|", "outcome 2: division by zero (22012)", "|1|"]


def test_fault_has_all_parts(shell, url):
    said = shell(url(), "script=create temp table t (n int primary key)",
                 "query=insert into t values (1), (1)",
                 "query=select lengh('x')")
    assert said[1] == ("outcome 2: duplicate key value violates unique "
                       "constraint \"t_pkey\" (23505); Key (n)=(1) already "
                       "exists.")
    assert "(42883); No function matches" in said[2]


def test_large_answer_and_large_question(shell, url):
    text = "x" * 100000
    said = shell(url(), f"param={text}", "query=select length($1), repeat("
                 "'y', 3000000)")
    assert said[1] == f"|100000|{'y' * 3000000}|"


def test_notices_go_to_the_log(shell, url):
    said = shell(url(), "query=do $$ begin raise notice 'hello'; end $$")
    assert any("event=db.notice" in line and "hello" in line for line in said)


# time

def test_a_deadline_cancels(shell, url, postgres):
    """And the connection is still good."""
    said = shell(url(), "timeout=200", "query=select pg_sleep(60)",
                 "timeout=20000", "query=select 1")
    assert said[1:] == ["outcome 3: no answer in 200 ms; cancelled", "|1|"]
    assert postgres.n_backends("query ~ 'pg_sleep'") == 0


def test_a_server_that_stops_answering(shell):
    """Not even to a cancel: the connection is given up."""
    def play(peer):
        with contextlib.suppress(EOFError):
            peer.read_startup()
            peer.send(greeting())
            peer.read_to_end()
    with FakeServer(play) as server:
        said = shell(server.url(NOBODY, sslmode="disable"), "timeout=100",
                     "query=select 1", "query=select 2")
    assert said[1].startswith("outcome 3: no answer in 100 ms")
    assert said[2].startswith("outcome 1: ")


def test_a_killed_backend(shell, url):
    said = shell(url(), "query=select pg_terminate_backend(pg_backend_pid())",
                 "query=select 1")
    assert "57P01" in said[1]
    assert said[2].startswith("outcome 1: ")


def test_a_connection_that_breaks(shell):
    def play(peer):
        peer.read_startup()
        peer.send(greeting())
        peer.read_message()
    with FakeServer(play) as server:
        said = shell(server.url(NOBODY, sslmode="disable"), "query=select 1")
    assert re.match(r"outcome 1: \S", said[1])


# which host

@contextlib.contextmanager
def hole():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield f"127.0.0.1:{s.getsockname()[1]}"


def test_the_next_host(shell, url, postgres):
    here = f"127.0.0.1:{postgres.port}"
    for hosts in (f"127.0.0.1:1,{here}", f"nowhere.invalid:5432,{here}",
                  f"localhost:{postgres.port}", f"[::1]:1,{here}"):
        said = shell(url(hosts), "query=select 1")
        assert said[0].startswith(f"at {here}, 15, ") and said[1] == "|1|"


def test_each_host_gets_its_share_of_the_time(shell, url, postgres):
    with hole() as silent:
        hosts = f"{silent},{silent},127.0.0.1:{postgres.port}"
        said = shell(url(hosts), "--connect-timeout-ms=3000",
                     "query=select 1")
    assert said[1] == "|1|"


def test_connect_timeout_of_the_url(shell, url, postgres):
    with hole() as silent:
        hosts = f"{silent},127.0.0.1:{postgres.port}"
        said = shell(url(hosts, "connect_timeout=1"),
                     "--connect-timeout-ms=1000000", "query=select 1")
    assert said[1] == "|1|"


def test_a_refused_login_is_final(shell, url, postgres):
    """Asking every host with a wrong password locks accounts."""
    here = f"127.0.0.1:{postgres.port}"
    def n_refused():
        return postgres.log.read_text(errors="replace").count(
            "password authentication fail")
    n_before = n_refused()
    said, = shell(url(f"{here},{here}", password="secret-guess"),
                  expect=SERVER)
    assert said.startswith(f"stage {LOGIN}, outcome 2: password authent")
    assert "(28P01)" in said
    eventually(lambda: n_refused() == n_before + 1)


@pytest.mark.parametrize("hosts, stage, outcome, text", [
    ("nowhere.invalid", RESOLVE, LOST, "cannot resolve the host name "
     '"nowhere.invalid"'),
    ("127.0.0.1:1", CONNECT, LOST, "Connection refused"),
    ("127.0.0.1:1,nowhere.invalid", CONNECT, LOST, "Connection refused"),
])
def test_the_furthest_attempt_is_told(shell, url, hosts, stage, outcome,
                                      text):
    said, = shell(url(hosts), expect=outcome)
    assert said.startswith(f"stage {stage}, outcome {outcome}: ")
    assert text in said


def test_sqlstates_of_logins(shell, url):
    said, = shell(url(database="nothing"), expect=SERVER)
    assert said == (f"stage {LOGIN}, outcome 2: database \"nothing\" does not "
                    "exist (3D000)")
    said = shell(url(database="nothing"), "--dbname=other",
                 "query=select current_database()")
    assert said[1] == "|other|"


def test_unix_socket(shell, postgres):
    said = shell(f"postgresql://postgres@/postgres?host={postgres.folder}"
                 f"&port={postgres.port}", "query=select 1")
    assert said == [f"at {postgres.folder}:{postgres.port}, 15, no TLS",
                    "|1|"]


def test_tls_or_nothing(shell, url, postgres, certificate):
    said, = shell(url(parameters="sslmode=require"), expect=LOST)
    assert said.startswith(f"stage {TLS}, ")
    cert, key = certificate
    with postgres.settings(ssl="on", ssl_cert_file=cert, ssl_key_file=key):
        said = shell(url(parameters="sslmode=verify-full&sslrootcert="
                         f"{cert}"))
        assert said[0].endswith("TLSv1.3")
        said, = shell(url(parameters="sslmode=verify-full&sslrootcert="
                          f"{key}"), expect=LOST)
        assert said.startswith(f"stage {TLS}, ")


def test_only_the_upstream_counts(shell, url, tmp_path):
    """Neither libpq's variables nor its password file fill in anything."""
    passwords = tmp_path / ".pgpass"
    passwords.write_text("*:*:*:*:wire-secret\n", "ascii")
    passwords.chmod(0o600)
    said = shell(url(), "query=show search_path", PGOPTIONS="-c search_path=x",
                 PGSSLMODE="require", PGDATABASE="nothing")
    assert said[1] == '|"$user", public|'
    no_password = url().replace(":wire-secret@", "@")
    assert "wire-secret" not in no_password
    said, = shell(no_password, expect=LOST, HOME=str(tmp_path),
                  PGPASSWORD="wire-secret")
    assert "no password supplied" in said


def test_parameters_of_the_url(shell, url):
    said = shell(url(parameters="options=-c%20work_mem%3D3MB&"
                     "application_name=mine"), "query=show work_mem",
                 "query=show application_name", "query=show client_encoding")
    assert said[1:] == ["|3MB|", "|mine|", "|UTF8|"]
    # one that this libpq does not know, and that asks for nothing more
    said = shell(url(parameters="sslnegotiation=postgres"), "query=select 1")
    assert said[1:] == ["|1|"]


def test_require_auth(shell, url, postgres, certificate):
    """Not ignored by a libpq that does not know it (15): where it can,
    another parameter stands in for it."""
    plain = url(parameters="require_auth=scram-sha-256")
    if psycopg.pq.version() < 160000:
        said, = shell(plain, expect=LOST)
        assert "too old for require_auth" in said
    else:
        assert shell(plain, "query=select 1")[1:] == ["|1|"]
    cert, key = certificate
    strict = url(parameters="sslmode=require&require_auth=scram-sha-256")
    with postgres.settings(ssl="on", ssl_cert_file=cert, ssl_key_file=key):
        said = shell(strict, "query=select 1")
        assert said[1:] == ["|1|"]
        said, = shell(strict.replace("wire:wire-secret",
                                     "md5user:md5-secret"), expect=LOST)
        assert said.startswith(f"stage {LOGIN}, ")


@pytest.fixture(scope="module")
def standby(make_cluster):
    """A server in recovery, which takes no writes."""
    cluster = make_cluster()
    cluster.stop()
    (cluster.data / "standby.signal").touch()
    shutil.chown(cluster.data / "standby.signal", "postgres", "postgres")
    cluster.start()
    return cluster


def test_writers_want_the_primary(shell, url, postgres, standby):
    hosts = f"127.0.0.1:{standby.port},127.0.0.1:{postgres.port}"
    said = shell(url(hosts), "query=select pg_is_in_recovery()")
    assert said[1] == "|t|"
    said = shell(url(hosts), "--writer", "query=select pg_is_in_recovery()")
    assert said[1] == "|f|"
    said, = shell(url(f"127.0.0.1:{standby.port}"), "--writer", expect=LOST)
    assert said.startswith(f"stage {LOGIN}, ") and "hot standby" in said
