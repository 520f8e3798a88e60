"""Behaviours 1 and 2: from the first byte to the request for a login."""
import contextlib
import select
import ssl
import struct
import time

import pytest

import frontend
from pgwire import ServerError
from waiting import eventually

USER = {"user": "wire", "database": "wire"}


def client_hello():
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def answer_to(target, data):
    """What a fresh connection gets for these bytes, as canonical text,
    until the server closes."""
    with target.dial() as c:
        c.say(data).until_closed()
        return c.transcript


def both(postgres, door, data):
    return answer_to(postgres.target, data), answer_to(door.target, data)


# 1. startup framing

def length_only(length, rest=b""):
    return struct.pack("!I", length & 0xFFFFFFFF) + rest


CLOSED_AT_ONCE = {
    **{f"length-{n}": length_only(n, b"\0" * 8) for n in range(8)},
    "length-10005": length_only(10005, b"\0" * 10001),
    "length-1-GB": length_only(0x40000000, b"\0" * 64),
    "length-max": length_only(0x7FFFFFFF, b"\0" * 64),
    "length-minus-1": length_only(-1, b"\0" * 64),
    "length-min": length_only(-0x80000000, b"\0" * 64),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "text": b"hello, is anybody there?\n",
}


@pytest.mark.parametrize("name", CLOSED_AT_ONCE)
def test_behaviour_01_startup_framing_closes(postgres, door, name):
    """A length PostgreSQL refuses ends the connection without a word, long
    before the login timeout."""
    expected, actual = both(postgres, door, CLOSED_AT_ONCE[name])
    assert expected == ["-- closed"]
    assert actual == expected


SANE_LENGTH = {
    "no-terminator": frontend.packet(
        frontend.PROTOCOL_3_0, b"user\0wire\0database\0wire\0"),
    "no-nul-at-all": frontend.packet(frontend.PROTOCOL_3_0, b"user"),
    "key-without-value": frontend.packet(
        frontend.PROTOCOL_3_0, b"user\0wire\0database\0\0"),
    "garbage-after-terminator": frontend.packet(
        frontend.PROTOCOL_3_0, b"user\0wire\0\0database\0wire\0\0"),
    "no-user": frontend.startup({"database": "wire"}),
    "empty-user": frontend.startup({"user": "", "database": "wire"}),
    "nothing": frontend.packet(frontend.PROTOCOL_3_0, b"\0"),
    "code-zero": frontend.packet(0, b"\0"),
}


@pytest.mark.parametrize("name", SANE_LENGTH)
def test_behaviour_01_startup_framing_fatal(postgres, door, name):
    """A packet of sane length with nonsense in it gets PostgreSQL's own
    FATAL."""
    expected, actual = both(postgres, door, SANE_LENGTH[name])
    assert actual == expected


def test_behaviour_01_startup_arrives_in_pieces(postgres, door):
    """A startup packet of one-byte segments logs in like a whole one."""
    for target in (postgres.target, door.target):
        with target.dial() as c:
            c.startup(USER).dribble()
            c.authenticate()
            c.until_ready()
            assert c.is_usable()


def test_behaviour_01_longest_startup(postgres, door):
    """10,000 bytes behind the length are allowed, to the byte."""
    user = {"user": "wire", "database": "wire", "application_name": ""}
    room = 10004 - len(frontend.startup(user))
    user["application_name"] = "x" * room
    assert len(frontend.startup(user)) == 10004
    for target in (postgres.target, door.target):
        with target.dial() as c:
            c.startup(user)
            c.authenticate()
            c.until_ready()
            assert c.parameters["application_name"] == "x" * 63


REFUSED_AFTER_LOGIN = {
    "unknown-setting": {"no_such_setting": "1"},
    "bad-value": {"DateStyle": "nonsense"},
    "bad-encoding": {"client_encoding": "KLINGON"},
    "bad-option": {"options": "-c no_such_setting=1"},
    "option-of-the-server-start": {"options": "-c shared_buffers=1GB"},
    "bad-switch": {"options": "-Z"},
    "no-such-database": {"database": "no_such_database"},
}


@pytest.mark.parametrize("name", REFUSED_AFTER_LOGIN)
def test_behaviour_01_refused_parameters(postgres, door, name):
    """Parameters PostgreSQL refuses after the login are refused with its
    own words, to this client only."""
    shown = []
    for target in (postgres.target, door.target):
        with target.dial() as c:
            with pytest.raises(ServerError) as error:
                c.login(**REFUSED_AFTER_LOGIN[name])
            c.until_closed()
            shown.append(str(error.value))
    assert shown[0] == shown[1]
    with door.connect() as c:
        assert c.is_usable()


