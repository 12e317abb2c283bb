//! The repository's identity: which database cluster a backup destination belongs to.
//!
//! Owns `pgdeck-repository.json`. Whoever writes into a destination calls [`ensure`] first;
//! whoever reads calls [`load`] and [`RepositoryIdentity::check`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::api::{Error, ErrorCode, Result};
use crate::pg::types::SystemIdentifier;
use crate::sys::clock;
use crate::sys::disk::{Disk, Published};

/// The file's name in the backup destination.
pub const IDENTITY_FILE: &str = "pgdeck-repository.json";

/// The format this pgdeck writes; a higher one is not read.
const FORMAT: u32 = 1;
const BYTES_MAX: u64 = 1 << 16;

/// Which cluster a repository belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryIdentity {
    /// The cluster's number.
    pub system_identifier: SystemIdentifier,
    /// PostgreSQL's major version.
    pub major: u32,
    /// When the repository was made, to the second.
    pub created_at: DateTime<Utc>,
    /// Bytes of a WAL segment.
    pub wal_segment_bytes: u32,
}

/// The file as it is written.
#[derive(Deserialize, Serialize)]
struct Document {
    format: u32,
    system_identifier: String,
    pg_version_major: u32,
    created_at: String,
    wal_segment_bytes: u32,
}

impl RepositoryIdentity {
    /// An identity made now.
    #[must_use]
    pub fn new(system_identifier: SystemIdentifier, major: u32, wal_segment_bytes: u32) -> Self {
        let now = clock::now();
        let created_at = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
        Self { system_identifier, major, created_at, wal_segment_bytes }
    }

