/*
 * src/wire/sql: what each kind of statement may do to a session, by the
 * verbs, the names and the calls in it.
 */
#include "sql_help.h"

static const struct sql_case transactions[] = {
	{ "begin", "BEGIN TX" },
	{ "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
		"BEGIN TX" },
	{ "commit", "COMMIT TX COMMITS" },
	{ "end work and chain", "COMMIT TX COMMITS" },
	{ "rollback", "ROLLBACK TX" },
	{ "abort transaction", "ROLLBACK TX" },
	{ "rollback and no chain", "ROLLBACK TX" },
	{ "savepoint A", "SAVEPOINT \"a\" TX" },
	{ "savepoint savepoint", "SAVEPOINT \"savepoint\" TX" },
	{ "release a", "RELEASE \"a\" TX" },
	{ "release savepoint \"A\"", "RELEASE \"A\" TX" },
	{ "release savepoint", "RELEASE \"savepoint\" TX" },
	{ "rollback to a", "ROLLBACK_TO \"a\" TX" },
	{ "rollback work to savepoint a", "ROLLBACK_TO \"a\" TX" },
	{ "rollback transaction to savepoint", "ROLLBACK_TO \"savepoint\" TX" },
	{ "prepare transaction 'x'", "PREPARE_TRANSACTION WRITES TX COMMITS" },
	{ "commit prepared 'x'", "COMMIT_PREPARED WRITES TX COMMITS" },
	{ "rollback prepared 'x'", "ROLLBACK_PREPARED WRITES TX" },
	{ "begin; insert into t values (1); commit",
		"BEGIN TX; INSERT WRITES; COMMIT TX COMMITS" },
	{ "set transaction read only", "SET SETS_LOCAL" },
	{ "set transaction snapshot '1'", "SET SETS_LOCAL" },
	{ "set constraints all deferred", "SET SETS_LOCAL" },
	{ "set constraints a.b immediate", "SET SETS_LOCAL" },
	{ "lock table t in share mode", "LOCK WRITES" },
};

static const struct sql_case settings[] = {
	{ "set Work_Mem = '1MB'", "SET \"work_mem\" SETS" },
	{ "set work_mem=-1", "SET \"work_mem\" SETS" },
	{ "SET SESSION work_mem TO DEFAULT", "SET \"work_mem\" SETS" },
	{ "set local work_mem to 5", "SET \"work_mem\" SETS_LOCAL" },
	{ "set \"Work_Mem\" to 5", "SET \"work_mem\" SETS" },
	{ "set x from current", "SET \"x\" SETS" },
	{ "set datestyle to iso, dmy", "SET \"datestyle\" SETS" },
	/* their own syntax */
	{ "set time zone 'UTC'", "SET \"timezone\" SETS" },
	{ "set local time zone interval '1' hour to minute",
		"SET \"timezone\" SETS_LOCAL" },
	{ "set names 'utf8'", "SET \"client_encoding\" SETS" },
	{ "set session names", "SET \"client_encoding\" SETS" },
	{ "set schema 'x'", "SET \"search_path\" SETS" },
	{ "set xml option document", "SET \"xmloption\" SETS" },
	{ "set role somebody", "SET \"role\" SETS ROLE" },
	{ "set role 'none'", "SET \"role\" SETS ROLE" },
	{ "set role = x", "SET \"role\" SETS ROLE" },
	{ "set \"role\" to x", "SET \"role\" SETS ROLE" },
	{ "set local role x", "SET \"role\" SETS_LOCAL ROLE" },
	{ "set session role x", "SET \"role\" SETS ROLE" },
	{ "set session authorization x",
		"SET \"session_authorization\" SETS ROLE" },
	{ "set session session authorization default",
		"SET \"session_authorization\" SETS ROLE" },
	{ "set local session authorization x",
		"SET \"session_authorization\" SETS_LOCAL ROLE" },
	{ "set session_authorization = x",
		"SET \"session_authorization\" SETS ROLE" },
	{ "set session characteristics as transaction read only", "SET SETS" },
	{ "set seed to 0.5", "SET \"seed\" SETS SEED" },
	{ "set local seed to 0.5", "SET \"seed\" SETS_LOCAL SEED" },
	{ "set transaction_read_only = on",
		"SET \"transaction_read_only\" SETS_LOCAL" },
	/* custom ones, also those that look like something else */
	{ "set app.name = 'x'", "SET \"app.name\" SETS CUSTOM_SETTING" },
	{ "set App . \"Name\" = 'x'", "SET \"app.name\" SETS CUSTOM_SETTING" },
	{ "set \"app.name\" = 'x'", "SET \"app.name\" SETS CUSTOM_SETTING" },
	{ "set a.b.c = 'x'", "SET \"a.b.c\" SETS CUSTOM_SETTING" },
	{ "set local.x = 1", "SET \"local.x\" SETS CUSTOM_SETTING" },
	{ "set session.x = 1", "SET \"session.x\" SETS CUSTOM_SETTING" },
	{ "set local session.x = 1",
		"SET \"session.x\" SETS_LOCAL CUSTOM_SETTING" },
	{ "set time.zone = 1", "SET \"time.zone\" SETS CUSTOM_SETTING" },
	{ "set role.x = 1", "SET \"role.x\" SETS CUSTOM_SETTING" },
	{ "set transaction.x = 1",
		"SET \"transaction.x\" SETS CUSTOM_SETTING" },
	{ "set constraints.x = 1",
		"SET \"constraints.x\" SETS CUSTOM_SETTING" },
	{ "set names.x = 1", "SET \"names.x\" SETS CUSTOM_SETTING" },
	{ "set aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  ".bb = 1",
		"SET SETS CUSTOM_SETTING ROLE TEMP SEED" },
	/* search paths */
	{ "set search_path to a, \"$user\"", "SET \"search_path\" SETS" },
	{ "set search_path to a, pg_temp", "SET \"search_path\" SETS TEMP" },
	{ "set search_path to 'a','PG_Temp'", "SET \"search_path\" SETS TEMP" },
	{ "set search_path = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, pg_tepg_temp'",
		"SET \"search_path\" SETS TEMP" },
	{ "set search_path = e'\\160g_temp'", "SET \"search_path\" SETS TEMP" },
	{ "set schema 'pg_temp'", "SET \"search_path\" SETS TEMP" },
	{ "set search_path = 'pg_te mp'", "SET \"search_path\" SETS" },
	{ "set application_name = 'pg_temp'", "SET \"application_name\" SETS" },
	/* RESET, DISCARD, SHOW */
	{ "reset work_mem", "RESET \"work_mem\" SETS DROPS_STATE" },
	{ "reset all", "RESET ALL SETS DROPS_STATE" },
	{ "reset \"all\"", "RESET \"all\" SETS DROPS_STATE" },
	{ "reset a.b", "RESET \"a.b\" SETS CUSTOM_SETTING DROPS_STATE" },
	{ "reset local.b",
		"RESET \"local.b\" SETS CUSTOM_SETTING DROPS_STATE" },
	{ "reset role", "RESET \"role\" SETS ROLE DROPS_STATE" },
	{ "reset session authorization",
		"RESET \"session_authorization\" SETS ROLE DROPS_STATE" },
	{ "reset time zone", "RESET \"timezone\" SETS DROPS_STATE" },
	{ "reset transaction isolation level",
		"RESET \"transaction_isolation\" SETS_LOCAL DROPS_STATE" },
	{ "discard all", "DISCARD ALL SETS ROLE DEALLOCATES LISTENS CLOSES "
			 "DROPS_STATE" },
	{ "discard plans", "DISCARD \"plans\" DROPS_STATE" },
	{ "discard sequences", "DISCARD \"sequences\" DROPS_STATE" },
	{ "discard temporary", "DISCARD \"temp\" DROPS_STATE" },
	{ "show all", "SHOW" },
	{ "alter system set x = 1", "ALTER SETTING_DDL WRITES" },
	{ "alter role a set x = 1", "ALTER SETTING_DDL WRITES" },
	{ "alter user a password 'x'", "ALTER SETTING_DDL WRITES" },
	{ "create group g", "CREATE SETTING_DDL WRITES" },
	{ "drop role a", "DROP SETTING_DDL WRITES DROPS_STATE" },
};

