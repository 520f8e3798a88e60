"""Logins on both sides of the door, beyond the 30 behaviours: what takes
long is not done on the loop, and what a login leaves behind is right."""
import contextlib
import ssl
import struct
import subprocess

import pytest

import frontend
from cluster import PASSWORDS
from fakeserver import FakeServer, Peer, diverted, greeting
from proxy import Proxy
from pgwire import ServerError
from waiting import eventually

FIRST = b"n,,n=,r=abcdefghijklmnop"


@pytest.mark.door("a userlist")
def test_clients_leave_while_their_keys_are_made(howdah):
    """The first login of a user with a plain password waits for its keys;
    of three clients that wait for the same ones, one resets and one hangs
    up. The third is asked for its proof, and the door stands."""
    users = [f"user{n}" for n in range(60)]
    passwords = {**PASSWORDS, **{user: "secret" for user in users}}
    with howdah(passwords=passwords, workers=1) as door:
        with contextlib.ExitStack() as stack:
            waiting = []
            for user in users:
                for leave in ("reset", "close", None):
                    c = stack.enter_context(door.target.dial())
                    c.startup({"user": user, "database": "wire"}).push()
                    if leave:
                        getattr(c, leave)()
                    else:
                        waiting.append(c)
            for c in waiting:
                assert c.message().code == 10
        with door.connect() as c:
            assert c.is_usable()


@pytest.mark.door("a userlist")
def test_client_that_does_not_wait_for_the_question(howdah, postgres):
    """What is said before the question is read when it has been asked, also
    while the user's keys are being made."""
    with howdah(workers=1) as door:
        for target in (postgres.target, door.target):
            with target.dial() as c:
                c.startup({"user": "plain", "database": "wire"})
                c.say(frontend.sasl_initial("SCRAM-SHA-256", FIRST))
                assert [c.message().code for _ in range(2)] == [10, 11]


@pytest.mark.door("a userlist")
def test_half_closed_while_its_keys_are_made(howdah, postgres):
    with howdah(workers=1) as door:
        shown = []
        for target in (postgres.target, door.target):
            with target.dial() as c:
                c.startup({"user": "plain", "database": "wire"})
                c.half_close().until_closed()
                shown.append(c.transcript)
        assert shown[0] == shown[1]


@pytest.mark.door("a process that can be told to go")
def test_door_ends_while_keys_are_made(howdah):
    """Ended in the middle of it, the daemon ends well (stop() looks)."""
    users = {f"user{n}": "secret" for n in range(40)}
    with howdah(passwords={**PASSWORDS, **users}, workers=1) as door:
        with contextlib.ExitStack() as stack:
            for user in users:
                c = stack.enter_context(door.target.dial())
                c.startup({"user": user, "database": "wire"}).push()
            door.stop()


# secrets: what a reload and the server's own changes do to them

def new_session_is_needed(postgres, user):
    """The door has no server connection for the user any more."""
    postgres.terminate_backends(f"usename = '{user}'")
    eventually(lambda: not postgres.n_backends(f"usename = '{user}'"))


@pytest.mark.door("a userlist")
def test_reload_reaches_pools_of_connected_clients(howdah, postgres):
    """Nobody has to log in anew for a pool to learn the new password."""
    with howdah(workers=1) as door, door.as_user("plain").connect() as c:
        assert c.is_usable()
        postgres.rows("alter role plain password 'changed'")
        try:
            door.write_passwords({**PASSWORDS, "plain": "changed"})
            door.mark_log()
            door.reload()
            eventually(lambda: "config.reloaded" in door.log_since_mark())
            new_session_is_needed(postgres, "plain")
            assert eventually(c.is_usable)
        finally:
            postgres.rows("alter role plain password 'plain-secret'")


@pytest.mark.door("a userlist")
def test_reload_forgets_a_removed_user(howdah, postgres):
    """Who is connected goes on, on the server connections there are; the
    password is gone, and is back with the next reload."""
    def reload(door, passwords):
        door.write_passwords(passwords)
        door.mark_log()
        door.reload()
        eventually(lambda: "config.reloaded" in door.log_since_mark())

    others = {k: v for k, v in PASSWORDS.items() if k != "plain"}
    with howdah(workers=1, test_scatter="no") as door, \
            door.as_user("plain").connect() as c:
        assert c.is_usable()
        reload(door, others)
        assert c.is_usable()
        with pytest.raises(ServerError) as error:
            door.as_user("plain").connect()
        assert error.value.sqlstate == "28P01"
        new_session_is_needed(postgres, "plain")
        error = eventually(lambda: next(
            (m for m in c.ask("select 1") if m.kind == "E"), None))
        assert error.sqlstate == "28P01"
        assert "verifier" in error.fields["M"]
        reload(door, PASSWORDS)
        assert c.is_usable()


