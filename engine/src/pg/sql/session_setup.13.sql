-- Settings of the monitor's own session. $1 to $3 cannot be used with SET: the engine writes
-- statement_timeout itself.
SET search_path = pg_catalog, pg_temp;
SET default_transaction_read_only = on;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = '1s';
SET jit = off;
SET max_parallel_workers_per_gather = 0
