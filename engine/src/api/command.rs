//! What a front end may ask of the engine. What it hears back is an [`Event`](super::Event).

use std::path::PathBuf;

use super::{
    BackendTarget, BackupRequest, InstanceId, JobId, MistakeQuery, PreparedOutcome, PreparedTarget,
    RecoveryRequest, RecoveryStep, RehearsalRequest, SetupRequest, SignalKind, StopMode,
    VerifyDepth,
};

/// Names a request, so that its answer can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

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
        /// The plan that was confirmed ([`SetupPlan::fingerprint`](super::SetupPlan::fingerprint)).
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
