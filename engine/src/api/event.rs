//! What a front end hears from the engine.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    ArchiveReport, BackendTarget, BackupInfo, Error, JobId, Mistake, OperationRecord, RecoveryMap,
    RecoveryPlan, RecoveryState, RehearsalRecord, RequestId, RestorePointInfo, SetupPlan,
    SignalKind, VerifyReport,
};

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
    /// How a recovery stands; its job ends next.
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

impl Event {
    /// The request it answers; `None` for the end of a job, which names the job.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Accepted { request, .. }
            | Self::Refused { request, .. }
            | Self::Done { request, .. }
            | Self::Signalled { request, .. }
            | Self::QueryText { request, .. }
            | Self::Operations { request, .. }
            | Self::SetupPlanned { request, .. }
            | Self::ArchiveChecked { request, .. }
            | Self::Backups { request, .. }
            | Self::BackedUp { request, .. }
            | Self::Verified { request, .. }
            | Self::RecoveryMapped { request, .. }
            | Self::RecoveryPlanned { request, .. }
            | Self::RecoveryStands { request, .. }
            | Self::Rehearsed { request, .. }
            | Self::MistakesFound { request, .. } => Some(*request),
            Self::JobEnded { .. } => None,
        }
    }
}
