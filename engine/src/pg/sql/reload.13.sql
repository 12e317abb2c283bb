-- Makes the server load its configuration files again.
SELECT pg_catalog.pg_reload_conf() AS sent
