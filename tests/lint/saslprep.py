"""src/wire/crypto/saslprep.def is what Unicode says: the code points that
SASLprep (RFC 4013) may change, alone or beside others. --write makes it."""
import os
import stringprep
import sys
import unicodedata

PATH = "src/wire/crypto/saslprep.def"
HEAD = """\
/*
 * Code points that SASLprep (RFC 4013) may change: those it maps, and those
 * that are not, in any company, their own NFKC form. What Unicode 3.2 had not
 * assigned counts either way (saslprep.c) and serves to join ranges.
 *
 * Written by tests/lint/saslprep.py, which checks it too.
 *
 * RANGE(first, last)
 */
"""
POINTS = [c for c in range(0x80, 0x110000) if not 0xD800 <= c <= 0xDFFF]


def second_halves():
    """What may melt into a character before it: NFKC_Quick_Check=Maybe."""
    found = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for code in POINTS:
        parts = unicodedata.decomposition(chr(code)).split()
        is_pair = len(parts) == 2 and not parts[0].startswith("<")
        if is_pair and unicodedata.normalize("NFC", chr(code)) == chr(code):
            found.add(int(parts[1], 16))
    return found


def changes(code, halves):
    char = chr(code)
    return (stringprep.in_table_b1(char) or stringprep.in_table_c12(char)
            or unicodedata.combining(char) != 0 or code in halves
            or unicodedata.normalize("NFKC", char) != char)


def ranges():
    halves = second_halves()
    found = []
    is_open = False
    for code in POINTS:
        if stringprep.in_table_a1(chr(code)):
            continue
        if not changes(code, halves):
            is_open = False
        elif is_open:
            found[-1][1] = code
        else:
            found.append([code, code])
            is_open = True
    return found


def main(root, *options):
    path = os.path.join(root, PATH)
    text = HEAD + "".join(f"RANGE(0x{a:04X}, 0x{b:04X})\n" for a, b in ranges())
    if "--write" in options:
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        return 0
    with open(path, encoding="ascii") as f:
        is_same = f.read() == text
    print(f"{PATH} is {'as' if is_same else 'NOT what'} Unicode says")
    return 0 if is_same else 1


sys.exit(main(*sys.argv[1:]))