@pytest.mark.door("its own login at the server")
def test_new_salt_on_the_server(howdah, postgres):
    """The same password, stored anew: the keys that were kept are not the
    server's any more, and are made again."""
    with howdah(workers=1) as door, door.as_user("plain").connect() as c:
        for _ in range(3):
            assert c.is_usable()
            postgres.rows("alter role plain password 'plain-secret'")
            new_session_is_needed(postgres, "plain")
            assert eventually(c.is_usable)


@pytest.mark.door("a userlist")
def test_new_verifier_on_the_server(howdah, postgres):
    """A pool that has only keys of the old verifier cannot log in: it says
    why, at once, and a reload with the new one heals it."""
    def verifier():
        return postgres.value("select rolpassword from pg_authid "
                              "where rolname = 'plain'")
    passwords = {**PASSWORDS, "plain": verifier()}
    with howdah(workers=1, passwords=passwords) as door:
        user = door.as_user("plain")
        with user.connect() as c:
            assert c.is_usable()
            postgres.rows("alter role plain password 'plain-secret'")
            new_session_is_needed(postgres, "plain")
            door.mark_log()
            error = eventually(lambda: next(
                (m for m in c.ask("select 1") if m.kind == "E"), None))
            assert error.sqlstate == "28P01"
            assert "verifier" in error.fields["M"]
            assert "verifier" in door.log_since_mark()
            door.write_passwords({**PASSWORDS, "plain": verifier()})
            door.reload()
            # Keys come with a client's login.
            assert eventually(lambda: user.connect().is_usable())
            assert c.is_usable()


# what the URL asks of the login

def test_require_auth(make_door, postgres):
    """A server that asks for less than the URL wants is refused before
    anything secret leaves, and at once."""
    heard = []

    def ask(code, data=b""):
        def play(peer):
            peer.send(frontend.message("R", struct.pack("!I", code) + data))
            with contextlib.suppress(EOFError):
                heard.append(peer.read_message())
        return play
    plays = {"trust": lambda peer: peer.send(greeting()),
             "clear": ask(3), "md5": ask(5, b"salt")}
    with FakeServer(diverted(plays, postgres.port)) as server:
        url = server.url(postgres.target, sslmode="disable",
                         require_auth="scram-sha-256")
        with make_door(postgres, upstream=url, workers=1) as door:
            with door.connect() as c:
                assert c.is_usable()
            for name in plays:
                with pytest.raises(ServerError) as error:
                    door.target.replace(database=name).connect()
                assert error.value.sqlstate == "28000"
                assert "require_auth" in error.value.message.fields["M"]
    assert heard == []


@pytest.fixture(scope="module")
def tls_postgres(make_cluster, certificate):
    """A PostgreSQL that speaks TLS."""
    cluster = make_cluster()
    cert, key = certificate
    with cluster.settings(ssl="on", ssl_cert_file=cert, ssl_key_file=key):
        yield cluster


def with_parameters(cluster, **parameters):
    return cluster.target.url() + "?" + "&".join(
        f"{k}={v}" for k, v in parameters.items())


@pytest.mark.parametrize("binding", ["require", "prefer", "disable"])
def test_channel_binding(make_door, tls_postgres, binding):
    """require: SCRAM bound to TLS or nothing; an md5 login is refused."""
    url = with_parameters(tls_postgres, sslmode="require",
                          channel_binding=binding)
    with make_door(tls_postgres, upstream=url, workers=1) as door:
        with door.connect() as c:
            assert c.value("select ssl from pg_stat_ssl "
                           "where pid = pg_backend_pid()") == "t"
        if binding == "require":
            with pytest.raises(ServerError) as error:
                door.as_user("md5user").connect()
            assert error.value.sqlstate == "28000"
            assert "channel binding" in error.value.message.fields["M"]
        else:
            with door.as_user("md5user").connect() as c:
                assert c.is_usable()


def test_channel_binding_needs_tls(make_door, postgres):
    """It is required, and the server has no TLS to bind to."""
    url = with_parameters(postgres, channel_binding="require")
    with make_door(postgres, upstream=url, workers=1) as door:
        with pytest.raises(ServerError) as error:
            door.connect()
        assert error.value.sqlstate == "28000"
        assert "channel binding" in error.value.message.fields["M"]


def test_revoked_certificate(make_door, tls_postgres, certificate):
    """sslcrl: without the authority's list of today nobody is trusted."""
    cert, _ = certificate
    url = with_parameters(tls_postgres, sslmode="verify-ca", sslrootcert=cert)
    with make_door(tls_postgres, upstream=url, workers=1) as door:
        with door.connect() as c:
            assert c.is_usable()
    with make_door(tls_postgres, upstream=url + "&sslcrldir=/dev/null",
                   workers=1, query_wait_timeout="1s") as door:
        with pytest.raises(ServerError) as error:
            door.connect()
        assert "unable to get certificate CRL" in (
            error.value.message.fields["M"])


