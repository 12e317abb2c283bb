//! Keeping an eye on a recovery of the data directory: how far it is, what of the old data is
//! kept. Looked at seldom and behind a time limit, because a disk may hang.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::api::{Error, ErrorCode, RecoveryState, Result};
use crate::recovery::state;
use crate::sys::credentials::Credentials;
use crate::sys::deadline::Guard;
use crate::sys::disk::Disk;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A data directory that does not answer in this time hangs.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// When it was looked at.
#[derive(Debug, Default)]
pub struct RecoveryWatch {
    guard: Guard,
    looked_at: Option<Instant>,
}

impl RecoveryWatch {
    /// The next look is due.
    pub fn look_again(&mut self) {
        self.looked_at = None;
    }

    /// Looks, when it is time to; `Some(Ok(None))` when there is no recovery.
    pub async fn look(
        &mut self,
        data_directory: &Path,
        owner: &Credentials,
    ) -> Option<Result<Option<RecoveryState>>> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return None;
        }
        self.looked_at = Some(Instant::now());
        let (path, owner) = (data_directory.to_path_buf(), owner.clone());
        let work = move || {
            let look = || {
                let known = state::load(&Disk::real(), &path)?;
                Ok(known.map(|document| document.state))
            };
            owner.run(look).unwrap_or_else(|error| {
                let fact = "the state of a recovery cannot be read";
                Err(Error::new(ErrorCode::FileAccess, fact).detail(error.to_string()))
            })
        };
        Some(self.guard.run(LOOK_LIMIT, work).await.unwrap_or_else(|_| {
            let fact = format!("\"{}\" does not answer", data_directory.display());
            Err(Error::new(ErrorCode::FileAccess, fact)
                .detail("reading the state of a recovery takes longer than 3 s")
                .hint("Check the disk or network file system it is on."))
        }))
    }
}
