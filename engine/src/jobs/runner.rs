//! Running a job: its progress goes to the board at once and to the journal once a second, and
//! orders from this process and from others reach it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::board::JobBoard;
use super::journal::{JobUpdate, JournalHandle};
use crate::api::{
    Error, ErrorCode, InstanceId, JobId, JobKind, JobProgress, JobState, JobStatus, Result,
    StopMode,
};
use crate::sys::clock;

/// How often the journal hears of a running job and is asked for orders.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(1);
/// Orders that may wait.
const ORDERS_MAX: usize = 8;

/// An order to a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobControl {
    /// Stop and leave a sound state.
    Cancel,
    /// For a stop: use this mode from now on.
    Mode(StopMode),
}

/// A job's side: where it reports to and hears from.
#[derive(Debug)]
pub struct JobContext {
    progress: watch::Sender<JobProgress>,
    orders: mpsc::Receiver<JobControl>,
}

/// A way to tell how far a job is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reporter {
    progress: watch::Sender<JobProgress>,
}

impl Reporter {
    /// Tells how far the job is.
    pub fn report(&self, progress: JobProgress) {
        self.progress.send_if_modified(|current| {
            let is_new = *current != progress;
            *current = progress;
            is_new
        });
    }
}

impl JobContext {
    /// Tells how far the job is.
    pub fn report(&self, progress: JobProgress) {
        self.reporter().report(progress);
    }

    /// A way to tell how far the job is while orders are waited for.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        Reporter { progress: self.progress.clone() }
    }

    /// Waits for the next order. Never ends when nobody can give one any more.
    pub async fn order(&mut self) -> JobControl {
        match self.orders.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}

/// What a job is and whom to tell of it.
#[derive(Clone, Debug)]
pub struct JobSetup {
    /// What it does.
    pub kind: JobKind,
    /// On which instance.
    pub instance: InstanceId,
    /// Its name.
    pub instance_name: String,
    /// Where it is remembered; without one the job runs all the same.
    pub journal: Option<JournalHandle>,
    /// Where it is shown.
    pub board: JobBoard,
}

/// A job that is registered and may begin.
#[derive(Debug)]
pub struct Registered {
    setup: JobSetup,
    status: JobStatus,
    progress: watch::Receiver<JobProgress>,
    orders: mpsc::Sender<JobControl>,
    /// The mode last passed on: an order stays in the journal and is read every second.
    passed_on: Option<StopMode>,
}

/// Registers a job.
pub async fn register(setup: JobSetup) -> (Registered, JobContext) {
    let number = match &setup.journal {
        Some(journal) => journal.begin_job(setup.kind, setup.instance_name.clone()).await.ok(),
        None => None,
    };
    let number = number.unwrap_or_else(|| setup.board.unlogged_number());
    let status = JobStatus {
        id: JobId { instance: setup.instance.clone(), number },
        kind: setup.kind,
        instance_name: setup.instance_name.clone(),
        state: JobState::Running,
        progress: JobProgress::default(),
        started_at: clock::now(),
        ended_at: None,
        result: String::new(),
        owner_pid: std::process::id(),
        is_own: true,
        cancel_requested: false,
    };
    let (progress_sender, progress) = watch::channel(JobProgress::default());
    let (orders, orders_receiver) = mpsc::channel(ORDERS_MAX);
    setup.board.add(status.clone(), orders.clone());
    let context = JobContext { progress: progress_sender, orders: orders_receiver };
    (Registered { setup, status, progress, orders, passed_on: None }, context)
}

