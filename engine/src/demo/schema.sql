-- What the demo's databases hold. Run once in each database; the engine splits at lines of dashes.
-- database shop ------------------------------------------------------------
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount numeric NOT NULL,
                     state text NOT NULL DEFAULT 'new', changed timestamptz NOT NULL DEFAULT now());
INSERT INTO orders (id, customer, amount)
SELECT n, n % 500, round((random() * 1000)::numeric, 2) FROM generate_series(1, 20000) n;
CREATE TABLE stock (article int PRIMARY KEY, pieces int NOT NULL);
INSERT INTO stock SELECT n, 100 FROM generate_series(1, 200) n;
-- database bank ------------------------------------------------------------
CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL, balance numeric NOT NULL);
INSERT INTO accounts SELECT n, 'customer ' || n, 1000 FROM generate_series(1, 5000) n;
CREATE TABLE transfers (id bigserial PRIMARY KEY, source int, target int, amount numeric,
                        at timestamptz NOT NULL DEFAULT now());
-- database analytics -------------------------------------------------------
CREATE TABLE events (at timestamptz NOT NULL DEFAULT now(), kind text NOT NULL, payload text);
INSERT INTO events (kind, payload)
SELECT 'kind ' || n % 7, repeat(md5(n::text), 4) FROM generate_series(1, 30000) n;
