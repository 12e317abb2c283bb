//! New errors of a log.

use std::sync::Arc;

use crate::api::{LogEntry, LogSeverity};

/// How many entries of each severity are new and not harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// `WARNING`.
    pub warnings: usize,
    /// `ERROR`.
    pub errors: usize,
    /// `FATAL`.
    pub fatals: usize,
    /// `PANIC`.
    pub panics: usize,
    /// The newest of the gravest ones from `ERROR` up.
    pub worst: Option<Arc<LogEntry>>,
}

impl LogCounts {
    /// From `ERROR` up.
    #[must_use]
    pub fn errors_and_worse(&self) -> usize {
        self.errors + self.fatals + self.panics
    }
}

/// Counts the entries after a sequence number, the harmless left out.
///
/// Entries that were already dropped from the tail are not counted, so a caller asks at least
/// once per tail. `entries` are in rising sequence, as a follower keeps them; the search starts
/// at the newest and costs only what is new.
#[must_use]
pub fn new_errors_since<'e, I>(entries: I, sequence: u64) -> LogCounts
where
    I: IntoIterator<Item = &'e Arc<LogEntry>>,
    I::IntoIter: DoubleEndedIterator,
{
    let mut counts = LogCounts::default();
    for entry in entries.into_iter().rev().take_while(|entry| entry.sequence > sequence) {
        if entry.benign.is_some() {
            continue;
        }
        match entry.severity {
            Some(LogSeverity::Warning) => counts.warnings += 1,
            Some(LogSeverity::Error) => counts.errors += 1,
            Some(LogSeverity::Fatal) => counts.fatals += 1,
            Some(LogSeverity::Panic) => counts.panics += 1,
            _ => continue,
        }
        let worst = counts.worst.as_ref().and_then(|worst| worst.severity);
        if entry.severity >= Some(LogSeverity::Error) && entry.severity > worst {
            counts.worst = Some(Arc::clone(entry));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_new_and_not_harmless() {
        let severities = [
            (LogSeverity::Panic, None),
            (LogSeverity::Error, None),
            (LogSeverity::Fatal, Some("reason")),
            (LogSeverity::Error, None),
            (LogSeverity::Warning, None),
            (LogSeverity::Log, None),
        ];
        let entries: Vec<_> = (1..)
            .zip(severities)
            .map(|(sequence, (severity, benign))| {
                Arc::new(LogEntry {
                    sequence,
                    severity: Some(severity),
                    benign,
                    ..LogEntry::default()
                })
            })
            .collect();
        let counts = new_errors_since(&entries, 1);
        assert_eq!((counts.warnings, counts.errors_and_worse()), (1, 2));
        assert_eq!(counts.worst.unwrap().sequence, 4);
        let all = new_errors_since(&entries, 0);
        assert_eq!((all.panics, all.worst.unwrap().sequence), (1, 1));
        assert_eq!(new_errors_since(&entries, 6), LogCounts::default());
    }
}
