//! A time limit for calls that a broken disk can hold for ever.
//!
//! A thread stuck in the kernel cannot be ended, only left alone: so at most one stands per
//! guard, and while it is stuck every new call is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Why a guarded call gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// It did not come back in time. It may still.
    TimedOut,
    /// An earlier call has not come back yet.
    StillWaiting,
}

/// Guards one thing that may hang, such as one mount point.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    busy: Arc<AtomicBool>,
}

impl Guard {
    /// Runs `work` on a thread and waits at most `limit` for it.
    ///
    /// # Errors
    /// [`Stuck`] when there is no answer.
    pub async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(Stuck::StillWaiting);
        }
        let busy = Arc::clone(&self.busy);
        let task = tokio::task::spawn_blocking(move || {
            let value = work();
            busy.store(false, Ordering::Release);
            value
        });
        match tokio::time::timeout(limit, task).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => {
                self.busy.store(false, Ordering::Release);
                Err(Stuck::TimedOut)
            }
            Err(_) => Err(Stuck::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_stuck_call_does_not_become_two() {
        let guard = Guard::default();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = guard.run(Duration::from_millis(20), move || {
            let _ = held.recv();
        });
        assert_eq!(first.await, Err(Stuck::TimedOut));
        assert_eq!(guard.run(Duration::from_secs(5), || 1).await, Err(Stuck::StillWaiting));
        release.send(()).unwrap();
        let answered = async {
            loop {
                match guard.run(Duration::from_secs(5), || 2).await {
                    Ok(value) => return value,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(5), answered).await, Ok(2));
    }
}
