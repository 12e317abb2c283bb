-- What holds back the removal of dead rows (xmin) or of WAL, the oldest of each kind.
(SELECT 'session' AS kind, a.pid::text AS name, a.datname::text AS database,
        GREATEST(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS xmin_age,
        NULL::int8 AS wal_bytes,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age_seconds
   FROM pg_catalog.pg_stat_activity a
  WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.backend_type <> 'walsender'
  ORDER BY 4 DESC NULLS LAST LIMIT 5)
UNION ALL
(SELECT 'prepared', p.gid, p.database::text, pg_catalog.age(p.transaction), NULL,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::float8
   FROM pg_catalog.pg_prepared_xacts p
  ORDER BY 4 DESC LIMIT 5)
UNION ALL
(SELECT 'slot', s.slot_name::text, s.database::text,
        GREATEST(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)),
        CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
          pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::int8 END, NULL
   FROM pg_catalog.pg_replication_slots s
  ORDER BY 5 DESC NULLS LAST LIMIT 5)
UNION ALL
(SELECT 'standby', r.application_name, NULL, pg_catalog.age(r.backend_xmin), NULL, NULL
   FROM pg_catalog.pg_stat_replication r
  WHERE r.backend_xmin IS NOT NULL
  ORDER BY 4 DESC LIMIT 5)
