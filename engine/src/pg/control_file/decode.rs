//! From the file's bytes to its fields.
//!
//! The file is a C structure as the server's compiler laid it out, so fields are read in
//! order, each aligned to its own size, in the byte order of this machine. That holds on
//! every 64-bit platform PostgreSQL runs on; a 32-bit server may align 8-byte fields to 4,
//! and then the checksum does not match.

use chrono::{DateTime, Utc};

use crate::api::{Error, ErrorCode};
use crate::pg::types::{Lsn, Oid, SystemIdentifier, TimelineId, TransactionId};

use super::{BuildSettings, Checkpoint, ControlFile, DbState, StandbySettings, WalLevel};

/// Why the bytes are no control file that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlFileError {
    /// Fewer bytes than the structure has: truncated, or just being written anew.
    #[error("it has {bytes} bytes, fewer than the structure it must hold")]
    TooShort {
        /// How many there are.
        bytes: usize,
    },
    /// Written on a machine of the other byte order.
    #[error("it was written on a machine of the other byte order")]
    ByteOrder,
    /// A layout that no server of 13 to 18 writes.
    #[error("its layout has version {version}; pgdeck knows 1300 (13 to 16), 1700 and 1800")]
    UnknownVersion {
        /// The version it names.
        version: u32,
    },
    /// The checksum does not match: damaged, or read while the server wrote it.
    #[error("its checksum is {computed:08X} and should be {stored:08X}")]
    Checksum {
        /// What the file says.
        stored: u32,
        /// What its content has.
        computed: u32,
    },
    /// A state that the C enumeration does not have, under a right checksum.
    #[error("its state number {number} means nothing")]
    UnknownState {
        /// The number.
        number: u32,
    },
}

impl ControlFileError {
    /// Whether another read a moment later may succeed, because the server was writing.
    ///
    /// The server writes the file in place in one call and counts on one disk sector being
    /// written as a whole; a reader beside it has no such promise (`get_controlfile()` in
    /// `src/common/controldata_utils.c` reads again, too).
    #[must_use]
    pub fn may_be_torn(self) -> bool {
        matches!(self, Self::TooShort { .. } | Self::Checksum { .. })
    }

    /// As the user reads it; `path` names the file.
    #[must_use]
    pub fn into_api(self, path: &str) -> Error {
        let (code, what) = match self {
            // Every release has numbered its layout between 1 and a few thousand.
            Self::UnknownVersion { version: 1..=9999 } => {
                (ErrorCode::VersionUnsupported, "is of a version pgdeck does not know")
            }
            Self::ByteOrder => (ErrorCode::ControlFileDamaged, "is of another kind of machine"),
            _ => (ErrorCode::ControlFileDamaged, "is damaged"),
        };
        Error::new(code, format!("control file \"{path}\" {what}")).detail(self.to_string())
    }
}

/// Decodes the content of `global/pg_control`; anything after the structure is ignored.
///
/// # Errors
/// [`ControlFileError`], each condition its own variant; ask
/// [`ControlFileError::may_be_torn`] whether to read again.
pub fn decode(bytes: &[u8]) -> Result<ControlFile, ControlFileError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let system_identifier = SystemIdentifier::from_u64(cursor.u64()?);
    let control_version = cursor.u32()?;
    let layout = Layout::of(control_version)?;
    cursor.verify_checksum(layout)?;
    let catalog_version = cursor.u32()?;
    let state_number = cursor.u32()?;
    Ok(ControlFile {
        system_identifier,
        control_version,
        catalog_version,
        state: DbState::from_number(state_number)
            .ok_or(ControlFileError::UnknownState { number: state_number })?,
        modified_at: cursor.time()?,
        checkpoint: cursor.lsn()?,
        checkpoint_copy: checkpoint(&mut cursor, layout)?,
        unlogged_lsn: cursor.lsn()?,
        min_recovery_point: cursor.lsn()?,
        min_recovery_point_timeline: TimelineId::from_u32(cursor.u32()?),
        backup_start_point: cursor.lsn()?,
        backup_end_point: cursor.lsn()?,
        backup_end_required: cursor.bool()?,
        standby_settings: standby_settings(&mut cursor)?,
        build: build_settings(&mut cursor, layout)?,
        mock_authentication_nonce: cursor.take()?,
        crc: cursor.u32()?,
    })
}

/// What differs between the layouts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layout {
    V1300,
    V1700,
    V1800,
}

impl Layout {
    fn of(version: u32) -> Result<Self, ControlFileError> {
        match version {
            1300 => Ok(Self::V1300),
            1700 => Ok(Self::V1700),
            1800 => Ok(Self::V1800),
            // `pg_controldata` tells a foreign byte order by this very test.
            _ if version != 0 && version.is_multiple_of(65_536) => Err(ControlFileError::ByteOrder),
            _ => Err(ControlFileError::UnknownVersion { version }),
        }
    }

    /// `offsetof(ControlFileData, crc)`.
    ///
    /// The `wal_level` of 17 fills a hole before `nextXid` and moves nothing; the flag of 18
    /// moves the nonce by one byte and so the checksum by four.
    fn crc_offset(self) -> usize {
        match self {
            Self::V1300 | Self::V1700 => 288,
            Self::V1800 => 292,
        }
    }
}

