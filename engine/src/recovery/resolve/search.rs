//! Finding records on a way: whole segments by their facts, single records by reading.

use chrono::{DateTime, Utc};

use super::super::facts::{Carried, RecordFact, RecordKind, SegmentFacts};
use super::super::sources::WalSources;
use super::super::way::{Leg, Way};
use super::Stop;
use crate::api::{Result, TargetBound};
use crate::pg::types::Lsn;

/// Whoever can read the records of a leg.
pub trait Wal {
    /// The whole records that end in a leg, in order.
    ///
    /// # Errors
    /// As reading segments.
    fn records(&self, way: &Way, leg: usize) -> Result<Vec<RecordFact>>;
}

impl Wal for WalSources {
    fn records(&self, way: &Way, leg: usize) -> Result<Vec<RecordFact>> {
        way.records(self, leg)
    }
}

/// A way that is searched.
pub struct Searched<'a> {
    /// Who reads.
    pub wal: &'a dyn Wal,
    /// Where.
    pub way: &'a Way,
    /// Records that end before this position are not found.
    pub from: Lsn,
}

/// A record that was found, with all records of its leg.
pub(super) struct Hit {
    leg: usize,
    at: usize,
    records: Vec<RecordFact>,
}

impl Hit {
    fn is_shutdown(&self) -> bool {
        matches!(self.records[self.at].kind, RecordKind::Shutdown(_))
    }
}

