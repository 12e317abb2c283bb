//! Operations on instances: each logged before it is done and after, jobs under a lock that
//! other processes see.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::catalog::{Entry, Shared};
use crate::api::{
    ArchiveReport, Error, ErrorCode, Event, InstanceIdentity, InstanceState, JobId, JobKind,
    PreparedOutcome, PreparedTarget, Result, SetupPlan, SetupRequest, StopMode,
};
use crate::archiving;
use crate::connections::resolve;
use crate::instance::access::Access;
use crate::instance::lifecycle::start::{self, StartPlan};
use crate::instance::lifecycle::stop::{self, StopPlan};
use crate::instance::lifecycle::{self, Site};
use crate::instance::reload as configuration;
use crate::instance::target::LocalTarget;
use crate::jobs::board::JobBoard;
use crate::jobs::journal::{JournalHandle, OperationId, directory_of, state_directory_of};
use crate::jobs::runner::{self, JobContext, JobControl, JobSetup};
use crate::monitor::task::Order;
use crate::sys::credentials::{self, Credentials};
use crate::sys::lock::{Attempt, LockFile};

/// A connection for watching a stop is worth waiting for this long.
const OBSERVER_LIMIT: Duration = Duration::from_secs(3);

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Start,
    Stop(StopMode),
    Restart(StopMode),
    /// With the fingerprint of the plan that was confirmed.
    Setup(SetupRequest, u32),
}

impl Work {
    fn kind(&self) -> JobKind {
        match self {
            Self::Start => JobKind::Start,
            Self::Stop(_) => JobKind::Stop,
            Self::Restart(_) => JobKind::Restart,
            Self::Setup(..) => JobKind::Setup,
        }
    }
}

/// What a job tells the front end.
#[derive(Debug)]
pub(super) enum Answer {
    Accepted(JobId),
    Refused(Error),
    Ended(JobId, Result<String>),
    /// Something on the way, for the front end as it is.
    Said(Box<Event>),
}

/// Writes to the operations log; without a journal nothing is written.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) journal: Option<JournalHandle>,
    host: String,
}

impl Log {
    pub(super) async fn of(orders: &mpsc::Sender<Order>, identity: &InstanceIdentity) -> Self {
        let (reply, answer) = oneshot::channel();
        let journal = match orders.send(Order::Journal(reply)).await {
            Ok(()) => answer.await.ok().flatten(),
            Err(_) => None,
        };
        Self { journal, host: identity.host.clone() }
    }

    pub(super) async fn begin(&self, action: &str, command: &str) -> Option<OperationId> {
        let journal = self.journal.as_ref()?;
        let who = credentials::operator();
        let (action, command) = (action.to_owned(), command.to_owned());
        journal.begin_operation(who, self.host.clone(), action, command).await.ok()
    }

    pub(super) async fn end(&self, id: Option<OperationId>, outcome: &Result<String>) {
        let (Some(journal), Some(id)) = (&self.journal, id) else { return };
        let text = outcome.as_ref().map_or_else(ToString::to_string, Clone::clone);
        let _ = journal.end_operation(id, text, outcome.is_ok()).await;
    }
}

/// Commits or rolls back a prepared transaction.
pub(super) fn resolve(
    entry: &Entry,
    target: PreparedTarget,
    outcome: PreparedOutcome,
) -> impl Future<Output = Result<String>> + use<> {
    let (access, orders, identity) =
        (entry.access.clone(), entry.orders.clone(), entry.identity.clone());
    async move {
        let command = outcome.sql(&target.gid)?;
        let log = Log::of(&orders, &identity).await;
        let command = format!("{command} -- in database {}", target.database);
        let id = log.begin(&outcome.verb().to_lowercase(), &command).await;
        let result = resolve::resolve(&access, &target, outcome).await;
        log.end(id, &result).await;
        result
    }
}

/// Makes the server load its configuration.
pub(super) fn reload(entry: &Entry) -> impl Future<Output = Result<String>> + use<> {
    let (access, orders, identity) =
        (entry.access.clone(), entry.orders.clone(), entry.identity.clone());
    async move {
        let log = Log::of(&orders, &identity).await;
        let id = log.begin("reload", "SELECT pg_reload_conf()").await;
        let result = configuration::reload(&access).await;
        log.end(id, &result).await;
        result
    }
}

