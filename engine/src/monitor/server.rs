//! Rows about the server as a whole, decoded.

use std::path::PathBuf;

use tokio_postgres::Row;

use super::rates::{Counters, Sample};
use crate::api::{
    ArchiverStatus, ConnectionSlots, DatabaseStatus, Holder, HolderKind, Oid, Result, Role,
    ServerStatus, ServerVersion, StandbyStatus, SystemIdentifier, TimelineId, WalStatus,
};
use crate::pg::query::decode::{LsnColumn, OidColumn};
use crate::pg::query::{column, count, optional_text, text};

/// Decodes the two rows of the query `sample`; also the number of client backends.
///
/// # Errors
/// `QueryFailed` when a column is not what it should be.
pub fn sample(rows: &[Row], probes: i64) -> Result<(Sample, u32)> {
    let mut sample = Sample {
        at_seconds: 0.0,
        position: None,
        own: Counters::default(),
        others: Counters::default(),
        probes,
    };
    let mut clients = 0;
    for row in rows {
        sample.at_seconds = column(row, "at_seconds")?;
        sample.position = column::<LsnColumn>(row, "position")?.0;
        clients = u32::try_from(column::<i32>(row, "client_backends")?).unwrap_or(0);
        let group = if column(row, "is_own")? { &mut sample.own } else { &mut sample.others };
        *group = counters(row)?;
    }
    Ok((sample, clients))
}

fn counters(row: &Row) -> Result<Counters> {
    Ok(Counters {
        backends: column(row, "backends")?,
        commits: column(row, "commits")?,
        rollbacks: column(row, "rollbacks")?,
        blocks_read: column(row, "blocks_read")?,
        blocks_hit: column(row, "blocks_hit")?,
        tuples_returned: column(row, "tuples_returned")?,
        tuples_written: column(row, "tuples_written")?,
        temp_bytes: column(row, "temp_bytes")?,
        deadlocks: column(row, "deadlocks")?,
    })
}

/// Decodes the row of the query `server`; slots in use come from the sample.
///
/// # Errors
/// As [`sample`].
pub fn status(row: &Row, used: u32) -> Result<ServerStatus> {
    let is_in_recovery: bool = column(row, "in_recovery")?;
    let small = |name: &str| Ok(u32::try_from(column::<i32>(row, name)?).unwrap_or(0));
    let timeline: Option<i32> = column(row, "timeline")?;
    let identifier: Option<i64> = column(row, "system_identifier")?;
    Ok(ServerStatus {
        version: ServerVersion::from_num(small("version_num")?),
        version_text: text(row, "version_text")?,
        role: if is_in_recovery { Role::Standby } else { Role::Primary },
        timeline: timeline.and_then(|id| TimelineId::from_u32(id.cast_unsigned())),
        system_identifier: identifier.map(|id| SystemIdentifier::from_u64(id.cast_unsigned())),
        port: u16::try_from(column::<i32>(row, "port")?).ok(),
        started_at: column(row, "started_at")?,
        uptime_seconds: whole_seconds(column(row, "uptime_seconds")?),
        config_loaded_at: column(row, "config_loaded_at")?,
        encoding: text(row, "encoding")?,
        wal_level: text(row, "wal_level")?,
        data_checksums: text(row, "data_checksums")? == "on",
        archive_mode: text(row, "archive_mode")?,
        backup_destination: path(row, "backup_destination")?,
        data_directory: path(row, "data_directory")?,
        connections: ConnectionSlots {
            used,
            max: small("max_connections")?,
            reserved: small("reserved_connections")?,
        },
        pending_restart: column(row, "pending_restart")?,
        monitor_role: text(row, "monitor_role")?,
        monitor_sees_all: column::<Option<bool>>(row, "monitor_sees_all")?.unwrap_or(false),
    })
}

fn path(row: &Row, name: &str) -> Result<Option<PathBuf>> {
    Ok(optional_text(row, name)?.filter(|text| !text.is_empty()).map(PathBuf::from))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates; a negative uptime is clock noise"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds as u64
}

/// Decodes the row of the query `wal`.
///
/// # Errors
/// As [`sample`].
pub fn wal(row: &Row) -> Result<WalStatus> {
    let is_archiving: bool = column(row, "archiving")?;
    let since: Option<i64> = column(row, "since_checkpoint")?;
    Ok(WalStatus {
        position: column::<LsnColumn>(row, "position")?.0,
        received: column::<LsnColumn>(row, "received")?.0,
        replay_delay_seconds: column(row, "replay_delay")?,
        checkpoint_at: column(row, "checkpoint_at")?,
        checkpoint_age_seconds: column(row, "checkpoint_age")?,
        since_checkpoint_bytes: since.and_then(|bytes| u64::try_from(bytes).ok()),
        checkpoints_timed: count(row, "checkpoints_timed")?,
        checkpoints_requested: count(row, "checkpoints_requested")?,
        archiver: if is_archiving { Some(archiver(row)?) } else { None },
    })
}

