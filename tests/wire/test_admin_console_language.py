"""The admin console: what it understands, and what it says when it does not;
the simple and the extended protocol, well and badly spoken."""
import pytest

import frontend
from console_support import DATABASES, does, fails, show
from waiting import eventually

pytestmark = pytest.mark.door("an admin console")

SHOWN = """pools clients servers stats databases lists config version mem
    states""".split()
MESSAGE_MAX = 64 * 1024 - 5  # the longest body that is looked at


@pytest.fixture(params=DATABASES)
def console(request, door):
    with door.admin(request.param) as c:
        yield c


@pytest.fixture
def admin(door):
    with door.admin() as c:
        yield c


# texts


@pytest.mark.parametrize("what", SHOWN)
def test_admin_spelling(console, what):
    """Commands in any case, with a semicolon and blanks; each answers with
    rows and the tag SHOW."""
    for sql in (f"show {what}", f"SHOW {what.upper()};", f" show\t{what} ; "):
        answer = console.ask(sql)
        assert [m.kind for m in answer if m.kind != "D"] == ["T", "C", "Z"]
        assert any(m.kind == "D" for m in answer) or what == "servers"
        assert answer[-2].tag == "SHOW"


def test_admin_several_in_one_query(admin):
    """Statements by semicolons, comments, any case; after an error the rest
    is dropped."""
    found = admin.ask("-- one\nshow users; ; Show/**/Version /* end */;")
    assert [m.tag for m in found if m.kind == "C"] == ["SHOW", "SHOW"]
    assert admin.ask(" ;; -- nothing")[0].kind == "I"
    found = admin.ask("show users; nonsense; show version")
    assert [m.kind for m in found if m.kind in "TCEZ"] == [
        "T", "C", "E", "Z"]


