"""pgbench -S through each gateway and directly, in turns: transactions per
second, and CPU per transaction of gateway, server and client."""
import re
import subprocess

from postgres import unprivileged
from procfs import cpu_seconds
from stats import Sample, ratio, table

PROGRESS = re.compile(r"progress: ([\d.]+) s, ([\d.]+) tps")
# pgbench counts its -T from before it connects, and 512 backends take a while.
CONNECT_SECONDS = 3


def pgbench(bench, gateway, mode, n_clients):
    """One run. What it cost is counted between the first and the last line of
    progress, so that connecting is no part of it."""
    argv = [f"{bench.cluster.bin}/pgbench", "-S", "-n", "-M", mode,
            "-c", str(n_clients), "-j", str(min(n_clients, 2)),
            "-T", str(bench.seconds + CONNECT_SECONDS), "-P", "1",
            "--progress-timestamp", "-h", gateway.host,
            "-p", str(gateway.port), "-U", "postgres", "postgres"]
    samples = []
    with subprocess.Popen(unprivileged(argv), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        pids = {"server": bench.cluster.pid, "client": process.pid}
        if gateway.pid != bench.cluster.pid:
            pids["gateway"] = gateway.pid
        for line in process.stderr:
            progress = PROGRESS.match(line)
            if progress:
                at, tps = map(float, progress.groups())
                used = {who: cpu_seconds(pid) for who, pid in pids.items()}
                samples.append((at, tps, used))
    if process.returncode != 0 or len(samples) < 2:
        raise SystemExit(f"pgbench -c {n_clients} through {gateway.name}: "
                         f"status {process.returncode}, {len(samples)} lines")
    n = sum(tps * (at - earlier) for (earlier, _, _), (at, tps, _)
            in zip(samples, samples[1:]))
    cost = {who: (samples[-1][2][who] - samples[0][2][who]) / n * 1e6
            for who in pids}
    cost["tps"] = n / (samples[-1][0] - samples[0][0])
    return cost


def one_load(bench, mode, n_clients):
    """A B C A B C ... with every gateway kept running all the while."""
    runs = {gateway.name: [] for gateway in bench.running}
    for n in range(bench.rounds):
        for gateway in bench.running:
            bench.progress(f"pgbench -S -M {mode} -c {n_clients}, round "
                           f"{n + 1} of {bench.rounds}: {gateway.name}")
            runs[gateway.name].append(pgbench(bench, gateway, mode, n_clients))
    return {name: {figure: Sample(run[figure] for run in costs)
                   for figure in costs[0]} for name, costs in runs.items()}


def against(bench, load, costs):
    """The ratios the door is judged by, of neighbouring runs."""
    ours, theirs = costs[bench.ours], costs[bench.theirs]
    bench.judge(f"{load}: gateway CPU / {bench.theirs}'s",
                ratio(ours["gateway"], theirs["gateway"]), at_most=0.9)
    bench.judge(f"{load}: tps / {bench.theirs}'s",
                ratio(ours["tps"], theirs["tps"]), at_least=1.0)
    bench.judge(f"{load}: tps / direct's",
                ratio(ours["tps"], costs["direct"]["tps"]))


def measure(bench):
    rows = []
    with bench.started("direct", *bench.pair):
        for mode in ("simple", "extended"):
            for n_clients in bench.clients:
                costs = one_load(bench, mode, n_clients)
                for name, cost in costs.items():
                    rows.append([
                        f"{mode} {n_clients} {name}",
                        cost["tps"].text("{:.0f}"),
                        *(cost[who].text("{:.1f}") if who in cost else "-"
                          for who in ("gateway", "server", "client"))])
                    for figure, sample in cost.items():
                        bench.record(f"{mode}.{n_clients}.{name}.{figure}",
                                     sample)
                against(bench, f"{mode} {n_clients}", costs)
    table(f"pgbench -S, {bench.rounds} rounds of {bench.seconds} s; median "
          "[least..greatest]; CPU in us per transaction",
          ["load", "tps", "gateway", "server", "client"], rows)
