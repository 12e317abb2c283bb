//! The way along a history: every segment there is from a number on, with its facts, and how
//! far it can be walked.

use std::collections::BTreeSet;

use super::facts::{Carried, RecordFact, SegmentFacts, is_rescued, records, scan};
use super::sources::{FoundSegment, WalSources};
use crate::api::Result;
use crate::pg::types::Lsn;
use crate::pg::wal::{Carry, SegmentName, SegmentSize, TimelineHistory, WalVersion};
use crate::wal::index::SegmentTail;

/// Threads that read indexes; they wait for the disk more than they work.
const THREADS_MAX: usize = 8;
/// Segments for one thread at least.
const SEGMENTS_PER_THREAD: usize = 256;

/// One segment of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The segment's number.
    pub number: u64,
    /// Its file.
    pub found: FoundSegment,
    /// What it holds, or why it cannot be replayed.
    pub facts: Result<SegmentFacts, String>,
    /// Where it stops being on the way: the fork, when only the parent's file is there.
    pub until: Option<Lsn>,
}

/// Why the way ends before WAL does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What is wrong, lower case.
    pub why: String,
    /// The segment that is missing or cannot be used.
    pub segment: String,
}

/// Segments along a history.
#[derive(Clone, Debug)]
pub struct Way {
    /// The history.
    pub history: TimelineHistory,
    /// Bytes of a segment.
    pub size: SegmentSize,
    /// Every segment there is, in order.
    pub legs: Vec<Leg>,
    /// So many of them can be walked one after the other from the first.
    pub walkable: usize,
    /// Why not more, when there is more.
    pub broken: Option<Break>,
}

impl Way {
    /// Loads the way from a segment on. Blocking; reads every index on it, and every segment
    /// that has none or is not archived.
    #[must_use]
    pub fn load(sources: &WalSources, history: &TimelineHistory, from: u64) -> Self {
        let files = Self::files(sources, history, from);
        let mut legs = facts_of(sources, files);
        read_rescued(sources, &mut legs);
        let version = sources.expected.major.and_then(WalVersion::from_major);
        for at in 1..legs.len() {
            let (before, rest) = legs.split_at_mut(at);
            let (Some(before), Some(leg)) = (before.last(), rest.first_mut()) else { continue };
            if before.number + 1 != leg.number {
                continue;
            }
            if let (Ok(before), Ok(facts)) = (&before.facts, &mut leg.facts) {
                facts.join(before, version);
            }
        }
        Self::of_legs(history.clone(), sources.size, legs, from)
    }

    /// The way of these legs, from a segment on.
    pub(super) fn of_legs(
        history: TimelineHistory,
        size: SegmentSize,
        legs: Vec<Leg>,
        from: u64,
    ) -> Self {
        let mut way = Self { history, size, legs, walkable: 0, broken: None };
        way.walk(from);
        way
    }

    /// Every file on the way, the oldest first.
    fn files(sources: &WalSources, history: &TimelineHistory, from: u64) -> Vec<Leg> {
        let size = sources.size;
        let mut files = Vec::new();
        let mut add = |number: u64, found: FoundSegment, until: Option<Lsn>| {
            let facts = Err(String::new());
            files.push(Leg { number, found, facts, until });
        };
        let mut begins = 0;
        let forks = history.ancestors().iter().map(|switch| (switch.timeline, Some(switch.at)));
        for (timeline, until) in forks.chain([(history.timeline(), None)]) {
            let numbers: BTreeSet<u64> = sources.numbers(timeline);
            let last = until.map_or(u64::MAX, |at| size.number_of(at));
            for number in numbers.into_iter().filter(|number| *number >= from.max(begins)) {
                let followed = history.timeline_of_segment(number, size);
                let name = SegmentName::new(timeline, number, size);
                let Some(found) = name.and_then(|name| sources.find(name)) else { continue };
                if followed == timeline {
                    add(number, found, None);
                } else if number == last {
                    // The segment of the fork; the child's file is better and replaces it.
                    add(number, found, until);
                }
            }
            begins = last;
        }
        files.sort_by_key(|leg| (leg.number, leg.until.is_none()));
        // Of two files of one segment the last one is the child's.
        files.reverse();
        files.dedup_by_key(|leg| leg.number);
        files.reverse();
        files
    }

    /// Finds how far the way goes without a gap.
    fn walk(&mut self, from: u64) {
        for (expected, (at, leg)) in (from..).zip(self.legs.iter().enumerate()) {
            let broken = if leg.number == expected {
                self.trouble(at, leg)
            } else {
                let name = self.name(expected);
                let missing = leg.number - expected;
                let why = match missing {
                    1 => format!("segment {name} is missing"),
                    _ => format!("segment {name} and {} more behind it are missing", missing - 1),
                };
                Some((at, Break { why, segment: name }))
            };
            if let Some((walkable, broken)) = broken {
                self.walkable = walkable;
                self.broken = Some(broken);
                return;
            }
        }
        self.walkable = self.legs.len();
    }

