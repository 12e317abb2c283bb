-- Keeps the probes out of the server's log. Only a superuser may, for others there is no row,
-- and no error in the log.
SELECT pg_catalog.set_config('log_statement', 'none', false),
       pg_catalog.set_config('log_min_duration_statement', '-1', false),
       pg_catalog.set_config('log_duration', 'off', false),
       pg_catalog.set_config('log_min_error_statement', 'panic', false)
 WHERE pg_catalog.current_setting('is_superuser') = 'on'
