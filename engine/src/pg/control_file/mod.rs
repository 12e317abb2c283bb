//! `global/pg_control`: how an instance stood when it last wrote to its disk.
//!
//! Owns the layout of the file for PostgreSQL 13 to 18. Works on bytes alone: who reads
//! them, and when to read again, is the caller's matter.
//!
//! Source of every field: `src/include/catalog/pg_control.h` of each major version.

mod columns;
mod decode;
#[cfg(test)]
mod tests;

pub use columns::ControlColumn;
pub use decode::{ControlFileError, decode};

use chrono::{DateTime, Utc};

use crate::api::ControlSummary;

use super::types::{Lsn, Oid, SystemIdentifier, TimelineId, TransactionId};

/// Bytes of the file as `initdb` makes it (`PG_CONTROL_FILE_SIZE`); most of them are zero.
pub const CONTROL_FILE_BYTES: usize = 8192;

/// The file's path below the data directory.
pub const CONTROL_FILE_PATH: &str = "global/pg_control";

/// What an instance was doing when it last wrote the control file (`DBState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DbState {
    /// `DB_STARTUP`: made by `initdb` and not yet started.
    StartingUp,
    /// `DB_SHUTDOWNED`: ended cleanly.
    ShutDown,
    /// `DB_SHUTDOWNED_IN_RECOVERY`: ended cleanly while it was a standby or recovered.
    ShutDownInRecovery,
    /// `DB_SHUTDOWNING`: takes the last checkpoint.
    ShuttingDown,
    /// `DB_IN_CRASH_RECOVERY`: replays its own WAL after a crash.
    InCrashRecovery,
    /// `DB_IN_ARCHIVE_RECOVERY`: replays WAL from an archive or another server.
    InArchiveRecovery,
    /// `DB_IN_PRODUCTION`: takes writes.
    InProduction,
}

impl DbState {
    /// The state with this number of the C enumeration.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        [
            Self::StartingUp,
            Self::ShutDown,
            Self::ShutDownInRecovery,
            Self::ShuttingDown,
            Self::InCrashRecovery,
            Self::InArchiveRecovery,
            Self::InProduction,
        ]
        .get(usize::try_from(number).ok()?)
        .copied()
    }

    /// The word `pg_controldata` prints (`dbState()` in `pg_controldata.c`).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::StartingUp => "starting up",
            Self::ShutDown => "shut down",
            Self::ShutDownInRecovery => "shut down in recovery",
            Self::ShuttingDown => "shutting down",
            Self::InCrashRecovery => "in crash recovery",
            Self::InArchiveRecovery => "in archive recovery",
            Self::InProduction => "in production",
        }
    }

    /// Whether an instance without a process in this state needs no crash recovery.
    ///
    /// Means nothing while there is a process: at the end of crash recovery a server writes
    /// `shut down` for a moment before it goes into production.
    #[must_use]
    pub fn is_clean(self) -> bool {
        matches!(self, Self::ShutDown | Self::ShutDownInRecovery)
    }
}

/// How much the WAL holds (`WalLevel` in `src/include/access/xlog.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalLevel {
    /// Enough for crash recovery.
    Minimal,
    /// Enough for archiving and standbys.
    Replica,
    /// Enough for logical decoding.
    Logical,
}

impl WalLevel {
    /// The level with this number of the C enumeration.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Minimal),
            1 => Some(Self::Replica),
            2 => Some(Self::Logical),
            _ => None,
        }
    }

    /// The value of the setting `wal_level`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Replica => "replica",
            Self::Logical => "logical",
        }
    }
}

/// The copy of the latest checkpoint record (`CheckPoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where recovery would begin to replay.
    pub redo: Option<Lsn>,
    /// The timeline it was written on.
    pub timeline: Option<TimelineId>,
    /// The timeline before; equal to `timeline` unless this checkpoint began a new one.
    pub previous_timeline: Option<TimelineId>,
    /// `full_page_writes` at that moment.
    pub full_page_writes: bool,
    /// `wal_level` at that moment; stored from 17 on.
    pub wal_level: Option<WalLevel>,
    /// The next transaction id, epoch in the upper half (`FullTransactionId`).
    pub next_full_xid: u64,
    /// The next object identifier.
    pub next_oid: Option<Oid>,
    /// The next multixact id.
    pub next_multixact: u32,
    /// The next multixact member offset.
    pub next_multixact_offset: u32,
    /// The oldest `datfrozenxid` of the cluster.
    pub oldest_xid: TransactionId,
    /// The database that has it.
    pub oldest_xid_database: Option<Oid>,
    /// The oldest `datminmxid` of the cluster.
    pub oldest_multixact: u32,
    /// The database that has it.
    pub oldest_multixact_database: Option<Oid>,
    /// When the checkpoint began.
    pub time: Option<DateTime<Utc>>,
    /// The oldest transaction with a commit timestamp; `None` without `track_commit_timestamp`.
    pub oldest_commit_ts_xid: Option<TransactionId>,
    /// The newest transaction with a commit timestamp.
    pub newest_commit_ts_xid: Option<TransactionId>,
    /// The oldest transaction that ran; only known of online checkpoints.
    pub oldest_active_xid: Option<TransactionId>,
}

