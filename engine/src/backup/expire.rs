//! Removing backups and the WAL that no backup needs.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::catalog::{self, CatalogEntry};
use super::layout::{self, Label};
use super::retention::{self, Complete, Expiry, Kept, Policy};
use crate::api::{Error, ErrorCode, Lsn, Result};
use crate::pg::wal::{SegmentSize, WalFileName};
use crate::sys::disk::{Disk, EntryKind};
use crate::wal::archive::Archive;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Backups.
    pub backups: Vec<Label>,
    /// Files of the archive.
    pub wal_files: u64,
}

impl Removed {
    /// In words; empty when nothing was removed.
    #[must_use]
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.backups.iter().map(Label::as_str).collect();
        match (names.is_empty(), self.wal_files) {
            (true, 0) => String::new(),
            (true, files) => format!("{files} obsolete WAL files removed"),
            (false, files) => {
                format!("{} removed, {files} obsolete WAL files removed", names.join(", "))
            }
        }
    }
}

/// The catalog as retention looks at it.
#[must_use]
pub fn kept(entries: &[CatalogEntry]) -> Vec<Kept> {
    entries
        .iter()
        .map(|entry| {
            let document = match &entry.state {
                catalog::EntryState::Complete(document) => Some(document),
                catalog::EntryState::Damaged { document, .. } => document.as_ref(),
                catalog::EntryState::Incomplete(_) => None,
            };
            let complete = document.map(|document| Complete {
                kind: document.kind,
                parent: document.parent.clone(),
                ended_at: document.ended_at,
                start_segment: start_segment(
                    &document.start_lsn,
                    document.cluster.wal_segment_bytes,
                ),
            });
            Kept { label: entry.label.clone(), complete }
        })
        .collect()
}

/// Zero, which keeps all WAL, when the label makes no sense.
fn start_segment(lsn: &str, segment_bytes: u32) -> u64 {
    let size = SegmentSize::from_bytes(segment_bytes);
    match (lsn.parse::<Lsn>(), size) {
        (Ok(lsn), Some(size)) => size.number_of(lsn),
        _ => 0,
    }
}

/// Removes what the policy lets go. A damaged label keeps everything: what it stands for is
/// not known.
///
/// # Errors
/// `RepositoryUnreadable`, `RepositoryWrite`.
pub fn expire(
    disk: &Disk,
    destination: &Path,
    policy: Policy,
    now: DateTime<Utc>,
) -> Result<Removed> {
    let entries = catalog::read(disk, destination)?;
    let is_unknown = |entry: &CatalogEntry| {
        matches!(&entry.state, catalog::EntryState::Damaged { document: None, .. })
    };
    if entries.iter().any(is_unknown) {
        return Ok(Removed::default());
    }
    let expiry = retention::expire(&kept(&entries), policy, now);
    perform(disk, destination, &expiry)
}

/// Removes one backup and the WAL that only it needed.
///
/// # Errors
/// `BackupNotFound`, `BackupNeeded` when others are based on it, `RepositoryWrite`.
pub fn delete(disk: &Disk, destination: &Path, label: &str) -> Result<Removed> {
    let entries = catalog::read(disk, destination)?;
    let entry = catalog::find(&entries, label)?;
    let all = kept(&entries);
    let needed_by = retention::dependents(&all, &entry.label);
    if !needed_by.is_empty() {
        let names: Vec<_> = needed_by.iter().map(Label::as_str).collect();
        return Err(Error::new(
            ErrorCode::BackupNeeded,
            format!("backup {label} is needed by others"),
        )
        .detail(format!("based on it: {}", names.join(", "))));
    }
    let rest = all.iter().filter(|one| one.label != entry.label);
    let segments_before =
        rest.filter_map(|one| one.complete.as_ref()).map(|one| one.start_segment).min();
    let is_known = entries.iter().all(|one| {
        one.label == entry.label
            || !matches!(&one.state, catalog::EntryState::Damaged { document: None, .. })
    });
    let expiry = Expiry {
        backups: vec![entry.label.clone()],
        segments_before: segments_before.filter(|_| is_known),
    };
    perform(disk, destination, &expiry)
}

fn perform(disk: &Disk, destination: &Path, expiry: &Expiry) -> Result<Removed> {
    let mut removed = Removed::default();
    for label in &expiry.backups {
        remove_backup(disk, destination, label).map_err(|error| {
            Error::new(ErrorCode::RepositoryWrite, format!("backup {label} cannot be removed"))
                .detail(error.to_string())
        })?;
        removed.backups.push(label.clone());
    }
    if let Some(before) = expiry.segments_before {
        removed.wal_files = remove_wal(disk, destination, before)?;
    }
    Ok(removed)
}

/// The label goes first and durably: what is left then does not count as a backup.
fn remove_backup(disk: &Disk, destination: &Path, label: &Label) -> io::Result<()> {
    let directory = label.directory(destination);
    match disk.remove_file(&directory.join(layout::LABEL_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => disk.sync_directory(&directory)?,
    }
    for entry in disk.list(&directory)? {
        let path = directory.join(&entry.name);
        if entry.kind == EntryKind::Directory {
            disk.remove_directory(&path)?;
        } else {
            disk.remove_file(&path)?;
        }
    }
    disk.remove_directory(&directory)?;
    disk.sync_directory(destination)
}

/// Positions grow along every path of timelines, so that a segment with a lower number than
/// the first of every backup that is kept is needed by none, on whatever timeline. Histories
/// stay for ever.
fn remove_wal(disk: &Disk, destination: &Path, before: u64) -> Result<u64> {
    let Some(archive) = Archive::open_if_there(disk, destination)? else { return Ok(0) };
    let inventory = archive.list()?;
    let Some(size) = archive.segment_size(&inventory)? else { return Ok(0) };
    let mut count = 0;
    for name in inventory.names() {
        let segment = match name {
            WalFileName::Segment(segment)
            | WalFileName::Partial(segment)
            | WalFileName::Backup { segment, .. } => segment,
            WalFileName::History(_) => continue,
        };
        if segment.number(size).is_none_or(|number| number >= before) {
            continue;
        }
        for path in inventory.paths(name) {
            remove(disk, path)?;
            count += 1;
        }
        for directory in archive.directories() {
            remove(disk, &directory.join(format!("{name}{}", crate::wal::store::INDEX_SUFFIX)))?;
        }
    }
    Ok(count)
}

fn remove(disk: &Disk, path: &Path) -> Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let fact = format!("\"{}\" cannot be removed", path.display());
            Err(Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string()))
        }
        _ => Ok(()),
    }
}
