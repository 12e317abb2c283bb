-- Whether this role may read the log through SQL: asked first, because a refusal would stand in
-- that log as an error, every ten seconds.
SELECT pg_catalog.has_function_privilege('pg_catalog.pg_current_logfile(text)', 'EXECUTE')
         AS may_locate,
       pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(text, boolean)', 'EXECUTE')
         AND pg_catalog.has_function_privilege(
           'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE')
         AS may_read
