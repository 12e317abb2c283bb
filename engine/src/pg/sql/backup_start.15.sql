SELECT pg_catalog.pg_backup_start($1, $2) AS lsn
