//! What a destination protects: from each backup to where its WAL reaches. Reads labels, names
//! and indexes, never the content of a segment.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::catalog::{self, CatalogEntry};
use super::document::BackupDocument;
use super::layout::RESTORE_POINTS_FILE;
use super::restore_points;
use crate::api::{Protection, RecoveryWindow, RestorePointInfo, Result, WalGap};
use crate::pg::types::{Lsn, TimelineId};
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory, WalFileName};
use crate::recovery::rehearse;
use crate::sys::disk::Disk;
use crate::wal::archive::{Archive, Inventory};
use crate::wal::continuity::gaps_between;
use crate::wal::identity::unreadable;

/// Indexes read back from a window's end in search of a commit; an idle server archives
/// segments without any.
const INDEXES_BACK_MAX: u64 = 64;
/// Gaps told; a destination with more has lost its archive.
const GAPS_MAX: usize = 100;

/// Indexes read for restore points in one look; an archive of more is read over several.
const INDEXES_PER_LOOK_MAX: usize = 2_000;
/// Restore points shown.
const RESTORE_POINTS_MAX: usize = 1_000;

/// Restore points found in indexes so far. Segments never change, so each index is read once.
#[derive(Clone, Debug, Default)]
pub struct PointsSeen {
    segments: BTreeSet<WalFileName>,
    points: Vec<RestorePointInfo>,
}

impl PointsSeen {
    /// Reads indexes that were not read yet, newest first.
    fn take_in(&mut self, archive: &Archive, inventory: &Inventory) -> Result<()> {
        let new: Vec<WalFileName> = inventory
            .names()
            .filter(|name| matches!(name, WalFileName::Segment(_)) && !self.segments.contains(name))
            .collect();
        for name in new.into_iter().rev().take(INDEXES_PER_LOOK_MAX) {
            self.segments.insert(name);
            let Some(index) = archive.index(name)? else { continue };
            for point in index.restore_points {
                let Some(created_at) = point.at else { continue };
                self.points.push(RestorePointInfo {
                    name: point.name,
                    lsn: point.end.to_string(),
                    timeline: name.timeline().as_u32(),
                    created_at,
                });
            }
        }
        self.segments.retain(|name| inventory.contains(*name));
        Ok(())
    }

    /// Those of the register and those only the WAL knows, newest first.
    fn with_register(&self, register: Vec<RestorePointInfo>) -> Vec<RestorePointInfo> {
        let mut all = register;
        for point in &self.points {
            let is_known = all.iter().any(|one| one.name == point.name && one.lsn == point.lsn);
            if !is_known {
                all.push(point.clone());
            }
        }
        all.sort_by_key(|point| std::cmp::Reverse(point.created_at));
        all.truncate(RESTORE_POINTS_MAX);
        all
    }
}

/// Looks at a destination. Blocking; runs with the credentials of its owner.
///
/// # Errors
/// `RepositoryUnreadable`, `RepositoryDamaged`. A destination without an archive has none.
pub fn look(disk: &Disk, destination: &Path, points: &mut PointsSeen) -> Result<Protection> {
    let entries = catalog::read(disk, destination)?;
    let mut protection = Protection {
        destination: Some(destination.to_path_buf()),
        backups: entries.iter().rev().map(catalog::info).collect(),
        rehearsal: rehearse::records(disk, destination)
            .map_err(|error| unreadable(destination, &error))?
            .pop(),
        ..Protection::default()
    };
    let register = restore_points::read(disk, destination)
        .map_err(|error| unreadable(&destination.join(RESTORE_POINTS_FILE), &error))?;
    let Some(archive) = Archive::open_if_there(disk, destination)? else {
        protection.restore_points = points.with_register(register);
        return Ok(protection);
    };
    let inventory = archive.list()?;
    points.take_in(&archive, &inventory)?;
    protection.restore_points = points.with_register(register);
    let is_segment = |name: &WalFileName| matches!(name, WalFileName::Segment(_));
    protection.segments = inventory.names().filter(is_segment).count() as u64;
    let Some(size) = archive.segment_size(&inventory)? else { return Ok(protection) };
    protection.restore_points.retain(|point| restore_points::is_reachable(point, &inventory, size));
    let histories = archive.histories(&inventory)?;
    let view = View { archive: &archive, inventory: &inventory, histories: &histories, size };
    for entry in &entries {
        view.add(entry, &mut protection)?;
    }
    if let Some(last) = protection.windows.last() {
        protection.durable_lsn = Some(last.to_lsn);
        protection.durable_commit_at = last.to_at;
    }
    Ok(protection)
}

