//! How long it will take, from what was measured.

use std::path::Path;

use super::super::rehearse;
use super::super::site::RecoverySite;
use crate::api::{Estimate, RehearsalRecord};
use crate::backup::document::BackupDocument;
use crate::sys::disk::Disk;

/// Assumed until measured: bytes a second of one restoring thread, and of replay.
const RESTORE_ASSUMED: f64 = 100e6;
const REPLAY_ASSUMED: f64 = 50e6;

/// Speeds, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speeds {
    pub(crate) restore: f64,
    pub(crate) replay: f64,
    pub(crate) is_measured: bool,
}

/// The last rehearsal; or the last that went well.
#[must_use]
pub fn last_rehearsal(disk: &Disk, destination: &Path, wanted: Wanted) -> Option<RehearsalRecord> {
    let records = rehearse::records(disk, destination).ok()?;
    records.into_iter().rev().find(|record| wanted == Wanted::Any || record.ok)
}

/// Which rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The last.
    Any,
    /// The last that went well.
    Good,
}

/// The speeds of a destination: of its last good rehearsal, else as the backup was copied.
pub(crate) fn speeds(
    disk: &Disk,
    destination: &Path,
    backup: &BackupDocument,
    jobs: u32,
) -> Speeds {
    let rehearsal = last_rehearsal(disk, destination, Wanted::Good);
    let measured = rehearsal.as_ref().and_then(|one| speed(one.restore_bytes, one.restore_seconds));
    if let (Some(one), Some(restore)) = (&rehearsal, measured) {
        let replay = speed(one.replay_bytes, one.replay_seconds).unwrap_or(REPLAY_ASSUMED);
        return Speeds { restore, replay, is_measured: true };
    }
    let sizes = &backup.sizes;
    let copied = speed(sizes.read_bytes, float(sizes.copy_ms) / 1000.0);
    let restore = copied.unwrap_or(RESTORE_ASSUMED * f64::from(jobs));
    Speeds { restore, replay: REPLAY_ASSUMED, is_measured: false }
}

/// A speed that figures of any size give; a second's work at least.
fn speed(bytes: u64, seconds: f64) -> Option<f64> {
    (bytes > 0 && seconds > 0.0).then(|| float(bytes) / seconds)
}

pub(super) fn estimate(
    site: &RecoverySite,
    destination: &Path,
    backup: &BackupDocument,
    jobs: u32,
    replay_bytes: u64,
) -> Estimate {
    let speeds = speeds(&site.backup.disk, destination, backup, jobs);
    Estimate {
        restore_seconds: float(backup.sizes.cluster_bytes) / speeds.restore,
        replay_seconds: float(replay_bytes) / speeds.replay,
        is_measured: speeds.is_measured,
    }
}

/// A count as a figure to reckon with.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
