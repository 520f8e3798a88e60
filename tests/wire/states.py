"""Every kind of session state PostgreSQL has: how a client gets it, and how
it would show. A table for the leak hunt (behaviour 23).

STATE(name, setup, probe, ...)

  setup    what the owner does: SQL, or functions of its connection
  probe    a statement (or a function of a connection returning lines) that
           shows the state; the answer of a client that has none of it is
           what a fresh connection to PostgreSQL gets
  prepare  what must exist before, made by another connection
  startup  parameters the owner connects with
  leaves   False when the state must be gone after the setup even for its
           owner (SET LOCAL, ROLLBACK)
  is_let_go  True when its owner may lose it, too: README says so
"""
import dataclasses
from typing import Any


@dataclasses.dataclass
class State:
    name: str
    setup: list
    probe: Any
    prepare: str = ""
    startup: dict = dataclasses.field(default_factory=dict)
    leaves: bool = True
    is_let_go: bool = False


def lines(messages):
    return [str(m) for m in messages]


def extended(*statements):
    """One exchange of the extended protocol with several statements."""
    def run(c):
        for sql in statements:
            c.parse("", sql).bind().execute()
        return c.sync().until_ready()
    return run


def bind_prepared(c):
    c.bind("", "leak_s").execute().sync()
    return lines(c.until_ready())


def prepare_named(c):
    return c.parse("leak_s", "select 'prepared'").sync().until_ready()


MEMORY = "show work_mem"
SET_MEMORY = "set work_mem = '7MB'"
MY_LOCKS = ("select mode, objid from pg_locks where locktype = 'advisory' "
            "and pid = pg_backend_pid()")
MY_TEMP = "select pg_my_temp_schema() <> 0"
SEQUENCE = "create sequence leak_seq start 500"
SET_IN_FUNCTION = """\
create function leak_f() returns void language plpgsql as $$
begin perform set_config('work_mem', '9MB', false); end $$"""
SET_BY_CLAUSE = """\
create function leak_f() returns text language sql
set work_mem = '9MB' as $$ select current_setting('work_mem') $$"""
LOCK_IN_FUNCTION = """\
create function leak_f() returns void language plpgsql as $$
begin perform pg_advisory_lock(4713); end $$"""
TEMP_IN_FUNCTION = """\
create function leak_f() returns void language plpgsql as $$
begin create temp table leak_t as select 'temporary' as a; end $$"""
PERMANENT = "create table leak_t as select 'permanent'::text as a"
SHADOW = "create temp table leak_t as select 'temporary'::text as a"
READ = "select * from leak_t"

