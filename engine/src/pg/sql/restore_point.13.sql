-- A named point in the WAL, and the timeline it is on.
SELECT p.lsn, pg_catalog.pg_walfile_name(p.lsn) AS wal_file
  FROM (SELECT pg_catalog.pg_create_restore_point($1) AS lsn) AS p
