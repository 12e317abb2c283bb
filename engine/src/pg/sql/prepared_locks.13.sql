-- Locks held by prepared transactions. See lock_waits for how it is told whose they are.
WITH held AS MATERIALIZED (
       SELECT * FROM pg_catalog.pg_locks l WHERE l.pid IS NULL AND l.granted),
     owners AS (
       SELECT h.virtualtransaction, p.transaction
         FROM held h
         JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = h.transactionid
        WHERE h.locktype = 'transactionid' AND h.mode = 'ExclusiveLock')
SELECT o.transaction, h.locktype, h.mode, h.database, h.relation, h.transactionid, h.classid, h.objid,
       CASE WHEN h.relation IS NOT NULL AND h.database IN (0, m.oid)
            THEN h.relation::pg_catalog.regclass::text END AS relation_name
  FROM held h
  JOIN owners o ON o.virtualtransaction = h.virtualtransaction,
       (SELECT d.oid FROM pg_catalog.pg_database d
         WHERE d.datname = pg_catalog.current_database()) m
 ORDER BY h.locktype, h.database, h.relation