    /// Whether something of this cluster may go into, or come from, the repository.
    ///
    /// # Errors
    /// `RepositoryForeign` when cluster, major version or segment size differ.
    pub fn check(&self, destination: &Path, other: &Self) -> Result<()> {
        let mut differences = Vec::new();
        if self.system_identifier != other.system_identifier {
            differences.push(format!(
                "its system identifier is {}, this cluster's is {}",
                self.system_identifier, other.system_identifier
            ));
        }
        if self.major != other.major {
            differences.push(format!("it is of PostgreSQL {}, not {}", self.major, other.major));
        }
        if self.wal_segment_bytes != other.wal_segment_bytes {
            differences.push(format!(
                "its WAL segments have {} bytes, not {}",
                self.wal_segment_bytes, other.wal_segment_bytes
            ));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let fact = format!("\"{}\" belongs to another database cluster", destination.display());
        Err(Error::new(ErrorCode::RepositoryForeign, fact).detail(differences.join("; ")))
    }

    fn to_text(&self) -> String {
        let document = Document {
            format: FORMAT,
            system_identifier: self.system_identifier.to_string(),
            pg_version_major: self.major,
            created_at: self.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            wal_segment_bytes: self.wal_segment_bytes,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    fn from_text(text: &[u8]) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if version.format != FORMAT {
            return Err(format!("its format is {}; this pgdeck knows {FORMAT}", version.format));
        }
        let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let number = document.system_identifier.parse().map_err(|_| {
            format!("its system identifier {:?} is no number", document.system_identifier)
        })?;
        let created_at = DateTime::parse_from_rfc3339(&document.created_at)
            .map_err(|error| format!("created_at: {error}"))?;
        Ok(Self {
            system_identifier: SystemIdentifier::from_u64(number),
            major: document.pg_version_major,
            created_at: created_at.with_timezone(&Utc),
            wal_segment_bytes: document.wal_segment_bytes,
        })
    }
}

/// Where a destination's identity stands.
#[must_use]
pub fn path_in(destination: &Path) -> PathBuf {
    destination.join(IDENTITY_FILE)
}

/// Reads a destination's identity; `None` when it has none.
///
/// # Errors
/// `RepositoryUnreadable` when the file is there and cannot be read, `RepositoryDamaged` when
/// it makes no sense.
pub fn load(disk: &Disk, destination: &Path) -> Result<Option<RepositoryIdentity>> {
    let path = path_in(destination);
    let text = match disk.read(&path, BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    RepositoryIdentity::from_text(&text).map(Some).map_err(|what| {
        let fact = format!("repository file \"{}\" makes no sense", path.display());
        Error::new(ErrorCode::RepositoryDamaged, fact).detail(what)
    })
}

/// Checks a destination's identity, or gives it this one when it has none.
///
/// Returns the identity that counts. The file appears whole or not at all, and durably; of
/// two processes that make it at once, one wins and the other checks against it.
///
/// # Errors
/// As [`load`] and [`RepositoryIdentity::check`]; `RepositoryWrite` when it cannot be written.
pub fn ensure(
    disk: &Disk,
    destination: &Path,
    own: &RepositoryIdentity,
) -> Result<RepositoryIdentity> {
    if let Some(found) = load(disk, destination)? {
        found.check(destination, own)?;
        return Ok(found);
    }
    match create(disk, destination, own) {
        Ok(Published::Done) => Ok(own.clone()),
        Ok(Published::Taken) => {
            let found = load(disk, destination)?.ok_or_else(|| {
                let fact = format!("\"{}\" is being removed", path_in(destination).display());
                Error::new(ErrorCode::RepositoryUnreadable, fact)
            })?;
            found.check(destination, own)?;
            Ok(found)
        }
        Err(error) => {
            let fact = format!("\"{}\" cannot be written", path_in(destination).display());
            Err(Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string()))
        }
    }
}

fn create(disk: &Disk, destination: &Path, own: &RepositoryIdentity) -> io::Result<Published> {
    let temporary = destination.join(format!(".{IDENTITY_FILE}.{}", std::process::id()));
    // What a process of the same number left behind when it was killed.
    if disk.stat(&temporary)?.is_some() {
        disk.remove_file(&temporary)?;
    }
    let write = || {
        let mut file = disk.create(&temporary)?;
        file.write_all(own.to_text().as_bytes())?;
        file.sync()?;
        let published = disk.publish(&temporary, &path_in(destination))?;
        disk.sync_directory(destination)?;
        Ok(published)
    };
    let outcome = write();
    if !matches!(outcome, Ok(Published::Done)) {
        // The first error is the one to tell.
        let _ = disk.remove_file(&temporary);
    }
    outcome
}

/// The error of something in the repository that is there and cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::RepositoryUnreadable, format!("\"{}\" cannot be read", path.display()))
        .detail(error.to_string())
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::sys::faults::{Fault, Plan, Spell};

    fn identity(number: u64) -> RepositoryIdentity {
        RepositoryIdentity::new(SystemIdentifier::from_u64(number), 17, 16 << 20)
    }

    #[test]
    fn is_made_once_and_checked_after() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        assert_eq!(load(&disk, directory.path()).unwrap(), None);
        let own = identity(u64::MAX);
        assert_eq!(ensure(&disk, directory.path(), &own).unwrap(), own);
        assert_eq!(load(&disk, directory.path()).unwrap(), Some(own.clone()));
        assert_eq!(ensure(&disk, directory.path(), &identity(u64::MAX)).unwrap(), own);
        let error = ensure(&disk, directory.path(), &identity(1)).unwrap_err();
        assert_eq!(error.code, ErrorCode::RepositoryForeign);
        assert!(error.detail.contains("18446744073709551615"), "{error}");
        assert_eq!(disk.list(directory.path()).unwrap().len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_not_taken_for_absent() {
        let directory = tempfile::tempdir().unwrap();
        let cases = ["", "{}", "{\"format\": 2}", "{\"format\": 1, \"system_identifier\": \"x\"}"];
        for text in cases {
            std::fs::write(path_in(directory.path()), text).unwrap();
            let error = load(&Disk::real(), directory.path()).unwrap_err();
            assert_eq!(error.code, ErrorCode::RepositoryDamaged, "{text}");
            let error = ensure(&Disk::real(), directory.path(), &identity(1)).unwrap_err();
            assert_eq!(error.code, ErrorCode::RepositoryDamaged, "{text}");
        }
    }

    #[test]
    fn whichever_operation_fails_the_file_is_whole_or_absent() {
        for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
            for number in 1.. {
                let directory = tempfile::tempdir().unwrap();
                let plan = Plan::new(number, fault, Spell::FromThenOn);
                let disk = Disk::with_plan(plan.clone());
                let outcome = ensure(&disk, directory.path(), &identity(7));
                let found = load(&Disk::real(), directory.path()).unwrap();
                if let Ok(identity) = outcome {
                    assert_eq!(found, Some(identity), "{fault:?} {number}");
                }
                ensure(&Disk::real(), directory.path(), &identity(7)).unwrap();
                if !plan.has_struck() {
                    break;
                }
            }
        }
    }
}
