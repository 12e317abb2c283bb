//! How well the data is protected: backups, the archive, what can be recovered.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{BackupInfo, Lsn, RehearsalRecord, RestorePointInfo, TimelineId};

/// What the backup destination holds and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Protection {
    /// `pgx.backup_destination`; nothing else is known without one.
    pub destination: Option<PathBuf>,
    /// When the destination was last looked into while the settings of the instance named it;
    /// only where they are gone with the data directory, and pgdeck's memory has to do.
    pub remembered_at: Option<DateTime<Utc>>,
    /// Backups, newest first.
    pub backups: Vec<BackupInfo>,
    /// Restore points, newest first.
    pub restore_points: Vec<RestorePointInfo>,
    /// Spans that can be recovered to, in the order of time.
    pub windows: Vec<RecoveryWindow>,
    /// WAL that is missing between the oldest complete backup and the newest segment.
    pub gaps: Vec<WalGap>,
    /// Segments in the archive.
    pub segments: u64,
    /// The newest segment of the newest backup's path.
    pub newest_segment: Option<String>,
    /// The latest commit in archived WAL that a recovery reaches: what would survive the loss
    /// of the data disk now.
    pub durable_commit_at: Option<DateTime<Utc>>,
    /// The position up to which archived WAL reaches without a gap.
    pub durable_lsn: Option<Lsn>,
    /// The last rehearsal: when it was last proven that recovery works, and how long it took.
    pub rehearsal: Option<RehearsalRecord>,
}

impl Protection {
    /// The newest complete backup.
    #[must_use]
    pub fn newest_complete(&self) -> Option<&BackupInfo> {
        self.backups.iter().find(|backup| backup.status == super::BackupStatus::Complete)
    }
}

/// From the end of a backup to where its WAL reaches without a gap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecoveryWindow {
    /// The backup.
    pub backup: String,
    /// The timeline the WAL is followed on.
    pub timeline: TimelineId,
    /// The earliest position: the backup's end.
    pub from_lsn: Lsn,
    /// The same as a time.
    pub from_at: DateTime<Utc>,
    /// The latest position.
    pub to_lsn: Lsn,
    /// The latest commit before it; `None` when no index names one.
    pub to_at: Option<DateTime<Utc>>,
    /// Whether a gap ends it, rather than the end of the archive.
    pub ends_at_gap: bool,
}

/// WAL segments that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalGap {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// How many.
    pub segments: u64,
}
