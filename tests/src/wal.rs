//! Archiving and restoring in tests: the program where a server may run it, and clusters that
//! are recovered from a copy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Finished, Major, Run, StopMode, TestInstance, account, bin, proc};

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

/// A stopped cluster with a few complete segments, and an empty destination.
pub struct WalSite {
    /// The cluster.
    pub instance: TestInstance,
    /// Its complete segments, oldest first.
    pub names: Vec<String>,
}

impl WalSite {
    /// Makes it, with an `initdb` option for the segments' size.
    ///
    /// # Panics
    /// When the server does not do what it is asked.
    #[must_use]
    pub fn new(segment_size: &str) -> Self {
        let instance = TestInstance::builder(Major::V17)
            .initdb_option(segment_size)
            .setting("wal_keep_size", "1GB")
            .start();
        instance.sql("postgres", "create table t (a int, b text)");
        let mut names = Vec::new();
        for _ in 0..4 {
            instance.sql(
                "postgres",
                "insert into t select i, md5(i::text) from generate_series(1, 4000) i",
            );
            names.push(
                instance.query_one_text("postgres", "select pg_walfile_name(pg_switch_wal())"),
            );
        }
        instance.stop(StopMode::Fast);
        Self { instance, names }
    }

    /// Where a complete segment is.
    #[must_use]
    pub fn segment(&self, index: usize) -> PathBuf {
        self.instance.data_directory().join("pg_wal").join(&self.names[index])
    }

    /// A new, empty backup destination.
    #[must_use]
    pub fn destination(&self, name: &str) -> PathBuf {
        self.instance.make_directory(name)
    }

    /// A file of this name with this content, outside of `pg_wal`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let directory = self.instance.directory().join("made");
        let _ = fs::create_dir(&directory);
        let path = directory.join(name);
        fs::write(&path, content).expect("a file can be written beside the data directory");
        path
    }

    /// `wal-push` of a file.
    #[must_use]
    pub fn push(&self, source: &Path, destination: &Path) -> Finished {
        let run = Run::pgdeck().arg("wal-push").arg(source).arg(destination);
        run.arg("-D").arg(self.instance.data_directory()).finish()
    }

    /// `wal-get` of a name, and where it should put the file.
    #[must_use]
    pub fn get(&self, name: &str, destination: &Path) -> (Finished, PathBuf) {
        let target = self.instance.directory().join("RECOVERYXLOG");
        let _ = fs::remove_file(&target);
        let run = Run::pgdeck().arg("wal-get").arg(name).arg(&target).arg("-B").arg(destination);
        (run.arg("-D").arg(self.instance.data_directory()).finish(), target)
    }
}

/// Names of finished files in a destination's archive, without indexes.
///
/// # Panics
/// When it cannot be listed.
#[must_use]
pub fn archived(destination: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(destination.join("archived_wal")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry.expect("the archive can be listed").file_name().to_string_lossy().into_owned()
        })
        .filter(|name| name != ".incoming" && !name.ends_with(".idx"))
        .collect();
    names.sort();
    names
}

/// The file of a segment in the archive of a destination.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn stored(destination: &Path, segment: &str) -> PathBuf {
    let is_it = |name: &String| {
        *name == segment || *name == format!("{segment}.zst") || *name == format!("{segment}.lz4")
    };
    let name = archived(destination).into_iter().find(is_it);
    let name = name.unwrap_or_else(|| panic!("{segment} is not in the archive"));
    destination.join("archived_wal").join(name)
}

/// A refusal: nothing on standard output, three lines on standard error.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn assert_refused(finished: &Finished, fact: &str) {
    assert_eq!(finished.code(), Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", finished.stderr);
    assert!(lines[0].starts_with("pgdeck: ") && lines[0].contains(fact), "{}", finished.stderr);
    assert!(lines[1].starts_with("DETAIL: "), "{}", finished.stderr);
    assert!(lines[2].starts_with("HINT: "), "{}", finished.stderr);
}