impl Searched<'_> {
    /// The first record that fits, in the first leg that may have one.
    pub(super) fn first(
        &self,
        may_have: impl Fn(&SegmentFacts) -> bool,
        is_it: impl Fn(&RecordFact) -> bool,
    ) -> Result<Option<Hit>> {
        for (leg, one) in self.way.walkable().iter().enumerate() {
            if let Some(hit) = self.look(leg, one, &may_have, &is_it, Which::First)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// The last record that fits.
    pub(super) fn last(
        &self,
        may_have: impl Fn(&SegmentFacts) -> bool,
        is_it: impl Fn(&RecordFact) -> bool,
    ) -> Result<Option<Hit>> {
        for (leg, one) in self.way.walkable().iter().enumerate().rev() {
            if let Some(hit) = self.look(leg, one, &may_have, &is_it, Which::Last)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// Every record that fits, in order.
    pub(super) fn all(
        &self,
        may_have: impl Fn(&SegmentFacts) -> bool,
        is_it: impl Fn(&RecordFact) -> bool,
    ) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        for (leg, one) in self.way.walkable().iter().enumerate() {
            if !self.is_asked(one, &may_have, &is_it) {
                continue;
            }
            let records = self.wal.records(self.way, leg)?;
            for at in 0..records.len() {
                if self.is_found(&records[at], &is_it) {
                    hits.push(Hit { leg, at, records: records.clone() });
                }
            }
        }
        Ok(hits)
    }

    fn look(
        &self,
        leg: usize,
        one: &Leg,
        may_have: &impl Fn(&SegmentFacts) -> bool,
        is_it: &impl Fn(&RecordFact) -> bool,
        which: Which,
    ) -> Result<Option<Hit>> {
        if !self.is_asked(one, may_have, is_it) {
            return Ok(None);
        }
        let records = self.wal.records(self.way, leg)?;
        let fits = |record: &RecordFact| self.is_found(record, is_it);
        let at = match which {
            Which::First => records.iter().position(fits),
            Which::Last => records.iter().rposition(fits),
        };
        Ok(at.map(|at| Hit { leg, at, records }))
    }

    /// Whether a leg must be read to know whether it has such a record.
    fn is_asked(
        &self,
        leg: &Leg,
        may_have: &impl Fn(&SegmentFacts) -> bool,
        is_it: &impl Fn(&RecordFact) -> bool,
    ) -> bool {
        let ends_before = leg.number < self.way.size.number_before(self.from);
        let Ok(facts) = &leg.facts else { return false };
        let carries = match leg.carried() {
            Carried::None => false,
            Carried::Known(record) => is_it(record),
            Carried::Unknown => true,
        };
        !ends_before && (carries || may_have(facts))
    }

    fn is_found(&self, record: &RecordFact, is_it: &impl Fn(&RecordFact) -> bool) -> bool {
        record.lsn >= self.from && is_it(record)
    }

    /// The stop at a record.
    ///
    /// A checkpoint of a shutdown is never replayed as the last record: it changes nothing, and a
    /// server that has replayed it and is started again begins behind it, where its target is not
    /// seen any more (`PerformWalRecovery()` in `xlogrecovery.c`; "recovery ended before configured recovery
    /// target was reached").
    pub(super) fn stop(&self, hit: Hit, bound: TargetBound) -> Result<Stop> {
        if bound == TargetBound::Inclusive && hit.is_shutdown() {
            let before = self.stop_at(&hit, TargetBound::Exclusive)?;
            if before.reached >= self.from {
                return Ok(before);
            }
        }
        self.stop_at(&hit, bound)
    }

    fn stop_at(&self, hit: &Hit, bound: TargetBound) -> Result<Stop> {
        let record = &hit.records[hit.at];
        let replayed = match bound {
            TargetBound::Inclusive => &hit.records[..=hit.at],
            TargetBound::Exclusive => &hit.records[..hit.at],
        };
        let reached = match replayed.last() {
            Some(last) => last.end,
            None => self.end_before(hit.leg)?.unwrap_or(record.lsn),
        };
        let commit = replayed.iter().rev().find_map(|record| record.kind.commit_at());
        let last_commit_at = commit.or_else(|| self.commit_in(hit.leg));
        Ok(Stop {
            record: record.lsn,
            bound,
            reached,
            leg: hit.leg,
            last_commit_at,
            notes: Vec::new(),
        })
    }

    /// The record that begins at a position in a leg, if it is the checkpoint of a shutdown. One
    /// that cannot be read is taken for another.
    pub(super) fn shutdown(&self, leg: usize, lsn: Lsn) -> Option<Hit> {
        let records = self.wal.records(self.way, leg).ok()?;
        let at = records.iter().rposition(|record| record.lsn == lsn)?;
        Some(Hit { leg, at, records }).filter(Hit::is_shutdown)
    }

    /// The position behind the last whole record of the legs before one.
    fn end_before(&self, leg: usize) -> Result<Option<Lsn>> {
        for before in (0..leg).rev() {
            if let Some((_, end)) = self.last_record(before)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// The latest commit in the legs before one.
    fn commit_in(&self, leg: usize) -> Option<DateTime<Utc>> {
        let legs = self.way.legs[..leg].iter().rev();
        legs.filter_map(|leg| leg.facts.as_ref().ok()).find_map(SegmentFacts::commit_last)
    }

    /// The last whole record that ends in a leg: where it begins and ends.
    fn last_record(&self, leg: usize) -> Result<Option<(Lsn, Lsn)>> {
        let one = &self.way.legs[leg];
        let Ok(facts) = &one.facts else { return Ok(None) };
        if let (None, Some(last), Some(end)) =
            (one.until, facts.index.last_lsn, facts.index.end_lsn)
        {
            return Ok(Some((last, end)));
        }
        let records = self.wal.records(self.way, leg)?;
        Ok(records.last().map(|record| (record.lsn, record.end)))
    }

    /// The last whole record of the way: its leg, where it begins and ends.
    pub(super) fn tip(&self) -> Result<Option<(usize, Lsn, Lsn)>> {
        for leg in (0..self.way.walkable).rev() {
            if let Some((lsn, end)) = self.last_record(leg)? {
                return Ok(Some((leg, lsn, end)));
            }
        }
        Ok(None)
    }

    /// The last commit that ends at or before a position in a leg.
    pub(super) fn last_commit_before(&self, leg: usize, end: Lsn) -> Result<Option<DateTime<Utc>>> {
        let one = &self.way.legs[leg];
        let facts = one.facts.as_ref().ok();
        if one.until.is_none() && facts.is_some_and(|facts| facts.index.end_lsn <= Some(end)) {
            let commit = facts.and_then(SegmentFacts::commit_last);
            return Ok(commit.or_else(|| self.commit_in(leg)));
        }
        let records = self.wal.records(self.way, leg)?;
        let replayed = records.iter().rev().filter(|record| record.end <= end);
        let commit = replayed.filter_map(|record| record.kind.commit_at()).next();
        Ok(commit.or_else(|| self.commit_in(leg)))
    }

    /// The latest time that any record of the way carries.
    pub(super) fn time_last(&self) -> Result<Option<DateTime<Utc>>> {
        let walkable = self.way.walkable();
        let facts = walkable.iter().filter_map(|leg| leg.facts.as_ref().ok());
        let latest = facts.filter_map(SegmentFacts::time_last).max();
        // An index of an earlier version knows the times of commits only.
        let last = match walkable.len().checked_sub(1) {
            Some(last) => self.wal.records(self.way, last)?,
            None => Vec::new(),
        };
        Ok(latest.max(last.iter().filter_map(|record| record.kind.at()).max()))
    }
}

#[derive(Clone, Copy)]
enum Which {
    First,
    Last,
}
