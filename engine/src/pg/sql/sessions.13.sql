-- Every backend but this one. $1: characters of the query to carry.
-- A role that may not see a backend gets no backend_type, and only backends of users have a role
-- and a database.
-- pg_blocking_pids() takes the lock manager's locks: asked only for those that wait for a lock.
SELECT a.pid, a.backend_start,
       COALESCE(a.backend_type, CASE WHEN a.datid IS NOT NULL AND a.usesysid IS NOT NULL
         THEN 'client backend' END) AS backend_type, a.datname AS database, a.usename AS user_name,
       a.application_name, pg_catalog.host(a.client_addr) AS client_address, a.client_port,
       a.state, a.wait_event_type, a.wait_event,
       pg_catalog.date_part('epoch', n.now - a.xact_start)::float8 AS xact_age,
       pg_catalog.date_part('epoch', n.now - a.query_start)::float8 AS query_age,
       pg_catalog.date_part('epoch', n.now - a.state_change)::float8 AS state_age,
       CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) END AS blocked_by,
       CASE WHEN a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL THEN
         GREATEST(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) END AS xmin_age,
       a.leader_pid,
       pg_catalog.left(a.query, $1) AS query,
       pg_catalog.octet_length(a.query) > $1 AND pg_catalog.length(a.query) > $1 AS query_is_cut
  FROM pg_catalog.pg_stat_activity a,
       (SELECT pg_catalog.clock_timestamp() AS now) n
 WHERE a.pid <> pg_catalog.pg_backend_pid()
 ORDER BY a.pid
