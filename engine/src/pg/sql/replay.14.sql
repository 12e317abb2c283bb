SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.pg_last_wal_replay_lsn() AS replayed,
       pg_catalog.pg_last_xact_replay_timestamp() AS replayed_at,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_get_wal_replay_pause_state() = 'paused' ELSE false END AS is_paused