#define LOST "SETS CUSTOM_SETTING ROLE TEMP SEED"
static const struct sql_case configs[] = {
	{ "select set_config('jit','off',false)", "SELECT \"jit\" SETS" },
	{ "select set_config('jit','off',true)", "SELECT \"jit\" SETS_LOCAL" },
	{ "select Set_Config ( 'Jit' , 'off' , TRUE )",
		"SELECT \"jit\" SETS_LOCAL" },
	{ "select set_config('jit',$1,$2)", "SELECT \"jit\" SETS" },
	{ "select set_config('jit','off',true and false)",
		"SELECT \"jit\" SETS" },
	{ "select set_config('jit','off',not true)", "SELECT \"jit\" SETS" },
	{ "select set_config('jit',f('off',true),false)",
		"SELECT \"jit\" SETS OPAQUE WRITES" },
	{ "select pg_catalog.set_config/**/('jit','off',false)",
		"SELECT \"jit\" SETS" },
	{ "select \"set_config\"(E'jit','off',false)", "SELECT \"jit\" SETS" },
	{ "select set_config($$jit$$,'off',false)", "SELECT \"jit\" SETS" },
	{ "select current_setting('jit') as cur, set_config('jit','off',false)"
	  " as new",
		"SELECT \"jit\" SETS" },
	{ "insert into t select set_config('jit','off',false)",
		"INSERT \"jit\" SETS WRITES" },
	{ "prepare p as select set_config('jit','off',false)",
		"PREPARE \"p\" SETS PREPARES" },
	/* several */
	{ "select set_config('a','b',false), set_config('a','c',false)",
		"SELECT \"a\" SETS" },
	{ "select set_config('a','b',false), set_config('c','d',true)",
		"SELECT SETS SETS_LOCAL" },
	{ "select set_config('a','b',false), set_config($1,'d',true)",
		"SELECT " LOST },
	{ "select set_config($1,'b',true), set_config('c','d',true)",
		"SELECT SETS SETS_LOCAL CUSTOM_SETTING ROLE TEMP SEED" },
	/* special ones */
	{ "select set_config('role','x',false)", "SELECT \"role\" SETS ROLE" },
	{ "select set_config('Session_Authorization','x',true)",
		"SELECT \"session_authorization\" SETS_LOCAL ROLE" },
	{ "select set_config('seed','0',false)", "SELECT \"seed\" SETS SEED" },
	{ "select set_config('a.b','x',true)",
		"SELECT \"a.b\" SETS_LOCAL CUSTOM_SETTING" },
	{ "select set_config('transaction_isolation','x',false)",
		"SELECT \"transaction_isolation\" SETS_LOCAL" },
	{ "select pg_catalog.set_config('search_path', '', false)",
		"SELECT \"search_path\" SETS" },
	{ "select set_config('search_path','a,pg_temp',false)",
		"SELECT \"search_path\" SETS TEMP" },
	{ "select set_config('search_path',$1,false)",
		"SELECT \"search_path\" SETS TEMP" },
	{ "select set_config('search_path','a'||'b',false)",
		"SELECT \"search_path\" SETS TEMP" },
	{ "select set_config('search_path','a',false), 'pg_temp'",
		"SELECT \"search_path\" SETS" },
	/* names that are not in the text */
	{ "select set_config($1,$2,true)", "SELECT " LOST },
	{ "select set_config('a'||'b','x',true)", "SELECT " LOST },
	{ "select set_config('a'::text,'x',true)", "SELECT " LOST },
	{ "select set_config(E'\\x61','x',true)", "SELECT " LOST },
	{ "select set_config(U&'\\0061','x',true)", "SELECT " LOST },
	{ "select set_config(name,'x',true) from t", "SELECT " LOST },
	{ "select set_config(set_config('a','b',true),'c',true)",
		"SELECT SETS SETS_LOCAL CUSTOM_SETTING ROLE TEMP SEED" },
	{ "select set_config('a', set_config('b','c',true), true)",
		"SELECT SETS SETS_LOCAL CUSTOM_SETTING ROLE TEMP SEED" },
	{ "select set_config('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaa','c',true)",
		"SELECT " LOST },
	{ "select set_config('a'", "SELECT " LOST " ..." },
	{ "select set_config", "SELECT " LOST },
	{ "select t.set_config from t", "SELECT " LOST },
	/* it writes settings when it is updated */
	{ "select * from pg_settings", "SELECT" },
	{ "update pg_settings set setting = 'x' where name = 'y'",
		"UPDATE SETS CUSTOM_SETTING ROLE TEMP SEED WRITES" },
	{ "with a as (update pg_catalog.pg_settings set setting = 'x' "
	  "returning 1) select 1",
		"SELECT SETS CUSTOM_SETTING ROLE TEMP SEED WRITES" },
};

