"""Exchanges that nobody thought of: sequences of messages drawn by dice, of
several clients in turn, compared message by message with PostgreSQL.

A script is a list of turns (client, messages, size of the segments, whether
the client then waits for all answers). When the answers differ the script is
cut down to what still differs, and shown with its seed.
"""
import contextlib
import os
import random
import re

import pytest

import differential as differ
import frontend

CLIENTS = 3
# A wait ends with a description that nothing else in a script has, of a
# statement that every state of a session accepts.
MARK_SQL, MARK_TYPES = "rollback", [16] * 7
NAMES = ["", "", "s1", "s2"]
PORTALS = ["", "", "p1", "p2"]

# Text, values of its parameters. {n} is the number of the client: what is
# common to a database has a name of its own for each.
STATEMENTS = [
    ("select 1", []), ("select 'a'::text as a, 2 as b", []),
    ("select $1::int", ["7"]), ("select $1::text", ["x"]),
    ("select $1::int + $2::int", ["1", "2"]), ("select $1", ["y"]),
    ("select generate_series(1, 5)", []), ("values (1), (2)", []),
    ("select 1/0", []), ("select 1/$1::int", ["0"]), ("selec", []),
    ("select nosuch", []), ("select * from nosuch", []),
    ("select 10 / (3 - g) from generate_series(1, 5) g", []),
    ("insert into t{n} values ($1)", ["1"]), ("insert into t{n} values (2)", []),
    ("insert into t{n} values (3) returning a", []),
    ("select a from t{n} order by 1", []), ("delete from t{n}", []),
    ("begin", []), ("begin", []), ("commit", []), ("commit", []),
    ("rollback", []), ("savepoint s", []), ("rollback to s", []),
    ("release s", []), ("begin read only", []), ("commit and chain", []),
    ("rollback and chain", []), ("start transaction", []),
    ("set transaction read only", []), ("show transaction_read_only", []),
    ("set session characteristics as transaction read only", []),
    ("set work_mem = '5MB'", []), ("set local work_mem = '6MB'", []),
    ("show work_mem", []), ("reset work_mem", []), ("reset all", []),
    ("select set_config('work_mem', $1, false)", ["7MB"]),
    ("set datestyle = german", []), ("select '2020-01-02'::date", []),
    ("set time zone 'UTC'", []), ("set application_name = 'x'", []),
    ("show application_name", []), ("set nosuch = 1", []),
    ("set standard_conforming_strings = off", []),
    ("set client_encoding = latin1", []), ("select 'ä'", []),
    ("set leak.a = '1'", []), ("select current_setting('leak.a', true)", []),
    ("set role guest", []), ("reset role", []), ("select current_user", []),
    ("set session authorization plain", []),
    ("reset session authorization", []),
    ("discard all", []), ("discard plans", []), ("discard temp", []),
    ("discard sequences", []),
    ("prepare q1 as select 42", []), ("prepare q1(int) as select $1", []),
    ("prepare s1 as select 'sql'", []), ("prepare s2 as select nosuch", []),
    ("execute q1", []), ("execute q1(3)", []), ("execute s1", []),
    ("execute s1(4)", []), ("deallocate q1", []), ("deallocate s1", []),
    ("deallocate all", []),
    ("select name, statement, from_sql from pg_prepared_statements "
     "where name <> 'mark' order by 1", []),
    ("create temp table tt(a int)", []), ("insert into tt values (1)", []),
    ("select * from tt", []), ("drop table tt", []),
    ("create temp table tc(a int) on commit drop", []),
    ("declare c cursor for select generate_series(1, 6)", []),
    ("declare h cursor with hold for select generate_series(1, 6)", []),
    ("fetch 2 c", []), ("fetch 2 h", []), ("fetch 1 p1", []), ("close c", []),
    ("close h", []), ("close p1", []), ("close all", []), ("move 1 h", []),
    ("select name, is_holdable from pg_cursors where statement <> '' and "
     "name <> 'mark' and statement not like '%pg_cursors%' order by 1", []),
    ("listen ch{n}", []), ("unlisten ch{n}", []), ("unlisten *", []),
    ("notify ch{n}, 'x'", []), ("select pg_notify('ch{n}', $1)", ["y"]),
    ("select pg_listening_channels()", []),
    ("create table d{n}(a int)", []), ("drop table d{n}", []),
    ("alter table d{n} add b int", []), ("select * from d{n}", []),
    ("alter table d{n} drop b", []), ("insert into d{n} values (1)", []),
    ("select pg_try_advisory_lock(10{n})", []),
    ("select pg_advisory_unlock(10{n})", []),
    ("select pg_advisory_unlock_all()", []),
    ("select pg_advisory_xact_lock(20{n})", []),
    ("select nextval('q{n}')", []), ("select currval('q{n}')", []),
    ("select lastval()", []),
    ("do $$ begin raise notice 'n'; end $$", []),
    ("do $$ begin perform set_config('work_mem', '9MB', false); end $$", []),
    ("do $$ begin raise exception 'e'; end $$", []),
    ("explain (costs off) select 1", []),
    ("copy t{n} to stdout", []), ("vacuum t{n}", []), ("lock table t{n}", []),
    ("checkpoint", []), ("set constraints all deferred", []),
    ("select pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
     []),
]
MULTI = ["select 1; select 2", "select 1; select 1/0; select 3",
         "begin; select 1", "commit; begin", "begin; insert into t{n} values "
         "(5); commit; select 1/0", "insert into t{n} values (6); rollback",
         "insert into t{n} values (7); select 1/0", "set work_mem = '5MB'; "
         "select 1/0", "begin; set work_mem = '5MB'; rollback; show work_mem",
         "savepoint s; select 1", "select 1; selec", "; ;",
         "listen ch{n}; notify ch{n}; select 1", "rollback; begin; select 1/0",
         "create temp table tt(a int); select * from tt",
         "declare c cursor for select 1; fetch c", "commit; select 1; begin",
         "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\n"
         "RESET ALL;", "prepare q1 as select 1; execute q1",
         "discard all; select 1"]