@pytest.mark.parametrize("sql, state, words, hint", [
    ("nonsense", "42601", "nonsense", "PAUSE"),
    ("show polls", "42601", "polls", "SHOW POOLS"),
    ("show", "42601", "SHOW", "SHOW HELP"),
    ("show nonsense", "42601", "nonsense", "SHOW HELP"),
    ("show pools pools", "42601", '"pools"', "SHOW POOLS"),
    ("resum", "42601", "resum", "RESUME"),
    ("pause one two", "42601", '"two"', "[database]"),
    ("kill", "42601", "KILL", "KILL database"),
    ("set x", "42601", "SET", "name = value"),
    ("set pool_size", "42601", "SET", "name = value"),
    ("set pool_size = 'x", "42601", "unterminated", None),
    ("set polsize = 3", "42704", "polsize", "pool_size"),
    ("set no_such_option = 1", "42704", "no_such_option", None),
    ("set pool_size = many", "22023", "pool_size = many", None),
    ("set pool_size = 0", "22023", "pool_size = 0", None),
    ("set workers = 2", "55000", "workers", "restart"),
    ("kill nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("pause nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("reconnect nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("wait_close nowhere", "3D000", "nowhere", "SHOW DATABASES"),
    ("resume", "55000", "not paused", "SHOW DATABASES"),
    ("resume wire", "55000", "not paused", "SHOW DATABASES"),
    ("shutdown", "0A000", "SHUTDOWN", "SIGTERM"),
    ("suspend", "0A000", "SUSPEND", "PAUSE"),
    ("show fds", "0A000", "FDS", "not handed over"),
    ("select 1", "42601", "select", "PAUSE"),
    ("create table t (a int)", "42601", "create", "PAUSE"),
    ("copy x from stdin", "42601", "copy", "PAUSE"),
    ("show \x01", "42601", "SHOW", None),
    ("deallocate nothing", "26000", '"nothing"', None),
])
def test_admin_errors(console, sql, state, words, hint):
    """PostgreSQL's errors, with what to do instead; the console stays."""
    error = fails(console, sql)
    assert error["C"] == state
    assert words in error["M"]
    assert (hint or "") in error.get("H", "")
    assert show(console, "version")


@pytest.mark.parametrize("command", [
    "pause", "kill", "reconnect", "wait_close", "resume"])
@pytest.mark.parametrize("name", DATABASES)
def test_admin_errors_about_itself(admin, command, name):
    """As PgBouncer "cannot pause admin db": the console is no database that
    anything could be done to."""
    error = fails(admin, f"{command} {name}")
    assert name in error["M"]
    assert admin.ask("show version")[-1].kind == "Z"


@pytest.mark.parametrize("sql", [
    "' unterminated", "show pools '", 'pause "', "show /* ", "/*/*/*/",
    "'" * 99, "''", '""', "show pools; '", "\\", "=", "\xa0", "--", "/**/",
    ";" * 60_000, "x" * 5000, "x" * 60_000, "show " + "x" * 60_000,
    "pause " + "x" * 65_510, "kill '" + "x" * 65_500 + "'",
    "set pool_size = " + "9" * 65_000, "set " + "x" * 65_000 + " = 1",
    "deallocate " + "x" * 65_000, "show pools " + "/*" * 30_000,
    "/**/" * 16_000 + "show version", "show version" + "--\n" * 20_000,
    "set auth_file = '" + "''" * 30_000 + "'",
], ids=lambda sql: sql[:16] + f"({len(sql)})" if len(sql) > 16 else sql)
def test_admin_odd_texts(console, sql):
    """Whatever a text is like, it gets one answer and costs no more than
    itself; nothing of it is a command by accident."""
    found = console.ask(sql)
    assert found[-1].status == "I"
    if found[0].kind == "E":
        assert len(found[0].sqlstate) == 5
    else:
        assert found[0].kind in "IT"
    assert sum(len(m.body) for m in found) < 2000
    assert show(console, "version")


def test_admin_odd_letters(admin):
    """What an error quotes is UTF-8, wherever it was cut, and whatever it
    was."""
    for sql in (b"\xff\xfe", b"show \xc3", "pause ".encode() + b"\xf0\x9f",
                ("x" * 62 + "ä").encode(), ("show " + "ä" * 40).encode()):
        admin.say(frontend.query(sql))
        (error, _) = admin.until_ready()
        error.body.decode("utf-8")
        assert error.sqlstate in ("42601", "3D000")


def test_admin_odd_names(door, admin):
    """A client may call its database anything. Whoever lists that gets text
    in the encoding the console has promised."""
    admin.ask("pause")
    with door.target.dial() as c:
        c.startup({"user": "wire", "database": b"\xff\xfe'\";\n"})
        c.authenticate()

        def names():
            return [m.values[0].decode("utf-8")
                    for m in admin.ask("show pools") if m.kind == "D"]
        eventually(lambda: "??'\";\n" in names())
        admin.ask("resume")
        (error,) = c.until_closed()
        assert error.sqlstate == "3D000"


def test_admin_many_in_one_query(admin):
    """A text full of commands is answered command by command, as fast as
    the client reads."""
    found = admin.ask("show config;" * 4000)
    assert len([m for m in found if m.kind == "C"]) == 4000
    found = admin.ask("begin;" * 10_000)
    assert len([m for m in found if m.kind == "C"]) == 10_000
    admin.ask("rollback")


def test_admin_long_messages(door, admin):
    """64 KiB is the most. More is dropped on its way and answered as
    PostgreSQL answers what it cannot take, and the connection goes on."""
    fits = "show users" + " " * (MESSAGE_MAX - 11)
    assert admin.ask(fits)[-2].tag == "SHOW"
    for n in (MESSAGE_MAX + 1, 100_000, 3_000_000):
        error = fails(admin, "show users".ljust(n - 1))
        assert error["C"] == "54000"
        admin.parse("", "x" * n).bind().execute()
        found = admin.sync().query("show version").until_ready(2)
        assert [m.kind for m in found[:2]] == ["E", "Z"]
        assert found[0].sqlstate == "54000" and found[-2].tag == "SHOW"
    admin.query("show users".ljust(70_000)).dribble(1000)
    assert admin.until_ready()[0].sqlstate == "54000"


def test_admin_what_drivers_say(admin):
    """Transactions and settings of a driver change nothing; but the status
    is the one it expects."""
    for sql, tag in [("DISCARD ALL", "DISCARD"), ("RESET ALL", "RESET"),
                     ("DEALLOCATE ALL", "DEALLOCATE"),
                     ("SET DateStyle = 'ISO'", "SET"),
                     ("SET NAMES 'utf8'", "SET"),
                     ("SET client_encoding TO 'UTF8'", "SET"),
                     ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                      "SET"),
                     ("SET SESSION extra_float_digits TO 3", "SET")]:
        assert does(admin, sql) == tag
    for sql, tag, status in [("BEGIN", "BEGIN", "T"),
                             ("COMMIT", "COMMIT", "I"),
                             ("begin read only", "BEGIN", "T"),
                             ("nonsense", None, "T"),
                             ("rollback", "ROLLBACK", "I")]:
        found = admin.ask(sql)
        assert found[-1].status == status
        assert tag is None or found[0].tag == tag


# messages


@pytest.mark.parametrize("message, state", [
    (frontend.message("Q", b"show version"), "08P01"),
    (frontend.message("Q", b"show version\0more\0"), "08P01"),
    (frontend.message("Q"), "08P01"),
    (frontend.function_call(1), "0A000"),
], ids=["no-end", "two-texts", "empty", "function"])
def test_admin_malformed_query(differential, door, message, state):
    """What the simple protocol gets wrong, as PostgreSQL says it."""
    if message[:1] == b"Q":
        differential(lambda c: c.say(message).until_ready())
    with door.admin() as admin:
        found = admin.say(message).until_ready()
        assert [m.kind for m in found] == ["E", "Z"]
        assert found[0].sqlstate == state
        assert admin.ask("show version")[-2].tag == "SHOW"


@pytest.mark.parametrize("data", [
    frontend.misframed("Q", 3), frontend.misframed("Q", -1),
    frontend.misframed("S", 20_000), frontend.message("?"),
    frontend.password("secret"), frontend.message("\0")],
    ids=["short", "negative", "too-long", "unknown", "password", "nul"])
def test_admin_broken_framing(door, data):
    """What PostgreSQL ends a connection for ends this one, and nobody
    else's."""
    with door.admin() as admin, door.admin() as other:
        admin.say(data)
        (error,) = admin.until_closed()
        assert error.fields["S"] == "FATAL" and error.sqlstate == "08P01"
        assert other.ask("show users")[-1].kind == "Z"


def test_admin_extended_protocol(console):
    """Prepare, describe, execute; text and binary; errors skip to Sync."""
    kinds = [m.kind for m in console.run("show version").until_ready()]
    assert kinds == ["1", "2", "T", "D", "C", "Z"]
    found = console.run("show lists").until_ready()
    assert [m.kind for m in found[:3]] == ["1", "2", "T"]
    assert [m.kind for m in found[-2:]] == ["C", "Z"]
    console.parse("s", "show lists").describe("S", "s").sync()
    kinds = [m.kind for m in console.until_ready()]
    assert kinds == ["1", "t", "T", "Z"]
    console.bind("", "s", result_formats=[1]).describe("P").execute()
    found = console.sync().until_ready()
    assert found[1].columns[1][-1] == 1
    first = next(m for m in found if m.kind == "D")
    assert first.values[0] == b"databases"
    assert len(first.values[1]) == 4
    kinds = [m.kind for m in console.parse("s", "show users").bind()
             .sync().until_ready()]
    assert kinds == ["E", "Z"]
    kinds = [m.kind for m in console.close_statement("s")
             .parse("s", "show users").sync().until_ready()]
    assert kinds == ["3", "1", "Z"]


def test_admin_extended_columns(door):
    """A description and the rows behind it have the same columns, whichever
    name the console was asked for by."""
    counts = []
    for database in DATABASES:
        with door.admin(database) as c:
            found = c.run("show config").until_ready()
            n = len(next(m for m in found if m.kind == "T").columns)
            assert {len(m.values) for m in found if m.kind == "D"} == {n}
            c.parse("", "show config").bind(result_formats=[0] * n)
            found = c.execute().sync().until_ready()
            assert found[-2].tag == "SHOW"
            found = c.parse("", "show config").bind(
                result_formats=[0] * (n + 1)).sync().until_ready()
            assert found[1].sqlstate == "08P01"
            counts.append(n)
    assert counts == [6, 4]


def test_admin_deallocate(admin):
    """Statements of the protocol go by SQL, too, as in PostgreSQL."""
    names = ["a", "B", "c"]
    for name in names:
        admin.parse(name, "show version")
    assert [m.kind for m in admin.sync().until_ready()] == ["1"] * 3 + ["Z"]
    assert does(admin, "deallocate a") == "DEALLOCATE"
    assert fails(admin, "deallocate a")["C"] == "26000"
    assert does(admin, 'deallocate prepare "B"') == "DEALLOCATE"
    assert does(admin, "discard plans") == "DISCARD"
    found = admin.bind("", "c").sync().until_ready()
    assert found[0].kind == "2"
    assert does(admin, "discard all") == "DISCARD"
    found = admin.bind("", "c").sync().until_ready()
    assert found[0].sqlstate == "26000"


@pytest.mark.parametrize("send, state", [
    (lambda c: c.parse("", "nonsense"), "42601"),
    (lambda c: c.parse("", "show users; show users"), "42601"),
    (lambda c: c.bind("", "missing"), "26000"),
    (lambda c: c.describe("S", "missing"), "26000"),
    (lambda c: c.execute("missing"), "34000"),
    (lambda c: c.parse("", "show users").bind("", "", ["1"]), "08P01"),
    (lambda c: c.say(frontend.message("P", b"x")), "08P01"),
    (lambda c: c.say(frontend.message("B", b"")), "08P01"),
    (lambda c: c.say(frontend.message("D", b"Xa\0")), "08P01"),
    (lambda c: c.say(frontend.message("E", b"\0")), "08P01"),
])
def test_admin_extended_errors(admin, send, state):
    """Each says what is wrong, and skips to Sync: a command behind it, a
    Query even, is not looked at."""
    found = send(admin).query("show version").sync().until_ready()
    (error,) = [m for m in found if m.kind == "E"]
    assert error.sqlstate == state and found[-1].kind == "Z"
    assert found[-2].kind == "E"
    assert admin.ask("show users")[-1].kind == "Z"


def test_admin_prepared_statements_are_bounded(admin):
    """One client keeps a few; one too many is refused until others go."""
    found = []
    for n in range(100):
        found += admin.parse(f"s{n}", "show version").sync().until_ready()
    errors = [m for m in found if m.kind == "E"]
    assert 0 < len(errors) < 50
    assert {m.sqlstate for m in errors} == {"54000"}
    assert does(admin, "deallocate all") == "DEALLOCATE"
    found = admin.parse("again", "show version").sync().until_ready()
    assert [m.kind for m in found] == ["1", "Z"]
    found = []
    for n in range(20):
        admin.parse(f"s{n}", "set pool_size = " + "1" * 60_000).sync()
        found += [m.kind for m in admin.until_ready() if m.kind != "Z"]
    assert found == ["1"] * 4 + ["E"] * 16


def test_admin_copy_messages(admin):
    """Outside of COPY they are ignored, as PostgreSQL does."""
    admin.copy_data(b"1\n").copy_done().copy_fail("x")
    admin.copy_data(b"1" * 200_000).query("show version")
    found = admin.until_ready()
    assert [m.kind for m in found] == ["T", "D", "C", "Z"]


def test_admin_pipeline(admin):
    """What is sent while a command is under way is answered behind it."""
    for _ in range(20):
        admin.query("show pools").run("show lists")
    found = admin.until_ready(40)
    assert len([m for m in found if m.kind == "C"]) == 40


def test_admin_half_close(door):
    """All that was asked for is answered to who says no more, however much
    it is."""
    with door.admin() as c:
        c.query("show pools; show clients").half_close()
        assert [m.tag for m in c.until_closed() if m.kind == "C"] == [
            "SHOW", "SHOW"]
    with door.admin() as c:
        for _ in range(300):
            c.query("show config").run("show pools")
        c.half_close()
        tags = [m.tag for m in c.until_closed() if m.kind == "C"]
        assert tags == ["SHOW"] * 600
