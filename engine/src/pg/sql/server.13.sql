-- Facts of the server that change seldom. Settings come from pg_settings, which leaves out
-- what the role may not see instead of failing as current_setting() does.
SELECT pg_catalog.current_setting('server_version_num')::int4 AS version_num,
       pg_catalog.current_setting('server_version') AS version_text,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN COALESCE((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))
            ELSE ('x' || pg_catalog.substr(
                    pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int4
       END AS timeline,
       (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system_identifier,
       pg_catalog.pg_postmaster_start_time() AS started_at,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
         - pg_catalog.pg_postmaster_start_time())::float8 AS uptime_seconds,
       pg_catalog.pg_conf_load_time() AS config_loaded_at,
       pg_catalog.current_setting('server_encoding') AS encoding,
       pg_catalog.current_setting('wal_level') AS wal_level,
       pg_catalog.current_setting('archive_mode') AS archive_mode,
       pg_catalog.current_setting('data_checksums') AS data_checksums,
       pg_catalog.current_setting('port')::int4 AS port,
       pg_catalog.current_setting('max_connections')::int4 AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections')::int4
         + COALESCE(pg_catalog.current_setting('reserved_connections', true)::int4, 0)
         AS reserved_connections,
       pg_catalog.current_setting('pgx.backup_destination', true) AS backup_destination,
       (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory')
         AS data_directory,
       ARRAY(SELECT s.name FROM pg_catalog.pg_settings s WHERE s.pending_restart ORDER BY s.name)
         AS pending_restart,
       current_user::text AS monitor_role,
       pg_catalog.pg_has_role(current_user, 'pg_monitor', 'USAGE')
         OR (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
         AS monitor_sees_all,
       pg_catalog.current_setting('cluster_name') AS cluster_name