fn archiver(row: &Row) -> Result<ArchiverStatus> {
    Ok(ArchiverStatus {
        archived_count: count(row, "archived_count")?,
        last_archived: optional_text(row, "last_archived_wal")?,
        last_archived_at: column(row, "last_archived_time")?,
        failed_count: count(row, "failed_count")?,
        last_failed: optional_text(row, "last_failed_wal")?,
        last_failed_at: column(row, "last_failed_time")?,
    })
}

/// A database with what is needed to measure it.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseRow {
    /// Its OID.
    pub oid: Option<Oid>,
    /// What is shown; rates and size are still missing.
    pub status: DatabaseStatus,
    /// Transactions so far, for the rate.
    pub transactions: i64,
    /// Whether its size may be asked for.
    pub may_size: bool,
}

/// Decodes the rows of the query `databases`.
///
/// # Errors
/// As [`sample`].
pub fn databases(rows: &[Row]) -> Result<Vec<DatabaseRow>> {
    rows.iter()
        .map(|row| {
            let hit: i64 = column(row, "blocks_hit")?;
            let asked = hit + column::<i64>(row, "blocks_read")?;
            let age = |name: &str| Ok(u32::try_from(column::<i32>(row, name)?).unwrap_or(0));
            Ok(DatabaseRow {
                oid: column::<OidColumn>(row, "oid")?.0,
                status: DatabaseStatus {
                    name: text(row, "name")?,
                    size_bytes: None,
                    sessions: age("sessions")?,
                    transactions_per_second: None,
                    cache_hit: (asked > 0).then(|| ratio(hit, asked)),
                    xid_age: age("xid_age")?,
                    multixact_age: age("multixact_age")?,
                    temp_bytes: count(row, "temp_bytes")?,
                    deadlocks: count(row, "deadlocks")?,
                },
                transactions: column(row, "transactions")?,
                may_size: column::<Option<bool>>(row, "may_size")?.unwrap_or(false),
            })
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
fn ratio(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}

/// Decodes the rows of the query `holders`, the oldest first.
///
/// # Errors
/// As [`sample`].
pub fn holders(rows: &[Row]) -> Result<Vec<Holder>> {
    let mut holders = Vec::with_capacity(rows.len());
    for row in rows {
        let kind = match text(row, "kind")?.as_str() {
            "session" => HolderKind::Session,
            "prepared" => HolderKind::Prepared,
            "slot" => HolderKind::Slot,
            _ => HolderKind::Standby,
        };
        let age: Option<i32> = column(row, "xmin_age")?;
        let wal: Option<i64> = column(row, "wal_bytes")?;
        holders.push(Holder {
            kind,
            name: text(row, "name")?,
            database: optional_text(row, "database")?,
            xmin_age: age.and_then(|age| u32::try_from(age).ok()),
            wal_bytes: wal.and_then(|bytes| u64::try_from(bytes).ok()),
            age_seconds: column(row, "age_seconds")?,
        });
    }
    sort_holders(&mut holders);
    Ok(holders)
}

/// The oldest xmin first. A snapshot taken while an old transaction ran is as old as that
/// transaction: of equals, what cannot be a victim of others comes first.
fn sort_holders(holders: &mut [Holder]) {
    let is_session = |holder: &Holder| holder.kind == HolderKind::Session;
    holders.sort_by(|one, other| {
        let by_xmin = other.xmin_age.cmp(&one.xmin_age);
        let by_kind = is_session(one).cmp(&is_session(other));
        let age = |holder: &Holder| holder.age_seconds.unwrap_or(0.0);
        by_xmin.then(by_kind).then(age(other).total_cmp(&age(one)))
    });
}

/// Decodes the row of the query `ready_segments`; `None` when nothing waits.
///
/// # Errors
/// As [`sample`].
pub fn ready_segments(row: &Row) -> Result<Option<Holder>> {
    let bytes = count(row, "wal_bytes")?;
    Ok((bytes > 0).then_some(Holder {
        kind: HolderKind::Archiver,
        name: "WAL to be archived".to_owned(),
        database: None,
        xmin_age: None,
        wal_bytes: Some(bytes),
        age_seconds: column(row, "age_seconds")?,
    }))
}

/// Decodes the rows of the query `standbys`.
///
/// # Errors
/// As [`sample`].
pub fn standbys(rows: &[Row]) -> Result<Vec<StandbyStatus>> {
    rows.iter()
        .map(|row| {
            let lag: Option<i64> = column(row, "lag_bytes")?;
            Ok(StandbyStatus {
                name: text(row, "name")?,
                client: text(row, "client")?,
                state: text(row, "state")?,
                sync_state: text(row, "sync_state")?,
                replay_lag_bytes: lag.and_then(|bytes| u64::try_from(bytes).ok()),
                replay_lag_seconds: column(row, "lag_seconds")?,
            })
        })
        .collect()
}
