"""Behaviours 3 to 5: encryption is agreed on in the right order, and nothing
said in clear is ever taken for something said inside it."""
import contextlib
import os
import socket
import ssl
import threading

import pytest

import frontend
from fakeserver import FakeServer
from pgwire import Closed, ServerError

USER = {"user": "wire", "database": "wire"}
CLIENT_HELLO = b"\x16\x03\x01\x02\x00"


@pytest.fixture(scope="module")
def tls_postgres(own_postgres, certificate):
    """A PostgreSQL with TLS, so that the door's way to it has TLS too."""
    cert, key = certificate
    with own_postgres.settings(ssl="on", ssl_cert_file=cert,
                               ssl_key_file=key):
        yield own_postgres


@pytest.fixture(scope="module")
def tls_door(make_door, tls_postgres, certificate):
    cert, key = certificate
    return make_door(tls_postgres, tls_cert=cert, tls_key=key)


def tls_context(alpn=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


# 3. the order of SSLRequest and GSSENCRequest

NEGOTIATIONS = {
    "ssl-off": [frontend.ssl_request()],
    "ssl-twice": [frontend.ssl_request(), frontend.ssl_request()],
}


def negotiate(target, requests):
    """Sends each request after the answer to the one before, then a
    startup packet; the whole transcript up to the request for a login."""
    with target.dial() as c:
        for request in requests:
            c.say(request)
            if c.byte() in (b"E", b""):
                c.until_closed()
                return c.transcript
        c.startup(USER)
        c.take(1)
        return c.transcript


@pytest.mark.parametrize("name", NEGOTIATIONS)
def test_behaviour_03_encryption_refused(postgres, door, name):
    """TLS off: SSLRequest gets N and the login goes on in clear; a second
    one is refused as PostgreSQL refuses it."""
    expected = negotiate(postgres.target, NEGOTIATIONS[name])
    assert negotiate(door.target, NEGOTIATIONS[name]) == expected


@pytest.mark.door("an N to GSSENCRequest: Debian's PostgreSQL has GSS")
@pytest.mark.parametrize("requests", [
    [frontend.gssenc_request()],
    [frontend.gssenc_request(), frontend.ssl_request()],
    [frontend.ssl_request(), frontend.gssenc_request()],
], ids=["gss", "gss-ssl", "ssl-gss"])
def test_behaviour_03_gss_refused(door, requests):
    """GSSENCRequest gets N, before or after SSLRequest, and the login goes
    on."""
    assert negotiate(door.target, requests) == (
        ["-- byte N"] * len(requests) + ["R[sasl SCRAM-SHA-256]"])


@pytest.mark.door("an N to GSSENCRequest: Debian's PostgreSQL has GSS")
def test_behaviour_03_gss_twice(door):
    """A second GSSENCRequest is a protocol version nobody supports."""
    with door.target.dial() as c:
        assert c.say(frontend.gssenc_request()).byte() == b"N"
        (error,) = c.say(frontend.gssenc_request()).until_closed()
        assert error.sqlstate == "0A000"


def test_behaviour_03_tls(tls_postgres, tls_door):
    """SSLRequest gets S, the handshake and the login follow (SCRAM with
    channel binding); a second SSLRequest inside is FATAL."""
    shown = []
    for target in (tls_postgres.target, tls_door.target):
        with target.connect(tls=tls_context()) as c:
            assert c.is_usable()
            assert "R[sasl SCRAM-SHA-256-PLUS,SCRAM-SHA-256]" in c.transcript
        with target.dial() as c:
            c.start_tls(tls_context())
            c.say(frontend.ssl_request()).until_closed()
            shown.append(c.transcript)
    assert shown[0] == shown[1]


@pytest.mark.door("an N to GSSENCRequest: Debian's PostgreSQL has GSS")
def test_behaviour_03_gss_then_tls(tls_door):
    with tls_door.target.dial() as c:
        assert c.say(frontend.gssenc_request()).byte() == b"N"
        c.start_tls(tls_context())
        c.login()
        assert c.is_usable()


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_behaviour_03_tls_in_pieces(tls_postgres, tls_door, cut):
    """A handshake and a login whose records arrive in small pieces."""
    for target in (tls_postgres.target, tls_door.target):
        with target.dial() as c:
            assert c.say(frontend.ssl_request()).byte() == b"S"
            c.sock = PieceSocket(c.sock, cut).wrap(tls_context())
            c.login()
            assert c.value("select repeat('x', 70000)") == "x" * 70000


class PieceSocket:
    """A TLS client over a socket whose bytes leave `cut` at a time."""

    def __init__(self, sock, cut):
        self.sock = sock
        self.cut = cut

    def wrap(self, context):
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._pump, args=(theirs, self.sock),
                         daemon=True).start()
        threading.Thread(target=self._pump, args=(self.sock, theirs),
                         daemon=True).start()
        ours.settimeout(self.sock.gettimeout())
        return context.wrap_socket(ours, server_hostname="127.0.0.1")

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                for at in range(0, len(data), self.cut):
                    sink.sendall(data[at:at + self.cut])
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.door("a switch that requires TLS")
def test_behaviour_03_tls_required(howdah, certificate):
    """With TLS required a plain login is refused before any password."""
    cert, key = certificate
    with howdah(tls_cert=cert, tls_key=key, tls_required="yes") as door:
        with pytest.raises(ServerError) as error:
            door.connect()
        assert error.value.sqlstate == "28000"
        with door.connect(tls=tls_context()) as c:
            assert c.is_usable()