STATES = [
    # settings that are reported to the client
    State("datestyle", ["set datestyle = 'german'"],
          "select '2024-12-31'::date"),
    State("timezone", ["set time zone 'Asia/Tokyo'"], "show timezone"),
    State("timezone-interval", ["set time zone interval '+04:30' hour to "
                                "minute"], "show timezone"),
    State("application-name", ["set application_name = 'leak'"],
          "show application_name"),
    State("client-encoding", ["set client_encoding = 'LATIN1'"],
          "select chr(233)"),
    State("set-names", ["set names 'WIN1252'"], "show client_encoding"),
    State("intervalstyle", ["set intervalstyle = 'iso_8601'"],
          "select interval '1 day'"),
    State("standard-conforming-strings",
          ["set standard_conforming_strings = off"],
          "show standard_conforming_strings"),
    State("read-only", ["set default_transaction_read_only = on"],
          "show default_transaction_read_only"),
    State("session-characteristics",
          ["set session characteristics as transaction read only"],
          "show transaction_read_only"),
    # settings that are not
    State("work-mem", [SET_MEMORY], MEMORY),
    State("statement-timeout", ["set statement_timeout = '77s'"],
          "show statement_timeout"),
    State("lock-timeout", ["set lock_timeout to 70123"],
          "show lock_timeout"),
    State("search-path", ["set search_path = pg_catalog, leak"],
          "show search_path"),
    State("set-schema", ["set schema 'leak'"], "show search_path"),
    State("isolation",
          ["set default_transaction_isolation = 'serializable'"],
          "show transaction_isolation"),
    State("replication-role", ["set session_replication_role = 'replica'"],
          "show session_replication_role"),
    State("row-security", ["set row_security = off"], "show row_security"),
    State("plan-cache-mode",
          ["set plan_cache_mode = force_generic_plan"],
          "show plan_cache_mode"),
    State("enable-seqscan", ["set enable_seqscan = off"],
          "show enable_seqscan"),
    State("client-min-messages", ["set client_min_messages = 'error'"],
          "do $$ begin raise notice 'seen'; end $$"),
    State("bytea-output", ["set bytea_output = 'escape'"],
          "select '\\xff'::bytea"),
    State("extra-float-digits", ["set extra_float_digits = -3"],
          "select 1.0/3::float8"),
    State("xml-option", ["set xml option document"], "show xmloption"),
    State("quoted-name", ['set "work_mem" = \'7MB\''], MEMORY),
    State("set-to-default-of-other", ["set work_mem to '7MB'",
                                      "set temp_buffers to default"], MEMORY),
    State("several-in-one", ["set work_mem = '7MB'; set datestyle = 'sql'"],
          "select current_setting('work_mem'), '2024-12-31'::date"),
    State("with-comment", ["/* a */ set -- b\n work_mem /* c */ = '7MB'"],
          MEMORY),
    # custom settings
    State("custom", ["set leak.custom = 'seen'"],
          "select current_setting('leak.custom', true)"),
    State("custom-by-function",
          ["select set_config('leak.other', 'seen', false)"],
          "select current_setting('leak.other', true)"),
    State("custom-in-transaction",
          ["begin", "select set_config('leak.third', 'seen', false)",
           "commit"], "select current_setting('leak.third', true)"),
    State("custom-local",
          ["begin", "select set_config('leak.fourth', 'x', true)", "commit"],
          "select current_setting('leak.fourth', true) is null"),
    # by functions and blocks
    State("set-config", ["select set_config('work_mem', '8MB', false)"],
          MEMORY),
    State("set-config-of-pg-dump",
          ["select pg_catalog.set_config('search_path', '', false)"],
          "show search_path"),
    State("set-config-local",
          ["select set_config('work_mem', '8MB', true)"], MEMORY,
          leaves=False),
    State("set-config-from-table",
          ["select set_config(n, v, false) from (values ('work_mem', '8MB'),"
           " ('temp_buffers', '9MB')) x(n, v)"],
          "select current_setting('work_mem'), "
          "current_setting('temp_buffers')"),
    State("update-pg-settings",
          ["update pg_settings set setting = '7168' where name = "
           "'work_mem'"], MEMORY),
    State("set-in-function", ["select leak_f()"], MEMORY, SET_IN_FUNCTION),
    State("set-in-function-in-from", ["select * from leak_f() limit 1"],
          MEMORY, SET_IN_FUNCTION),
    State("set-by-clause", ["select leak_f()"], MEMORY, SET_BY_CLAUSE,
          leaves=False),
    State("set-in-do", ["do $$ begin set work_mem = '9MB'; end $$"], MEMORY),
    State("set-in-do-dynamic",
          ["do $$ begin execute 'set wor' || 'k_mem = ''9MB'''; end $$"],
          MEMORY),
    State("set-in-procedure", ["call leak_p()"], MEMORY,
          "create procedure leak_p() language plpgsql as "
          "$$ begin set work_mem = '9MB'; commit; end $$"),
    State("set-in-execute", ["prepare leak_p as select "
                             "set_config('work_mem', '8MB', false)",
                             "execute leak_p", "deallocate leak_p"], MEMORY),
    State("set-extended", [extended(SET_MEMORY)], MEMORY),
    State("set-extended-twice", [extended(SET_MEMORY,
                                          "set work_mem = '8MB'")], MEMORY),
    # settings and transactions
    State("local", ["begin", "set local work_mem = '7MB'", "commit"], MEMORY,
          leaves=False),
    State("local-outside", ["set local work_mem = '7MB'"], MEMORY,
          leaves=False),
    State("committed", ["begin", SET_MEMORY, "commit"], MEMORY),
    State("rolled-back", ["begin", SET_MEMORY, "rollback"], MEMORY,
          leaves=False),
    State("failed", ["begin", SET_MEMORY, "select 1/0", "commit"], MEMORY,
          leaves=False),
    State("savepoint-rolled-back",
          ["begin", "savepoint s", SET_MEMORY, "rollback to s", "commit"],
          MEMORY, leaves=False),
    State("savepoint-released",
          ["begin", "savepoint s", SET_MEMORY, "release s", "commit"],
          MEMORY),
    State("savepoint-inner-rolled-back",
          ["begin", SET_MEMORY, "savepoint s", "set work_mem = '8MB'",
           "rollback to s", "commit"], MEMORY),
    State("set-then-local",
          ["begin", SET_MEMORY, "set local work_mem = '8MB'", "commit"],
          MEMORY),
    State("local-then-set",
          ["begin", "set local work_mem = '8MB'", SET_MEMORY, "commit"],
          MEMORY),
    State("chain", ["begin", SET_MEMORY, "commit and chain",
                    "set work_mem = '8MB'", "rollback"], MEMORY),
    State("two-phase", ["begin", SET_MEMORY, "prepare transaction 'leak'",
                        "rollback prepared 'leak'"], MEMORY),
    State("multi-failed", [SET_MEMORY + "; select 1/0"], MEMORY,
          leaves=False),
    State("multi-committed-then-failed",
          ["begin; " + SET_MEMORY + "; commit; select 1/0"], MEMORY),
    State("multi-half", ["begin; " + SET_MEMORY + "; commit; "
                         "set work_mem = '8MB'; select 1/0"], MEMORY),
    State("extended-failed", [extended(SET_MEMORY, "select 1/0")], MEMORY,
          leaves=False),
    State("extended-commit", [extended("begin", SET_MEMORY, "commit")],
          MEMORY),
    State("reset", [SET_MEMORY, "reset work_mem"], MEMORY, leaves=False),
    State("set-default", [SET_MEMORY, "set work_mem to default"], MEMORY,
          leaves=False),
    State("reset-all", [SET_MEMORY, "reset all"], MEMORY, leaves=False),
    State("reset-all-keeps-role", ["set role guest", "reset all"],
          "select current_user"),
    State("discard-all", [SET_MEMORY, "set role guest", "discard all"],
          "select current_user, current_setting('work_mem')", leaves=False),
    State("reset-rolled-back",
          [SET_MEMORY, "begin", "reset work_mem", "rollback"], MEMORY),
    State("bad-set", ["set work_mem = 'nonsense'"], MEMORY, leaves=False),
    # who
    State("role", ["set role guest"], "select current_user, session_user"),
    State("role-none", ["set role guest", "set role none"],
          "select current_user", leaves=False),
    State("role-reset", ["set role guest", "reset role"],
          "select current_user", leaves=False),
    State("role-in-transaction", ["begin", "set role guest", "commit"],
          "select current_user"),
    State("session-authorization", ["set session authorization guest"],
          "select current_user, session_user"),
    State("session-authorization-reset",
          ["set session authorization guest", "reset session authorization"],
          "select session_user", leaves=False),
    # startup
    State("startup-options", [], MEMORY,
          startup={"options": "-c work_mem=7MB"}),
    State("startup-options-switches", [], "show default_statistics_target",
          startup={"options": "--default-statistics-target=77 -c "
                   "work_mem=8MB"}),
    State("startup-search-path", [], "show search_path",
          startup={"search_path": "leak"}),
    State("startup-datestyle", [], "select '2024-12-31'::date",
          startup={"DateStyle": "German"}),
    State("startup-timeout", [], "show statement_timeout",
          startup={"statement_timeout": "77s"}),
    State("startup-custom", [], "select current_setting('leak.fifth', true)",
          startup={"leak.fifth": "seen"}),
    State("startup-then-reset", ["set work_mem = '9MB'", "reset work_mem"],
          MEMORY, startup={"work_mem": "7MB"}),
    State("startup-then-reset-all", ["set work_mem = '9MB'", "reset all"],
          MEMORY, startup={"work_mem": "7MB"}),
    State("startup-then-discard", ["discard all"], MEMORY,
          startup={"work_mem": "7MB"}),
    State("startup-role", [], "select current_user",
          startup={"role": "guest"}),
    # temporary objects
    State("temp-table", ["create temp table leak_t (a int)",
                         "insert into leak_t values (1)"], READ),
    State("temp-table-shadows", [SHADOW], READ, PERMANENT),
    State("temp-table-by-schema",
          ["create table pg_temp.leak_t as select 'temporary'::text as a"],
          READ, PERMANENT),
    State("temp-table-unqualified",
          ["set search_path = pg_temp, public",
           "create table leak_t as select 'temporary'::text as a"],
          READ, PERMANENT),
    State("select-into-temp",
          ["select 'temporary'::text as a into temp leak_t"], READ,
          PERMANENT),
    State("temp-view", ["create temp view leak_t as select 1 as a"], READ),
    State("temp-by-replace",
          ["create or replace temporary view leak_t as select 2 as a"], READ),
    State("temp-sequence", ["create temp sequence leak_q"],
          "select last_value from leak_q"),
    State("temp-function", ["create function pg_temp.leak_f() returns int "
                            "language sql as 'select 1'"],
          "select pg_temp.leak_f()"),
    State("temp-type", ["create type pg_temp.leak_type as enum ('a')"],
          "select 'a'::pg_temp.leak_type"),
    State("temp-on-commit-drop",
          ["begin", "create temp table leak_t (a int) on commit drop",
           "commit"], READ, leaves=False),
    State("temp-schema-remains",
          ["create temp table leak_t (a int)", "drop table leak_t"],
          MY_TEMP, is_let_go=True),
    State("temp-rolled-back", ["begin", SHADOW, "rollback"], READ, PERMANENT,
          leaves=False),
    State("temp-discarded", [SHADOW, "discard temp"], READ, PERMANENT,
          leaves=False),
    State("temp-in-function", ["select leak_f()"], READ, TEMP_IN_FUNCTION),
    State("temp-in-do", ["do $$ begin create temp table leak_t as select "
                         "'temporary'::text as a; end $$"], READ, PERMANENT),
    State("temp-by-execute", ["do $$ begin execute 'create te' || 'mp table "
                              "leak_t (a int)'; end $$"], READ),
    State("temp-extended", [extended(SHADOW)], READ, PERMANENT),
    # locks
    State("advisory-lock", ["select pg_advisory_lock(4711)"], MY_LOCKS),
    State("advisory-lock-shared", ["select pg_advisory_lock_shared(4712)"],
          MY_LOCKS),
    State("advisory-lock-two-keys", ["select pg_advisory_lock(47, 11)"],
          MY_LOCKS),
    State("advisory-try", ["select pg_try_advisory_lock(4714)"], MY_LOCKS),
    State("advisory-in-function", ["select leak_f()"], MY_LOCKS,
          LOCK_IN_FUNCTION),
    State("advisory-in-transaction",
          ["begin", "select pg_advisory_lock(4715)", "rollback"], MY_LOCKS),
    State("advisory-xact", ["select pg_advisory_xact_lock(4716)"], MY_LOCKS,
          leaves=False),
    State("advisory-unlocked", ["select pg_advisory_lock(4717)",
                                "select pg_advisory_unlock(4717)"], MY_LOCKS,
          leaves=False),
    State("advisory-unlock-all", ["select pg_advisory_lock(4718)",
                                  "select pg_advisory_lock(4718)",
                                  "select pg_advisory_unlock_all()"],
          MY_LOCKS, leaves=False),
    # listening
    State("listen", ["listen leak_channel"],
          "select pg_listening_channels()"),
    State("listen-quoted", ['listen "Leak Channel"'],
          "select pg_listening_channels()"),
    State("listen-rolled-back", ["begin", "listen leak_channel", "rollback"],
          "select pg_listening_channels()", leaves=False),
    State("unlisten", ["listen leak_channel", "unlisten *"],
          "select pg_listening_channels()", leaves=False),
    # statements and cursors
    State("sql-prepare", ["prepare leak_p as select 'prepared'"],
          "execute leak_p"),
    State("sql-prepare-in-rolled-back",
          ["begin", "prepare leak_p as select 'prepared'", "rollback"],
          "execute leak_p"),
    State("protocol-prepare", [prepare_named], bind_prepared),
    State("with-hold", ["declare leak_c scroll cursor with hold for select "
                        "generate_series(1, 9)"],
          "fetch absolute 3 from leak_c"),
    State("with-hold-in-transaction",
          ["begin", "declare leak_c scroll cursor with hold for select 7",
           "commit"], "fetch first from leak_c"),
    State("with-hold-closed",
          ["declare leak_c cursor with hold for select 1", "close leak_c"],
          "select name from pg_cursors", leaves=False),
    # sequences and the rest
    State("currval", ["select nextval('leak_seq')"],
          "select currval('leak_seq')", SEQUENCE),
    State("lastval", ["select nextval('leak_seq')"], "select lastval()",
          SEQUENCE),
    State("lastval-discarded", ["select nextval('leak_seq')", "discard all"],
          "select lastval()", SEQUENCE, leaves=False),
    State("currval-beside-temp-schema",
          ["create temp table leak_t (a int)", "drop table leak_t",
           "select nextval('leak_seq')"],
          "select currval('leak_seq')", SEQUENCE),
    State("lastval-of-serial", ["insert into leak_s default values"],
          "select lastval()", "create table leak_s (a serial)"),
    State("setval", ["select setval('leak_seq', 900)"],
          "select currval('leak_seq')", SEQUENCE),
    State("load", ["load 'auto_explain'"],
          "show auto_explain.log_min_duration"),
]
