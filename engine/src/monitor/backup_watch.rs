//! Keeping an eye on the backup destination: what it protects, looked at seldom and behind a
//! time limit, because a network file system may hang.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::api::{Error, ErrorCode, Protection, Result};
use crate::backup::protection::{self, PointsSeen};
use crate::sys::credentials::Credentials;
use crate::sys::deadline::Guard;
use crate::sys::disk::Disk;

/// While its pane is open.
const SHOWN_EVERY: Duration = Duration::from_secs(5);
/// For the messages alone.
const UNSEEN_EVERY: Duration = Duration::from_secs(60);
/// A destination that does not answer in this time hangs.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// State kept between looks.
#[derive(Debug, Default)]
pub struct BackupWatch {
    guard: Guard,
    looked_at: Option<Instant>,
    points: Arc<Mutex<PointsSeen>>,
}

impl BackupWatch {
    /// The next look is due.
    pub fn look_again(&mut self) {
        self.looked_at = None;
    }

    /// Looks, when it is time to. Without a destination there is nothing to protect with.
    pub async fn look(
        &mut self,
        destination: Option<&Path>,
        owner: &Credentials,
        is_shown: bool,
    ) -> Option<Result<Protection>> {
        let every = if is_shown { SHOWN_EVERY } else { UNSEEN_EVERY };
        if self.looked_at.is_some_and(|at| at.elapsed() < every) {
            return None;
        }
        self.looked_at = Some(Instant::now());
        let Some(destination) = destination else { return Some(Ok(Protection::default())) };
        let (path, owner, points) =
            (destination.to_path_buf(), owner.clone(), Arc::clone(&self.points));
        let work = move || {
            let look = || {
                let mut points = points.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                protection::look(&Disk::real(), &path, &mut points)
            };
            owner.run(look).unwrap_or_else(|error| {
                Err(Error::new(ErrorCode::RepositoryUnreadable, "cannot act as its owner")
                    .detail(error.to_string()))
            })
        };
        Some(self.guard.run(LOOK_LIMIT, work).await.unwrap_or_else(|_| {
            let fact = format!("\"{}\" does not answer", destination.display());
            Err(Error::new(ErrorCode::RepositoryUnreadable, fact)
                .detail("reading it takes longer than 10 s")
                .hint("Check the disk or network file system it is on."))
        }))
    }
}
