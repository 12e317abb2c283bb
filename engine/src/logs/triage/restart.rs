//! What the log says of the server's last start: whether it followed a crash, and which
//! prepared transactions it found.
//!
//! On 13 to 18 alike the startup process writes one line for every prepared transaction it
//! takes over, after a crash and after a clean stop, however the transaction was stored (also
//! "from shared memory" for one that a checkpoint had put on disk):
//!
//! ```text
//! LOG:  recovering prepared transaction 733 from shared memory
//! ```
//!
//! Measured on real servers of all six majors; `RecoverPreparedTransactions` in `twophase.c`.
//! The last start is also the one the server makes by itself after one of its processes crashed.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::api::{LogEntry, TransactionId};
use crate::logs::wild;

use super::plain;

/// A prepared transaction the last start took over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredTransaction {
    /// Its transaction id, as in `pg_prepared_xacts.transaction`.
    pub transaction: TransactionId,
    /// The line.
    pub entry: Arc<LogEntry>,
}

/// The last start of the server that the entries tell of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastStart {
    /// The server had not been stopped cleanly. `None` when the entries do not tell.
    pub after_crash: Option<bool>,
    /// When it began.
    pub at: Option<DateTime<Utc>>,
    /// The prepared transactions it took over, in the order of the log.
    pub recovered: Vec<RecoveredTransaction>,
}

impl LastStart {
    /// The line of the log about a prepared transaction.
    #[must_use]
    pub fn line(&self, transaction: TransactionId) -> Option<&Arc<LogEntry>> {
        self.recovered
            .iter()
            .find(|recovered| recovered.transaction == transaction)
            .map(|recovered| &recovered.entry)
    }
}

const RECOVERING: &str = "recovering prepared transaction ";

/// What the first lines of a startup process say of the stop before.
const AFTER_CRASH: [&str; 3] = [
    "database system was interrupted*",
    "database system was not properly shut down; automatic recovery in progress",
    "database system shutdown was interrupted*",
];

const AFTER_STOP: [&str; 2] =
    ["database system was shut down at *", "database system was shut down in recovery at *"];

/// What the entries, oldest first, tell of the last start. Empty when they reach not that far.
#[must_use]
pub fn last_start<'e, I>(entries: I) -> LastStart
where
    I: IntoIterator<Item = &'e Arc<LogEntry>>,
    I::IntoIter: DoubleEndedIterator,
{
    let mut start = LastStart::default();
    for entry in entries.into_iter().rev() {
        let message = plain(entry);
        if let Some(rest) = message.strip_prefix(RECOVERING) {
            let digits = rest.split(|char: char| !char.is_ascii_digit()).next().unwrap_or_default();
            if let Ok(number) = digits.parse() {
                let transaction = TransactionId::from_u32(number);
                start
                    .recovered
                    .push(RecoveredTransaction { transaction, entry: Arc::clone(entry) });
            }
            continue;
        }
        let is =
            |patterns: &[&str]| patterns.iter().any(|pattern| wild::matches(pattern, &message));
        if is(&AFTER_CRASH) {
            start.after_crash = Some(true);
            start.at = entry.at;
        } else if start.after_crash.is_none() && is(&AFTER_STOP) {
            start.after_crash = Some(false);
            start.at = entry.at;
        } else if start.after_crash.is_some() {
            // Before the first line of that startup process.
            break;
        }
    }
    start.recovered.reverse();
    start
}
