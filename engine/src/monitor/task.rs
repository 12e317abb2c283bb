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
    BackendTarget, Error, ErrorCode, InstanceIdentity, InstanceState, InstanceStatus, Interest,
    JobState, Limits, Locality, OperationRecord, Result, SignalKind, SignalResult, Snapshot,
};
use crate::instance::access::Access;
use crate::jobs::board::JobBoard;
use crate::messages;
use crate::sys::clock;
use crate::sys::credentials::Credentials;
use crate::sys::process_table;

/// Wait between attempts to connect: doubled from the first to the second.
pub(super) const RECONNECT_MIN: Duration = Duration::from_millis(500);
pub(super) const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// Instances that are not on the screen are looked at this often.
const UNSEEN_INTERVAL_MIN: Duration = Duration::from_secs(5);
/// Jobs of other processes are looked for this often.
const JOBS_EVERY: Duration = Duration::from_secs(2);
/// The load of the machine is read this often.
const MACHINE_EVERY: Duration = Duration::from_secs(5);
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
    machine_at: Option<Instant>,
    owner: Credentials,
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
                let _ = reply.send(match self.memory.handle() {
                    Some(journal) => journal.operations(OPERATIONS_MAX).await,
                    None => Ok(Vec::new()),
                });
            }
            Order::Journal(reply) => {
                self.memory.tend(&self.owner).await;
                let _ = reply.send(self.memory.handle().cloned());
            }
        }
        false
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

    /// State of a local instance from its files; of a remote one from the connection.
    async fn look_at_state(&mut self) {
        let mut status = match &mut self.local {
            Some(local) => {
                let status = local.look().await;
                let owner = local.owner(&status);
                self.access.learn(&status, owner.clone());
                if let Some(owner) = owner {
                    self.owner = owner;
                }
                status
            }
            None => self.remote_status(),
        };
        if status.state == InstanceState::Started
            && self.link.is_none()
            && let Some(error) = &self.connect_error
        {
            // The server is up and does not let anybody in: a backend crash is being repaired.
            if error.code == ErrorCode::ServerNotReady {
                status.state = InstanceState::InRecovery;
                status.detail = error.fact.clone();
            } else {
                status.connect_error = Some(error.clone());
            }
        }
        let was = self.snapshot.status.state;
        if was != status.state {
            self.state_changed(was, status.state);
        }
        self.snapshot.status = Arc::new(status);
    }

    fn state_changed(&mut self, was: InstanceState, now: InstanceState) {
        self.connect_at = None;
        self.backoff = RECONNECT_MIN;
        self.probes.all_due();
        if let Some(local) = &mut self.local {
            local.look_again();
        }
        if now.is_down() && was != InstanceState::Unknown {
            self.connect_error = None;
            forget_activity(&mut self.snapshot);
        }
    }

    fn remote_status(&self) -> InstanceStatus {
        let known = self.snapshot.status.as_ref();
        let state = match (&self.link, &self.connect_error) {
            (Some(_), _) => InstanceState::Started,
            (None, Some(error)) if error.code == ErrorCode::ServerNotReady => {
                InstanceState::InRecovery
            }
            (None, Some(_)) => InstanceState::Unreachable,
            (None, None) => InstanceState::Unknown,
        };
        let server = self.snapshot.server.get();
        InstanceStatus {
            detail: match (&self.link, &self.connect_error) {
                (Some(link), _) => link.connected().context.server.clone(),
                (None, Some(error)) => error.fact.clone(),
                (None, None) => "connecting".to_owned(),
            },
            port: server.and_then(|server| server.port).or(known.port),
            major: server.map(|server| server.version.major()).or(known.major),
            connect_error: self.connect_error.clone().filter(|_| self.link.is_none()),
            ..InstanceStatus::bare(state)
        }
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

    async fn look_at_files(&mut self) {
        let now = clock::now();
        let Some(local) = &mut self.local else {
            if let Some(link) = &self.link {
                let outcome = self.probes.log.look_remote(link, self.interest.log).await;
                self.take_log(outcome);
            }
            let remote = Error::new(ErrorCode::InstanceRemote, "its disks are on another machine")
                .detail(self.snapshot.identity.host.clone());
            self.snapshot.destinations.fail(remote);
            return;
        };
        let pid = self.snapshot.status.pid;
        let outcome = self.probes.log.look_local(&local.target, self.link.as_ref(), pid).await;
        self.take_log(outcome);
        if let Some(local) = &mut self.local
            && let Some(destinations) = local
                .destinations(&self.snapshot, self.interest, &self.limits, &mut self.memory)
                .await
        {
            self.snapshot.destinations.set(destinations, now);
        }
        if let Some(local) = &mut self.local
            && let Some(outcome) =
                local.protection(&self.snapshot, &self.owner, self.interest).await
        {
            self.snapshot.protection.update(outcome, now);
        }
        self.look_at_recovery().await;
        if self.interest.is_shown && self.machine_at.is_none_or(|at| at.elapsed() >= MACHINE_EVERY)
        {
            self.machine_at = Some(Instant::now());
            let load = process_table::machine_load().map_err(|error| {
                Error::new(ErrorCode::FileAccess, "the load of the machine cannot be read")
                    .detail(error.to_string())
            });
            self.snapshot.machine.update(load, now);
        }
    }

    /// A recovery of the data directory: under way, or with its old data still kept.
    async fn look_at_recovery(&mut self) {
        let Some(local) = &mut self.local else { return };
        match local.recovery(&self.owner).await {
            Some(Ok(Some(state))) => self.snapshot.recovery.set(state, clock::now()),
            Some(Ok(None)) => self.snapshot.recovery.clear(),
            Some(Err(error)) => self.snapshot.recovery.fail(error),
            None => {}
        }
    }

    fn take_log(&mut self, outcome: Result<Option<crate::api::LogTail>>) {
        match outcome {
            Ok(Some(tail)) => {
                self.snapshot.log.set(tail, clock::now());
                self.log_has_grown();
            }
            Ok(None) => self.snapshot.log.error = None,
            Err(error) => self.snapshot.log.fail(error),
        }
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

/// A server that is down has no sessions, locks or rates; what it had is no longer true.
fn forget_activity(snapshot: &mut Snapshot) {
    snapshot.server.clear();
    snapshot.rates.clear();
    snapshot.sessions.clear();
    snapshot.locks.clear();
    snapshot.prepared.clear();
    snapshot.holders.clear();
    snapshot.standbys.clear();
    snapshot.databases.clear();
    snapshot.wal.clear();
    snapshot.rate_history = Arc::default();
}
