"""The holes other poolers and PostgreSQL had, kept shut: hostile logins,
hostile servers, and who may do what."""
import struct

import pytest

import frontend
from cluster import PASSWORDS
from fakeserver import (OK, READY, FakeServer, diverted, greeting,
                        parameter)
from frontend import message, text
from pgwire import Closed, ServerError
from scram import Scram
from waiting import eventually

USER = {"user": "wire", "database": "wire"}
SCRAM = b"SCRAM-SHA-256"


def sasl_initial(mechanism, length, data):
    return frontend.message("p", mechanism + b"\0"
                            + struct.pack("!i", length) + data)


FIRST = b"n,,n=,r=abcdefghijklmnop"

# A client's first SASL message, one for each way of getting it wrong.
BAD_FIRST = {
    "empty": frontend.message("p", b""),
    "no-nul": frontend.message("p", b"SCRAM"),
    "unknown-mechanism": sasl_initial(b"SCRAM-MD5", len(FIRST), FIRST),
    "no-mechanism": sasl_initial(b"", len(FIRST), FIRST),
    "no-length": frontend.message("p", SCRAM + b"\0"),
    "length-minus-1": sasl_initial(SCRAM, -1, b""),
    "length-minus-2": sasl_initial(SCRAM, -2, b""),
    "length-max": sasl_initial(SCRAM, 0x7FFFFFFF, FIRST),
    "length-min": sasl_initial(SCRAM, -0x80000000, FIRST),
    "length-too-long": sasl_initial(SCRAM, len(FIRST) + 1, FIRST),
    "length-too-short": sasl_initial(SCRAM, 3, FIRST),
    "nothing": sasl_initial(SCRAM, 0, b""),
    "nul-inside": frontend.sasl_initial("SCRAM-SHA-256",
                                        b"n,,n=\0,r=abcdefghijkl"),
    "only-gs2": frontend.sasl_initial("SCRAM-SHA-256", b"n,,"),
    "bad-flag": frontend.sasl_initial("SCRAM-SHA-256", b"x,,n=,r=abc"),
    "binding-without-tls": frontend.sasl_initial(
        "SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=abcdef"),
    "plus-without-tls": frontend.sasl_initial("SCRAM-SHA-256-PLUS", FIRST),
    "authzid": frontend.sasl_initial("SCRAM-SHA-256",
                                     b"n,a=somebody,n=,r=abcdef"),
    "no-nonce": frontend.sasl_initial("SCRAM-SHA-256", b"n,,n=,"),
    "empty-nonce": frontend.sasl_initial("SCRAM-SHA-256", b"n,,n=,r="),
    "unprintable-nonce": frontend.sasl_initial("SCRAM-SHA-256",
                                               b"n,,n=,r=ab\x01cd"),
    "extension": frontend.sasl_initial("SCRAM-SHA-256",
                                       b"n,,m=mandatory,n=,r=abcdef"),
    "no-commas": frontend.sasl_initial("SCRAM-SHA-256", b"nnnnnnnnnnn"),
    "huge-nonce": frontend.sasl_initial("SCRAM-SHA-256",
                                        b"n,,n=,r=" + b"a" * 60_000),
    "not-a-password-message": frontend.query("select 1"),
}


def login_transcript(target, *answers):
    """What a login gets that answers SASL with these bytes; an answer may
    be a function of the server's last message."""
    with target.dial() as c:
        c.startup(USER).take(1)
        for answer in answers:
            if callable(answer):
                answer = answer(c.message())
            c.say(answer).push()
        c.half_close().until_closed()
        return c.transcript


@pytest.mark.parametrize("name", BAD_FIRST)
def test_cve_2026_6664_malformed_first_message(postgres, door, name):
    """Lengths and shapes nobody may trust, before anybody is known:
    PostgreSQL's refusal, and the door stands."""
    assert login_transcript(door.target, BAD_FIRST[name]) == (
        login_transcript(postgres.target, BAD_FIRST[name]))
    with door.connect() as c:
        assert c.is_usable()


def final_of(change):
    """A client-final message made wrong by change(bytes)."""
    def answer(challenge):
        scram = Scram(PASSWORDS["wire"], nonce="abcdefghijklmnop")
        return frontend.sasl_response(change(scram.final(challenge.body[4:])))
    return answer


