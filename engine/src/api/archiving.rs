//! Setting up the WAL archive, and proving that it works.

use std::path::PathBuf;

use serde::Serialize;

use super::Severity;

/// What a set-up is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// The backup data storage destination, absolute.
    pub destination: PathBuf,
    /// Whether it may be made when it does not exist.
    pub create: CreateDestination,
    /// `--compress` for the archive command, such as `lz4`; its own default without.
    pub compression: Option<String>,
    /// `archive_timeout`: a segment is archived at least this often while there are changes;
    /// left alone without.
    pub archive_timeout_seconds: Option<u32>,
    /// What is kept of the backups; the settings are left alone without.
    pub retention: Option<Retention>,
    /// The program the archive command names.
    pub program: PathBuf,
}

/// How much is kept of the backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// So many complete full backups, with what is based on them
    /// (`pgx.backup_keep_generations`).
    Generations(u32),
    /// What is needed to recover to any moment of so many days (`pgx.backup_keep_days`).
    Days(u32),
}

/// The text does not say how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of generations such as 2, or of days such as 14d, from 1 to 9999")]
pub struct ParseRetentionError;

impl std::str::FromStr for Retention {
    type Err = ParseRetentionError;

    /// `2` is generations, `14d` is days.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, make): (_, fn(u32) -> Self) = match text.strip_suffix('d') {
            Some(digits) => (digits, Self::Days),
            None => (text, Self::Generations),
        };
        match digits.trim_end().parse() {
            Ok(count @ 1..=9999) => Ok(make(count)),
            _ => Err(ParseRetentionError),
        }
    }
}

/// Whether a destination that does not exist is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateDestination {
    /// Refuse: the disk may only be not mounted.
    Refuse,
    /// Make it, with mode 0700, for the owner of the data directory.
    Make,
}

/// What a changed setting takes to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TakesEffect {
    /// Loading the configuration again.
    Reload,
    /// A restart.
    Restart,
}

/// One setting and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// The setting.
    pub name: String,
    /// The value in the files now; `None` when none names it.
    pub old: Option<String>,
    /// The value it gets.
    pub new: String,
    /// The file that changes.
    pub file: String,
    /// What it takes to be in force.
    pub takes_effect: TakesEffect,
}

/// What has to happen after the files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupThen {
    /// Nothing: all is in force.
    Nothing,
    /// Load the configuration; the set-up does it itself.
    Reload,
    /// Restart the instance; the set-up leaves that to the operator.
    Restart,
    /// Nothing now: the instance is down and reads the files when it starts.
    Start,
}

/// What a set-up will do: the plan that is shown is the plan that is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupPlan {
    /// The destination, canonical when it exists.
    pub destination: PathBuf,
    /// Whether the destination is made.
    pub creates_destination: bool,
    /// Settings that change; none when everything is right already.
    pub changes: Vec<SettingChange>,
    /// The files' difference as `diff -u` shows it.
    pub diff: String,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
    /// What has to happen afterwards.
    pub then: SetupThen,
    /// Names the content of plan and files: a plan is carried out only while it is still this.
    pub fingerprint: u32,
}

/// One thing a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `Info` for what is right.
    pub severity: Severity,
    /// One line.
    pub text: String,
    /// What to do about it; empty for what is right.
    pub hint: String,
}

/// What a check of the archive found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArchiveReport {
    /// Setting by setting, worst last.
    pub findings: Vec<Finding>,
    /// The segment that was sent through, when one was.
    pub segment: Option<String>,
    /// Seconds from switching to the segment's arrival.
    pub seconds: Option<f64>,
}

impl ArchiveReport {
    /// The worst of what was found.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Info)
    }
}
