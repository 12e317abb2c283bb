//! What a front end may ask of the engine, and what it hears back.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::{
    ArchiveReport, BackendTarget, BackupInfo, BackupRequest, Error, ErrorCode, InstanceId, JobId,
    Mistake, MistakeQuery, OperationRecord, PreparedTarget, RecoveryMap, RecoveryPlan,
    RecoveryRequest, RecoveryState, RecoveryStep, RehearsalRecord, RehearsalRequest,
    RestorePointInfo, SetupPlan, SetupRequest, VerifyDepth, VerifyReport,
};
use crate::pg::query::quote;

/// Names a request, so that its answer can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How to stop an instance.
///
/// Source: "Shutting Down the Server" in the PostgreSQL manual; `Kill` is the last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// Waits until all clients have left (SIGTERM).
    Smart,
    /// Rolls back, disconnects all and shuts down cleanly (SIGINT).
    Fast,
    /// Ends at once without a checkpoint; the next start recovers (SIGQUIT).
    Immediate,
    /// Ends every process of the server with SIGKILL; the next start recovers.
    Kill,
}

impl StopMode {
    /// Gentlest first.
    pub const ALL: [Self; 4] = [Self::Smart, Self::Fast, Self::Immediate, Self::Kill];

    /// The word of `-m`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Fast => "fast",
            Self::Immediate => "immediate",
            Self::Kill => "kill",
        }
    }

    /// The mode with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// The next harsher mode.
    #[must_use]
    pub fn harsher(self) -> Option<Self> {
        match self {
            Self::Smart => Some(Self::Fast),
            Self::Fast => Some(Self::Immediate),
            Self::Immediate => Some(Self::Kill),
            Self::Kill => None,
        }
    }

    /// The command that does it to the server process `pid`, as it is shown and logged.
    #[must_use]
    pub fn command_line(self, pid: i32) -> String {
        let signal = match self {
            Self::Smart => "TERM",
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Kill => "KILL",
        };
        let whom = if self == Self::Kill { " and its children" } else { "" };
        format!("kill -{signal} {pid}{whom} (as pg_ctl stop -m {})", self.word())
    }

    /// What it does to clients and data, in one sentence.
    #[must_use]
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Smart => {
                "New connections are refused; the instance stops when every client has left."
            }
            Self::Fast => {
                "Running transactions are rolled back, clients and backups are disconnected, then it shuts down cleanly."
            }
            Self::Immediate => {
                "All server processes end at once without a checkpoint; the next start runs crash recovery."
            }
            Self::Kill => {
                "Every server process is killed (SIGKILL); shared memory may be left over and the next start runs crash recovery."
            }
        }
    }
}

/// How to resolve a prepared transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreparedOutcome {
    /// `COMMIT PREPARED`.
    Commit,
    /// `ROLLBACK PREPARED`.
    Rollback,
}

impl PreparedOutcome {
    /// The SQL verb.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Commit => "COMMIT PREPARED",
            Self::Rollback => "ROLLBACK PREPARED",
        }
    }

    /// The SQL as it is shown, run and logged.
    ///
    /// # Errors
    /// `UsageInvalid` for a gid that cannot be written as a literal (it holds a NUL).
    pub fn sql(self, gid: &str) -> Result<String, Error> {
        let literal = quote::literal(gid).map_err(|error| {
            Error::new(ErrorCode::UsageInvalid, "the gid cannot be written as a literal")
                .detail(error.to_string())
        })?;
        Ok(format!("{} {literal}", self.verb()))
    }
}

/// How to end what a backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// `pg_cancel_backend`: ends the query.
    Cancel,
    /// `pg_terminate_backend`: ends the session.
    Terminate,
}

impl SignalKind {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
        }
    }

    /// The SQL as it is shown and logged.
    #[must_use]
    pub fn sql(self, target: &BackendTarget) -> String {
        let function = match self {
            Self::Cancel => "pg_cancel_backend",
            Self::Terminate => "pg_terminate_backend",
        };
        format!("SELECT {function}({})", target.pid)
    }
}

/// What panes are on the screen, so that dear probes run only for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Whether the instance is on the screen; others are looked at less often.
    pub is_shown: bool,
    /// Sizes of databases and destinations.
    pub sizes: bool,
    /// The log beyond what the messages need.
    pub log: bool,
    /// Names of locked objects in other databases.
    pub lock_names: bool,
    /// Backups and the archive.
    pub backups: bool,
}