BAD_FINAL = {
    "empty": lambda m: b"",
    "nul": lambda m: m + b"\0",
    "no-proof": lambda m: m.split(b",p=")[0],
    "empty-proof": lambda m: m.split(b",p=")[0] + b",p=",
    "short-proof": lambda m: m.split(b",p=")[0] + b",p=YWJj",
    "long-proof": lambda m: m.split(b",p=")[0] + b",p=" + b"YWJj" * 400,
    "not-base64": lambda m: m.split(b",p=")[0] + b",p=" + b"!" * 44,
    "wrong-proof": lambda m: m.split(b",p=")[0] + b",p=" + b"A" * 43 + b"=",
    "trailing": lambda m: m + b",x=y",
    "other-nonce": lambda m: m.replace(b",r=abcd", b",r=dcba"),
    "nonce-cut": lambda m: b",".join([m.split(b",")[0], b"r=abcdefghijklmnop",
                                      m.split(b",")[-1]]),
    "other-binding": lambda m: m.replace(b"c=biws", b"c=eSws"),
    "binding-not-base64": lambda m: m.replace(b"c=biws", b"c=****"),
    "no-binding": lambda m: m.replace(b"c=biws,", b""),
    "huge": lambda m: m + b"," + b"x=" + b"y" * 60_000,
}


@pytest.mark.parametrize("name", BAD_FINAL)
def test_cve_2026_6664_malformed_final_message(postgres, door, name):
    answers = (frontend.sasl_initial("SCRAM-SHA-256", FIRST),
               final_of(BAD_FINAL[name]))
    assert login_transcript(door.target, *answers) == login_transcript(
        postgres.target, *answers)


def test_cve_right_proof_of_this_harness(postgres, door):
    """The same path with nothing made wrong logs in: the tests above fail
    for the reason they name."""
    for target in (postgres.target, door.target):
        with target.dial() as c:
            c.startup(USER).take(1)
            c.say(frontend.sasl_initial("SCRAM-SHA-256", FIRST))
            c.say(final_of(lambda m: m)(c.message()))
            c.until_ready()
            assert c.is_usable()


# hostile servers: the door's own side. In the database of a case's name the
# server plays that case; everywhere else it is a real PostgreSQL.

def scram_challenge(challenge):
    """A server that answers the first SASL message with challenge(nonce)."""
    def play(peer):
        nonce = offer_scram(peer)
        peer.send(message("R", struct.pack("!I", 11) + challenge(nonce)))
        peer.read_to_end()
    return play


def offer_scram(peer):
    """The server's first SASL message; returns the client's nonce."""
    peer.send(message("R", struct.pack("!I", 10) + text(SCRAM) + b"\0"))
    _, body = peer.read_message()
    return body.rsplit(b"r=", 1)[1]


def skip_the_proof(peer):
    """AuthenticationOk where SASLFinal is due."""
    offer_scram(peer)
    peer.send(greeting())
    peer.read_to_end()


def wrong_proof(peer):
    """SASLFinal of a server that does not know the password."""
    nonce = offer_scram(peer)
    peer.send(message("R", struct.pack("!I", 11) + b"r=" + nonce
                      + b"x,s=c2FsdA==,i=4096"))
    peer.read_message()
    peer.send(message("R", struct.pack("!I", 12) + b"v=" + b"A" * 43 + b"=")
              + greeting())
    peer.read_to_end()


def greet_with(data):
    def play(peer):
        peer.send(data)
        peer.read_to_end()
    return play


def answer_with(data):
    """A session that answers what names `hostile` with this."""
    def play(peer):
        peer.send(greeting())
        while True:
            kind, body = peer.read_message()
            if kind == "X":
                return
            if b"hostile" in body:
                peer.send(data)
            elif kind in "QS":
                peer.send(message("C", text("SELECT 0")) + READY)
    return play


HOSTILE_FIRST = {
    "huge-nonce": lambda nonce: b"r=" + nonce + b"x" * 1_000_000
                  + b",s=c2FsdA==,i=4096",
    "foreign-nonce": lambda nonce: b"r=somebodyelse,s=c2FsdA==,i=4096",
    "short-nonce": lambda nonce: b"r=" + nonce[:-1] + b",s=c2FsdA==,i=4096",
    "no-salt": lambda nonce: b"r=" + nonce + b"x,i=4096",
    "huge-salt": lambda nonce: b"r=" + nonce + b"x,s=" + b"QUFB" * 200_000
                 + b",i=4096",
    "no-iterations": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==",
    "iterations-0": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=0",
    "iterations-minus": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=-1",
    "iterations-huge": lambda nonce: b"r=" + nonce
                       + b"x,s=c2FsdA==,i=2147483647",
    "iterations-overflow": lambda nonce: b"r=" + nonce
                           + b"x,s=c2FsdA==,i=99999999999999999999",
    "empty": lambda nonce: b"",
}


