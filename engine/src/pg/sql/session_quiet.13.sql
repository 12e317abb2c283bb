-- Keeps the probes out of the server's log. Only a superuser may, others go on without.
SELECT pg_catalog.set_config('log_statement', 'none', false),
       pg_catalog.set_config('log_min_duration_statement', '-1', false),
       pg_catalog.set_config('log_duration', 'off', false),
       pg_catalog.set_config('log_min_error_statement', 'panic', false)