static const struct sql_case sessions[] = {
	{ "prepare p as select 1", "PREPARE \"p\" PREPARES" },
	{ "prepare P (int, numeric(1,2)) as insert into t values ($1)",
		"PREPARE \"p\" PREPARES WRITES" },
	{ "prepare transaction as select 1",
		"PREPARE \"transaction\" PREPARES" },
	{ "prepare transaction (int) as select 1",
		"PREPARE \"transaction\" PREPARES" },
	{ "prepare p as with a as (select f()) select 1",
		"PREPARE \"p\" PREPARES OPAQUE WRITES" },
	{ "execute p", "EXECUTE \"p\" EXECUTES OPAQUE WRITES" },
	{ "execute \"P\"(1, 2)", "EXECUTE \"P\" EXECUTES OPAQUE WRITES" },
	{ "explain execute p(1)", "EXPLAIN \"p\" EXECUTES OPAQUE WRITES" },
	{ "explain (analyze, costs off) execute p",
		"EXPLAIN \"p\" EXECUTES OPAQUE WRITES" },
	{ "create table a as execute p",
		"CREATE \"p\" EXECUTES OPAQUE DDL CODE WRITES" },
	{ "create temp table if not exists a (b) with (c=1) as execute p(1) "
	  "with no data",
		"CREATE \"p\" TEMP EXECUTES OPAQUE DDL WRITES" },
	{ "explain create table a as execute p",
		"EXPLAIN \"p\" EXECUTES OPAQUE DDL CODE WRITES" },
	{ "create trigger a before insert on b execute function c()",
		"CREATE CODE WRITES" },
	{ "deallocate p", "DEALLOCATE \"p\" DEALLOCATES DROPS_STATE" },
	{ "deallocate prepare p", "DEALLOCATE \"p\" DEALLOCATES DROPS_STATE" },
	{ "deallocate prepare",
		"DEALLOCATE \"prepare\" DEALLOCATES DROPS_STATE" },
	{ "deallocate all", "DEALLOCATE ALL DEALLOCATES DROPS_STATE" },
	{ "deallocate prepare all", "DEALLOCATE ALL DEALLOCATES DROPS_STATE" },
	{ "deallocate \"all\"", "DEALLOCATE \"all\" DEALLOCATES DROPS_STATE" },
	{ "select * from pg_prepared_statements", "SELECT SEES_PREPARED" },
	{ "table pg_catalog.pg_prepared_statements", "TABLE SEES_PREPARED" },
	{ "select pg_prepared_statement()", "SELECT SEES_PREPARED" },
	{ "listen a", "LISTEN \"a\" LISTENS" },
	{ "unlisten A", "UNLISTEN \"a\" LISTENS DROPS_STATE" },
	{ "unlisten *", "UNLISTEN ALL LISTENS DROPS_STATE" },
	{ "select 1*2; unlisten $", "SELECT; UNLISTEN LISTENS DROPS_STATE" },
	{ "notify a, 'b'", "NOTIFY \"a\" NOTIFIES WRITES" },
	{ "select pg_notify('a', 'b')", "SELECT NOTIFIES WRITES" },
	{ "declare c cursor for select 1", "DECLARE \"c\"" },
	{ "declare c cursor with hold for select 1", "DECLARE \"c\" HOLD" },
	{ "declare c cursor without hold for select 1", "DECLARE \"c\"" },
	{ "declare hold binary no scroll cursor with/**/hold for values (1)",
		"DECLARE \"hold\" HOLD" },
	{ "declare c cursor for select f()", "DECLARE \"c\" OPAQUE WRITES" },
	{ "declare c cursor for select 1 for update", "DECLARE \"c\" WRITES" },
	{ "fetch all in c", "FETCH" },
	{ "move 5 c", "MOVE" },
	{ "close c", "CLOSE \"c\" CLOSES DROPS_STATE" },
	{ "close all", "CLOSE ALL CLOSES DROPS_STATE" },
	{ "load 'x'", "LOAD LOADS WRITES" },
	{ "select pg_advisory_lock(1)", "SELECT ADVISORY" },
	{ "select pg_catalog.pg_try_advisory_lock_shared(1, 2)",
		"SELECT ADVISORY" },
	{ "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock(1)",
		"SELECT VOLATILE" },
	{ "select now(), current_user, abs(-1)", "SELECT" },
	{ "select random()", "SELECT VOLATILE" },
	{ "select pg_sleep(1)", "SELECT VOLATILE" },
	{ "select pg_advisory_unlock_all()", "SELECT DROPS_STATE" },
	{ "select (5::int8).pg_advisory_lock", "SELECT ADVISORY" },
	{ "select treat(5 as pg_advisory_lock)", "SELECT ADVISORY" },
	{ "select nextval('s')", "SELECT SEQUENCE WRITES" },
	{ "select lastval(), currval('s')", "SELECT SEQUENCE_READ" },
	{ "select setseed(0)", "SELECT SEED" },
	{ "select \"SetSeed\"(0)", "SELECT OPAQUE WRITES" },
	{ "select txid_current()", "SELECT WRITES" },
	{ "select pg_replication_origin_session_setup('a')",
		"SELECT LOADS WRITES" },
	{ "select query_to_xml('x', true, true, '')",
		"SELECT CUSTOM_SETTING SEQUENCE SEED LOADS OPAQUE WRITES" },
	{ "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\n"
	  "RESET ALL;",
		"SELECT DROPS_STATE; CLOSE ALL CLOSES DROPS_STATE; "
		"UNLISTEN ALL LISTENS DROPS_STATE; "
		"RESET ALL SETS DROPS_STATE" },
};

