"""Gateway CPU per SCRAM login: connect, log in, terminate, again."""
import base64
import hashlib
import os
import time

from pgclient import Client, ScramKeys
from procfs import cpu_seconds
from stats import Sample, table

USER = "visitor"
PASSWORD = "a password"


def verifier(password, iterations=4096):
    """As PostgreSQL keeps it in pg_authid; no gateway has to run PBKDF2."""
    salt = os.urandom(16)
    client_key, server_key = ScramKeys(password).of(salt, iterations)
    words = [base64.b64encode(b).decode() for b in (
        salt, hashlib.sha256(client_key).digest(), server_key)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"


def one_round(gateway, keys, n):
    before, began = cpu_seconds(gateway.pid), time.monotonic()
    for _ in range(n):
        Client(gateway, user=USER, keys=keys).close()
    return ((cpu_seconds(gateway.pid) - before) / n * 1000,
            n / (time.monotonic() - began))


def measure(bench):
    keys = ScramKeys(PASSWORD)
    secret = verifier(PASSWORD)
    rounds = {name: [] for name in bench.pair}
    bench.cluster.sql(f"CREATE ROLE {USER} LOGIN")
    with bench.started(*bench.pair, auth="scram", users={USER: secret}):
        for gateway in bench.running:
            Client(gateway, user=USER, keys=keys).close()
        for n in range(bench.rounds):
            for gateway in bench.running:
                bench.progress(f"{bench.n_logins} SCRAM logins, round {n + 1} "
                               f"of {bench.rounds}: {gateway.name}")
                rounds[gateway.name].append(
                    one_round(gateway, keys, bench.n_logins))
    rows = []
    for name, results in rounds.items():
        cpu, rate = (Sample(column) for column in zip(*results))
        rows.append([name, cpu.text("{:.3f}"), rate.text("{:.0f}")])
        bench.record(f"login.{name}.ms", cpu)
        if name == bench.ours:
            bench.judge("SCRAM login, ms of gateway CPU", cpu, at_most=0.3)
    table("SCRAM logins, one at a time",
          ["gateway", "CPU ms per login", "logins/s (Python client)"], rows)
