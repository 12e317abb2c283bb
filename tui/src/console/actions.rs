//! What a confirmed dialog does: plain values, with the texts people confirm.

use std::path::PathBuf;
use std::sync::Arc;

use pgdeck_engine::api::{
    BackendTarget, BackupKind, BackupRequest, Command, InstanceId, JobId, PreparedOutcome,
    PreparedTarget, RecoveryPlan, RecoveryRequest, RecoveryStep, RehearsalRequest, SetupRequest,
    SetupThen, SignalKind, StopMode, VerifyDepth,
};

/// Seconds a segment may take on its way into the archive.
pub const CHECK_SECONDS: u32 = 60;

/// What follows a step of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterStep {
    /// Nothing.
    Nothing,
    /// Another recovery: its flow opens.
    Recover,
}

/// Something that changes an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Cancel queries or end sessions.
    Signal {
        /// Where.
        instance: InstanceId,
        /// Which of the two.
        kind: SignalKind,
        /// Whom.
        targets: Vec<BackendTarget>,
    },
    /// Commit or roll back a prepared transaction.
    Resolve {
        /// Where.
        instance: InstanceId,
        /// Which.
        target: PreparedTarget,
        /// How.
        outcome: PreparedOutcome,
    },
    /// Start.
    Start {
        /// Which.
        instance: InstanceId,
    },
    /// Stop.
    Stop {
        /// Which.
        instance: InstanceId,
        /// How.
        mode: StopMode,
    },
    /// Stop and start.
    Restart {
        /// Which.
        instance: InstanceId,
        /// How to stop.
        mode: StopMode,
    },
    /// Load the configuration.
    Reload {
        /// Which.
        instance: InstanceId,
    },
    /// Make a stop harsher.
    Escalate {
        /// Which job.
        job: JobId,
        /// The new mode.
        mode: StopMode,
    },
    /// Take a backup.
    Backup {
        /// Of which.
        instance: InstanceId,
        /// Into which destination.
        destination: PathBuf,
        /// Full or incremental; without it as the engine finds best.
        kind: Option<BackupKind>,
    },
    /// Verify a backup destination.
    Verify {
        /// Whose.
        instance: InstanceId,
        /// Which.
        destination: PathBuf,
        /// How much of it.
        depth: VerifyDepth,
    },
    /// Delete a backup.
    DeleteBackup {
        /// Whose.
        instance: InstanceId,
        /// In which destination.
        destination: PathBuf,
        /// Which.
        label: String,
    },
    /// Make a restore point.
    RestorePoint {
        /// Where.
        instance: InstanceId,
        /// The destination of the register.
        destination: PathBuf,
        /// Its name.
        name: String,
    },
    /// Send a WAL segment through the archive.
    CheckArchive {
        /// Where.
        instance: InstanceId,
    },
    /// Set up the WAL archive.
    Setup {
        /// Where.
        instance: InstanceId,
        /// What for.
        request: SetupRequest,
        /// The plan that was shown.
        fingerprint: u32,
        /// What is left to do afterwards.
        then: SetupThen,
    },
    /// Recover.
    Recover {
        /// Whose.
        instance: InstanceId,
        /// What was asked.
        request: Box<RecoveryRequest>,
        /// The plan that was shown, once it is there.
        plan: Option<Arc<RecoveryPlan>>,
    },
    /// Go on with a recovery, or undo it.
    StepRecovery {
        /// Whose.
        instance: InstanceId,
        /// How.
        step: RecoveryStep,
        /// What is meant to come afterwards.
        then: AfterStep,
    },
    /// Rehearse a recovery.
    Rehearse {
        /// Whose.
        instance: InstanceId,
        /// What.
        request: Box<RehearsalRequest>,
    },
    /// Cancel a job.
    CancelJob {
        /// Which.
        job: JobId,
    },
}

