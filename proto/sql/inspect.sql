-- What `howdah migrate` reads of a database. Schemas and tables come in as
-- parameters, so that nothing depends on the search_path. Functions say that
-- they are pg_catalog's: in a schema where others may create, theirs would be
-- taken for an argument that fits better, and run with our rights.

-- name: session
SELECT pg_catalog.current_database(), current_user,
    pg_catalog.current_setting('server_version');

-- name: schema
-- Where Chainlit's unqualified names lead: the schema of the search_path that
-- has most of its tables, else the one where new tables would go.
SELECT coalesce(
    (SELECT path.name
     FROM pg_catalog.unnest(pg_catalog.current_schemas(false))
         WITH ORDINALITY AS path(name, place)
     JOIN pg_namespace n ON n.nspname = path.name
     JOIN pg_class c ON c.relnamespace = n.oid
     WHERE c.relname = ANY ($1::text[])
     GROUP BY path.name, path.place
     ORDER BY pg_catalog.count(*) DESC, path.place LIMIT 1),
    pg_catalog.current_schema());

-- name: rights
-- May this role create in the schema, add pgcrypto, and is it there already?
SELECT pg_catalog.has_schema_privilege($1::text, 'CREATE')
        AND pg_catalog.has_schema_privilege($1::text, 'USAGE'),
    EXISTS (SELECT FROM pg_extension WHERE extname = 'pgcrypto'),
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        AND EXISTS (SELECT FROM pg_available_extensions
            WHERE name = 'pgcrypto');

-- name: tables
SELECT c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
    pg_catalog.pg_has_role(c.relowner, 'USAGE'),
    NOT pg_catalog.has_table_privilege(c.oid, 'SELECT'),
    NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT')
        AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
        AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
        AND pg_catalog.has_table_privilege(c.oid, 'DELETE'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
    AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c');

-- name: columns
-- Types twice: as declared, and without the (n) of timestamp(3).
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
    pg_catalog.format_type(a.atttypid, NULL), a.attnotnull,
    coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
    a.attidentity <> '' OR a.attgenerated <> ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
    AND c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attnum;

-- name: indexes
-- Whether it is a plain b-tree of whole columns, and of which.
SELECT c.relname, i.relname, x.indisprimary,
    x.indisunique AND x.indimmediate, x.indisvalid,
    am.amname = 'btree' AND x.indpred IS NULL AND x.indexprs IS NULL,
    (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY key.place)
     FROM pg_catalog.unnest(x.indkey) WITH ORDINALITY AS key(num, place)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.num)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am am ON am.oid = i.relam
WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
    AND c.relkind IN ('r', 'p')
ORDER BY c.relname, i.relname;

-- name: keys
-- Foreign keys of one column. The actions are n (SET NULL), c (CASCADE), ...
SELECT c.relname, k.conname, a.attname, target.relname, ta.attname,
    k.confdeltype, k.confupdtype, k.convalidated
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class target ON target.oid = k.confrelid
    AND target.relnamespace = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
JOIN pg_attribute ta ON ta.attrelid = target.oid AND ta.attnum = k.confkey[1]
WHERE k.contype = 'f' AND pg_catalog.cardinality(k.conkey) = 1
    AND n.nspname = $1::text AND c.relname = ANY ($2::text[])
ORDER BY c.relname, k.conname;

-- name: labels
-- The type "StepType": its kind (e is an enum) and its labels in order.
SELECT t.typtype, e.enumlabel
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_enum e ON e.enumtypid = t.oid
WHERE n.nspname = $1::text AND t.typname = 'StepType'
ORDER BY e.enumsortorder;

-- name: migrations
SELECT migration_name,
    pg_catalog.bool_or(finished_at IS NOT NULL AND rolled_back_at IS NULL),
    pg_catalog.bool_or(finished_at IS NULL AND rolled_back_at IS NULL)
FROM "_prisma_migrations" GROUP BY migration_name;

-- name: own_indexes
-- Howdah's, by name, on any chat table.
SELECT i.relname, c.relname, x.indisvalid
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid
JOIN pg_class i ON i.oid = x.indexrelid
WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
    AND i.relname LIKE 'howdah\_%'::text
ORDER BY i.relname;

-- name: lock_holder
-- Who holds an advisory lock on a bigint in this database.
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'no name'),
    coalesce(a.usename, 'unknown'), coalesce(a.client_addr::text, 'local'),
    coalesce(a.state, 'unknown')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database
        WHERE datname = pg_catalog.current_database())
    AND (l.classid::bigint << 32) | l.objid::bigint = $1::bigint
ORDER BY a.pid LIMIT 1;
