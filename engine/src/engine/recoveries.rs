//! Recoveries as commands of a front end: maps, plans, jobs under the instance's lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::backups::Backups;
use super::catalog::{Entry, Shared};
use super::operate::{self, Answer, Log};
use crate::api::{
    Error, ErrorCode, Event, InstanceIdentity, JobKind, RecoveryPlan, RecoveryRequest,
    RecoveryState, RecoveryStep, RequestId, Result,
};
use crate::jobs::board::JobBoard;
use crate::jobs::runner::{self, JobContext, JobSetup};
use crate::monitor::task::Order;
use crate::recovery::run::{self, Asked, Finished};
use crate::recovery::site::RecoverySite;
use crate::recovery::{map, plan, state, step};

/// An instance, for commands about its recovery.
#[derive(Clone, Debug)]
pub(super) struct Recoveries {
    pub(super) site: RecoverySite,
    pub(super) identity: InstanceIdentity,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) board: JobBoard,
    lock_path: PathBuf,
}

impl Recoveries {
    /// # Errors
    /// `InstanceRemote`, `DataDirectoryMissing` when the owner cannot be told by the destination
    /// either, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`.
    pub(super) fn new(entry: &Entry, shared: &Shared, destination: Option<&Path>) -> Result<Self> {
        let backup = Backups::new(entry, shared, destination)?.site().clone();
        let lock_path = operate::lock_path(shared, &backup.target, &backup.credentials);
        Ok(Self {
            site: RecoverySite::new(backup, shared.bin_directory.clone()),
            identity: entry.identity.clone(),
            orders: entry.orders.clone(),
            board: shared.board.clone(),
            lock_path,
        })
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
        told: mpsc::Sender<Answer>,
    ) {
        let said = told.clone();
        let site = self.site.clone();
        let body = async move |context: &mut JobContext| {
            let asked = site.as_owner(move |site| asked(site, what)).await?;
            // As the front end took it from the plan it was shown.
            if fingerprint.is_some_and(|confirmed| confirmed != asked.plan.fingerprint()) {
                return Err(changed(&asked.plan));
            }
            let finished = run::run(&site, &asked, context).await;
            tell(&site, &asked.plan.directory, request, finished, &said).await
        };
        self.job(JobKind::Recover, "recover", told, body).await;
    }

    /// Goes on with a recovery, or undoes it.
    pub(super) async fn step(
        self,
        request: RequestId,
        what: RecoveryStep,
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
        self.job(kind, command, told, body).await;
    }

    /// Runs a job under the lock of the instance's exclusive operations.
    async fn job(
        &self,
        kind: JobKind,
        command: &str,
        told: mpsc::Sender<Answer>,
        body: impl AsyncFnOnce(&mut JobContext) -> Result<String>,
    ) {
        let name = &self.identity.name;
        if self.board.is_operated(&self.identity.id) {
            let error = operate::taken(name, "a job of this pgdeck");
            return drop(told.send(Answer::Refused(error)).await);
        }
        let owner = self.site.backup.credentials.clone();
        let lock = operate::take_lock(self.lock_path.clone(), owner, kind.word(), name).await;
        let _lock = match lock {
            Ok(lock) => lock,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        let log = Log::of(&self.orders, &self.identity).await;
        let operation = log.begin(kind.word(), command).await;
        let (registered, mut context) = runner::register(JobSetup {
            kind,
            instance: self.identity.id.clone(),
            instance_name: name.clone(),
            journal: log.journal.clone(),
            board: self.board.clone(),
        })
        .await;
        let id = registered.id().clone();
        let _ = told.send(Answer::Accepted(id.clone())).await;
        let outcome = registered.run(body(&mut context)).await;
        log.end(operation, &outcome).await;
        let _ = told.send(Answer::Ended(id, outcome)).await;
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
