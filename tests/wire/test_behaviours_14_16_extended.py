"""Behaviours 14-16: portals, prepared statements, and DDL under them."""
import contextlib

import pytest

from frontend import bind, execute, parse, sync

# 14. portals


def test_behaviour_14_max_rows(differential):
    """2, 2, 2 of 5 rows: suspended twice, complete with the third."""
    def script(c):
        c.parse("", "select generate_series(1, 5)").bind()
        c.execute("", 2).execute("", 2).execute("", 2).sync()
        c.until_ready()
        c.parse("", "select generate_series(1, 4)").bind("p")
        c.execute("p", 4).execute("p", 4).execute("p").sync()
        c.until_ready()
    differential(script)


def test_behaviour_14_interleaved_portals(differential):
    """Two portals of one transaction, row by row, over several Syncs."""
    def script(c):
        c.ask("begin")
        c.parse("s", "select generate_series($1::int, $1::int + 3)")
        c.bind("a", "s", ["10"]).bind("b", "s", ["20"]).sync().until_ready()
        for _ in range(3):
            c.execute("a", 1).execute("b", 2).sync().until_ready()
        c.close_portal("a").execute("a", 1).sync().until_ready()
        c.ask("rollback")
    differential(script)


def test_behaviour_14_portal_ends_with_its_transaction(differential):
    """34000 after COMMIT, after ROLLBACK, and after the Sync where no
    transaction holds it."""
    def script(c):
        c.parse("s", "select generate_series(1, 5)")
        c.bind("p", "s").execute("p", 2).sync().until_ready()
        c.execute("p", 2).sync().until_ready()
        for end in ("commit", "rollback"):
            c.ask("begin")
            c.bind("p", "s").execute("p", 2).sync().until_ready()
            c.execute("p", 2).sync().until_ready()
            c.ask(end)
            c.execute("p", 2).sync().until_ready()
    differential(script)


def test_behaviour_14_names_of_portals(differential):
    """A duplicate is 42P03, the unnamed one is replaced, closing what is
    not there is no error, Describe answers as often as asked."""
    def script(c):
        c.ask("begin")
        c.parse("s", "select 1 as one, $1::text as two")
        c.bind("p", "s", ["x"]).describe("P", "p").describe("P", "p")
        c.bind("", "s", ["y"]).bind("", "s", ["z"]).execute().sync()
        c.until_ready()
        c.close_portal("nothing").close_statement("nothing").sync()
        c.until_ready()
        c.bind("p", "s", ["again"]).sync().until_ready()
        c.ask("rollback")
        c.describe("P", "p").sync().until_ready()
        c.execute("p").sync().until_ready()
        c.describe("S", "nothing").sync().until_ready()
    differential(script)


def test_behaviour_14_portals_and_sql_cursors(differential):
    """A cursor of SQL is a portal of the protocol, and the other way
    round."""
    def script(c):
        c.ask("begin; declare cur cursor for select generate_series(1, 9)")
        c.execute("cur", 2).sync().until_ready()
        c.ask("fetch 2 from cur")
        c.parse("", "select generate_series(1, 9)").bind("por").sync()
        c.until_ready()
        c.ask("fetch 2 from por")
        c.ask("move 3 from por")
        c.execute("por", 1).sync().until_ready()
        c.ask("close por")
        c.execute("por", 1).sync().until_ready()
        c.ask("commit")
    differential(script)


@pytest.mark.parametrize("formats", [[], [0], [1], [1, 0, 1]])
def test_behaviour_14_formats(differential, formats):
    """Text and binary results, by one code or one per column."""
    def script(c):
        c.parse("", "select 5::int, 'text', 2.5::float8")
        c.bind("", "", [], [], formats).describe("P").execute().sync()
        c.until_ready()
    differential(script)


def test_behaviour_14_rows_of_returning(differential):
    """A suspended INSERT ... RETURNING runs once."""
    def script(c):
        c.ask("create table t (a int)")
        c.ask("begin")
        c.parse("", "insert into t select generate_series(1, 5) returning a")
        c.bind("p").execute("p", 2).execute("p", 2).execute("p", 2).sync()
        c.until_ready()
        c.ask("commit")
        c.ask("select count(*) from t")
    differential(script)


