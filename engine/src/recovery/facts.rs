//! What a segment on the way holds: from its index, or from the segment itself where there is
//! none; and its records one by one, where a target needs them.

use chrono::{DateTime, Utc};

use super::sources::{FoundSegment, WalSources};
use crate::api::{Error, ErrorCode, Result, WalSource};
use crate::pg::types::Lsn;
use crate::pg::wal::{
    Carry, Meaning, Reading, Record, Scan, Segment, SegmentName, SegmentSize, Step, WalVersion,
};
use crate::wal::details::{HEAD_BYTES, SettingsChange, time_of};
use crate::wal::index::{SegmentIndex, SegmentTail};

/// Records of this length at most are put together from what two indexes keep of them.
const GLIMPSE_BYTES_MAX: usize = 1 << 20;

/// A record, as far as recovery asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFact {
    /// Where it begins.
    pub lsn: Lsn,
    /// The position behind it.
    pub end: Lsn,
    /// What it is.
    pub kind: RecordKind,
}

/// What a record is, as far as recovery asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A transaction committed, also a prepared one.
    Commit {
        /// The transaction.
        xid: u32,
        /// When.
        at: Option<DateTime<Utc>>,
    },
    /// A transaction was rolled back, also a prepared one.
    Abort {
        /// The transaction.
        xid: u32,
        /// When.
        at: Option<DateTime<Utc>>,
    },
    /// A restore point.
    RestorePoint {
        /// Its name.
        name: String,
        /// When.
        at: Option<DateTime<Utc>>,
    },
    /// The checkpoint with which a server was shut down, or ended its recovery.
    Shutdown(Option<DateTime<Utc>>),
    /// Settings that a standby must match changed.
    Settings(SettingsChange),
    /// Another one that carries a time.
    Timed(DateTime<Utc>),
    /// Any other.
    Other,
}

impl RecordKind {
    fn of(meaning: Meaning, lsn: Lsn) -> Self {
        let at = time_of(&meaning);
        match meaning {
            Meaning::ParameterChange { wal_level: Some(wal_level), settings: Some(settings) } => {
                Self::Settings(SettingsChange { lsn, wal_level, settings })
            }
            Meaning::Transaction(end) if end.outcome.is_commit() => {
                Self::Commit { xid: end.xid.as_u32(), at }
            }
            Meaning::Transaction(end) if end.outcome.is_end() => {
                Self::Abort { xid: end.xid.as_u32(), at }
            }
            Meaning::RestorePoint { name, at } => Self::RestorePoint { name, at },
            Meaning::Checkpoint(checkpoint) if checkpoint.is_shutdown => Self::Shutdown(at),
            _ => at.map_or(Self::Other, Self::Timed),
        }
    }

    /// The time it carries.
    #[must_use]
    pub fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Commit { at, .. } | Self::Abort { at, .. } | Self::RestorePoint { at, .. } => *at,
            Self::Shutdown(at) => *at,
            Self::Timed(at) => Some(*at),
            Self::Settings(_) | Self::Other => None,
        }
    }

    /// When it committed, if it is a commit.
    #[must_use]
    pub fn commit_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Commit { at, .. } => *at,
            _ => None,
        }
    }

    /// When a transaction ended by it; a time as a target is compared with aborts as well.
    #[must_use]
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Commit { at, .. } | Self::Abort { at, .. } => *at,
            _ => None,
        }
    }

    /// The transaction it ends.
    #[must_use]
    pub fn ended_xid(&self) -> Option<u32> {
        match self {
            Self::Commit { xid, .. } | Self::Abort { xid, .. } => Some(*xid),
            _ => None,
        }
    }
}

/// What is known of the record that goes from the segment before into this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carried {
    /// There is none, or the index counts it.
    #[default]
    None,
    /// It is this one.
    Known(RecordFact),
    /// There is one; only reading both segments tells what it is.
    Unknown,
}

/// A segment's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// What begins and ends in it.
    pub index: SegmentIndex,
    /// Whether the index counts the record that comes from the segment before.
    pub counts_carried: bool,
    /// The record that comes from the segment before.
    pub carried: Carried,
}

impl SegmentFacts {
    /// Facts of an archived segment: its index, or, without one, what reading it tells.
    ///
    /// # Errors
    /// Why the segment cannot be replayed, in words.
    pub fn load(sources: &WalSources, found: &FoundSegment) -> Result<Self, String> {
        let index = match sources.index(found)? {
            Some(index) if !(found.may_end_early() && index.tail == SegmentTail::Damaged) => index,
            _ => Self::read(sources, found, None)?.0.index,
        };
        if index.tail == SegmentTail::Damaged && !found.may_end_early() {
            let at = index.tail_at.map_or_else(|| "its first page".to_owned(), |at| at.to_string());
            return Err(format!("it is damaged at {at}"));
        }
        Ok(Self { index, counts_carried: false, carried: Carried::None })
    }

