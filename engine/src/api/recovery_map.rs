//! The recoverability map: timelines, backups, WAL and gaps, and what can be reached.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{BackupKind, Lsn, RehearsalRecord, RestorePointInfo, TimelineId, WalGap};

/// Everything a destination (and the old `pg_wal`) allows to recover to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecoveryMap {
    /// The backup destination.
    pub destination: PathBuf,
    /// Timelines, by number.
    pub branches: Vec<Branch>,
    /// Complete backups, oldest first.
    pub backups: Vec<MapBackup>,
    /// Restore points, oldest first.
    pub restore_points: Vec<RestorePointInfo>,
    /// The timeline in use, which a recovery follows unless told otherwise.
    pub current: Option<TimelineId>,
    /// Bytes of a WAL segment.
    pub segment_bytes: u64,
    /// Bytes restored in a second, as measured or assumed.
    pub restore_bytes_per_second: f64,
    /// Bytes of WAL replayed in a second, as measured or assumed.
    pub replay_bytes_per_second: f64,
    /// The last rehearsal.
    pub rehearsal: Option<RehearsalRecord>,
}

/// One timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Branch {
    /// Its number.
    pub timeline: TimelineId,
    /// The timeline it left, and where.
    pub fork: Option<(TimelineId, Lsn)>,
    /// Its own WAL in unbroken pieces, in order; those of its ancestors are theirs.
    pub spans: Vec<MapSpan>,
    /// What is missing between and before them.
    pub gaps: Vec<WalGap>,
}

/// Unbroken WAL of one timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapSpan {
    /// Where it begins.
    pub from_lsn: Lsn,
    /// Where its last record ends.
    pub to_lsn: Lsn,
    /// Its first commit.
    pub from_at: Option<DateTime<Utc>>,
    /// Its last commit.
    pub to_at: Option<DateTime<Utc>>,
    /// Segments.
    pub segments: u64,
    /// Points to tell times by, in order: about one for each segment, at most 2,000 evenly spread.
    pub marks: Vec<MapMark>,
}

/// A position and the time of the last commit before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapMark {
    /// The position.
    pub lsn: Lsn,
    /// The time.
    pub at: DateTime<Utc>,
}

/// A backup on the map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapBackup {
    /// Its name.
    pub label: String,
    /// Full or incremental.
    pub kind: BackupKind,
    /// The timeline.
    pub timeline: TimelineId,
    /// Where replay begins.
    pub start_lsn: Lsn,
    /// Where it becomes consistent.
    pub stop_lsn: Lsn,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Bytes of the cluster.
    pub bytes: u64,
}

/// Whether a position can be recovered to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// It can.
    Reachable {
        /// From this backup.
        backup: String,
        /// With this many WAL segments.
        segments: u64,
        /// In about this many seconds.
        seconds: f64,
    },
    /// It cannot.
    Unreachable {
        /// Why, lower case.
        reason: String,
        /// The nearest position on the same timeline that can.
        nearest: Option<Lsn>,
    },
}
