"""README.md's table of options, between its two markers, is what
proto/options.def says. With --fix behind the folder it is rewritten."""
import os
import re
import sys

BEGIN = "<!-- options:begin -->\n"
END = "<!-- options:end -->\n"
TEXT = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
GROUP = re.compile(rf"^OPTION_GROUP\({TEXT}\)", re.M)
OPTION = re.compile(
    rf"^OPTION\((\w+),\s*{TEXT},\s*(\w+),\s*{TEXT},\s*{TEXT},\s*{TEXT},"
    rf"\s*(\w+),\s*{TEXT}\)", re.M)
WHEN = {"START": "restart", "RELOAD": "reload"}
HEAD = ("| variable | flag | meaning | default | change |\n"
        "|---|---|---|---|---|\n")


def text_of(literals):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))


def cell(text):
    return text.replace("|", r"\|")


def code(text):
    return f"`{text}`" if text else ""


def values_of(kind, low, high):
    if kind == "FLAG":
        return "`yes`, `no`"
    if kind == "CHOICE":
        return ", ".join(map(code, low.split("|")))
    if low or high:
        return f"{low} to {high}"
    return ""


def row_of(match):
    field, _, kind, _, _, _, when, _ = match.groups()
    variable, default, low, high, what = (
        text_of(match.group(n)) for n in (2, 4, 5, 6, 8))
    values = values_of(kind, low, high)
    meaning = f"{what} ({values})" if values else what
    flag = "--" + field.replace("_", "-")
    cells = [code(variable), code(flag), meaning, code(default), WHEN[when]]
    return "| " + " | ".join(map(cell, cells)) + " |\n"


def table(definition):
    """The groups in order; a group of nothing but test options is left out."""
    pieces = GROUP.split(definition)
    out = []
    for title, rows in zip(pieces[1::2], pieces[2::2]):
        shown = [row_of(m) for m in OPTION.finditer(rows)
                 if m.group(7) != "TEST"]
        if shown:
            title = text_of(title)
            out.append(f"\n**{title[0].upper()}{title[1:]}**\n\n{HEAD}")
            out += shown
    return "".join(out) + "\n"


def main(root, fix):
    with open(os.path.join(root, "proto", "options.def"),
              encoding="utf-8") as f:
        definition = f.read()
    rows = len(OPTION.findall(definition))
    if rows != len(re.findall(r"^OPTION\(", definition, re.M)):
        print("proto/options.def: a row is not understood")
        return 1
    path = os.path.join(root, "README.md")
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        print(f"README.md: needs {BEGIN.strip()} and {END.strip()} once each")
        return 1
    before, rest = readme.split(BEGIN)
    wanted = before + BEGIN + table(definition) + END + rest.split(END)[1]
    if wanted == readme:
        print(f"{rows} options, README.md agrees")
        return 0
    if not fix:
        print("README.md: the options differ from proto/options.def; run\n"
              "    python3 tests/lint/readme_options.py . --fix")
        return 1
    with open(path, "w", encoding="utf-8") as f:
        f.write(wanted)
    print("README.md rewritten")
    return 0


sys.exit(main(sys.argv[1], sys.argv[2:] == ["--fix"]))