impl Registered {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.status.id
    }

    /// Runs the job to its end and tells its result.
    pub async fn run(mut self, body: impl Future<Output = Result<String>>) -> Result<String> {
        let mut body = std::pin::pin!(body);
        let mut journal_tick = journal_interval();
        let outcome = loop {
            tokio::select! {
                outcome = &mut body => break outcome,
                Ok(()) = self.progress.changed() => self.show(),
                _ = journal_tick.tick() => self.exchange().await,
            }
        };
        self.end(&outcome).await;
        outcome
    }

    fn show(&mut self) {
        self.status.progress = self.progress.borrow_and_update().clone();
        self.setup.board.update(self.status.clone());
    }

    fn journal_update(&self) -> JobUpdate {
        JobUpdate {
            number: self.status.id.number,
            state: self.status.state,
            progress: self.status.progress.clone(),
            result: self.status.result.clone(),
        }
    }

    /// Writes to the journal and takes orders other processes have left there.
    async fn exchange(&mut self) {
        let Some(journal) = &self.setup.journal else { return };
        let Ok(requests) = journal.update_job(self.journal_update()).await else { return };
        if requests.cancel && !self.status.cancel_requested {
            self.status.cancel_requested = true;
            let _ = self.orders.try_send(JobControl::Cancel);
        }
        let in_force = self.status.progress.stop_mode.max(self.passed_on);
        if let Some(mode) = requests.mode.filter(|mode| in_force.is_none_or(|now| *mode > now)) {
            self.passed_on = Some(mode);
            let _ = self.orders.try_send(JobControl::Mode(mode));
        }
    }

    async fn end(&mut self, outcome: &Result<String>) {
        self.status.progress = self.progress.borrow_and_update().clone();
        self.status.ended_at = Some(clock::now());
        if outcome.is_ok() {
            // What it was doing last is over.
            self.status.progress.phase.clear();
            self.status.progress.lines.clear();
        }
        (self.status.state, self.status.result) = match outcome {
            Ok(text) => (JobState::Done, text.clone()),
            Err(error) => (failed_state(error), error.to_string()),
        };
        if let Some(journal) = &self.setup.journal {
            let _ = journal.update_job(self.journal_update()).await;
        }
        self.setup.board.update(self.status.clone());
    }
}

fn failed_state(error: &Error) -> JobState {
    if error.code == ErrorCode::Cancelled { JobState::Cancelled } else { JobState::Failed }
}

fn journal_interval() -> Interval {
    let mut interval = tokio::time::interval(JOURNAL_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::credentials::Credentials;

    async fn setup(directory: &std::path::Path) -> JobSetup {
        let path = directory.join("journal.sqlite");
        JobSetup {
            kind: JobKind::Stop,
            instance: InstanceId::new("/d"),
            instance_name: "inst1".into(),
            journal: Some(JournalHandle::open(path, Credentials::current()).await.unwrap()),
            board: JobBoard::default(),
        }
    }

    #[tokio::test]
    async fn another_process_sees_it_and_can_give_orders() {
        let directory = tempfile::tempdir().unwrap();
        let setup = setup(directory.path()).await;
        let other = setup.journal.clone().unwrap();
        let board = setup.board.clone();
        let (job, mut context) = register(setup).await;
        let number = job.id().number;
        let body = async move {
            context.report(JobProgress {
                phase: "waiting".into(),
                stop_mode: Some(StopMode::Smart),
                ..JobProgress::default()
            });
            assert_eq!(context.order().await, JobControl::Mode(StopMode::Fast));
            assert_eq!(context.order().await, JobControl::Cancel);
            Err(Error::new(ErrorCode::Cancelled, "cancelled"))
        };
        let orders = async {
            assert!(other.request_mode(number, StopMode::Fast).await.unwrap());
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            assert!(other.request_cancel(number).await.unwrap());
        };
        let (outcome, ()) = tokio::join!(job.run(body), orders);
        assert_eq!(outcome.unwrap_err().code, ErrorCode::Cancelled);
        let rows = other.jobs(InstanceId::new("/d"), 5).await.unwrap();
        assert_eq!(rows[0].status.state, JobState::Cancelled);
        assert_eq!(rows[0].status.progress.phase, "waiting");
        assert_eq!(board.subscribe().borrow()[0].state, JobState::Cancelled);
    }

    #[tokio::test]
    async fn orders_from_this_process_go_through_the_board() {
        let board = JobBoard::default();
        let setup = JobSetup {
            kind: JobKind::Start,
            instance: InstanceId::new("/d"),
            instance_name: "inst1".into(),
            journal: None,
            board: board.clone(),
        };
        let (job, mut context) = register(setup).await;
        let id = job.id().clone();
        assert!(board.is_operated(&id.instance) && board.is_own(&id) && id.number < 0);
        board.control(&id, JobControl::Cancel).unwrap();
        let body = async move {
            assert_eq!(context.order().await, JobControl::Cancel);
            Ok("stopped cleanly".to_owned())
        };
        assert_eq!(job.run(body).await.unwrap(), "stopped cleanly");
        assert!(!board.is_operated(&id.instance));
        let error = board.control(&id, JobControl::Cancel).unwrap_err();
        assert_eq!(error.code, ErrorCode::JobNotFound);
    }
}
