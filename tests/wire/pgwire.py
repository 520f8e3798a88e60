"""A PostgreSQL client made of sockets alone, for tests: it can say anything,
well formed or not, in any cut, and shows every answer as it came.

    c = target.connect()                    # logged in
    c.query("select 1").until_ready()       # [T[..], D['1'], C[..], Z[I]]
    c.parse("s", "select $1::int").bind("", "s", ["1"]).execute().sync()
    c.until_ready()

What is said is queued and leaves in one write when something is read, or at
push(); dribble() sends it in small pieces. Everything received is appended to
`transcript` in its canonical form (see backend.py).
"""
import contextlib
import dataclasses
import select
import socket
import ssl
import struct
import time

import frontend
from backend import Message
from scram import Scram, endpoint_binding, md5_response

TIMEOUT = 30


class Closed(AssertionError):
    """The server closed the connection where a message was expected."""


class Silence(AssertionError):
    """The server said nothing for a long time."""


class ServerError(Exception):
    """An ErrorResponse where the caller wanted rows."""

    def __init__(self, message):
        super().__init__(str(message))
        self.message = message
        self.sqlstate = message.sqlstate


@dataclasses.dataclass(frozen=True)
class Target:
    """Where to connect, and as whom."""
    host: str
    port: int
    user: str
    password: str
    database: str

    def connect(self, timeout=TIMEOUT, source=None, receive_buffer=None,
                tls=None, **parameters):
        """A logged-in Connection."""
        c = self.dial(timeout, source, receive_buffer)
        try:
            if tls:
                c.start_tls(tls)
            c.login(**parameters)
        except BaseException:
            c.close()
            raise
        return c

    def dial(self, timeout=TIMEOUT, source=None, receive_buffer=None):
        """A Connection that has said nothing yet."""
        return Connection(self, timeout, source, receive_buffer)

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def url(self, scheme="postgresql"):
        return (f"{scheme}://{self.user}:{self.password}@{self.host}:"
                f"{self.port}/{self.database}")

    def dsn(self):
        return (f"host={self.host} port={self.port} user={self.user} "
                f"password={self.password} dbname={self.database}")

    def environment(self):
        """libpq's variables."""
        return {"PGHOST": self.host, "PGPORT": str(self.port),
                "PGUSER": self.user, "PGPASSWORD": self.password,
                "PGDATABASE": self.database}


