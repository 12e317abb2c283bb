//! Archiving and restoring in tests: the program where a server may run it, and clusters that
//! are recovered from a copy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{TestInstance, account, bin, proc};

/// How long the archiver may take for what is ready.
const ARCHIVE_WAIT: Duration = Duration::from_secs(60);

/// Puts the program under test, with the names of the operations guide, into a directory that
/// the servers' user can reach. Returns the directory.
///
/// # Panics
/// When it cannot be copied.
#[must_use]
pub fn place_program(instance: &TestInstance) -> PathBuf {
    let directory = instance.make_directory("programs");
    let program = directory.join("pgdeck");
    fs::copy(bin::pgdeck(), &program).expect("the program can be copied");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("own file");
    for name in ["pgx_xlogcopy.cmd", "pgx_walcopy.cmd"] {
        symlink("pgdeck", directory.join(name)).expect("a link can be made");
    }
    directory
}

impl TestInstance {
    /// Copies the data directory of a stopped instance to a new place beside it.
    #[must_use]
    pub fn copy_data(&self, name: &str) -> PathBuf {
        let target = self.directory().join(name);
        let mut copy = account::command("cp");
        copy.arg("-a").arg(self.data_directory()).arg(&target);
        account::output_of(copy).unwrap_or_else(|error| panic!("{error}"));
        target
    }

    /// Takes over a copied data directory in place of its own, without the WAL in it, and
    /// makes ready for recovery with these settings. The instance must be stopped.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn recover_from(&self, base: &Path, settings: &[(&str, &str)]) {
        let data = self.data_directory();
        fs::remove_dir_all(data).expect("the own data directory can be removed");
        let mut copy = account::command("cp");
        copy.arg("-a").arg(base).arg(data);
        account::output_of(copy).unwrap_or_else(|error| panic!("{error}"));
        for entry in fs::read_dir(data.join("pg_wal")).expect("there is a pg_wal").flatten() {
            if entry.path().is_file() {
                fs::remove_file(entry.path()).expect("a WAL file can be removed");
            }
        }
        self.set("port", &self.port().to_string());
        self.set("unix_socket_directories", &self.socket_directory().display().to_string());
        for (name, value) in settings {
            self.set(name, value);
        }
        let signal = data.join("recovery.signal");
        fs::write(&signal, "").expect("recovery.signal can be written");
        account::give(&signal);
    }

    /// Ends the current segment and waits until it is in the archive. Returns its name.
    ///
    /// # Panics
    /// When it is not archived in a minute.
    pub fn switch_and_wait_archived(&self) -> String {
        // A switch right after a switch does nothing.
        let name = self.query_one_text(
            "postgres",
            "select pg_walfile_name(pg_logical_emit_message(true, 'switch', 'x'))",
        );
        self.sql("postgres", "select pg_switch_wal()");
        let archived = proc::wait_for(ARCHIVE_WAIT, || self.is_archived(&name));
        assert!(archived, "{name} is not archived: {}", self.log_text());
        name
    }

    /// Whether the server has seen this segment archived.
    fn is_archived(&self, name: &str) -> bool {
        let query =
            format!("select coalesce(last_archived_wal, '') >= '{name}' from pg_stat_archiver");
        let status = self.data_directory().join("pg_wal/archive_status");
        self.query_one_text("postgres", &query) == "t"
            && !status.join(format!("{name}.ready")).exists()
    }

    /// Waits until it is out of recovery.
    ///
    /// # Panics
    /// When it is still recovering after a minute.
    pub fn wait_promoted(&self) {
        let promoted = proc::wait_for(ARCHIVE_WAIT, || {
            self.query_one_text("postgres", "select pg_is_in_recovery()") == "f"
        });
        assert!(promoted, "it still recovers: {}", self.log_text());
    }
}
