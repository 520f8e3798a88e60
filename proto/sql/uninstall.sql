-- What `howdah uninstall` looks for.

-- name: indexes
SELECT n.nspname, i.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid
JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relname = ANY ($1::text[]) AND c.relkind IN ('r', 'p')
    AND i.relname LIKE 'howdah\_%'
ORDER BY n.nspname, i.relname;

-- name: schema
SELECT nspname FROM pg_namespace WHERE nspname = 'howdah';
