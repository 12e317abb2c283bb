//! From two samples of counters to rates. Pure.

use crate::api::{Lsn, Rates};

/// Counters of a group of databases (`pg_stat_database`, summed).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Sessions connected.
    pub backends: i64,
    /// Committed transactions.
    pub commits: i64,
    /// Rolled back transactions.
    pub rollbacks: i64,
    /// Blocks read from the operating system.
    pub blocks_read: i64,
    /// Blocks found in shared buffers.
    pub blocks_hit: i64,
    /// Rows returned.
    pub tuples_returned: i64,
    /// Rows inserted, updated, deleted.
    pub tuples_written: i64,
    /// Bytes of temporary files.
    pub temp_bytes: i64,
    /// Deadlocks.
    pub deadlocks: i64,
}

impl Counters {
    fn minus(&self, earlier: &Self) -> Option<Self> {
        let rise = |now: i64, then: i64| now.checked_sub(then).filter(|rise| *rise >= 0);
        Some(Self {
            backends: self.backends,
            commits: rise(self.commits, earlier.commits)?,
            rollbacks: rise(self.rollbacks, earlier.rollbacks)?,
            blocks_read: rise(self.blocks_read, earlier.blocks_read)?,
            blocks_hit: rise(self.blocks_hit, earlier.blocks_hit)?,
            tuples_returned: rise(self.tuples_returned, earlier.tuples_returned)?,
            tuples_written: rise(self.tuples_written, earlier.tuples_written)?,
            temp_bytes: rise(self.temp_bytes, earlier.temp_bytes)?,
            deadlocks: rise(self.deadlocks, earlier.deadlocks)?,
        })
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            backends: self.backends + other.backends,
            commits: self.commits + other.commits,
            rollbacks: self.rollbacks + other.rollbacks,
            blocks_read: self.blocks_read + other.blocks_read,
            blocks_hit: self.blocks_hit + other.blocks_hit,
            tuples_returned: self.tuples_returned + other.tuples_returned,
            tuples_written: self.tuples_written + other.tuples_written,
            temp_bytes: self.temp_bytes + other.temp_bytes,
            deadlocks: self.deadlocks + other.deadlocks,
        }
    }
}

/// One look at the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The server's clock, seconds.
    pub at_seconds: f64,
    /// WAL position.
    pub position: Option<Lsn>,
    /// The database the monitor is connected to.
    pub own: Counters,
    /// All others.
    pub others: Counters,
    /// Transactions the monitor itself has run since it connected.
    pub probes: i64,
}

/// Rates between two samples.
///
/// The monitor's own transactions are not counted. Statistics reach the views up to a second
/// late, so they cannot be subtracted exactly: while the monitor is alone in its database and
/// the rise there is no more than its probes explain, that database counts as quiet.
///
/// `None` when no time has passed or a counter fell (statistics reset, crash).
#[must_use]
pub fn between(earlier: &Sample, later: &Sample) -> Option<Rates> {
    let seconds = later.at_seconds - earlier.at_seconds;
    if seconds <= 0.0 {
        return None;
    }
    let own = later.own.minus(&earlier.own)?;
    let others = later.others.minus(&earlier.others)?;
    let probes = (later.probes - earlier.probes).max(0);
    let rise = if is_quiet(&own, probes) {
        others
    } else {
        let commits = (own.commits - probes).max(0);
        others.plus(&Counters { commits, ..own })
    };
    let per_second = |count: i64| to_f64(count) / seconds;
    let asked = rise.blocks_hit + rise.blocks_read;
    let wal = match (earlier.position, later.position) {
        (Some(from), Some(to)) => i64::try_from(to.bytes_since(from)).unwrap_or(i64::MAX),
        _ => 0,
    };
    Some(Rates {
        window_seconds: seconds,
        transactions: per_second(rise.commits + rise.rollbacks),
        rollbacks: per_second(rise.rollbacks),
        tuples_returned: per_second(rise.tuples_returned),
        tuples_written: per_second(rise.tuples_written),
        cache_hit: (asked > 0).then(|| to_f64(rise.blocks_hit) / to_f64(asked)),
        temp_bytes: per_second(rise.temp_bytes),
        deadlocks: per_second(rise.deadlocks),
        wal_bytes: per_second(wal),
    })
}

fn is_quiet(own: &Counters, probes: i64) -> bool {
    // Twice: what an earlier window's probes left unreported arrives in this one.
    own.backends <= 1 && own.commits <= probes.saturating_mul(2) + 4 && own.tuples_written == 0
}

/// Counters stay far below 2^53 for centuries of work; above it the lowest bits are lost.
#[expect(clippy::cast_precision_loss, reason = "a rate needs three digits")]
fn to_f64(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_seconds: f64, own: i64, others: i64, probes: i64) -> Sample {
        let counters = |commits| Counters { commits, backends: 1, ..Counters::default() };
        Sample {
            at_seconds,
            position: Lsn::from_u64(1_000 + u64::try_from(others).unwrap_or(0)),
            own: counters(own),
            others: counters(others),
            probes,
        }
    }

    #[test]
    fn counts_what_others_do() {
        let rates = between(&sample(10.0, 0, 100, 0), &sample(12.0, 0, 300, 0)).unwrap();
        assert!((rates.transactions - 100.0).abs() < 1e-9);
        assert!((rates.wal_bytes - 100.0).abs() < 1e-9);
        assert_eq!(rates.cache_hit, None);
    }

    #[test]
    fn own_probes_are_silence() {
        let rates = between(&sample(10.0, 50, 7, 50), &sample(11.0, 58, 7, 55)).unwrap();
        assert!(rates.transactions.abs() < 1e-9);
    }

    #[test]
    fn work_in_the_monitors_own_database_counts() {
        let mut later = sample(11.0, 1_050, 0, 55);
        later.own.backends = 4;
        let rates = between(&sample(10.0, 50, 0, 50), &later).unwrap();
        assert!((rates.transactions - 995.0).abs() < 1e-9);
    }

    #[test]
    fn a_reset_or_a_still_clock_gives_nothing() {
        assert_eq!(between(&sample(10.0, 0, 100, 0), &sample(11.0, 0, 5, 0)), None);
        assert_eq!(between(&sample(10.0, 0, 100, 0), &sample(10.0, 0, 200, 0)), None);
    }

    #[test]
    fn cache_hit_is_a_share() {
        let mut later = sample(11.0, 0, 0, 0);
        later.others.blocks_hit = 99;
        later.others.blocks_read = 1;
        let rates = between(&sample(10.0, 0, 0, 0), &later).unwrap();
        assert!((rates.cache_hit.unwrap() - 0.99).abs() < 1e-9);
    }
}
