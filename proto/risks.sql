-- What pool/ asks a database about the code behind its names: functions,
-- and what runs them though no statement says so (triggers, views, rules,
-- policies, defaults, checks, casts, operators, ...). Howdah works out the
-- rest (src/pool/graph.c). Three results, all of one shape:
--
--   kind, id, ref, mode, text
--
--   n  a name (mode: what of; text)      h  a harmless function
--   f  a function whose body follows     b  a piece of a body (text)
--   c  a custom setting                  w  id calls pg_catalog's text()
--   x  id may leave what can be seen     l  id leaves what cannot be seen
--   e  using id uses ref. Mode "=": as ref is used; "w": only id's change
--      does; "u": only the use of ref, not its change; "r": using id may
--      change ref. id 0: any statement; id 1: any change of the catalogue
--
-- An id is the oid of the catalogue and that of the row. What PostgreSQL
-- came with has oids below 16384: it is known, and nothing depends on it in
-- pg_depend, so trees of expressions are searched for the numbers of its
-- volatile functions. Strings are in dollar quotes: their meaning must not
-- hang on standard_conforming_strings.
SET LOCAL statement_timeout = 5000;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_encoding = UTF8;
SET LOCAL jit = off;

-- 1. Names.
SELECT 'n', ('pg_proc'::regclass::int8 << 32) | oid::int8, NULL,
	CASE WHEN prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
		THEN 'g' ELSE 'f' END, proname
FROM pg_proc WHERE oid >= 16384
UNION ALL
SELECT 'n', ('pg_class'::regclass::int8 << 32) | oid::int8, NULL, 'r', relname
FROM pg_class
WHERE oid >= 16384 AND relkind IN ('r', 'v', 'm', 'f', 'p')
	AND relpersistence <> 't'
UNION ALL
SELECT 'n', ('pg_type'::regclass::int8 << 32) | t.oid::int8, NULL, 't',
	typname
FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = typrelid
WHERE t.oid >= 16384 AND typelem = 0 AND coalesce(relkind = 'c', true)
UNION ALL
-- Extensions whose functions only compute.
SELECT 'h', ('pg_proc'::regclass::int8 << 32) | p.oid::int8, NULL, NULL,
	proname
FROM pg_proc AS p
	JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass
		AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = e.oid
	JOIN pg_language AS l ON l.oid = p.prolang
WHERE lanname IN ('c', 'internal') AND extname IN ('btree_gin', 'btree_gist',
		'citext', 'cube', 'earthdistance', 'fuzzystrmatch', 'hstore',
		'intarray', 'isn', 'ltree', 'pg_trgm', 'pgcrypto', 'postgis',
		'rum', 'seg', 'unaccent', 'uuid-ossp', 'vector')
	AND proname NOT IN ('isn_weak', 'set_limit')
UNION ALL
-- Functions in C that keep something for the session.
SELECT kind, ('pg_proc'::regclass::int8 << 32) | oid::int8, NULL, NULL, NULL
FROM pg_proc JOIN (VALUES ('dblink_connect', 'l'), ('dblink_connect_u', 'l'),
	('hypopg_create_index', 'l'), ('isn_weak', 'l'), ('set_limit', 'x'),
	('set_user', 'x')) AS stateful (name, kind) ON proname = name
WHERE oid >= 16384
UNION ALL
SELECT 'l', ('pg_proc'::regclass::int8 << 32) | p.oid::int8, NULL, NULL, NULL
FROM pg_proc AS p
	JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass
		AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = e.oid
WHERE extname = 'pg_variables'
	OR (extname = 'orafce' AND pronamespace::regnamespace::text IN
		('dbms_alert', 'dbms_output', 'dbms_pipe', 'dbms_random',
		'plunit', 'utl_file'))
UNION ALL
-- A setting of the function's own leaves its name behind.
SELECT 'c', NULL, NULL, NULL, split_part(one, '=', 1)
FROM pg_proc, unnest(proconfig) AS one
WHERE oid >= 16384 AND split_part(one, '=', 1) LIKE '%.%'
UNION ALL
SELECT 'x', ('pg_proc'::regclass::int8 << 32) | oid::int8, NULL, NULL, NULL
FROM pg_proc
WHERE oid >= 16384 AND EXISTS (SELECT FROM unnest(proconfig) AS one
		WHERE split_part(one, '=', 1) LIKE '%.%');