fn checkpoint(cursor: &mut Cursor<'_>, layout: Layout) -> Result<Checkpoint, ControlFileError> {
    cursor.align(8);
    let checkpoint = Checkpoint {
        redo: cursor.lsn()?,
        timeline: TimelineId::from_u32(cursor.u32()?),
        previous_timeline: TimelineId::from_u32(cursor.u32()?),
        full_page_writes: cursor.bool()?,
        wal_level: match layout {
            Layout::V1300 => None,
            Layout::V1700 | Layout::V1800 => WalLevel::from_number(cursor.i32()?),
        },
        next_full_xid: cursor.u64()?,
        next_oid: Oid::from_u32(cursor.u32()?),
        next_multixact: cursor.u32()?,
        next_multixact_offset: cursor.u32()?,
        oldest_xid: TransactionId::from_u32(cursor.u32()?),
        oldest_xid_database: Oid::from_u32(cursor.u32()?),
        oldest_multixact: cursor.u32()?,
        oldest_multixact_database: Oid::from_u32(cursor.u32()?),
        time: cursor.time()?,
        oldest_commit_ts_xid: cursor.xid()?,
        newest_commit_ts_xid: cursor.xid()?,
        oldest_active_xid: cursor.xid()?,
    };
    // A structure ends at a multiple of its largest member.
    cursor.align(8);
    Ok(checkpoint)
}

fn standby_settings(cursor: &mut Cursor<'_>) -> Result<StandbySettings, ControlFileError> {
    Ok(StandbySettings {
        wal_level: WalLevel::from_number(cursor.i32()?),
        wal_log_hints: cursor.bool()?,
        max_connections: cursor.i32()?,
        max_worker_processes: cursor.i32()?,
        max_wal_senders: cursor.i32()?,
        max_prepared_transactions: cursor.i32()?,
        max_locks_per_transaction: cursor.i32()?,
        track_commit_timestamp: cursor.bool()?,
    })
}

fn build_settings(
    cursor: &mut Cursor<'_>,
    layout: Layout,
) -> Result<BuildSettings, ControlFileError> {
    Ok(BuildSettings {
        max_align: cursor.u32()?,
        float_format_matches: cursor.u64()? == 1_234_567.0_f64.to_bits(),
        block_bytes: cursor.u32()?,
        relation_segment_blocks: cursor.u32()?,
        wal_block_bytes: cursor.u32()?,
        wal_segment_bytes: cursor.u32()?,
        name_bytes: cursor.u32()?,
        index_columns_max: cursor.u32()?,
        toast_chunk_bytes_max: cursor.u32()?,
        large_object_chunk_bytes: cursor.u32()?,
        float8_by_value: cursor.bool()?,
        data_checksum_version: cursor.u32()?,
        default_char_signedness: match layout {
            Layout::V1300 | Layout::V1700 => None,
            Layout::V1800 => Some(cursor.bool()?),
        },
    })
}

/// Reads members of a C structure in order, with the alignment of a 64-bit compiler.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ControlFileError> {
        let field = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        self.at += N;
        field.copied().ok_or(ControlFileError::TooShort { bytes: self.bytes.len() })
    }

    fn bool(&mut self) -> Result<bool, ControlFileError> {
        Ok(self.take::<1>()? != [0])
    }

    fn u32(&mut self) -> Result<u32, ControlFileError> {
        self.align(4);
        self.take().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Result<i32, ControlFileError> {
        self.align(4);
        self.take().map(i32::from_ne_bytes)
    }

    fn u64(&mut self) -> Result<u64, ControlFileError> {
        self.align(8);
        self.take().map(u64::from_ne_bytes)
    }

    fn lsn(&mut self) -> Result<Option<Lsn>, ControlFileError> {
        self.u64().map(Lsn::from_u64)
    }

    /// A transaction id, `None` for `InvalidTransactionId`.
    fn xid(&mut self) -> Result<Option<TransactionId>, ControlFileError> {
        let number = self.u32()?;
        Ok((number != 0).then(|| TransactionId::from_u32(number)))
    }

    /// A `pg_time_t`, seconds since 1970; `None` for zero and for what no calendar has.
    fn time(&mut self) -> Result<Option<DateTime<Utc>>, ControlFileError> {
        self.align(8);
        let seconds = i64::from_ne_bytes(self.take()?);
        Ok(if seconds == 0 { None } else { DateTime::from_timestamp(seconds, 0) })
    }

    fn verify_checksum(&self, layout: Layout) -> Result<(), ControlFileError> {
        let too_short = ControlFileError::TooShort { bytes: self.bytes.len() };
        let offset = layout.crc_offset();
        let (covered, rest) = self.bytes.split_at_checked(offset).ok_or(too_short)?;
        let stored = u32::from_ne_bytes(*rest.first_chunk().ok_or(too_short)?);
        let computed = crc32c::crc32c(covered);
        if stored == computed {
            Ok(())
        } else {
            Err(ControlFileError::Checksum { stored, computed })
        }
    }
}
