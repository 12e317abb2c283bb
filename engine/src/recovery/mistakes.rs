//! Finding the moment before a mistake: transactions that removed or emptied relations, or
//! deleted many rows, by what WAL says of them.
//!
//! What a transaction does is counted while its records pass and told when it commits. Memory
//! is bounded: of transactions with few deleted rows the count may begin anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::facts::{SegmentFacts, scan};
use super::plan::{Known, in_use};
use super::site::RecoverySite;
use super::sources::WalSources;
use super::way::{Leg, Way};
use crate::api::{Error, ErrorCode, Lsn, Mistake, MistakeKind, MistakeQuery, Result, TimelineId};
use crate::pg::wal::{Carry, Meaning, Record, RelationFile, TransactionEnd};

/// Mistakes told; of more the oldest are left out.
const FOUND_MAX: usize = 1_000;
/// Relations named for one mistake.
const RELATIONS_MAX: usize = 20;
/// Transactions that are counted at once, and files of one of them.
const FILES_MAX: usize = 1_000;
const COUNTS_MAX: usize = 100_000;
/// Segments that are read before the first commit that is asked for: what a transaction did
/// stands before its commit.
const SEGMENTS_BEFORE: usize = 16;

/// Looks through the WAL of a history, newest mistake first. `told` is given how many segments
/// were read, and of how many. Blocking; as the owner.
///
/// # Errors
/// `UsageInvalid` for a relation that is no file node number, `Cancelled` when `stop` is set;
/// `BackupDestinationUnset`, `RepositoryUnreadable`, `RepositoryDamaged`.
pub fn find(
    site: &RecoverySite,
    query: &MistakeQuery,
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Mistake>> {
    let relation = relation_number(query)?;
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
    let way = Way::load(&known.sources, &history, first);
    let legs = asked_legs(&way.legs, query);
    let mut search =
        Search { query, relation, way: &way, counts: HashMap::new(), found: Vec::new() };
    search.through(&known.sources, legs, stop, told)?;
    search.found.reverse();
    Ok(search.found)
}

fn relation_number(query: &MistakeQuery) -> Result<Option<u32>> {
    let Some(text) = &query.relation else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let fact = format!("\"{text}\" is no file node number");
        Error::new(ErrorCode::UsageInvalid, fact)
            .detail("WAL names relations by the numbers of their files")
            .hint(format!("Ask the server: SELECT pg_relation_filenode('{text}')."))
    })
}

/// The legs that can hold what is asked for.
fn asked_legs<'a>(legs: &'a [Leg], query: &MistakeQuery) -> &'a [Leg] {
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
    &legs[first.saturating_sub(SEGMENTS_BEFORE)..=last]
}

/// What one transaction did to one file.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    deleted: u64,
    is_emptied: bool,
}

struct Search<'a> {
    query: &'a MistakeQuery,
    relation: Option<u32>,
    way: &'a Way,
    /// By transaction.
    counts: HashMap<u32, Vec<(RelationFile, Count)>>,
    found: Vec<Mistake>,
}

