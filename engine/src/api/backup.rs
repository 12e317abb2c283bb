//! Backups as a front end sees them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, ErrorCode};
use crate::pg::query::quote;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// Everything.
    Full,
    /// What has changed since its parent, by block.
    Incremental,
}

impl BackupKind {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// What to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupRequest {
    /// The destination; without it the setting `pgx.backup_destination`.
    pub destination: Option<PathBuf>,
    /// Full or incremental; without it incremental when a usable full one exists and the chain
    /// is short.
    pub kind: Option<BackupKind>,
    /// Threads; without it one for each processor, at most eight.
    pub jobs: Option<u32>,
    /// `zstd`, `zstd:1` to `zstd:19`, `lz4` or `none`; without it `zstd:1`.
    pub compression: Option<String>,
    /// Bytes read per second at most.
    pub rate_bytes: Option<u64>,
    /// Whether only to tell what would be done.
    pub dry_run: bool,
    /// Seconds to wait for WAL to arrive in the archive; without it 60.
    pub archive_timeout_s: Option<u64>,
}

/// How a directory of the destination stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BackupStatus {
    /// It can be used.
    Complete,
    /// It is being taken.
    Running,
    /// It was interrupted; the next backup uses what is there.
    Incomplete,
    /// Its label cannot be trusted, or what it is based on is missing.
    Damaged,
}

impl BackupStatus {
    /// The word of `pgx_rcvall -l`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Running => "RUNNING",
            Self::Incomplete => "INCOMPLETE",
            Self::Damaged => "DAMAGED",
        }
    }
}

/// What is known of the soundness of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyState {
    /// It was never verified.
    NotVerified,
    /// Nothing was wrong.
    Sound,
    /// Something was wrong.
    Damaged,
}

/// A backup of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupInfo {
    /// Its name, the moment it was begun in UTC.
    pub label: String,
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// Its directory.
    pub directory: PathBuf,
    /// How it stands.
    pub status: BackupStatus,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// Full or incremental.
    #[serde(rename = "type")]
    pub kind: Option<BackupKind>,
    /// What it is based on.
    pub parent: Option<String>,
    /// Bytes of the cluster.
    pub size_bytes: Option<u64>,
    /// Bytes in the destination.
    pub stored_bytes: Option<u64>,
    /// Where WAL replay begins.
    pub start_lsn: Option<String>,
    /// Where it must reach.
    pub stop_lsn: Option<String>,
    /// The timeline of both.
    pub timeline: Option<u32>,
    /// Seconds it took.
    pub duration_seconds: Option<f64>,
    /// Pages whose checksum did not fit.
    pub checksum_failures: Option<u64>,
    /// What the last verification said.
    pub verification: VerifyState,
    /// When that was.
    pub verified_at: Option<DateTime<Utc>>,
    /// The keystore that opens it.
    pub keystore_fingerprint: Option<String>,
}

/// A restore point of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestorePointInfo {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub lsn: String,
    /// On which timeline.
    pub timeline: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The SQL that makes a restore point, as it is shown.
///
/// # Errors
/// `UsageInvalid` for a name that cannot be written as a literal (it holds a NUL).
pub fn restore_point_sql(name: &str) -> Result<String, Error> {
    let literal = quote::literal(name).map_err(|error| {
        Error::new(ErrorCode::UsageInvalid, "the name cannot be written as a literal")
            .detail(error.to_string())
    })?;
    Ok(format!("SELECT pg_create_restore_point({literal})"))
}

/// How a verification judges a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Soundness {
    /// Nothing is wrong.
    Sound,
    /// Something should be looked at; what is complete can be restored.
    Warnings,
    /// Something stored is damaged or missing.
    Damaged,
}

/// How much a verification looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyDepth {
    /// Every stored byte.
    #[default]
    Full,
    /// That everything is there, and that WAL is continuous.
    Quick,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The destination.
    pub destination: PathBuf,
    /// How much was looked at.
    pub depth: VerifyDepth,
    /// The judgement.
    pub soundness: Soundness,
    /// What is damaged or missing.
    pub damages: Vec<String>,
    /// What should be looked at.
    pub warnings: Vec<String>,
    /// Backups looked at.
    pub backups: u64,
    /// Files of clusters looked at.
    pub files: u64,
    /// Bytes of the destination read.
    pub stored_bytes: u64,
    /// Bytes of content checked.
    pub content_bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}
