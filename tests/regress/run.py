#!/usr/bin/python3
"""PostgreSQL's own regression suite through the door.

Debian's pg_regress runs the core schedule twice, each time on a fresh
cluster: once directly and once through a gateway. The gateway must give what
the direct run gives, test by test: a test that is ok directly must be ok
through the door, and one that fails directly must fail with the same output.
Differences with a good reason are written down in allowed.txt.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "lib"),
                os.path.join(ROOT, "tests", "wire")]

from gateway import GATEWAYS, Howdah  # noqa: E402
from postgres import Cluster, newest_major, unprivileged  # noqa: E402

# What the issue measured: one worker, so that clients share its backends, and
# no client gets its last backend back when it could get another.
HOWDAH = {
    "HOWDAH_WORKERS": "1",
    "HOWDAH_POOL_SIZE": "20",
    "HOWDAH_MAX_PINNED": "100",
    "HOWDAH_MAX_SERVER_CONNECTIONS": "140",
    "HOWDAH_TEST_SCATTER": "yes",
}
SETTINGS = {
    "howdah": HOWDAH,
    "pgbouncer": {"pool_mode": "session", "default_pool_size": 100},
    "direct": {},
}

# What pg_regress does when it makes the database itself.
DATABASE = """
CREATE DATABASE regression TEMPLATE template0;
""" + "".join(f"ALTER DATABASE regression SET {setting};" for setting in (
    "lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'",
    "lc_time TO 'C'", "bytea_output TO 'hex'",
    "timezone_abbreviations TO 'Default'"))

# "test name ... ok", "     name ... FAILED   12 ms", "ok 3  + name  12 ms"
RESULT = re.compile(r"^(?:test|parallel group.*)?\s*(\S+)\s+\.\.\.\s+"
                    r"(ok|FAILED|failed \(ignored\))", re.M)
RESULT_TAP = re.compile(r"^(ok|not ok)\s+\d+\s+[-+] (\S+)", re.M)


def parse_results(text):
    results = {name: word == "ok" for name, word in RESULT.findall(text)}
    results.update((name, word == "ok")
                   for word, name in RESULT_TAP.findall(text))
    return results


class Side:
    """One run of the suite: its verdicts, seconds and outputs."""

    def __init__(self, kind, files, schedule, timeout):
        self.name = kind.name
        self.outputs = {}
        with Cluster(initdb=("--no-locale", "-E", "UTF8"),
                     max_connections=200,
                     max_prepared_transactions=2) as cluster:
            cluster.start()
            for statement in DATABASE.strip().split(";"):
                if statement:
                    cluster.sql(statement)
            with kind(cluster, **SETTINGS[kind.name]) as gateway:
                gateway.start()
                self._run(cluster, gateway, files, schedule, timeout)

    def _run(self, cluster, gateway, files, schedule, timeout):
        # User postgres need not be able to read this checkout.
        home = f"{cluster.dir}/regress"
        shutil.copytree(files, home)
        out = f"{cluster.dir}/out"
        os.mkdir(out)
        if os.geteuid() == 0:
            shutil.chown(out, "postgres", "postgres")
            subprocess.run(["chown", "-R", "postgres:", home], check=True)
        argv = [
            f"{os.path.dirname(cluster.bin)}/lib/pgxs/src/test/regress/"
            "pg_regress",
            "--use-existing", f"--host={gateway.host}",
            f"--port={gateway.port}", "--user=postgres",
            f"--bindir={home}/bin", f"--dlpath={home}",
            f"--inputdir={home}/input", f"--outputdir={out}",
            "--dbname=regression", "--max-concurrent-tests=20",
            *(schedule or [f"--schedule={home}/input/parallel_schedule"]),
        ]
        began = time.monotonic()
        process = subprocess.Popen(
            unprivileged(argv), cwd=out, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(
            process.pid, signal.SIGKILL))
        signal.alarm(timeout)
        lines = []
        for line in process.stdout:
            lines.append(line)
            print(f"  {self.name}: {line.rstrip()}", flush=True)
        process.wait()
        signal.alarm(0)
        self.seconds = time.monotonic() - began
        self.results = parse_results("".join(lines))
        self._keep(cluster, gateway, out)

    def _keep(self, cluster, gateway, out):
        """Saves what explains a difference, in build/regress/<side>."""
        for name in self.results:
            try:
                with open(f"{out}/results/{name}.out", "rb") as f:
                    self.outputs[name] = f.read()
            except FileNotFoundError:
                self.outputs[name] = b""
        kept = os.path.join(ROOT, "build", "regress", self.name)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(out, kept)
        shutil.copy(f"{cluster.dir}/log", f"{kept}/postgres.log")
        if gateway.name != "direct":
            shutil.copy(f"{gateway.dir}/log", f"{kept}/gateway.log")

    @property
    def n_ok(self):
        return sum(self.results.values())


def normalised(output):
    """What differs between two direct runs already: ports, and the numbers
    the server makes up (object ids, process ids)."""
    return re.sub(rb"\d{4,}", b"N", output)


def compare(direct, door):
    """Yields (test, what differs)."""
    for name, ok in direct.results.items():
        if name not in door.results:
            yield name, "did not finish through the door"
        elif ok and not door.results[name]:
            yield name, "ok directly, FAILED through the door"
        elif not ok and not door.results[name] and normalised(
                direct.outputs[name]) != normalised(door.outputs[name]):
            yield name, "fails on both sides, with different output"


def read_allowed():
    with open(os.path.join(HERE, "allowed.txt"), encoding="utf-8") as f:
        rows = (line.split(None, 1) for line in f
                if line.strip() and not line.startswith("#"))
        return {name: reason.strip() for name, reason in rows}


def report(direct, door):
    for side in (direct, door):
        failed = [name for name, ok in side.results.items() if not ok]
        print(f"{side.name}: {side.n_ok} of {len(side.results)} ok in "
              f"{side.seconds:.0f} s"
              + (f"; FAILED: {' '.join(failed)}" if failed else ""))
    allowed = read_allowed()
    differences = dict(compare(direct, door))
    bad = 0
    for name, what in differences.items():
        if name in allowed:
            print(f"allowed: {name}: {what} ({allowed[name]})")
        else:
            print(f"DIFFERS: {name}: {what}")
            bad += 1
    for name in allowed.keys() - differences.keys():
        print(f"allowed.txt: {name} no longer differs")
    print(f"{bad} differences; outputs in build/regress/"
          f"{{{direct.name},{door.name}}}")
    return 1 if bad or not direct.n_ok else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", choices=GATEWAYS, default="howdah")
    parser.add_argument("--howdah", default=Howdah.binary,
                        help="the binary to start")
    parser.add_argument("--timeout", type=int, default=900,
                        help="seconds until a side counts as hung")
    parser.add_argument("tests", nargs="*",
                        help="these tests instead of the whole schedule; most "
                        "need test_setup first")
    args = parser.parse_args()
    Howdah.binary = args.howdah
    subprocess.run([f"{HERE}/prepare.sh"], check=True, stdout=sys.stderr)
    files = os.path.join(ROOT, "build", "regress", str(newest_major()))
    direct = Side(GATEWAYS["direct"], files, args.tests, args.timeout)
    door = Side(GATEWAYS[args.gateway], files, args.tests, args.timeout)
    return report(direct, door)


sys.exit(main())
