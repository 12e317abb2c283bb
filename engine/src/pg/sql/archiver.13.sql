SELECT a.last_archived_wal, a.last_failed_wal, a.failed_count,
       a.last_failed_time > COALESCE(a.last_archived_time, '-infinity'::timestamptz) AS is_failing,
       pg_catalog.current_setting('archive_mode') AS archive_mode
  FROM pg_catalog.pg_stat_archiver a
