//! What an instance is and how it stands: identity and state.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Error, Lsn, SystemIdentifier, TimelineId};

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
