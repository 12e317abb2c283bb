//! Clusters that are made once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::host;
use super::options::Options;

/// Segments of WAL that are kept for pushing.
const SEGMENTS: usize = 24;
/// Written when a cluster is whole; a new version of the recipe makes it anew.
const MADE: &str = "made-1";

/// How a cluster is made.
#[derive(Debug)]
pub(crate) struct Recipe {
    name: &'static str,
    /// Scale of pgbench: 15 MB each.
    scale: &'static str,
    /// Rows of 100 bytes that compress badly.
    text_rows: &'static str,
    keeps_wal: bool,
}

/// About 2 GB: a third of it in hashes as text, the rest as pgbench fills it.
pub(crate) const MAIN: Recipe =
    Recipe { name: "main", scale: "92", text_rows: "5500000", keeps_wal: true };
/// About 0.5 GB.
pub(crate) const SMALL: Recipe =
    Recipe { name: "small", scale: "23", text_rows: "1250000", keeps_wal: false };

const SETTINGS: &str = "listen_addresses = ''
shared_buffers = 256MB
max_wal_size = 512MB
min_wal_size = 80MB
wal_level = replica
archive_mode = on
autovacuum = off
";

/// A cluster whose server runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    place: PathBuf,
    bin: PathBuf,
    postmaster: i32,
}

impl Cluster {
    /// Makes it when it is not there, and starts its server.
    pub(crate) fn ready(options: &Options, recipe: &Recipe) -> Result<Self, String> {
        let place = options.cache.join(recipe.name);
        let bin = options.major().bin_directory();
        let mut cluster = Self { place, bin, postmaster: 0 };
        if cluster.place.join(MADE).exists() {
            cluster.start()?;
        } else {
            crate::say(&format!("making cluster {} in {}", recipe.name, cluster.place.display()));
            cluster.stop();
            cluster.make(recipe)?;
        }
        cluster.archive_with("/bin/true")?;
        Ok(cluster)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> &Path {
        &self.place
    }

    /// A directory beside it, for what tools store.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// The program of this server version.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = host::command(self.bin.join(name));
        command.env("PGHOST", &self.place).env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        command
    }

    /// Bytes of the cluster without its WAL.
    pub(crate) fn bytes(&self) -> Result<u64, String> {
        Ok(host::stored_bytes(&self.data())? - host::stored_bytes(&self.data().join("pg_wal"))?)
    }

    /// Process id of the server.
    pub(crate) fn postmaster(&self) -> i32 {
        self.postmaster
    }

    /// Segments kept for pushing, oldest first.
    pub(crate) fn segments(&self) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(self.place.join("wal")).map_err(|error| error.to_string())?;
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.sort();
        Ok(all)
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, text: &str) -> Result<String, String> {
        host::run(self.program("psql").args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text]))
    }

    /// Sets the archive command; in force when this returns for segments that come later.
    pub(crate) fn archive_with(&self, command: &str) -> Result<(), String> {
        self.sql(&format!("alter system set archive_command = '{}'", command.replace('\'', "''")))?;
        self.sql("select pg_reload_conf()")?;
        // The archiver may still run the old command: it is over when a segment has arrived.
        self.sql("select pg_switch_wal(), pg_sleep(0.5)").map(drop)
    }

    fn make(&mut self, recipe: &Recipe) -> Result<(), String> {
        host::empty_directory(&self.place)?;
        let data = self.data();
        let mut initdb = self.program("initdb");
        host::run(initdb.args(["-k", "-U", "postgres", "-A", "trust", "-D"]).arg(&data))?;
        let place = self.place.display();
        let settings = format!("{SETTINGS}unix_socket_directories = '{place}'\n");
        let path = data.join("postgresql.conf");
        let before = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        fs::write(&path, before + &settings).map_err(|error| error.to_string())?;
        self.start()?;
        self.archive_with("/bin/true")?;
        host::run(self.program("pgbench").args(["-i", "-q", "-s", recipe.scale]))?;
        let rows = recipe.text_rows;
        self.sql(&format!(
            "create table texts as select i, md5(i::text) a, md5((i * 7)::text) b
             from generate_series(1, {rows}) i"
        ))?;
        if recipe.keeps_wal {
            self.keep_wal()?;
        }
        self.sql("vacuum freeze analyze")?;
        self.sql("checkpoint")?;
        fs::write(self.place.join(MADE), "").map_err(|error| error.to_string())
    }

    /// Keeps segments as an ordinary load writes them.
    fn keep_wal(&self) -> Result<(), String> {
        let wal = self.place.join("wal");
        host::empty_directory(&wal)?;
        let wal = wal.display();
        let copy = format!("test $(ls {wal} | wc -l) -ge {SEGMENTS} || cp \"%p\" {wal}/%f");
        self.archive_with(&copy)?;
        while self.segments()?.len() < SEGMENTS {
            host::run(self.program("pgbench").args(["-n", "-c", "4", "-t", "1000"]))?;
        }
        self.archive_with("/bin/true")
    }

    fn start(&mut self) -> Result<(), String> {
        let log = self.place.join("log");
        let mut command = self.program("pg_ctl");
        let status = command.args(["-w", "-s", "-D"]).arg(self.data()).arg("-l").arg(&log);
        // The server keeps what it inherits: no pipe of ours.
        let status = status
            .arg("start")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) && self.pid().is_none() {
            return Err(format!("the server of {} does not start", self.place.display()));
        }
        self.postmaster = self.pid().unwrap_or(0);
        Ok(())
    }

    fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid = text.lines().next()?.trim().parse().ok()?;
        host::is_alive(pid).then_some(pid)
    }

    fn stop(&self) {
        if self.pid().is_some() {
            let mut command = self.program("pg_ctl");
            let _ = command.args(["-w", "-m", "fast", "-D"]).arg(self.data()).arg("stop").output();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}
