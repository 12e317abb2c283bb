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

use super::known::{Known, known};
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
        match known(&message) {
            Some((Known::Prepared, texts)) => {
                if let Some(number) = texts.first().and_then(|text| text.parse().ok()) {
                    start.recovered.push(RecoveredTransaction {
                        transaction: TransactionId::from_u32(number),
                        entry: Arc::clone(entry),
                    });
                }
            }
            Some((Known::AfterCrash, _)) => {
                start.after_crash = Some(true);
                start.at = entry.at;
            }
            Some((Known::AfterStop, _)) if start.after_crash.is_none() => {
                start.after_crash = Some(false);
                start.at = entry.at;
            }
            // Before the startup process of the last start.
            Some((Known::Starting | Known::Ready | Known::ShutDown | Known::AfterStop, _))
                if start.after_crash.is_some() =>
            {
                break;
            }
            _ => {}
        }
    }
    start.recovered.reverse();
    start
}