impl Search<'_> {
    fn through(
        &mut self,
        sources: &WalSources,
        legs: &[Leg],
        stop: &AtomicBool,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let mut carry: Option<Carry> = None;
        let mut before: Option<u64> = None;
        let total = legs.len() as u64;
        for (done, leg) in (0..).zip(legs) {
            if stop.load(Ordering::Acquire) {
                return Err(Error::new(ErrorCode::Cancelled, "the search was cancelled"));
            }
            told(done, total);
            let follows = before == leg.number.checked_sub(1);
            let carry_in = carry.take().filter(|_| follows);
            // A segment that cannot be read ends nothing: what follows may hold the mistake.
            let timeline = leg.found.segment.timeline();
            carry = scan(sources, &leg.found, carry_in, |record| self.take(record, timeline))
                .ok()
                .flatten();
            before = Some(leg.number);
        }
        told(total, total);
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>, timeline: TimelineId) {
        match record.meaning() {
            Meaning::Delete => {
                let file = record.blocks().and_then(|blocks| blocks.first().map(|one| one.file));
                if let Some(file) = file.filter(|file| self.is_asked(*file)) {
                    self.count(record.xid().as_u32(), file).deleted += 1;
                }
            }
            Meaning::FileTruncated { file, blocks: 0 }
                if record.xid().as_u32() != 0 && self.is_asked(file) =>
            {
                self.count(record.xid().as_u32(), file).is_emptied = true;
            }
            Meaning::Transaction(end) if end.outcome.is_end() => {
                if let Some(lsn) = record.lsn() {
                    self.end(&end, lsn, timeline);
                }
            }
            _ => {}
        }
    }

    fn is_asked(&self, file: RelationFile) -> bool {
        self.relation.is_none_or(|number| number == file.number)
    }

    fn count(&mut self, xid: u32, file: RelationFile) -> &mut Count {
        if self.counts.len() >= COUNTS_MAX {
            let least = self.query.deleted_rows_min / 10;
            self.counts.retain(|_, files| {
                files.iter().any(|(_, one)| one.is_emptied || one.deleted > least)
            });
            if self.counts.len() >= COUNTS_MAX {
                self.counts.clear();
            }
        }
        let files = self.counts.entry(xid).or_default();
        let at = match files.iter().position(|(known, _)| *known == file) {
            Some(at) => at,
            None => {
                // A transaction over so many relations is told without the rest of them.
                if files.len() >= FILES_MAX {
                    files.pop();
                }
                files.push((file, Count::default()));
                files.len() - 1
            }
        };
        &mut files[at].1
    }

    /// What a transaction and its subtransactions did.
    fn taken(&mut self, end: &TransactionEnd) -> Vec<(RelationFile, Count)> {
        let mut files: Vec<(RelationFile, Count)> = Vec::new();
        let xids = end.subtransactions.iter().chain([&end.xid]);
        for (file, count) in xids.filter_map(|xid| self.counts.remove(&xid.as_u32())).flatten() {
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, sum)) => {
                    sum.deleted += count.deleted;
                    sum.is_emptied |= count.is_emptied;
                }
                None => files.push((file, count)),
            }
        }
        files
    }

    fn end(&mut self, end: &TransactionEnd, lsn: Lsn, timeline: TimelineId) {
        let files = self.taken(end);
        let is_in_time = end.at.is_none_or(|at| {
            self.query.from.is_none_or(|from| at >= from) && self.query.to.is_none_or(|to| at <= to)
        });
        if !end.outcome.is_commit() || !is_in_time {
            return;
        }
        // In the segment of a fork, what the parent did stands in the child's file.
        let timeline = if self.way.history.timeline() == timeline {
            self.way.history.timeline_at(lsn)
        } else {
            timeline
        };
        let dropped: Vec<RelationFile> =
            end.dropped.iter().copied().filter(|file| self.is_asked(*file)).collect();
        let emptied =
            files.iter().filter(|(_, one)| one.is_emptied).map(|(file, _)| *file).collect();
        let min = self.query.deleted_rows_min.max(1);
        let deleted: Vec<(RelationFile, u64)> = files
            .iter()
            .filter(|(file, one)| one.deleted >= min && !is_catalog(*file))
            .map(|(file, one)| (*file, one.deleted))
            .collect();
        let rows = deleted.iter().map(|(_, rows)| rows).sum();
        let deleted = deleted.into_iter().map(|(file, _)| file).collect();
        for (kind, files, rows) in [
            (MistakeKind::Drop, dropped, 0),
            (MistakeKind::Truncate, emptied, 0),
            (MistakeKind::Delete, deleted, rows),
        ] {
            self.tell(kind, files, rows, end, lsn, timeline);
        }
    }

    fn tell(
        &mut self,
        kind: MistakeKind,
        mut files: Vec<RelationFile>,
        rows: u64,
        end: &TransactionEnd,
        lsn: Lsn,
        timeline: TimelineId,
    ) {
        if files.is_empty() {
            return;
        }
        files.sort_unstable();
        let named = files.iter().take(RELATIONS_MAX);
        self.found.push(Mistake {
            kind,
            relations: named.map(|file| format!("{}/{}", file.database, file.number)).collect(),
            rows,
            xid: end.xid.as_u32(),
            committed_at: end.at,
            commit_lsn: lsn,
            timeline,
        });
        if self.found.len() > FOUND_MAX {
            self.found.remove(0);
        }
    }
}

/// Files of the system's own catalogs: numbers below those of users' relations
/// (`FirstNormalObjectId` in `transam.h`). Dropping a large table deletes many rows of them.
fn is_catalog(file: RelationFile) -> bool {
    const FIRST_OF_USERS: u32 = 16_384;
    file.number < FIRST_OF_USERS
}
