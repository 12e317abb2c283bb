-- What is wrong in the configuration files, as the server reads them now. A setting that waits
-- for a restart "could not be applied" either: that is no error. For all others it is a value
-- the server does not take.
SELECT f.sourcefile AS file, f.sourceline AS line, f.name, f.error
  FROM pg_catalog.pg_file_settings f
 WHERE f.error IS NOT NULL
   AND NOT (f.error = 'setting could not be applied'
            AND EXISTS (SELECT 1 FROM pg_catalog.pg_settings s
                         WHERE s.name = pg_catalog.lower(f.name)
                           AND s.context = 'postmaster'))
UNION ALL
SELECT pg_catalog.current_setting('hba_file'), h.line_number, 'pg_hba.conf', h.error
  FROM pg_catalog.pg_hba_file_rules h
 WHERE h.error IS NOT NULL
