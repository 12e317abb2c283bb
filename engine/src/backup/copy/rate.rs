//! A limit of bytes per second that threads share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much may be taken at once after a pause.
const BURST: Duration = Duration::from_millis(200);

/// The limit.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// When what was taken so far is paid for.
    paid_until: Mutex<Instant>,
}

impl RateLimit {
    /// A limit, beginning now.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_until: Mutex::new(Instant::now()) }
    }

    /// Takes some bytes; how long to wait before going on.
    #[must_use]
    pub fn take(&self, bytes: u64, now: Instant) -> Duration {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut paid = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        *paid = (*paid).max(earliest) + cost;
        paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_waited_for() {
        let limit = RateLimit::new(1_000_000);
        let start = *limit.paid_until.lock().unwrap();
        assert_eq!(limit.take(500_000, start), Duration::from_millis(500));
        assert_eq!(limit.take(500_000, start), Duration::from_secs(1));
        // After a long pause no more than a burst is free.
        let later = start + Duration::from_secs(100);
        assert_eq!(limit.take(1_000_000, later), Duration::from_millis(800));
    }
}
