//! Messages: which conditions of a snapshot want attention, and the Solution of each. Pure.
//!
//! Every condition is a function from the snapshot to messages; this file lists them. The
//! texts say what is, the details what was seen, the solutions what to do and with which key.

mod backup;
mod instance;
mod recovery;
mod server;
mod storage;

use crate::api::{Limits, Message, MessageCode, Remedy, Severity, Snapshot};

/// What a condition may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instance.
    pub snapshot: &'a Snapshot,
    /// Thresholds.
    pub limits: &'a Limits,
    /// What the log said since the last look.
    pub log_errors: LogErrors,
    /// Why history cannot be kept.
    pub journal_error: Option<&'a crate::api::Error>,
    /// Jobs whose process was killed: kind and time, as text.
    pub interrupted_jobs: &'a [String],
    /// Whether a job works on a recovery now.
    pub recovery_job: RecoveryJob,
}

/// Whether a job recovers the data directory, takes a recovery further or undoes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoveryJob {
    /// None does.
    #[default]
    None,
    /// One does.
    AtWork,
}

/// Entries of the log within the last ten minutes that are not known to be harmless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogErrors {
    /// `ERROR`s.
    pub errors: u32,
    /// `FATAL`s.
    pub fatals: u32,
    /// `PANIC`s.
    pub panics: u32,
}

/// All messages of an instance, worst first, then in the order of the conditions.
#[must_use]
pub fn of(context: &Context<'_>) -> Vec<Message> {
    let mut messages = Vec::new();
    instance::state(context, &mut messages);
    instance::problems(context, &mut messages);
    instance::journal(context, &mut messages);
    if context.snapshot.status.state == crate::api::InstanceState::Started {
        server::slots(context, &mut messages);
        server::sessions(context, &mut messages);
        server::lock_waits(context, &mut messages);
        server::prepared(context, &mut messages);
        server::archiver(context, &mut messages);
        backup::waiting(context, &mut messages);
        server::transaction_ids(context, &mut messages);
        server::slots_holding_wal(context, &mut messages);
        server::settings(context, &mut messages);
    }
    storage::destinations(context, &mut messages);
    backup::unreadable(context, &mut messages);
    backup::backups(context, &mut messages);
    backup::gaps(context, &mut messages);
    recovery::state(context, &mut messages);
    recovery::unreadable(context, &mut messages);
    recovery::proof(context, &mut messages);
    server::log(context, &mut messages);
    messages.sort_by_key(|message| std::cmp::Reverse(message.severity));
    messages
}

/// A message under construction: the parts every condition gives.
struct Draft {
    code: MessageCode,
    severity: Severity,
    subject: String,
    text: String,
}

impl Draft {
    fn new(code: MessageCode, severity: Severity, text: impl Into<String>) -> Self {
        Self { code, severity, subject: String::new(), text: text.into() }
    }

    fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    fn solved_by(
        self,
        detail: impl Into<String>,
        solution: impl Into<String>,
        remedy: Remedy,
    ) -> Message {
        Message {
            code: self.code,
            subject: self.subject,
            severity: self.severity,
            text: self.text,
            detail: detail.into(),
            solution: solution.into(),
            remedy,
            since: None,
        }
    }
}

/// A duration in the two largest units, for sentences.
fn span(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates; negative ages are clock noise"
    )]
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        6_000..=172_799 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A count with its noun.
fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
