-- Prepared transactions of all databases.
SELECT p.gid, p.transaction, p.database, p.owner, p.prepared AS prepared_at,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::float8 AS age_seconds,
       pg_catalog.age(p.transaction) AS xid_age
  FROM pg_catalog.pg_prepared_xacts p
 ORDER BY p.prepared, p.gid
