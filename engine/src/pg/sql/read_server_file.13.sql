-- Bytes of a file on the server. $1: path, $2: offset, $3: length.
-- Needs superuser or pg_read_server_files.
SELECT pg_catalog.pg_read_binary_file($1, $2::int8, $3::int8, true) AS bytes
