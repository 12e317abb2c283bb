-- Two cheap rows a second, counters for rates: the monitor's own database and all others.
-- Statistics of shared catalogs (datid 0) are left out: they show mostly the monitor itself.
SELECT COALESCE(d.datname = pg_catalog.current_database(), false) AS is_own,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::float8 AS at_seconds,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn() END AS position,
       (SELECT pg_catalog.count(*)::int4 FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend') AS client_backends,
       pg_catalog.sum(d.numbackends)::int8 AS backends,
       pg_catalog.sum(d.xact_commit)::int8 AS commits,
       pg_catalog.sum(d.xact_rollback)::int8 AS rollbacks,
       pg_catalog.sum(d.blks_read)::int8 AS blocks_read,
       pg_catalog.sum(d.blks_hit)::int8 AS blocks_hit,
       pg_catalog.sum(d.tup_returned)::int8 AS tuples_returned,
       (pg_catalog.sum(d.tup_inserted) + pg_catalog.sum(d.tup_updated)
         + pg_catalog.sum(d.tup_deleted))::int8 AS tuples_written,
       pg_catalog.sum(d.temp_bytes)::int8 AS temp_bytes,
       pg_catalog.sum(d.deadlocks)::int8 AS deadlocks
  FROM pg_catalog.pg_stat_database d
 WHERE d.datid <> 0
 GROUP BY 1
