-- What became of a transaction: committed, aborted, in progress, or null when too old.
-- $1: its full transaction id as text.
SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8) AS status
