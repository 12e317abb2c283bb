//! Recovery as a front end sees it: what is asked, what is planned, how it stands.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Lsn, TimelineId};

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

/// Where replay will end, proven from the WAL itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPoint {
    /// On this timeline (`recovery_target_timeline`).
    pub timeline: TimelineId,
    /// The record where it ends (`recovery_target_lsn`); `None` where the backup becomes
    /// consistent (`recovery_target = 'immediate'`) and for a standby, which never ends.
    pub record: Option<Lsn>,
    /// Whether the record is still replayed.
    pub bound: TargetBound,
    /// What `pg_last_wal_replay_lsn()` says then: the position behind the last replayed record.
    pub reached: Lsn,
    /// The last commit before it; where whole segments lie between, the latest of a segment.
    pub last_commit_at: Option<DateTime<Utc>>,
}

/// Where WAL comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalSource {
    /// The archive of the backup destination.
    Archive,
    /// The mirror in the backup destination.
    Mirror,
    /// The old `pg_wal`: what was never archived.
    OldWal,
}

/// Consecutive segments of one timeline from one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRun {
    /// From where.
    pub source: WalSource,
    /// The first segment.
    pub first: String,
    /// The last.
    pub last: String,
    /// How many.
    pub segments: u64,
}

/// What is not in the recovered state although its WAL is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Commits behind the stop point on the chosen timeline.
    pub commits: u64,
    /// The first of them.
    pub from_at: Option<DateTime<Utc>>,
    /// The last of them.
    pub to_at: Option<DateTime<Utc>>,
    /// Why more may be lost: WAL that cannot be read, in words.
    pub beyond: Option<String>,
}

/// What is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The machine.
    pub host: String,
    /// The data directory.
    pub path: PathBuf,
    /// Its bytes, tablespaces included.
    pub bytes: u64,
    /// Its last checkpoint; when the control file cannot be read the last change of the directory.
    pub as_of: Option<DateTime<Utc>>,
    /// Its state in words, such as `stopped` or `crashed`.
    pub state: String,
}

/// Room on a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceNeed {
    /// A directory on it.
    pub path: PathBuf,
    /// Bytes that are needed.
    pub needed_bytes: u64,
    /// Bytes that are free, with what is removed before.
    pub free_bytes: u64,
}

/// A setting that a server in recovery must not have lower than its source had.
///
/// Source: "Administrator's Overview" of hot standby in the manual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingNeed {
    /// The setting.
    pub name: String,
    /// What the source had.
    pub needed: i64,
    /// What the restored configuration says; the plan raises it for the recovery.
    pub configured: i64,
}

/// How long it is expected to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Seconds to restore.
    pub restore_seconds: f64,
    /// Seconds to replay.
    pub replay_seconds: f64,
    /// Whether from speeds that were measured with this destination, not assumed ones.
    pub is_measured: bool,
}

/// A tablespace in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablespacePlan {
    /// The tablespace.
    pub oid: u32,
    /// Where it was in the backup.
    pub source: PathBuf,
    /// Where it goes.
    pub directory: PathBuf,
}

/// What a recovery will do. The dry run prints it and the real run carries it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryPlan {
    /// The backup destination.
    pub destination: PathBuf,
    /// The data directory that is made.
    pub directory: PathBuf,
    /// Where its `pg_wal` lies, when outside.
    pub wal_directory: Option<PathBuf>,
    /// Its tablespaces.
    pub tablespaces: Vec<TablespacePlan>,
    /// Its port, when another than before.
    pub port: Option<u16>,
    /// What was asked.
    pub target: RecoveryTarget,
    /// Where replay ends.
    pub stop: StopPoint,
    /// The backups, the full one first.
    pub chain: Vec<String>,
    /// PostgreSQL's major version.
    pub major: u32,
    /// The WAL that is replayed, in order.
    pub wal: Vec<WalRun>,
    /// What is lost.
    pub lost: Lost,
    /// What is replaced; `None` when there is nothing.
    pub replaced: Option<Replaced>,
    /// What becomes of it.
    pub old_data: OldData,
    /// What happens at the target.
    pub action: RecoveryAction,
    /// What the server becomes.
    pub role: RecoveryRole,
    /// Room needed.
    pub space: Vec<SpaceNeed>,
    /// Directories that are made.
    pub new_directories: Vec<PathBuf>,
    /// The user they will belong to.
    pub owner: String,
    /// Settings that are raised.
    pub settings: Vec<SettingNeed>,
    /// Fingerprint of the keystore generation that is needed.
    pub keystore_fingerprint: Option<String>,
    /// Files to restore.
    pub files: u64,
    /// Bytes to restore.
    pub restore_bytes: u64,
    /// Bytes of WAL to replay.
    pub replay_bytes: u64,
    /// How long.
    pub estimate: Estimate,
    /// Threads.
    pub jobs: u32,
    /// What should be known before saying yes.
    pub warnings: Vec<String>,
}

impl RecoveryPlan {
    /// The least that can be carried out: one full backup into one directory, the old data kept,
    /// waiting at the stop. Nothing was looked at for it: what a plan tells of sizes, WAL, losses
    /// and room is empty.
    #[must_use]
    pub fn bare(destination: PathBuf, directory: PathBuf, backup: String, stop: StopPoint) -> Self {
        Self {
            destination,
            directory,
            wal_directory: None,
            tablespaces: Vec::new(),
            port: None,
            target: RecoveryTarget::Latest,
            stop,
            chain: vec![backup],
            major: 15,
            wal: Vec::new(),
            lost: Lost::default(),
            replaced: None,
            old_data: OldData::Keep,
            action: RecoveryAction::Pause,
            role: RecoveryRole::Primary,
            space: Vec::new(),
            new_directories: Vec::new(),
            owner: "postgres".into(),
            settings: Vec::new(),
            keystore_fingerprint: None,
            files: 0,
            restore_bytes: 0,
            replay_bytes: 0,
            estimate: Estimate::default(),
            jobs: 1,
            warnings: Vec::new(),
        }
    }
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
