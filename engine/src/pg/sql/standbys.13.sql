-- Standbys connected to this server.
SELECT r.application_name AS name,
       COALESCE(pg_catalog.host(r.client_addr), 'local') AS client,
       COALESCE(r.state, '') AS state, COALESCE(r.sync_state, '') AS sync_state,
       CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
         pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn)::int8 END AS lag_bytes,
       pg_catalog.date_part('epoch', r.replay_lag)::float8 AS lag_seconds
  FROM pg_catalog.pg_stat_replication r
 ORDER BY r.application_name, r.pid
