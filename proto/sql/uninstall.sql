-- What `howdah uninstall` looks for.

-- name: indexes
SELECT n.nspname, i.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid
JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relname = ANY ($1::text[]) AND c.relkind IN ('r', 'p')
    AND i.relname LIKE 'howdah\_%'::text
ORDER BY n.nspname, i.relname;

-- name: schema
-- Is it Howdah's? A role named howdah may have a schema of that name, and the
-- chats in it. What Howdah makes says so in its comment.
SELECT coalesce(pg_catalog.obj_description(oid, 'pg_namespace')
    LIKE 'Howdah''s own%', false)
FROM pg_namespace WHERE nspname = 'howdah';