static const struct sql_case effects[] = {
	{ "select 1", "SELECT" },
	{ "values (1), (2)", "VALUES" },
	{ "table t", "TABLE" },
	{ "((select 1) union (select 2))", "SELECT" },
	{ "select 1 for update", "SELECT WRITES" },
	{ "select 1 for no key update of t skip locked", "SELECT WRITES" },
	{ "select 1 for share", "SELECT WRITES" },
	{ "select 1 for key share", "SELECT WRITES" },
	{ "select share from t", "SELECT" },
	{ "select 1 into t", "SELECT DDL WRITES" },
	{ "select 1 into temp t", "SELECT TEMP DDL WRITES" },
	{ "select 1 into local temporary table t", "SELECT TEMP DDL WRITES" },
	{ "insert into t values (1)", "INSERT WRITES" },
	{ "update t set a = 1", "UPDATE WRITES" },
	{ "delete from t", "DELETE WRITES" },
	{ "merge into t using u on a = b when not matched then insert (c) "
	  "values (1)",
		"MERGE WRITES" },
	{ "with a as (select 1) select 2", "SELECT" },
	{ "with recursive a(b) as (select 1), c(d) as not materialized "
	  "(select 2) select 3",
		"SELECT" },
	{ "with a as (select 1) (select 2) order by 1", "SELECT" },
	{ "with a as (insert into t values (1) returning b) select 2",
		"SELECT WRITES" },
	{ "with a as (select 1) insert into t table a", "INSERT WRITES" },
	{ "with a as (select 1), insert as (select 2) delete from t",
		"DELETE WRITES" },
	{ "with a (b, c) as (select 1) update t set d = 1", "UPDATE WRITES" },
	{ "(with a as (select 1) select 2)", "SELECT" },
	{ "with a as (select 1) (select 2) for update", "SELECT WRITES" },
	{ "with a as (select 1) cycle b set c using d (table e for update)",
		"SELECT OPAQUE WRITES" },
	{ "with a as (select 1) cycle delete set insert using update table b",
		"TABLE WRITES" },
	{ "with a as (select 1) search depth first by delete, merge set "
	  "insert select 1",
		"SELECT WRITES" },
	{ "with a as (select 1) cycle b set c using d (table e) for update",
		"SELECT OPAQUE WRITES" },
	{ "copy t from stdin", "COPY WRITES" },
	{ "copy t (a, b) from stdin (format csv)", "COPY WRITES" },
	{ "copy t to stdout", "COPY" },
	{ "copy (select a from t) to stdout (format csv)", "COPY" },
	{ "copy t to '/tmp/x'", "COPY WRITES" },
	{ "copy t to program 'x'", "COPY WRITES" },
	{ "copy (delete from t returning a) to stdout", "COPY WRITES" },
	{ "copy t from stdin where f(a)", "COPY OPAQUE WRITES" },
	{ "explain select 1", "EXPLAIN" },
	{ "explain analyze verbose select 1", "EXPLAIN" },
	{ "explain (analyze, buffers) insert into t values (1)",
		"EXPLAIN WRITES" },
	{ "explain (select f())", "EXPLAIN OPAQUE WRITES" },
	{ "explain with a as (select 1) delete from t", "EXPLAIN WRITES" },
	{ "explain declare c cursor with hold for select 1",
		"EXPLAIN \"c\" HOLD" },
	{ "truncate t", "TRUNCATE WRITES" },
	{ "analyse t(a)", "ANALYZE WRITES" },
	{ "vacuum (full) t(a)", "VACUUM WRITES" },
	{ "cluster t", "CLUSTER WRITES" },
	{ "reindex (verbose) table t", "REINDEX WRITES" },
	{ "refresh materialized view t", "REFRESH WRITES" },
	{ "checkpoint", "CHECKPOINT WRITES" },
	{ "comment on function f(int) is 'x'", "COMMENT WRITES" },
	{ "grant select (a), update (b) on t to c", "GRANT WRITES" },
	{ "revoke execute on function setseed(float8) from c",
		"REVOKE WRITES" },
	{ "security label on table t is 'x'", "SECURITY WRITES" },
	{ "reassign owned by a to b", "REASSIGN WRITES" },
	{ "import foreign schema a from server b into c",
		"IMPORT OPAQUE DDL CODE WRITES" },
	{ "call p(1)", "CALL OPAQUE WRITES" },
	{ "call p(setseed(1))", "CALL SEED OPAQUE WRITES" },
	{ "frobnicate", "OTHER OPAQUE WRITES" },
	{ "1", "OTHER OPAQUE WRITES" },
	{ "\"select\" 1", "OTHER OPAQUE WRITES" },
	{ "select U&\"d\\0061ta\"",
		"SELECT SETS CUSTOM_SETTING ROLE TEMP ADVISORY HOLD PREPARES "
		"EXECUTES DEALLOCATES SEES_PREPARED LISTENS NOTIFIES SEQUENCE "
		"SEQUENCE_READ SEED LOADS OPAQUE DDL SETTING_DDL WRITES TX "
		"COMMITS CLOSES DROPS_STATE" },
};