COPIES = ["copy t{n} from stdin", "copy t{n} from stdin",
          "copy nosuch from stdin", "copy t{n} from stdin; select 1",
          "copy t{n} from stdin; copy t{n} from stdin",
          "insert into t{n} values (9); copy t{n} from stdin",
          "copy t{n} to stdout; copy t{n} from stdin; copy t{n} to stdout",
          "copy tt from stdin", "copy d{n} from stdin"]
SETUP = ("drop table if exists t{n}, d{n}; create table t{n}(a int); "
         "drop sequence if exists q{n}; create sequence q{n}")


MARK = "t[" + ",".join(map(str, MARK_TYPES)) + "]"


class Generator:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        # Some scripts know few statements, so that they meet more often.
        self.few = (self.dice.sample(STATEMENTS, 10)
                    if self.dice.random() < 0.6 else STATEMENTS)

    def statement(self):
        return self.dice.choice(
            self.few if self.dice.random() < 0.85 else STATEMENTS)

    def values(self, given):
        if self.dice.random() < 0.05:
            return ["1"] * self.dice.randrange(3)
        return given

    def exchange(self):
        """Parse to Execute, whole or with something missing."""
        d = self.dice
        sql, values = self.statement()
        name, portal = d.choice(NAMES), d.choice(PORTALS)
        whole = [("P", name, sql), ("B", portal, name, self.values(values)),
                 ("D", "P", portal), ("E", portal, d.choice([0, 0, 0, 1, 2]))]
        if d.random() < 0.3:
            whole.insert(1, ("D", "S", name))
        if d.random() < 0.3:
            whole.append(("E", portal, d.choice([0, 2])))
        if name and d.random() < 0.5:
            whole.insert(0, ("C", "S", name))
        return [m for m in whole if d.random() < 0.9]

    def single(self):
        d = self.dice
        return d.choice([
            lambda: ("D", "S", d.choice(NAMES)),
            lambda: ("D", "P", d.choice(PORTALS)),
            lambda: ("C", "S", d.choice(NAMES)),
            lambda: ("C", "P", d.choice(PORTALS)),
            lambda: ("B", d.choice(PORTALS), d.choice(NAMES),
                     d.choice([[], ["1"], ["x"]])),
            lambda: ("E", d.choice(PORTALS), d.choice([0, 1])),
            lambda: ("P", d.choice(NAMES), self.statement()[0]),
            lambda: ("H",), lambda: ("S",), lambda: ("S",), lambda: ("S",),
            lambda: ("c",), lambda: ("f",), lambda: ("d", b"9\n"),
            lambda: ("F", d.choice([(1397, ["-5"]), (1397, ["z"]),
                                    (4294967, [])])),
        ])()

    def copy(self):
        d = self.dice
        sql = d.choice(COPIES)
        inside = [d.choice([("d", b"1\n"), ("d", b"2\n"), ("d", b"x\n"),
                            ("d", b"\\.\n"), ("H",), ("S",), ("d", b"")])
                  for _ in range(d.randrange(4))]
        ends = [("c",) if d.random() < 0.8 else ("f",)
                for _ in range(max(1, sql.count("from stdin")))]
        if d.random() < 0.5:
            begins = [("Q", sql)]
        else:
            begins = [("P", "", sql), ("B", "", "", []), ("E", "", 0)]
            if d.random() < 0.5:
                begins.append(("S",))
            if d.random() < 0.5:
                ends.append(("S",))
        return begins + inside + ends

    def turn(self):
        d = self.dice
        messages = []
        for _ in range(d.choice([1, 1, 2, 3, 5])):
            kind = d.random()
            if kind < 0.45:
                messages += self.exchange()
                if d.random() < 0.6:
                    messages.append(("S",))
            elif kind < 0.65:
                messages.append(self.single())
            elif kind < 0.80:
                messages.append(("Q", self.statement()[0]))
            elif kind < 0.90:
                messages.append(("Q", d.choice(MULTI)))
            else:
                messages += self.copy()
        return (d.randrange(CLIENTS), messages,
                d.choice([0, 0, 0, 1, 3, 7, 50]), d.random() < 0.8)

    def script(self):
        return [self.turn() for _ in range(self.dice.randrange(4, 14))]


