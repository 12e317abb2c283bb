//! Ends of transactions: commit, abort, prepare and the ends of prepared ones.
//!
//! Source: `xact.h`, `ParseCommitRecord()` and `ParseAbortRecord()` in `xactdesc.c`,
//! `TwoPhaseFileHeader` in `twophase.c` (`xl_xact_prepare`).

use chrono::{DateTime, Utc};

use crate::pg::types::TransactionId;

use super::bytes::{count_at, text, timestamp_at, u16_at, u32_at};
use super::meaning::Meaning;
use super::page::WalVersion;
use super::record::{Record, RelationFile};

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// `COMMIT`.
    Committed,
    /// `ROLLBACK`, or an error.
    Aborted,
    /// `PREPARE TRANSACTION`: not decided yet.
    Prepared,
    /// `COMMIT PREPARED`.
    CommittedPrepared,
    /// `ROLLBACK PREPARED`.
    AbortedPrepared,
}

impl TransactionOutcome {
    /// Whether its changes are visible from here on.
    #[must_use]
    pub fn is_commit(self) -> bool {
        matches!(self, Self::Committed | Self::CommittedPrepared)
    }

    /// Whether the transaction is over.
    #[must_use]
    pub fn is_end(self) -> bool {
        self != Self::Prepared
    }
}

/// A transaction's end, or its preparation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// What became of it.
    pub outcome: TransactionOutcome,
    /// The transaction; for a prepared one the one that was prepared.
    pub xid: TransactionId,
    /// When, by the server's clock.
    pub at: Option<DateTime<Utc>>,
    /// Global identifier; at the end of a prepared one only with `wal_level = logical`.
    pub gid: Option<String>,
    /// The database's oid, where the record names it.
    pub database: Option<u32>,
    /// Its subtransactions.
    pub subtransactions: Vec<TransactionId>,
    /// Relation files removed with it.
    pub dropped: Vec<RelationFile>,
}

/// `XLOG_XACT_OPMASK`; the highest bit says that more parts follow.
const KIND: u8 = 0x70;
const HAS_INFO: u8 = 0x80;

pub(super) fn decode(record: &Record<'_>) -> Option<Meaning> {
    let outcome = match record.info() & KIND {
        0x00 => TransactionOutcome::Committed,
        0x10 => return prepared(record).map(Meaning::Transaction),
        0x20 => TransactionOutcome::Aborted,
        0x30 => TransactionOutcome::CommittedPrepared,
        0x40 => TransactionOutcome::AbortedPrepared,
        _ => return Some(Meaning::Other),
    };
    ended(record, outcome).map(Meaning::Transaction)
}

/// Reads the parts behind each other, each only when its bit is set.
struct Parts<'a> {
    data: &'a [u8],
    at: usize,
    present: u32,
}

impl<'a> Parts<'a> {
    fn has(&self, bit: u32) -> bool {
        self.present & (1 << bit) != 0
    }

    fn count(&mut self) -> Option<usize> {
        let count = count_at(self.data, self.at)?;
        self.at += 4;
        Some(count)
    }

    /// `count` items of `size` bytes.
    fn items(&mut self, count: usize, size: usize) -> Option<std::slice::ChunksExact<'a, u8>> {
        let end = self.at.checked_add(count.checked_mul(size)?)?;
        let bytes = self.data.get(self.at..end)?;
        self.at = end;
        Some(bytes.chunks_exact(size))
    }

    /// Goes over `count` items of `size` bytes.
    fn pass(&mut self, count: usize, size: usize) -> Option<()> {
        self.items(count, size).map(|_| ())
    }

    fn number(&mut self) -> Option<u32> {
        let number = u32_at(self.data, self.at)?;
        self.at += 4;
        Some(number)
    }
}

/// `xl_xact_commit` and `xl_xact_abort` with all their optional parts.
fn ended(record: &Record<'_>, outcome: TransactionOutcome) -> Option<TransactionEnd> {
    let data = record.data()?;
    let mut end = TransactionEnd {
        outcome,
        xid: record.xid(),
        at: timestamp_at(data, 0),
        gid: None,
        database: None,
        subtransactions: Vec::new(),
        dropped: Vec::new(),
    };
    if record.info() & HAS_INFO == 0 {
        return Some(end);
    }
    let mut parts = Parts { data, at: 12, present: u32_at(data, 8)? };
    if parts.has(0) {
        end.database = Some(parts.number()?);
        parts.number()?;
    }
    if parts.has(1) {
        let count = parts.count()?;
        let xids = parts.items(count, 4)?.filter_map(|item| u32_at(item, 0));
        end.subtransactions = xids.map(TransactionId::from_u32).collect();
    }
    if parts.has(2) {
        let count = parts.count()?;
        let files = parts.items(count, RelationFile::BYTES)?;
        end.dropped = files.filter_map(|item| RelationFile::read(item, 0)).collect();
    }
    if parts.has(8) {
        let count = parts.count()?;
        parts.pass(count, dropped_statistics_bytes(record.version()))?;
    }
    if parts.has(3) {
        let count = parts.count()?;
        parts.pass(count, INVALIDATION_BYTES)?;
    }
    if parts.has(4) {
        end.xid = TransactionId::from_u32(parts.number()?);
        if parts.has(7) {
            end.gid = Some(text(data.get(parts.at..)?));
        }
    }
    Some(end)
}

/// Bytes of a `SharedInvalidationMessage`.
const INVALIDATION_BYTES: usize = 16;

/// Bytes of an `xl_xact_stats_item`, which 15 brought; 18 made its object id 64 bits long.
fn dropped_statistics_bytes(version: WalVersion) -> usize {
    if version.major() >= 18 { 16 } else { 12 }
}

/// `xl_xact_prepare`. 15 put two counts of dropped statistics before that of invalidations.
fn prepared(record: &Record<'_>) -> Option<TransactionEnd> {
    let data = record.data()?;
    let (gid_bytes_at, header_bytes): (usize, usize) =
        if record.version().major() >= 15 { (54, 72) } else { (46, 64) };
    let gid_bytes = usize::from(u16_at(data, gid_bytes_at)?);
    let gid = data.get(header_bytes..header_bytes.checked_add(gid_bytes)?)?;
    Some(TransactionEnd {
        outcome: TransactionOutcome::Prepared,
        xid: TransactionId::from_u32(u32_at(data, 8)?),
        at: timestamp_at(data, 16),
        gid: Some(text(gid)),
        database: Some(u32_at(data, 12)?),
        subtransactions: Vec::new(),
        dropped: Vec::new(),
    })
}
