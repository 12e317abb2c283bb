//! What an instance is and how it stands: identity, state, server figures.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Error, Lsn, ServerVersion, SystemIdentifier, TimelineId};

/// The key of an instance within one engine: its data directory, or host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// From the text the engine made.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an instance lives, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Locality {
    /// Its data directory is on this machine.
    Local,
    /// Reached through a connection string only: watching and SQL actions.
    Remote,
}

/// Who an instance is; does not change while it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// The key.
    pub id: InstanceId,
    /// The name people use: from `pgdeck.toml`, `cluster_name`, or the directory's last part.
    pub name: String,
    /// The machine: `localhost`'s own name, or the remote host.
    pub host: String,
    /// Whether files and processes can be reached.
    pub locality: Locality,
    /// The data storage destination. `None` when remote.
    pub data_directory: Option<PathBuf>,
    /// Where `postgresql.conf` is when not in the data directory (Debian's layout).
    pub config_directory: Option<PathBuf>,
}

/// The state of an instance as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Takes connections.
    Started,
    /// The server process runs and is not ready yet.
    Starting,
    /// Replays WAL after a crash or towards a target and takes no connections yet.
    InRecovery,
    /// Shuts down.
    Stopping,
    /// No process; the control file says it was shut down cleanly.
    Stopped,
    /// No process; the control file says it was running. The next start recovers.
    Crashed,
    /// The server process is stopped by a signal (SIGSTOP) and does nothing.
    Suspended,
    /// The server process has ended and waits for its parent to collect it.
    Zombie,
    /// The data storage destination does not exist.
    DataDirectoryMissing,
    /// The directory exists and holds no database cluster.
    NotACluster,
    /// The directory cannot be read by this user, so nothing can be told.
    AccessDenied,
    /// It should answer and does not.
    Unreachable,
    /// Not looked at yet.
    Unknown,
}

impl InstanceState {
    /// The word shown to people and written to JSON, such as `started`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Starting => "starting",
            Self::InRecovery => "in recovery",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
            Self::Suspended => "suspended",
            Self::Zombie => "zombie",
            Self::DataDirectoryMissing => "data directory missing",
            Self::NotACluster => "not a cluster",
            Self::AccessDenied => "access denied",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is certain that no server runs: what it did last is history then. A server
    /// that cannot be reached may run on, and what was known of it stays, marked as stale.
    #[must_use]
    pub fn is_down(self) -> bool {
        match self {
            Self::Stopped | Self::Crashed | Self::DataDirectoryMissing | Self::NotACluster => true,
            Self::AccessDenied | Self::Unreachable | Self::Unknown => false,
            _ => !self.has_process(),
        }
    }

    /// Whether a server process exists (in whatever condition).
    #[must_use]
    pub fn has_process(self) -> bool {
        matches!(
            self,
            Self::Started
                | Self::Starting
                | Self::InRecovery
                | Self::Stopping
                | Self::Suspended
                | Self::Zombie
        )
    }
}

/// Something wrong with an instance that stands beside its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceProblem {
    /// `postmaster.pid` names a process that is not this server.
    StalePidFile {
        /// The process named by the file.
        pid: i32,
    },
    /// The data directory belongs to another user than the server's, or to root.
    WrongOwner {
        /// The owner's name, or its number.
        owner: String,
    },
    /// The data directory's mode lets others in; PostgreSQL refuses all but 0700 and 0750.
    WrongMode {
        /// The permission bits.
        mode: u32,
    },
    /// No server programs for this major version were found.
    NoBinaries {
        /// The major version in `PG_VERSION`.
        major: u32,
    },
    /// The control file cannot be trusted.
    ControlFile {
        /// What is wrong with it.
        reason: String,
    },
    /// The major version is not one pgdeck knows.
    UnsupportedVersion {
        /// The content of `PG_VERSION`.
        version: String,
    },
}

/// How an instance stands right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// The state.
    pub state: InstanceState,
    /// One line that says how this is known or what hinders.
    pub detail: String,
    /// The server process, when there is one.
    pub pid: Option<i32>,
    /// The TCP port (and socket suffix), from `postmaster.pid` or the configuration.
    pub port: Option<u16>,
    /// The directory of the Unix socket, when one is used.
    pub socket_directory: Option<PathBuf>,
    /// The owner of the data directory.
    pub owner: Option<String>,
    /// Major version, from `PG_VERSION` or the server.
    pub major: Option<u32>,
    /// The directory of the server programs that fit.
    pub bin_directory: Option<PathBuf>,
    /// What the control file says. `None` when remote or unreadable.
    pub control: Option<ControlSummary>,
    /// What else is wrong.
    pub problems: Vec<InstanceProblem>,
    /// Why the server does not answer, when it should.
    pub connect_error: Option<Error>,
    /// The command that would start it, when it can be started.
    pub start_command: Option<String>,
}

impl InstanceStatus {
    /// A status with nothing known but the state.
    #[must_use]
    pub fn bare(state: InstanceState) -> Self {
        Self {
            state,
            detail: String::new(),
            pid: None,
            port: None,
            socket_directory: None,
            owner: None,
            major: None,
            bin_directory: None,
            control: None,
            problems: Vec::new(),
            connect_error: None,
            start_command: None,
        }
    }
}

/// The part of the control file that people need when the server is down.
///
/// Source: `src/include/catalog/pg_control.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSummary {
    /// The cluster's number.
    pub system_identifier: SystemIdentifier,
    /// The state word of `pg_controldata`, such as `shut down` or `in production`.
    pub state: &'static str,
    /// Whether that state is a clean end (`shut down`, `shut down in recovery`).
    pub is_clean: bool,
    /// When the control file was last written.
    pub modified_at: Option<DateTime<Utc>>,
    /// The timeline of the latest checkpoint.
    pub timeline: Option<TimelineId>,
    /// The latest checkpoint.
    pub checkpoint: Option<Lsn>,
    /// When the latest checkpoint was taken.
    pub checkpoint_at: Option<DateTime<Utc>>,
    /// Whether data pages carry checksums.
    pub data_checksums: bool,
}

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
