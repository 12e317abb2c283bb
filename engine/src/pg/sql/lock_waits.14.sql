-- What the waiting backends wait for, and which prepared transactions hold it.
-- Locks of a prepared transaction have no pid. Their virtual transaction is that of the session
-- that prepared it, or -1/XID after a restart: the lock on its own id tells whose they are.
-- waitstart is there from 14.
WITH locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
     owners AS (
       SELECT l.virtualtransaction, p.transaction
         FROM locks l
         JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = l.transactionid
        WHERE l.pid IS NULL AND l.granted AND l.locktype = 'transactionid'
          AND l.mode = 'ExclusiveLock')
SELECT w.pid, w.locktype, w.mode, w.database, w.relation, w.page, w.tuple, w.transactionid,
       w.virtualxid, w.classid, w.objid,
       CASE WHEN w.relation IS NOT NULL AND w.database IN (0, m.oid)
            THEN w.relation::pg_catalog.regclass::text END AS relation_name,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - w.waitstart)::float8
         AS wait_seconds,
       ARRAY(SELECT DISTINCT o.transaction::text
               FROM locks h
               JOIN owners o ON o.virtualtransaction = h.virtualtransaction
              WHERE h.granted AND h.pid IS NULL
                AND h.locktype = w.locktype
                AND h.database IS NOT DISTINCT FROM w.database
                AND h.relation IS NOT DISTINCT FROM w.relation
                AND h.page IS NOT DISTINCT FROM w.page
                AND h.tuple IS NOT DISTINCT FROM w.tuple
                AND h.transactionid IS NOT DISTINCT FROM w.transactionid
                AND h.classid IS NOT DISTINCT FROM w.classid
                AND h.objid IS NOT DISTINCT FROM w.objid
                AND h.objsubid IS NOT DISTINCT FROM w.objsubid) AS prepared_holders
  FROM locks w,
       (SELECT d.oid FROM pg_catalog.pg_database d
         WHERE d.datname = pg_catalog.current_database()) m
 WHERE NOT w.granted
 ORDER BY w.pid
