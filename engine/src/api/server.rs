//! Figures of a running server: its role, rates, WAL, databases, standbys, what holds things back.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Lsn, ServerVersion, SystemIdentifier, TimelineId};

/// What a server does for its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Replays another server's WAL and takes reads.
    Standby,
}

impl Role {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}

/// Figures of a running server. Ages are whole or fractional seconds on the server's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerStatus {
    /// The exact version.
    pub version: ServerVersion,
    /// The server's own text, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub version_text: String,
    /// Primary or standby.
    pub role: Role,
    /// The timeline of the last checkpoint (`pg_control_checkpoint()`), if the role may see it.
    pub timeline: Option<TimelineId>,
    /// The cluster's number, if the role may see it.
    pub system_identifier: Option<SystemIdentifier>,
    /// The TCP port.
    pub port: Option<u16>,
    /// When the server started.
    pub started_at: DateTime<Utc>,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// When the configuration was last loaded.
    pub config_loaded_at: Option<DateTime<Utc>>,
    /// `server_encoding` of the database the monitor is connected to.
    pub encoding: String,
    /// `wal_level`.
    pub wal_level: String,
    /// Whether data pages carry checksums (`data_checksums`).
    pub data_checksums: bool,
    /// `archive_mode`.
    pub archive_mode: String,
    /// `pgx.backup_destination`, when set.
    pub backup_destination: Option<PathBuf>,
    /// `data_directory`, if the role may see it.
    pub data_directory: Option<PathBuf>,
    /// Connection slots.
    pub connections: ConnectionSlots,
    /// Settings changed in the files that wait for a restart (`pg_settings.pending_restart`).
    pub pending_restart: Vec<String>,
    /// The role the monitor is connected as.
    pub monitor_role: String,
    /// Whether that role may see everything (superuser or `pg_monitor`).
    pub monitor_sees_all: bool,
}

/// Connection slots of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionSlots {
    /// Client backends now, pgdeck's own included.
    pub used: u32,
    /// `max_connections`.
    pub max: u32,
    /// Slots kept back: `superuser_reserved_connections` and, from 16, `reserved_connections`.
    #[serde(skip)]
    pub reserved: u32,
}

/// Activity between two samples. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Seconds between the samples.
    pub window_seconds: f64,
    /// Committed and rolled back transactions, pgdeck's own probes excluded.
    pub transactions: f64,
    /// Rolled back transactions.
    pub rollbacks: f64,
    /// Rows returned to queries.
    pub tuples_returned: f64,
    /// Rows inserted, updated and deleted.
    pub tuples_written: f64,
    /// Blocks found in shared buffers, of all asked for, 0 to 1; `None` when none was asked for.
    pub cache_hit: Option<f64>,
    /// Bytes of temporary files.
    pub temp_bytes: f64,
    /// Deadlocks.
    pub deadlocks: f64,
    /// Bytes of WAL written (primary) or replayed (standby).
    pub wal_bytes: f64,
}

/// Checkpoints and WAL.
#[derive(Clone, Debug, PartialEq)]
pub struct WalStatus {
    /// Insert position (primary) or replay position (standby).
    pub position: Option<Lsn>,
    /// Received position of a standby.
    pub received: Option<Lsn>,
    /// Seconds since the last replayed transaction's commit on a standby.
    pub replay_delay_seconds: Option<f64>,
    /// When the last checkpoint (on a standby: restart point) was taken.
    pub checkpoint_at: Option<DateTime<Utc>>,
    /// Seconds since then.
    pub checkpoint_age_seconds: Option<f64>,
    /// Bytes of WAL since its redo position.
    pub since_checkpoint_bytes: Option<u64>,
    /// Checkpoints begun by `checkpoint_timeout`, since the statistics were reset.
    pub checkpoints_timed: u64,
    /// Checkpoints asked for by `max_wal_size` or a command.
    pub checkpoints_requested: u64,
    /// The archiver. `None` when `archive_mode = off`.
    pub archiver: Option<ArchiverStatus>,
}

/// `pg_stat_archiver` with what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiverStatus {
    /// Segments archived since the statistics were reset.
    pub archived_count: u64,
    /// The segment archived last.
    pub last_archived: Option<String>,
    /// When.
    pub last_archived_at: Option<DateTime<Utc>>,
    /// Failed attempts since the statistics were reset.
    pub failed_count: u64,
    /// The segment that failed last.
    pub last_failed: Option<String>,
    /// When.
    pub last_failed_at: Option<DateTime<Utc>>,
}

impl ArchiverStatus {
    /// Whether the newest attempt failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        match (self.last_failed_at, self.last_archived_at) {
            (Some(failed), Some(archived)) => failed > archived,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// One database of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseStatus {
    /// Its name.
    pub name: String,
    /// Bytes on disk (`pg_database_size`); `None` until measured or without the privilege.
    pub size_bytes: Option<u64>,
    /// Sessions connected to it.
    pub sessions: u32,
    /// Transactions per second between the last two samples.
    pub transactions_per_second: Option<f64>,
    /// Blocks found in shared buffers, 0 to 1.
    pub cache_hit: Option<f64>,
    /// Age of its oldest unfrozen transaction id (`age(datfrozenxid)`), in transactions.
    pub xid_age: u32,
    /// Age of its oldest multixact (`mxid_age(datminmxid)`).
    pub multixact_age: u32,
    /// Bytes of temporary files since the statistics were reset.
    pub temp_bytes: u64,
    /// Deadlocks since the statistics were reset.
    pub deadlocks: u64,
}

/// One thing that holds back the removal of dead rows or of WAL.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// What kind of thing.
    pub kind: HolderKind,
    /// Its name: pid, gid, slot or standby.
    pub name: String,
    /// The database it belongs to, when to one.
    pub database: Option<String>,
    /// How many transactions old its xmin is; `None` when it holds no xmin.
    pub xmin_age: Option<u32>,
    /// Bytes of WAL it keeps from removal; `None` when it keeps none.
    pub wal_bytes: Option<u64>,
    /// Seconds it has been there, when known.
    pub age_seconds: Option<f64>,
}

/// What kind of thing holds back xmin or WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A backend with an open snapshot or transaction.
    Session,
    /// A prepared transaction.
    Prepared,
    /// A replication slot.
    Slot,
    /// A standby with `hot_standby_feedback`.
    Standby,
    /// WAL segments that wait for the archiver.
    Archiver,
}

impl HolderKind {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Prepared => "prepared",
            Self::Slot => "slot",
            Self::Standby => "standby",
            Self::Archiver => "archiver",
        }
    }
}

/// A standby connected to this server (`pg_stat_replication`).
#[derive(Clone, Debug, PartialEq)]
pub struct StandbyStatus {
    /// `application_name`.
    pub name: String,
    /// Its address.
    pub client: String,
    /// `state`, such as `streaming`.
    pub state: String,
    /// `sync_state`.
    pub sync_state: String,
    /// Bytes it has yet to replay.
    pub replay_lag_bytes: Option<u64>,
    /// Seconds it is behind (`replay_lag`).
    pub replay_lag_seconds: Option<f64>,
}
