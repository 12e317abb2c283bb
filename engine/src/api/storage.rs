//! Destinations: where an instance keeps its bytes, and how long they will fit.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What is kept at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// The data storage destination (`PGDATA`).
    Data,
    /// The transaction log storage destination, when `pg_wal` is elsewhere.
    Wal,
    /// A tablespace.
    Tablespace,
    /// The backup data storage destination (`pgx.backup_destination`).
    Backup,
}

impl DestinationKind {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Wal => "wal",
            Self::Tablespace => "tablespace",
            Self::Backup => "backup",
        }
    }
}

/// How a destination stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationHealth {
    /// Nothing to do.
    Normal,
    /// 80 % or more used, or it shares a device that it should not share.
    Warning,
    /// Missing, unmounted, read-only, full or not answering.
    Error,
}

impl DestinationHealth {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How sure the mount of a destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountState {
    /// It lies on this mounted file system.
    Mounted,
    /// A file system belongs here (by `/etc/fstab`, or it was here before) and is not mounted.
    Unmounted {
        /// The mount point that should be there.
        expected: PathBuf,
    },
    /// Mounted read-only.
    ReadOnly,
    /// Cannot be told: the path is missing or the device does not answer.
    Unknown,
}

/// A destination with its file system.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// What is kept here.
    pub kind: DestinationKind,
    /// The tablespace's name; the kind's word otherwise.
    pub name: String,
    /// The real path, symbolic links followed.
    pub path: PathBuf,
    /// Health.
    pub health: DestinationHealth,
    /// One line for what is not normal; empty otherwise.
    pub reason: String,
    /// The file system. `None` when it does not answer.
    pub usage: Option<FileSystemUsage>,
    /// Mount.
    pub mount: MountState,
    /// Bytes the instance itself keeps here; `None` until measured.
    pub own_bytes: Option<u64>,
    /// When it will be full.
    pub forecast: Forecast,
    /// Other destinations on the same device, by name.
    pub shares_device_with: Vec<String>,
}

/// A file system, as `statvfs` and `/proc/self/mountinfo` tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystemUsage {
    /// The device, such as `/dev/sda1`.
    pub device: String,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its type, such as `ext4`.
    pub fs_type: String,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes in use (`f_blocks - f_bfree`).
    pub used_bytes: u64,
    /// Bytes an unprivileged user may still take (`f_bavail`).
    pub free_bytes: u64,
    /// File names still free; `None` when the file system does not count them.
    pub free_inodes: Option<u64>,
}

impl FileSystemUsage {
    /// Used share as `df` computes it: used of used plus available, 0 to 100, rounded up.
    #[must_use]
    pub fn used_percent(&self) -> u8 {
        let reachable = u128::from(self.used_bytes) + u128::from(self.free_bytes);
        if reachable == 0 {
            return 100;
        }
        let percent = (u128::from(self.used_bytes) * 100).div_ceil(reachable);
        u8::try_from(percent).unwrap_or(100)
    }
}

/// When a destination will be full, from samples in the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Forecast {
    /// Too few samples to say; how long they span.
    TooEarly {
        /// Seconds between the first and the last sample.
        span_seconds: u64,
    },
    /// Usage is flat or falls.
    NotFilling,
    /// It grows.
    FullAt {
        /// When, if it goes on like this.
        at: DateTime<Utc>,
        /// Growth in bytes a day.
        bytes_per_day: u64,
    },
    /// Not looked at.
    Unknown,
}