# 15. prepared statements

def test_behaviour_15_same_name_other_text(differential):
    """Two clients use one name for two texts, over and over."""
    def script(a, b):
        a.parse("s1", "select 'a', $1::int").sync().until_ready()
        b.parse("s1", "select $1::text, 'b'").sync().until_ready()
        for n in range(30):
            a.bind("", "s1", [str(n)]).describe("P").execute().sync()
            b.bind("", "s1", [str(n)]).describe("P").execute().sync()
            a.until_ready()
            b.until_ready()
    differential(script)


def test_behaviour_15_same_text_other_types(differential):
    """One text with other parameter types is another statement."""
    def script(a, b):
        text = "select $1 || 'x', pg_typeof($1)::text"
        a.parse("s", text, [25]).describe("S", "s").sync().until_ready()
        b.parse("s", text, [1043]).describe("S", "s").sync().until_ready()
        for c in (a, b):
            c.bind("", "s", ["v"]).execute().sync().until_ready()
        a.parse("t", "select $1", [23]).describe("S", "t").sync()
        a.parse("u", "select $1", [20]).describe("S", "u").sync()
        a.until_ready(2)
    differential(script)


def test_behaviour_15_duplicate_and_unknown(differential):
    """42P05 and 26000 are errors; the connection and the first statement
    stay."""
    def script(c):
        c.parse("s", "select 1").sync().until_ready()
        c.parse("s", "select 2").sync().until_ready()
        c.bind("", "s").execute().sync().until_ready()
        c.bind("", "unknown").execute().sync().until_ready()
        c.describe("S", "unknown").sync().until_ready()
        c.ask("begin")
        c.bind("", "unknown").sync().until_ready()
        c.ask("rollback")
        c.bind("", "s").execute().sync().until_ready()
        c.parse("", "select 3").sync().parse("", "select 4").sync()
        c.bind().execute().sync().until_ready(3)
    differential(script)


def test_behaviour_15_close(differential):
    """A closed statement is gone, its name free; also within one
    exchange."""
    def script(c):
        c.parse("s", "select 1").sync().until_ready()
        c.close_statement("s").sync().until_ready()
        c.bind("", "s").sync().until_ready()
        c.parse("s", "select 2").bind("", "s").execute()
        c.close_statement("s").parse("s", "select 3").bind("", "s")
        c.execute().sync().until_ready()
        c.bind("", "s").execute().sync().until_ready()
    differential(script)


def test_behaviour_15_failed_parse_leaves_the_name_free(differential):
    def script(c):
        c.parse("s", "select no_such_column").sync().until_ready()
        c.bind("", "s").sync().until_ready()
        c.parse("s", "select 1").bind("", "s").execute().sync()
        c.until_ready()
        c.ask("begin")
        c.parse("t", "select 2").parse("u", "selec").sync().until_ready()
        c.ask("rollback")
        for name in ("t", "u"):
            c.bind("", name).execute().sync().until_ready()
    differential(script)


def test_behaviour_15_parse_in_a_rolled_back_transaction(differential):
    """Statements are not transactional: they survive ROLLBACK, and so does
    their Close."""
    def script(c):
        c.ask("begin")
        c.parse("s", "select 1").sync().until_ready()
        c.ask("rollback")
        c.bind("", "s").execute().sync().until_ready()
        c.ask("begin")
        c.close_statement("s").sync().until_ready()
        c.ask("rollback")
        c.bind("", "s").execute().sync().until_ready()
    differential(script)


def test_behaviour_15_parse_of_a_vanished_table(differential):
    """A statement whose Parse was rolled back together with its table."""
    def script(c):
        c.ask("begin; create table t (a int)")
        c.parse("s", "select a from t").sync().until_ready()
        c.ask("rollback")
        c.bind("", "s").execute().sync().until_ready()
        c.ask("create table t (a int); insert into t values (1)")
        c.bind("", "s").execute().sync().until_ready()
    differential(script)


@pytest.mark.parametrize("sql", ["deallocate all", "deallocate s",
                                 "deallocate prepare s", 'deallocate "s"',
                                 "discard all", "deallocate unknown",
                                 "/* x */ deallocate S;",
                                 "select 1; deallocate all"])
