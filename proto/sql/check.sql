-- What `howdah check` asks.

-- name: server
SELECT current_setting('server_version'), pg_is_in_recovery(), current_user,
    current_database(), current_setting('server_encoding'),
    coalesce(current_setting('data_checksums', true), 'unknown'),
    extract(epoch FROM clock_timestamp());

-- name: may_create_database
SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user;

-- name: budget
-- What this role may open in this database, and what others have open. Without
-- rights pg_stat_activity hides much of other roles' sessions, not datname.
SELECT least(
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles
     WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database
     WHERE datname = current_database())),
    (SELECT count(*) FROM pg_stat_activity
     WHERE datname IS NOT NULL AND application_name NOT LIKE 'howdah%');
