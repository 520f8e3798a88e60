"""What clients notice of a reload, of a worker that is killed and of a drain,
all under load.

Some clients send single statements, some run short transactions; all think a
little between two statements and come back when their connection is gone.
Every statement ends in one of the OUTCOMES.
"""
import collections
import os
import random
import select
import signal
import socket
import threading
import time

from pgclient import Client, ServerError
from procfs import children
from stats import Sample, table

OUTCOMES = {
    "ok": "answered",
    "closed": "connection closed while the client asked nothing",
    "refused": "new connection refused",
    "unrun": "told 57P01 instead of an answer: the statement never ran",
    "lost": "connection gone after the statement was sent, nothing said",
    "error": "any other error",
}
N_PLAIN = 24
N_TRANSACTION = 8


class Load:
    """The clients, and what happened to them."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.stopping = threading.Event()
        self.tally = {"plain": collections.Counter(),
                      "transaction": collections.Counter()}
        self.lock = threading.Lock()
        kinds = ["plain"] * N_PLAIN + ["transaction"] * N_TRANSACTION
        self.threads = [threading.Thread(target=self._client, args=(kind,))
                        for kind in kinds]

    def _count(self, kind, outcome):
        with self.lock:
            self.tally[kind][outcome] += 1

    def _client(self, kind):
        while not self.stopping.is_set():
            try:
                client = Client(self.gateway)
            except OSError:
                self._count(kind, "refused")
                time.sleep(0.05)
                continue
            except ServerError as error:
                self._count(kind, "unrun" if error.args[0] == "57P01"
                            else "error")
                continue
            outcome = "ok"
            while outcome == "ok" and not self.stopping.is_set():
                outcome = self._turn(client, kind)
                self._count(kind, outcome)
            client.close()

    def _turn(self, client, kind):
        statements = ["SELECT 1"]
        if kind == "transaction":
            statements = ["BEGIN", "SELECT 1", "SELECT 2", "COMMIT"]
        time.sleep(random.uniform(0.001, 0.01))
        if is_closed(client):
            return "closed"
        try:
            for statement in statements:
                client.query(statement)
                if kind == "transaction":
                    time.sleep(0.005)
        except ServerError as error:
            return "unrun" if error.args[0] == "57P01" else "error"
        except OSError:
            return "lost"
        return "ok"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def is_closed(client):
    """Has the server said goodbye while we asked nothing?"""
    readable, _, _ = select.select([client.socket], [], [], 0)
    try:
        return bool(readable) and client.socket.recv(
            1, socket.MSG_PEEK) in (b"", b"E")
    except OSError:
        return True


def reload(gateway):
    for _ in range(5):
        gateway.reload()
        time.sleep(0.3)


def kill_worker(gateway):
    workers = children(gateway.pid)
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)
    time.sleep(2)


def drain(gateway):
    # PgBouncer's SIGTERM is its immediate shutdown, SIGINT the orderly one.
    gateway.process.send_signal(
        signal.SIGINT if "pgbouncer" in gateway.name else signal.SIGTERM)
    gateway.process.wait(timeout=60)


# What clients outside a transaction must never see. A killed worker cannot
# answer for what was in flight on it; a drained gateway refuses newcomers.
EVENTS = {
    "reload": (reload, ("closed", "refused", "unrun", "lost", "error")),
    "kill a worker": (kill_worker, ("refused", "error")),
    "drain": (drain, ("lost", "error")),
}


def measure(bench):
    rows = []
    for name in bench.pair:
        for event, (cause, forbidden) in EVENTS.items():
            if event == "kill a worker" and "pgbouncer" in name:
                continue
            bench.progress(f"{event} under load: {name}")
            with bench.started(name) as (gateway,), Load(gateway) as load:
                cause(gateway)
                load.stopping.set()
            for kind, tally in load.tally.items():
                rows.append([f"{event}: {name}, {kind}",
                             *(tally[outcome] for outcome in OUTCOMES)])
                for outcome in OUTCOMES:
                    bench.record(f"{event}.{name}.{kind}.{outcome}",
                                 Sample([tally[outcome]]))
            if name == bench.ours:
                plain = load.tally["plain"]
                bench.judge(f"{event}: statements outside transactions with "
                            + "/".join(forbidden),
                            Sample([sum(plain[o] for o in forbidden)]),
                            at_most=0)
    table(f"events under load of {N_PLAIN} clients with single statements and "
          f"{N_TRANSACTION} with transactions", ["event", *OUTCOMES], rows)
    for outcome, meaning in OUTCOMES.items():
        print(f"  {outcome}: {meaning}")
