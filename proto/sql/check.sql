-- What `howdah check` asks. Why pg_catalog stands everywhere is in inspect.sql.

-- name: server
SELECT pg_catalog.current_setting('server_version'),
    pg_catalog.pg_is_in_recovery(), current_user,
    pg_catalog.current_database(),
    pg_catalog.current_setting('server_encoding'),
    coalesce(pg_catalog.current_setting('data_checksums', true), 'unknown'),
    extract(epoch FROM pg_catalog.clock_timestamp());

-- name: may_create_database
SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user;

-- name: budget
-- What this role may open in this database, what others have open, and which
-- limit it is. Without rights pg_stat_activity hides much of other roles'
-- sessions, not datname.
SELECT room, (SELECT pg_catalog.count(*) FROM pg_stat_activity
        WHERE datname IS NOT NULL AND application_name NOT LIKE 'howdah%'),
    name
FROM (SELECT pg_catalog.current_setting('max_connections')::int
            - pg_catalog.current_setting('superuser_reserved_connections')::int
            - coalesce(pg_catalog.current_setting('reserved_connections', true),
                '0')::int,
        'the server''s max_connections'
    UNION ALL SELECT rolconnlimit, pg_catalog.format(
        'the role''s limit: ALTER ROLE %I CONNECTION LIMIT', rolname)
    FROM pg_roles WHERE rolname = current_user AND NOT rolsuper
    UNION ALL SELECT datconnlimit, pg_catalog.format(
        'the database''s limit: ALTER DATABASE %I CONNECTION LIMIT', datname)
    FROM pg_database, pg_roles
    WHERE datname = pg_catalog.current_database() AND rolname = current_user
        AND NOT rolsuper) AS bound (room, name)
WHERE room >= 0 ORDER BY room LIMIT 1;