def test_behaviour_15_deallocate(differential, sql):
    """What SQL deallocates is gone for the protocol too; then the name is
    free."""
    def script(c, other):
        for one in (c, other):
            one.parse("s", "select 1").parse("kept", "select 2").sync()
            one.until_ready()
        c.ask(sql)
        for one in (c, other):
            for name in ("s", "kept"):
                one.bind("", name).execute().sync().until_ready()
        c.parse("s", "select 3").bind("", "s").execute().sync()
        c.until_ready()
    differential(script)


def test_behaviour_15_deallocate_by_the_extended_protocol(differential):
    def script(c):
        c.parse("s", "select 1").sync().until_ready()
        c.run("deallocate s").until_ready()
        c.bind("", "s").execute().sync().until_ready()
        c.parse("s", "select 2").sync().until_ready()
        c.run("deallocate all").until_ready()
        c.bind("", "s").execute().sync().until_ready()
        c.parse("s", "select 3").sync().until_ready()
        c.run("discard all").until_ready()
        c.bind("", "s").execute().sync().until_ready()
    differential(script)


def test_behaviour_15_sql_prepare(differential):
    """PREPARE, EXECUTE and DEALLOCATE; another client sees none of it."""
    def script(c, other):
        c.ask("prepare s (int) as select $1 + 1")
        for n in range(5):
            c.ask(f"execute s ({n})")
            other.ask("execute s (1)")
        other.ask("prepare s (text) as select $1 || 'other'")
        c.ask("execute s (1)")
        other.ask("execute s ('x')")
        c.ask("prepare s as select 2")
        c.ask("deallocate s")
        c.ask("execute s (1)")
        other.ask("execute s ('x')")
        c.ask("select name, statement from pg_prepared_statements")
    differential(script)


def test_behaviour_15_prepare_then_bind(differential):
    """A statement of SQL's PREPARE is bound by the protocol, one of Parse
    is run by EXECUTE."""
    def script(c):
        c.ask("prepare p (int) as select $1 * 2")
        c.bind("", "p", ["4"]).describe("P").execute().sync().until_ready()
        c.describe("S", "p").sync().until_ready()
        c.parse("q", "select $1::int * 3").sync().until_ready()
        c.ask("execute q (5)")
        c.ask("explain (costs off) execute q (5)")
        c.ask("prepare q as select 1")
        c.parse("p", "select 1").sync().until_ready()
        c.close_statement("p").sync().until_ready()
        c.ask("execute p (1)")
    differential(script)


def test_behaviour_15_prepared_statements_view(differential):
    """pg_prepared_statements shows the client's own statements, with the
    names the client gave."""
    def script(c, other):
        other.parse("theirs", "select 2").sync().until_ready()
        c.parse("mine", "select 1").sync().until_ready()
        c.ask("prepare mine_too as select 3")
        c.ask("select name from pg_prepared_statements order by name")
    differential(script)


@pytest.mark.parametrize("sql", ["deallocate all", "discard all"])
def test_behaviour_15_parse_behind_deallocate(differential, sql):
    """What is prepared behind it in the same pipeline stays; so do drivers
    that reset a connection with the first thing they ask on it."""
    def script(c):
        for _ in range(4):
            c.parse("old", "select 0").sync().until_ready()
            c.query(sql).parse("s", "select 1").describe("S", "s").sync()
            c.until_ready(2)
            c.parse("", sql).bind().execute()
            if sql == "discard all":
                c.sync()
            c.parse("s", "select 1").bind("", "s").execute().sync()
            c.until_ready(2 if sql == "discard all" else 1)
            c.bind("", "s").execute().sync().until_ready()
            c.ask("deallocate all")
    differential(script)


def test_behaviour_15_skipped_look_at_the_view(differential):
    """Statements that were to be hidden in a batch that failed are still
    there for the next who prepares them."""
    def script(c, other):
        other.parse("o", "select 'kept'").sync().until_ready()
        for _ in range(9):
            c.parse("s", "select 'kept'").bind("", "s").execute().sync()
            c.parse("v", "select name from pg_prepared_statements").sync()
            c.until_ready(2)
            c.parse("", "selec").bind("", "v").execute().sync().until_ready()
            c.close_statement("s").close_statement("v").sync().until_ready()
            other.bind("", "o").execute().sync().until_ready()
    differential(script)