static const struct sql_case catalogues[] = {
	{ "create table t (a int)", "CREATE DDL WRITES" },
	{ "create unlogged table t (a int)", "CREATE DDL WRITES" },
	{ "create temp table t (a int)", "CREATE TEMP DDL WRITES" },
	{ "create local temporary view v as select 1",
		"CREATE TEMP DDL WRITES" },
	{ "create or replace temp view v as select 1",
		"CREATE TEMP DDL WRITES" },
	{ "create table pg_temp.t (a int)", "CREATE TEMP DDL WRITES" },
	{ "create function pg_temp.f() returns int return 1",
		"CREATE TEMP DDL CODE WRITES" },
	{ "create table temp (temp int)", "CREATE DDL WRITES" },
	{ "select temp, temporary from temp", "SELECT" },
	{ "select * from pg_temp_3.t", "SELECT TEMP" },
	{ "create table t as select f()", "CREATE OPAQUE DDL CODE WRITES" },
	{ "create table t partition of u for values from (f(1)) to (2)",
		"CREATE OPAQUE DDL CODE WRITES" },
	{ "create view v as select f()", "CREATE DDL CODE WRITES" },
	{ "create materialized view v as select f()",
		"CREATE OPAQUE DDL CODE WRITES" },
	{ "create index i on t (a)", "CREATE WRITES" },
	{ "create unique index concurrently on only t using gin (a ops (b=1), "
	  "lower(c)) include (d) with (e=1) where f is null",
		"CREATE WRITES" },
	{ "create index i on t (f(a))", "CREATE OPAQUE CODE WRITES" },
	{ "create index i on t (a) where f(a)", "CREATE OPAQUE CODE WRITES" },
	{ "create function f() returns int language sql as 'select setseed(1)'",
		"CREATE DDL CODE WRITES" },
	{ "create function f() returns int set search_path = a return g()",
		"CREATE DDL CODE WRITES" },
	{ "create function f() returns int begin atomic select setseed(1), "
	  "g(); end",
		"CREATE DDL CODE WRITES" },
	{ "create function f() returns int language c as 'lib', 'f'",
		"CREATE LOADS DDL CODE WRITES" },
	{ "create function f() returns int as 'lib' language 'C'",
		"CREATE LOADS DDL CODE WRITES" },
	{ "create language plperl", "CREATE OPAQUE DDL CODE WRITES" },
	{ "create extension hstore", "CREATE OPAQUE DDL CODE WRITES" },
	{ "alter extension hstore update", "ALTER OPAQUE DDL CODE WRITES" },
	{ "alter table t add column a int default f()",
		"ALTER OPAQUE DDL CODE WRITES" },
	{ "alter table t alter column a type vector(3) using b::vector(3)",
		"ALTER DDL WRITES" },
	{ "alter table t add constraint c exclude using gist (a with =)",
		"ALTER DDL WRITES" },
	{ "create function f() returns int language sql set a.b = 1 "
	  "set search_path = c as ''",
		"CREATE CUSTOM_SETTING DDL CODE WRITES" },
	{ "alter function f(int) set \"A\".b to 'x'",
		"ALTER CUSTOM_SETTING DDL CODE WRITES" },
	{ "alter function f(int) owner to a", "ALTER DDL CODE WRITES" },
	{ "alter foreign table t add a int", "ALTER DDL WRITES" },
	{ "drop table if exists t cascade", "DROP DDL WRITES DROPS_STATE" },
	{ "drop function f(int)", "DROP DDL WRITES DROPS_STATE" },
	{ "drop index i", "DROP WRITES DROPS_STATE" },
	{ "drop owned by a", "DROP DDL WRITES DROPS_STATE" },
	{ "create trigger t before insert on a for each row when (f(new.a)) "
	  "execute function g()",
		"CREATE CODE WRITES" },
	{ "create event trigger t on ddl_command_end execute function f()",
		"CREATE CODE WRITES" },
	{ "create policy p on t using (f(a))", "CREATE CODE WRITES" },
	{ "alter default privileges grant select on tables to a",
		"ALTER WRITES" },
	{ "create rule r as on select to t do instead select f()",
		"CREATE DDL CODE WRITES" },
	/* databases that have to be unused */
	{ "create database a", "CREATE \"template1\" DATABASE_DDL WRITES" },
	{ "create database template template b",
		"CREATE \"b\" DATABASE_DDL WRITES" },
	{ "create database a with owner = template template = \"B\" "
	  "encoding 'utf8'",
		"CREATE \"B\" DATABASE_DDL WRITES" },
	{ "create database a connection limit -1 template 'b'",
		"CREATE \"b\" DATABASE_DDL WRITES" },
	{ "create database a \"template\" b tablespace c",
		"CREATE \"b\" DATABASE_DDL WRITES" },
	{ "create database a template default",
		"CREATE \"template1\" DATABASE_DDL WRITES" },
	{ "create database a strategy file_copy",
		"CREATE \"template1\" DATABASE_DDL WRITES" },
	{ "drop database a", "DROP \"a\" DATABASE_DDL WRITES DROPS_STATE" },
	{ "drop database if exists \"A\" with (force)",
		"DROP \"A\" DATABASE_DDL WRITES DROPS_STATE" },
	{ "drop database if", "DROP \"if\" DATABASE_DDL WRITES DROPS_STATE" },
	{ "alter database a rename to b", "ALTER \"a\" DATABASE_DDL WRITES" },
	{ "alter database a set tablespace b",
		"ALTER \"a\" DATABASE_DDL WRITES" },
	{ "alter database a set x = 1", "ALTER \"a\" SETTING_DDL WRITES" },
	{ "alter database a reset all", "ALTER \"a\" SETTING_DDL WRITES" },
	{ "alter database a owner to b", "ALTER \"a\" WRITES" },
};

