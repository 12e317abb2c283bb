//! The cluster that calls `archive_command` or `restore_command`: where it is and who it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::{Error, ErrorCode, Result};
use crate::pg::control_file::{self, CONTROL_FILE_PATH};
use crate::pg::types::SystemIdentifier;
use crate::pg::wal::SegmentSize;
use crate::sys::disk::Disk;

use super::identity::RepositoryIdentity;
use super::inspect::Expected;

/// The server writes the control file in one call; a reader beside it may see half of it.
const CONTROL_READS: u32 = 10;
const CONTROL_PAUSE: Duration = Duration::from_millis(5);
const CONTROL_BYTES_MAX: u64 = 1 << 16;

/// Who a cluster is, from its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its number.
    pub system_identifier: SystemIdentifier,
    /// PostgreSQL's major version.
    pub major: u32,
    /// Bytes of its segments.
    pub segment_size: SegmentSize,
}

impl Cluster {
    /// The identity of a repository made for it now.
    #[must_use]
    pub fn identity(&self) -> RepositoryIdentity {
        RepositoryIdentity::new(self.system_identifier, self.major, self.segment_size.bytes())
    }

    /// Reads `PG_VERSION` and `global/pg_control`.
    ///
    /// # Errors
    /// `ControlFileDamaged`, `VersionUnsupported`, `FileAccess`.
    pub fn read(disk: &Disk, data_directory: &Path) -> Result<Self> {
        let version_file = data_directory.join("PG_VERSION");
        let version =
            disk.read(&version_file, 64).map_err(|error| access(&version_file, &error))?;
        let major = String::from_utf8_lossy(&version).trim().parse().map_err(|_| {
            let fact = format!("\"{}\" holds no version", version_file.display());
            Error::new(ErrorCode::VersionUnsupported, fact)
        })?;
        let path = data_directory.join(CONTROL_FILE_PATH);
        let mut read = 1;
        let control = loop {
            let bytes =
                disk.read(&path, CONTROL_BYTES_MAX).map_err(|error| access(&path, &error))?;
            match control_file::decode(&bytes) {
                Ok(control) => break control,
                Err(error) if error.may_be_torn() && read < CONTROL_READS => {
                    read += 1;
                    std::thread::sleep(CONTROL_PAUSE);
                }
                Err(error) => return Err(error.into_api(&path.display().to_string())),
            }
        };
        let bytes = control.build.wal_segment_bytes;
        let segment_size = SegmentSize::from_bytes(bytes).ok_or_else(|| {
            let fact = format!("control file \"{}\" makes no sense", path.display());
            let detail = format!("it says a WAL segment has {bytes} bytes");
            Error::new(ErrorCode::ControlFileDamaged, fact).detail(detail)
        })?;
        Ok(Self { system_identifier: control.system_identifier, major, segment_size })
    }
}

fn access(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::FileAccess, format!("\"{}\" cannot be read", path.display()))
        .detail(error.to_string())
}

/// The data directory, if it can be found: the one named; the one `wal_file` lies in
/// (`pg_wal/%f`); the current directory, where a server runs its commands; `PGDATA`.
#[must_use]
pub fn find_data_directory(named: Option<&Path>, wal_file: &Path) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_path_buf());
    }
    let pg_wal = wal_file.parent().filter(|parent| parent.ends_with("pg_wal"));
    let above = pg_wal.and_then(Path::parent).map(|above| {
        if above.as_os_str().is_empty() { PathBuf::from(".") } else { above.to_path_buf() }
    });
    let pgdata = std::env::var_os("PGDATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    [above, Some(PathBuf::from(".")), pgdata]
        .into_iter()
        .flatten()
        .find(|directory| crate::sys::file::exists(&directory.join(CONTROL_FILE_PATH)))
}

/// What is expected of a file, by the cluster and by the repository.
#[must_use]
pub fn expected(cluster: Option<&Cluster>, identity: Option<&RepositoryIdentity>) -> Expected {
    let size = identity.and_then(|identity| SegmentSize::from_bytes(identity.wal_segment_bytes));
    Expected {
        system_identifier: cluster
            .map(|cluster| cluster.system_identifier)
            .or_else(|| identity.map(|identity| identity.system_identifier)),
        major: cluster
            .map(|cluster| cluster.major)
            .or_else(|| identity.map(|identity| identity.major)),
        segment_size: cluster.map(|cluster| cluster.segment_size).or(size),
    }
}
