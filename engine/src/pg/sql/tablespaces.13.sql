-- Tablespaces outside the data directory, with their places on the server.
SELECT t.oid, t.spcname AS name, pg_catalog.pg_tablespace_location(t.oid) AS location
  FROM pg_catalog.pg_tablespace t
 WHERE pg_catalog.pg_tablespace_location(t.oid) <> ''
 ORDER BY t.spcname