#define DO "DO OPAQUE WRITES"
static const struct sql_case bodies[] = {
	{ "do 'begin end'", DO },
	{ "do language plpgsql $$begin perform 1; end$$", DO },
	{ "do $$begin update t set a = 1; end$$", DO },
	{ "do $$begin perform setseed(1); end$$", "DO SEED OPAQUE WRITES" },
	{ "do 'begin perform nextval(''s''); end' language plpgsql",
		"DO SEQUENCE OPAQUE WRITES" },
	{ "do 'select nextval'", "DO SEQUENCE OPAQUE WRITES" },
	{ "do $nextval$ $nextval$", "DO SEQUENCE OPAQUE WRITES" },
	{ "do 'next' \n 'val'", "DO SEQUENCE OPAQUE WRITES" },
	{ "do $$nextvalue nexTval2 my_nextval$$", DO },
	{ "do $$select pg_advisory_lock(1)$$", "DO ADVISORY OPAQUE WRITES" },
	{ "do $$begin load 'x'; end$$", "DO LOADS OPAQUE WRITES" },
	{ "do $$begin LISTEN x; end$$", "DO LISTENS OPAQUE WRITES" },
	{ "do $$begin create temp table t(); end$$",
		"DO TEMP OPAQUE CODE WRITES" },
	{ "do $$select pg_temp.f()$$", "DO TEMP OPAQUE WRITES" },
	{ "do $$begin set work_mem = 5; end$$", DO },
	{ "do $$begin set local a.b = 5; end$$",
		"DO CUSTOM_SETTING OPAQUE WRITES" },
	{ "do $$begin set\na\n. b = 5; end$$",
		"DO CUSTOM_SETTING OPAQUE WRITES" },
	{ "do $$begin set session.b = 5; end$$",
		"DO CUSTOM_SETTING OPAQUE WRITES" },
	{ "do $$begin set \"a.b\" = 5; end$$",
		"DO CUSTOM_SETTING OPAQUE WRITES" },
	{ "do $$begin reset a.b; end$$", "DO CUSTOM_SETTING OPAQUE WRITES" },
	{ "do $$begin set a = 1; b.c(); end$$", DO },
	{ "do $$begin set seed = 0; end$$", "DO SEED OPAQUE WRITES" },
	{ "do $$begin perform set_config('a','b',false); end$$",
		"DO SETS CUSTOM_SETTING ROLE TEMP SEED OPAQUE WRITES" },
	{ "do $$begin execute 'x'; end$$",
		"DO CUSTOM_SETTING SEQUENCE SEED LOADS OPAQUE WRITES" },
	{ "do E'\\145xecute'",
		"DO CUSTOM_SETTING SEQUENCE SEED LOADS OPAQUE WRITES" },
	{ "do $$it's \"quoted -- /* $x$", DO " ..." },
	{ "do $$it's \"quoted -- /* $x$ nextval$$",
		"DO SEQUENCE OPAQUE WRITES" },
	{ "select 'nextval'; do 'x'", "SELECT; " DO },
};

