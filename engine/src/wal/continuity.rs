//! Gaps: which segments a recovery along a timeline would miss. Pure over an inventory.

use crate::pg::types::{Lsn, TimelineId};
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory, WalFileName};

use super::archive::Inventory;

/// Segments that are absent, in one piece of one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first that is absent.
    pub first: SegmentName,
    /// The last that is absent.
    pub last: SegmentName,
    /// How many.
    pub segments: u64,
}

/// The segments that are absent between two positions on the way to a timeline, both
/// positions' own segments included. Each segment is looked for on the timeline that a
/// recovery reads it from; where a timeline ended, its `.partial` or the child's first segment
/// holds the same WAL.
#[must_use]
pub fn gaps_between(
    inventory: &Inventory,
    history: &TimelineHistory,
    size: SegmentSize,
    from: Lsn,
    to: Lsn,
) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for number in size.number_of(from)..=size.number_before(to).max(size.number_of(from)) {
        let timeline = history.timeline_of_segment(number, size);
        let Some(name) = SegmentName::new(timeline, number, size) else { break };
        if !is_present(inventory, name) {
            add(&mut gaps, name, size);
        }
    }
    gaps
}

/// The segments absent between the oldest and the newest of a timeline.
#[must_use]
pub fn gaps_of_timeline(
    inventory: &Inventory,
    timeline: TimelineId,
    size: SegmentSize,
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let oldest = inventory.segments(timeline).next().and_then(|name| name.number(size));
    let newest = inventory.newest(timeline).and_then(|name| name.number(size));
    let (Some(oldest), Some(newest)) = (oldest, newest) else { return gaps };
    for number in oldest..=newest {
        let Some(name) = SegmentName::new(timeline, number, size) else { break };
        if !is_present(inventory, name) {
            add(&mut gaps, name, size);
        }
    }
    gaps
}

fn is_present(inventory: &Inventory, name: SegmentName) -> bool {
    inventory.contains(WalFileName::Segment(name)) || inventory.contains(WalFileName::Partial(name))
}

/// Adds an absent segment to the gap before it, or begins one.
fn add(gaps: &mut Vec<Gap>, name: SegmentName, size: SegmentSize) {
    let follows = |gap: &Gap| {
        gap.last.timeline() == name.timeline()
            && gap.last.number(size).map(|number| number + 1) == name.number(size)
    };
    match gaps.last_mut() {
        Some(gap) if follows(gap) => {
            gap.last = name;
            gap.segments += 1;
        }
        _ => gaps.push(Gap { first: name, last: name, segments: 1 }),
    }
}

/// Why the absence of a file is not the end of the archive: what proves that there is more on
/// its path. `None` when nothing does.
///
/// For a segment that is: a later segment of its timeline, unless the timeline began after it
/// (then it never existed); or a timeline that left this one in a later segment. For a
/// history: a later history, when the archive also has something older, so that it was in use
/// when the timeline began.
#[must_use]
pub fn proof_of_more(
    inventory: &Inventory,
    histories: &[TimelineHistory],
    size: Option<SegmentSize>,
    absent: WalFileName,
) -> Option<String> {
    match absent {
        WalFileName::Segment(name) => more_behind_segment(inventory, histories, size, name),
        WalFileName::History(timeline) => more_behind_history(inventory, timeline),
        WalFileName::Partial(_) | WalFileName::Backup { .. } => None,
    }
}

fn more_behind_segment(
    inventory: &Inventory,
    histories: &[TimelineHistory],
    size: Option<SegmentSize>,
    name: SegmentName,
) -> Option<String> {
    let timeline = name.timeline();
    let own = histories.iter().find(|history| history.timeline() == timeline);
    let number = size.and_then(|size| name.number(size));
    if let (Some(begin), Some(size), Some(number)) =
        (own.and_then(TimelineHistory::begins_at), size, number)
        && number < size.number_of(begin)
    {
        return None;
    }
    if let Some(newest) = inventory.newest(timeline).filter(|newest| *newest > name) {
        return Some(format!("segments up to {newest} of the same timeline are there"));
    }
    let (size, number) = (size?, number?);
    histories.iter().find_map(|history| {
        let end = history.end_of(timeline)?;
        let left_later = size.number_of(end) > number;
        let newest = inventory.newest(history.timeline())?;
        left_later.then(|| {
            let child = history.timeline().decimal();
            format!(
                "timeline {child} goes on from {end}, and its segments up to {newest} are there"
            )
        })
    })
}

