SELECT pg_catalog.pg_start_backup($1, $2, false) AS lsn
