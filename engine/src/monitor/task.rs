//! The task of one instance: looks at its state, keeps a connection, runs probes when they are
//! due, publishes. Nothing here waits without a limit.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::link::Link;
use super::local::LocalWatch;
use super::memory::{Memory, keep_beginnings};
use super::probes::Probes;
use super::publisher::Publisher;
use super::tending::wait_for;
use crate::api::{
    BackendTarget, Error, InstanceIdentity, Interest, JobState, Limits, Locality, OperationRecord,
    Result, SignalKind, SignalResult, Snapshot,
};
use crate::instance::access::Access;
use crate::jobs::board::JobBoard;
use crate::messages;
use crate::sys::clock;
use crate::sys::credentials::Credentials;

/// Wait between attempts to connect: doubled from the first to the second.
pub(super) const RECONNECT_MIN: Duration = Duration::from_millis(500);
pub(super) const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// Instances that are not on the screen are looked at this often.
const UNSEEN_INTERVAL_MIN: Duration = Duration::from_secs(5);
/// Jobs of other processes are looked for this often.
const JOBS_EVERY: Duration = Duration::from_secs(2);
const JOBS_MAX: u32 = 20;
const OPERATIONS_MAX: u32 = 500;

/// What the engine asks of a monitor.
#[derive(Debug)]
pub enum Order {
    /// These panes are open.
    Interest(Interest),
    /// Look this often.
    Interval(Duration),
    /// Look at everything now.
    Recheck,
    /// Signal backends.
    Signal(SignalKind, Vec<BackendTarget>, oneshot::Sender<Vec<SignalResult>>),
    /// The whole text of a query.
    QueryText(BackendTarget, oneshot::Sender<Result<String>>),
    /// The operations log.
    Operations(oneshot::Sender<Result<Vec<OperationRecord>>>),
    /// The journal, for operations done elsewhere.
    Journal(oneshot::Sender<Option<crate::jobs::journal::JournalHandle>>),
}

/// What a monitor is made of.
#[derive(Debug)]
pub struct MonitorSetup {
    /// Who.
    pub identity: InstanceIdentity,
    /// How to connect.
    pub access: Access,
    /// The files of a local instance.
    pub local: Option<LocalWatch>,
    /// What is remembered.
    pub memory: Memory,
    /// Where snapshots go.
    pub publisher: Publisher,
    /// Where jobs are shown.
    pub board: JobBoard,
    /// Thresholds.
    pub limits: Rc<Limits>,
    /// How often to look.
    pub interval: Duration,
    /// What to look at until a front end says otherwise.
    pub interest: Interest,
    /// Orders.
    pub orders: mpsc::Receiver<Order>,
}

/// A running monitor.
#[derive(Debug)]
pub struct Monitor {
    pub(super) snapshot: Snapshot,
    pub(super) access: Access,
    pub(super) local: Option<LocalWatch>,
    pub(super) memory: Memory,
    pub(super) probes: Probes,
    pub(super) limits: Rc<Limits>,
    pub(super) interest: Interest,
    pub(super) interval: Duration,
    publisher: Publisher,
    board: JobBoard,
    orders: mpsc::Receiver<Order>,
    pub(super) link: Option<Link>,
    pub(super) connecting: Option<JoinHandle<Result<Link>>>,
    pub(super) connect_at: Option<Instant>,
    pub(super) backoff: Duration,
    pub(super) connect_error: Option<Error>,
    jobs_at: Option<Instant>,
    pub(super) machine_at: Option<Instant>,
    pub(super) owner: Credentials,
}

impl Monitor {
    /// A monitor that has not looked yet.
    #[must_use]
    pub fn new(setup: MonitorSetup) -> Self {
        let snapshot = Snapshot::new(setup.identity, clock::now());
        // At once, so that a discovery that has ended has its instances in the fleet.
        setup.publisher.publish(Arc::new(snapshot.clone()));
        Self {
            snapshot,
            access: setup.access,
            local: setup.local,
            memory: setup.memory,
            probes: Probes::default(),
            limits: setup.limits,
            interest: setup.interest,
            interval: setup.interval,
            publisher: setup.publisher,
            board: setup.board,
            orders: setup.orders,
            link: None,
            connecting: None,
            connect_at: None,
            backoff: RECONNECT_MIN,
            connect_error: None,
            jobs_at: None,
            machine_at: None,
            owner: Credentials::current(),
        }
    }