/// Where and as whom the files of an instance are worked on.
///
/// # Errors
/// `InstanceRemote`, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`.
fn site_of(entry: &Entry, shared: &Shared) -> Result<Site> {
    let Some(target) = &entry.local else {
        return Err(Error::new(
            ErrorCode::InstanceRemote,
            format!("\"{}\" is on another machine", entry.identity.name),
        )
        .detail(format!("it is reached at {}", entry.identity.host)));
    };
    Site::new(target.clone(), shared.bin_directory.as_deref(), shared.run_as.as_deref())
}

/// Works out what setting up the archive would change.
///
/// # Errors
/// As [`site_of`].
pub(super) fn plan_setup(
    entry: &Entry,
    shared: &Shared,
    request: SetupRequest,
) -> Result<impl Future<Output = Result<SetupPlan>> + use<>> {
    let site = site_of(entry, shared)?;
    let access = entry.access.clone();
    Ok(async move { archiving::plan(&site, &access, &request).await })
}

/// Sends a WAL segment through the archive.
///
/// # Errors
/// As [`site_of`].
pub(super) fn check_archive(
    entry: &Entry,
    shared: &Shared,
    limit: Duration,
) -> Result<impl Future<Output = Result<ArchiveReport>> + use<>> {
    let site = site_of(entry, shared)?;
    let (access, orders) = (entry.access.clone(), entry.orders.clone());
    let identity = entry.identity.clone();
    Ok(async move {
        let log = Log::of(&orders, &identity).await;
        let id = log.begin("check archive", "SELECT pg_switch_wal()").await;
        let outcome = archiving::check(&site, &access, limit).await;
        let told = outcome.as_ref().map_err(Clone::clone);
        let text = told.map(|report| report.findings.last().map_or("", |one| &one.text).to_owned());
        log.end(id, &text).await;
        outcome
    })
}

/// Leaves an order for a job in the journal, where the process that runs it finds it.
pub(super) async fn ask_other_process(entry: &Entry, job: &JobId, order: JobControl) -> Result<()> {
    let log = Log::of(&entry.orders, &entry.identity).await;
    let gone = || Error::new(ErrorCode::JobNotFound, "the job does not run any more");
    let journal = log.journal.ok_or_else(gone)?;
    let found = match order {
        JobControl::Cancel => journal.request_cancel(job.number).await?,
        JobControl::Mode(mode) => journal.request_mode(job.number, mode).await?,
    };
    if found { Ok(()) } else { Err(gone()) }
}

/// A start, stop or restart, ready to run.
#[derive(Debug)]
pub(super) struct Job {
    site: Site,
    work: Work,
    access: Access,
    identity: InstanceIdentity,
    orders: mpsc::Sender<Order>,
    board: JobBoard,
    lock_path: PathBuf,
}

/// Prepares a job.
///
/// # Errors
/// `InstanceRemote`, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`,
/// `OperationRunning` when a job of this process is at work on the instance.
pub(super) fn job(entry: &Entry, shared: &Shared, work: Work) -> Result<Job> {
    let site = site_of(entry, shared)?;
    if shared.board.is_operated(&entry.identity.id) {
        return Err(taken(&entry.identity.name, "a job of this pgdeck"));
    }
    let lock_path = lock_path(shared, &site.target, &site.credentials);
    Ok(Job {
        site,
        work,
        access: entry.access.clone(),
        identity: entry.identity.clone(),
        orders: entry.orders.clone(),
        board: shared.board.clone(),
        lock_path,
    })
}

/// Where the lock of an instance's exclusive operations is.
pub(super) fn lock_path(shared: &Shared, target: &LocalTarget, owner: &Credentials) -> PathBuf {
    let root = shared.state_directory.clone().unwrap_or_else(|| state_directory_of(owner));
    directory_of(&root, &target.data_directory.to_string_lossy()).join("operation.lock")
}

