"""Session state that is changed by code no statement shows: each way there
is to run it, and each kind of state such code can leave. Tables for
test_behaviours_23_hidden.py, of the shape of states.py.
"""
import dataclasses

from states import MEMORY, MY_LOCKS, State

SETTER = "perform set_config('work_mem', '77MB', false)"
TABLE = "create table leak_t (a int); "
INSERT = "insert into leak_t values (1)"


def function(body, returns="void", name="leak_f", arguments="",
             result="return", options=""):
    return (f"create function {name}({arguments}) returns {returns} language "
            f"plpgsql {options} as $$ begin {body}; {result}; end $$; ")


def trigger(body=SETTER, when="after insert", level="row", on="leak_t",
            name="leak_f"):
    return (function(body, "trigger", name, result="return coalesce(new, "
                     "old)") +
            f"create trigger {name} {when} on {on} for each {level} "
            f"execute function {name}(); ")


VALUE = function(SETTER, "int", result="return 1")
CONSTANT = function(SETTER, "int", arguments="a int", options="immutable",
                    result="return 1")


@dataclasses.dataclass
class Way(State):
    user: str = "wire"
    is_everywhere: bool = False  # no statement is above suspicion
    may_refuse: bool = False  # the owner may get 55000 instead


def way(name, prepare, *setup, probe=MEMORY, **more):
    return Way(name, list(setup), probe, prepare, **more)


