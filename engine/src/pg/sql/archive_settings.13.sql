-- What the archive depends on, with where each value comes from. A setting with a prefix that
-- no module has defined is a placeholder, which pg_settings leaves out.
SELECT s.name, s.setting, s.source, s.pending_restart
  FROM pg_catalog.pg_settings s
 WHERE s.name IN ('archive_mode', 'archive_command', 'archive_library', 'archive_timeout',
                  'wal_level')
UNION ALL
SELECT 'pgx.backup_destination', pg_catalog.current_setting('pgx.backup_destination', true),
       'configuration file', false
