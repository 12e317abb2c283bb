-- Names of relations of the database connected to. $1: OIDs.
SELECT c.oid, c.oid::pg_catalog.regclass::text AS name
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY ($1::oid[])
