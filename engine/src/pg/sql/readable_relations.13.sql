-- What holds rows in this database, each with a query that reads all of it through the types'
-- output functions, out-of-line values included. A relation of TOAST values has no row type.
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       CASE c.relkind
         WHEN 't' THEN pg_catalog.format(
           'SELECT pg_catalog.count(pg_catalog.length(chunk_data)) AS rows FROM %I.%I', n.nspname, c.relname)
         WHEN 'S' THEN pg_catalog.format(
           'SELECT pg_catalog.count(last_value) AS rows FROM %I.%I', n.nspname, c.relname)
         ELSE pg_catalog.format(
           'SELECT pg_catalog.count(pg_catalog.length("pgdeck row"::pg_catalog.text)) AS rows FROM ONLY %I.%I AS "pgdeck row"',
           n.nspname, c.relname)
       END AS query
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 't', 'S') AND c.relispopulated
   AND c.relpersistence <> 't'
 ORDER BY c.oid