def test_tls_version(make_door, tls_postgres):
    for parameter, version in (("ssl_max_protocol_version", "TLSv1.2"),
                               ("ssl_min_protocol_version", "TLSv1.3")):
        url = with_parameters(tls_postgres, sslmode="require",
                              **{parameter: version})
        with make_door(tls_postgres, upstream=url, workers=1) as door:
            with door.connect() as c:
                assert c.value("select version from pg_stat_ssl where "
                               "pid = pg_backend_pid()") == version


def test_cancel_is_encrypted(make_door, tls_postgres):
    """The key of a cancel request crosses the network as the session
    does."""
    said = []

    def watch(data):
        said.append(data)
        return True
    with Proxy(tls_postgres.port) as proxy:
        proxy.watch = watch
        url = with_parameters(tls_postgres, sslmode="require").replace(
            f":{tls_postgres.port}", f":{proxy.port}")
        with make_door(tls_postgres, upstream=url, workers=1) as door:
            with door.connect() as c:
                c.query("select pg_sleep(60)").push()
                eventually(lambda: tls_postgres.n_backends(
                    "query like '%pg_sleep(60)%' and state = 'active'"))
                c.cancel()
                assert c.until_ready()[-2].sqlstate == "57014"
                assert c.is_usable()
    code = struct.pack("!I", frontend.CANCEL_REQUEST)
    assert said and not any(code in data for data in said)


