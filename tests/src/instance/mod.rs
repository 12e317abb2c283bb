//! A real instance for one test: made from a template, started, watched and removed.
//!
//! ```no_run
//! use pgdeck_tests::{Major, StopMode, TestInstance};
//!
//! let instance = TestInstance::builder(Major::V15).setting("max_connections", "20").start();
//! instance.sql("postgres", "create table t (a int)");
//! instance.stop(StopMode::Fast);
//! instance.finish().expect("nothing unexpected in the log");
//! ```
//!
//! Dropping it does what [`TestInstance::finish`] does and panics on findings. When the
//! test is failing already, the server is stopped and its directory kept and named.

mod builder;
mod client;
mod lifecycle;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use builder::InstanceBuilder;
pub use client::{Pending, Session};

use crate::majors::Major;
use crate::place;
use crate::server_log::{self, LogFindings};
use crate::tls::TlsMaterial;

/// One instance of its own for a test. Its superuser is `postgres`; everybody is trusted.
pub struct TestInstance {
    major: Major,
    name: String,
    /// Holds everything below; its sockets lie directly in it.
    directory: PathBuf,
    data: PathBuf,
    /// Where its configuration files are, mostly the data directory.
    configuration: PathBuf,
    port: place::Port,
    log_directory: String,
    allowed: Mutex<Vec<String>>,
    tls: Option<TlsMaterial>,
    /// Whether the server is ended and the log judged.
    closed: bool,
}

impl TestInstance {
    /// An instance of this major version, to be described further.
    pub fn builder(major: Major) -> InstanceBuilder {
        InstanceBuilder::new(major)
    }

    /// A running instance of this major version with nothing special.
    #[must_use]
    pub fn start_plain(major: Major) -> Self {
        Self::builder(major).start()
    }

    /// Its major version.
    #[must_use]
    pub fn major(&self) -> Major {
        self.major
    }

    /// Its name: the last part of the data directory's path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory that holds everything of this instance and is removed with it. It
    /// belongs to the servers' user; tablespaces and backups of a test can stand in it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its data directory.
    #[must_use]
    pub fn data_directory(&self) -> &Path {
        &self.data
    }

    /// The directory of its configuration files.
    #[must_use]
    pub fn configuration_directory(&self) -> &Path {
        &self.configuration
    }

    /// Where its Unix sockets are.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// Its port, on 127.0.0.1 and in the sockets' names.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The directory of its server programs.
    #[must_use]
    pub fn bin_directory(&self) -> PathBuf {
        self.major.bin_directory()
    }

    /// A connection string for the Unix socket, superuser and database `postgres`.
    #[must_use]
    pub fn conninfo(&self) -> String {
        let host = self.socket_directory().display();
        format!("host={host} port={} user=postgres dbname=postgres", self.port())
    }

    /// The same by TCP.
    #[must_use]
    pub fn tcp_conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port())
    }

    /// The `PG*` variables that lead a program to it by its Unix socket.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", self.socket_directory().display().to_string()),
            ("PGPORT", self.port().to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGDATABASE", "postgres".to_owned()),
        ]
    }

    /// The certificate authority's file for `sslrootcert`.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.directory.join("authority.crt")
    }

    /// The certificates it was built with.
    ///
    /// # Panics
    /// When it was built without.
    #[must_use]
    pub fn tls_material(&self) -> &TlsMaterial {
        self.tls.as_ref().expect("the instance was built with tls()")
    }

    /// The file that takes the server's standard error, as `pg_ctl -l` names it.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// Every log file there is: [`Self::log_file`], then the collector's by name.
    #[must_use]
    pub fn log_files(&self) -> Vec<PathBuf> {
        let collected = fs::read_dir(self.data.join(&self.log_directory));
        let mut files: Vec<PathBuf> =
            collected.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.insert(0, self.log_file());
        files
    }

    /// The text of all log files.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.log_files().iter().map(|file| server_log::read(file)).collect()
    }

    /// Expects WARNING, ERROR, FATAL and PANIC lines with this text. In `csvlog` and
    /// `jsonlog` a line is the severity, a colon, two blanks and the message.
    pub fn allow_log(&self, text: &str) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Ends the server, judges its log and removes everything.
    ///
    /// # Errors
    /// The unexpected lines of the log; the directory is kept then.
    pub fn finish(mut self) -> Result<(), LogFindings> {
        let lines = self.close();
        if lines.is_empty() {
            self.remove();
            return Ok(());
        }
        place::keep(&self.directory);
        Err(LogFindings { lines, directory: self.directory.clone() })
    }

    /// Ends the server and returns the unexpected lines of its log.
    fn close(&mut self) -> Vec<String> {
        self.closed = true;
        self.end();
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        server_log::unexpected(&self.log_files(), &allowed)
    }

    fn remove(&self) {
        // The last process may just be closing its files; nothing else writes here.
        let removed = crate::proc::wait_for(std::time::Duration::from_secs(5), || {
            fs::remove_dir_all(&self.directory).is_ok() || !self.directory.exists()
        });
        assert!(removed, "{} cannot be removed", self.directory.display());
    }
}

impl Drop for TestInstance {
    // Standard error is where a failing test says what it keeps.
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let lines = self.close();
        if !std::thread::panicking() && lines.is_empty() {
            self.remove();
            return;
        }
        place::keep(&self.directory);
        let findings = LogFindings { lines, directory: self.directory.clone() };
        if std::thread::panicking() {
            eprintln!("instance of PostgreSQL {} of the failing test: {findings}", self.major);
        } else {
            panic!("{findings}");
        }
    }
}