# 4. plaintext injection

def assert_not_interpreted(transcript):
    """One word of encryption at most, then the FATAL or nothing."""
    rest = [line for line in transcript if not line.startswith("-- byte")]
    assert rest[-1] == "-- closed"
    assert len(rest) <= 2
    if len(rest) == 2:
        assert "08P01 received unencrypted data after SSL request" in rest[0]


def test_behaviour_04_injection_tls_off(postgres, door):
    """Bytes in one segment with a refused SSLRequest: PostgreSQL's FATAL,
    never a login."""
    data = frontend.ssl_request() + frontend.startup(USER)
    shown = []
    for target in (postgres.target, door.target):
        with target.dial() as c:
            assert c.say(data).byte() == b"N"
            c.until_closed()
            shown.append(c.transcript)
    assert shown[0] == shown[1]
    assert_not_interpreted(shown[1])


@pytest.mark.door("a FATAL in clear: PostgreSQL waits for the handshake")
def test_behaviour_04_injection_tls_on(tls_door):
    """The same with TLS on: nothing of it is ever interpreted."""
    with tls_door.target.dial() as c:
        c.say(frontend.ssl_request() + frontend.startup(USER)).push()
        c.byte()
        c.until_closed()
        assert_not_interpreted(c.transcript)


def test_behaviour_04_injection_later_segment(tls_door):
    """Clear bytes after the S, before any ClientHello, are a broken
    handshake: closed, nothing interpreted."""
    with tls_door.target.dial() as c:
        assert c.say(frontend.ssl_request()).byte() == b"S"
        c.say(frontend.startup(USER)).push()
        assert b"SCRAM" not in c.bytes_until_closed()


@pytest.mark.door("its own TLS to a server")
def test_behaviour_04_injection_by_the_server(make_door, tls_postgres):
    """CVE-2021-23222: bytes buffered behind the server's S are not taken
    for what the server says inside TLS."""
    def inject(peer):
        peer.read_packet()
        peer.send(b"S" + b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
        peer.read_to_end()
    with FakeServer(lambda peer: peer.relay(tls_postgres.port)) as server:
        url = server.url(tls_postgres.target, sslmode="require")
        with make_door(tls_postgres, upstream=url, connect_timeout="2s",
                       query_wait_timeout="2s") as door:
            with door.connect() as c:
                assert c.is_usable()
            server.play = inject
            with pytest.raises((ServerError, Closed)):
                with door.target.replace(database="other").connect() as c:
                    c.value("select 1")


# 5. direct TLS

@pytest.mark.door("direct TLS, which PostgreSQL has from 17 on")
class TestDirectTls:
    def test_behaviour_05_direct_tls(self, tls_door):
        """A ClientHello as first bytes, with ALPN postgresql: a session."""
        with tls_door.target.dial() as c:
            c.wrap_tls(tls_context("postgresql"))
            assert c.sock.selected_alpn_protocol() == "postgresql"
            c.login()
            assert c.is_usable()

    @pytest.mark.parametrize("alpn", [None, "http/1.1"])
    def test_behaviour_05_alpn_required(self, tls_door, alpn):
        """Without the protocol's name, or with another's, the handshake
        fails with no_application_protocol."""
        with tls_door.target.dial() as c:
            with pytest.raises(ssl.SSLError) as error:
                c.wrap_tls(tls_context(alpn))
                c.sock.recv(1)  # TLS 1.3 may tell with the first read
            assert "no application protocol" in \
                str(error.value).lower().replace("_", " ")

    def test_behaviour_05_ssl_request_inside(self, tls_door):
        with tls_door.target.dial() as c:
            c.wrap_tls(tls_context("postgresql"))
            (error,) = c.say(frontend.ssl_request()).until_closed()
            assert error.fields["S"] == "FATAL"

    def test_behaviour_05_tls_off(self, door):
        """Where TLS is off a ClientHello is garbage like any other."""
        with door.target.dial() as c:
            c.say(CLIENT_HELLO + b"\0" * 512)
            assert len(c.bytes_until_closed()) < 100

    def test_behaviour_05_garbage_handshake(self, tls_door):
        with tls_door.target.dial() as c:
            c.say(CLIENT_HELLO + os.urandom(512))
            assert b"R\0\0" not in c.bytes_until_closed()
        with tls_door.connect(tls=tls_context()) as c:
            assert c.is_usable()
