//! Operations on instances: resolving, reloading, the archive's set-up and check, and the jobs
//! that start, stop and restart.

use std::time::Duration;

use tokio::sync::mpsc;

use super::catalog::{Entry, Shared};
use super::job::{Answer, Log, OperationLock, Subject};
use crate::api::{
    ArchiveReport, Error, ErrorCode, InstanceState, JobId, JobKind, PreparedOutcome,
    PreparedTarget, Result, SetupPlan, SetupRequest, StopMode,
};
use crate::archiving;
use crate::connections::resolve;
use crate::instance::access::Access;
use crate::instance::lifecycle::start::{self, StartPlan};
use crate::instance::lifecycle::stop::{self, StopPlan};
use crate::instance::lifecycle::{self, Site};
use crate::instance::reload as configuration;
use crate::jobs::runner::{JobContext, JobControl};

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

/// Commits or rolls back a prepared transaction.
pub(super) fn resolve(
    entry: &Entry,
    shared: &Shared,
    target: PreparedTarget,
    outcome: PreparedOutcome,
) -> impl Future<Output = Result<String>> + use<> {
    let (access, subject) = (entry.access.clone(), Subject::new(entry, shared));
    async move {
        let command = outcome.sql(&target.gid)?;
        let command = format!("{command} -- in database {}", target.database);
        let work = resolve::resolve(&access, &target, outcome);
        subject.logged(&outcome.verb().to_lowercase(), &command, work).await
    }
}

/// Makes the server load its configuration.
pub(super) fn reload(
    entry: &Entry,
    shared: &Shared,
) -> impl Future<Output = Result<String>> + use<> {
    let (access, subject) = (entry.access.clone(), Subject::new(entry, shared));
    async move {
        let work = configuration::reload(&access);
        subject.logged("reload", "SELECT pg_reload_conf()", work).await
    }
}

/// Where and as whom the files of an instance are worked on.
///
/// # Errors
/// `InstanceRemote`, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`.
fn site_of(entry: &Entry, shared: &Shared) -> Result<Site> {
    let target = entry.local_target()?;
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
    let (access, subject) = (entry.access.clone(), Subject::new(entry, shared));
    Ok(async move {
        let log = subject.log().await;
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
    subject: Subject,
    lock: OperationLock,
}

/// Prepares a job.
///
/// # Errors
/// `InstanceRemote`, `DataDirectoryOwner`, `DataDirectoryAccess`, `UsageInvalid`,
/// `OperationRunning` when a job of this process is at work on the instance.
pub(super) fn job(entry: &Entry, shared: &Shared, work: Work) -> Result<Job> {
    let site = site_of(entry, shared)?;
    let lock = OperationLock::new(entry, shared, &site.target, &site.credentials)?;
    Ok(Job { site, work, access: entry.access.clone(), subject: Subject::new(entry, shared), lock })
}

impl Job {
    /// Runs the job to its end.
    pub(super) async fn run(self, told: mpsc::Sender<Answer>) {
        let kind = self.work.kind();
        let begun = match self.lock.take(kind).await {
            Ok(lock) => self.first_step().await.map(|step| (lock, step)),
            Err(error) => Err(error),
        };
        let (_lock, first) = match begun {
            Ok(begun) => begun,
            Err(error) => return drop(told.send(Answer::Refused(error)).await),
        };
        let command = first.command_line();
        let body = async |context: &mut JobContext| self.steps(first, context).await;
        self.subject.run_job(kind, &command, &told, body).await;
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
