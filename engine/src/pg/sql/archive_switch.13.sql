-- Closes the segment in use. Needs superuser or EXECUTE on pg_switch_wal().
SELECT pg_catalog.pg_switch_wal()::pg_catalog.text AS position
