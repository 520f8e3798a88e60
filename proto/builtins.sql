-- Writes proto/builtins.def: the functions of pg_catalog that cannot leave
-- anything behind, because no variant of them is volatile. Volatile ones are
-- judged one by one in proto/functions.def.
--
--   psql -XAtq -f proto/builtins.sql > proto/builtins.def
--
-- Run it on the oldest PostgreSQL that is supported (15), in a database
-- nobody changed. Functions that no statement can call (they take or return
-- internal things) are left out, and the names of types are added, for
-- uuid('...') is a call too. information_schema's own helpers are in because
-- drivers use them.
SET search_path = pg_catalog;
CREATE TEMP VIEW builtin AS
SELECT proname::text AS name
FROM pg_proc
WHERE oid < 16384
	AND pronamespace IN ('pg_catalog'::regnamespace,
		'information_schema'::regnamespace)
GROUP BY proname
HAVING bool_and(provolatile <> 'v')
	AND NOT bool_and('internal'::regtype::oid = ANY (proargtypes)
		OR prorettype::regtype::text IN ('internal', 'trigger',
			'event_trigger', 'language_handler', 'fdw_handler',
			'index_am_handler', 'table_am_handler'))
UNION
SELECT typname::text
FROM pg_type
WHERE oid < 16384 AND typnamespace = 'pg_catalog'::regnamespace
	AND typtype IN ('b', 'r', 'm') AND typname NOT LIKE '\_%';

SELECT E'/* Made by proto/builtins.sql from PostgreSQL '
	|| current_setting('server_version_num')::int / 10000
	|| E'; see there. */';
SELECT line FROM (
	SELECT format('LENGTH(%s)', n) AS line, n AS len, '' AS name
	FROM generate_series(1, (SELECT max(length(name)) FROM builtin)) AS n
	UNION ALL
	SELECT format('BUILTIN(%s)', name), length(name), name FROM builtin
) AS lines
ORDER BY len, name COLLATE "C";
