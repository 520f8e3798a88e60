#!/usr/bin/python3
"""The figures of the first door, against Debian's PgBouncer and against
PostgreSQL itself.

Everything that is compared runs in turns, A B C A B C, in one go, on one
throw-away cluster with fsync off: on a machine that others use too, only
neighbouring runs tell something about each other. CPU comes from /proc. Read
the ratios first, CPU per transaction next, throughput last.
"""
import argparse
import contextlib
import json
import os
import resource
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lib"),
                os.path.join(ROOT, "tests", "wire")]

import events  # noqa: E402
import logins  # noqa: E402
import memory  # noqa: E402
import throughput  # noqa: E402
from gateway import GATEWAYS, Howdah  # noqa: E402
from postgres import Cluster  # noqa: E402
from stats import table  # noqa: E402

FIGURES = {
    "throughput": throughput.measure,
    "idle": memory.measure_idle,
    "unread": memory.measure_unread,
    "logins": logins.measure,
    "events": events.measure,
}


class Bench:
    """One run: the cluster, the gateways that are up, what was measured."""

    def __init__(self, args, cluster):
        self.cluster = cluster
        self.rounds = args.rounds or (1 if args.quick else 5)
        self.seconds = args.seconds or (2 if args.quick else 5)
        self.clients = [1, 8, 64, 512] if args.full else [64, 512]
        self.n_idle = 500 if args.quick else 5000
        self.n_logins = 500 if args.quick else 3000
        self.unread_mb = 30 if args.quick else 300
        self.pool = args.pool
        self.workers = args.workers
        self.theirs = "pgbouncer"
        self.ours = args.gateway
        self.kinds = {"direct": "direct", self.theirs: "pgbouncer"}
        if self.ours == self.theirs:
            self.ours = "pgbouncer-a"
        self.kinds[self.ours] = args.gateway
        self.pair = [self.ours, self.theirs]
        self.running = []
        self.figures = {}
        self.verdicts = []
        self.began = time.monotonic()

    def _settings(self, kind, auth):
        return {
            "direct": {},
            "pgbouncer": {
                "default_pool_size": self.pool,
                "auth_type": {"scram": "scram-sha-256"}.get(auth, auth),
            },
            "howdah": {
                "HOWDAH_POOL_SIZE": str(self.pool),
                "HOWDAH_WORKERS": str(self.workers),
                "HOWDAH_AUTH": auth,
                "HOWDAH_LOG_LEVEL": "error",
            },
        }[kind]

    @contextlib.contextmanager
    def started(self, *names, auth="trust", users=None):
        """Gateways of these names, up for the length of the block."""
        with contextlib.ExitStack() as stack:
            self.running = []
            for name in names:
                kind = self.kinds[name]
                gateway = GATEWAYS[kind](self.cluster, users=users,
                                         **self._settings(kind, auth))
                gateway.name = name
                stack.enter_context(gateway)
                self.running.append(gateway.start())
            yield self.running

    def progress(self, text):
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}",
              file=sys.stderr, flush=True)

    def record(self, name, sample):
        self.figures[name] = sample.values

    def judge(self, what, sample, at_most=None, at_least=None):
        """Holds a figure against what the door has promised."""
        is_good = ((at_most is None or sample.median <= at_most)
                   and (at_least is None or sample.median >= at_least))
        target = f"<= {at_most}" if at_most is not None else (
            f">= {at_least}" if at_least is not None else "")
        verdict = ("ok" if is_good else "MISSED") if target else ""
        self.verdicts.append([what, sample.text("{:.2f}"), target, verdict])
        self.record(what, sample)

    def report(self):
        table("against the targets; median [least..greatest] of the rounds",
              ["figure", "measured", "target", ""], self.verdicts)
        folder = os.path.join(ROOT, "build", "bench")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, time.strftime("first_door-%Y%m%d-%H%M%S"
                                                  ".json"))
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"figures": self.figures, "verdicts": self.verdicts,
                       "cores": os.cpu_count(), "rounds": self.rounds,
                       "seconds": self.seconds, "pool": self.pool,
                       "gateway": self.kinds[self.ours]}, f, indent=1)
        print(f"\nall values: {os.path.relpath(path)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--howdah", default=Howdah.binary,
                        help="the binary to start")
    parser.add_argument("--gateway", choices=("howdah", "pgbouncer"),
                        default="howdah", help="what is held against PgBouncer "
                        "(pgbouncer itself: how much the machine wavers)")
    parser.add_argument("--quick", action="store_true",
                        help="one short round of everything")
    parser.add_argument("--full", action="store_true",
                        help="pgbench with 1 and 8 clients too")
    parser.add_argument("--only", choices=FIGURES, nargs="+",
                        default=list(FIGURES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each pgbench run")
    parser.add_argument("--pool", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0,
                        help="of Howdah; 0: its default")
    return parser.parse_args()


def main():
    args = arguments()
    Howdah.binary = args.howdah
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Cluster(initdb=("--no-locale", "-E", "UTF8"), shared_buffers="1GB",
                 max_connections=700, autovacuum="off") as cluster:
        bench = Bench(args, cluster)
        bench.progress("preparing a cluster, pgbench scale 10")
        cluster.start()
        cluster.run("pgbench", "-i", "-q", "-s", "10", "-h", cluster.host,
                     "-p", str(cluster.port), "-U", "postgres", "postgres")
        for name in args.only:
            FIGURES[name](bench)
        bench.report()


main()
