-- Writes a harmless record, so that the segment in use is not empty and a switch closes it.
-- Needs EXECUTE on pg_logical_emit_message(boolean, text, text), which everybody has.
SELECT pg_catalog.pg_walfile_name(
         pg_catalog.pg_logical_emit_message(false, 'pgdeck', 'archive check')) AS segment
