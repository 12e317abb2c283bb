//! The walk over the WAL: counting what transactions do, and telling it when they commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Extent;
use crate::api::{Error, ErrorCode, Lsn, Mistake, MistakeKind, MistakeQuery, Result, TimelineId};
use crate::pg::wal::{Carry, Meaning, Record, RelationFile, TransactionEnd};
use crate::recovery::facts::scan;
use crate::recovery::plan::Known;
use crate::recovery::relations::{self, Asked, Base, Catalogs, Ended, Fate, Matching, Relations};
use crate::recovery::site::RecoverySite;
use crate::recovery::way::{Leg, Way};

/// Mistakes told; of more the oldest are left out.
const FOUND_MAX: usize = 1_000;
/// Relations named for one mistake.
const RELATIONS_MAX: usize = 20;
/// Files kept of one mistake until their names are known.
const KEPT_MAX: usize = 200;
/// Transactions that are counted at once, and files of one of them.
const FILES_MAX: usize = 1_000;
const COUNTS_MAX: usize = 100_000;

/// What one transaction did to one file.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    deleted: u64,
    is_emptied: bool,
}

/// A file of a mistake, with its relation's name at that time as far as it was known then.
#[derive(Clone, Debug)]
struct Touched {
    file: RelationFile,
    name: Option<String>,
}

