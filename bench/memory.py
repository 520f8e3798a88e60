"""What clients cost the gateway in memory: idle ones, and one that asks for a
lot and does not read."""
import time

from pgclient import Client
from procfs import cpu_seconds, exact_rss_bytes
from stats import Sample, table
from waiting import eventually

ROW = 1000
KIB = 1024
MIB = 1024 * KIB


def settled(pid):
    """Resident memory once the processes have stopped working."""
    def quiet_size():
        before = cpu_seconds(pid), exact_rss_bytes(pid)
        time.sleep(0.5)
        after = cpu_seconds(pid), exact_rss_bytes(pid)
        return before == after and after[1]

    return eventually(quiet_size, timeout=60, what="a quiet gateway")


def idle_growth(bench, name):
    """KiB per client after login, and after one query each."""
    n = bench.n_idle
    with bench.started(name) as (gateway,):
        warm = [Client(gateway) for _ in range(10)]
        for client in warm:
            client.query("SELECT 1")
        empty = settled(gateway.pid)
        bench.progress(f"{n} idle clients: {name}")
        clients = [Client(gateway) for _ in range(n)]
        logged_in = settled(gateway.pid)
        for client in clients:
            client.query("SELECT 1")
        used = settled(gateway.pid)
        for client in clients + warm:
            client.close()
    return (logged_in - empty) / n / KIB, (used - empty) / n / KIB


def measure_idle(bench):
    rows = []
    for name in bench.pair:
        growth = [idle_growth(bench, name) for _ in range(bench.rounds)]
        login, query = (Sample(column) for column in zip(*growth))
        rows.append([name, login.text("{:.2f}"), query.text("{:.2f}")])
        bench.record(f"idle.{name}.kib_per_client", login)
        bench.record(f"idle.{name}.kib_per_client_after_query", query)
        if name == bench.ours:
            bench.judge("idle client, KiB", login, at_most=1.0)
    table(f"{bench.n_idle} idle clients, KiB of gateway memory per client",
          ["gateway", "logged in", "after a query"], rows)


def unread_growth(bench, name):
    """MiB while a result of bench.unread_mb is not read, and at the end."""
    n_rows = bench.unread_mb * 1000000 // ROW
    with bench.started(name) as (gateway,):
        client = Client(gateway, receive_buffer=65536, timeout=600)
        client.query("SELECT 1")
        before = settled(gateway.pid)
        bench.progress(f"{bench.unread_mb} MB unread: {name}")
        client.send(b"Q", f"SELECT repeat('x', {ROW}) FROM "
                          f"generate_series(1, {n_rows})\0".encode())
        time.sleep(1)
        stalled = settled(gateway.pid)
        if client.finish() < n_rows * ROW:
            raise SystemExit(f"{name} lost a part of the result")
        after = settled(gateway.pid)
        client.close()
    return (stalled - before) / MIB, (after - before) / MIB


def measure_unread(bench):
    rows = []
    for name in bench.pair:
        growth = [unread_growth(bench, name) for _ in range(bench.rounds)]
        stalled, after = (Sample(column) for column in zip(*growth))
        rows.append([name, stalled.text("{:.2f}"), after.text("{:.2f}")])
        bench.record(f"unread.{name}.mib", stalled)
        bench.record(f"unread.{name}.mib_after", after)
        if name == bench.ours:
            bench.judge(f"{bench.unread_mb} MB unread, MiB of growth", stalled,
                        at_most=1.0)
    table(f"a result of {bench.unread_mb} MB, MiB of gateway memory",
          ["gateway", "while unread", "once read"], rows)
