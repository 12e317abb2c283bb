//! The result of a backup, and how fast it goes, for people.

use std::time::Duration;

use super::document::BackupDocument;
use crate::api::{Error, bytes};

/// The result in one line.
pub(super) fn describe(document: &BackupDocument, removed: &str, warnings: &[String]) -> String {
    let sizes = &document.sizes;
    let took = (document.ended_at - document.started_at).num_milliseconds();
    let mut text = format!(
        "{} backup {} is complete: {} in {} files, {} stored, {}.{} s",
        document.kind.word(),
        document.label,
        bytes(sizes.cluster_bytes),
        sizes.files,
        bytes(sizes.stored_bytes),
        took / 1000,
        took % 1000 / 100
    );
    if sizes.adopted_files > 0 {
        text.push_str(&format!("; {} files taken over", sizes.adopted_files));
    }
    if !removed.is_empty() {
        text.push_str(&format!("; {removed}"));
    }
    if !warnings.is_empty() {
        text.push_str(&format!("; {} warnings", warnings.len()));
    }
    text
}

/// What should be looked at although the backup is complete.
pub(super) fn warnings(document: &BackupDocument, trouble: Option<&Error>) -> Vec<String> {
    let mut warnings = document.warnings.clone();
    if let Some(error) = trouble {
        warnings.push(format!("{}: {}", error.fact, error.detail));
    }
    for failure in &document.checksum_failures {
        let blocks: Vec<_> = failure.blocks.iter().map(ToString::to_string).collect();
        let count = failure.count;
        let what = format!("{count} pages of {} are damaged: blocks", failure.path);
        warnings.push(format!("{what} {}", blocks.join(", ")));
    }
    warnings
}

/// Bytes a second; exact enough below 2^53.
#[allow(clippy::cast_precision_loss)]
pub(super) fn rate(bytes: u64, took: Duration) -> Option<f64> {
    (took >= Duration::from_millis(200)).then(|| bytes as f64 / took.as_secs_f64())
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn seconds(bytes: u64, rate: f64) -> Option<u64> {
    (rate > 1.0).then(|| (bytes as f64 / rate).ceil() as u64)
}