/* No call of anything unknown. */
static const char *const known[] = {
	"SELECT abalance FROM pgbench_accounts WHERE aid = 1;",
	"select count(*), sum(a), max(b) filter (where c), lower(d), now()",
	"select coalesce(a, nullif(b, c)), greatest(a, b), least(c, d)",
	"select extract(epoch from a), position(b in c), overlay(d placing e "
	"from 1 for 2), substring(f from 1 for 2), trim(both from g), "
	"normalize(h, nfc)",
	"select cast(a as varchar(10)), b::numeric(10, 2), c::vector(3), "
	"d::public.geometry(point, 4326), timestamp(3) 'x', "
	"interval '1' second(3), interval(3) 'x'",
	"select a in (1), b not in (2), c = any (d), e <> all (f), "
	"exists (select 1), not (g), h and (i), j or (k), l between (1) and (2)",
	"select a like ('x'), b not like ('y'), c ilike ('z'), "
	"d not ilike ('w') escape ('v'), e similar to ('u'), f is not null",
	"select row(1), array(select 1), array[1], (a).b, c[1]",
	"select rank() over (partition by a order by b rows between 1 "
	"preceding and current row), sum(c) over w, count(*) over (w) from t "
	"window w as (partition by (d))",
	"select percentile_cont(0.5) within group (order by a)",
	"select * from a as b (c, d), e f (g), lateral (select 1) h (i), "
	"unnest(j) with ordinality k (l, m), generate_series(1, 2) n(o)",
	"select * from a left join b using (c) join (d cross join e) on (f) "
	"natural join (select 1) g (h) right join i on (j)",
	"select * from rows from (unnest(a), unnest(b)) as c (d, e)",
	"select * from json_to_record('x') as a (b int, c varchar(3), "
	"d vector(3))",
	"select distinct on (a) b, lower(c) from d",
	"select a operator(pg_catalog.=) lower(b), -c operator(pg_catalog.-) d",
	"select a from b group by (c), "
	"grouping sets ((g), ()) having (h) order by (i) limit (1) offset (2)",
	"select a from b group by rollup (c) order by d",
	"select a from b fetch first (1) rows only",
	"select a from b tablesample system (1) repeatable (2)",
	"(select 1) union (select 2) intersect (select 3) except (select 4)",
	"select case when (a) then (b) else (c) end, case (d) when (e) then "
	"(f) end",
	"select a at time zone ('UTC'), collation for (b), c collate \"C\"",
	"insert into a (b, c) values (1, default) on conflict (b) do update "
	"set (b, c) = (1, 2), d = excluded.d where (e) returning (f)",
	"insert into a.b as c (d) select 1",
	"insert into version (a) values (1)",
	"insert into a (b) (select 1)",
	"insert into t with a (b) as (select 1), c (d) as (select 2) select 3",
	"with recursive a (b, c) as (values (1, 2)), d (e) as materialized "
	"(select 1), f (g) as (select 1) select * from a h (i, j)",
	"with a(b) as (select 1) search depth first by c set d cycle e set f "
	"using g, h(i) as (select 2) select 1",
	"update a set (b, c) = (select 1, 2), d = default where (e)",
	"delete from a using (select 1) b (c) where current of d",
	"merge into a using (select 1) b (c) on (d) when matched and (e) then "
	"update set (f) = row(1) when not matched then insert (g) values (1)",
	"create table a (b int primary key, c varchar(10) not null default "
	"'x', d vector(3), e int references f (g), h int check (h > 0), "
	"unique (b, c), foreign key (d, e) references i (j, k), "
	"i int generated always as identity (start 1), "
	"exclude using gist (j with &&), like k including all) "
	"inherits (l) partition by range (b) with (fillfactor = 10)",
	"create table if not exists a (b int) partition by list (b)",
	"create table a partition of b for values in (1, 2)",
	"create table a partition of b for values with (modulus 4, "
	"remainder 0) partition by hash (c)",
	"create table a (b, c) as select 1, 2",
	"alter table a add column b vector(3), add constraint c primary key "
	"(d) include (e), add unique (f), alter g type numeric(10) using (h), "
	"add foreign key (i) references j (k)",
	"prepare a (int, vector(3)) as select 1",
	"copy a (b, c) from stdin with (format csv)",
	"explain (analyze, buffers off) select 1",
	"select xmlelement(name a, xmlattributes(b as c), d), xmlforest(e), "
	"xmlparse(content f), xmlserialize(content g as text), "
	"xmlagg(h order by i)",
	"select * from xmltable('a' passing b columns c vector(3) path 'd', "
	"e for ordinality)",
	"select date(a), text(b), int8(c), uuid('x'), left(d, 1), right(e, 1), "
	"version(), replace(f, g, h), format('x'), \"lower\"(i)",
	"select pg_catalog.lower(a), pg_catalog . \"upper\" (b), "
	"(information_schema._pg_expandarray(c)).n",
	"select pg_sleep(0), random(), clock_timestamp(), gen_random_uuid(), "
	"pg_size_pretty(pg_database_size('x')), current_setting('a')",
};

#define OPEN8	"(((((((("
#define CLOSE8	"))))))))"
#define OPEN72	OPEN8 OPEN8 OPEN8 OPEN8 OPEN8 OPEN8 OPEN8 OPEN8 OPEN8
#define CLOSE72 CLOSE8 CLOSE8 CLOSE8 CLOSE8 CLOSE8 CLOSE8 CLOSE8 CLOSE8 CLOSE8