/// What a front end may ask for. Mutating ones are refused when the engine is read-only.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// These panes are open on this instance; others are watched for their health only.
    Watch {
        /// Which.
        instance: InstanceId,
        /// What is on the screen.
        interest: Interest,
    },
    /// Probe every this many milliseconds (250 to 60,000).
    SetInterval {
        /// Milliseconds.
        interval_ms: u32,
    },
    /// Look at everything again now (the guide's "Recheck the status").
    Recheck {
        /// Which.
        instance: InstanceId,
    },
    /// The whole text of a backend's query.
    FetchQuery {
        /// Which.
        instance: InstanceId,
        /// Whose.
        target: BackendTarget,
    },
    /// The operations log, newest first.
    FetchOperations {
        /// Which.
        instance: InstanceId,
    },
    /// End queries or sessions.
    Signal {
        /// Which.
        instance: InstanceId,
        /// Cancel or terminate.
        kind: SignalKind,
        /// Whom.
        targets: Vec<BackendTarget>,
    },
    /// Commit or roll back a prepared transaction.
    ResolvePrepared {
        /// Which.
        instance: InstanceId,
        /// Which one.
        target: PreparedTarget,
        /// Commit or roll back.
        outcome: PreparedOutcome,
    },
    /// Load the configuration again (SIGHUP).
    Reload {
        /// Which.
        instance: InstanceId,
    },
    /// Start. A job.
    Start {
        /// Which.
        instance: InstanceId,
    },
    /// Stop. A job.
    Stop {
        /// Which.
        instance: InstanceId,
        /// How.
        mode: StopMode,
    },
    /// Stop and start. A job.
    Restart {
        /// Which.
        instance: InstanceId,
        /// How to stop.
        mode: StopMode,
    },
    /// Work out what setting up the WAL archive would change. Changes nothing.
    PlanSetup {
        /// Which.
        instance: InstanceId,
        /// What for.
        request: Box<SetupRequest>,
    },
    /// Set up the WAL archive as a plan said. A job.
    Setup {
        /// Which.
        instance: InstanceId,
        /// What for.
        request: Box<SetupRequest>,
        /// The plan that was confirmed ([`SetupPlan::fingerprint`]).
        fingerprint: u32,
    },
    /// Prove that archiving works: send a WAL segment through.
    CheckArchive {
        /// Which.
        instance: InstanceId,
        /// Seconds the segment may take.
        limit_seconds: u32,
    },
    /// Take a backup. A job; a dry run is answered with the plan.
    Backup {
        /// Which.
        instance: InstanceId,
        /// What to take.
        request: Box<BackupRequest>,
    },
    /// Verify a backup destination. A job.
    Verify {
        /// Which.
        instance: InstanceId,
        /// The destination; without it the instance's own.
        destination: Option<PathBuf>,
        /// How much to look at.
        depth: VerifyDepth,
        /// Threads; without it one for each processor.
        jobs: Option<u32>,
    },
    /// The catalog of a backup destination, and its restore points.
    FetchBackups {
        /// Which.
        instance: InstanceId,
        /// The destination; without it the instance's own.
        destination: Option<PathBuf>,
    },
    /// Delete a backup.
    DeleteBackup {
        /// Which.
        instance: InstanceId,
        /// The destination; without it the instance's own.
        destination: Option<PathBuf>,
        /// Its name.
        label: String,
    },
    /// Make a restore point and register it.
    CreateRestorePoint {
        /// Which.
        instance: InstanceId,
        /// The destination of the register; without it the instance's own.
        destination: Option<PathBuf>,
        /// Its name.
        name: String,
    },
    /// What can be recovered to.
    FetchRecoveryMap {
        /// Whose.
        instance: InstanceId,
        /// The destination; without it the setting.
        destination: Option<PathBuf>,
    },
    /// Prove a target and tell what recovering to it would do. Touches nothing.
    PlanRecovery {
        /// Whose.
        instance: InstanceId,
        /// What.
        request: Box<RecoveryRequest>,
    },
    /// Recover.
    Recover {
        /// Whose.
        instance: InstanceId,
        /// What.
        request: Box<RecoveryRequest>,
        /// Of the plan that was confirmed; without it whatever is planned now is done.
        fingerprint: Option<u32>,
    },
    /// Go on with a recovery, or undo it.
    StepRecovery {
        /// Whose.
        instance: InstanceId,
        /// How.
        step: RecoveryStep,
    },
    /// How the recovery of the instance's data directory stands. Answered with
    /// [`Event::RecoveryStands`], or refused with `RecoveryNone`.
    FetchRecovery {
        /// Whose.
        instance: InstanceId,
    },
    /// Recover into a scratch directory, check the result and remove it.
    Rehearse {
        /// Whose.
        instance: InstanceId,
        /// What.
        request: Box<RehearsalRequest>,
    },
    /// Look in the WAL for what may have been a mistake.
    FindMistakes {
        /// Whose.
        instance: InstanceId,
        /// Where and what.
        query: Box<MistakeQuery>,
    },
    /// Make a running stop or restart harsher.
    Escalate {
        /// Which job.
        job: JobId,
        /// The new mode.
        mode: StopMode,
    },
    /// Cancel a job, of this process or another.
    CancelJob {
        /// Which job.
        job: JobId,
    },
}