/// Settings that decide whether a standby can follow (from the last start or reload).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbySettings {
    /// `wal_level`.
    pub wal_level: Option<WalLevel>,
    /// `wal_log_hints`.
    pub wal_log_hints: bool,
    /// `max_connections`.
    pub max_connections: i32,
    /// `max_worker_processes`.
    pub max_worker_processes: i32,
    /// `max_wal_senders`.
    pub max_wal_senders: i32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i32,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: i32,
    /// `track_commit_timestamp`.
    pub track_commit_timestamp: bool,
}

/// How the server that made the cluster was built; a server must match all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSettings {
    /// Alignment of tuples, in bytes.
    pub max_align: u32,
    /// Whether the double 1234567.0 reads back right, the test of the floating-point format.
    pub float_format_matches: bool,
    /// Bytes of a data page.
    pub block_bytes: u32,
    /// Pages of one file of a large relation.
    pub relation_segment_blocks: u32,
    /// Bytes of a WAL page.
    pub wal_block_bytes: u32,
    /// Bytes of a WAL segment.
    pub wal_segment_bytes: u32,
    /// Bytes of a name, its terminator included (`NAMEDATALEN`).
    pub name_bytes: u32,
    /// Columns of an index at most.
    pub index_columns_max: u32,
    /// Bytes of a TOAST chunk at most.
    pub toast_chunk_bytes_max: u32,
    /// Bytes of a chunk of a large object.
    pub large_object_chunk_bytes: u32,
    /// Whether 8-byte values are passed by value.
    pub float8_by_value: bool,
    /// Version of the data page checksums; 0 when pages carry none.
    pub data_checksum_version: u32,
    /// Whether `char` is signed where the cluster was made; stored from 18 on.
    pub default_char_signedness: Option<bool>,
}

/// The decoded control file (`ControlFileData`), its checksum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// The cluster's number.
    pub system_identifier: SystemIdentifier,
    /// The layout of this file: 1300 for 13 to 16, 1700 for 17, 1800 for 18.
    pub control_version: u32,
    /// The layout of the system catalogs; differs between all major versions.
    pub catalog_version: u32,
    /// What the instance was doing.
    pub state: DbState,
    /// When the file was last written, to the second.
    pub modified_at: Option<DateTime<Utc>>,
    /// The position of the latest checkpoint record.
    pub checkpoint: Option<Lsn>,
    /// What that record says.
    pub checkpoint_copy: Checkpoint,
    /// The counter that stands for positions of unlogged relations.
    pub unlogged_lsn: Option<Lsn>,
    /// Replay must reach this before the server may start; `None` outside archive recovery.
    pub min_recovery_point: Option<Lsn>,
    /// The timeline of that position.
    pub min_recovery_point_timeline: Option<TimelineId>,
    /// The redo position of the base backup being recovered; `None` once its end was reached.
    pub backup_start_point: Option<Lsn>,
    /// The end of a base backup that was taken from a standby.
    pub backup_end_point: Option<Lsn>,
    /// Whether a backup's end record must be replayed before the server may start.
    pub backup_end_required: bool,
    /// Settings a standby must match.
    pub standby_settings: StandbySettings,
    /// The build the cluster belongs to.
    pub build: BuildSettings,
    /// The random number of this cluster that hides whether a role exists (SCRAM).
    pub mock_authentication_nonce: [u8; 32],
    /// The stored and verified CRC-32C.
    pub crc: u32,
}

impl ControlFile {
    /// The state word as `pg_controldata` prints it.
    #[must_use]
    pub fn state_word(&self) -> &'static str {
        self.state.word()
    }

    /// Whether the instance, if no process serves it, ended cleanly.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.state.is_clean()
    }

    /// Whether data pages carry checksums.
    #[must_use]
    pub fn data_checksums(&self) -> bool {
        self.build.data_checksum_version != 0
    }

    /// The WAL file that holds the redo position, as a file name.
    ///
    /// `None` when there is no checkpoint or the segment size is not a valid one. Source:
    /// `XLByteToSeg` and `XLogFileName` in `src/include/access/xlog_internal.h`.
    #[must_use]
    pub fn redo_wal_file(&self) -> Option<String> {
        let timeline = self.checkpoint_copy.timeline?;
        let redo = self.checkpoint_copy.redo?.as_u64();
        let segment_bytes = u64::from(self.build.wal_segment_bytes);
        let segments_per_id = 0x1_0000_0000_u64.checked_div(segment_bytes)?;
        let segment = redo / segment_bytes;
        let high = segment.checked_div(segments_per_id)?;
        let low = segment.checked_rem(segments_per_id)?;
        Some(format!("{}{high:08X}{low:08X}", timeline.file_name_part()))
    }

    /// What people need of it when the server is down.
    #[must_use]
    pub fn summary(&self) -> ControlSummary {
        ControlSummary {
            system_identifier: self.system_identifier,
            state: self.state_word(),
            is_clean: self.is_clean(),
            modified_at: self.modified_at,
            timeline: self.checkpoint_copy.timeline,
            checkpoint: self.checkpoint,
            checkpoint_at: self.checkpoint_copy.time,
            data_checksums: self.data_checksums(),
        }
    }
}
