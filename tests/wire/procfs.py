"""What a tree of processes uses, read from /proc."""
import os
import pathlib

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat after the name, from state on."""
    content = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii",
                                                          errors="replace")
    return content[content.rindex(")") + 2:].split()


def processes():
    """pid -> parent pid of everything that runs."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = int(_stat(entry)[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def children(pid, name=""):
    """Its children whose name begins with this."""
    return sorted(p for p, parent in processes().items()
                  if parent == pid and _name(p).startswith(name))


def _name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def tree(pid):
    """The process and all that descend from it."""
    parents = processes()
    found = [pid]
    for member in found:
        found += [p for p, parent in parents.items() if parent == member]
    return found


def is_running(pid):
    """Alive and not a zombie."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cpu_seconds(pid):
    """User and system time of the tree. What has ended is in the cutime and
    cstime of its parent, so nothing gets lost."""
    total = 0
    for member in tree(pid):
        try:
            fields = _stat(member)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def _status_kib(pid, name):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in lines.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def rss_bytes(pid):
    """Resident memory of the tree."""
    return 1024 * sum(_status_kib(p, "VmRSS") for p in tree(pid))


def exact_rss_bytes(pid):
    """The same, counted page by page: VmRSS may be off by a few hundred KiB
    for every process."""
    total = 0
    for member in tree(pid):
        try:
            rollup = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text(
                encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines()
                     if line.startswith("Rss:"))
    return 1024 * total


def peak_bytes(pid):
    """The sum of the peaks since forget_peaks()."""
    return 1024 * sum(_status_kib(p, "VmHWM") for p in tree(pid))


def forget_peaks(pid):
    """Starts peak_bytes() anew (clear_refs 5)."""
    for member in tree(pid):
        pathlib.Path(f"/proc/{member}/clear_refs").write_text("5")


def n_files(pid):
    """Open file descriptors of the tree."""
    return sum(len(os.listdir(f"/proc/{p}/fd")) for p in tree(pid))
