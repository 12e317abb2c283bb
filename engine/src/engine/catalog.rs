//! The instances the engine knows, each with its monitor.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api::{Error, ErrorCode, InstanceId, InstanceIdentity, Interest, Limits, Result};
use crate::instance::access::Access;
use crate::instance::target::{LocalTarget, Target};
use crate::jobs::board::JobBoard;
use crate::monitor::local::LocalWatch;
use crate::monitor::memory::Memory;
use crate::monitor::publisher::Publisher;
use crate::monitor::task::{Monitor, MonitorSetup, Order};

/// Orders a monitor may have waiting.
const ORDERS_MAX: usize = 16;

/// How long monitors have to end, together.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// And their connections, after that.
const GOODBYE_LIMIT: Duration = Duration::from_millis(100);
const GOODBYE_LOOK: Duration = Duration::from_millis(1);

/// One known instance.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) identity: InstanceIdentity,
    pub(super) access: Access,
    local: Option<LocalTarget>,
    pub(super) orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

/// What monitors are made with.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) publisher: Publisher,
    pub(super) board: JobBoard,
    pub(super) limits: Rc<Limits>,
    pub(super) bin_directory: Option<PathBuf>,
    pub(super) run_as: Option<String>,
    pub(super) state_directory: Option<PathBuf>,
    pub(super) interest: Interest,
}

/// All known instances.
#[derive(Debug)]
pub(super) struct Catalog {
    shared: Shared,
    entries: HashMap<InstanceId, Entry>,
    interval: Duration,
}

impl Catalog {
    pub(super) fn new(shared: Shared, interval: Duration) -> Self {
        Self { shared, entries: HashMap::new(), interval }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn get(&self, id: &InstanceId) -> Result<&Entry> {
        self.entries.get(id).ok_or_else(|| {
            Error::new(ErrorCode::InstanceNotFound, format!("there is no instance {id}"))
                .detail("it is not among those that were found")
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
        for entry in self.entries.values() {
            let _ = entry.orders.try_send(Order::Interval(interval));
        }
    }

    /// Begins to watch an instance that is not watched yet.
    pub(super) async fn add(&mut self, target: Target, host: &str) {
        let (target, access, subject, host) = self.prepare(target, host).await;
        let identity = target.identity(&host);
        if self.entries.contains_key(&identity.id) {
            return;
        }
        let (orders, orders_receiver) = mpsc::channel(ORDERS_MAX);
        let local = match target {
            Target::Local(local) => Some(local),
            Target::Remote(_) => None,
        };
        let shared = &self.shared;
        let monitor = Monitor::new(MonitorSetup {
            identity: identity.clone(),
            access: access.clone(),
            local: local.clone().map(|target| {
                LocalWatch::new(target, shared.bin_directory.clone(), shared.run_as.clone())
            }),
            memory: Memory::new(shared.state_directory.clone(), subject),
            publisher: shared.publisher.clone(),
            board: shared.board.clone(),
            limits: Rc::clone(&shared.limits),
            interval: self.interval,
            interest: Interest { is_shown: true, ..shared.interest },
            orders: orders_receiver,
        });
        let task = tokio::task::spawn_local(monitor.run());
        let entry = Entry { identity, access, local, orders, task };
        self.entries.insert(entry.identity.id.clone(), entry);
    }

    /// Lets every monitor finish what it asks and say goodbye to its server. A connection that is
    /// cut in the middle of a query leaves a `FATAL: connection to client lost` in the log.
    pub(super) async fn close(&mut self) {
        let tasks = self.entries.drain().map(|(_, mut entry)| {
            // Without anybody to give it orders a monitor ends.
            entry.orders = mpsc::channel(1).0;
            let ended = std::mem::replace(&mut entry.task, tokio::task::spawn_local(async {}));
            tokio::time::timeout(CLOSE_LIMIT, ended)
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            let _ = task.await;
        }
        // The goodbye itself is sent by the tasks of the connections, the only ones that are the
        // runtime's own and not those of the set that ends now.
        let told = Instant::now();
        let runtime = tokio::runtime::Handle::current().metrics();
        while runtime.num_alive_tasks() > 0 && told.elapsed() < GOODBYE_LIMIT {
            tokio::time::sleep(GOODBYE_LOOK).await;
        }
    }

    async fn prepare(&self, target: Target, host: &str) -> (Target, Access, String, String) {
        match target {
            Target::Local(local) => {
                let access = Access::local(local.clone());
                let subject = local.data_directory.to_string_lossy().into_owned();
                (Target::Local(local), access, subject, host.to_owned())
            }
            Target::Remote(mut remote) => {
                let access = Access::remote(remote.clone());
                let params = access.params(None).await;
                let server = params
                    .as_ref()
                    .ok()
                    .and_then(|params| params.hosts.first().map(ToString::to_string))
                    .unwrap_or_else(|| "remote".to_owned());
                let user = params.map(|params| params.user).unwrap_or_default();
                if remote.name.is_empty() {
                    remote.name.clone_from(&server);
                }
                let subject = format!("remote/{server}/{user}");
                (Target::Remote(remote), access, subject, server)
            }
        }
    }
}

impl Entry {
    /// Where its files are, on this machine.
    ///
    /// # Errors
    /// `InstanceRemote`.
    pub(super) fn local_target(&self) -> Result<&LocalTarget> {
        self.local.as_ref().ok_or_else(|| {
            Error::new(
                ErrorCode::InstanceRemote,
                format!("\"{}\" is on another machine", self.identity.name),
            )
            .detail(format!("it is reached at {}", self.identity.host))
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
