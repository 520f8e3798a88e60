"""What a server says: backend messages, and the one canonical text form in
which two conversations are compared.

Normalisation, all of it in this file, because it decides what "the same
answer" means:

  - BackendKeyData shows the length of its key, never the pid or the key;
    NotificationResponse hides the sender's pid;
  - the salt and nonces of a login are hidden;
  - an error shows severity, SQLSTATE, message and every other field but
    file, line and routine, which belong to the server's source;
  - in error texts, pids and numbers of temporary schemas become N;
  - OIDs that are not built in (>= 16384) become "user"; of a column's table
    only its being there and the attribute number are kept;
  - a value over 200 bytes is shown by its head, its length and its CRC.

Timing and the cutting of the stream into segments do not appear at all.
"""
import re
import struct
import zlib

FIRST_USER_OID = 16384
LONG_VALUE = 200
ERROR_HIDDEN = "FLRSVCM"
AUTHENTICATION = {0: "ok", 2: "kerberos", 3: "password", 5: "md5", 7: "gss",
                  8: "gss-continue", 9: "sspi", 10: "sasl", 11: "continue",
                  12: "final"}
ERROR_NAMES = {"D": "detail", "H": "hint", "P": "position",
               "p": "internal_position", "q": "internal_query", "W": "where",
               "s": "schema", "t": "table", "c": "column", "d": "type",
               "n": "constraint"}


def cstrings(data):
    return [part.decode("utf-8", "backslashreplace")
            for part in data.split(b"\0")]


def show_oid(oid):
    return "user" if oid >= FIRST_USER_OID else str(oid)


def show_value(data):
    if data is None:
        return "null"
    if len(data) > LONG_VALUE:
        head = show_value(data[:20])
        return f"{head}...({len(data)} bytes, crc {zlib.crc32(data):08x})"
    try:
        shown = data.decode()
        return repr(shown) if shown.isprintable() else repr(data)[1:]
    except UnicodeDecodeError:
        return "x" + data.hex()


def hide_volatile(message):
    message = re.sub(r"\b(PID|process|pid) \d+", r"\1 N", message)
    message = re.sub(r"\b(pg_(?:toast_)?temp_)\d+", r"\1N", message)
    return re.sub(r"(server supports 3\.0 to 3)\.\d+", r"\1.N", message)


class Message:
    """One backend message: `kind` (its type byte as a str) and `body`."""

    def __init__(self, kind, body):
        self.kind = kind
        self.body = body

    def __str__(self):
        show = SHOW.get(self.kind)
        if show:
            return f"{self.kind}[{show(self)}]"
        return self.kind + (f"[{show_value(self.body)}]" if self.body else "")

    __repr__ = __str__

    # decoded parts, by kind

    @property
    def status(self):
        """Of ReadyForQuery: I, T or E."""
        return self.body.decode()

    @property
    def code(self):
        """Of an Authentication message: its number."""
        return struct.unpack_from("!I", self.body)[0]

    @property
    def tag(self):
        """Of CommandComplete."""
        return self.body[:-1].decode()

    @property
    def values(self):
        """Of DataRow: bytes or None for each column."""
        count, = struct.unpack_from("!H", self.body)
        at, values = 2, []
        for _ in range(count):
            length, = struct.unpack_from("!i", self.body, at)
            at += 4
            values.append(None if length < 0 else self.body[at:at + length])
            at += max(length, 0)
        return values

    @property
    def columns(self):
        """Of RowDescription: (name, table, attribute, type, size, modifier,
        format) for each column."""
        count, = struct.unpack_from("!H", self.body)
        at, columns = 2, []
        for _ in range(count):
            end = self.body.index(b"\0", at)
            name = self.body[at:end].decode()
            columns.append((name, *struct.unpack_from("!IHIhiH", self.body,
                                                      end + 1)))
            at = end + 19
        return columns

    @property
    def fields(self):
        """Of ErrorResponse and NoticeResponse: letter to text."""
        return {part[0]: part[1:] for part in cstrings(self.body) if part}

    @property
    def sqlstate(self):
        return self.fields["C"]

    @property
    def pair(self):
        """Of ParameterStatus: name, value."""
        name, value = cstrings(self.body)[:2]
        return name, value

    @property
    def backend_key(self):
        """Of BackendKeyData: pid, key."""
        return struct.unpack_from("!I", self.body)[0], self.body[4:]

    @property
    def notification(self):
        """Of NotificationResponse: channel, payload."""
        channel, payload = cstrings(self.body[4:])[:2]
        return channel, payload


def show_authentication(m):
    name = AUTHENTICATION.get(m.code, str(m.code))
    if name == "sasl":
        return "sasl " + ",".join(part for part in cstrings(m.body[4:]) if part)
    return name


def show_columns(m):
    shown = []
    for name, table, attribute, oid, _, modifier, fmt in m.columns:
        where = f"@{attribute}" if table else ""
        modified = f"({modifier})" if modifier != -1 else ""
        shown.append(f"{name}:{show_oid(oid)}{modified}"
                     f"{'b' if fmt else ''}{where}")
    return " ".join(shown)


def hide_versions(text):
    """PostgreSQL 15 speaks protocol 3.0 only; the door speaks 3.2."""
    return re.sub(r"(server supports 3\.0 to) 3\.[02]$", r"\1 3.x", text)


def show_error(m):
    fields = m.fields
    shown = f"{fields.get('S')} {fields.get('C')} {hide_volatile(hide_versions(fields['M']))}"
    if fields.get("V") not in (None, fields.get("S")):
        shown += f"; severity={fields['V']}"
    for letter in sorted(set(fields) - set(ERROR_HIDDEN)):
        name = ERROR_NAMES.get(letter, letter)
        shown += f"; {name}={hide_volatile(fields[letter])}"
    return shown


def show_copy(m):
    fmt, count = struct.unpack_from("!BH", m.body)
    codes = struct.unpack_from(f"!{count}H", m.body, 3)
    return f"{'binary' if fmt else 'text'} {','.join(map(str, codes))}"


def show_oids(m):
    count, = struct.unpack_from("!H", m.body)
    return ",".join(map(show_oid, struct.unpack_from(f"!{count}I", m.body, 2)))


def show_negotiation(m):
    version, = struct.unpack_from("!I", m.body)
    names = " ".join(part for part in cstrings(m.body[8:]) if part)
    return f"{version >> 16}.{version & 0xffff} {names}".strip()


def show_function_result(m):
    length, = struct.unpack_from("!i", m.body)
    return show_value(m.body[4:] if length >= 0 else None)


SHOW = {
    "R": show_authentication,
    "S": lambda m: "=".join(m.pair),
    "K": lambda m: f"{len(m.body) - 4} bytes",
    "Z": lambda m: m.status,
    "T": show_columns,
    "D": lambda m: ", ".join(map(show_value, m.values)),
    "C": lambda m: m.tag,
    "E": show_error,
    "N": show_error,
    "A": lambda m: "{} {!r}".format(*m.notification),
    "G": show_copy,
    "H": show_copy,
    "W": show_copy,
    "d": lambda m: show_value(m.body),
    "t": show_oids,
    "v": show_negotiation,
    "V": show_function_result,
}
