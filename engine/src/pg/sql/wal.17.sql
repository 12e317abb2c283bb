-- As 13, the checkpoint counters moved to a view of their own in 17.
SELECT CASE WHEN r.recovering THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END AS position,
       CASE WHEN r.recovering THEN pg_catalog.pg_last_wal_receive_lsn() END AS received,
       CASE WHEN r.recovering THEN pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
         - pg_catalog.pg_last_xact_replay_timestamp())::float8 END AS replay_delay,
       c.checkpoint_time AS checkpoint_at,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - c.checkpoint_time)::float8
         AS checkpoint_age,
       pg_catalog.pg_wal_lsn_diff(
         CASE WHEN r.recovering THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_insert_lsn() END, c.redo_lsn)::int8 AS since_checkpoint,
       b.num_timed AS checkpoints_timed, b.num_requested AS checkpoints_requested,
       a.archived_count, a.last_archived_wal, a.last_archived_time, a.failed_count,
       a.last_failed_wal, a.last_failed_time,
       pg_catalog.current_setting('archive_mode') <> 'off' AS archiving
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering) r,
       pg_catalog.pg_control_checkpoint() c,
       pg_catalog.pg_stat_checkpointer b,
       pg_catalog.pg_stat_archiver a
