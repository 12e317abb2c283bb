//! Recovery as a front end sees it: what is asked, how it stands, what may have been a mistake.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Lsn, RecoveryPlan, TimelineId};

/// Where replay of WAL is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryTarget {
    /// At the tip of the chosen history.
    #[default]
    Latest,
    /// Where the backup becomes consistent (`recovery_target = 'immediate'`).
    BackupEnd,
    /// With the last commit up to this moment.
    Time(DateTime<Utc>),
    /// At a named moment (`pg_create_restore_point`).
    RestorePoint(String),
    /// At the first record at or behind this position.
    Lsn(Lsn),
    /// With the end of this transaction.
    Xid(u32),
}

impl RecoveryTarget {
    /// The target in words, such as `restore point "batch"`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Latest => "the latest position".to_owned(),
            Self::BackupEnd => "the end of the backup".to_owned(),
            Self::Time(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::RestorePoint(name) => format!("restore point \"{name}\""),
            Self::Lsn(lsn) => format!("position {lsn}"),
            Self::Xid(xid) => format!("transaction {xid}"),
        }
    }
}

/// Whether the target itself is still replayed (`recovery_target_inclusive`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetBound {
    /// It is.
    #[default]
    Inclusive,
    /// Replay ends just before it.
    Exclusive,
}

/// What happens at the target (`recovery_target_action`). Whatever it is, the server first
/// pauses there and the position is compared with the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryAction {
    /// The server stays there, readable only.
    #[default]
    Pause,
    /// It is promoted.
    Promote,
    /// It is stopped.
    Shutdown,
}

impl RecoveryAction {
    /// The word of `--action`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What becomes of the data that is replaced. WAL that is nowhere else is kept in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldData {
    /// It is moved aside within its directories and can be put back.
    #[default]
    Keep,
    /// It is removed before the restore.
    Discard,
    /// It is rewritten where it differs from the backup (`--delta`); it cannot be put back.
    Rewrite,
}

/// What the recovered server becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryRole {
    /// A primary on a new timeline.
    #[default]
    Primary,
    /// A standby that goes on replaying; with the connection string of its primary, if any.
    Standby(Option<String>),
}

/// Where a tablespace goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablespaceMove {
    /// The tablespace.
    pub oid: u32,
    /// Its directory from now on, absolute.
    pub directory: PathBuf,
}

/// What to recover, to where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRequest {
    /// The backup destination; without it the setting `pgx.backup_destination`.
    pub destination: Option<PathBuf>,
    /// Where to end.
    pub target: RecoveryTarget,
    /// Whether with the target.
    pub bound: TargetBound,
    /// On which timeline; without it the one in use (see `docs/decisions/recovery.md`).
    pub timeline: Option<TimelineId>,
    /// From which backup; without it the newest that ends before the target.
    pub backup: Option<String>,
    /// What becomes of the old data.
    pub old_data: OldData,
    /// Tablespaces that move; others go to where they were.
    pub tablespaces: Vec<TablespaceMove>,
    /// Where `pg_wal` really lies; without it where it was in the backup.
    pub wal_directory: Option<PathBuf>,
    /// Another data directory than the instance's.
    pub to: Option<PathBuf>,
    /// Another port.
    pub port: Option<u16>,
    /// What happens at the target.
    pub action: RecoveryAction,
    /// What the server becomes.
    pub role: RecoveryRole,
    /// Threads that restore; without it one for each processor, at most eight.
    pub jobs: Option<u32>,
}

/// How far a recovery is. Kept in `pgdeck_recovery/state.json` of the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPhase {
    /// The old data is moved aside, or removed.
    MovingAside,
    /// Files are restored; the directory cannot be started.
    Restoring,
    /// It can be started, or is replaying.
    Replaying,
    /// It has reached its target and waits, readable only.
    Paused,
    /// It was promoted; the old data is still kept.
    Promoted,
    /// It goes on as a standby; the old data is still kept.
    Standby,
    /// The old data is being put back.
    Undoing,
}

