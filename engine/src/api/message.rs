//! Messages: conditions of an instance that want attention, each with its Solution.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::PreparedTarget;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Needs attention soon.
    Warning,
    /// Needs action now.
    Error,
}

impl Severity {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! message_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Which condition, as a stable word. The entry in `docs/ERRORS.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MessageCode {
            $($(#[$doc])* $name,)*
        }

        impl MessageCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word)
            }
        }
    };
}

message_codes! {
    /// The instance ended without shutting down.
    InstanceCrashed = "instance_crashed";
    /// The instance is stopped.
    InstanceStopped = "instance_stopped";
    /// The server process is stopped by a signal.
    InstanceSuspended = "instance_suspended";
    /// The server process is a zombie.
    InstanceZombie = "instance_zombie";
    /// The data storage destination is missing.
    DataDirectoryMissing = "data_directory_missing";
    /// The data storage destination holds no cluster.
    NotACluster = "not_a_cluster";
    /// The data storage destination cannot be read by this user.
    AccessDenied = "access_denied";
    /// The server does not answer or refuses the connection.
    InstanceUnreachable = "instance_unreachable";
    /// `postmaster.pid` is left over.
    StalePidFile = "stale_pid_file";
    /// Owner or mode of the data directory is wrong.
    DataDirectoryOwner = "data_directory_owner";
    /// No server programs of this major version.
    BinariesMissing = "binaries_missing";
    /// The control file is damaged.
    ControlFileDamaged = "control_file_damaged";
    /// Not a supported major version.
    VersionUnsupported = "version_unsupported";
    /// A destination is 80 % full or more.
    DestinationFilling = "destination_filling";
    /// A destination is full, missing, read-only or does not answer.
    DestinationFailed = "destination_failed";
    /// A destination's file system is not mounted.
    DestinationUnmounted = "destination_unmounted";
    /// The backup destination is on the same device as what it protects.
    DestinationShared = "destination_shared";
    /// A destination will be full within days.
    DestinationForecast = "destination_forecast";
    /// The archiver's last attempt failed.
    ArchiverFailing = "archiver_failing";
    /// A WAL segment waits for the archiver for long.
    ArchiverStuck = "archiver_stuck";
    /// A backup destination is set and holds no complete backup.
    BackupMissing = "backup_missing";
    /// The newest backup was interrupted or is damaged.
    BackupFailed = "backup_failed";
    /// The newest complete backup is older than a cycle.
    BackupOld = "backup_old";
    /// The archive misses segments.
    ArchiveGap = "archive_gap";
    /// The backup destination cannot be read.
    BackupDestinationUnreadable = "backup_destination_unreadable";
    /// A recovery was begun and neither finished nor undone.
    RecoveryInterrupted = "recovery_interrupted";
    /// A recovery waits at its target for a decision.
    RecoveryPaused = "recovery_paused";
    /// The data from before a recovery has been kept for long.
    RecoveryDataKept = "recovery_data_kept";
    /// The state of a recovery cannot be read.
    RecoveryStateUnreadable = "recovery_state_unreadable";
    /// No rehearsal has proven that recovery works.
    RecoveryUnproven = "recovery_unproven";
    /// The last rehearsal is old.
    RecoveryProofOld = "recovery_proof_old";
    /// The last rehearsal failed.
    RecoveryProofFailed = "recovery_proof_failed";
    /// A prepared transaction is older than the limit.
    PreparedOld = "prepared_old";
    /// Connection slots are nearly used up.
    ConnectionsNearlyUsed = "connections_nearly_used";
    /// Sessions idle in a transaction for longer than the rule allows.
    IdleInTransaction = "idle_in_transaction";
    /// Sessions wait for locks.
    LockWaits = "lock_waits";
    /// A database approaches transaction id wraparound.
    XidAge = "xid_age";
    /// A replication slot keeps WAL from removal.
    SlotHoldsWal = "slot_holds_wal";
    /// The server log has new errors.
    LogErrors = "log_errors";
    /// The server log cannot be found or read.
    LogUnreadable = "log_unreadable";
    /// Changed settings wait for a restart.
    PendingRestart = "pending_restart";
    /// The monitoring role does not see everything.
    MonitorPrivileges = "monitor_privileges";
    /// Data pages carry no checksums.
    ChecksumsOff = "checksums_off";
    /// History cannot be kept.
    JournalFailed = "journal_failed";
    /// A job of a process that was killed is unfinished.
    JobInterrupted = "job_interrupted";
}

impl Serialize for MessageCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where a Solution leads, for the console to go there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Look again.
    Recheck,
    /// Start the instance.
    StartInstance,
    /// Restart the instance.
    RestartInstance,
    /// Stop it in immediate mode or kill it.
    StopInstance,
    /// Show the storage pane.
    ShowStorage,
    /// Show the connections pane.
    ShowConnections,
    /// Show the connections pane with one session selected.
    ShowSession {
        /// Its pid.
        pid: i32,
    },
    /// Show the connections pane with the idle-in-transaction ones marked.
    MarkIdleInTransaction,
    /// Show the locks pane.
    ShowLocks,
    /// Show the prepared pane with one selected.
    ShowPrepared {
        /// Which.
        target: PreparedTarget,
    },
    /// Show the logs pane.
    ShowLogs,
    /// Show the backups pane.
    ShowBackups,
    /// Recover the instance from a backup.
    Recover,
    /// Show how a recovery stands and what can be done with it.
    ShowRecovery,
    /// Rehearse a recovery.
    Rehearse,
    /// Nothing pgdeck can do: the text says what to do elsewhere.
    Elsewhere,
}

/// One condition of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Which condition.
    pub code: MessageCode,
    /// What it is about within the instance (a path, gid, slot); empty for the whole instance.
    pub subject: String,
    /// How bad.
    pub severity: Severity,
    /// One line, a fact.
    pub text: String,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub solution: String,
    /// Where that is done.
    pub remedy: Remedy,
    /// Since when the condition holds, as far as pgdeck has seen it.
    pub since: Option<DateTime<Utc>>,
}
