"""Behaviours 6 and 7: protocol versions and oversized messages."""
import contextlib
import time

import pytest

import frontend
from backend import Message

USER = {"user": "wire", "database": "wire"}


# 6. protocol versions

def negotiation(target, version, **parameters):
    """The messages of a login with this version: (v or None, key
    length)."""
    with target.dial() as c:
        messages = c.login(version, **parameters)
        assert c.is_usable()
        offers = [str(m) for m in messages if m.kind == "v"]
        return offers, len(c.key)


def test_behaviour_06_protocol_3_0(postgres, door):
    assert negotiation(postgres.target, frontend.PROTOCOL_3_0) == ([], 4)
    assert negotiation(door.target, frontend.PROTOCOL_3_0) == ([], 4)


def newest(door):
    """The newest minor version the other side speaks."""
    return "3.2" if door.is_door else "3.0"


@pytest.mark.door("protocol 3.2, which PostgreSQL has from 18 on")
def test_behaviour_06_protocol_3_2(door):
    """3.2 is spoken without negotiation; the key is longer than 4 bytes,
    256 at most."""
    offers, key_length = negotiation(door.target, frontend.PROTOCOL_3_2)
    assert offers == []
    assert 4 < key_length <= 256


@pytest.mark.parametrize("minor", [3, 9999])
def test_behaviour_06_newer_minor(door, minor):
    """A newer minor version is negotiated down to the newest known."""
    offers, _ = negotiation(door.target, 0x00030000 | minor)
    assert offers == [f"v[{newest(door)}]"]


def test_behaviour_06_protocol_options(postgres, door):
    """Unknown _pq_ options are named in NegotiateProtocolVersion and
    ignored."""
    options = {"_pq_.one": "1", "_pq_.two": "2"}
    for target in (postgres.target, door.target):
        offers, _ = negotiation(target, frontend.PROTOCOL_3_0, **options)
        assert offers == ["v[3.0 _pq_.one _pq_.two]"]


@pytest.mark.parametrize("version", [0x00010000, 0x00020000, 0x00040000,
                                     0x00050001], ids=hex)
def test_behaviour_06_other_majors(postgres, door, version):
    """Other major versions are refused, in one message at most."""
    data = frontend.startup(USER, version)
    for target in (postgres.target, door.target):
        with target.dial() as c:
            got = c.say(data).bytes_until_closed()
            if version >= 0x00030000:
                assert got[:1] == b"E"
                assert Message("E", got[5:]).sqlstate == "0A000"
            else:
                assert b"SCRAM" not in got


def test_behaviour_06_keys_are_unguessable(door):
    """Cancel keys repeat neither pid nor key, nor count up."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(60)]
        assert len({c.pid for c in crowd}) == len(crowd)
        keys = [int.from_bytes(c.key, "big") for c in crowd]
        assert len(set(keys)) == len(keys)
        steps = {b - a for a, b in zip(keys, keys[1:])}
        assert len(steps) == len(keys) - 1
        assert max(keys).bit_length() > 24


@pytest.mark.door("protocol 3.2, which PostgreSQL has from 18 on")
def test_behaviour_06_long_key_cancels(door):
    """Under 3.2 the whole key cancels, a part of it or a longer one does
    not."""
    with door.target.dial() as c:
        c.login(frontend.PROTOCOL_3_2)
        c.query("select pg_sleep(0.5)").push()
        for key in (c.key[:4], c.key[:-1], c.key + b"\0", b"\0" * 256):
            c.cancel(key)
        assert "C" in [m.kind for m in c.until_ready()]
        c.query("select pg_sleep(60)").push()
        time.sleep(0.3)
        c.cancel()
        assert c.until_ready()[-2].sqlstate == "57014"


# 7. oversized messages

@pytest.mark.parametrize("length", [0x40000001, 0x7FFFFFFF, 0x80000000,
                                    0xFFFFFFFF], ids=hex)
@pytest.mark.parametrize("kind", "QPBd")
def test_behaviour_07_announced_too_much(door, kind, length):
    """More than PostgreSQL would ever allocate: the connection ends at
    once, with at most a FATAL 08P01, without waiting for the bytes."""
    with door.connect() as c:
        c.say(frontend.misframed(kind, length, b"x" * 100))
        answer = c.until_closed()
        assert len(answer) <= 1
        for m in answer:
            assert (m.fields["S"], m.sqlstate) == ("FATAL", "08P01")


def test_behaviour_07_announced_and_trickling(door):
    """Memory follows the bytes received, not those announced."""
    with contextlib.ExitStack() as stack, door.memory_grows_at_most(6 << 20):
        crowd = [stack.enter_context(door.connect()) for _ in range(6)]
        for c in crowd:
            c.say(frontend.misframed("P", 200 << 20, b"s\0select ")).push()
        for _ in range(30):
            for c in crowd:
                c.say(b"x" * 8192).push()
        with door.connect() as other:
            assert other.is_usable()


@pytest.mark.parametrize("stage", ["first", "sasl"])
def test_behaviour_07_oversized_before_login(door, stage):
    """No message over 64 kB is taken from somebody unknown."""
    with door.target.dial() as c:
        c.startup(USER).take(1)
        if stage == "sasl":
            c.answer(Message("R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
            c.take(1)
        c.say(frontend.misframed("p", 100_000, b"x" * 100))
        for m in c.until_closed():
            assert m.fields["S"] == "FATAL"


@pytest.mark.parametrize("how", ["query", "bind", "parse"])
def test_behaviour_07_large_messages_stream(door, is_long, how):
    """Messages of many megabytes arrive whole, with bounded memory on the
    way."""
    size = (200 if is_long else 16) << 20
    with door.connect(timeout=60) as c, door.memory_grows_at_most(4 << 20):
        data = b"y" * size
        if how == "query":
            c.query(b"select length('" + data + b"')")
        elif how == "bind":
            c.run("select length($1::text)", [data])
        else:
            c.run(b"select length('" + data + b"')")
        answer = c.until_ready()
        del data, c.pending
        assert [m.values for m in answer if m.kind == "D"] == [
            [str(size).encode()]]


def test_behaviour_07_large_answer(differential):
    """One value of many megabytes comes back as it was."""
    def script(c):
        c.ask("select repeat('0123456789', 2000000)")
        c.run("select $1::text", ["z" * 3_000_000])
        c.until_ready()
    differential(script)
