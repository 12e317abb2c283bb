//! What the engine knows, at one moment: plain data behind `Arc`s.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    DatabaseStatus, Destination, Error, Holder, InstanceIdentity, InstanceState, InstanceStatus,
    JobStatus, LockForest, LogTail, MachineLoad, Message, PreparedTransaction, Protection, Rates,
    RecoveryState, ServerStatus, Session, Severity, StandbyStatus, WalStatus,
};

/// One probe's value with its age and, when the newest probe failed, the reason.
///
/// A failed probe keeps the last value: stale data stays on the screen and looks stale.
#[derive(Clone, Debug)]
pub struct Panel<T> {
    /// The last good value.
    pub value: Option<Arc<T>>,
    /// When it was taken.
    pub taken_at: Option<DateTime<Utc>>,
    /// Why there is no newer one.
    pub error: Option<Arc<Error>>,
}

impl<T> Default for Panel<T> {
    fn default() -> Self {
        Self { value: None, taken_at: None, error: None }
    }
}

impl<T> Panel<T> {
    /// The value, fresh or stale.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.as_deref()
    }

    /// Whether the newest probe failed while an older value stands.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.value.is_some() && self.error.is_some()
    }

    /// Takes a new value.
    pub fn set(&mut self, value: T, now: DateTime<Utc>) {
        self.value = Some(Arc::new(value));
        self.taken_at = Some(now);
        self.error = None;
    }

    /// Marks the value as stale.
    pub fn fail(&mut self, error: Error) {
        self.error = Some(Arc::new(error));
    }

    /// Takes the outcome of a probe.
    pub fn update(&mut self, outcome: Result<T, Error>, now: DateTime<Utc>) {
        match outcome {
            Ok(value) => self.set(value, now),
            Err(error) => self.fail(error),
        }
    }

    /// Forgets the value and the error, as when the instance is known to be down.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Everything about one instance.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Who.
    pub identity: Arc<InstanceIdentity>,
    /// State, from files and processes or from the connection.
    pub status: Arc<InstanceStatus>,
    /// When the state was looked at.
    pub checked_at: DateTime<Utc>,
    /// Whether pgdeck holds a connection.
    pub connected: bool,
    /// Whether the first look has ended, the first attempt to connect included.
    pub is_settled: bool,
    /// Server figures.
    pub server: Panel<ServerStatus>,
    /// Rates between the last two samples.
    pub rates: Panel<Rates>,
    /// Transactions per second of the last samples, oldest first, at most [`RATE_HISTORY_MAX`].
    pub rate_history: Arc<Vec<f64>>,
    /// Checkpoints, WAL and archiver.
    pub wal: Panel<WalStatus>,
    /// Databases.
    pub databases: Panel<Vec<DatabaseStatus>>,
    /// What holds back xmin and WAL, oldest first.
    pub holders: Panel<Vec<Holder>>,
    /// Standbys.
    pub standbys: Panel<Vec<StandbyStatus>>,
    /// Destinations.
    pub destinations: Panel<Vec<Destination>>,
    /// Backups, the archive and what can be recovered.
    pub protection: Panel<Protection>,
    /// A recovery of the data directory that is under way, or whose old data is still kept; no
    /// value when there is none.
    pub recovery: Panel<RecoveryState>,
    /// Backends, pgdeck's own monitor excluded.
    pub sessions: Panel<Vec<Arc<Session>>>,
    /// Lock tree.
    pub locks: Panel<LockForest>,
    /// Prepared transactions.
    pub prepared: Panel<Vec<PreparedTransaction>>,
    /// Log.
    pub log: Panel<LogTail>,
    /// Load of the machine of a local instance.
    pub machine: Panel<MachineLoad>,
    /// What wants attention, worst first.
    pub messages: Arc<Vec<Message>>,
}

/// Samples of the rate history.
pub const RATE_HISTORY_MAX: usize = 120;

impl Snapshot {
    /// A snapshot before the first look.
    #[must_use]
    pub fn new(identity: InstanceIdentity, now: DateTime<Utc>) -> Self {
        Self {
            identity: Arc::new(identity),
            status: Arc::new(InstanceStatus::bare(InstanceState::Unknown)),
            checked_at: now,
            connected: false,
            is_settled: false,
            server: Panel::default(),
            rates: Panel::default(),
            rate_history: Arc::default(),
            wal: Panel::default(),
            databases: Panel::default(),
            holders: Panel::default(),
            standbys: Panel::default(),
            destinations: Panel::default(),
            protection: Panel::default(),
            recovery: Panel::default(),
            sessions: Panel::default(),
            locks: Panel::default(),
            prepared: Panel::default(),
            log: Panel::default(),
            machine: Panel::default(),
            messages: Arc::default(),
        }
    }

    /// The worst severity among the messages.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.messages.iter().map(|message| message.severity).max()
    }
}

/// Every instance the engine knows, and the jobs of this machine.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Instances in the order of discovery: configured ones first, then by name.
    pub instances: Vec<Arc<Snapshot>>,
    /// Jobs, running ones first, newest first; of other pgdeck processes too.
    pub jobs: Arc<Vec<JobStatus>>,
    /// Whether the first discovery has ended.
    pub discovered: bool,
    /// What the discovery could not do, such as an unreadable `pgdeck.toml`.
    pub discovery_error: Option<Arc<Error>>,
}

impl Fleet {
    /// The snapshot of one instance.
    #[must_use]
    pub fn get(&self, id: &super::InstanceId) -> Option<&Arc<Snapshot>> {
        self.instances.iter().find(|snapshot| &snapshot.identity.id == id)
    }
}
