-- Databases that take connections, with counters. Template databases that do not are left out.
SELECT d.oid, d.datname AS name,
       COALESCE(s.numbackends, 0) AS sessions,
       COALESCE(s.xact_commit + s.xact_rollback, 0) AS transactions,
       COALESCE(s.blks_hit, 0) AS blocks_hit,
       COALESCE(s.blks_read, 0) AS blocks_read,
       pg_catalog.age(d.datfrozenxid) AS xid_age,
       pg_catalog.mxid_age(d.datminmxid) AS multixact_age,
       COALESCE(s.temp_bytes, 0) AS temp_bytes,
       COALESCE(s.deadlocks, 0) AS deadlocks,
       pg_catalog.has_database_privilege(d.oid, 'CONNECT')
         OR pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_size
  FROM pg_catalog.pg_database d
  LEFT JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
 WHERE d.datallowconn
 ORDER BY d.datname
