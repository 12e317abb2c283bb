-- Who a smart stop waits for: clients and walsenders, oldest transaction first.
SELECT a.pid, a.usename AS user_name, a.datname AS database, a.application_name,
       COALESCE(pg_catalog.host(a.client_addr), 'local') AS client,
       COALESCE(a.state, a.backend_type) AS state,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::float8 AS xact_age
  FROM pg_catalog.pg_stat_activity a
 WHERE a.backend_type IN ('client backend', 'walsender')
   AND a.pid <> pg_catalog.pg_backend_pid()
 ORDER BY a.xact_start NULLS LAST, a.pid
