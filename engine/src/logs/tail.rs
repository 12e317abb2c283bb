//! The newest entries of a log, in bounded memory.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::triage;
use crate::api::{LOG_ENTRIES_MAX, LogEntry};

/// Bytes of text the kept entries have at most.
pub const TAIL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The kept entries.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Oldest first.
    pub(super) entries: VecDeque<Arc<LogEntry>>,
    bytes: usize,
    /// The number of the newest; zero before the first. It never falls.
    pub(super) sequence: u64,
    /// The latest time of an entry.
    pub(super) newest_at: Option<DateTime<Utc>>,
}

impl Tail {
    /// Numbers an entry and keeps it; the oldest go where there are too many.
    pub(super) fn push(&mut self, mut entry: LogEntry) {
        self.sequence += 1;
        entry.sequence = self.sequence;
        entry.benign = triage::benign(&entry);
        self.newest_at = self.newest_at.max(entry.at);
        self.bytes += text_bytes(&entry);
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > LOG_ENTRIES_MAX
            || (self.bytes > TAIL_BYTES_MAX && self.entries.len() > 1)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= text_bytes(&oldest);
            }
        }
    }
}

fn text_bytes(entry: &LogEntry) -> usize {
    let texts = [
        &entry.detail,
        &entry.hint,
        &entry.query,
        &entry.context,
        &entry.location,
        &entry.backtrace,
        &entry.statement,
    ];
    entry.message.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}
