//! A data directory restored by hand: judged by stock tools, started, asked.

use std::fs;
use std::path::{Path, PathBuf};

use crate::instance::Session;
use crate::majors::Major;
use crate::{TestInstance, account, bin, place};

/// A data directory restored by hand.
pub struct Restored {
    pub(crate) directory: PathBuf,
    pub(crate) major: Major,
    pub(crate) destination: PathBuf,
    pub(crate) port: place::Port,
    pub(crate) started: bool,
}

impl Restored {
    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the stock `pg_verifybackup` of PostgreSQL 15 finds; `Ok` when nothing.
    ///
    /// It knows version 1 of the manifest only: one of version 2 is rewritten, which takes
    /// nothing away but the system identifier.
    ///
    /// # Errors
    /// All it printed.
    pub fn verifybackup(&self) -> Result<String, String> {
        let path = self.directory.join("backup_manifest");
        let original = fs::read_to_string(&path).expect("the manifest can be read");
        let manifest = as_version_1(&original);
        fs::write(&path, manifest).expect("the manifest can be written");
        let mut command = account::command(Major::V15.program("pg_verifybackup"));
        // The places of tablespaces are not those of the backup.
        command.arg("-n").arg("-i").arg("tablespace_map").arg(&self.directory);
        let outcome = account::output_of(command);
        fs::write(&path, original).expect("the manifest can be written");
        outcome
    }

    /// Starts it: it recovers from the archive to its end, or to `target`, settings for
    /// `postgresql.auto.conf`, and is promoted there.
    ///
    /// # Panics
    /// When it does not start, with its log.
    pub fn start(&mut self, target: &[(&str, &str)]) {
        self.recover_with(&[("recovery_target_action", "promote")], target);
        // pg_ctl is content with hot standby.
        self.wait_until("select not pg_is_in_recovery()", "it stays in recovery");
    }

    /// Starts it with the server's own target, and waits until it pauses there. Returns the
    /// position it says it has replayed to.
    ///
    /// # Panics
    /// When it does not start or does not pause, with its log.
    #[track_caller]
    pub fn start_paused(&mut self, target: &[(&str, &str)]) -> String {
        self.recover_with(&[("recovery_target_action", "pause"), ("hot_standby", "on")], target);
        self.wait_until("select pg_is_wal_replay_paused()", "it does not pause");
        self.query("select pg_last_wal_replay_lsn()::text")
    }

    /// Starts it in recovery, with settings in place of those of a start before; later ones win.
    fn recover_with(&mut self, at_target: &[(&str, &str)], target: &[(&str, &str)]) {
        let get = format!(
            "{} wal-get %f \"%p\" -B {}",
            bin::pgdeck().display(),
            self.destination.display()
        );
        let mut own: Vec<(&str, String)> = self.of_its_place();
        own.push(("restore_command", get));
        own.push(("archive_mode", "off".to_owned()));
        let given = at_target.iter().chain(target);
        own.extend(given.map(|(name, value)| (*name, (*value).to_owned())));
        let path = self.directory.join("postgresql.auto.conf");
        let before = fs::read_to_string(&path).unwrap_or_default();
        // Only one target may be set.
        let lines = before.lines().filter(|line| !line.starts_with("recovery_target"));
        let kept: String = lines.map(|line| format!("{line}\n")).collect();
        fs::write(&path, kept).expect("settings can be written");
        self.launch(&own, "recovery.signal");
    }

    /// Settings by which it is reached, and nothing else is in its way.
    fn of_its_place(&self) -> Vec<(&'static str, String)> {
        let sockets = self.directory.parent().expect("it has a parent").display().to_string();
        vec![("port", self.port.number.to_string()), ("unix_socket_directories", sockets)]
    }

    #[track_caller]
    fn wait_until(&self, query: &str, otherwise: &str) {
        let came = crate::proc::wait_for(std::time::Duration::from_secs(60), || {
            self.try_query(query).as_deref() == Ok("t")
        });
        assert!(came, "{otherwise}\n{}", self.log());
    }

    /// Starts it as a standby of an instance.
    ///
    /// # Panics
    /// When it does not start, with its log.
    pub fn start_standby(&mut self, primary: &TestInstance) {
        let mut own: Vec<(&str, String)> = self.of_its_place();
        own.push(("primary_conninfo", primary.conninfo()));
        self.launch(&own, "standby.signal");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.with_extension("log")).unwrap_or_default()
    }

    /// Adds settings and the signal, and starts it.
    fn launch(&mut self, settings: &[(&str, String)], signal: &str) {
        let path = self.directory.join("postgresql.auto.conf");
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for (name, value) in settings {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        fs::write(&path, text).expect("settings can be written");
        let signal = self.directory.join(signal);
        fs::write(&signal, "").expect("the signal can be written");
        account::give(&signal);
        let log = self.directory.with_extension("log");
        let mut command = account::command(self.major.program("pg_ctl"));
        command.args(["start", "-w", "-t", "60", "-D"]).arg(&self.directory).arg("-l").arg(&log);
        self.started = true;
        if let Err(error) = account::output_of(command) {
            panic!("{error}\n{}", self.log());
        }
    }

    /// The first column of the first row.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn query(&self, query: &str) -> String {
        self.try_query(query).unwrap_or_else(|error| panic!("{query:?}: {error}"))
    }

    fn try_query(&self, query: &str) -> Result<String, String> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.directory.parent().expect("it has a parent"))
            .port(self.port.number)
            .user("postgres")
            .dbname("postgres");
        let session = Session::open(&config).map_err(|error| error.to_string())?;
        Ok(session.query_one_text(query))
    }

    /// Reads every page of every relation; the server verifies their checksums.
    ///
    /// # Panics
    /// When it finds one that is damaged.
    pub fn read_everything(&self) {
        let count = self.query(
            "select count(*) from pg_class c where relkind in ('r', 'm', 't')
             and pg_relation_size(c.oid) >= 0
             and (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %s',
                  c.oid::regclass), false, true, '')))[1]::text::bigint >= 0",
        );
        assert_ne!(count, "0");
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if std::mem::replace(&mut self.started, false) {
            let mut command = account::command(self.major.program("pg_ctl"));
            command.args(["stop", "-m", "fast", "-w", "-D"]).arg(&self.directory);
            // A failing test may have killed it already.
            let _ = account::output_of(command);
        }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        self.stop();
        place::end_processes(&self.directory);
    }
}

/// A manifest of version 2 without what version 1 does not have, summed up anew.
fn as_version_1(manifest: &str) -> String {
    let mut lines: Vec<&str> = manifest.lines().collect();
    lines.retain(|line| !line.starts_with("\"System-Identifier\""));
    lines.pop();
    let body = lines.join("\n").replace("Manifest-Version\": 2", "Manifest-Version\": 1") + "\n";
    let mut command = account::command("sha256sum");
    let path =
        std::env::temp_dir().join(format!("pgdeck-manifest-{}-{}", std::process::id(), body.len()));
    fs::write(&path, &body).expect("a file can be written");
    let file = fs::File::open(&path).expect("it can be read");
    command.stdin(file);
    let sum = account::output_of(command).expect("sha256sum runs");
    fs::remove_file(&path).expect("it can be removed");
    let sum = sum.split_whitespace().next().expect("it prints a sum");
    format!("{body}\"Manifest-Checksum\": \"{sum}\"}}\n")
}
