//! A recovery's plan: what the dry run prints and the real run carries out.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Error, ErrorCode, Lsn, OldData, RecoveryAction, RecoveryRole, RecoveryTarget, Result,
    TargetBound, TimelineId,
};

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

/// A server that still runs where a recovery goes. A dry run tells of it; nothing is done before
/// it is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillRunning {
    /// What runs, in words.
    pub detail: String,
    /// WAL that is in its `pg_wal` only at this moment, the segment in use included; `None` when
    /// its `pg_wal` is gone with the data directory.
    pub unarchived: Option<Vec<WalRun>>,
    /// Where all WAL that can be read ends at this moment.
    pub wal_end: Option<Lsn>,
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

/// A setting that is larger for a long replay. The server has it until it is started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enlarged {
    /// The setting.
    pub name: String,
    /// Bytes, whole megabytes.
    pub bytes: u64,
    /// Bytes without the recovery.
    pub configured_bytes: u64,
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
    /// What runs there and has to be stopped first; `None` when nothing does.
    #[serde(default)]
    pub running: Option<StillRunning>,
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
    /// Settings that are larger because that makes a long replay faster.
    #[serde(default)]
    pub enlarged: Vec<Enlarged>,
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
    /// Refuses a plan that can only be looked at, because a server runs.
    ///
    /// # Errors
    /// `RecoveryRunning`.
    pub fn check_stopped(&self) -> Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        let fact = format!("the instance in \"{}\" runs", self.directory.display());
        Err(Error::new(ErrorCode::RecoveryRunning, fact).detail(running.detail.clone()))
    }
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
            running: None,
            action: RecoveryAction::Pause,
            role: RecoveryRole::Primary,
            space: Vec::new(),
            new_directories: Vec::new(),
            owner: "postgres".into(),
            settings: Vec::new(),
            enlarged: Vec::new(),
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