impl RecoveryPhase {
    /// The phase in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::MovingAside => "moving the old data aside",
            Self::Restoring => "restoring",
            Self::Replaying => "replaying WAL",
            Self::Paused => "paused at the target",
            Self::Promoted => "promoted",
            Self::Standby => "standby",
            Self::Undoing => "putting the old data back",
        }
    }
}

/// A recovery of a data directory that is under way, or whose old data is still kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryState {
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// How far it is.
    pub phase: RecoveryPhase,
    /// Its plan.
    pub plan: RecoveryPlan,
    /// Bytes of old data that are kept; `None` when nothing is.
    pub kept_bytes: Option<u64>,
    /// Seconds the restore took.
    pub restore_seconds: Option<f64>,
    /// Seconds the replay took.
    pub replay_seconds: Option<f64>,
}

/// What to do with a recovery that is under way or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryStep {
    /// Run a recovery again that was interrupted, as it was asked.
    Continue,
    /// Promote the server that is paused at its target.
    Promote,
    /// Replay on to a later target.
    GoFurther(RecoveryTarget, TargetBound),
    /// Stop the server, remove what was restored and put the old data back.
    Undo,
    /// Remove the old data for good.
    DiscardKept,
}

/// What a rehearsal does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RehearsalRequest {
    /// Destination, target, bound, timeline, backup and threads; the rest is the rehearsal's.
    pub recovery: RecoveryRequest,
    /// Where; without it a directory beside the data directory, or `/var/tmp`.
    pub scratch: Option<PathBuf>,
    /// A file of SQL that must run without error on the result.
    pub queries: Option<PathBuf>,
}

/// Evidence that recovery works; a line of `rehearsals.jsonl` in the destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RehearsalRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether everything went well.
    pub ok: bool,
    /// The target in words.
    pub target: String,
    /// The backup.
    pub backup: String,
    /// The position reached.
    pub reached: Option<Lsn>,
    /// The last commit that was there.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Seconds to restore.
    pub restore_seconds: f64,
    /// Bytes restored.
    pub restore_bytes: u64,
    /// Seconds to replay.
    pub replay_seconds: f64,
    /// Bytes of WAL replayed.
    pub replay_bytes: u64,
    /// What was checked and what came of it, one line each.
    pub checks: Vec<String>,
    /// Why it did not go well.
    pub error: Option<String>,
}

/// What a search for a mistake looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MistakeQuery {
    /// The backup destination; without it the setting.
    pub destination: Option<PathBuf>,
    /// The timeline; without it the one in use.
    pub timeline: Option<TimelineId>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Not after.
    pub to: Option<DateTime<Utc>>,
    /// Only files that this relation has or had: its name, maybe with `schema.` or
    /// `database.schema.`, or the number of a file.
    pub relation: Option<String>,
    /// Files that are known to be of the relation; the engine adds what the server says.
    pub relation_files: Vec<u32>,
    /// Deleted rows of one transaction and relation from which on it counts.
    pub deleted_rows_min: u64,
}

/// What somebody did to a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MistakeKind {
    /// Relations were dropped; where their names are not known, a `TRUNCATE` as well.
    Drop,
    /// Relations were emptied.
    Truncate,
    /// Many rows were deleted.
    Delete,
}

/// A transaction that may have been a mistake.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// What it did.
    pub kind: MistakeKind,
    /// The relations: `database/schema.name`, else `database/filenode`; the database's oid
    /// where its name is not known.
    pub relations: Vec<String>,
    /// Rows, for deletions.
    pub rows: u64,
    /// The transaction.
    pub xid: u32,
    /// When it committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// Its commit record: recovery to just before it (exclusive) is the moment before.
    pub commit_lsn: Lsn,
    /// The timeline.
    pub timeline: TimelineId,
}