HOSTILE_GREETINGS = {
    "error-without-fields": message("E", b"\0"),
    "error-without-sqlstate": message("E", b"SFATAL\0Mnot today\0\0"),
    "error-without-terminator": message("E", b"SFATAL\0C28000\0Mno"),
    "error-empty": message("E", b""),
    "error-short-sqlstate": message("E", b"SFATAL\0C2\0Mno\0\0"),
    "error-format-string": message("E", b"SFATAL\0C28000\0M%s%n%x\0\0"),
    "length-0": b"R\0\0\0\0",
    "length-3": b"Z\0\0\0\3",
    "length-huge": b"S\x7f\xff\xff\xff" + b"x" * 1000,
    "unknown-authentication": message("R", struct.pack("!I", 99)),
    "authentication-short": message("R", b"\0\0"),
    "md5-short-salt": message("R", struct.pack("!I", 5) + b"ab"),
    "no-mechanisms": message("R", struct.pack("!I", 10) + b"\0"),
    "mechanisms-unterminated": message("R", struct.pack("!I", 10) + SCRAM),
    "key-short": OK + message("K", b"\0\0") + READY,
    "status-unterminated": OK + message("S", b"server_version") + READY,
    "ready-long": OK + message("Z", b"IIII"),
    "ready-nonsense": OK + message("Z", b"?"),
    "unknown-message": message("@", b"hello"),
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "silence": b"",
}


def scram_then(*messages):
    """SCRAM is begun; each message of the client is answered with the next
    of these."""
    def play(peer):
        offer_scram(peer)
        for data in messages:
            peer.send(data)
            peer.read_message()
    return play


FINAL = message("R", struct.pack("!I", 12) + b"v=" + b"A" * 43 + b"=")
SASL = message("R", struct.pack("!I", 10) + text(SCRAM) + b"\0")
KEY = message("K", struct.pack("!II", 4711, 4712))
STATUS = parameter("server_version", "15.20")

# Well formed, each of them, and none has its place.
OUT_OF_TURN = {
    "parameter-first": greet_with(STATUS + greeting()),
    "key-first": greet_with(KEY + greeting()),
    "ready-first": greet_with(READY),
    "continue-first": greet_with(message("R", struct.pack("!I", 11) + b"r=a")),
    "final-first": greet_with(FINAL),
    "row-first": greet_with(message("D", b"\0\0")),
    "ok-twice": greet_with(OK + OK + READY),
    "sasl-after-ok": greet_with(OK + SASL),
    "key-twice": greet_with(OK + KEY + KEY + READY),
    "ready-twice": greet_with(OK + READY + READY),
    "negotiate-late": greet_with(
        OK + message("v", struct.pack("!II", 0x30000, 0)) + READY),
    "ok-long": greet_with(message("R", struct.pack("!II", 0, 0)) + READY),
    "sasl-in-scram": scram_then(SASL),
    "md5-in-scram": scram_then(message("R", struct.pack("!I", 5) + b"salt")),
    "cleartext-in-scram": scram_then(message("R", struct.pack("!I", 3))),
    "final-in-scram": scram_then(FINAL),
    "parameter-in-scram": scram_then(STATUS),
    "ready-in-scram": scram_then(READY),
    "plus-without-tls": greet_with(
        message("R", struct.pack("!I", 10) + text(SCRAM + b"-PLUS")
                + text(SCRAM) + b"\0")),
    "endless-parameters": greet_with(OK + b"".join(
        parameter(f"name{n}", "x" * 100) for n in range(400)) + READY),
}


HOSTILE_ANSWERS = {
    "error-without-sqlstate": message("E", b"SERROR\0Mnot today\0\0") + READY,
    "length-0": b"D\0\0\0\0",
    "row-shorter-than-its-count": message("D", b"\0\5\0\0") + READY,
    "ready-nonsense": message("Z", b"?"),
    "ready-twice": message("C", text("SELECT 1")) + READY + READY,
    "parse-complete-unasked": message("1") + READY,
    "copy-unasked": message("G", b"\0\0\0"),
    "copy-both-unasked": message("W", b"\0\0\0"),
    "key-again": message("K", b"\0" * 8) + READY,
    "authentication-again": message("R", struct.pack("!I", 3)) + READY,
    "status-unterminated": message("S", b"TimeZone") + READY,
    "notification-short": message("A", b"\0\0") + READY,
    "unknown-message": message("@", b"hello") + READY,
    "length-huge": b"D\x7f\xff\xff\xff" + b"x" * 1000,
}


