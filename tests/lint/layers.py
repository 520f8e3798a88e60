"""Folders are layers: a file includes only folders on a lower level, never a
sibling, and of another folder only its one public header; a foreign library's
headers are named in one folder only."""
import os
import re
import sys

LEVELS = [
    {"base"},
    {"wire/pg", "wire/sql", "wire/crypto", "loop", "page"},
    {"config", "metrics"},
    {"pool", "db"},
    {"migrate"},
    {"auth"},
    {"session"},
    {"supervisor", "worker"},
    {"main"},
]
LEVEL = {room: n for n, rooms in enumerate(LEVELS) for room in rooms}
FOREIGN = {
    r"uv\.h": {"loop"},
    r"openssl/(ssl|err|x509.*|pem|bio)\.h": {"loop"},
    r"openssl/(evp|hmac|rand|kdf|core_names|params|crypto|sha|md5)\.h": {"wire/crypto"},
    r"libpq-fe\.h": {"db"},
    r"pg_query\.h": {"wire/sql"},
    r"llhttp\.h": {"wire/http"},
    r"msgpack(/.*)?\.h": {"wire/mp"},
    r"json-c/.*": {"wire/json"},
    r"curl/.*": {"fetch"},
    r"zlib\.h": {"http"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def room_of(path):
    folder = os.path.dirname(path)
    return folder if folder in LEVEL else None


def public_header(room):
    return f"{room}/{os.path.basename(room)}.h"


def check_file(src, path):
    room = room_of(path)
    if room is None:
        yield f"{path}: its folder is in no layer of tests/lint/layers.py"
        return
    with open(os.path.join(src, path), encoding="utf-8") as f:
        lines = list(f)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        style, target = match.groups()
        where = f"{path}:{number}"
        if style == "<" or target.startswith("openssl/"):
            for pattern, rooms in FOREIGN.items():
                if re.fullmatch(pattern, target) and room not in rooms:
                    yield f"{where}: {target} belongs to {', '.join(rooms)}"
            continue
        if target.startswith("proto/") or target.endswith(".def"):
            continue
        other = room_of(target)
        if other is None:
            yield f"{where}: {target} is not included by its path from src/"
        elif other == room:
            continue
        elif LEVEL[other] >= LEVEL[room]:
            yield f"{where}: {room} may not know {other}"
        elif other != "base" and target != public_header(other):
            yield f"{where}: of {other}, only {public_header(other)} is public"


def main(root):
    src = os.path.join(root, "src")
    bad = []
    n = 0
    for folder, _, files in os.walk(src):
        for name in sorted(files):
            if name.endswith((".c", ".h")):
                n += 1
                path = os.path.relpath(os.path.join(folder, name), src)
                bad += check_file(src, path)
    for line in bad:
        print(line)
    print(f"{n} files, {len(bad)} breaches of the layers")
    return 1 if bad or not n else 0


sys.exit(main(sys.argv[1]))
