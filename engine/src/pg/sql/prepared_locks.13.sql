-- Locks held by prepared transactions, see lock_waits for how they are told.
SELECT pg_catalog.substr(l.virtualtransaction, 4) AS transaction_text,
       l.locktype, l.mode, l.database, l.relation, l.transactionid, l.classid, l.objid,
       CASE WHEN l.relation IS NOT NULL AND l.database IN (0, m.oid)
            THEN l.relation::pg_catalog.regclass::text END AS relation_name
  FROM pg_catalog.pg_locks l,
       (SELECT d.oid FROM pg_catalog.pg_database d
         WHERE d.datname = pg_catalog.current_database()) m
 WHERE l.pid IS NULL AND l.granted AND l.virtualtransaction LIKE '-1/%'
 ORDER BY 1, l.locktype, l.database, l.relation