def encode(n, message):
    kind, *rest = message
    if kind in ("Q", "P"):
        rest[-1] = rest[-1].replace("{n}", str(n))
    if kind == "F":
        return frontend.function_call(*rest[0])
    if kind == "C":
        return frontend.close(*rest)
    if kind == "D":
        return frontend.describe(*rest)
    return {"Q": frontend.query, "P": frontend.parse, "B": frontend.bind,
            "E": frontend.execute, "H": frontend.flush, "S": frontend.sync,
            "d": frontend.copy_data, "c": frontend.copy_done,
            "f": lambda: frontend.copy_fail("no")}[kind](*rest)


def wait(c):
    """Reads all answers to what was said."""
    c.copy_fail("end").copy_fail("end").sync()
    c.parse("mark", MARK_SQL, MARK_TYPES).describe("S", "mark")
    c.close_statement("mark").sync()
    while True:
        m = c.message()
        if m is None:
            return
        if m.kind == "t" and str(m) == MARK:
            break
    c.until_ready()


def play(script, target, **parameters):
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(target.connect(timeout=10, **parameters))
                 for _ in range(CLIENTS)]
        for c in crowd:
            c.transcript.clear()
        for n, messages, size, waits in script:
            c = crowd[n]
            if c.is_closed:
                continue
            for message in messages:
                c.say(encode(n, message))
            c.note(" ".join(m[0] for m in messages))
            if size:
                c.dribble(size)
            if waits:
                wait(c)
        for c in crowd:
            if not c.is_closed:
                wait(c)
        # What ends a client in the middle of COPY may be the door's own.
        return {f"client {n}": [re.sub("message type 0x..", "message", line)
                                for line in differ.canonical(c.transcript)]
                for n, c in enumerate(crowd)}


def both(script, postgres, target, **parameters):
    """What PostgreSQL and the door answer."""
    direct = postgres.target
    answers = []
    for where in (direct, target):
        with direct.connect(options="-c client_min_messages=error") as c:
            for n in range(CLIENTS):
                c.ask(SETUP.format(n=n))
        answers.append(play(script, where, **parameters))
    return answers


def differs(script, *where, **parameters):
    try:
        expected, actual = both(script, *where, **parameters)
    except AssertionError as error:
        return str(error)
    try:
        differ.compare(expected, actual)
    except AssertionError as error:
        return str(error)
    return None


def smaller(script):
    """Scripts with something left out, the boldest first."""
    for size in (len(script) // 2, len(script) // 4, 1):
        for at in range(0, len(script), max(size, 1)):
            yield script[:at] + script[at + max(size, 1):]
    for at, (n, messages, size, waits) in enumerate(script):
        for which in range(len(messages)):
            yield (script[:at] + [(n, messages[:which] + messages[which + 1:],
                                   size, waits)] + script[at + 1:])
        if size:
            yield script[:at] + [(n, messages, 0, waits)] + script[at + 1:]


def shrink(script, *where, **parameters):
    tries, found = 0, True
    while found and tries < 120:
        found = False
        for candidate in smaller(script):
            tries += 1
            if candidate and differs(candidate, *where, **parameters):
                script, found = candidate, True
                break
    return script


# SEEDS=from:to plays others.
SEEDS = range(*map(int, os.environ.get("SEEDS", "0:40").split(":")))


@pytest.mark.seconds(300)
def test_random_exchanges(postgres, door):
    for seed in SEEDS:
        script = Generator(seed).script()
        first = differs(script, postgres, door.target)
        door.check_alive()
        if not first:
            continue
        script = shrink(script, postgres, door.target)
        turns = "\n".join(map(str, script))
        last = differs(script, postgres, door.target)
        raise AssertionError(f"seed {seed}:\n{turns}\n{last or first}")