struct View<'a> {
    archive: &'a Archive,
    inventory: &'a Inventory,
    histories: &'a [TimelineHistory],
    size: SegmentSize,
}

impl View<'_> {
    fn add(&self, entry: &CatalogEntry, protection: &mut Protection) -> Result<()> {
        let Some(document) = entry.complete() else { return Ok(()) };
        let Some(reach) = Reach::of(document) else { return Ok(()) };
        let newest = self.history_through(reach.timeline, reach.stop);
        let timeline = newest.timeline();
        let (history, fork) = self.with_segments(newest);
        let Some(tip) = self.tip(&history, fork, reach.stop) else { return Ok(()) };
        let end = tip.number.saturating_add(1).saturating_mul(u64::from(self.size.bytes()));
        let Some(end) = Lsn::from_u64(end) else { return Ok(()) };
        let gaps = gaps_between(self.inventory, &history, self.size, reach.start, end);
        let first_missing = gaps.first().and_then(|gap| gap.first.number(self.size));
        for gap in &gaps {
            let gap = WalGap {
                first: gap.first.to_string(),
                last: gap.last.to_string(),
                segments: gap.segments,
            };
            if !protection.gaps.contains(&gap) && protection.gaps.len() < GAPS_MAX {
                protection.gaps.push(gap);
            }
        }
        let last_number = match first_missing {
            None => tip.number,
            Some(0) => return Ok(()),
            Some(number) => number - 1,
        };
        let Some((to_lsn, to_at)) = self.end_of(&history, last_number, fork, reach.stop)? else {
            // WAL of the backup itself is missing: nothing can be recovered from it.
            return Ok(());
        };
        protection.newest_segment = self.name(&history, last_number).map(|name| name.to_string());
        protection.windows.push(RecoveryWindow {
            backup: entry.label.to_string(),
            timeline,
            from_lsn: reach.stop,
            from_at: document.ended_at,
            to_lsn,
            to_at,
            ends_at_gap: first_missing.is_some(),
        });
        Ok(())
    }

    /// The history that is followed from a backup: of the timelines that go through its end,
    /// the one that began last.
    fn history_through(&self, timeline: TimelineId, stop: Lsn) -> TimelineHistory {
        let passes = |history: &&TimelineHistory| {
            history.timeline() == timeline
                || history.end_of(timeline).is_some_and(|end| stop <= end)
        };
        let followed = self.histories.iter().filter(passes);
        followed
            .max_by_key(|history| history.timeline())
            .cloned()
            .unwrap_or_else(|| TimelineHistory::root(timeline))
    }

    /// The history, or when its timeline has only begun and has no segment that of the parent,
    /// whose segments count up to the fork.
    fn with_segments(&self, mut history: TimelineHistory) -> (TimelineHistory, Option<Lsn>) {
        let mut fork = None;
        while self.inventory.newest(history.timeline()).is_none() {
            let Some(left) = history.ancestors().last().cloned() else { break };
            let Some(parent) = history.of_ancestor(left.timeline) else { break };
            (history, fork) = (parent, Some(left.at));
        }
        (history, fork)
    }

    /// The newest segment on the way to a timeline, or to where it was left.
    fn tip(&self, history: &TimelineHistory, fork: Option<Lsn>, stop: Lsn) -> Option<Tip> {
        let number = self.inventory.newest(history.timeline())?.number(self.size)?;
        let number = fork.map_or(number, |at| number.min(self.size.number_before(at)));
        (number >= self.size.number_of(stop).min(self.size.number_before(stop)))
            .then_some(Tip { number })
    }

    fn name(&self, history: &TimelineHistory, number: u64) -> Option<SegmentName> {
        SegmentName::new(history.timeline_of_segment(number, self.size), number, self.size)
    }

    /// Where WAL up to this segment ends, and the latest commit in it. Of the segment with the
    /// fork it is not known which commits are before it.
    fn end_of(
        &self,
        history: &TimelineHistory,
        last: u64,
        fork: Option<Lsn>,
        stop: Lsn,
    ) -> Result<Option<(Lsn, Option<DateTime<Utc>>)>> {
        if last < self.size.number_before(stop) {
            return Ok(None);
        }
        let bytes = u64::from(self.size.bytes());
        let mut end = Lsn::from_u64(last.saturating_add(1).saturating_mul(bytes));
        let mut latest = None;
        for back in 0..INDEXES_BACK_MAX {
            let Some(number) = last.checked_sub(back) else { break };
            let Some(name) = self.name(history, number) else { break };
            let Some(index) = self.archive.index(WalFileName::Segment(name))? else { break };
            if back == 0 {
                end = index.end_lsn.or(end);
            }
            if fork.is_none_or(|at| number < self.size.number_of(at)) {
                latest = latest.max(index.commit_last);
            }
            if latest.is_some() {
                break;
            }
        }
        let end = end.map(|end| fork.map_or(end, |at| end.min(at)));
        Ok(end.map(|end| (end.max(stop), latest)))
    }
}

