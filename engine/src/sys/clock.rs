//! The clock.

pub use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The time now, by the machine's clock.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The same as seconds since 1970, never negative.
#[must_use]
pub fn epoch_seconds() -> u64 {
    u64::try_from(now().timestamp()).unwrap_or(0)
}