    /// Reads the segment itself, going on with the record that the segment before left.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn read(
        sources: &WalSources,
        found: &FoundSegment,
        carry: Option<Carry>,
    ) -> Result<(Self, Option<Carry>), String> {
        let content = sources.read(found).map_err(|error| match error.detail.as_str() {
            "" => error.fact,
            detail => detail.to_owned(),
        })?;
        let segment = Segment::open(&content, found.segment, sources.size)
            .map_err(|error| error.to_string())?;
        let counts_carried = carry.is_some();
        let (index, carry) = SegmentIndex::build_reading(segment, carry, reading(found));
        Ok((Self { index, counts_carried, carried: Carried::None }, carry))
    }

    /// Puts together the record that goes over the border from `before`.
    pub fn join(&mut self, before: &Self, version: Option<WalVersion>) {
        if self.counts_carried || !self.index.continues_previous {
            return;
        }
        self.carried = joined(&before.index, &self.index, version);
    }

    /// The latest commit.
    #[must_use]
    pub fn commit_last(&self) -> Option<DateTime<Utc>> {
        self.index.commit_last.max(self.carried_commit().flatten())
    }

    /// The latest commit or abort; of an index of an earlier version the latest commit.
    #[must_use]
    pub fn end_last(&self) -> Option<DateTime<Utc>> {
        let details = self.index.details.as_ref().and_then(|details| details.end_last);
        details.max(self.index.commit_last)
    }

    /// The earliest commit.
    #[must_use]
    pub fn commit_first(&self) -> Option<DateTime<Utc>> {
        self.index.commit_first.into_iter().chain(self.carried_commit().flatten()).min()
    }

    /// Commits.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.index.commits + u64::from(self.carried_commit().is_some())
    }

    /// The latest time of any record.
    #[must_use]
    pub fn time_last(&self) -> Option<DateTime<Utc>> {
        let details = self.index.details.as_ref().and_then(|details| details.time_last);
        let points = self.index.restore_points.iter().filter_map(|point| point.at).max();
        let carried = match &self.carried {
            Carried::Known(record) => record.kind.at(),
            _ => None,
        };
        details.max(self.index.commit_last).max(points).max(carried)
    }

    /// Changes of settings, also by the record that comes from the segment before.
    pub fn changes(&self) -> impl Iterator<Item = &SettingsChange> {
        let carried = match &self.carried {
            Carried::Known(RecordFact { kind: RecordKind::Settings(change), .. }) => Some(change),
            _ => None,
        };
        let own = self.index.details.iter().flat_map(|details| &details.changes);
        carried.into_iter().chain(own)
    }

    fn carried_commit(&self) -> Option<Option<DateTime<Utc>>> {
        match &self.carried {
            Carried::Known(RecordFact { kind: RecordKind::Commit { at, .. }, .. }) => Some(*at),
            _ => None,
        }
    }
}

fn reading(found: &FoundSegment) -> Reading {
    if found.may_end_early() { Reading::AsFarAsPossible } else { Reading::Whole }
}

/// The record over the border between two segments, from what their indexes keep of it.
fn joined(before: &SegmentIndex, after: &SegmentIndex, version: Option<WalVersion>) -> Carried {
    let (Some(first), Some(second)) = (&before.details, &after.details) else {
        return Carried::Unknown;
    };
    let (Some(begun), Some(rest)) = (&first.begun, &second.rest) else { return Carried::Unknown };
    let known = || {
        let mut bytes = begun.head.clone();
        if bytes.len() < HEAD_BYTES {
            bytes.extend_from_slice(&rest.head);
        }
        let length = Record::length_in(&bytes)?;
        let is_complete = length <= bytes.len();
        if length > GLIMPSE_BYTES_MAX {
            return None;
        }
        bytes.resize(length, 0);
        // Where it ends does not matter: nobody stops behind it by these facts alone.
        let record = Record::glimpse(&bytes, begun.lsn, begun.lsn, version?)?;
        let kind = RecordKind::of(record.meaning(), begun.lsn);
        // The end of a prepared transaction names it behind everything else.
        let is_certain =
            is_complete || kind.ended_xid().is_none_or(|xid| xid == record.xid().as_u32());
        is_certain.then_some(RecordFact { lsn: begun.lsn, end: begun.lsn, kind })
    };
    known().map_or(Carried::Unknown, Carried::Known)
}

