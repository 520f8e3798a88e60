"""A server that says what a test wants: for what no real PostgreSQL would
ever send. Each connection is played by one function, in its own thread.

    def play(peer):
        peer.read_packet()          # the startup packet
        peer.send(...)

    with FakeServer(play) as server:
        server.url("user", "password", "database")
"""
import contextlib
import socket
import struct
import threading

from frontend import message, text

OK = message("R", struct.pack("!I", 0))
READY = message("Z", b"I")


def parameter(name, value):
    return message("S", text(name) + text(value))


def greeting(version="15.20"):
    """What a server says after the login of somebody it trusts."""
    return OK + b"".join(parameter(*pair) for pair in (
        ("server_version", version), ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"), ("DateStyle", "ISO, MDY"),
        ("integer_datetimes", "on"), ("standard_conforming_strings", "on"),
        ("TimeZone", "Etc/UTC"), ("IntervalStyle", "postgres"),
        ("is_superuser", "on"), ("session_authorization", "wire"),
        ("application_name", ""), ("in_hot_standby", "off"),
        ("default_transaction_read_only", "off"))) + message(
            "K", struct.pack("!II", 4711, 4712)) + READY


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def send(self, data):
        self.sock.sendall(data)

    def _need(self, count):
        while len(self.data) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.data += more

    def _take(self, count):
        self._need(count)
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def read_packet(self):
        """An untyped packet: (code, body)."""
        length, code = struct.unpack("!II", self._take(8))
        return code, self._take(length - 8)

    def read_startup(self):
        """The startup packet; refuses any encryption before it."""
        while True:
            code, body = self.read_packet()
            if code >> 16 == 3:
                return body
            self.send(b"N")

    def read_message(self):
        kind, length = struct.unpack("!cI", self._take(5))
        return kind.decode(), self._take(length - 4)

    def read_until(self, kinds):
        while True:
            kind, body = self.read_message()
            if kind in kinds:
                return kind, body

    def read_to_end(self):
        while self.sock.recv(65536):
            pass


class FakeServer:
    def __init__(self, play):
        self.play = play
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.peers = []
        self.errors = []

    def url(self, user, password, database):
        return (f"postgresql://{user}:{password}@127.0.0.1:{self.port}/"
                f"{database}")

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.peers:
            with contextlib.suppress(OSError):
                sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.peers.append(sock)
                threading.Thread(target=self._serve, args=(sock,),
                                 daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError, EOFError):
            self.play(Peer(sock))