def direct_tls(certificate, port, protocols):
    """A server in front of a PostgreSQL that takes TLS from the first
    byte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if protocols:
        context.set_alpn_protocols(protocols)

    def play(peer):
        sock = context.wrap_socket(peer.sock, server_side=True)
        Peer(sock).relay(port)
    return play


def test_direct_tls(make_door, postgres, certificate):
    """sslnegotiation=direct: no question, and no answer from a server that
    does not choose our protocol."""
    for protocols in (["postgresql"], []):
        play = direct_tls(certificate, postgres.port, protocols)
        with FakeServer(play) as server:
            url = server.url(postgres.target, sslmode="require",
                             sslnegotiation="direct")
            with make_door(postgres, upstream=url, workers=1,
                           query_wait_timeout="1s") as door:
                if protocols:
                    with door.connect() as c:
                        assert c.is_usable()
                else:
                    with pytest.raises(ServerError) as error:
                        door.connect()
                    assert "ALPN" in error.value.message.fields["M"]


def test_answer_to_ssl_request(make_door, postgres):
    """Neither yes nor no is no leave to go on in clear."""
    packets = []

    def play(peer):
        peer.read_packet()
        peer.send(b"E")
        with contextlib.suppress(EOFError):
            packets.append(peer.read_packet())
    with FakeServer(play) as server:
        with make_door(postgres, upstream=server.url(postgres.target),
                       workers=1, query_wait_timeout="1s") as door:
            with pytest.raises(ServerError) as error:
                door.connect()
            assert "neither S nor N" in error.value.message.fields["M"]
    assert packets == []


@pytest.mark.parametrize("attrs, standby", [
    ("any", "on"), ("primary", "off"), ("read-write", "off"),
    ("standby", "on"), ("prefer-standby", "on"), ("read-only", "on")])
def test_target_session_attrs(make_door, postgres, attrs, standby):
    """Of two servers, a standby first, the one that is asked for."""
    def play(peer):
        peer.read_startup()
        peer.send(greeting().replace(b"in_hot_standby\0off",
                                     b"in_hot_standby\0on").replace(
            b"\0\0\0\x17in_hot", b"\0\0\0\x16in_hot"))
        peer.read_to_end()
    with FakeServer(play) as server:
        url = (f"postgresql://wire:wire-secret@127.0.0.1:{server.port},"
               f"127.0.0.1:{postgres.port}/wire?sslmode=disable&"
               f"target_session_attrs={attrs}")
        with make_door(postgres, upstream=url, workers=1) as door:
            with door.connect() as c:
                assert c.parameters["in_hot_standby"] == standby


def test_target_that_is_not_there(make_door, postgres):
    url = with_parameters(postgres, target_session_attrs="standby")
    with make_door(postgres, upstream=url, workers=1,
                   query_wait_timeout="1s") as door:
        with pytest.raises(ServerError) as error:
            door.connect()
        assert "target_session_attrs" in error.value.message.fields["M"]
    url = with_parameters(postgres, target_session_attrs="prefer-standby")
    with make_door(postgres, upstream=url, workers=1) as door:
        with door.connect() as c:
            assert c.is_usable()


def test_options_of_the_url(make_door, postgres):
    """What the URL sets is every session's default; a client's own options
    win."""
    url = with_parameters(postgres, options="-c%20work_mem%3D3MB%20"
                          "-c%20lock_timeout%3D5s", application_name="site")
    with make_door(postgres, upstream=url, workers=1) as door:
        with door.connect() as c:
            assert c.value("show work_mem") == "3MB"
            assert c.value("show application_name") == "site"
            c.rows("set work_mem = '9MB'")
            c.rows("reset work_mem")
            assert c.value("show work_mem") == "3MB"
        with door.connect(options="-c work_mem=7MB",
                          application_name="mine") as c:
            assert c.value("show work_mem") == "7MB"
            assert c.value("show lock_timeout") == "5s"
            assert c.value("show application_name") == "mine"
        with door.connect() as c:
            assert c.value("show application_name") == "site"


@pytest.mark.door("a unix socket to the server")
def test_requirepeer(make_door, postgres):
    """The server behind a socket must run as the user that is named."""
    owner = postgres.data.owner()
    for name in (owner, "nobody"):
        url = (f"postgresql://postgres:secret@/wire?host={postgres.folder}"
               f"&port={postgres.port}&requirepeer={name}")
        with make_door(postgres, upstream=url, workers=1) as door:
            target = door.target.replace(user="postgres", password="secret")
            if name == owner:
                with target.connect() as c:
                    assert c.is_usable()
            else:
                with pytest.raises(ServerError) as error:
                    target.connect()
                assert error.value.sqlstate == "28000"
                assert "requirepeer" in error.value.message.fields["M"]


# certificates of clients

def client_certificate(folder, name, authority):
    """(certificate, key) for a common name, signed by the authority."""
    key, request, cert = (folder / f"{len(name)}.{end}"
                          for end in ("key", "csr", "crt"))
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={name}", "-keyout", key, "-out", request],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA",
                    authority[0], "-CAkey", authority[1], "-CAcreateserial",
                    "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.door("TLS of its own")
def test_certificate_of_a_longer_name(howdah, certificate, tmp_path):
    """A certificate for a name of 64 bytes is not one for the user whose
    name is its first 63."""
    authority = tmp_path / "ca.crt", tmp_path / "ca.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ca",
                    "-keyout", authority[1], "-out", authority[0]],
                   check=True, capture_output=True)
    user = "u" * 63
    with howdah(tls_cert=certificate[0], tls_key=certificate[1],
                tls_client_ca=authority[0], workers=1,
                passwords={**PASSWORDS, user: "secret"}) as door:
        for name, is_right in ((user, True), (user + "u", False),
                               ("u" * 62, False)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.load_cert_chain(
                *client_certificate(tmp_path, name, authority))
            target = door.target.replace(user=user, password="secret")
            with target.dial() as c:
                c.start_tls(context)
                with pytest.raises(ServerError) as error:
                    c.login()
                # There is no such role on the server, which tells that the
                # door has let it pass.
                passed = any("ok" in line for line in c.transcript)
                assert passed == is_right, error.value


# a server whose salt asks for much work: a hundred times PostgreSQL's

SLOW = 400_000


def slow_scram(proofs):
    """Asks for SCRAM keys that take long; notes each proof that comes."""
    def play(peer):
        peer.send(frontend.message("R", struct.pack("!I", 10)
                                   + b"SCRAM-SHA-256\0\0"))
        _, body = peer.read_message()
        nonce = body.rsplit(b"r=", 1)[1]
        peer.send(frontend.message(
            "R", struct.pack("!I", 11) + b"r=" + nonce + b"x,s=c2FsdA==,i="
            + str(SLOW).encode()))
        proofs.append(peer.read_message())
        peer.read_to_end()
    return play


def test_keys_are_not_made_on_the_loop(make_door, postgres):
    """While keys are being made for one login, everybody else is served."""
    proofs = []
    plays = {"slow": slow_scram(proofs)}
    with FakeServer(diverted(plays, postgres.port)) as server:
        with make_door(postgres, workers=1, upstream=server.url(
                postgres.target, sslmode="disable")) as door:
            with door.connect() as other:
                assert other.is_usable()
                with door.target.replace(database="slow").dial() as c:
                    c.startup({"user": "wire", "database": "slow"})
                    c.authenticate()
                    served = 0
                    while not proofs:
                        assert other.is_usable()
                        served += 1
                    assert served > 5
                assert other.is_usable()


def test_door_ends_while_server_keys_are_made(make_door, postgres):
    """Clients leave, and the door ends well (stop() looks)."""
    plays = {"slow": slow_scram([])}
    with FakeServer(diverted(plays, postgres.port)) as server:
        with make_door(postgres, workers=1, upstream=server.url(
                postgres.target, sslmode="disable")) as door:
            for _ in range(3):
                with door.target.replace(database="slow").dial() as c:
                    c.startup({"user": "wire", "database": "slow"})
                    c.authenticate()
            door.stop()