/// The records that end in the last of consecutive segments, in order. The first ones are
/// read for the record that goes over the border.
///
/// # Errors
/// As reading segments.
pub fn records(sources: &WalSources, segments: &[&FoundSegment]) -> Result<Vec<RecordFact>> {
    let mut carry = None;
    let Some((last, before)) = segments.split_last() else { return Ok(Vec::new()) };
    for found in before {
        carry = scan(sources, found, carry, |_| ())?;
    }
    let mut records = Vec::new();
    scan(sources, last, carry, |record| {
        if let (Some(lsn), Some(end)) = (record.lsn(), record.end()) {
            records.push(RecordFact { lsn, end, kind: RecordKind::of(record.meaning(), lsn) });
        }
    })?;
    Ok(records)
}

/// Walks over the records of one segment; the record it leaves unfinished.
///
/// # Errors
/// As [`WalSources::read`]; `RepositoryDamaged` when the segment is not what its name says.
pub fn scan(
    sources: &WalSources,
    found: &FoundSegment,
    carry: Option<Carry>,
    mut told: impl FnMut(&Record<'_>),
) -> Result<Option<Carry>> {
    let content = sources.read(found)?;
    let damaged = |error: crate::pg::wal::SegmentError| {
        let fact = format!("WAL file \"{}\" is damaged", found.path.display());
        Error::new(ErrorCode::RepositoryDamaged, fact).detail(error.to_string())
    };
    let segment = Segment::open(&content, found.segment, sources.size).map_err(damaged)?;
    let mut scan = Scan::with_reading(segment, carry, reading(found)).map_err(damaged)?;
    while let Step::Record(record) = scan.next_record() {
        told(&record);
    }
    Ok(scan.into_carry())
}

/// A segment of the old `pg_wal` as it was read: with zeros behind the last record that is
/// whole or goes on in the next segment, as a server leaves a segment it has only begun. What
/// a power cut left behind the end is taken for damage by whoever reads strictly. `None` when
/// it is not the segment its name says.
#[must_use]
pub fn as_read(mut content: Vec<u8>, name: SegmentName, size: SegmentSize) -> Option<Vec<u8>> {
    let segment = Segment::open(&content, name, size).ok()?;
    let start = segment.start_byte();
    let (index, _) = SegmentIndex::build_reading(segment, None, Reading::AsFarAsPossible);
    if let Some(end) = index.tail_at.filter(|_| index.tail != SegmentTail::Encrypted) {
        let at = usize::try_from(end.as_u64().saturating_sub(start)).ok()?;
        content.get_mut(at..)?.fill(0);
    }
    Some(content)
}

/// Whether a segment is only in the old `pg_wal` or the mirror.
#[must_use]
pub fn is_rescued(found: &FoundSegment) -> bool {
    found.source != WalSource::Archive
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::types::TimelineId;
    use crate::wal::details::{BegunRecord, IndexDetails, RecordRest};

    /// `XLOG_PARAMETER_CHANGE` is put together from its two halves.
    #[test]
    fn settings_that_change_over_a_border_are_known() {
        let mut record = vec![0; 24];
        record[..4].copy_from_slice(&54_u32.to_le_bytes());
        record[16] = 0x60;
        record.extend([255, 28]);
        for value in [150_u32, 21, 10, 0, 64, 1, 0] {
            record.extend(value.to_le_bytes());
        }
        let lsn = Lsn::from_u64(0x0FFF_FFE0).unwrap();
        let facts = |number, details| {
            let timeline = TimelineId::from_u32(1).unwrap();
            let name = SegmentName::new(timeline, number, SegmentSize::DEFAULT).unwrap();
            let mut index = SegmentIndex::of_name(name);
            index.continues_previous = number == 16;
            index.details = Some(details);
            SegmentFacts { index, counts_carried: false, carried: Carried::None }
        };
        let begun = Some(BegunRecord { lsn, head: record[..32].to_vec() });
        let before = facts(15, IndexDetails { begun, ..IndexDetails::default() });
        let rest = Some(RecordRest { bytes: 22, head: record[32..].to_vec() });
        let mut after = facts(16, IndexDetails { rest, ..IndexDetails::default() });
        assert_eq!(after.changes().count(), 0);
        after.join(&before, WalVersion::from_major(17));
        let change = after.changes().next().unwrap();
        assert_eq!((change.lsn, change.wal_level), (lsn, 1));
        assert_eq!(
            (change.settings.max_connections, change.settings.max_worker_processes),
            (150, 21)
        );
    }
}