    /// Runs until the engine drops its end of the orders.
    pub async fn run(mut self) {
        let mut tick = self.ticker();
        // No order is answered before it is known whose the instance is, and what its journal says.
        tick.tick().await;
        self.look().await;
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    let Some(order) = order else { return };
                    let interval = self.effective_interval();
                    let must_look = self.obey(order).await;
                    if self.effective_interval() != interval {
                        tick = self.ticker();
                    }
                    if !must_look { continue }
                }
                connected = wait_for(&mut self.connecting) => self.take_connection(connected),
                _ = tick.tick() => {}
            }
            self.look().await;
        }
    }

    fn effective_interval(&self) -> Duration {
        if self.interest.is_shown { self.interval } else { self.interval.max(UNSEEN_INTERVAL_MIN) }
    }

    fn ticker(&self) -> tokio::time::Interval {
        let mut tick = tokio::time::interval(self.effective_interval());
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tick
    }

    /// Carries out an order; whether a look should follow at once.
    async fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Interest(interest) => {
                let is_more = interest != self.interest;
                self.interest = interest;
                return is_more;
            }
            Order::Interval(interval) => self.interval = interval,
            Order::Recheck => {
                self.probes.all_due();
                self.connect_at = None;
                if let Some(local) = &mut self.local {
                    local.look_again();
                }
                return true;
            }
            Order::Signal(kind, targets, reply) => {
                let results = self.signal(kind, &targets).await;
                let _ = reply.send(results);
                return true;
            }
            Order::QueryText(target, reply) => {
                let _ = reply.send(self.query_text(&target).await);
            }
            Order::Operations(reply) => {
                let _ = reply.send(self.operations().await);
            }
            Order::Journal(reply) => {
                self.memory.tend(&self.owner).await;
                let _ = reply.send(self.memory.handle().cloned());
            }
        }
        false
    }

    /// The operations log. That nothing was done is said only by the journal.
    async fn operations(&mut self) -> Result<Vec<OperationRecord>> {
        self.memory.tend(&self.owner).await;
        match self.memory.handle() {
            Some(journal) => journal.operations(OPERATIONS_MAX).await,
            None => self.memory.error().map_or(Ok(Vec::new()), |error| Err(error.clone())),
        }
    }

    async fn look(&mut self) {
        self.look_at_state().await;
        self.memory.tend(&self.owner).await;
        self.tend_link();
        self.run_probes().await;
        self.look_at_files().await;
        self.look_at_jobs().await;
        self.make_messages().await;
        self.snapshot.checked_at = clock::now();
        self.snapshot.is_settled |= self.connecting.is_none() && !self.is_about_to_connect();
        self.publisher.publish(Arc::new(self.snapshot.clone()));
    }

    async fn run_probes(&mut self) {
        let Some(link) = self.link.take() else {
            let error = self.connect_error.clone();
            if let (Some(error), true) = (error, self.snapshot.status.state.has_process()) {
                self.mark_stale(&error);
            }
            return;
        };
        let outcome = self.probe(&link).await;
        if let Err(error) = &outcome {
            self.mark_stale(error);
        }
        if link.is_broken() {
            self.connect_error = outcome.err().or_else(|| self.connect_error.take());
            self.lose_link();
        } else {
            self.link = Some(link);
        }
        self.snapshot.connected = self.link.is_some();
    }

    pub(super) fn mark_stale(&mut self, error: &Error) {
        let snapshot = &mut self.snapshot;
        snapshot.server.fail(error.clone());
        snapshot.rates.fail(error.clone());
        snapshot.wal.fail(error.clone());
        snapshot.sessions.fail(error.clone());
        snapshot.locks.fail(error.clone());
        snapshot.prepared.fail(error.clone());
        snapshot.databases.fail(error.clone());
        snapshot.holders.fail(error.clone());
        snapshot.standbys.fail(error.clone());
    }

    async fn look_at_jobs(&mut self) {
        if self.jobs_at.is_some_and(|at| at.elapsed() < JOBS_EVERY) {
            return;
        }
        self.jobs_at = Some(Instant::now());
        let Some(journal) = self.memory.handle() else { return };
        let id = self.snapshot.identity.id.clone();
        if let Ok(rows) = journal.jobs(id.clone(), JOBS_MAX).await {
            self.board.set_journalled(&id, rows.into_iter().map(|row| row.status).collect());
        }
    }

    fn has_seen_all(&self) -> bool {
        let one = &self.snapshot;
        let was_asked = one.server.taken_at.is_some() || one.server.error.is_some();
        let has_answered = one.sessions.taken_at.is_some() || one.sessions.error.is_some();
        one.is_settled && (!one.connected || (was_asked && has_answered))
    }

    async fn make_messages(&mut self) {
        let id = &self.snapshot.identity.id;
        let interrupted: Vec<String> = self
            .board
            .interrupted(id)
            .iter()
            .filter(|job| job.state == JobState::Interrupted)
            .map(|job| {
                format!(
                    "{} begun {}",
                    job.kind.word(),
                    job.started_at.format("%Y-%m-%d %H:%M:%S UTC")
                )
            })
            .collect();
        let mut made = messages::of(&messages::Context {
            snapshot: &self.snapshot,
            limits: &self.limits,
            log_errors: self.probes.log.errors(),
            journal_error: self.memory.error(),
            interrupted_jobs: &interrupted,
            recovery_job: match self.board.is_recovered(id) {
                true => messages::RecoveryJob::AtWork,
                false => messages::RecoveryJob::None,
            },
        });
        let earlier = Arc::clone(&self.snapshot.messages);
        keep_beginnings(&mut made, &earlier);
        // Before everything has been looked at once, a condition that is not seen has not ended.
        if self.has_seen_all() {
            self.memory.sync_messages(&mut made).await;
        }
        if *earlier != made {
            self.snapshot.messages = Arc::new(made);
        }
    }

    /// Whether this instance is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.snapshot.identity.locality == Locality::Local
    }
}