impl Command {
    /// Whether it changes anything in the instance.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        !matches!(
            self,
            Self::Watch { .. }
                | Self::SetInterval { .. }
                | Self::Recheck { .. }
                | Self::FetchQuery { .. }
                | Self::FetchOperations { .. }
                | Self::PlanSetup { .. }
                | Self::FetchBackups { .. }
                | Self::Verify { .. }
                | Self::FetchRecoveryMap { .. }
                | Self::PlanRecovery { .. }
                | Self::FetchRecovery { .. }
                | Self::FindMistakes { .. }
        ) && !matches!(self, Self::Backup { request, .. } if request.dry_run)
    }
}

/// What became of one backend that was signalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalResult {
    /// Whom.
    pub pid: i32,
    /// Whether the signal was sent, and if not why.
    pub outcome: Result<(), Error>,
}

/// What the engine tells. Each carries the request it answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A job has begun; its progress is in the fleet.
    Accepted {
        /// The request.
        request: RequestId,
        /// The job.
        job: JobId,
    },
    /// It was not done, and nothing has changed.
    Refused {
        /// The request.
        request: RequestId,
        /// Why.
        error: Error,
    },
    /// It was done.
    Done {
        /// The request.
        request: RequestId,
        /// The truth about the result, in one line.
        text: String,
    },
    /// Signals were sent.
    Signalled {
        /// The request.
        request: RequestId,
        /// Cancel or terminate.
        kind: SignalKind,
        /// One for each target.
        results: Vec<SignalResult>,
    },
    /// A query's text.
    QueryText {
        /// The request.
        request: RequestId,
        /// Whose.
        target: BackendTarget,
        /// The whole text.
        text: Arc<str>,
    },
    /// The operations log.
    Operations {
        /// The request.
        request: RequestId,
        /// Newest first.
        records: Arc<Vec<OperationRecord>>,
    },
    /// What a set-up would do.
    SetupPlanned {
        /// The request.
        request: RequestId,
        /// The plan.
        plan: Arc<SetupPlan>,
    },
    /// What a check of the archive found.
    ArchiveChecked {
        /// The request.
        request: RequestId,
        /// What was found.
        report: Arc<ArchiveReport>,
    },
    /// The catalog of a backup destination.
    Backups {
        /// The request.
        request: RequestId,
        /// The destination.
        destination: PathBuf,
        /// Oldest first.
        backups: Arc<Vec<BackupInfo>>,
        /// The register of restore points, oldest first.
        restore_points: Arc<Vec<RestorePointInfo>>,
    },
    /// A backup is complete; its job ends next.
    BackedUp {
        /// The request.
        request: RequestId,
        /// The backup.
        backup: Box<BackupInfo>,
        /// What should be looked at.
        warnings: Vec<String>,
    },
    /// A verification is done; its job ends next.
    Verified {
        /// The request.
        request: RequestId,
        /// What it found.
        report: Box<VerifyReport>,
    },
    /// What can be recovered to.
    RecoveryMapped {
        /// The request.
        request: RequestId,
        /// The map.
        map: Arc<RecoveryMap>,
    },
    /// What a recovery would do.
    RecoveryPlanned {
        /// The request.
        request: RequestId,
        /// The plan.
        plan: Arc<RecoveryPlan>,
    },
    /// How a recovery stands; when a job told it, the job ends next.
    RecoveryStands {
        /// The request.
        request: RequestId,
        /// The state.
        state: Box<RecoveryState>,
    },
    /// A rehearsal has ended; its job ends next.
    Rehearsed {
        /// The request.
        request: RequestId,
        /// The evidence.
        record: Box<RehearsalRecord>,
    },
    /// What may have been mistakes.
    MistakesFound {
        /// The request.
        request: RequestId,
        /// Newest first.
        mistakes: Arc<Vec<Mistake>>,
    },
    /// A job has ended.
    JobEnded {
        /// Which.
        job: JobId,
        /// Its result: one line, or why it failed.
        outcome: Result<String, Error>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gids_are_quoted() {
        let commit = |gid: &str| PreparedOutcome::Commit.sql(gid).unwrap();
        assert_eq!(commit("plain"), "COMMIT PREPARED 'plain'");
        assert_eq!(commit("it's"), "COMMIT PREPARED 'it''s'");
        let error = PreparedOutcome::Rollback.sql("a\0b").unwrap_err();
        assert_eq!(error.code, ErrorCode::UsageInvalid);
    }

    #[test]
    fn modes_escalate_to_the_end() {
        let mut mode = StopMode::Smart;
        let mut words = vec![mode.word()];
        while let Some(harsher) = mode.harsher() {
            mode = harsher;
            words.push(mode.word());
        }
        assert_eq!(words, ["smart", "fast", "immediate", "kill"]);
        assert_eq!(StopMode::Fast.command_line(7), "kill -INT 7 (as pg_ctl stop -m fast)");
    }
}
