//! Which timeline is in use.

use chrono::{DateTime, Utc};

use super::facts::SegmentFacts;
use super::sources::{FoundSegment, WalSources};
use crate::pg::control_file::ControlFile;
use crate::pg::types::TimelineId;
use crate::pg::wal::SegmentName;

/// Segments looked at back from a timeline's newest in search of a commit.
const SEGMENTS_BACK_MAX: usize = 64;

/// The timeline a control file says its server was on.
#[must_use]
pub fn of_control(control: &ControlFile) -> Option<TimelineId> {
    // After a promotion the recovery point is on the new timeline before a checkpoint is.
    control.checkpoint_copy.timeline.max(control.min_recovery_point_timeline)
}

/// The timeline whose WAL holds the newest commit; of equal ones the later. Never simply the
/// highest number: a rehearsal or a copy may have made one.
#[must_use]
pub fn of_newest_commit(sources: &WalSources) -> Option<TimelineId> {
    let timelines = sources.timelines().into_iter();
    timelines.filter_map(|one| Some((newest_commit(sources, one)?, one))).max().map(|(_, one)| one)
}

fn newest_commit(sources: &WalSources, timeline: TimelineId) -> Option<DateTime<Utc>> {
    let numbers = sources.numbers(timeline);
    let newest = numbers.iter().rev().take(SEGMENTS_BACK_MAX);
    newest
        .filter_map(|number| SegmentName::new(timeline, *number, sources.size))
        .filter_map(|name| facts(sources, &sources.find(name)?))
        .find_map(|facts| facts.commit_last())
}

fn facts(sources: &WalSources, found: &FoundSegment) -> Option<SegmentFacts> {
    if super::facts::is_rescued(found) {
        SegmentFacts::read(sources, found, None).ok().map(|(facts, _)| facts)
    } else {
        SegmentFacts::load(sources, found).ok()
    }
}
