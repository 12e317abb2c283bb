//! The board: jobs of this process and, from the journals, of other processes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::runner::JobControl;
use crate::api::{Error, ErrorCode, InstanceId, JobId, JobKind, JobState, JobStatus, Result};

/// Jobs shown for one instance.
const SHOWN_PER_INSTANCE_MAX: usize = 20;

/// Shared by the engine's tasks, which all run on one thread.
#[derive(Clone, Debug)]
pub struct JobBoard {
    inner: Rc<RefCell<Inner>>,
    published: Rc<watch::Sender<Arc<Vec<JobStatus>>>>,
}

#[derive(Debug, Default)]
struct Inner {
    own: BTreeMap<JobId, JobStatus>,
    others: BTreeMap<InstanceId, Vec<JobStatus>>,
    controls: BTreeMap<JobId, mpsc::Sender<JobControl>>,
    next_unlogged: i64,
}

impl Default for JobBoard {
    fn default() -> Self {
        let (published, _) = watch::channel(Arc::default());
        Self { inner: Rc::default(), published: Rc::new(published) }
    }
}

impl JobBoard {
    /// The list as it changes: running ones first, then newest first.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<JobStatus>>> {
        self.published.subscribe()
    }

    /// A number for a job that no journal could number; negative, so that it meets none.
    #[must_use]
    pub fn unlogged_number(&self) -> i64 {
        let mut inner = self.inner.borrow_mut();
        inner.next_unlogged -= 1;
        inner.next_unlogged
    }

    /// Adds a job of this process, with the way to control it.
    pub fn add(&self, status: JobStatus, controls: mpsc::Sender<JobControl>) {
        let mut inner = self.inner.borrow_mut();
        inner.controls.insert(status.id.clone(), controls);
        inner.own.insert(status.id.clone(), status);
        drop(inner);
        self.publish();
    }

    /// Takes new progress or the end of a job of this process.
    pub fn update(&self, status: JobStatus) {
        let mut inner = self.inner.borrow_mut();
        if status.state != JobState::Running {
            inner.controls.remove(&status.id);
        }
        inner.own.insert(status.id.clone(), status);
        drop(inner);
        self.publish();
    }

    /// Takes what an instance's journal holds; jobs of this process are known better here.
    pub fn set_journalled(&self, instance: &InstanceId, jobs: Vec<JobStatus>) {
        let mut inner = self.inner.borrow_mut();
        let others = jobs.into_iter().filter(|job| !inner.own.contains_key(&job.id)).collect();
        if inner.others.get(instance) == Some(&others) {
            return;
        }
        inner.others.insert(instance.clone(), others);
        drop(inner);
        self.publish();
    }

    /// Whether a job of this process starts or stops the instance now.
    #[must_use]
    pub fn is_operated(&self, instance: &InstanceId) -> bool {
        self.inner.borrow().own.values().any(|job| {
            let is_running = job.state == JobState::Running && job.kind.is_exclusive();
            is_running && *instance == job.id.instance
        })
    }

    /// Whether a job, of this process or another, works on a recovery of the instance now.
    #[must_use]
    pub fn is_recovered(&self, instance: &InstanceId) -> bool {
        let inner = self.inner.borrow();
        let others = inner.others.get(instance).into_iter().flatten();
        inner.own.values().chain(others).any(|job| {
            let is_one = matches!(job.kind, JobKind::Recover | JobKind::Undo);
            is_one && job.state == JobState::Running && job.id.instance == *instance
        })
    }

    /// Jobs of an instance that were interrupted and not yet followed by another job.
    #[must_use]
    pub fn interrupted(&self, instance: &InstanceId) -> Vec<JobStatus> {
        let inner = self.inner.borrow();
        let own_newer = inner.own.keys().any(|id| id.instance == *instance);
        let newest = inner.others.get(instance).and_then(|jobs| jobs.first());
        newest
            .filter(|job| job.state == JobState::Interrupted && !own_newer)
            .cloned()
            .into_iter()
            .collect()
    }

    /// Gives a running job of this process an order.
    ///
    /// # Errors
    /// `JobNotFound` when it is not one, `EngineBusy` when it takes no orders now.
    pub fn control(&self, id: &JobId, order: JobControl) -> Result<()> {
        let inner = self.inner.borrow();
        let Some(sender) = inner.controls.get(id) else {
            return Err(Error::new(ErrorCode::JobNotFound, "the job does not run any more"));
        };
        sender
            .try_send(order)
            .map_err(|_| Error::new(ErrorCode::EngineBusy, "the job takes no orders now"))
    }

    /// Whether this process runs the job.
    #[must_use]
    pub fn is_own(&self, id: &JobId) -> bool {
        self.inner.borrow().own.contains_key(id)
    }

    fn publish(&self) {
        let inner = self.inner.borrow();
        let mut all: Vec<JobStatus> = inner.own.values().cloned().collect();
        for jobs in inner.others.values() {
            all.extend(jobs.iter().take(SHOWN_PER_INSTANCE_MAX).cloned());
        }
        all.sort_by_key(|job| (job.state != JobState::Running, std::cmp::Reverse(job.started_at)));
        self.published.send_replace(Arc::new(all));
    }
}