# How a statement comes to run a function.
WAYS = [
    way("trigger", TABLE + trigger(), INSERT),
    way("trigger-before-update", TABLE + INSERT + ";" +
        trigger(when="before update"), "update leak_t set a = 2"),
    way("trigger-delete", TABLE + INSERT + ";" +
        trigger(when="after delete"), "delete from leak_t"),
    way("trigger-of-statement", TABLE + trigger(level="statement"), INSERT),
    way("trigger-truncate", TABLE + trigger(when="after truncate",
                                            level="statement"),
        "truncate leak_t"),
    way("trigger-deferred", TABLE + function(SETTER, "trigger",
                                             result="return null") +
        "create constraint trigger leak_f after insert on leak_t deferrable "
        "initially deferred for each row execute function leak_f()",
        "begin", INSERT, "commit"),
    way("trigger-when", TABLE + CONSTANT + function(
        "null", "trigger", "leak_g", result="return new") +
        "create trigger leak_g before insert on leak_t for each row when "
        "(leak_f(new.a) = 1) execute function leak_g()", INSERT),
    way("trigger-by-with", TABLE + trigger(),
        "with x as (insert into leak_t values (1) returning a) "
        "select * from x"),
    way("trigger-by-merge", TABLE + trigger(),
        "merge into leak_t using (values (1)) s (b) on a = b "
        "when not matched then insert values (b)"),
    way("trigger-by-prepared", TABLE + trigger(),
        "prepare leak_p as " + INSERT, "execute leak_p",
        "deallocate leak_p"),
    way("trigger-of-another", TABLE + "create table leak_u (a int); " +
        trigger(on="leak_u", name="leak_g") + trigger(
            "insert into leak_u values (1)"), INSERT),
    way("trigger-quoted", 'create table "Leak t" (a int); ' +
        trigger(on='"Leak t"'), 'insert into "Leak t" values (1)'),
    way("trigger-not-ascii", "create table leak_ä (a int); " +
        trigger(on="leak_ä"), 'insert into "leak_ä" values (1)'),
    way("trigger-instead", "create view leak_t as select 1 as a; " +
        trigger(when="instead of insert"), INSERT),
    way("trigger-by-view", TABLE + trigger() +
        "create view leak_v as select a from leak_t",
        "insert into leak_v values (1)"),
    way("view", VALUE + "create view leak_v as select leak_f() as a",
        "select a from leak_v"),
    way("view-of-pg-catalog", "create view leak_v as "
        "select set_config('work_mem', '77MB', false) as a",
        "select a from leak_v"),
    way("view-of-view", VALUE + "create view leak_u as select leak_f() as a; "
        "create view leak_v as select a from leak_u", "table leak_v"),
    way("materialized-view", function(
        "perform pg_advisory_lock(4722)", "int", result="return 1") +
        "create materialized view leak_m as select leak_f() as a with no "
        "data", "refresh materialized view leak_m", probe=MY_LOCKS),
    way("rule", TABLE + VALUE + "create table leak_u (a int); create rule "
        "leak_r as on insert to leak_t do also insert into leak_u select "
        "leak_f()", INSERT),
    way("rule-of-pg-catalog", TABLE + "create rule leak_r as on insert to "
        "leak_t do also select set_config('work_mem', '77MB', false)",
        INSERT),
    way("policy", TABLE + INSERT + ";" + CONSTANT +
        "grant all on leak_t to plain; alter table leak_t enable row level "
        "security; create policy leak_p on leak_t using (leak_f(a) = 1)",
        "select a from leak_t", user="plain"),
    way("policy-of-writing", TABLE + CONSTANT +
        "grant all on leak_t to plain; alter table leak_t enable row level "
        "security; create policy leak_p on leak_t for insert with check "
        "(leak_f(a) = 1)", INSERT, user="plain"),
    way("default", VALUE + "create table leak_t (a int default leak_f(), "
        "b int)", "insert into leak_t (b) values (1)"),
    way("generated-column", CONSTANT + "create table leak_t (a int, b int "
        "generated always as (leak_f(a)) stored)", INSERT),
    way("check", CONSTANT + "create table leak_t (a int check (leak_f(a) = "
        "1))", INSERT),
    way("index", CONSTANT + "create table leak_t (a int); create index on "
        "leak_t (leak_f(a))", INSERT),
    way("partition-key", CONSTANT + "create table leak_t (a int) partition "
        "by list (leak_f(a)); create table leak_u partition of leak_t "
        "default", INSERT),
    way("domain", CONSTANT + "create domain leak_d as int check "
        "(leak_f(value) = 1)", "select 1::leak_d"),
    way("domain-of-column", CONSTANT + "create domain leak_d as int check "
        "(leak_f(value) = 1); create table leak_t (a leak_d)", INSERT),
    way("domain-of-domain", CONSTANT + "create domain leak_d as int check "
        "(leak_f(value) = 1); create domain leak_e as leak_d[]",
        "select '{1}'::leak_e"),
    way("cast", "create type leak_c as (a int); " + function(
        SETTER, "point", arguments="a leak_c", result="return '(1,2)'") +
        "create cast (leak_c as point) with function leak_f(leak_c)",
        "select row(1)::leak_c::point"),
    way("cast-of-column", "create type leak_c as (a int); " + function(
        SETTER, "point", arguments="a leak_c", result="return '(1,2)'") +
        "create cast (leak_c as point) with function leak_f(leak_c) as "
        "implicit; create table leak_t (a leak_c); insert into leak_t values "
        "(row(1))", "select a <-> point '(0,0)' from leak_t"),
    way("cast-of-pg-catalog", function(
        SETTER, "point", arguments="a date", result="return '(1,2)'") +
        "create cast (date as point) with function leak_f(date)",
        "select cast('today'::date as point)", is_everywhere=True),
    way("operator", CONSTANT.replace("a int", "a int, b int") +
        "create operator @#@ (function = leak_f, leftarg = int, rightarg = "
        "int)", "select 1 @#@ 2", is_everywhere=True),
    way("aggregate", CONSTANT.replace("a int", "a int, b int") +
        "create aggregate leak_a (int) (sfunc = leak_f, stype = int, "
        "initcond = 0)", "select leak_a(1)"),
    way("overloaded", "create type leak_c as (a int); " + function(
        SETTER, "text", "lower", "a leak_c", result="return 'x'"),
        "select lower(row(1)::leak_c)"),
    way("attribute-notation", TABLE + INSERT + ";" + function(
        SETTER, "int", arguments="a leak_t", result="return 1"),
        "select t.leak_f from leak_t t"),
    way("inherited", TABLE + "create table leak_u () inherits (leak_t); "
        "insert into leak_u values (1); " +
        trigger(when="before update", on="leak_u"),
        "update leak_t set a = 2"),
    way("partition", "create table leak_t (a int) partition by list (a); "
        "create table leak_u partition of leak_t for values in (1); " +
        trigger(on="leak_u"), INSERT),
    way("partition-by-its-name", "create table leak_t (a int) partition by "
        "list (a); create table leak_u partition of leak_t for values in (1)"
        "; " + trigger(), "insert into leak_u values (1)"),
    way("foreign-key", "create table leak_t (a int primary key); create "
        "table leak_u (a int references leak_t on delete cascade); insert "
        "into leak_t values (1); insert into leak_u values (1); " +
        trigger(when="after delete", on="leak_u"), "delete from leak_t"),
    way("foreign-key-truncate", "create table leak_t (a int primary key); "
        "create table leak_u (a int references leak_t); " +
        trigger(when="after truncate", level="statement", on="leak_u"),
        "truncate leak_t cascade"),
    way("sql-standard-body", "create function leak_f() returns text begin "
        "atomic select set_config('work_mem', '77MB', false); end; create "
        "view leak_v as select leak_f() as a", "select a from leak_v"),
    way("sql-standard-body-nested", VALUE + "create function leak_g() "
        "returns int begin atomic select leak_f(); end; create view leak_v "
        "as select leak_g() as a", "select a from leak_v"),
    way("language-sql", "create function leak_f() returns text language sql "
        "as $$ select set_config('work_mem', '77MB', false) $$; create view "
        "leak_v as select leak_f() as a", "select a from leak_v"),
    way("nested", TABLE + function(SETTER, name="leak_c") +
        function("perform leak_c()", name="leak_b") +
        function("perform public.Leak_B()", name="leak_a") +
        trigger("perform leak_a()"), INSERT),
    way("argument-default", function(SETTER, "int", "leak_g",
                                     result="return 1") +
        function("null", "int", arguments="a int default leak_g()",
                 result="return a") +
        "create view leak_v as select leak_f() as a",
        "select a from leak_v"),
    way("event-trigger", function(SETTER, "event_trigger") +
        "create event trigger leak_e on ddl_command_end execute function "
        "leak_f()", "create table leak_t (a int)", "drop table leak_t",
        "comment on schema public is 'leak'"),
]

