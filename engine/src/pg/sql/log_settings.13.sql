-- What tells where and how the server logs, the role may not see all of them.
SELECT s.name, s.setting
  FROM pg_catalog.pg_settings s
 WHERE s.name IN ('log_destination', 'logging_collector', 'log_directory', 'log_filename',
                  'log_line_prefix', 'log_timezone', 'data_directory', 'syslog_facility',
                  'syslog_ident', 'event_source', 'lc_messages')
