-- WAL segments that wait for the archiver, in bytes. Needs pg_monitor or superuser.
SELECT pg_catalog.count(*)::int8
         * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS wal_bytes,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
         - pg_catalog.min(s.modification))::float8 AS age_seconds
  FROM pg_catalog.pg_ls_archive_statusdir() s
 WHERE s.name LIKE '%.ready'