def test_behaviour_15_error_of_bind_names_the_statement(differential):
    def script(c):
        c.parse("mine", "select 1").bind("", "mine", ["1"]).sync()
        c.until_ready()
    differential(script)


@pytest.mark.parametrize("length", [1, 63, 64, 4096])
def test_behaviour_15_long_names(differential, length):
    def script(c):
        name = "n" * length
        c.parse(name, "select 1").bind(name, name).describe("S", name)
        c.execute(name).close_statement(name).sync().until_ready()
        c.bind("", name).sync().until_ready()
    differential(script)


def test_behaviour_15_name_of_60_kb(differential):
    """Parse and Bind take any name; the other messages are closed on at
    10,000 bytes, as PostgreSQL does."""
    def script(c):
        name = "n" * 60_000
        c.parse(name, "select 1").bind("", name).execute().sync()
        c.until_ready()
        c.parse(name, "select 2").sync().until_ready()
        c.describe("S", name).sync().until_closed()
    differential(script)


def test_behaviour_15_long_texts(differential):
    """A text longer than any read buffer, prepared and run twice."""
    def script(c):
        text = "select $1::int -- " + "x" * 300_000
        c.parse("s", text).sync().until_ready()
        for n in range(2):
            c.bind("", "s", [str(n)]).execute().sync().until_ready()
    differential(script)


def test_behaviour_15_many_statements(howdah, is_long):
    """Thousands of distinct texts under an LRU of 50 on each server
    connection: every one still answers, and the server keeps no more than
    its share."""
    count = 10_000 if is_long else 1500
    with howdah(max_prepared=50, pool_size=4) as door:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect()) for _ in range(3)]
            for c in crowd:
                for n in range(count):
                    c.say(parse(f"s{n}", f"select {n}, $1::int") + sync())
                c.until_ready(count)
            for n in range(0, count, 7):
                for c in crowd:
                    c.bind("", f"s{n}", ["1"]).execute().sync()
            for c in crowd:
                answer = c.until_ready(len(range(0, count, 7)))
                values = [m.values[0] for m in answer if m.kind == "D"]
                assert values == [str(n).encode()
                                  for n in range(0, count, 7)]
            if door.is_door:
                plans = crowd[0].value(
                    "select count(*) from pg_backend_memory_contexts "
                    "where name = 'CachedPlanSource'")
                assert int(plans) < 120


def test_behaviour_15_statements_follow_the_client(differential):
    """A statement parsed on one server connection works on any other, in
    and out of transactions, with its parameters described alike."""
    def script(a, b, c):
        a.ask("create table t (a int, b text)")
        for one in (a, b, c):
            one.parse("i", "insert into t values ($1, $2) returning a")
            one.parse("s", "select count(*) from t where a >= $1")
            one.sync().until_ready()
        for n in range(10):
            for one in (a, b, c):
                one.query("begin")
                one.bind("", "i", [str(n), "x"]).execute().sync()
                one.until_ready(2)
                one.describe("S", "s").bind("", "s", [str(n)]).execute()
                one.query("commit")
                one.until_ready()
    differential(script)


def test_behaviour_15_empty_statement_text(differential):
    def script(c):
        c.parse("e", "").describe("S", "e").bind("", "e").execute().sync()
        c.until_ready()
        c.bind("", "e").execute().sync().until_ready()
        c.parse("two", "select 1; select 2").sync().until_ready()
    differential(script)


# 16. DDL under prepared statements

TABLE = "create table t (a int, b text); insert into t values (1, 'one')"


def told(c, name="s"):
    """Prepares `select * from t`; the number of columns it was told."""
    c.parse(name, "select * from t").describe("S", name).sync()
    return sum(len(m.columns) for m in c.until_ready() if m.kind == "T")


