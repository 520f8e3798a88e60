"""A raw PostgreSQL client that costs as little as Python allows, so that
thousands fit into one process and the gateway is what gets measured."""
import base64
import hashlib
import hmac
import os
import socket
import struct


class ServerError(Exception):
    """An ErrorResponse; args are SQLSTATE and message."""


class ScramKeys:
    """Remembers ClientKey and ServerKey, so that only the first login pays
    for PBKDF2."""

    def __init__(self, password):
        self.password = password.encode()
        self.known = {}

    def of(self, salt, iterations):
        if (salt, iterations) not in self.known:
            salted = hashlib.pbkdf2_hmac("sha256", self.password, salt,
                                         iterations)
            self.known[salt, iterations] = (
                hmac.digest(salted, b"Client Key", "sha256"),
                hmac.digest(salted, b"Server Key", "sha256"))
        return self.known[salt, iterations]


class Client:
    def __init__(self, gateway, user="postgres", dbname="postgres", keys=None,
                 receive_buffer=None, timeout=60):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_buffer)
        self.rest = b""
        try:
            self.socket.connect((gateway.host, gateway.port))
            self._login(user, dbname, keys)
        except BaseException:
            self.socket.close()
            raise

    def _login(self, user, dbname, keys):
        body = struct.pack("!I", 196608)
        for word in ("user", user, "database", dbname):
            body += word.encode() + b"\0"
        body += b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        for kind, body in self.messages():
            if kind == b"R" and body[:4] == b"\0\0\0\x0a":
                self._scram(keys)
            elif kind == b"R" and body[:4] != b"\0\0\0\0":
                raise ServerError("", "unexpected authentication request")
            elif kind == b"Z":
                return

    def _scram(self, keys):
        nonce = base64.b64encode(os.urandom(18))
        first = b"n=,r=" + nonce
        self.send(b"p", b"SCRAM-SHA-256\0"
                  + struct.pack("!I", len(first) + 3) + b"n,," + first)
        challenge = self._auth(b"\0\0\0\x0b")
        nonce, salt, count = (part[2:] for part in challenge.split(b","))
        client_key, server_key = keys.of(base64.b64decode(salt), int(count))
        final = b"c=biws,r=" + nonce
        message = first + b"," + challenge + b"," + final
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message,
                                "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.send(b"p", final + b",p=" + base64.b64encode(proof))
        verifier = base64.b64encode(hmac.digest(server_key, message, "sha256"))
        if self._auth(b"\0\0\0\x0c") != b"v=" + verifier:
            raise ServerError("", "the server does not know the password")

    def _auth(self, code):
        kind, body = next(self.messages())
        if kind != b"R" or body[:4] != code:
            raise ServerError("", f"expected authentication {code!r}")
        return body[4:]

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _fill(self, n):
        while len(self.rest) < n:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("closed by the server")
            self.rest += chunk

    def _message(self):
        self._fill(5)
        end = 1 + int.from_bytes(self.rest[1:5], "big")
        self._fill(end)
        kind, body = self.rest[:1], self.rest[5:end]
        self.rest = self.rest[end:]
        return kind, body

    def messages(self):
        """Yields (type, body); an ErrorResponse is raised once the server
        has closed or become ready again."""
        error = None
        while True:
            try:
                kind, body = self._message()
            except OSError:
                if error:
                    raise error
                raise
            if kind == b"E":
                fields = {field[:1]: field[1:].decode()
                          for field in body.split(b"\0") if field}
                error = ServerError(fields[b"C"], fields[b"M"])
            elif kind == b"Z" and error:
                raise error
            else:
                yield kind, body

    def query(self, text):
        """A simple query; returns the bytes of its answer."""
        self.send(b"Q", text.encode() + b"\0")
        return self.finish()

    def finish(self):
        n = 0
        for kind, body in self.messages():
            n += 5 + len(body)
            if kind == b"Z":
                return n

    def close(self):
        try:
            self.send(b"X", b"")
        except OSError:
            pass
        self.socket.close()
