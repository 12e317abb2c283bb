//! What every operation on an instance shares: the operations log, the lock that other processes
//! see, and the way of a job from its first answer to its last.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::catalog::{Entry, Shared};
use crate::api::{Error, ErrorCode, Event, InstanceIdentity, JobId, JobKind, Result};
use crate::instance::target::LocalTarget;
use crate::jobs::board::JobBoard;
use crate::jobs::journal::{JournalHandle, OperationId, directory_of, state_directory_of};
use crate::jobs::runner::{self, JobContext, JobSetup};
use crate::monitor::task::Order;
use crate::sys::credentials::{self, Credentials};
use crate::sys::lock::{Attempt, LockFile};

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

/// An instance as its jobs need it, whatever they do. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) identity: InstanceIdentity,
    orders: mpsc::Sender<Order>,
    board: JobBoard,
}

impl Subject {
    pub(super) fn new(entry: &Entry, shared: &Shared) -> Self {
        Self {
            identity: entry.identity.clone(),
            orders: entry.orders.clone(),
            board: shared.board.clone(),
        }
    }

    /// Its operations log.
    pub(super) async fn log(&self) -> Log {
        Log::of(&self.orders, &self.identity).await
    }

    /// Does something short: written to the operations log as `action` before it is done and after.
    pub(super) async fn logged(
        &self,
        action: &str,
        command: &str,
        work: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        let log = self.log().await;
        let id = log.begin(action, command).await;
        let result = work.await;
        log.end(id, &result).await;
        result
    }

    /// Runs a job to its end: in the operations log as `command` before it begins and after,
    /// on the board meanwhile, accepted and ended to the front end. What could refuse it is
    /// asked before.
    pub(super) async fn run_job(
        &self,
        kind: JobKind,
        command: &str,
        told: &mpsc::Sender<Answer>,
        body: impl AsyncFnOnce(&mut JobContext) -> Result<String>,
    ) {
        let log = self.log().await;
        let operation = log.begin(kind.word(), command).await;
        let (registered, mut context) = runner::register(JobSetup {
            kind,
            instance: self.identity.id.clone(),
            instance_name: self.identity.name.clone(),
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

/// The right to start, stop or change an instance, which one job has at a time, in all processes.
#[derive(Debug)]
pub(super) struct OperationLock {
    instance_name: String,
    path: PathBuf,
    owner: Credentials,
}

impl OperationLock {
    /// The lock of an instance whose files belong to `owner`. Nothing is locked yet.
    ///
    /// # Errors
    /// `OperationRunning` when a job of this process is at work on the instance.
    pub(super) fn new(
        entry: &Entry,
        shared: &Shared,
        target: &LocalTarget,
        owner: &Credentials,
    ) -> Result<Self> {
        let name = &entry.identity.name;
        if shared.board.is_operated(&entry.identity.id) {
            return Err(taken(name, "a job of this pgdeck"));
        }
        let root = shared.state_directory.clone().unwrap_or_else(|| state_directory_of(owner));
        let directory = directory_of(&root, &target.data_directory.to_string_lossy());
        let path = directory.join("operation.lock");
        Ok(Self { instance_name: name.clone(), path, owner: owner.clone() })
    }

    /// Takes it for a job of this kind, until what is returned is dropped. `None` without a
    /// state directory to lock in; `pg_ctl` has a lock of its own.
    ///
    /// # Errors
    /// `OperationRunning` when another process has it.
    pub(super) async fn take(&self, kind: JobKind) -> Result<Option<LockFile>> {
        let note =
            format!("{} by pid {} ({})", kind.word(), std::process::id(), credentials::operator());
        let (path, owner) = (self.path.clone(), self.owner.clone());
        let attempt = tokio::task::spawn_blocking(move || {
            owner.run(|| LockFile::try_take(&path, &note)).and_then(|inner| inner)
        });
        match attempt.await {
            Ok(Ok(Attempt::Held(lock))) => Ok(Some(lock)),
            Ok(Ok(Attempt::Taken(by))) => Err(taken(&self.instance_name, &by)),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }
}

fn taken(name: &str, by: &str) -> Error {
    Error::new(
        ErrorCode::OperationRunning,
        format!("another operation works on instance \"{name}\""),
    )
    .detail(by.trim().to_owned())
}