def test_behaviour_16_new_parse_sees_the_new_shape(differential):
    """After ALTER TABLE a new Parse of a known text has the new shape at
    once, for a new client and for the old ones."""
    def script(a, b, ddl):
        ddl.ask(TABLE)
        for c in (a, b):
            told(c)
            c.bind("", "s").execute().sync().until_ready()
        ddl.ask("alter table t add column c int default 7")
        for c in (a, b, ddl):
            c.parse("", "select * from t").describe("S").bind()
            c.describe("P").execute().sync().until_ready()
            told(c, "new")
            c.bind("", "new").execute().sync().until_ready()
        with a.target.connect() as fresh:
            a.note(str(fresh.ask("select * from t")))
            fresh.parse("s", "select * from t").bind("", "s")
            fresh.describe("P").execute().sync()
            a.note(str(fresh.until_ready()))
    differential(script)


def test_behaviour_16_old_statement_is_refused(differential):
    """Who was told the old shape gets PostgreSQL's 0A000, never new rows
    under it; and goes on after a new Parse."""
    def script(c, ddl):
        ddl.ask(TABLE)
        told(c)
        ddl.ask("alter table t add column c int")
        c.bind("", "s").execute().sync().until_ready()
        c.close_statement("s").sync().until_ready()
        told(c)
        c.bind("", "s").execute().sync().until_ready()
    differential(script)


def test_behaviour_16_in_a_transaction(differential):
    """In a transaction it is 0A000 and the transaction has failed."""
    def script(c, ddl):
        ddl.ask(TABLE)
        told(c)
        ddl.ask("alter table t drop column b")
        c.ask("begin; select 1")
        c.bind("", "s").execute().sync().until_ready()
        c.ask("commit")
        c.ask("select * from t")
    differential(script)


@pytest.mark.parametrize("ddl_sql", [
    "create index on t (a)", "alter table t add column c int",
    "alter table t alter column b set default 'x'", "analyze t",
    "drop table t; " + TABLE, "alter table t rename to u; " + TABLE])
def test_behaviour_16_same_shape_goes_on(differential, ddl_sql):
    """DDL that leaves the columns of the answer as they were is not
    noticed."""
    def script(a, b, ddl):
        ddl.ask(TABLE)
        for c in (a, b):
            c.parse("s", "select a, b from t where a = $1")
            c.describe("S", "s").sync().until_ready()
            c.bind("", "s", ["1"]).execute().sync().until_ready()
        ddl.ask(ddl_sql)
        for c in (a, b, a, b):
            c.bind("", "s", ["1"]).execute().sync().until_ready()
    differential(script)


def test_behaviour_16_never_old_shape_with_new_rows(door, clean):
    """Under DDL without pause, every answer's rows fit the shape the client
    was told with them, or the answer is 0A000."""
    with contextlib.ExitStack() as stack:
        ddl = stack.enter_context(door.connect())
        crowd = [stack.enter_context(door.connect()) for _ in range(4)]
        ddl.ask(TABLE)
        shapes = {}
        for c in crowd:
            shapes[c] = told(c)
        for n in range(40):
            ddl.ask("alter table t drop column b" if n % 2 else
                    "alter table t add column if not exists b text")
            for c in crowd:
                c.say(bind("", "s") + execute() + sync())
                answer = c.until_ready()
                kinds = {m.kind for m in answer}
                if "E" in kinds:
                    codes = {m.sqlstate for m in answer if m.kind == "E"}
                    assert codes == {"0A000"}
                    shapes[c] = told(c.close_statement("s"))
                else:
                    assert {len(m.values) for m in answer
                            if m.kind == "D"} == {shapes[c]}


def test_behaviour_16_dropped_type_and_function(differential):
    """A plan whose function or enum was replaced."""
    def script(c, ddl):
        ddl.ask("create function f() returns int language sql as 'select 1'")
        ddl.ask("create type mood as enum ('sad')")
        c.parse("f", "select f()").describe("S", "f").sync().until_ready()
        c.parse("e", "select 'sad'::mood").describe("S", "e").sync()
        c.until_ready()
        for name in "fe":
            c.bind("", name).execute().sync().until_ready()
        ddl.ask("create or replace function f() returns int language sql "
                "as 'select 2'")
        ddl.ask("alter type mood add value 'ok'")
        for name in "fe":
            c.bind("", name).execute().sync().until_ready()
        ddl.ask("drop function f()")
        c.bind("", "f").execute().sync().until_ready()
    differential(script)
