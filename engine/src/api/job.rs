//! Jobs: long operations of the engine, which outlive the screen that began them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{InstanceId, StopMode};

/// Names a job within an instance's journal and, with the instance, everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JobId {
    /// The instance it works on.
    pub instance: InstanceId,
    /// Its number in the journal.
    pub number: i64,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Starts an instance.
    Start,
    /// Stops an instance.
    Stop,
    /// Stops and starts an instance.
    Restart,
    /// Sets up the WAL archive.
    Setup,
    /// Takes a backup.
    Backup,
    /// Verifies a backup destination.
    Verify,
    /// Recovers a data directory, or takes a recovery further.
    Recover,
    /// Recovers into a scratch directory, checks and removes it.
    Rehearse,
    /// Puts the data from before a recovery back.
    Undo,
    /// Looks in the WAL for what may have been a mistake.
    FindMistakes,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Setup,
        Self::Backup,
        Self::Verify,
        Self::Recover,
        Self::Rehearse,
        Self::Undo,
        Self::FindMistakes,
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Setup => "backup setup",
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Recover => "recover",
            Self::Rehearse => "rehearse",
            Self::Undo => "undo recovery",
            Self::FindMistakes => "find mistakes",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether no other such job may work on the instance at the same time.
    #[must_use]
    pub fn is_exclusive(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Stop | Self::Restart | Self::Setup | Self::Recover | Self::Undo
        )
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// At work.
    Running,
    /// Did what it was asked.
    Done,
    /// Could not.
    Failed,
    /// Was told to stop and did.
    Cancelled,
    /// Its process was killed; what it worked on was left as it was.
    Interrupted,
}

impl JobState {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Interrupted]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobProgress {
    /// What it does now, such as `waiting for 3 clients`.
    pub phase: String,
    /// More lines for the progress dialog, such as the clients waited for.
    pub lines: Vec<String>,
    /// Units done; the unit is the phase's. `None` where nothing can be counted.
    pub done: Option<u64>,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// Units per second.
    pub rate: Option<f64>,
    /// Seconds left.
    pub eta_seconds: Option<u64>,
    /// For a stop: the mode in force.
    pub stop_mode: Option<StopMode>,
}

/// A job with its progress and, at the end, its result.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStatus {
    /// Its name.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The instance's name, for people.
    pub instance_name: String,
    /// How it stands.
    pub state: JobState,
    /// How far it is.
    pub progress: JobProgress,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The result in one line, or the error's three.
    pub result: String,
    /// The process that runs it.
    pub owner_pid: u32,
    /// Whether that process is this one.
    pub is_own: bool,
    /// Whether it was asked to cancel.
    pub cancel_requested: bool,
}

/// One line of the operations log: what was done, by whom, with which result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperationRecord {
    /// When it was begun.
    pub at: DateTime<Utc>,
    /// The operating system user, with the user behind `sudo` where known.
    pub who: String,
    /// What for, such as `commit prepared`.
    pub action: String,
    /// The exact SQL or command.
    pub command: String,
    /// The result; `None` while it is not known (or was never learned).
    pub result: Option<String>,
    /// Whether it did what was asked.
    pub ok: Option<bool>,
}
