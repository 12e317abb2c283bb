-- Bytes of one database. $1: its OID. Reads the whole directory: dear on many files.
SELECT pg_catalog.pg_database_size($1::oid) AS bytes
