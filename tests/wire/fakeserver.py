"""A server that says what a test wants: for what no real PostgreSQL would
ever send. Each connection is played by one function, in its own thread.

    def play(peer):
        peer.read_startup()
        peer.send(...)

    with FakeServer(play) as server: ... server.url(target)

A door asks its server for things of its own before any client comes, so
most tests let it: diverted() plays only in the databases it is told and
passes every other session on to a real PostgreSQL.
"""
import contextlib
import socket
import struct
import threading

from frontend import CANCEL_REQUEST, message, packet, text

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

    def _take(self, count):
        while len(self.data) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.data += more
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def read_packet(self):
        """An untyped packet: (code, body)."""
        length, code = struct.unpack("!II", self._take(8))
        return code, self._take(length - 8)

    def read_startup(self):
        """The startup packet or a cancel request, (code, body); refuses
        any encryption before it."""
        while True:
            code, body = self.read_packet()
            if code >> 16 == 3 or code == CANCEL_REQUEST:
                return code, body
            self.send(b"N")

    def read_message(self):
        kind, length = struct.unpack("!cI", self._take(5))
        return kind.decode(), self._take(length - 4)

    def read_to_end(self):
        while self.sock.recv(65536):
            pass

    def relay(self, port, said=b""):
        """Leaves the rest to a real server, to which `said` is said
        first."""
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(said + self.data)
            back = threading.Thread(target=pump, args=(server, self.sock),
                                    daemon=True)
            back.start()
            pump(self.sock, server)
            back.join()


def pump(source, sink):
    """Copies until the end of the source."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def diverted(plays, port):
    """Plays plays[database](peer) for sessions in one of these databases,
    after their startup packet; the others go to the server at `port`."""
    def play(peer):
        code, body = peer.read_startup()
        fields = body.split(b"\0")
        given = dict(zip(fields[::2], fields[1::2]))
        own = plays.get(given.get(b"database", b"").decode())
        if own:
            own(peer)
        else:
            peer.relay(port, packet(code, body))
    return play


class FakeServer:
    def __init__(self, play):
        self.play = play
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.peers = []

    def url(self, target, **parameters):
        """The URL a door is given to come here as `target` says."""
        query = "&".join(f"{k}={v}" for k, v in parameters.items())
        return target.replace(port=self.port).url() + "?" + query

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.peers:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

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
