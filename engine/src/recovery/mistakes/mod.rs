//! Finding the moment before a mistake: transactions that removed or emptied relations, or
//! deleted many rows, by what WAL says of them.
//!
//! What a transaction does is counted while its records pass and told when it commits. Memory
//! is bounded: of transactions with few deleted rows the count may begin anew. WAL names files
//! by numbers; whose they were is learned from a backup and from the WAL (`super::relations`).

mod search;

use std::sync::atomic::AtomicBool;

use super::facts::SegmentFacts;
use super::plan::{Known, in_use, on_history};
use super::relations::{Asked, Base};
use super::site::RecoverySite;
use super::way::{Leg, Way};
use crate::api::{Error, ErrorCode, Mistake, MistakeQuery, Result};
use search::Search;

/// Segments that are read before the first commit that is asked for: what a transaction did
/// stands before its commit.
const SEGMENTS_BEFORE: usize = 16;
/// So many are read when a backup begins there: from its catalogs on every name is known.
const SEGMENTS_FROM_BACKUP: usize = 256;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Segments in all.
    pub segments: u64,
    /// Bytes of one.
    pub segment_bytes: u64,
}

/// Looks through the WAL of a history, newest mistake first. `told` is given how many segments
/// were read, and of how many. Blocking; as the owner.
///
/// # Errors
/// `UsageInvalid` for a relation that nobody knows, `Cancelled` when `stop` is set;
/// `BackupDestinationUnset`, `RepositoryUnreadable`, `RepositoryDamaged`.
pub fn find(
    site: &RecoverySite,
    query: &MistakeQuery,
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, Extent),
) -> Result<Vec<Mistake>> {
    let asked = match &query.relation {
        Some(text) => Asked::parse(text, &query.relation_files).ok_or_else(|| no_name(text))?,
        None => Asked::Any,
    };
    let destination = site.backup.destination(query.destination.as_deref())?;
    let known = Known::read(site, &destination)?;
    let Some(timeline) = query.timeline.or_else(|| in_use(&known)) else { return Ok(Vec::new()) };
    let history = known.sources.history(timeline);
    let first = history
        .ancestors()
        .iter()
        .map(|switch| switch.timeline)
        .chain([timeline])
        .filter_map(|one| known.sources.numbers(one).first().copied())
        .min();
    let Some(first) = first else { return Ok(Vec::new()) };
    let bases: Vec<Base> = on_history(&known, &history)
        .into_iter()
        .map(|(start, backup)| Base {
            label: backup.label.clone(),
            segment: known.sources.size.number_of(start),
        })
        .collect();
    let way = Way::load(&known.sources, &history, first);
    let legs = asked_legs(&way.legs, &bases, query);
    let mut search = Search::new(site, &known, query, asked, &way, &bases);
    search.through(legs, stop, told)?;
    search.result(legs)
}

fn no_name(text: &str) -> Error {
    let fact = format!("\"{text}\" is no name of a relation");
    Error::new(ErrorCode::UsageInvalid, fact)
        .detail("expected [[DATABASE.]SCHEMA.]NAME, or the number of a file")
}

/// The legs that can hold what is asked for.
fn asked_legs<'a>(legs: &'a [Leg], bases: &[Base], query: &MistakeQuery) -> &'a [Leg] {
    let of = |leg: &Leg, time: fn(&SegmentFacts) -> Option<chrono::DateTime<chrono::Utc>>| {
        leg.facts.as_ref().ok().and_then(time)
    };
    let is_asked = |leg: &Leg| {
        let from = query
            .from
            .is_none_or(|from| of(leg, SegmentFacts::commit_last).is_some_and(|last| last >= from));
        let to = query
            .to
            .is_none_or(|to| of(leg, SegmentFacts::commit_first).is_some_and(|first| first <= to));
        from && to
    };
    let Some(first) = legs.iter().position(is_asked) else { return &[] };
    let last = legs.iter().rposition(is_asked).unwrap_or(first);
    let before = first.saturating_sub(SEGMENTS_BEFORE);
    let far = first.saturating_sub(SEGMENTS_FROM_BACKUP);
    let begins = |leg: &Leg| bases.iter().any(|base| base.segment == leg.number);
    let from_backup = (far..=before).rev().find(|at| begins(&legs[*at]));
    &legs[from_backup.unwrap_or(before)..=last]
}
