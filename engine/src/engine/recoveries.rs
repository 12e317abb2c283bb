//! Recoveries as commands of a front end: maps, plans, jobs under the instance's lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::backups::Backups;
use super::catalog::{Entry, Shared};
use super::job::{Answer, OperationLock, Subject};
use crate::api::{
    Error, ErrorCode, Event, JobKind, RecoveryPlan, RecoveryRequest, RecoveryState, RecoveryStep,
    RequestId, Result,
};
use crate::jobs::runner::JobContext;
use crate::recovery::run::{self, Asked, Finished};
use crate::recovery::site::RecoverySite;
use crate::recovery::{map, plan, state, step};

/// An instance, for commands about its recovery.
#[derive(Clone, Debug)]
pub(super) struct Recoveries {
    pub(super) site: RecoverySite,
    pub(super) subject: Subject,
}

impl Recoveries {
    /// # Errors
    /// `InstanceRemote`, `DataDirectoryMissing` when the owner cannot be told by the destination
    /// either, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`.
    pub(super) fn new(entry: &Entry, shared: &Shared, destination: Option<&Path>) -> Result<Self> {
        let backup = Backups::new(entry, shared, destination)?.site().clone();
        let site = RecoverySite::new(backup, shared.bin_directory.clone());
        Ok(Self { site, subject: Subject::new(entry, shared) })
    }

    /// The lock of the instance, for a recovery of its own data directory.
    ///
    /// # Errors
    /// `OperationRunning`.
    pub(super) fn lock(&self, entry: &Entry, shared: &Shared) -> Result<OperationLock> {
        let backup = &self.site.backup;
        OperationLock::new(entry, shared, &backup.target, &backup.credentials)
    }

    /// What can be recovered to.
    pub(super) async fn map(
        self,
        request: RequestId,
        destination: Option<PathBuf>,
    ) -> Result<Event> {
        let found = self.site.as_owner(move |site| map::map(site, destination.as_deref())).await?;
        Ok(Event::RecoveryMapped { request, map: Arc::new(found) })
    }

    /// What a recovery would do; for one that was begun, what it does.
    pub(super) async fn plan(self, request: RequestId, what: RecoveryRequest) -> Result<Event> {
        let asked = self.site.as_owner(move |site| asked(site, what)).await?;
        Ok(Event::RecoveryPlanned { request, plan: Arc::new(asked.plan) })
    }

    /// Recovers as the plan with this fingerprint says.
    pub(super) async fn recover(
        self,
        request: RequestId,
        what: RecoveryRequest,
        fingerprint: Option<u32>,
        lock: Option<OperationLock>,
        told: mpsc::Sender<Answer>,
    ) {
        let said = told.clone();
        let site = self.site.clone();
        let command = format!("recover to {}", what.target.describe());
        let body = async move |context: &mut JobContext| {
            let asked = site.as_owner(move |site| asked(site, what)).await?;
            asked.plan.check_stopped()?;
            // As the front end took it from the plan it was shown.
            if fingerprint.is_some_and(|confirmed| confirmed != asked.plan.fingerprint()) {
                return Err(changed(&asked.plan));
            }
            let finished = run::run(&site, &asked, context).await;
            tell(&site, &asked.plan.directory, request, finished, &said).await
        };
        self.job(JobKind::Recover, &command, lock, told, body).await;
    }

