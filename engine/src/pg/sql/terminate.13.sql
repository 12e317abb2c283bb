-- Ends one session, if it is still the one that was meant. $1: pid, $2: its start.
SELECT pg_catalog.pg_terminate_backend(a.pid) AS sent
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid = $1 AND ($2::timestamptz IS NULL OR a.backend_start = $2)
