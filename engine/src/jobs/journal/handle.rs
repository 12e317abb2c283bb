//! The way to a journal from async code: a thread that owns the file, and a closed set of
//! requests to it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::job_rows::JobRequests;
use super::{
    JobRow, JobUpdate, Journal, KnownMessage, MountRecord, OperationId, SeenDestination,
    SeenPrepared, UsageSample,
};
use crate::api::{
    Error, ErrorCode, InstanceId, JobKind, Message, OperationRecord, Result, StopMode,
};
use crate::sys::credentials::Credentials;

/// Requests that may wait for the journal's thread; further ones are refused.
const QUEUE_MAX: usize = 64;

type Reply<T> = oneshot::Sender<Result<T>>;

enum Request {
    BeginOperation {
        who: String,
        host: String,
        action: String,
        command: String,
        reply: Reply<OperationId>,
    },
    EndOperation {
        id: OperationId,
        result: String,
        ok: bool,
        reply: Reply<()>,
    },
    Operations {
        limit: u32,
        reply: Reply<Vec<OperationRecord>>,
    },
    SyncMessages {
        now_open: Vec<Message>,
        reply: Reply<Vec<KnownMessage>>,
    },
    AddUsage {
        path: String,
        sample: UsageSample,
        reply: Reply<()>,
    },
    UsageSince {
        path: String,
        since: DateTime<Utc>,
        reply: Reply<Vec<UsageSample>>,
    },
    RememberMount {
        path: String,
        mount: MountRecord,
        reply: Reply<()>,
    },
    KnownMount {
        path: String,
        reply: Reply<Option<MountRecord>>,
    },
    SeeDestination {
        path: String,
        at: DateTime<Utc>,
        reply: Reply<()>,
    },
    LastDestination {
        reply: Reply<Option<SeenDestination>>,
    },
    SeePrepared {
        seen: Vec<SeenPrepared>,
        reply: Reply<Vec<u32>>,
    },
    BeginJob {
        kind: JobKind,
        instance_name: String,
        reply: Reply<i64>,
    },
    UpdateJob {
        update: JobUpdate,
        reply: Reply<JobRequests>,
    },
    AskCancel {
        number: i64,
        reply: Reply<bool>,
    },
    AskMode {
        number: i64,
        mode: StopMode,
        reply: Reply<bool>,
    },
    Jobs {
        instance: InstanceId,
        limit: u32,
        reply: Reply<Vec<JobRow>>,
    },
    Prune {
        reply: Reply<()>,
    },
}

/// A journal that is open on its own thread. Cloning shares it; the last clone closes it.
#[derive(Clone, Debug)]
pub struct JournalHandle {
    requests: SyncSender<Request>,
}

