//! Recovering a repository's instance with pgdeck, beside it or in its place, and asking the
//! server that comes of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::deck::Refusal;
use crate::instance::Session;
use crate::run::{Finished, Run};
use crate::{Major, Repository, account, place};

/// What becomes of the server of a [`Recovered`] when the test is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It was made beside the instance: ended with its value.
    Copy,
    /// It is the instance's own.
    Instance,
}

/// A server that pgdeck has recovered.
pub struct Recovered {
    directory: PathBuf,
    sockets: PathBuf,
    port: u16,
    major: Major,
    whose: Whose,
    /// What the command printed as JSON: how the recovery stands.
    pub state: Value,
    _port: Option<place::Port>,
}

/// A place beside the instance for a recovery.
pub struct Beside {
    directory: PathBuf,
    port: place::Port,
}

impl Beside {
    /// The data directory to be made; it is not there yet.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The options that lead there.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let directory = self.directory.display().to_string();
        vec!["--to".into(), directory, "--port".into(), self.port.number.to_string()]
    }
}

impl Repository {
    /// A recovery command on the instance, with its server programs.
    pub fn recover<S: AsRef<str>>(&self, options: &[S]) -> Run {
        let options = options.iter().map(AsRef::as_ref);
        let words: Vec<&str> = std::iter::once("recover").chain(options).collect();
        self.run(&words).arg("--bin-dir").arg(self.instance.bin_directory())
    }

    /// The plan of a recovery.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    #[track_caller]
    pub fn dry_run<S: AsRef<str>>(&self, options: &[S]) -> Value {
        let done = self.recover(options).args(["--dry-run", "--json"]).finish().expect_code(0);
        serde_json::from_str(&done.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
    }

    /// The plan of a recovery that must be refused.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    #[track_caller]
    pub fn dry_run_refused<S: AsRef<str>>(&self, options: &[S]) -> Refusal {
        Refusal::of(&self.recover(options).arg("--dry-run").finish().expect_code(2))
    }

    /// A free place beside the instance.
    #[must_use]
    pub fn beside(&self) -> Beside {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let number = COUNT.fetch_add(1, Ordering::AcqRel);
        let directory = self.instance.directory().join(format!("recovered{number}"));
        Beside { directory, port: place::reserve_port() }
    }

    /// Recovers beside the instance.
    ///
    /// # Panics
    /// When it fails, with what was printed and logged.
    #[must_use]
    #[track_caller]
    pub fn recovered<S: AsRef<str>>(&self, options: &[S]) -> Recovered {
        let beside = self.beside();
        let done = self.recover_beside(&beside, options);
        if done.code() != Some(0) {
            // The server may be up: it must not outlive the test.
            drop(self.at(beside, Value::Null));
            panic!("{}\n{}", done.stdout, done.stderr);
        }
        let state = serde_json::from_str(&done.stdout);
        let state = state.unwrap_or_else(|error| panic!("{error}: {}", done.stdout));
        self.at(beside, state)
    }

    /// The same for a recovery that may fail.
    #[track_caller]
    pub fn recover_beside<S: AsRef<str>>(&self, beside: &Beside, options: &[S]) -> Finished {
        self.recover(options).args(beside.options()).args(["--yes", "--json"]).finish()
    }

    /// What may have come of a recovery beside the instance: its server ends with the value.
    #[must_use]
    pub fn at(&self, beside: Beside, state: Value) -> Recovered {
        Recovered {
            directory: beside.directory,
            sockets: self.instance.socket_directory().to_owned(),
            port: beside.port.number,
            major: self.instance.major(),
            whose: Whose::Copy,
            state,
            _port: Some(beside.port),
        }
    }

    /// Recovers the instance in its own place.
    ///
    /// # Panics
    /// When it fails, with what was printed.
    #[must_use]
    #[track_caller]
    pub fn recovered_in_place<S: AsRef<str>>(&self, options: &[S]) -> Recovered {
        let done = self.recover(options).args(["--yes", "--json"]).finish().expect_code(0);
        let state = serde_json::from_str(&done.stdout);
        let state = state.unwrap_or_else(|error| panic!("{error}: {}", done.stdout));
        Recovered {
            directory: self.instance.data_directory().to_owned(),
            sockets: self.instance.socket_directory().to_owned(),
            port: self.instance.port(),
            major: self.instance.major(),
            whose: Whose::Instance,
            state,
            _port: None,
        }
    }

    /// A recovery command that names no instance, as when its disk is gone.
    #[track_caller]
    pub fn recover_from_destination(&self, options: &[&str]) -> Finished {
        self.run_nameless(&[&["recover"], options].concat())
            .arg("--bin-dir")
            .arg(self.instance.bin_directory())
            .finish()
    }

    /// Ends the WAL segment in use and waits until it is in the archive.
    ///
    /// # Panics
    /// When it does not arrive.
    pub fn archive(&self) {
        let last =
            self.instance.query_one_text("postgres", "select pg_walfile_name(pg_switch_wal())");
        let arrived = crate::proc::wait_for(std::time::Duration::from_secs(30), || {
            let answer = self.instance.query_one_text(
                "postgres",
                &format!(
                    "select coalesce(last_archived_wal >= '{last}', false) from pg_stat_archiver"
                ),
            );
            answer == "t"
        });
        assert!(arrived, "{last} does not arrive in the archive");
    }
}

impl Recovered {
    /// Its data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens a session.
    ///
    /// # Panics
    /// When the server does not let us in.
    #[must_use]
    #[track_caller]
    pub fn session(&self, database: &str) -> Session {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.sockets).port(self.port).user("postgres").dbname(database);
        Session::open(&config)
            .unwrap_or_else(|error| panic!("{} does not answer: {error}", self.directory.display()))
    }

    /// The first column of the first row, in the database `postgres`.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    #[track_caller]
    pub fn query(&self, query: &str) -> String {
        self.session("postgres").query_one_text(query)
    }

    /// Numbers in the table `marker`, in their order, with blanks.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    #[track_caller]
    pub fn markers(&self) -> String {
        self.query("select coalesce(string_agg(n::text, ' ' order by n), '') from marker")
    }

    /// Whether a server runs there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !place::server_processes(&self.directory).is_empty()
    }

    /// Ends its server at once, as when its machine is switched off.
    pub fn end(&self) {
        place::end_processes(&self.directory);
    }

    /// Whether `pg_ctl` can start it; it is ended at once.
    #[must_use]
    pub fn can_be_started(&self) -> bool {
        let mut command = account::command(self.major.program("pg_ctl"));
        command.args(["start", "-w", "-t", "60", "-l", "/dev/null", "-D"]).arg(&self.directory);
        let started = account::output_of(command).is_ok();
        place::end_processes(&self.directory);
        started
    }
}

impl Drop for Recovered {
    fn drop(&mut self) {
        if self.whose == Whose::Copy {
            place::end_processes(&self.directory);
            // A failed test is looked at; the whole directory is kept then.
            if !std::thread::panicking() {
                let _ = std::fs::remove_dir_all(&self.directory);
            }
        }
    }
}
