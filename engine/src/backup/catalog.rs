//! The catalog: what backups a destination holds and how each stands. Nothing is remembered
//! elsewhere; the directories are the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{self, BackupDocument, DocumentError, ProgressDocument, VerifyDocument};
use super::layout::{self, Label};
use crate::api::{BackupInfo, BackupStatus, Error, ErrorCode, Result, VerifyState};
use crate::sys::disk::{Disk, EntryKind};
use crate::sys::process;
use crate::wal::identity::unreadable;

/// A directory of the destination that is, or was to be, a backup.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// Its name.
    pub label: Label,
    /// Where it is.
    pub directory: PathBuf,
    /// How it stands.
    pub state: EntryState,
    /// What the last verification found.
    pub verified: Option<VerifyDocument>,
}

/// How a directory stands.
#[derive(Clone, Debug)]
pub enum EntryState {
    /// It has a whole label, and so has everything it is based on.
    Complete(Box<BackupDocument>),
    /// It has no label; what was to be done, if that can be read.
    Incomplete(Option<Box<ProgressDocument>>),
    /// Its label cannot be used, or it is based on what is not there.
    Damaged {
        /// Why.
        reason: String,
        /// The label, when the damage is elsewhere.
        document: Option<Box<BackupDocument>>,
    },
}

impl CatalogEntry {
    /// The label of a complete backup.
    #[must_use]
    pub fn complete(&self) -> Option<&BackupDocument> {
        match &self.state {
            EntryState::Complete(document) => Some(document),
            _ => None,
        }
    }
}

/// Reads a destination's catalog, oldest first.
///
/// # Errors
/// `RepositoryUnreadable` when the destination or a label in it cannot be read.
pub fn read(disk: &Disk, destination: &Path) -> Result<Vec<CatalogEntry>> {
    let names = disk.list(destination).map_err(|error| unreadable(destination, &error))?;
    let mut entries = Vec::new();
    for name in names {
        let Ok(label) = name.name.parse::<Label>() else { continue };
        if name.kind == EntryKind::Directory {
            entries.push(read_one(disk, destination, label)?);
        }
    }
    find_orphans(&mut entries);
    Ok(entries)
}

fn read_one(disk: &Disk, destination: &Path, label: Label) -> Result<CatalogEntry> {
    let directory = label.directory(destination);
    let state = match document::load_label(disk, &directory) {
        Ok(document) if document.label == label => EntryState::Complete(Box::new(document)),
        Ok(document) => EntryState::Damaged {
            reason: format!("its label is that of {}", document.label),
            document: None,
        },
        Err(DocumentError::Missing) => {
            let progress = document::load(disk, &directory, layout::PROGRESS_FILE);
            EntryState::Incomplete(progress.ok())
        }
        Err(DocumentError::Damaged(what)) => {
            EntryState::Damaged { reason: format!("its label: {what}"), document: None }
        }
        Err(DocumentError::Unreadable(error)) => {
            return Err(unreadable(&directory.join(layout::LABEL_FILE), &error));
        }
    };
    let verified = document::load(disk, &directory, layout::VERIFY_FILE).ok();
    Ok(CatalogEntry { label, directory, state, verified })
}

/// A backup whose chain is broken cannot be restored.
fn find_orphans(entries: &mut [CatalogEntry]) {
    let mut usable = BTreeMap::<Label, bool>::new();
    // Parents are older than their children.
    for entry in entries {
        let EntryState::Complete(document) = &entry.state else { continue };
        let is_usable = match &document.parent {
            None => true,
            Some(parent) => usable.get(parent).copied().unwrap_or(false),
        };
        usable.insert(entry.label.clone(), is_usable);
        if !is_usable {
            let parent = document.parent.as_ref().map(ToString::to_string).unwrap_or_default();
            entry.state = EntryState::Damaged {
                reason: format!("{parent}, which it is based on, is not complete"),
                document: Some(document.clone()),
            };
        }
    }
}

/// Finds a complete backup.
///
/// # Errors
/// `BackupNotFound`.
pub fn find<'a>(entries: &'a [CatalogEntry], label: &str) -> Result<&'a CatalogEntry> {
    entries.iter().find(|entry| entry.label.as_str() == label).ok_or_else(|| {
        let known: Vec<_> = entries.iter().rev().take(5).map(|one| one.label.as_str()).collect();
        Error::new(ErrorCode::BackupNotFound, format!("there is no backup {label}"))
            .detail(format!("the newest are: {}", known.join(", ")))
    })
}

/// The labels of a backup's chain, the backup first, the full one last.
#[must_use]
pub fn chain(entries: &[CatalogEntry], label: &Label) -> Vec<Label> {
    let mut chain = Vec::new();
    let mut next = Some(label.clone());
    while let Some(label) = next {
        let entry = entries.iter().find(|entry| entry.label == label);
        next = entry.and_then(|entry| entry.complete()).and_then(|one| one.parent.clone());
        chain.push(label);
        if chain.len() > entries.len() {
            break;
        }
    }
    chain
}

