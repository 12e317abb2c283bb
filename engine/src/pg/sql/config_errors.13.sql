-- What is wrong in the configuration files, after a reload.
SELECT f.sourcefile AS file, f.sourceline AS line, f.name, f.error
  FROM pg_catalog.pg_file_settings f
 WHERE f.error IS NOT NULL
   AND f.error <> 'setting could not be applied'
UNION ALL
SELECT pg_catalog.current_setting('hba_file'), h.line_number, 'pg_hba.conf', h.error
  FROM pg_catalog.pg_hba_file_rules h
 WHERE h.error IS NOT NULL
