"""What a client says: every frontend message of protocol 3.x as bytes, well
formed or not. Pure functions; nothing here knows a socket.

Source: PostgreSQL documentation, "Message Formats".
"""
import struct

PROTOCOL_3_0 = 0x00030000
PROTOCOL_3_2 = 0x00030002
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


def text(value):
    """A NUL-terminated string."""
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def message(kind, body=b""):
    """One message: type byte, length, body."""
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def misframed(kind, length, body=b""):
    """A message whose length field says what the caller wants."""
    return kind.encode() + struct.pack("!I", length & 0xFFFFFFFF) + body


def packet(code, body=b""):
    """An untyped packet, as sent before a session exists."""
    return struct.pack("!II", len(body) + 8, code) + body


def startup(parameters, version=PROTOCOL_3_0):
    body = b"".join(text(k) + text(v) for k, v in parameters.items())
    return packet(version, body + b"\0")


def ssl_request():
    return packet(SSL_REQUEST)


def gssenc_request():
    return packet(GSSENC_REQUEST)


def cancel_request(pid, key):
    return packet(CANCEL_REQUEST, struct.pack("!I", pid) + key)


def password(value):
    return message("p", text(value))


def sasl_initial(mechanism, data):
    return message("p", text(mechanism) + struct.pack("!i", len(data)) + data)


def sasl_response(data):
    return message("p", data)


def query(sql):
    return message("Q", text(sql))


def parse(name, sql, oids=()):
    body = text(name) + text(sql) + struct.pack("!H", len(oids))
    return message("P", body + b"".join(struct.pack("!I", o) for o in oids))


def formats(codes):
    return struct.pack(f"!H{len(codes)}H", len(codes), *codes)


def value(item):
    """A parameter: None is NULL, str is text, bytes are sent as they are."""
    if item is None:
        return struct.pack("!i", -1)
    data = item if isinstance(item, bytes) else str(item).encode()
    return struct.pack("!i", len(data)) + data


def bind(portal, statement, parameters=(), input_formats=(),
         result_formats=()):
    body = text(portal) + text(statement) + formats(input_formats)
    body += struct.pack("!H", len(parameters))
    body += b"".join(value(p) for p in parameters)
    return message("B", body + formats(result_formats))


def describe(kind, name):
    return message("D", kind.encode() + text(name))


def close(kind, name):
    return message("C", kind.encode() + text(name))


def execute(portal="", max_rows=0):
    return message("E", text(portal) + struct.pack("!I", max_rows))


def flush():
    return message("H")


def sync():
    return message("S")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason):
    return message("f", text(reason))


def terminate():
    return message("X")


def function_call(oid, arguments=()):
    body = struct.pack("!I", oid) + formats(())
    body += struct.pack("!H", len(arguments))
    body += b"".join(value(a) for a in arguments)
    return message("F", body + struct.pack("!H", 0))