-- 2. What uses what.
WITH edge (class, id, refclass, ref, mode) AS (
	SELECT classid, objid, refclassid, refobjid,
		CASE WHEN refclassid = 'pg_type'::regclass THEN 'r'
			WHEN refclassid = 'pg_proc'::regclass THEN '='
			WHEN classid = 'pg_rewrite'::regclass THEN '='
			WHEN classid = 'pg_proc'::regclass THEN 'r'
			ELSE 'u' END
	FROM pg_depend
	WHERE objid >= 16384 AND refobjid >= 16384 AND deptype <> 'e'
		AND (refclassid = 'pg_proc'::regclass
			OR (refclassid = 'pg_type'::regclass
				AND classid IN ('pg_class'::regclass,
					'pg_type'::regclass,
					'pg_proc'::regclass,
					'pg_rewrite'::regclass,
					'pg_trigger'::regclass,
					'pg_policy'::regclass,
					'pg_attrdef'::regclass,
					'pg_constraint'::regclass))
			OR (refclassid = 'pg_class'::regclass
				AND classid IN ('pg_rewrite'::regclass,
					'pg_policy'::regclass,
					'pg_proc'::regclass)))
	UNION ALL
	SELECT 'pg_class'::regclass, ev_class, 'pg_rewrite'::regclass, r.oid,
		CASE WHEN ev_type <> '1' OR relkind = 'm' THEN 'w' ELSE '=' END
	FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = ev_class
	WHERE r.oid >= 16384
	UNION ALL
	SELECT 'pg_class'::regclass, tgrelid, 'pg_trigger'::regclass, oid, 'w'
	FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL
	SELECT 'pg_class'::regclass, polrelid, 'pg_policy'::regclass, oid,
		CASE WHEN polcmd IN ('r', '*') THEN '=' ELSE 'w' END
	FROM pg_policy
	UNION ALL
	SELECT 'pg_class'::regclass, adrelid, 'pg_attrdef'::regclass, d.oid,
		CASE attgenerated WHEN 'v' THEN '=' ELSE 'w' END
	FROM pg_attrdef AS d JOIN pg_attribute
		ON attrelid = adrelid AND attnum = adnum
	UNION ALL
	SELECT 'pg_class'::regclass, conrelid, 'pg_constraint'::regclass, oid,
		'w'
	FROM pg_constraint WHERE conrelid >= 16384 AND conbin IS NOT NULL
	UNION ALL
	SELECT 'pg_type'::regclass, contypid, 'pg_constraint'::regclass, oid,
		'='
	FROM pg_constraint WHERE contypid <> 0 AND oid >= 16384
	UNION ALL
	SELECT 'pg_class'::regclass, indrelid, 'pg_class'::regclass,
		indexrelid, 'w'
	FROM pg_index WHERE indexrelid >= 16384
		AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
	UNION ALL
	SELECT 'pg_class'::regclass, stxrelid, 'pg_statistic_ext'::regclass,
		oid, 'w'
	FROM pg_statistic_ext
	UNION ALL
	-- Naming one table of a tree means the others.
	SELECT 'pg_class'::regclass, inhparent, 'pg_class'::regclass, inhrelid,
		'='
	FROM pg_inherits
	UNION ALL
	SELECT 'pg_class'::regclass, inhrelid, 'pg_class'::regclass, inhparent,
		'='
	FROM pg_inherits
	UNION ALL
	-- What changes a table changes those that follow it.
	SELECT 'pg_class'::regclass, confrelid, 'pg_class'::regclass, conrelid,
		'w'
	FROM pg_constraint
	WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd')
		OR confupdtype IN ('c', 'n', 'd')
		OR EXISTS (SELECT FROM pg_trigger -- TRUNCATE ... CASCADE
			WHERE tgrelid = conrelid AND tgtype & 32 <> 0
				AND NOT tgisinternal))
	UNION ALL
	SELECT 'pg_proc'::regclass, p.aggfnoid, 'pg_proc'::regclass, f.fn, '='
	FROM pg_aggregate AS p, unnest(ARRAY[aggtransfn, aggfinalfn,
		aggcombinefn, aggmtransfn, aggmfinalfn]::oid[]) AS f (fn)
	WHERE p.aggfnoid >= 16384 AND f.fn >= 16384
	UNION ALL
	-- An operator or a cast is in no text by a name of its own. A cast that
	-- has to do with one type alone goes with that.
	SELECT 0, 0, 'pg_operator'::regclass, oid, '='
	FROM pg_operator WHERE oid >= 16384
	UNION ALL
	SELECT 'pg_type'::regclass, t.oid, 'pg_cast'::regclass, c.oid, 'r'
	FROM pg_cast AS c JOIN pg_type AS t ON t.oid IN (castsource, casttarget)
	WHERE c.oid >= 16384 AND t.oid >= 16384
	UNION ALL
	SELECT 0, 0, 'pg_cast'::regclass, oid, '='
	FROM pg_cast
	WHERE oid >= 16384 AND castsource < 16384
		AND (casttarget < 16384 OR castcontext = 'i')
	UNION ALL
	SELECT 0, 0, classid, objid, '='
	FROM pg_depend
	WHERE refclassid = 'pg_proc'::regclass AND refobjid >= 16384
		AND classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass,
			'pg_type'::regclass, 'pg_rewrite'::regclass,
			'pg_trigger'::regclass, 'pg_policy'::regclass,
			'pg_attrdef'::regclass, 'pg_constraint'::regclass,
			'pg_cast'::regclass, 'pg_operator'::regclass,
			'pg_event_trigger'::regclass,
			'pg_statistic_ext'::regclass,
			'pg_publication_rel'::regclass)
	UNION ALL
	SELECT 0, 1, 'pg_event_trigger'::regclass, oid, '='
	FROM pg_event_trigger WHERE evtenabled <> 'D'
)
SELECT 'e', (class::int8 << 32) | id::int8, (refclass::int8 << 32) | ref::int8,
	mode, NULL
