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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::document::tests::sample;

    #[test]
    fn a_good_rehearsal_is_believed_before_the_backup() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let mut backup = sample("2026-07-01_13-30-40", None);
        let speed = |backup: &BackupDocument| speeds(&disk, root.path(), backup, 2);
        assert_eq!(speed(&backup).restore, RESTORE_ASSUMED * 2.0);
        backup.sizes.read_bytes = 300 << 20;
        backup.sizes.copy_ms = 1000;
        let copied = speed(&backup);
        assert_eq!((copied.restore, copied.is_measured), (float(300 << 20), false));
        let record = |ok: bool, bytes: u64| {
            let record = RehearsalRecord {
                at: "2026-07-01T13:30:40Z".parse().unwrap(),
                ok,
                target: "the latest position".to_owned(),
                backup: "2026-07-01_13-30-40".to_owned(),
                reached: None,
                last_commit_at: None,
                restore_seconds: 2.0,
                restore_bytes: bytes,
                replay_seconds: 4.0,
                replay_bytes: bytes,
                checks: Vec::new(),
                error: None,
            };
            serde_json::to_string(&record).unwrap()
        };
        // The last line may be cut.
        let lines = [record(true, 1000), record(true, 2000), record(false, 9000), "{\"at".into()];
        std::fs::write(root.path().join("rehearsals.jsonl"), lines.join("\n")).unwrap();
        let rehearsed = speed(&backup);
        assert_eq!(rehearsed, Speeds { restore: 1000.0, replay: 500.0, is_measured: true });
        let any = last_rehearsal(&disk, root.path(), Wanted::Any).unwrap();
        assert_eq!((any.ok, any.restore_bytes), (false, 9000));
    }
}
