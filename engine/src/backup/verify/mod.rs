//! Verifying a destination: every stored byte, every file of every backup, and the WAL from
//! each backup to the newest.

mod contents;
mod wal;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::catalog::{self, CatalogEntry, EntryState};
use super::document::{self, BackupDocument, FORMAT, VerifyDocument};
use super::site::BackupSite;
use super::{layout, seal};
use crate::api::{
    BackupStatus, Error, ErrorCode, JobProgress, Result, Soundness, VerifyDepth, VerifyReport,
    bytes,
};
use crate::jobs::runner::{JobContext, JobControl};
use crate::sys::clock;
use crate::sys::disk::Disk;

const TELL_EVERY: Duration = Duration::from_millis(250);

/// What to verify.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// The destination.
    pub destination: PathBuf,
    /// How much to look at.
    pub depth: VerifyDepth,
    /// Threads; without it one for each processor.
    pub jobs: Option<u32>,
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct VerifyProgress {
    stored_bytes: AtomicU64,
    content_bytes: AtomicU64,
    files: AtomicU64,
    total_bytes: AtomicU64,
    stop: AtomicBool,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    damages: Vec<String>,
    warnings: Vec<String>,
}

/// Verifies a destination.
///
/// # Errors
/// `RepositoryUnreadable` when the destination cannot be looked at, `Cancelled`.
pub async fn run(
    site: &BackupSite,
    request: VerifyRequest,
    context: &mut JobContext,
) -> Result<VerifyReport> {
    let progress = Arc::new(VerifyProgress::default());
    let reporter = context.reporter();
    let (shared, began) = (Arc::clone(&progress), Instant::now());
    let mut work = std::pin::pin!(site.as_owner(move |site| verify(site, &request, &shared)));
    let mut tell = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            _ = tell.tick() => reporter.report(shown(&progress, began)),
            order = context.order() => if order == JobControl::Cancel {
                progress.stop.store(true, Ordering::Release);
            },
        }
    }
}

fn shown(progress: &VerifyProgress, began: Instant) -> JobProgress {
    let done = progress.stored_bytes.load(Ordering::Relaxed);
    let content = progress.content_bytes.load(Ordering::Relaxed);
    let per_second = super::outcome::rate(content, began.elapsed());
    let stored_rate = super::outcome::rate(done, began.elapsed());
    let total = progress.total_bytes.load(Ordering::Relaxed);
    let files = progress.files.load(Ordering::Relaxed);
    JobProgress {
        phase: "verifying".to_owned(),
        lines: vec![format!(
            "{files} files, {} checked{}",
            bytes(content),
            per_second.map_or_else(String::new, |rate| format!(", {:.2} GB/s", rate / 1e9))
        )],
        done: Some(done.min(total)),
        total: Some(total),
        rate: stored_rate,
        eta_seconds: stored_rate
            .and_then(|rate| super::outcome::seconds(total.saturating_sub(done), rate)),
        stop_mode: None,
    }
}

