"""What processes cost, read from /proc: CPU time and resident memory of a
process and everything it started."""
import glob
import os

TICK = os.sysconf("SC_CLK_TCK")


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="ascii") as f:
                found += map(int, f.read().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def tree(pid):
    """The process and its living descendants."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def cpu_seconds(pid):
    """User and system time of the whole tree. A descendant that has ended is
    in its parent's cutime and cstime, so nothing gets lost."""
    ticks = 0
    for one in tree(pid):
        try:
            with open(f"/proc/{one}/stat", encoding="latin-1") as f:
                # utime, stime, cutime, cstime; the name may hold spaces
                ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / TICK


def rss_kib(pid):
    """Resident memory of the whole tree. Pages that are shared count once
    for every process, so only growth means something."""
    total = 0
    for one in tree(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup", encoding="ascii") as f:
                total += next(int(line.split()[1]) for line in f
                              if line.startswith("Rss:"))
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            continue
    return total