    /// Why the way ends at a leg, and how many legs it has then.
    fn trouble(&self, at: usize, leg: &Leg) -> Option<(usize, Break)> {
        let segment = leg.found.segment.to_string();
        let broken = |walkable, why| Some((walkable, Break { why, segment: segment.clone() }));
        let facts = match &leg.facts {
            Ok(facts) => facts,
            Err(why) => return broken(at, format!("segment {segment} cannot be used: {why}")),
        };
        if let Some(change) = facts.changes().find(|change| change.wal_level == 0) {
            let why = format!("from {} on WAL was written with wal_level = minimal", change.lsn);
            return broken(at, why);
        }
        let is_last = at + 1 == self.legs.len();
        if let Some(fork) = leg.until.filter(|_| !is_last) {
            let name = self.name(leg.number);
            let why = format!("segment {name}, in which the timeline begins at {fork}, is missing");
            return Some((at + 1, Break { why, segment: name }));
        }
        let until = facts.index.tail_at.map_or_else(String::new, |until| until.to_string());
        match facts.index.tail {
            SegmentTail::Encrypted => {
                broken(at, format!("segment {segment} is encrypted from {until} on"))
            }
            SegmentTail::Unwritten | SegmentTail::Damaged if !is_last => {
                broken(at + 1, format!("segment {segment} ends at {until}, and later ones follow"))
            }
            _ => None,
        }
    }

    /// The name of the file that is read for a segment.
    #[must_use]
    pub fn name(&self, number: u64) -> String {
        let timeline = self.history.timeline_of_segment(number, self.size);
        SegmentName::new(timeline, number, self.size)
            .map_or_else(String::new, |one| one.to_string())
    }

    /// The legs that can be walked.
    #[must_use]
    pub fn walkable(&self) -> &[Leg] {
        &self.legs[..self.walkable]
    }

    /// The legs behind a gap or damage.
    #[must_use]
    pub fn beyond(&self) -> &[Leg] {
        &self.legs[self.walkable..]
    }

    /// The whole records that end in a leg, also the one that comes from the leg before.
    ///
    /// # Errors
    /// As reading segments.
    pub fn records(&self, sources: &WalSources, at: usize) -> Result<Vec<RecordFact>> {
        let mut first = at;
        while first > 0 && self.comes_from_before(first) {
            first -= 1;
            let begins = self.legs[first].facts.as_ref().ok();
            if begins.is_some_and(|facts| facts.index.first_lsn.is_some()) {
                break;
            }
        }
        let segments: Vec<&FoundSegment> =
            self.legs[first..=at].iter().map(|leg| &leg.found).collect();
        let mut records = records(sources, &segments)?;
        if let Some(until) = self.legs[at].until {
            records.retain(|record| record.lsn < until);
        }
        Ok(records)
    }

    fn comes_from_before(&self, at: usize) -> bool {
        let leg = &self.legs[at];
        let continues = leg.facts.as_ref().is_ok_and(|facts| facts.index.continues_previous);
        continues && self.legs[at - 1].number + 1 == leg.number
    }
}

/// Loads facts of archived segments, on several threads when there are many.
fn facts_of(sources: &WalSources, mut legs: Vec<Leg>) -> Vec<Leg> {
    let load = |legs: &mut [Leg]| {
        for leg in legs.iter_mut().filter(|leg| !is_rescued(&leg.found)) {
            leg.facts = SegmentFacts::load(sources, &leg.found);
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = processors.min(THREADS_MAX).min(legs.len() / SEGMENTS_PER_THREAD + 1);
    if threads <= 1 {
        load(&mut legs);
        return legs;
    }
    let share = legs.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for part in legs.chunks_mut(share) {
            scope.spawn(|| load(part));
        }
    });
    legs
}

/// Reads the segments that are not archived, each going on where the one before ended.
fn read_rescued(sources: &WalSources, legs: &mut [Leg]) {
    let mut carry: Option<Carry> = None;
    for at in 0..legs.len() {
        if !is_rescued(&legs[at].found) {
            carry = None;
            continue;
        }
        let follows = at > 0 && legs[at - 1].number + 1 == legs[at].number;
        if carry.is_none() && follows && !is_rescued(&legs[at - 1].found) {
            carry = scan(sources, &legs[at - 1].found, None, |_| ()).ok().flatten();
        }
        let carry_in = carry.take().filter(|_| follows);
        match SegmentFacts::read(sources, &legs[at].found, carry_in) {
            Ok((facts, left)) => {
                legs[at].facts = Ok(facts);
                carry = left;
            }
            Err(why) => legs[at].facts = Err(why),
        }
    }
}

impl Leg {
    /// The record that comes from the leg before, as far as it is known.
    #[must_use]
    pub fn carried(&self) -> &Carried {
        match &self.facts {
            Ok(facts) => &facts.carried,
            Err(_) => &Carried::None,
        }
    }
}
