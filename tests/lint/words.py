"""What no file of the repository may hold: paths of one machine, hosts of
package registries (packages are named, never located), a TODO without an
issue, trailing blanks. And no source file outgrows its story."""
import os
import re
import subprocess
import sys

SKIP = 77
MAX_LINES = 800
RULES = {
    "a path of one machine":
        re.compile(r"(?<![\w.-])/(work|home|root|Users|tmp/wt)/\w"),
    "the host of a package registry":
        re.compile(r"\b(deb\.debian|security\.debian|snapshot\.debian"
                   r"|deb\.nodesource|registry\.npmjs|registry\.yarnpkg"
                   r"|files\.pythonhosted|pypi|proxy\.golang|static\.crates"
                   r"|ghcr|quay)\.(org|com|io)\b"),
    "TODO without an issue number (TODO #12)":
        re.compile(r"\b(TODO|FIXME|XXX)\b(?!:? #\d)"),
    "a blank at the end of the line": re.compile(r"[ \t]+$"),
}
# Bytes that are what they are.
EXEMPT = ("tests/fuzz/corpus/", "tests/lint/words.py", "LICENSE")


def tracked(root):
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True)
    return [path for path in listed.stdout.split("\0")
            if path and os.path.isfile(os.path.join(root, path))]


def check_file(root, path):
    try:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, 1):
        for what, pattern in RULES.items():
            if pattern.search(line):
                yield f"{path}:{number}: {what}"
    if path.startswith("src/") and len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines, over {MAX_LINES}: split the story"


def main(root):
    files = tracked(root)
    if not files:
        print("skipped: not a git checkout")
        return SKIP
    bad = [line for path in files if not path.startswith(EXEMPT)
           for line in check_file(root, path)]
    for line in bad:
        print(line)
    print(f"{len(files)} files, {len(bad)} words that do not belong")
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