FROM edge;

-- 3. What code says.
WITH known AS (
	SELECT oid, proname FROM pg_proc
	WHERE oid < 16384 AND provolatile = 'v'
		AND pronamespace = 'pg_catalog'::regnamespace
	UNION ALL
	SELECT oid, relname FROM pg_class
	WHERE oid < 16384 AND relname IN ('pg_settings',
		'pg_prepared_statements')
), pattern AS (
	-- Sequences move with every INSERT: those of defaults are no news.
	SELECT concat($$:(?:func|opfunc|aggfn|winfn|rel)(?:oid|id) ($$,
			string_agg(oid::text, '|'), $$) $$) AS every,
		concat($$:(?:func|opfunc|aggfn|winfn|rel)(?:oid|id) ($$,
			string_agg(oid::text, '|') FILTER (WHERE proname NOT IN
				('nextval', 'setval')), $$) $$) AS most
	FROM known
), tree (class, id, text) AS (
	SELECT 'pg_rewrite'::regclass, oid, concat(ev_qual, ev_action)
	FROM pg_rewrite WHERE oid >= 16384
	UNION ALL
	SELECT 'pg_policy'::regclass, oid, concat(polqual, polwithcheck)
	FROM pg_policy
	UNION ALL
	SELECT 'pg_trigger'::regclass, oid, tgqual::text
	FROM pg_trigger WHERE tgqual IS NOT NULL
	UNION ALL
	SELECT 'pg_constraint'::regclass, oid, conbin::text
	FROM pg_constraint WHERE oid >= 16384 AND conbin IS NOT NULL
	UNION ALL
	SELECT 'pg_class'::regclass, indexrelid, concat(indexprs, indpred)
	FROM pg_index WHERE indexrelid >= 16384
		AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
	UNION ALL
	SELECT 'pg_class'::regclass, partrelid, partexprs::text
	FROM pg_partitioned_table WHERE partexprs IS NOT NULL
	UNION ALL
	SELECT 'pg_statistic_ext'::regclass, oid, stxexprs::text
	FROM pg_statistic_ext WHERE stxexprs IS NOT NULL
	UNION ALL
	SELECT 'pg_type'::regclass, oid, typdefaultbin::text
	FROM pg_type WHERE oid >= 16384 AND typdefaultbin IS NOT NULL
	UNION ALL
	SELECT 'pg_proc'::regclass, oid, concat(prosqlbody, proargdefaults)
	FROM pg_proc WHERE oid >= 16384
		AND (prosqlbody IS NOT NULL OR proargdefaults IS NOT NULL)
), hit (class, id, fn) AS (
	SELECT class, id, regexp_matches(text, every, 'g')
	FROM tree, pattern WHERE text ~ every
	UNION
	SELECT 'pg_attrdef'::regclass, oid, regexp_matches(adbin::text, most, 'g')
	FROM pg_attrdef, pattern WHERE adbin::text ~ most
	UNION
	-- Those that name their function themselves.
	SELECT class, id, ARRAY[fn::oid::text]
	FROM (SELECT 'pg_operator'::regclass, oid, oprcode FROM pg_operator
		UNION ALL
		SELECT 'pg_cast'::regclass, oid, castfunc FROM pg_cast)
		AS own (class, id, fn)
	WHERE id >= 16384 AND fn < 16384 AND fn <> 0
)
SELECT 'w', (class::int8 << 32) | id::int8, NULL::int8, NULL::text, proname
FROM hit JOIN known ON known.oid = fn[1]::oid
UNION ALL
-- Of other languages nobody can tell what they do.
SELECT 'x', ('pg_proc'::regclass::int8 << 32) | p.oid::int8, NULL, NULL, NULL
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
WHERE p.oid >= 16384 AND lanname NOT IN ('c', 'internal', 'sql', 'plpgsql')
UNION ALL
-- Other names of PostgreSQL's own functions.
SELECT 'w', ('pg_proc'::regclass::int8 << 32) | p.oid::int8, NULL, NULL,
	own.proname
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
	JOIN pg_proc AS own ON own.prosrc = p.prosrc AND own.prolang = l.oid
	JOIN known ON known.oid = own.oid
WHERE p.oid >= 16384 AND p.prokind <> 'a' AND lanname = 'internal'
UNION ALL
SELECT * FROM (
	SELECT CASE piece WHEN 0 THEN 'f' ELSE 'b' END,
		('pg_proc'::regclass::int8 << 32) | p.oid::int8, NULL::int8,
		lanname::text, substr(prosrc, piece * 8000 + 1, 8000)
	FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang,
		generate_series(0, length(prosrc) / 8000) AS piece
	WHERE p.oid >= 16384 AND lanname NOT IN ('c', 'internal')
		AND prosqlbody IS NULL
	ORDER BY p.oid, piece
) AS body;