/// An entry as a front end shows it.
#[must_use]
pub fn info(entry: &CatalogEntry) -> BackupInfo {
    let (status, reason, document) = match &entry.state {
        EntryState::Complete(document) => (BackupStatus::Complete, None, Some(document)),
        EntryState::Damaged { reason, document } => {
            (BackupStatus::Damaged, Some(reason.clone()), document.as_ref())
        }
        EntryState::Incomplete(progress) => match progress.as_deref().filter(|one| is_alive(one)) {
            Some(one) => {
                (BackupStatus::Running, Some(format!("process {} takes it", one.pid)), None)
            }
            None => (BackupStatus::Incomplete, Some("it was interrupted".to_owned()), None),
        },
    };
    let progress = match &entry.state {
        EntryState::Incomplete(Some(progress)) => Some(progress),
        _ => None,
    };
    let (verification, verified_at) = match &entry.verified {
        Some(verified) if verified.sound => (VerifyState::Sound, Some(verified.verified_at)),
        Some(verified) => (VerifyState::Damaged, Some(verified.verified_at)),
        None => (VerifyState::NotVerified, None),
    };
    let parent = match (document, progress) {
        (Some(document), _) => document.parent.as_ref(),
        (None, Some(progress)) => progress.parent.as_ref(),
        (None, None) => None,
    };
    BackupInfo {
        label: entry.label.to_string(),
        started_at: entry.label.moment(),
        directory: entry.directory.clone(),
        status,
        reason,
        kind: document.map(|one| one.kind).or(progress.map(|one| one.kind)),
        parent: parent.map(ToString::to_string),
        size_bytes: document.map(|one| one.sizes.cluster_bytes),
        stored_bytes: document.map(|one| one.sizes.stored_bytes),
        start_lsn: document.map(|one| one.start_lsn.clone()),
        stop_lsn: document.map(|one| one.stop_lsn.clone()),
        timeline: document.map(|one| one.timeline),
        duration_seconds: document.and_then(|one| seconds(one)),
        checksum_failures: document
            .map(|one| one.checksum_failures.iter().map(|failure| failure.count).sum()),
        verification,
        verified_at,
        keystore_fingerprint: document.and_then(|one| one.keystore_fingerprint.clone()),
    }
}

fn seconds(document: &BackupDocument) -> Option<f64> {
    (document.ended_at - document.started_at).to_std().ok().map(|took| took.as_secs_f64())
}

/// Whether the process that takes a backup runs, on this machine.
fn is_alive(progress: &ProgressDocument) -> bool {
    let pid = i32::try_from(progress.pid).unwrap_or(0);
    progress.host == super::host_name()
        && process::info(pid).is_some_and(|info| info.start_ticks == progress.pid_start_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::document::tests::sample;

    fn destination(labels: &[(&str, Option<&str>)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (label, parent) in labels {
            let directory = root.path().join(label);
            std::fs::create_dir(&directory).unwrap();
            let text = document::label_text(&sample(label, *parent));
            std::fs::write(directory.join(layout::LABEL_FILE), text).unwrap();
        }
        root
    }

    const FIRST: &str = "2026-07-01_00-00-00";
    const SECOND: &str = "2026-07-02_00-00-00";
    const THIRD: &str = "2026-07-03_00-00-00";

    fn statuses(root: &tempfile::TempDir) -> Vec<BackupStatus> {
        let entries = read(&Disk::real(), root.path()).unwrap();
        entries.iter().map(|entry| info(entry).status).collect()
    }

    #[test]
    fn every_state_is_told() {
        let root = destination(&[(FIRST, None), (SECOND, Some(FIRST)), (THIRD, Some(SECOND))]);
        std::fs::create_dir(root.path().join("archived_wal")).unwrap();
        std::fs::write(root.path().join("2026-07-09_00-00-00"), "a file").unwrap();
        let complete = BackupStatus::Complete;
        assert_eq!(statuses(&root), [complete, complete, complete]);
        let entries = read(&Disk::real(), root.path()).unwrap();
        let labels: Vec<_> =
            chain(&entries, &entries[2].label).iter().map(ToString::to_string).collect();
        assert_eq!(labels, [THIRD, SECOND, FIRST]);

        let label = root.path().join(SECOND).join(layout::LABEL_FILE);
        let mut text = std::fs::read_to_string(&label).unwrap();
        text.replace_range(10..11, "X");
        std::fs::write(&label, text).unwrap();
        let damaged = BackupStatus::Damaged;
        assert_eq!(statuses(&root), [complete, damaged, damaged]);
        std::fs::remove_file(&label).unwrap();
        assert_eq!(statuses(&root), [complete, BackupStatus::Incomplete, damaged]);
        assert_eq!(find(&entries, "x").unwrap_err().code, ErrorCode::BackupNotFound);
    }

    #[test]
    fn a_label_in_another_directory_is_not_believed() {
        let root = destination(&[(FIRST, None)]);
        std::fs::rename(root.path().join(FIRST), root.path().join(SECOND)).unwrap();
        assert_eq!(statuses(&root), [BackupStatus::Damaged]);
    }
}