fn verify(
    site: &BackupSite,
    request: &VerifyRequest,
    progress: &VerifyProgress,
) -> Result<VerifyReport> {
    let began = Instant::now();
    let disk = &site.disk;
    let entries = catalog::read(disk, &request.destination)?;
    let complete = || entries.iter().filter_map(CatalogEntry::complete);
    let total: u64 = complete().map(|document| document.sizes.stored_bytes).sum();
    progress.total_bytes.store(total, Ordering::Relaxed);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = request.jobs.unwrap_or(u32::try_from(processors).unwrap_or(1)).clamp(1, 64);
    let mut all = Findings::default();
    for entry in &entries {
        match &entry.state {
            EntryState::Complete(document) => {
                let found = backup(site, request, entry, document, jobs, progress)?;
                let prefix = |text: String| format!("{}: {text}", entry.label);
                all.damages.extend(found.damages.into_iter().map(prefix));
                all.warnings.extend(found.warnings.into_iter().map(prefix));
            }
            EntryState::Damaged { reason, .. } => {
                all.damages.push(format!("{}: {reason}", entry.label));
            }
            EntryState::Incomplete(_) => {
                if catalog::info(entry).status == BackupStatus::Incomplete {
                    all.warnings.push(format!("{}: it was interrupted", entry.label));
                }
            }
        }
    }
    if complete().next().is_none() {
        all.warnings.push("there is no complete backup".to_owned());
    }
    let documents: Vec<&BackupDocument> = complete().collect();
    wal::check(disk, request, &documents, &mut all, progress)?;
    let soundness = match (all.damages.is_empty(), all.warnings.is_empty()) {
        (false, _) => Soundness::Damaged,
        (true, false) => Soundness::Warnings,
        (true, true) => Soundness::Sound,
    };
    Ok(VerifyReport {
        destination: request.destination.clone(),
        depth: request.depth,
        soundness,
        damages: all.damages,
        warnings: all.warnings,
        backups: u64::try_from(documents.len()).unwrap_or(0),
        files: progress.files.load(Ordering::Relaxed),
        stored_bytes: progress.stored_bytes.load(Ordering::Relaxed),
        content_bytes: progress.content_bytes.load(Ordering::Relaxed),
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn backup(
    site: &BackupSite,
    request: &VerifyRequest,
    entry: &CatalogEntry,
    document: &BackupDocument,
    jobs: u32,
    progress: &VerifyProgress,
) -> Result<Findings> {
    let disk = &site.disk;
    let mut found = Findings::default();
    names(disk, entry, document, &mut found)?;
    if request.depth == VerifyDepth::Quick {
        let files = document.sizes.files;
        progress.files.fetch_add(files, Ordering::Relaxed);
        return Ok(found);
    }
    parts(disk, entry, document, &mut found, progress)?;
    let work = contents::Contents { site, destination: &request.destination, document, jobs };
    work.check(&mut found, progress)?;
    heed_stop(progress)?;
    if matches!(disk.stat(&entry.directory.join(layout::LABEL_FILE)), Ok(None)) {
        // It was deleted meanwhile.
        return Ok(Findings::default());
    }
    for failure in &document.checksum_failures {
        let (count, path) = (failure.count, &failure.path);
        found.warnings.push(format!("{count} pages of {path} were damaged when it was taken"));
    }
    remember(disk, entry, &found);
    Ok(found)
}

/// Nothing missing, nothing more, and every file of the right size.
fn names(
    disk: &Disk,
    entry: &CatalogEntry,
    document: &BackupDocument,
    found: &mut Findings,
) -> Result<()> {
    let directory = &entry.directory;
    let unreadable = |error| crate::wal::identity::unreadable(directory, &error);
    let present = disk.list(directory).map_err(unreadable)?;
    let parts = document.parts.iter().map(|part| (part.name.as_str(), part.bytes));
    let packs = document.packs.iter().map(|pack| (pack.name.as_str(), pack.bytes));
    let expected: std::collections::BTreeMap<&str, u64> = parts.chain(packs).collect();
    for (name, bytes) in &expected {
        let stat = disk.stat(&directory.join(name)).map_err(unreadable)?;
        match stat {
            None => found.damages.push(format!("{name} is missing")),
            Some(stat) if stat.size != *bytes => {
                let size = stat.size;
                found.damages.push(format!("{name} has {size} bytes, not {bytes}"));
            }
            Some(_) => {}
        }
    }
    for one in present {
        let name = one.name.as_str();
        let is_own = [layout::LABEL_FILE, layout::VERIFY_FILE].contains(&name);
        if !is_own && !expected.contains_key(name) && !seal::is_leftover(name) {
            found.damages.push(format!("{name} does not belong there"));
        }
    }
    Ok(())
}

fn parts(
    disk: &Disk,
    entry: &CatalogEntry,
    document: &BackupDocument,
    found: &mut Findings,
    progress: &VerifyProgress,
) -> Result<()> {
    for part in &document.parts {
        let path = entry.directory.join(&part.name);
        // Another size has been told already.
        if !matches!(disk.stat(&path), Ok(Some(stat)) if stat.size == part.bytes) {
            continue;
        }
        let is_good = contents::sha256_of(disk, &path, progress);
        match is_good {
            Ok(sum) if sum == part.sha256 => {}
            Ok(_) => found.damages.push(format!("{} is damaged", part.name)),
            Err(error) => found.damages.push(format!("{} cannot be read: {error}", part.name)),
        }
        heed_stop(progress)?;
    }
    Ok(())
}

/// Remembered beside the backup. A destination that is read-only can be verified all the same.
fn remember(disk: &Disk, entry: &CatalogEntry, found: &Findings) {
    let verified = VerifyDocument {
        format: FORMAT,
        verified_at: clock::now(),
        sound: found.damages.is_empty(),
        findings: found.damages.clone(),
    };
    let text = document::to_text(&verified);
    let _ = document::store(disk, &entry.directory, layout::VERIFY_FILE, &text);
}

fn heed_stop(progress: &VerifyProgress) -> Result<()> {
    if progress.stop.load(Ordering::Acquire) {
        return Err(Error::new(ErrorCode::Cancelled, "the verification was cancelled"));
    }
    Ok(())
}
