-- Size and times of a file on the server. $1: path.
SELECT f.size, pg_catalog.date_part('epoch', f.modification)::float8 AS modified_at
  FROM pg_catalog.pg_stat_file($1, true) f