def test_behaviour_01_greeting(postgres, door):
    """ParameterStatus of a login: the same names and values, application
    name, encoding and options of the client included; one cancel key."""
    given = {"application_name": "näme", "client_encoding": "LATIN1",
             "DateStyle": "german", "TimeZone": "Asia/Tokyo",
             "options": "-c intervalstyle=iso_8601 -c search_path=pg_catalog"}
    seen = []
    for target in (postgres.target, door.target):
        with target.connect(**given) as c:
            seen.append((c.parameters, [m for m in c.transcript
                                        if m[0] in "KZ"]))
    assert seen[0] == seen[1]


def test_behaviour_01_no_memory_no_flood(door, is_long):
    """Thousands of bad startups cost neither memory nor a log line each."""
    tries = 10000 if is_long else 1500
    bad = list(CLOSED_AT_ONCE.values()) + list(SANE_LENGTH.values())
    for data in bad:
        answer_to(door.target, data)
    door.mark_log()
    with door.memory_grows_at_most(2 << 20):
        for n in range(tries):
            answer_to(door.target, bad[n % len(bad)])
    assert door.log_since_mark().count("\n") < tries / 2


def test_behaviour_01_half_startups_are_small(door):
    """A startup that announces 10,000 bytes and stops costs little more
    than what it sent."""
    with contextlib.ExitStack() as stack, door.memory_grows_at_most(2 << 20):
        for _ in range(150):
            c = stack.enter_context(door.target.dial())
            c.say(length_only(10000, b"\0\3\0\0user\0")).push()
        with door.connect() as c:
            assert c.is_usable()


# 2. slow-loris startup

LOGIN_TIMEOUT = 2


def half_sasl():
    """A login that stops inside its SASLInitialResponse."""
    return frontend.sasl_initial("SCRAM-SHA-256", b"n,,n=,r=abcdefgh")[:20]


class Loris:
    """Sends one byte at a time, for ever."""

    def __init__(self, target, story):
        self.c = target.dial(source="127.0.0.2")
        self.bytes = iter(client_hello())
        if story == "startup":
            self.bytes = iter(length_only(9000, b"\0\3\0\0user\0" * 40))
        elif story == "sasl":
            assert self.c.startup(USER).message().kind == "R"
            self.bytes = iter(half_sasl())
        self.opened = time.monotonic()
        self.closed = None

    def creep(self):
        if self.closed:
            return
        byte = next(self.bytes, None)
        if byte is not None:
            self.c.say(bytes([byte])).push()
        poll = select.poll()
        poll.register(self.c.sock, select.POLLIN)
        if poll.poll(0):
            self.c.push()
            self.c._receive()
        if self.c.is_closed:
            self.closed = time.monotonic()


@pytest.mark.parametrize("story", ["startup", "client-hello", "sasl"])
def test_behaviour_02_slow_loris(howdah, door, certificate, is_long, story):
    """Sockets that creep through the login are closed at the login timeout
    counted from accept, though they never stop sending; meanwhile an honest
    client gets in at once."""
    if story == "client-hello" and not door.is_door:
        pytest.skip("PostgreSQL 15 has no direct TLS")
    cert, key = certificate
    with howdah(login_timeout=f"{LOGIN_TIMEOUT}s", tls_cert=cert,
                tls_key=key, max_logins_per_address=5000) as narrow:
        crowd = [Loris(narrow.target, story)
                 for _ in range(600 if is_long else 60)]
        deadline = time.monotonic() + LOGIN_TIMEOUT + 15
        while not all(one.closed for one in crowd):
            assert time.monotonic() < deadline, "still open"
            for one in crowd:
                one.creep()
            with narrow.connect() as honest:
                assert honest.is_usable()
            time.sleep(0.1)
        lived = [one.closed - one.opened for one in crowd]
        assert min(lived) > LOGIN_TIMEOUT / 2, "closed before its time"


@pytest.mark.door("a cap on connections that have not logged in")
def test_behaviour_02_caps_on_logins(howdah):
    """Unauthenticated sockets are capped per address and in total; those
    who are logged in do not count and nobody else is locked out."""
    with howdah(max_logins_per_address=10, max_logins=40,
                login_timeout="60s") as door, contextlib.ExitStack() as stack:
        held = stack.enter_context(door.connect())

        def crowd(source, count):
            """Opens sockets; how many of them the door keeps open."""
            opened = [stack.enter_context(door.target.dial(source=source))
                      for _ in range(count)]
            poll = select.poll()
            for c in opened:
                c.say(b"\0\0").push()
                poll.register(c.sock, select.POLLIN)
            eventually(lambda: len(poll.poll(0)) >= count - 10)
            time.sleep(0.2)  # whether more are refused than should be
            return count - len(poll.poll(0))
        assert crowd("127.0.0.2", 30) == 10
        assert crowd("127.0.0.3", 30) == 10
        with door.connect() as other:
            assert other.is_usable()
        assert held.is_usable()
