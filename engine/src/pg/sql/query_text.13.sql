-- The whole query of one backend. $1: pid, $2: its start, or null to match any.
SELECT a.query
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid = $1
   AND ($2::timestamptz IS NULL OR a.backend_start = $2)
