-- The prepared transaction with this gid in this database, if it is there. $1: gid.
SELECT p.transaction, p.owner,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS next_xid
  FROM pg_catalog.pg_prepared_xacts p
 WHERE p.gid = $1 AND p.database = pg_catalog.current_database()
