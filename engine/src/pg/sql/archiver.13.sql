-- How the archiver fares. One row.
SELECT a.archived_count, a.last_archived_wal, a.last_archived_time, a.failed_count,
       a.last_failed_wal, a.last_failed_time,
       a.last_failed_time IS NOT NULL
         AND (a.last_archived_time IS NULL OR a.last_failed_time > a.last_archived_time) AS failing
  FROM pg_catalog.pg_stat_archiver a