    /// Goes on with a recovery, or undoes it.
    pub(super) async fn step(
        self,
        request: RequestId,
        what: RecoveryStep,
        lock: OperationLock,
        told: mpsc::Sender<Answer>,
    ) {
        let said = told.clone();
        let site = self.site.clone();
        let (kind, command) = match &what {
            RecoveryStep::Continue => (JobKind::Recover, "recover"),
            RecoveryStep::Promote => (JobKind::Recover, "recover promote"),
            RecoveryStep::GoFurther(..) => (JobKind::Recover, "recover further"),
            RecoveryStep::Undo => (JobKind::Undo, "recover undo"),
            RecoveryStep::DiscardKept => (JobKind::Recover, "recover discard"),
        };
        let body = async move |context: &mut JobContext| {
            let site = site.as_owner(|site| Ok(step::placed(site))).await?;
            let directory = site.backup.target.data_directory.clone();
            let finished = match what {
                RecoveryStep::Undo => return step::undo(&site, context).await,
                RecoveryStep::DiscardKept => return step::discard_kept(&site, context).await,
                RecoveryStep::Continue => {
                    let asked = site.as_owner(begun).await?;
                    run::run(&site, &asked, context).await
                }
                RecoveryStep::Promote => step::promote(&site, program()?, context).await,
                RecoveryStep::GoFurther(target, bound) => {
                    step::go_further(&site, target, bound, program()?, context).await
                }
            };
            tell(&site, &directory, request, finished, &said).await
        };
        self.job(kind, command, Some(lock), told, body).await;
    }

    /// Runs a job, under the lock of the instance's exclusive operations where it works on its
    /// own data directory.
    async fn job(
        &self,
        kind: JobKind,
        command: &str,
        lock: Option<OperationLock>,
        told: mpsc::Sender<Answer>,
        body: impl AsyncFnOnce(&mut JobContext) -> Result<String>,
    ) {
        let _lock = match &lock {
            Some(lock) => match lock.take(kind).await {
                Ok(held) => held,
                Err(error) => return drop(told.send(Answer::Refused(error)).await),
            },
            None => None,
        };
        self.subject.run_job(kind, command, &told, body).await;
    }
}

/// What is to be done for a request: what was begun for it, or what is planned now. Blocking; as
/// the owner.
///
/// # Errors
/// `RecoveryUnfinished` when something else was begun; as [`plan::plan`].
fn asked(site: &RecoverySite, request: RecoveryRequest) -> Result<Asked> {
    let program = program()?;
    if let Some(asked) = run::begun(site, &request, &program)? {
        return Ok(asked);
    }
    let plan = plan::plan(site, &request)?;
    let fingerprint = plan.fingerprint();
    Asked::new(site, request, plan, fingerprint, program)
}

/// What was begun in the instance's own directory. Blocking; as the owner.
///
/// # Errors
/// `RecoveryNone` when nothing was; as [`asked`].
fn begun(site: &RecoverySite) -> Result<Asked> {
    let directory = &site.backup.target.data_directory;
    let Some(document) = state::load(&site.backup.disk, directory)? else {
        let fact = format!("no recovery of \"{}\" was begun", directory.display());
        return Err(Error::new(ErrorCode::RecoveryNone, fact));
    };
    asked(site, document.request)
}

/// This program, as the server will run it. The path of a program that was replaced meanwhile
/// has a mark behind it (`proc(5)`, `/proc/PID/exe`).
pub(super) fn program() -> Result<PathBuf> {
    let path = std::env::current_exe().map_err(|error| {
        Error::new(ErrorCode::ProgramFailed, "pgdeck's own program cannot be found")
            .detail(error.to_string())
    })?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

fn changed(plan: &RecoveryPlan) -> Error {
    let fact = format!("the plan for \"{}\" is another one now", plan.directory.display());
    Error::new(ErrorCode::RecoveryPlanChanged, fact).detail("nothing was done")
}

/// Tells how the recovery stands, whether it went well or not.
async fn tell(
    site: &RecoverySite,
    directory: &Path,
    request: RequestId,
    finished: Result<Finished>,
    told: &mpsc::Sender<Answer>,
) -> Result<String> {
    let state: Option<RecoveryState> = match &finished {
        Ok(finished) => Some(finished.state.clone()),
        Err(_) => {
            let directory = directory.to_path_buf();
            let known = site.as_owner(move |site| step::status(&site.backup, &directory)).await;
            known.ok().flatten()
        }
    };
    if let Some(state) = state {
        let event = Event::RecoveryStands { request, state: Box::new(state) };
        let _ = told.send(Answer::Said(Box::new(event))).await;
    }
    finished.map(|finished| finished.text)
}