class Connection:
    def __init__(self, target, timeout=TIMEOUT, source=None,
                 receive_buffer=None):
        self.target = target
        self.timeout = timeout
        self.chunk = 65536
        self.pending = bytearray()
        self.inbox = bytearray()
        self.is_closed = False
        self.is_reset = False
        self.transcript = []
        self.parameters = {}
        self.status = None
        self.pid, self.key = 0, b""
        self.protocol = frontend.PROTOCOL_3_0
        self.sock = self._open(source, receive_buffer)

    def _open(self, source, receive_buffer):
        is_unix = self.target.host.startswith("/")
        family = socket.AF_UNIX if is_unix else socket.AF_INET
        sock = socket.socket(family)
        sock.settimeout(self.timeout)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                receive_buffer)
            if is_unix:
                sock.connect(f"{self.target.host}/.s.PGSQL."
                             f"{self.target.port}")
                return sock
            if source:
                sock.bind((source, 0))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((self.target.host, self.target.port))
        except BaseException:
            sock.close()
            raise
        return sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # sending

    def say(self, data):
        """Queues bytes as they are."""
        self.pending += data
        return self

    def push(self):
        """Sends what is queued, reading meanwhile so that a long pipeline
        cannot block both sides."""
        data, self.pending = memoryview(bytes(self.pending)), bytearray()
        if isinstance(self.sock, ssl.SSLSocket):
            self._send_all(data)
            return self
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLOUT)
        while data and not self.is_closed:
            events = poll.poll(self.timeout * 1000)
            if not events:
                raise Silence(f"{len(data)} bytes could not be sent")
            if events[0][1] & (select.POLLIN | select.POLLHUP):
                self._receive()
            if events[0][1] & select.POLLOUT:
                data = data[self._send(data):]
        return self

    def _send(self, data):
        try:
            return self.sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            return len(data)  # the reader will see the end

    def _send_all(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass

    def dribble(self, size=1, pause=0):
        """Sends what is queued in pieces of `size` bytes, each in a segment
        of its own."""
        data, self.pending = bytes(self.pending), bytearray()
        for at in range(0, len(data), size):
            self._send_all(data[at:at + size])
            if pause:
                time.sleep(pause)
        return self

    def half_close(self):
        """Sends what is queued and then FIN; answers can still come."""
        self.push()
        with contextlib.suppress(OSError):  # the other side was faster
            self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.is_closed = True
        self.sock.close()

    # messages

    def query(self, sql):
        return self.say(frontend.query(sql))

    def parse(self, name, sql, oids=()):
        return self.say(frontend.parse(name, sql, oids))

    def bind(self, portal="", statement="", parameters=(), input_formats=(),
             result_formats=()):
        return self.say(frontend.bind(portal, statement, parameters,
                                      input_formats, result_formats))

    def describe(self, kind, name=""):
        return self.say(frontend.describe(kind, name))

    def execute(self, portal="", max_rows=0):
        return self.say(frontend.execute(portal, max_rows))

    def close_statement(self, name):
        return self.say(frontend.close("S", name))

    def close_portal(self, name):
        return self.say(frontend.close("P", name))

    def sync(self):
        return self.say(frontend.sync())

    def flush(self):
        return self.say(frontend.flush())

    def copy_data(self, data):
        return self.say(frontend.copy_data(data))

    def copy_done(self):
        return self.say(frontend.copy_done())

    def copy_fail(self, reason):
        return self.say(frontend.copy_fail(reason))

    def terminate(self):
        return self.say(frontend.terminate())

    def run(self, sql, parameters=(), oids=()):
        """Queues one whole exchange of the extended protocol, unnamed."""
        return (self.parse("", sql, oids).bind("", "", parameters)
                .describe("P").execute().sync())

    # receiving

    def _receive(self):
        """Takes what the socket has; blocks for it up to the timeout."""
        try:
            data = self.sock.recv(self.chunk)
        except (socket.timeout, TimeoutError):
            raise Silence(f"nothing for {self.timeout} s after "
                          f"{self.transcript[-10:]}") from None
        except (ConnectionResetError, BrokenPipeError):
            self.is_reset = True
            data = b""
        except ssl.SSLError:
            data = b""
        if not data:
            self.is_closed = True
        self.inbox += data

    def _whole(self):
        """Whether a whole message is in the inbox."""
        if len(self.inbox) < 5:
            return False
        return len(self.inbox) > struct.unpack_from("!I", self.inbox, 1)[0]

    def message(self):
        """The next message, or None when the server has closed."""
        self.push()
        while not self._whole():
            if self.is_closed:
                return None
            self._receive()
        end = struct.unpack_from("!I", self.inbox, 1)[0] + 1
        found = Message(chr(self.inbox[0]), bytes(self.inbox[5:end]))
        del self.inbox[:end]
        self._note_state(found)
        self.transcript.append(str(found))
        return found

    def _note_state(self, found):
        if found.kind == "S":
            name, value = found.pair
            self.parameters[name] = value
        elif found.kind == "K":
            self.pid, self.key = found.backend_key
        elif found.kind == "Z":
            self.status = found.status

    def until(self, kind):
        """Messages up to and including the first of this kind."""
        found = []
        while not found or found[-1].kind != kind:
            m = self.message()
            if m is None:
                raise Closed(f"closed while waiting for {kind}; "
                             f"got {found}")
            found.append(m)
        return found

    def until_ready(self, count=1):
        """Messages up to and including `count` ReadyForQuery."""
        found = []
        for _ in range(count):
            found += self.until("Z")
        return found

    def take(self, count):
        """Exactly so many messages."""
        found = []
        for _ in range(count):
            m = self.message()
            if m is None:
                raise Closed(f"closed after {found}")
            found.append(m)
        return found

    def until_closed(self):
        """What still comes before the server closes. FIN and RST count
        alike: unread input turns one into the other."""
        found = []
        while True:
            m = self.message()
            if m is None:
                break
            found.append(m)
        self.note("closed")
        return found

    def bytes_until_closed(self):
        """The same for answers that are no messages."""
        self.push()
        while not self.is_closed:
            self._receive()
        found, self.inbox = bytes(self.inbox), bytearray()
        return found

    def peek(self):
        """The next byte, which stays to be read; b"" when it closes."""
        self.push()
        while not self.inbox and not self.is_closed:
            self._receive()
        return bytes(self.inbox[:1])

    def byte(self):
        """The untyped byte that answers SSLRequest. An E is left where it
        is: it begins a message."""
        self.push()
        while not self.inbox and not self.is_closed:
            self._receive()
        found = bytes(self.inbox[:1])
        if found != b"E":
            del self.inbox[:1]
        self.note(f"byte {found.decode()}")
        return found

    def is_silent(self, seconds=0.3):
        """Whether nothing arrives for this long."""
        self.push()
        if self.inbox or self.is_closed:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(seconds * 1000)

    def note(self, line):
        """Adds a line of the test's own to the transcript."""
        self.transcript.append(f"-- {line}")
        return self

    # conversations

    def ask(self, sql):
        """A simple Query and all of its answer."""
        return self.query(sql).until_ready()

    def rows(self, sql, parameters=None, oids=()):
        """The rows as tuples of str or None; ServerError on an error."""
        if parameters is None:
            self.query(sql)
        else:
            self.run(sql, parameters, oids)
        answer = self.until_ready()
        for m in answer:
            if m.kind == "E":
                raise ServerError(m)
        return [tuple(None if v is None else v.decode() for v in m.values)
                for m in answer if m.kind == "D"]

    def value(self, sql, parameters=None):
        """The first column of the only row."""
        (row,) = self.rows(sql, parameters)
        return row[0]

    def is_usable(self):
        """Whether `select 1` is answered as on a fresh connection."""
        shown = " ".join(map(str, self.ask("select 1")))
        return shown == "T[?column?:23] D['1'] C[SELECT 1] Z[I]"

    def cancel(self, key=None):
        """Sends a CancelRequest for this connection on another one, and
        waits until the server has closed that."""
        with self.target.dial() as other:
            other.say(frontend.cancel_request(self.pid, key or self.key))
            other.bytes_until_closed()

    # logging in

    def startup(self, parameters, version=frontend.PROTOCOL_3_0):
        self.protocol = version
        return self.say(frontend.startup(parameters, version))

    def start_tls(self, context):
        """SSLRequest and the handshake."""
        assert self.say(frontend.ssl_request()).byte() == b"S"
        return self.wrap_tls(context)

    def wrap_tls(self, context):
        """The handshake at once: direct TLS."""
        self.sock = context.wrap_socket(self.sock,
                                        server_hostname=self.target.host)
        return self

    def login(self, version=frontend.PROTOCOL_3_0, **parameters):
        """Startup, authentication and everything up to ReadyForQuery;
        ServerError when refused."""
        given = {"user": self.target.user, "database": self.target.database}
        self.startup({**given, **parameters}, version)
        found = self.authenticate()
        while found[-1].kind != "Z":
            found.append(self._login_message(found))
        return found

    def authenticate(self):
        """Answers the server's Authentication messages; returns all of
        them."""
        found, scram = [], None
        while True:
            m = self._login_message(found)
            found.append(m)
            if m.kind != "R":
                continue
            if m.code == 0:
                return found
            scram = self.answer(m, scram)

    def _login_message(self, found):
        m = self.message()
        if m is None:
            raise Closed(f"closed during login; got {found}")
        if m.kind == "E":
            raise ServerError(m)
        return m

    def answer(self, m, scram=None):
        """The answer to one Authentication message; returns the Scram that
        is under way, if one is."""
        user, password = self.target.user, self.target.password
        if m.code == 3:
            self.say(frontend.password(password))
        elif m.code == 5:
            self.say(frontend.password(
                md5_response(user, password, m.body[4:])))
        elif m.code == 10:
            scram = self._choose_scram(m.body[4:].split(b"\0"))
        elif m.code == 11:
            self.say(frontend.sasl_response(scram.final(m.body[4:])))
        elif m.code == 12:
            scram.verify(m.body[4:])
        else:
            raise AssertionError(f"cannot answer {m}")
        return scram

    def _choose_scram(self, mechanisms):
        binding = None
        if isinstance(self.sock, ssl.SSLSocket):
            if b"SCRAM-SHA-256-PLUS" in mechanisms:
                binding = endpoint_binding(self.sock.getpeercert(True))
        scram = Scram(self.target.password, binding)
        name = "SCRAM-SHA-256-PLUS" if binding else "SCRAM-SHA-256"
        self.say(frontend.sasl_initial(name, scram.first()))
        return scram