/* A call of something unknown, in each of them. */
static const char *const unknown[] = {
	"select f(1)",
	"select F (1)",
	"select f/**/--\n(1)",
	"select \"Lower\"(1)",
	"select a.f(1)",
	"select public.lower(1)",
	"select a.pg_catalog_.lower(1)",
	"select time.f(1)",
	"select a.\"select\"(1)",
	"select all f(1)",
	"select distinct f(1)",
	"select distinct on (a) f(1)",
	"select distinct on (lower(a)) f(1)",
	"select 1, f(1)",
	"select 1 + f(1)",
	"select -f(1)",
	"select @f(1)",
	"select a operator(b.+) f(1)",
	"select (f(1))",
	"select array[f(1)], a[f(1)], b[1:f(1)]",
	"select lower(f(1))",
	"select lower(variadic f(1))",
	"select count(distinct f(1))",
	"select a(b => f(1))",
	"select lower(b := f(1))",
	"select case f(1) when 1 then 2 end",
	"select case when f(1) then 2 end",
	"select case when a then f(1) end",
	"select case when a then b else f(1) end",
	"select not f(1)",
	"select a and not f(1)",
	"select a and f(1)",
	"select a or f(1)",
	"select a is distinct from f(1)",
	"select a like f(1)",
	"select a not like f(1)",
	"select a ilike 'x' escape f(1)",
	"select a similar to f(1)",
	"select a between f(1) and 2",
	"select a between symmetric 1 and f(1)",
	"select a in (f(1))",
	"select a at time zone f(1)",
	"select position(a in f(1))",
	"select overlay(a placing f(1) from 2)",
	"select substring(a from 1 for f(1))",
	"select substring(a similar f(1) escape 'x')",
	"select trim(leading f(1) from a)",
	"select trim(trailing from f(1))",
	"select extract(year from f(1))",
	"select xmlparse(document f(1))",
	"select xmlserialize(content f(1) as text)",
	"select xmlroot(a, version f(1))",
	"select xmlexists('x' passing f(1))",
	"select xmlexists('x' passing by value f(1))",
	"select * from xmltable('x' passing a columns b int path f(1))",
	"select * from xmltable('x' passing a columns b int default f(1))",
	"select * from f(1)",
	"select * from operator(1)",
	"select * from stdin(1)",
	"select * from lateral operator(1)",
	"select * from a, f(1)",
	"select * from a join f(1) on true",
	"select * from a cross join lateral f(1)",
	"select * from rows from (unnest(a), f(1))",
	"select * from a join b on f(1)",
	"select * from a where f(1)",
	"select * from a group by f(1)",
	"select * from a group by 1, f(1)",
	"select * from a group by 1 having f(1)",
	"select * from a order by f(1)",
	"select * from a limit f(1) offset 2",
	"select * from a offset f(1)",
	"select * from a fetch next f(1) rows only",
	"select * from a tablesample f(1)",
	"select * from a tablesample system (1) repeatable (f(1))",
	"select sum(a) over (partition by f(1))",
	"select sum(a) over (order by b rows f(1) preceding)",
	"select sum(a) over (order by b range between f(1) preceding and 1 "
	"following)",
	"select sum(a) over (order by b groups between 1 preceding and f(1) "
	"following)",
	"select sum(a) filter (where f(1))",
	"values (f(1))",
	"values (1), (2, f(1))",
	"table a union select f(1)",
	"insert into a values (f(1))",
	"insert into a select f(1)",
	"insert into a values (1) on conflict (b) do update set c = f(1)",
	"insert into a values (1) on conflict (f(b)) do nothing",
	"insert into a values (1) returning f(1)",
	"update a set b = f(1)",
	"update a set (b, c) = (1, f(1))",
	"delete from a using f(1)",
	"delete from a where f(1)",
	"merge into a using f(1) on b when matched then delete",
	"merge into a using b on f(1) when matched then delete",
	"merge into a using b on c when matched and f(1) then delete",
	"merge into a using b on c when not matched then insert values (f(1))",
	"with a as (select f(1)) select 1",
	"with a as (select 1), b as (select f(1)) select 1",
	"with a as (select 1) select f(1)",
	"with a as (select 1) select 1, f(1)",
	"with a as (select 1) (select 1) order by 1, f(1)",
	"with a as (select 1) select b::timestamp with time zone, f(1) as c",
	"select a::timestamp with time zone, f(1) as b",
	"select a::timestamp(3) with time zone, f(1)",
	"select * from unnest(a) with ordinality, f(1) as b",
	"select * from a (b, c), f(1) as d (e)",
	"select cast(a as int), f(1)",
	"select 1 union select f(1)",
	"select " OPEN72 "f(1)" CLOSE72,
	"select " OPEN72 "select distinct on (a) f(1)" CLOSE72,
	"select " OPEN72 "with a as (select 1), b (c) as (select 2) select "
	"1, f(1)" CLOSE72,
	"copy (select f(1)) to stdout",
	"execute a(f(1))",
	"explain select f(1)",
	"prepare a as select f(1)",
	"declare a cursor for select f(1)",
	"create table a as select f(1)",
	"create index on a (f(1))",
	"create index on a ((f(1)))",
	"alter table a add check (f(b))",
	"alter table a alter b type int using f(b)",
	"alter domain a add check (f(value))",
	"select (select f(1))",
	"select a from b where exists (select 1 from c where f(1))",
};

static void test_transactions(void **state)
{
	(void)state;
	RUN_CASES(transactions);
}

static void test_settings(void **state)
{
	(void)state;
	RUN_CASES(settings);
}

static void test_configs(void **state)
{
	(void)state;
	RUN_CASES(configs);
}

static void test_sessions(void **state)
{
	(void)state;
	RUN_CASES(sessions);
}

static void test_effects(void **state)
{
	(void)state;
	RUN_CASES(effects);
}

/* After which a database's code has to be looked at again. */
static const struct sql_case codes[] = {
	{ "create table t (a int default 1, b serial, check (a > 0))",
		"CREATE DDL WRITES" },
	{ "create table t (a int default nextval('s'))",
		"CREATE SEQUENCE DDL WRITES" },
	{ "create table t (a int default f())",
		"CREATE OPAQUE DDL CODE WRITES" },
	{ "create table t (a text default set_config('jit', 'on', true))",
		"CREATE \"jit\" SETS_LOCAL DDL CODE WRITES" },
	{ "create temp table t (a int default f())",
		"CREATE TEMP OPAQUE DDL WRITES" },
	{ "alter table t attach partition p default", "ALTER DDL WRITES" },
	{ "create view v as select a, lower(b) from t", "CREATE DDL WRITES" },
	{ "create view v as select nextval('s')", "CREATE DDL CODE WRITES" },
	{ "create view v as select pg_advisory_lock(1)",
		"CREATE DDL CODE WRITES" },
	{ "create view v as select a.b(1)", "CREATE DDL CODE WRITES" },
	{ "create index on t (lower(a))", "CREATE WRITES" },
	{ "create index on t (f(a))", "CREATE OPAQUE CODE WRITES" },
	{ "create sequence s", "CREATE DDL WRITES" },
	{ "drop function f()", "DROP DDL WRITES DROPS_STATE" },
	{ "drop trigger a on t", "DROP WRITES DROPS_STATE" },
	{ "create trigger a after insert on t execute function f()",
		"CREATE CODE WRITES" },
};

static void test_catalogues(void **state)
{
	(void)state;
	RUN_CASES(catalogues);
	RUN_CASES(codes);
}

static void test_bodies(void **state)
{
	(void)state;
	RUN_CASES(bodies);
}

static bool is_opaque(const char *text)
{
	struct sql_scanner s;

	return sql_scan(&s, slice_str(text), true)->flags & SQL_OPAQUE;
}

static void test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (is_opaque(known[i]))
			fail_msg("unknown call in: %s", known[i]);
	}
}

static void test_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		if (!is_opaque(unknown[i]))
			fail_msg("no unknown call in: %s", unknown[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_configs),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_catalogues),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