LOGINS = {
    **{f"first-{name}": scram_challenge(challenge)
       for name, challenge in HOSTILE_FIRST.items()},
    **{f"greeting-{name}": greet_with(data)
       for name, data in HOSTILE_GREETINGS.items()},
    **OUT_OF_TURN,
    "skip-the-proof": skip_the_proof, "wrong-proof": wrong_proof}
SESSIONS = {f"answer-{name}": answer_with(data)
            for name, data in HOSTILE_ANSWERS.items()}


@pytest.fixture(scope="module")
def hostile_door(make_door, postgres):
    play = diverted({**LOGINS, **SESSIONS}, postgres.port)
    with FakeServer(play) as server:
        url = server.url(postgres.target, sslmode="disable")
        with make_door(postgres, upstream=url, workers=1,
                       connect_timeout="1s", query_wait_timeout="2s",
                       max_server_connections=80) as door:
            yield door


@pytest.mark.door("a login of its own to the server")
@pytest.mark.parametrize("name", LOGINS)
def test_cve_2026_6665_6666_hostile_login(hostile_door, name):
    """A server-first message with a huge nonce or endless iterations, an
    ErrorResponse without SQLSTATE, a server that does not prove that it
    knows the password, and everything else that is no answer to a login: an
    error for who wanted that database, and nothing for anybody else."""
    with hostile_door.connect() as other:
        with pytest.raises((ServerError, Closed)) as error:
            with hostile_door.target.replace(database=name).connect() as c:
                c.value("select 1")
        assert isinstance(error.value, ServerError)
        assert len(error.value.sqlstate) == 5
        assert error.value.message.fields["S"] in ("FATAL", "ERROR")
        assert other.is_usable()
    assert f"{name}/wire: " in hostile_door.log_since_mark()


@pytest.mark.door("a session of its own on the server")
@pytest.mark.parametrize("name", SESSIONS)
def test_cve_hostile_answers(hostile_door, name):
    """Answers that break the protocol hurt the client that asked, at most;
    the next one is served by a fresh connection."""
    target = hostile_door.target.replace(database=name)
    with target.connect() as c, hostile_door.connect() as other:
        c.query("select 'hostile'").push()
        c.is_silent(0.3)
        c.close()
        with target.connect() as fresh:
            assert fresh.ask("select 'good'")[-1].kind == "Z"
        assert other.is_usable()


# who may do what

ADMIN_COMMANDS = ["show config", "show clients", "show servers", "pause",
                  "resume", "reconnect", "reload", "kill wire",
                  "set pool_size = 3", "shutdown", "suspend", "disable wire"]


@pytest.mark.door("an admin console")
@pytest.mark.parametrize("database", ["howdah", "pgbouncer"])
def test_cve_2026_6667_admin_needs_an_admin(howdah, database):
    """A user who is not among the admins does not get into the console, and
    the console's commands mean nothing in an ordinary database."""
    with howdah(admin_users="wire") as door:
        stranger = door.as_user("plain")
        with pytest.raises(ServerError) as error:
            stranger.replace(database=database).connect()
        assert error.value.sqlstate in ("42501", "28000", "3D000")
        with door.target.replace(database=database).connect() as c:
            assert c.rows("show version")
        with stranger.connect() as c:
            for command in ADMIN_COMMANDS:
                (first, *_) = c.ask(command)
                assert first.kind == "E"
                assert first.sqlstate in ("42601", "42704", "0A000")
            assert c.is_usable()


@pytest.mark.door("an admin console")
def test_cve_2026_6667_admins_are_not_told_to_strangers(howdah):
    """Who has proved nothing gets the same answers for an admin's name, for
    another user's and for nobody's."""
    with howdah(admin_users="wire") as door:
        shown = []
        for user in ("wire", "plain", "nobody"):
            target = door.target.replace(user=user, password="guess",
                                         database="howdah")
            with target.dial() as c:
                with pytest.raises(ServerError):
                    c.login()
                c.until_closed()
                shown.append([line.replace(user, "USER")
                              for line in c.transcript])
        assert shown[0] == shown[1] == shown[2]


