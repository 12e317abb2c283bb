-- The log file in use. $1: stderr or csvlog. Needs pg_monitor or superuser.
SELECT pg_catalog.pg_current_logfile($1) AS path
