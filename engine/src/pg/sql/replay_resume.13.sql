SELECT true AS is_resumed FROM pg_catalog.pg_wal_replay_resume()