@pytest.mark.door("an admin console")
def test_cve_2026_6667_many_admins(howdah):
    with howdah(admin_users="plain, md5user") as door:
        for user in ("plain", "md5user"):
            with door.as_user(user).replace(
                    database="howdah").connect() as c:
                assert c.rows("show version")
        with pytest.raises(ServerError):
            door.admin()


def test_cve_2025_12819_startup_search_path(door, clean):
    """A search_path given at startup reaches this client's statements and
    nothing of the door's own: a trap in it is never sprung."""
    with door.connect() as admin:
        admin.rows("create schema trap")
        admin.rows(
            "create function trap.current_setting(text) returns text "
            "language plpgsql as $$ begin raise exception 'sprung'; end $$")
        admin.rows("create table trap.pg_class (sprung int)")
        try:
            for _ in range(3):
                with door.connect(
                        search_path="trap, pg_catalog") as visitor:
                    visitor.rows("set work_mem = '7MB'")
                    visitor.rows("begin; set local work_mem = '8MB'")
                    visitor.rows("rollback")
                    visitor.rows("prepare p as select 1")
                    visitor.rows("discard all")
                    assert visitor.value("select 1") == "1"
            with door.connect() as fresh:
                assert fresh.value("show search_path") == (
                    '"$user", public')
        finally:
            admin.rows("drop schema trap cascade")


def test_cve_2025_2291_expired_password(postgres, door):
    """VALID UNTIL in the past: no session for that user, whatever the door
    remembers; and again when it is lifted."""
    user = door.as_user("plain")
    with user.connect() as c:
        assert c.is_usable()
    postgres.rows("alter role plain valid until '2001-01-01'")
    try:
        postgres.terminate_backends("usename = 'plain'")
        with pytest.raises((ServerError, Closed)):
            with user.connect() as c:
                c.value("select 1")
    finally:
        postgres.rows("alter role plain valid until 'infinity'")

    def works():
        with user.connect() as c:
            return c.is_usable()
    eventually(works)


def test_cve_cached_keys_after_a_new_password(postgres, door):
    """The password is changed in the server alone: the door's old one opens
    no new server connection, and no client is let in on it for ever."""
    user = door.as_user("plain")
    with user.connect() as c:
        assert c.is_usable()
    postgres.rows("alter role plain password 'another'")
    try:
        postgres.terminate_backends("usename = 'plain'")
        with pytest.raises((ServerError, Closed)):
            with user.connect() as c:
                c.value("select 1")
    finally:
        postgres.rows("alter role plain password 'plain-secret'")


def test_cve_dropped_role(postgres, door):
    """A role that is dropped or may no longer log in gets no statement
    through on a pooled connection it left behind, once those are gone."""
    user = door.as_user("plain")
    with user.connect() as c:
        assert c.is_usable()
    postgres.rows("alter role plain nologin")
    try:
        postgres.terminate_backends("usename = 'plain'")
        with pytest.raises((ServerError, Closed)):
            with user.connect() as c:
                c.value("select 1")
    finally:
        postgres.rows("alter role plain login")


def test_cve_nul_and_newline_in_names(postgres, door):
    """Names with separators and escapes in them are names, not syntax, for
    the door's own messages, logs and files."""
    for user in ('quo"te', "new\nline", "semi;colon", "perc%ent", "ünï",
                 "x" * 200):
        for target in (postgres.target, door.target):
            with pytest.raises(ServerError) as error:
                target.replace(user=user).connect()
            assert error.value.sqlstate == "28P01"
    for line in door.log_since_mark().splitlines():
        if door.kind == "howdah":
            assert line.startswith("time="), line


def test_cve_md5_downgrade(door):
    """A client that answers SCRAM's question with an md5 password, or a
    plain one, is refused."""
    for answer in ("md5" + "0" * 32, PASSWORDS["wire"]):
        with door.target.dial() as c:
            assert c.startup(USER).message().code == 10
            c.say(frontend.password(answer))
            (error,) = c.until_closed()
            assert error.fields["S"] == "FATAL"


def test_cve_messages_before_login(postgres, door):
    """Nothing of a session is done for somebody who has not logged in."""
    for said in (frontend.query("select 1"), frontend.sync(),
                 frontend.parse("", "select 1"), frontend.terminate()):
        shown = []
        for target in (postgres.target, door.target):
            with target.dial() as c:
                c.startup(USER).take(1)
                c.say(said).until_closed()
                shown.append(c.transcript)
        assert shown[0] == shown[1]