impl JournalHandle {
    /// Opens the journal on a new thread that has the owner's credentials.
    ///
    /// # Errors
    /// `JournalFailed` or `JournalNewer`, as the thread found it.
    pub async fn open(path: PathBuf, owner: Credentials) -> Result<Self> {
        let (requests, queue) = sync_channel(QUEUE_MAX);
        let (opened, answer) = oneshot::channel();
        std::thread::Builder::new()
            .name("journal".into())
            .stack_size(512 << 10)
            .spawn(move || run(&path, &owner, opened, &queue))
            .map_err(|error| gone().detail(error.to_string()))?;
        answer.await.map_err(|_| gone())??;
        Ok(Self { requests })
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(make(reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Writes that something is about to be done.
    ///
    /// # Errors
    /// As [`Journal::begin_operation`].
    pub async fn begin_operation(
        &self,
        who: String,
        host: String,
        action: String,
        command: String,
    ) -> Result<OperationId> {
        self.ask(|reply| Request::BeginOperation { who, host, action, command, reply }).await
    }

    /// Writes what became of it.
    ///
    /// # Errors
    /// As [`Journal::end_operation`].
    pub async fn end_operation(&self, id: OperationId, result: String, ok: bool) -> Result<()> {
        self.ask(|reply| Request::EndOperation { id, result, ok, reply }).await
    }

    /// The newest operations.
    ///
    /// # Errors
    /// As [`Journal::operations`].
    pub async fn operations(&self, limit: u32) -> Result<Vec<OperationRecord>> {
        self.ask(|reply| Request::Operations { limit, reply }).await
    }

    /// Brings the open messages in line.
    ///
    /// # Errors
    /// As [`Journal::sync_messages`].
    pub async fn sync_messages(&self, now_open: Vec<Message>) -> Result<Vec<KnownMessage>> {
        self.ask(|reply| Request::SyncMessages { now_open, reply }).await
    }

    /// Adds a sample of a destination.
    ///
    /// # Errors
    /// As [`Journal::add_usage`].
    pub async fn add_usage(&self, path: String, sample: UsageSample) -> Result<()> {
        self.ask(|reply| Request::AddUsage { path, sample, reply }).await
    }

    /// Samples of a destination.
    ///
    /// # Errors
    /// As [`Journal::usage_since`].
    pub async fn usage_since(
        &self,
        path: String,
        since: DateTime<Utc>,
    ) -> Result<Vec<UsageSample>> {
        self.ask(|reply| Request::UsageSince { path, since, reply }).await
    }

    /// Remembers a mount.
    ///
    /// # Errors
    /// As [`Journal::remember_mount`].
    pub async fn remember_mount(&self, path: String, mount: MountRecord) -> Result<()> {
        self.ask(|reply| Request::RememberMount { path, mount, reply }).await
    }

    /// Where a destination was last mounted.
    ///
    /// # Errors
    /// As [`Journal::known_mount`].
    pub async fn known_mount(&self, path: String) -> Result<Option<MountRecord>> {
        self.ask(|reply| Request::KnownMount { path, reply }).await
    }

    /// Remembers a backup destination.
    ///
    /// # Errors
    /// As [`Journal::see_destination`].
    pub async fn see_destination(&self, path: String, at: DateTime<Utc>) -> Result<()> {
        self.ask(|reply| Request::SeeDestination { path, at, reply }).await
    }

    /// The backup destination that was seen last.
    ///
    /// # Errors
    /// As [`Journal::last_destination`].
    pub async fn last_destination(&self) -> Result<Option<SeenDestination>> {
        self.ask(|reply| Request::LastDestination { reply }).await
    }

    /// Counts a check.
    ///
    /// # Errors
    /// As [`Journal::see_prepared`].
    pub async fn see_prepared(&self, seen: Vec<SeenPrepared>) -> Result<Vec<u32>> {
        self.ask(|reply| Request::SeePrepared { seen, reply }).await
    }

    /// Registers a job.
    ///
    /// # Errors
    /// As [`Journal::begin_job`].
    pub async fn begin_job(&self, kind: JobKind, instance_name: String) -> Result<i64> {
        self.ask(|reply| Request::BeginJob { kind, instance_name, reply }).await
    }

    /// Writes a job's progress and reads requests to it.
    ///
    /// # Errors
    /// As [`Journal::update_job`].
    pub async fn update_job(&self, update: JobUpdate) -> Result<JobRequests> {
        self.ask(|reply| Request::UpdateJob { update, reply }).await
    }

    /// Asks a job to cancel; false when it does not run.
    ///
    /// # Errors
    /// As [`Journal::request_cancel`].
    pub async fn request_cancel(&self, number: i64) -> Result<bool> {
        self.ask(|reply| Request::AskCancel { number, reply }).await
    }

    /// Asks a stop to be harsher; false when it does not run.
    ///
    /// # Errors
    /// As [`Journal::request_mode`].
    pub async fn request_mode(&self, number: i64, mode: StopMode) -> Result<bool> {
        self.ask(|reply| Request::AskMode { number, mode, reply }).await
    }

    /// The newest jobs.
    ///
    /// # Errors
    /// As [`Journal::jobs`].
    pub async fn jobs(&self, instance: InstanceId, limit: u32) -> Result<Vec<JobRow>> {
        self.ask(|reply| Request::Jobs { instance, limit, reply }).await
    }

    /// Removes what is too old.
    ///
    /// # Errors
    /// As [`Journal::prune`].
    pub async fn prune(&self) -> Result<()> {
        self.ask(|reply| Request::Prune { reply }).await
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::JournalFailed, "the journal does not answer")
}

fn run(
    path: &std::path::Path,
    owner: &Credentials,
    opened: oneshot::Sender<Result<()>>,
    queue: &Receiver<Request>,
) {
    let outcome = owner
        .assume()
        .map_err(|error| gone().detail(format!("cannot act as {}: {error}", owner.name())))
        .and_then(|()| Journal::open(path));
    match outcome {
        Ok(mut journal) => {
            let _ = opened.send(Ok(()));
            while let Ok(request) = queue.recv() {
                serve(&mut journal, request);
            }
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    }
}

/// A caller that no longer waits for its reply is no error.
fn serve(journal: &mut Journal, request: Request) {
    match request {
        Request::BeginOperation { who, host, action, command, reply } => {
            let _ = reply.send(journal.begin_operation(&who, &host, &action, &command));
        }
        Request::EndOperation { id, result, ok, reply } => {
            let _ = reply.send(journal.end_operation(id, &result, ok));
        }
        Request::Operations { limit, reply } => {
            let _ = reply.send(journal.operations(limit));
        }
        Request::SyncMessages { now_open, reply } => {
            let _ = reply.send(journal.sync_messages(&now_open));
        }
        Request::AddUsage { path, sample, reply } => {
            let _ = reply.send(journal.add_usage(&path, sample));
        }
        Request::UsageSince { path, since, reply } => {
            let _ = reply.send(journal.usage_since(&path, since));
        }
        Request::RememberMount { path, mount, reply } => {
            let _ = reply.send(journal.remember_mount(&path, &mount));
        }
        Request::KnownMount { path, reply } => {
            let _ = reply.send(journal.known_mount(&path));
        }
        Request::SeeDestination { path, at, reply } => {
            let _ = reply.send(journal.see_destination(&path, at));
        }
        Request::LastDestination { reply } => {
            let _ = reply.send(journal.last_destination());
        }
        Request::SeePrepared { seen, reply } => {
            let _ = reply.send(journal.see_prepared(&seen));
        }
        Request::BeginJob { kind, instance_name, reply } => {
            let _ = reply.send(journal.begin_job(kind, &instance_name));
        }
        Request::UpdateJob { update, reply } => {
            let _ = reply.send(journal.update_job(&update));
        }
        Request::AskCancel { number, reply } => {
            let _ = reply.send(journal.request_cancel(number));
        }
        Request::AskMode { number, mode, reply } => {
            let _ = reply.send(journal.request_mode(number, mode));
        }
        Request::Jobs { instance, limit, reply } => {
            let _ = reply.send(journal.jobs(&instance, limit));
        }
        Request::Prune { reply } => {
            let _ = reply.send(journal.prune());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_through_its_thread() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let journal = JournalHandle::open(path, Credentials::current()).await.unwrap();
        let text = |text: &str| text.to_owned();
        let id = journal
            .begin_operation(
                text("ann"),
                text("h"),
                text("reload"),
                text("SELECT pg_reload_conf()"),
            )
            .await
            .unwrap();
        journal.end_operation(id, text("loaded"), true).await.unwrap();
        assert_eq!(journal.operations(5).await.unwrap()[0].ok, Some(true));
    }

    #[tokio::test]
    async fn says_why_it_cannot_open() {
        let path = PathBuf::from("/proc/pgdeck/journal.sqlite");
        let error = JournalHandle::open(path, Credentials::current()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::JournalFailed);
    }
}
