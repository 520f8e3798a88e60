"""The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677) and md5, without
libpq, so that a test can bend any step of it."""
import base64
import hashlib
import hmac
import secrets


def md5_response(user, password, salt):
    inner = hashlib.md5((password + user).encode()).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


def digest(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def endpoint_binding(certificate):
    """tls-server-end-point (RFC 5929) of a certificate signed with
    SHA-256."""
    return hashlib.sha256(certificate).digest()


class Scram:
    """One login. `binding` is the channel binding data of -PLUS, or None;
    `gs2` overrides the header's flag."""

    def __init__(self, password, binding=None, gs2=None, nonce=None):
        self.password = password
        self.nonce = nonce or secrets.token_urlsafe(18)
        self.binding = binding or b""
        if gs2 is None:
            gs2 = "p=tls-server-end-point" if binding else "n"
        self.header = gs2.encode() + b",,"
        self.bare = b"n=,r=" + self.nonce.encode()
        self.server_first = None

    def first(self):
        return self.header + self.bare

    def final(self, server_first):
        """The client-final message for the server's first one."""
        self.server_first = dict(
            part.split("=", 1) for part in server_first.decode().split(","))
        salt = base64.b64decode(self.server_first["s"])
        rounds = int(self.server_first["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt,
                                     rounds)
        client_key = digest(salted, b"Client Key")
        bound = base64.b64encode(self.header + self.binding)
        without_proof = (b"c=" + bound + b",r="
                         + self.server_first["r"].encode())
        auth = b",".join((self.bare, server_first, without_proof))
        signature = digest(hashlib.sha256(client_key).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.server_signature = digest(digest(salted, b"Server Key"), auth)
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final):
        expected = b"v=" + base64.b64encode(self.server_signature)
        assert server_final == expected, "the server's signature is wrong"
