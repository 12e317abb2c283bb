-- The two files byte for byte, whatever the encodings of server and client are. One row.
SELECT s.lsn,
       pg_catalog.convert_to(s.labelfile, pg_catalog.current_setting('server_encoding')) AS label_file,
       pg_catalog.convert_to(s.spcmapfile, pg_catalog.current_setting('server_encoding')) AS map_file
  FROM pg_catalog.pg_backup_stop(false) AS s