fn more_behind_history(inventory: &Inventory, timeline: TimelineId) -> Option<String> {
    if timeline.as_u32() == 1 {
        return None;
    }
    let earlier = inventory.timelines().into_iter().any(|other| other < timeline);
    let later = inventory
        .names()
        .find(|name| matches!(name, WalFileName::History(other) if *other > timeline));
    later.filter(|_| earlier).map(|later| format!("\"{later}\" of a later timeline is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: SegmentSize = SegmentSize::DEFAULT;

    fn inventory(names: &[&str]) -> Inventory {
        let mut inventory = Inventory::default();
        for name in names {
            inventory.add(WalFileName::parse(name).unwrap(), name.into());
        }
        inventory
    }

    fn segment(timeline: u32, number: u64) -> String {
        SegmentName::new(TimelineId::from_u32(timeline).unwrap(), number, SIZE).unwrap().to_string()
    }

    fn history(timeline: u32, text: &str) -> TimelineHistory {
        TimelineHistory::parse(TimelineId::from_u32(timeline).unwrap(), text).unwrap()
    }

    #[track_caller]
    fn check(present: &[String], histories: &[TimelineHistory], absent: &str, more: bool) {
        let names: Vec<&str> = present.iter().map(String::as_str).collect();
        let absent = WalFileName::parse(absent).unwrap();
        let proof = proof_of_more(&inventory(&names), histories, Some(SIZE), absent);
        assert_eq!(proof.is_some(), more, "{proof:?}");
    }

    #[test]
    fn the_tip_of_an_archive_is_its_end() {
        check(&[segment(1, 1), segment(1, 2)], &[], &segment(1, 3), false);
        check(&[], &[], &segment(1, 3), false);
        check(&[segment(1, 1)], &[], "00000002.history", false);
        check(&[segment(1, 1)], &[], "00000001.history", false);
    }

    #[test]
    fn a_hole_is_not_the_end() {
        check(&[segment(1, 1), segment(1, 3)], &[], &segment(1, 2), true);
        check(&[segment(1, 0xFF), segment(1, 0x101)], &[], &segment(1, 0x100), true);
        check(&[segment(1, 1), format!("{}.partial", segment(1, 3))], &[], &segment(1, 2), true);
        let present = [segment(1, 1), "00000003.history".to_owned()];
        check(&present, &[], "00000002.history", true);
    }

    #[test]
    fn a_child_that_left_later_proves_a_hole() {
        // Timeline 2 left timeline 1 in segment 5.
        let child = history(2, "1\t0/5000100\tno recovery target specified\n");
        let present = [segment(1, 2), segment(2, 5), "00000002.history".to_owned()];
        check(&present, std::slice::from_ref(&child), &segment(1, 3), true);
        // Segment 5 itself is the child's now: a standby must be told to look there.
        let present = [segment(1, 4), segment(2, 5), "00000002.history".to_owned()];
        check(&present, std::slice::from_ref(&child), &segment(1, 5), false);
        // What timeline 2 never had.
        check(&present, &[child], &segment(2, 4), false);
    }

    #[test]
    fn an_archive_that_began_with_a_later_timeline_misses_no_history() {
        let present = [segment(5, 9), segment(6, 11), "00000006.history".to_owned()];
        check(&present, &[], "00000005.history", false);
        check(&present, &[], "00000007.history", false);
    }

    #[test]
    fn gaps_follow_the_timelines() {
        let child = history(2, "1\t0/5000100\treason\n");
        let names = [segment(1, 1), segment(1, 2), segment(1, 4), segment(2, 5), segment(2, 8)];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let inventory = inventory(&names);
        let lsn = |text: &str| text.parse::<Lsn>().unwrap();
        let between = |from, to| gaps_between(&inventory, &child, SIZE, lsn(from), lsn(to));
        assert_eq!(between("0/1000028", "0/3000000"), []);
        let gaps = between("0/1000028", "0/9000000");
        let said: Vec<_> = gaps.iter().map(|gap| (gap.first.to_string(), gap.segments)).collect();
        assert_eq!(said, [(segment(1, 3), 1), (segment(2, 6), 2)]);
        let of_two = gaps_of_timeline(&inventory, TimelineId::from_u32(2).unwrap(), SIZE);
        assert_eq!(of_two.len(), 1);
        assert_eq!(of_two[0].last.to_string(), segment(2, 7));
    }
}