LEAVES = {
    "set": "set work_mem = '77MB'",
    "set-local-then-set": "set local work_mem = '76MB'; set work_mem = "
                          "'77MB'",
    "set-dynamic": "execute 'SET wor' || 'k_mem TO ''77MB'''",
}
CUSTOM = "select current_setting('leak.hidden', true)"

# What a trigger leaves.
KINDS = [
    *(way(name, TABLE + trigger(body), INSERT)
      for name, body in LEAVES.items()),
    way("setting-that-is-reported",
        TABLE + trigger("set datestyle = 'german'"), INSERT,
        probe="select '2024-12-31'::date"),
    way("reset", TABLE + trigger("reset work_mem"), "set work_mem = '7MB'",
        INSERT, leaves=False),
    way("rolled-back", TABLE + trigger(), "begin", INSERT, "rollback",
        leaves=False),
    way("clause", TABLE + function(SETTER, "trigger", options="set work_mem "
                                   "= '70MB'", result="return new") +
        "create trigger leak_f after insert on leak_t for each row execute "
        "function leak_f()", INSERT),
    way("clause-alone", TABLE + function(
        "null", "trigger", options="set work_mem = '70MB'",
        result="return new") + "create trigger leak_f after insert on leak_t "
        "for each row execute function leak_f()", INSERT, leaves=False),
    way("custom", TABLE + trigger("perform set_config('leak.hidden', 'x', "
                                  "false)"), INSERT, probe=CUSTOM),
    way("custom-local", TABLE + trigger("perform set_config('leak.hidden', "
                                        "'x', true)"), INSERT, probe=CUSTOM),
    way("custom-by-set", TABLE + trigger("set leak.hidden = 'x'"), INSERT,
        probe=CUSTOM),
    way("custom-by-set-local", TABLE + trigger("set local leak.hidden to "
                                               "'x'"), INSERT, probe=CUSTOM),
    way("custom-composed", TABLE + trigger("perform set_config('leak.' || "
                                           "'hidden', 'x', false)"), INSERT,
        probe=CUSTOM),
    way("custom-executed", TABLE + trigger("execute 'set leak.hidden = "
                                           "''x'''"), INSERT, probe=CUSTOM),
    way("custom-executed-composed",
        TABLE + trigger("execute format('SET LOCAL %s = ''x''', "
                        "'leak.hidden')"), INSERT, probe=CUSTOM),
    way("custom-by-view", "create view leak_v as select "
        "set_config('leak.hidden', 'x', false) as a", "table leak_v",
        probe=CUSTOM),
    way("custom-by-clause", TABLE + function(
        "null", "trigger", options="set leak.hidden = 'y'",
        result="return new") + "create trigger leak_f after insert on leak_t "
        "for each row execute function leak_f()", INSERT, probe=CUSTOM),
    way("custom-by-call", function("perform set_config('leak.hidden', 'x', "
                                   "false)"), "select leak_f()",
        probe=CUSTOM),
    way("custom-by-do", function("perform set_config('leak.' || 'hidden', "
                                 "'x', false)"),
        "do $$ begin perform leak_f(); end $$", probe=CUSTOM),
    way("advisory", TABLE + trigger("perform pg_advisory_lock(4719)"), INSERT,
        probe=MY_LOCKS),
    way("advisory-unlocked",
        TABLE + trigger("perform pg_advisory_unlock(4720)"),
        "select pg_advisory_lock(4720)", INSERT, probe=MY_LOCKS,
        leaves=False),
    way("advisory-by-view", "create view leak_v as select "
        "pg_try_advisory_lock(4721)", "table leak_v", probe=MY_LOCKS),
    way("temp-table", TABLE + trigger("create temp table leak_x as select "
                                      "'temporary' as a"), INSERT,
        probe="select * from leak_x"),
    way("listen", TABLE + trigger("listen leak_channel"), INSERT,
        probe="select pg_listening_channels()"),
    way("unlisten", TABLE + trigger("unlisten *"), "listen leak_channel",
        INSERT, probe="select pg_listening_channels()", leaves=False),
    way("prepare", TABLE + trigger("execute 'prepare leak_p as select "
                                   "''prepared'''"), INSERT,
        probe="execute leak_p"),
    way("cursor", TABLE + trigger("execute 'declare leak_c scroll cursor "
                                  "with hold for select 7'"), INSERT,
        probe="fetch first from leak_c"),
    way("load", TABLE + trigger("load 'auto_explain'"), INSERT,
        probe="show auto_explain.log_min_duration"),
    way("lastval", "create sequence leak_q start 500; " + TABLE +
        trigger("perform nextval('leak_q')"), INSERT,
        probe="select lastval()", may_refuse=True),
    way("lastval-by-view", "create sequence leak_q start 500; create view "
        "leak_v as select nextval('leak_q') as a", "table leak_v",
        probe="select lastval()", may_refuse=True),
    way("currval-hidden", "create sequence leak_q start 500; create view "
        "leak_v as select currval('leak_q') as a",
        "select nextval('leak_q')", probe="table leak_v", may_refuse=True),
    way("lastval-hidden", "create sequence leak_q start 500; " + function(
        "null", "bigint", result="return lastval()"),
        "select nextval('leak_q')", probe="select leak_f()",
        may_refuse=True),
    way("of-a-superuser", TABLE + "grant all on leak_t to plain; " +
        trigger("set log_min_duration_statement = '77s'") +
        "alter function leak_f() security definer", INSERT,
        probe="show log_min_duration_statement", user="plain"),
]
