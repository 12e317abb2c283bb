//! What a record means, for those that recovery and the archive ask about.
//!
//! Everything else is [`Meaning::Other`]: the record's blocks still say which relations it
//! touches. Sources are named at each layout.

use chrono::{DateTime, Utc};

use crate::pg::types::{Lsn, TimelineId};

use super::bytes::{count_at, text, timestamp_at, u32_at, u64_at};
use super::record::{Record, RelationFile, ResourceManager};
use super::xact::{self, TransactionEnd};

/// The kind is in the upper half of `xl_info`.
const KIND: u8 = 0xF0;
const SWITCH: u8 = 0x40;

/// What a checkpoint record says (`CheckPoint` in `pg_control.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalCheckpoint {
    /// Where recovery would begin to replay.
    pub redo: Option<Lsn>,
    /// The timeline.
    pub timeline: Option<TimelineId>,
    /// The timeline before; equal unless this checkpoint began a new one.
    pub previous_timeline: Option<TimelineId>,
    /// When it began, to the second.
    pub at: Option<DateTime<Utc>>,
    /// Whether the server shut down with it.
    pub is_shutdown: bool,
}

/// Settings that a server in recovery must not have lower than its source
/// (`xl_parameter_change`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSettings {
    /// `max_connections`.
    pub max_connections: u32,
    /// `max_worker_processes`.
    pub max_worker_processes: u32,
    /// `max_wal_senders`.
    pub max_wal_senders: u32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: u32,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: u32,
}

/// What a record means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// `XLOG_CHECKPOINT_SHUTDOWN`, `XLOG_CHECKPOINT_ONLINE`.
    Checkpoint(WalCheckpoint),
    /// `XLOG_SWITCH`: the rest of the segment is padding.
    Switch,
    /// `XLOG_BACKUP_END`: the backup that began there may be started from here on.
    BackupEnd {
        /// Where the backup began.
        start: Option<Lsn>,
    },
    /// `XLOG_PARAMETER_CHANGE`: settings a standby must match changed.
    ParameterChange {
        /// `wal_level` as a number; 0 is minimal, which recovery cannot pass.
        wal_level: Option<u32>,
        /// The others.
        settings: Option<SourceSettings>,
    },
    /// `XLOG_RESTORE_POINT`.
    RestorePoint {
        /// Its name.
        name: String,
        /// When it was made.
        at: Option<DateTime<Utc>>,
    },
    /// `XLOG_END_OF_RECOVERY`: a new timeline begins.
    EndOfRecovery {
        /// When.
        at: Option<DateTime<Utc>>,
        /// The new timeline.
        timeline: Option<TimelineId>,
        /// The one it comes from.
        previous_timeline: Option<TimelineId>,
    },
    /// `XLOG_OVERWRITE_CONTRECORD`: the record that began there was cut off by a crash.
    GivenUp {
        /// Where it began.
        lsn: Option<Lsn>,
    },
    /// A transaction ended or was prepared.
    Transaction(TransactionEnd),
    /// `XLOG_SMGR_TRUNCATE`: a relation's file was cut, as by `VACUUM` or `TRUNCATE`.
    FileTruncated {
        /// The file.
        file: RelationFile,
        /// Blocks that remain.
        blocks: u32,
    },
    /// `XLOG_HEAP_TRUNCATE`: `TRUNCATE`, only with `wal_level = logical`.
    Truncate {
        /// The database's oid.
        database: u32,
        /// The tables' oids.
        relations: Vec<u32>,
    },
    /// `XLOG_HEAP_DELETE`: one row was deleted; the record's block says of which relation.
    Delete,
    /// Anything else.
    Other,
    /// The record is whole and its data is not laid out as this version does.
    Unreadable,
}

impl Record<'_> {
    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        let manager = self.resource_manager();
        let decoded = match manager {
            ResourceManager::XLOG => xlog(self),
            ResourceManager::TRANSACTION => xact::decode(self),
            ResourceManager::STORAGE => storage(self),
            ResourceManager::HEAP => heap(self),
            _ => Some(Meaning::Other),
        };
        decoded.unwrap_or(Meaning::Unreadable)
    }
}

/// Whether a record's bytes are a switch; cheaper than [`Record::meaning`].
pub(super) fn is_switch(bytes: &[u8]) -> bool {
    bytes.get(16).is_some_and(|info| info & KIND == SWITCH) && bytes.get(17) == Some(&0)
}

/// `pg_control.h` for the kinds, `xlog_internal.h` and `xlog.c` for the layouts.
fn xlog(record: &Record<'_>) -> Option<Meaning> {
    let kind = record.info() & KIND;
    if !matches!(kind, 0x00 | 0x10 | SWITCH | 0x50 | 0x60 | 0x70 | 0x90 | 0xD0) {
        return Some(Meaning::Other);
    }
    let data = record.data()?;
    let timeline = |at| Some(TimelineId::from_u32(u32_at(data, at)?));
    let lsn = |at| Some(Lsn::from_u64(u64_at(data, at)?));
    Some(match kind {
        0x00 | 0x10 => Meaning::Checkpoint(WalCheckpoint {
            redo: lsn(0)?,
            timeline: timeline(8)?,
            previous_timeline: timeline(12)?,
            at: DateTime::from_timestamp(i64::try_from(u64_at(data, 64)?).ok()?, 0),
            is_shutdown: kind == 0x00,
        }),
        SWITCH => Meaning::Switch,
        0x50 => Meaning::BackupEnd { start: lsn(0)? },
        0x60 => Meaning::ParameterChange {
            wal_level: u32_at(data, 20),
            settings: source_settings(data),
        },
        0x70 => Meaning::RestorePoint { name: text(data.get(8..)?), at: timestamp_at(data, 0) },
        0x90 => Meaning::EndOfRecovery {
            at: timestamp_at(data, 0),
            timeline: timeline(8)?,
            previous_timeline: timeline(12)?,
        },
        _ => Meaning::GivenUp { lsn: lsn(0)? },
    })
}

fn source_settings(data: &[u8]) -> Option<SourceSettings> {
    Some(SourceSettings {
        max_connections: u32_at(data, 0)?,
        max_worker_processes: u32_at(data, 4)?,
        max_wal_senders: u32_at(data, 8)?,
        max_prepared_transactions: u32_at(data, 12)?,
        max_locks_per_transaction: u32_at(data, 16)?,
    })
}

/// `storage_xlog.h`.
fn storage(record: &Record<'_>) -> Option<Meaning> {
    const TRUNCATE: u8 = 0x20;
    if record.info() & KIND != TRUNCATE {
        return Some(Meaning::Other);
    }
    let data = record.data()?;
    let file = RelationFile::read(data, 4)?;
    Some(Meaning::FileTruncated { file, blocks: u32_at(data, 0)? })
}

/// `heapam_xlog.h`.
fn heap(record: &Record<'_>) -> Option<Meaning> {
    const DELETE: u8 = 0x10;
    const TRUNCATE: u8 = 0x30;
    // The highest bit says that the page was initialised.
    match record.info() & 0x70 {
        DELETE => Some(Meaning::Delete),
        TRUNCATE => {
            let data = record.data()?;
            let count = count_at(data, 4)?;
            let oids = data.get(12..)?;
            let whole = count.checked_mul(4).filter(|&bytes| bytes <= oids.len())?;
            let relations = oids[..whole].chunks_exact(4).filter_map(|oid| u32_at(oid, 0));
            Some(Meaning::Truncate { database: u32_at(data, 0)?, relations: relations.collect() })
        }
        _ => Some(Meaning::Other),
    }
}