/// Takes the lock of an instance's exclusive operations.
///
/// # Errors
/// `OperationRunning` with who has it.
pub(super) async fn take_lock(
    path: PathBuf,
    owner: Credentials,
    word: &str,
    name: &str,
) -> Result<Option<LockFile>> {
    let note = format!("{word} by pid {} ({})", std::process::id(), credentials::operator());
    let attempt = tokio::task::spawn_blocking(move || {
        owner.run(|| LockFile::try_take(&path, &note)).and_then(|inner| inner)
    });
    match attempt.await {
        Ok(Ok(Attempt::Held(lock))) => Ok(Some(lock)),
        Ok(Ok(Attempt::Taken(by))) => Err(taken(name, &by)),
        // Without a state directory there is no lock; pg_ctl has one of its own.
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// The error of an instance that somebody else works on.
pub(super) fn taken(name: &str, by: &str) -> Error {
    Error::new(
        ErrorCode::OperationRunning,
        format!("another operation works on instance \"{name}\""),
    )
    .detail(by.trim().to_owned())
}

impl Job {
    /// Runs the job to its end.
    pub(super) async fn run(self, told: mpsc::Sender<Answer>) {
        let _lock = match self.lock().await {
            Ok(lock) => lock,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        let first = match self.first_step().await {
            Ok(step) => step,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        let log = Log::of(&self.orders, &self.identity).await;
        let operation = log.begin(self.work.kind().word(), &first.command_line()).await;
        let (registered, mut context) = runner::register(JobSetup {
            kind: self.work.kind(),
            instance: self.identity.id.clone(),
            instance_name: self.identity.name.clone(),
            journal: log.journal.clone(),
            board: self.board.clone(),
        })
        .await;
        let id = registered.id().clone();
        let _ = told.send(Answer::Accepted(id.clone())).await;
        let outcome = registered.run(self.steps(first, &mut context)).await;
        log.end(operation, &outcome).await;
        let _ = told.send(Answer::Ended(id, outcome)).await;
    }

    async fn lock(&self) -> Result<Option<LockFile>> {
        let (path, owner) = (self.lock_path.clone(), self.site.credentials.clone());
        take_lock(path, owner, self.work.kind().word(), &self.identity.name).await
    }

    async fn first_step(&self) -> Result<FirstStep> {
        let mut status = self.site.look_async().await;
        match &self.work {
            Work::Start => {
                lifecycle::wait_for_zombie(&self.site, &mut status).await;
                Ok(FirstStep::Start(StartPlan::new(&self.site, &status)?))
            }
            Work::Stop(mode) | Work::Restart(mode) => {
                let plan = StopPlan::new(&self.site, &status, *mode)?;
                Ok(FirstStep::Stop(plan, *mode, status.state))
            }
            Work::Setup(request, fingerprint) => {
                Ok(FirstStep::Setup(request.clone(), *fingerprint))
            }
        }
    }

    async fn steps(&self, first: FirstStep, context: &mut JobContext) -> Result<String> {
        let (plan, state) = match first {
            FirstStep::Start(plan) => return start::run(&self.site, &plan, context).await,
            FirstStep::Setup(request, fingerprint) => {
                let (site, access) = (&self.site, &self.access);
                return archiving::apply(site, access, &request, fingerprint, context).await;
            }
            FirstStep::Stop(plan, _, state) => (plan, state),
        };
        let observer = match state {
            InstanceState::Started => {
                let connect = self.access.connect(None);
                tokio::time::timeout(OBSERVER_LIMIT, connect).await.ok().and_then(Result::ok)
            }
            _ => None,
        };
        let stopped = stop::run(&self.site, &plan, observer, context).await?;
        if !matches!(self.work, Work::Restart(_)) {
            return Ok(stopped);
        }
        let mut status = self.site.look_async().await;
        lifecycle::wait_for_zombie(&self.site, &mut status).await;
        let plan = StartPlan::new(&self.site, &status)?;
        let started = start::run(&self.site, &plan, context).await?;
        Ok(format!("{stopped}; {started}"))
    }
}

/// The first step's plan.
#[derive(Debug)]
enum FirstStep {
    Start(StartPlan),
    Stop(StopPlan, StopMode, InstanceState),
    Setup(SetupRequest, u32),
}

impl FirstStep {
    fn command_line(&self) -> String {
        match self {
            Self::Start(plan) => plan.command_line(),
            Self::Stop(plan, mode, _) => plan.command_line(*mode),
            Self::Setup(request, _) => {
                format!("pgdeck backup setup -B {}", request.destination.display())
            }
        }
    }
}
