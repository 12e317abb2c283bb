//! Where snapshots go: one `watch` channel with the whole fleet.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::{Error, Fleet, InstanceId, JobStatus, Snapshot};

/// Shared by the engine's tasks, which all run on one thread.
#[derive(Clone, Debug)]
pub struct Publisher {
    sender: Rc<watch::Sender<Arc<Fleet>>>,
}

impl Publisher {
    /// A publisher and its reader.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Arc<Fleet>>) {
        let (sender, receiver) = watch::channel(Arc::default());
        (Self { sender: Rc::new(sender) }, receiver)
    }

    /// Replaces the snapshot of its instance.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.change(|fleet| {
            let known =
                fleet.instances.iter_mut().find(|one| one.identity.id == snapshot.identity.id);
            match known {
                Some(place) => *place = snapshot,
                None => fleet.instances.push(snapshot),
            }
        });
    }

    /// Removes an instance.
    pub fn remove(&self, id: &InstanceId) {
        self.change(|fleet| fleet.instances.retain(|one| one.identity.id != *id));
    }

    /// Replaces the jobs.
    pub fn publish_jobs(&self, jobs: Arc<Vec<JobStatus>>) {
        self.change(|fleet| fleet.jobs = jobs);
    }

    /// Says that the discovery has ended, and how.
    pub fn discovered(&self, error: Option<Error>) {
        self.change(|fleet| {
            fleet.discovered = true;
            fleet.discovery_error = error.map(Arc::new);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fleet)) {
        self.sender.send_modify(|fleet| change(Arc::make_mut(fleet)));
    }
}
