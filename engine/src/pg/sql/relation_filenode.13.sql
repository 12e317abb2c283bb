-- The number of a relation's file. Null when there is no such relation, or it has none.
SELECT pg_catalog.pg_relation_filenode(pg_catalog.to_regclass($1)) AS filenode
