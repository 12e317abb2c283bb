-- What the waiting backends wait for, and which prepared transactions hold it.
-- A prepared transaction's locks have no pid, its virtual transaction is -1/XID
-- (PG_LOCK_STATUS in lockfuncs.c). 13 does not record when a wait began.
SELECT w.pid, w.locktype, w.mode, w.database, w.relation, w.page, w.tuple, w.transactionid,
       w.virtualxid, w.classid, w.objid,
       CASE WHEN w.relation IS NOT NULL AND w.database IN (0, m.oid)
            THEN w.relation::pg_catalog.regclass::text END AS relation_name,
       NULL::float8 AS wait_seconds,
       ARRAY(SELECT DISTINCT pg_catalog.substr(h.virtualtransaction, 4)
               FROM pg_catalog.pg_locks h
              WHERE h.granted AND h.pid IS NULL AND h.virtualtransaction LIKE '-1/%'
                AND h.locktype = w.locktype
                AND h.database IS NOT DISTINCT FROM w.database
                AND h.relation IS NOT DISTINCT FROM w.relation
                AND h.page IS NOT DISTINCT FROM w.page
                AND h.tuple IS NOT DISTINCT FROM w.tuple
                AND h.transactionid IS NOT DISTINCT FROM w.transactionid
                AND h.classid IS NOT DISTINCT FROM w.classid
                AND h.objid IS NOT DISTINCT FROM w.objid
                AND h.objsubid IS NOT DISTINCT FROM w.objsubid) AS prepared_holders
  FROM pg_catalog.pg_locks w,
       (SELECT d.oid FROM pg_catalog.pg_database d
         WHERE d.datname = pg_catalog.current_database()) m
 WHERE NOT w.granted
 ORDER BY w.pid