#[derive(Clone, Copy)]
struct Tip {
    number: u64,
}

/// The WAL a backup needs in any case.
#[derive(Clone, Copy)]
struct Reach {
    timeline: TimelineId,
    start: Lsn,
    stop: Lsn,
}

impl Reach {
    fn of(document: &BackupDocument) -> Option<Self> {
        Some(Self {
            timeline: TimelineId::from_u32(document.timeline)?,
            start: document.start_lsn.parse().ok()?,
            stop: document.stop_lsn.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::document::{self, tests::sample};
    use crate::backup::layout;

    const LABEL: &str = "2026-07-01_00-00-00";

    /// A destination with one backup (0/2000028 to 0/2000158) and these files in its archive.
    fn protection(names: &[&str]) -> Protection {
        let root = tempfile::tempdir().unwrap();
        let backup = root.path().join(LABEL);
        let archive = root.path().join("archived_wal");
        std::fs::create_dir(&backup).unwrap();
        std::fs::create_dir(&archive).unwrap();
        let text = document::label_text(&sample(LABEL, None));
        std::fs::write(backup.join(layout::LABEL_FILE), text).unwrap();
        for name in names {
            let content = match name.split_once('=') {
                Some((_, content)) => content.as_bytes().to_vec(),
                None => vec![0; 16 << 20],
            };
            let name = name.split_once('=').map_or(*name, |(name, _)| name);
            std::fs::write(archive.join(name), content).unwrap();
        }
        look(&Disk::real(), root.path(), &mut PointsSeen::default()).unwrap()
    }

    #[test]
    fn a_window_reaches_from_the_backup_to_the_newest_segment() {
        let protection = protection(&["000000010000000000000002", "000000010000000000000003"]);
        assert_eq!(protection.segments, 2);
        assert_eq!(protection.gaps, []);
        let window = &protection.windows[0];
        assert_eq!((window.backup.as_str(), window.ends_at_gap), (LABEL, false));
        assert_eq!(window.from_lsn.to_string(), "0/2000158");
        assert_eq!(window.to_lsn.to_string(), "0/4000000");
        assert_eq!(protection.newest_segment.as_deref(), Some("000000010000000000000003"));
        assert_eq!(protection.newest_complete().unwrap().label, LABEL);
    }

    #[test]
    fn a_gap_ends_it() {
        let protection = protection(&[
            "000000010000000000000002",
            "000000010000000000000004",
            "000000010000000000000007",
        ]);
        let gaps: Vec<_> =
            protection.gaps.iter().map(|gap| (gap.first.as_str(), gap.segments)).collect();
        assert_eq!(gaps, [("000000010000000000000003", 1), ("000000010000000000000005", 2)]);
        assert!(protection.windows[0].ends_at_gap);
        assert_eq!(protection.windows[0].to_lsn.to_string(), "0/3000000");
    }

    #[test]
    fn without_the_backups_own_wal_there_is_no_window() {
        let protection = protection(&["000000010000000000000003"]);
        assert_eq!(protection.windows, []);
        assert_eq!(protection.gaps.len(), 1);
        assert_eq!(protection.durable_lsn, None);
    }

    #[test]
    fn a_new_timeline_is_followed() {
        let protection = protection(&[
            "000000010000000000000002",
            "000000010000000000000003.partial",
            "00000002.history=1\t0/3000100\tno recovery target specified\n",
            "000000020000000000000003",
            "000000020000000000000004",
        ]);
        assert_eq!(protection.gaps, []);
        let window = &protection.windows[0];
        assert_eq!(window.timeline.as_u32(), 2);
        assert_eq!(window.to_lsn.to_string(), "0/5000000");
    }

    #[test]
    fn a_timeline_that_has_only_begun_has_no_gap() {
        let protection = protection(&[
            "000000010000000000000002",
            "000000010000000000000003",
            "000000010000000000000004",
            "000000010000000000000005",
            "00000002.history=1\t0/3000100\tno recovery target specified\n",
        ]);
        assert_eq!(protection.gaps, []);
        let window = &protection.windows[0];
        assert_eq!((window.timeline.as_u32(), window.ends_at_gap), (2, false));
        assert_eq!(window.to_lsn.to_string(), "0/3000100");
    }
}
