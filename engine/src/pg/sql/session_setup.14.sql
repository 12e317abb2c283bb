SELECT pg_catalog.set_config('search_path', 'pg_catalog', false),
       pg_catalog.set_config('statement_timeout', $1, false),
       pg_catalog.set_config('lock_timeout', $2, false),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false),
       pg_catalog.set_config('idle_session_timeout', '0', false),
       pg_catalog.set_config('datestyle', 'ISO', false),
       pg_catalog.set_config('intervalstyle', 'postgres', false),
       pg_catalog.set_config('timezone', 'UTC', false),
       pg_catalog.set_config('jit', 'off', false)
