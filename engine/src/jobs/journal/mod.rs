//! The journal: what has to be remembered of one instance, shared by every pgdeck process.
//!
//! Owns the SQLite file; knows no server and no terminal. [`JournalHandle`] is the way in: it
//! talks to a thread that has the credentials of the data directory's owner.

mod destinations;
mod handle;
mod history;
mod job_rows;
mod operations;
mod schema;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use crate::api::Result;
use crate::sys::credentials::Credentials;
use crate::sys::file;

pub use destinations::SeenDestination;
pub use handle::JournalHandle;
pub use history::{KnownMessage, MountRecord, SeenPrepared, UsageSample};
pub use job_rows::{JobRequests, JobRow, JobUpdate};
pub use operations::OperationId;

/// An open journal. Lives on the journal's own thread.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
}

impl Journal {
    /// Opens the journal at `path`, making it and its directory if missing.
    ///
    /// # Errors
    /// `JournalFailed` or `JournalNewer`.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(directory) = path.parent() {
            file::make_private_directory(directory).map_err(|error| {
                crate::api::Error::new(
                    crate::api::ErrorCode::JournalFailed,
                    format!("cannot make the state directory {}", directory.display()),
                )
                .detail(error.to_string())
            })?;
            refuse_strange_directory(directory)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| schema::failed(&error))?;
        schema::prepare(&connection)?;
        Ok(Self { connection })
    }
}

/// The fallback lies in a directory that everybody may write: somebody else may have been first.
fn refuse_strange_directory(directory: &Path) -> Result<()> {
    let uid = Credentials::current().uid();
    match file::stat(directory) {
        Ok(stat) if stat.uid == uid && stat.mode & 0o022 == 0 => Ok(()),
        Ok(stat) => Err(crate::api::Error::new(
            crate::api::ErrorCode::JournalFailed,
            format!("the state directory {} is not private", directory.display()),
        )
        .detail(format!("owner {}, mode {:04o}; expected owner {uid}, 0700", stat.uid, stat.mode))),
        Err(error) => Err(crate::api::Error::new(
            crate::api::ErrorCode::JournalFailed,
            format!("cannot look at the state directory {}", directory.display()),
        )
        .detail(error.to_string())),
    }
}

/// Where the journal of an instance is. `subject` is the canonical data directory, or
/// `remote`, host, port and user of a remote one.
#[must_use]
pub fn directory_of(state_directory: &Path, subject: &str) -> PathBuf {
    let plain: String = subject
        .trim_matches('/')
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .take(60)
        .collect();
    state_directory.join(format!("{plain}-{:08x}", crc32c::crc32c(subject.as_bytes())))
}

/// The state directory of a user: `.local/state/pgdeck` at home, or a private one in
/// `/var/tmp` for users without a home.
#[must_use]
pub fn state_directory_of(owner: &Credentials) -> PathBuf {
    let home = owner.home();
    let usable = home != Path::new("/") && file::stat(home).is_ok_and(|stat| stat.is_directory);
    let own = usable && file::stat(home).is_ok_and(|stat| stat.uid == owner.uid());
    if own || (usable && owner.is_root()) {
        home.join(".local/state/pgdeck")
    } else {
        PathBuf::from(format!("/var/tmp/pgdeck-{}", owner.uid()))
    }
}

fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn from_millis(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// SQLite integers are signed: a figure above the range is stored as the highest one.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorCode;

    #[test]
    fn key_is_readable_and_distinct() {
        let of = |subject: &str| directory_of(Path::new("/s"), subject);
        let one = of("/database/inst1");
        assert!(one.to_string_lossy().starts_with("/s/database-inst1-"), "{one:?}");
        assert_ne!(of("/a/b"), of("/a-b"));
        let long = of(&"/x".repeat(300));
        assert!(long.file_name().unwrap().len() < 80);
    }

    #[test]
    fn opens_twice_and_refuses_strangers_and_newer_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/journal.sqlite");
        let first = Journal::open(&path).unwrap();
        let second = Journal::open(&path).unwrap();
        second.connection.pragma_update(None, "user_version", 99).unwrap();
        drop((first, second));
        assert_eq!(Journal::open(&path).unwrap_err().code, ErrorCode::JournalNewer);
        let other = directory.path().join("other.sqlite");
        Connection::open(&other).unwrap().pragma_update(None, "user_version", 3).unwrap();
        assert_eq!(Journal::open(&other).unwrap_err().code, ErrorCode::JournalFailed);
    }

    #[test]
    fn refuses_a_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("journal.sqlite");
        std::os::unix::fs::symlink(directory.path().join("target"), &link).unwrap();
        assert_eq!(Journal::open(&link).unwrap_err().code, ErrorCode::JournalFailed);
    }
}
