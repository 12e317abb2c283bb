-- Whether the extension amcheck can be had.
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck') AS is_available