pub(super) struct Search<'a> {
    site: &'a RecoverySite,
    known: &'a Known,
    query: &'a MistakeQuery,
    asked: Asked,
    way: &'a Way,
    bases: &'a [Base],
    relations: Relations,
    catalogs: Catalogs,
    /// Whether a backup's catalogs were taken since WAL was last missing.
    is_based: bool,
    /// By transaction.
    counts: HashMap<u32, Vec<(RelationFile, Count)>>,
    found: Vec<(Mistake, Vec<Touched>)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        site: &'a RecoverySite,
        known: &'a Known,
        query: &'a MistakeQuery,
        asked: Asked,
        way: &'a Way,
        bases: &'a [Base],
    ) -> Self {
        let major = known.sources.expected.major.unwrap_or_default();
        Self {
            site,
            known,
            query,
            asked,
            way,
            bases,
            relations: Relations::new(major),
            catalogs: Catalogs::default(),
            is_based: false,
            counts: HashMap::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn through(
        &mut self,
        legs: &[Leg],
        stop: &AtomicBool,
        told: &mut dyn FnMut(u64, Extent),
    ) -> Result<()> {
        let mut carry: Option<Carry> = None;
        let mut before: Option<u64> = None;
        let segment_bytes = u64::from(self.way.size.bytes());
        let extent = Extent { segments: legs.len() as u64, segment_bytes };
        for (done, leg) in (0..).zip(legs) {
            if stop.load(Ordering::Acquire) {
                return Err(Error::new(ErrorCode::Cancelled, "the search was cancelled"));
            }
            told(done, extent);
            let follows = before.is_some() && before == leg.number.checked_sub(1);
            self.base(leg.number, follows);
            let carry_in = carry.take().filter(|_| follows);
            let timeline = leg.found.segment.timeline();
            let read = scan(&self.known.sources, &leg.found, carry_in, |record| {
                self.take(record, timeline)
            });
            // A segment that cannot be read ends nothing: what follows may hold the mistake.
            before = read.is_ok().then_some(leg.number);
            carry = read.ok().flatten();
        }
        told(extent.segments, extent);
        Ok(())
    }

    /// Takes a backup's catalogs where they are needed: of the one before, names; of one whose
    /// WAL is read from its beginning on, everything.
    fn base(&mut self, number: u64, follows: bool) {
        if !follows {
            self.catalogs.clear();
            self.is_based = false;
        }
        let begins = self.bases.iter().find(|base| base.segment == number);
        let before = self.bases.iter().rfind(|base| base.segment <= number);
        let (base, catalogs) = match begins {
            Some(base) if !self.is_based => (Some(base), Some(&mut self.catalogs)),
            _ if follows => (None, None),
            _ => (before.or(self.bases.first()), None),
        };
        let Some(base) = base else { return };
        self.is_based |= catalogs.is_some();
        let destination = &self.known.destination;
        relations::load(&self.site.backup, destination, base, &mut self.relations, catalogs);
    }

    fn take(&mut self, record: &Record<'_>, timeline: TimelineId) {
        self.catalogs.take(record, &mut self.relations);
        match record.meaning() {
            Meaning::Delete => {
                let file = record.first_file();
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
        self.relations.matching(&self.asked, file) != Matching::No
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
        let ended = self.relations.end(end.subtransactions.iter().chain([&end.xid]));
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
        let (dropped, replaced) = self.removed(end, &ended);
        let emptied = files.iter().filter(|(_, one)| one.is_emptied).map(|(file, _)| *file);
        let emptied = emptied.filter(|file| !self.relations.is_system(*file)).chain(replaced);
        let emptied = emptied.collect();
        let min = self.query.deleted_rows_min.max(1);
        let deleted: Vec<(RelationFile, u64)> = files
            .iter()
            .filter(|(file, one)| one.deleted >= min && !self.relations.is_system(*file))
            .map(|(file, one)| (*file, one.deleted))
            .collect();
        let rows = deleted.iter().map(|(_, rows)| rows).sum();
        let deleted = deleted.into_iter().map(|(file, _)| file).collect();
        for (kind, files, rows) in [
            (MistakeKind::Drop, dropped, 0),
            (MistakeKind::Truncate, emptied, 0),
            (MistakeKind::Delete, deleted, rows),
        ] {
            let mistake = Mistake {
                kind,
                relations: Vec::new(),
                rows,
                xid: end.xid.as_u32(),
                committed_at: end.at,
                commit_lsn: lsn,
                timeline,
            };
            self.keep(mistake, files);
        }
    }

    /// Files that a transaction has removed: those of relations that were dropped, and those of
    /// relations that have new ones without their rows.
    fn removed(
        &self,
        end: &TransactionEnd,
        ended: &Ended,
    ) -> (Vec<RelationFile>, Vec<RelationFile>) {
        let (mut dropped, mut emptied) = (Vec::new(), Vec::new());
        let is_told =
            |file: &RelationFile| self.is_asked(*file) && !self.relations.is_system(*file);
        for file in end.dropped.iter().copied().filter(is_told) {
            match ended.fate(&self.relations, file) {
                Fate::Dropped => dropped.push(file),
                Fate::Emptied => emptied.push(file),
                Fate::Rewritten => {}
            }
        }
        (dropped, emptied)
    }

    fn keep(&mut self, mistake: Mistake, mut files: Vec<RelationFile>) {
        if files.is_empty() {
            return;
        }
        files.sort_unstable_by_key(|file| (self.relations.rank(*file), *file));
        let touched = files.into_iter().take(KEPT_MAX);
        let touched = touched.map(|file| Touched { file, name: self.relations.name(file) });
        self.found.push((mistake, touched.collect()));
        if self.found.len() > FOUND_MAX {
            self.found.remove(0);
        }
    }

    /// What was found, the newest first.
    pub(super) fn result(mut self, legs: &[Leg]) -> Result<Vec<Mistake>> {
        if !self.relations.knows(&self.asked) && !legs.is_empty() {
            return Err(unknown(self.query.relation.as_deref().unwrap_or_default(), legs));
        }
        let found = std::mem::take(&mut self.found);
        let named = found.into_iter().rev().filter_map(|(mut mistake, touched)| {
            mistake.relations = self.named(touched);
            (!mistake.relations.is_empty()).then_some(mistake)
        });
        Ok(named.collect())
    }

    /// Names of the relations, as at the time of the mistake, else as they were learned later.
    /// Indexes and TOAST tables are told only without a table: they go with theirs.
    fn named(&self, mut touched: Vec<Touched>) -> Vec<String> {
        touched.retain(|one| self.relations.matching(&self.asked, one.file) == Matching::Yes);
        touched.sort_by_key(|one| (self.relations.rank(one.file), one.file));
        let rank = touched.first().map_or(0, |one| self.relations.rank(one.file));
        let is_told = |one: &&Touched| {
            let own = self.relations.rank(one.file);
            own == rank || rank != 0 || own > 2
        };
        let mut names: Vec<String> = Vec::new();
        for one in touched.iter().filter(is_told) {
            let name = one.name.clone().or_else(|| self.relations.name(one.file));
            let name = name.unwrap_or_else(|| self.relations.number(one.file));
            if names.len() < RELATIONS_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn unknown(name: &str, legs: &[Leg]) -> Error {
    let ends = legs.first().zip(legs.last());
    let range = ends.map_or_else(String::new, |(first, last)| {
        format!(" from {} to {}", first.found.segment, last.found.segment)
    });
    Error::new(ErrorCode::UsageInvalid, format!("relation \"{name}\" is not known"))
        .detail(format!(
            "neither the server, nor the backup before it, nor the WAL{range} names it"
        ))
        .hint("Leave --relation out, or give the number of its file.")
}