impl Action {
    /// The engine's command.
    #[must_use]
    pub fn command(&self) -> Command {
        match self.clone() {
            Self::Signal { instance, kind, targets } => Command::Signal { instance, kind, targets },
            Self::Resolve { instance, target, outcome } => {
                Command::ResolvePrepared { instance, target, outcome }
            }
            Self::Start { instance } => Command::Start { instance },
            Self::Stop { instance, mode } => Command::Stop { instance, mode },
            Self::Restart { instance, mode } => Command::Restart { instance, mode },
            Self::Reload { instance } => Command::Reload { instance },
            Self::Escalate { job, mode } => Command::Escalate { job, mode },
            Self::CancelJob { job } => Command::CancelJob { job },
            Self::Backup { instance, destination, kind } => {
                let destination = Some(destination);
                let request = BackupRequest { destination, kind, ..BackupRequest::default() };
                Command::Backup { instance, request: Box::new(request) }
            }
            Self::Verify { instance, destination, depth } => {
                Command::Verify { instance, destination: Some(destination), depth, jobs: None }
            }
            Self::DeleteBackup { instance, destination, label } => {
                Command::DeleteBackup { instance, destination: Some(destination), label }
            }
            Self::RestorePoint { instance, destination, name } => {
                Command::CreateRestorePoint { instance, destination: Some(destination), name }
            }
            Self::CheckArchive { instance } => {
                Command::CheckArchive { instance, limit_seconds: CHECK_SECONDS }
            }
            Self::Recover { instance, request, plan } => {
                let fingerprint = plan.map(|plan| plan.fingerprint());
                Command::Recover { instance, request, fingerprint }
            }
            Self::StepRecovery { instance, step, .. } => Command::StepRecovery { instance, step },
            Self::Rehearse { instance, request } => Command::Rehearse { instance, request },
            Self::Setup { instance, request, fingerprint, .. } => {
                Command::Setup { instance, request: Box::new(request), fingerprint }
            }
        }
    }

    /// What it is, in a word or two.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Signal { kind: SignalKind::Cancel, .. } => "Cancel query".to_owned(),
            Self::Signal { kind: SignalKind::Terminate, .. } => "Terminate session".to_owned(),
            Self::Resolve { outcome, .. } => outcome.verb().to_owned(),
            Self::Start { .. } => "Start instance".to_owned(),
            Self::Stop { mode, .. } => format!("Stop instance ({})", mode.word()),
            Self::Restart { mode, .. } => format!("Restart instance ({})", mode.word()),
            Self::Reload { .. } => "Reload configuration".to_owned(),
            Self::Escalate { mode, .. } => format!("Escalate stop to {}", mode.word()),
            Self::CancelJob { .. } => "Cancel job".to_owned(),
            Self::Backup { kind: Some(kind), .. } => format!("Take a {} backup", kind.word()),
            Self::Backup { kind: None, .. } => "Take a backup".to_owned(),
            Self::Verify { depth: VerifyDepth::Full, .. } => "Verify backups".to_owned(),
            Self::Verify { depth: VerifyDepth::Quick, .. } => "Verify backups (quick)".to_owned(),
            Self::DeleteBackup { .. } => "Delete backup".to_owned(),
            Self::RestorePoint { .. } => "Make a restore point".to_owned(),
            Self::CheckArchive { .. } => "Check the WAL archive".to_owned(),
            Self::Recover { .. } => "Recover".to_owned(),
            Self::StepRecovery { step, .. } => match step {
                RecoveryStep::Continue => "Run the recovery again".to_owned(),
                RecoveryStep::Promote => "Promote the recovered server".to_owned(),
                RecoveryStep::GoFurther(..) => "Go further with the recovery".to_owned(),
                RecoveryStep::Undo => "Undo the recovery".to_owned(),
                RecoveryStep::DiscardKept => "Discard the old data".to_owned(),
            },
            Self::Rehearse { .. } => "Rehearse a recovery".to_owned(),
            Self::Setup { .. } => "Set up the WAL archive".to_owned(),
        }
    }
}
