//! What a backup is based on: the lists and maps of its ancestors, down to the full one.

use std::io;
use std::path::{Path, PathBuf};

use super::blockmap::MapReader;
use super::document::{self, BackupDocument};
use super::filelist::{Content, FileEntry, FileList, Run};
use super::layout::{self, Label};
use crate::api::{Error, ErrorCode, Result};
use crate::sys::disk::Disk;

/// Bytes of a list at most, decompressed: some million files.
const LIST_BYTES_MAX: usize = 1 << 31;
/// Backups in a chain at most; more is no chain that pgdeck made.
const LENGTH_MAX: usize = 1000;

/// A backup with its list.
#[derive(Debug)]
pub struct Loaded {
    /// Its label.
    pub document: BackupDocument,
    /// Its list.
    pub list: FileList,
    /// Its directory.
    pub directory: PathBuf,
    map: MapReader,
}

/// A backup and its ancestors, the backup first, the full one last.
#[derive(Debug)]
pub struct Chain {
    /// The backups.
    pub backups: Vec<Loaded>,
}

/// What of an ancestor's list is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    All,
    Stored,
}

impl Chain {
    /// Loads a backup and everything it is based on.
    ///
    /// # Errors
    /// `BackupNotFound` when one is missing, `RepositoryDamaged` when one cannot be used,
    /// `RepositoryUnreadable` when one cannot be read.
    pub fn load(disk: &Disk, destination: &Path, label: &Label) -> Result<Self> {
        let mut backups = Vec::new();
        let mut next = Some(label.clone());
        while let Some(label) = next {
            let keep = if backups.is_empty() { Keep::All } else { Keep::Stored };
            let loaded = load_one(disk, destination, &label, keep)?;
            next = loaded.document.parent.clone();
            backups.push(loaded);
            if backups.len() > LENGTH_MAX {
                return Err(damaged(destination, "the chain of its parents has no end"));
            }
        }
        Ok(Self { backups })
    }

    /// The newest backup of the chain.
    #[must_use]
    pub fn head(&self) -> Option<&Loaded> {
        self.backups.first()
    }

    /// Where the content of a file of the newest backup begins to be stored: the position in
    /// [`Chain::backups`] and the entry there.
    #[must_use]
    pub fn stored(&self, path: &str) -> Option<(usize, &FileEntry)> {
        let entry = self.head()?.list.get(path)?;
        match &entry.content {
            Content::Same(label) => self.stored_in(path, label),
            _ => Some((0, entry)),
        }
    }

    fn stored_in(&self, path: &str, label: &Label) -> Option<(usize, &FileEntry)> {
        let at = self.backups.iter().position(|one| one.document.label == *label)?;
        let entry = self.backups[at].list.get(path)?;
        entry.place().map(|_| (at, entry))
    }

    /// The next older stored state of a file that is a delta at position `at`.
    #[must_use]
    pub fn below(&self, path: &str, at: usize) -> Option<(usize, &FileEntry)> {
        // Ancestors keep only what they store; what is unchanged in one stands further down.
        (at + 1..self.backups.len()).find_map(|at| Some((at, self.backups[at].list.get(path)?)))
    }

    /// The hashes of all blocks of a file as it is in the newest backup.
    ///
    /// # Errors
    /// `InvalidData` when the lists and maps do not fit together; as reading files.
    pub fn block_hashes(&self, path: &str, block_bytes: u64) -> io::Result<Option<Vec<u64>>> {
        let Some(mut next) = self.stored(path) else { return Ok(None) };
        let size = next.1.stamp.size;
        let mut layers = Vec::new();
        loop {
            let (at, entry) = next;
            layers.push(next);
            if matches!(entry.content, Content::Whole(_)) {
                break;
            }
            next = self.below(path, at).ok_or_else(|| mismatch(path))?;
        }
        let mut hashes = Vec::new();
        while let Some((at, entry)) = layers.pop() {
            let Some(first) = entry.blocks else { return Ok(None) };
            let count = entry.stamp.size.div_ceil(block_bytes);
            let Loaded { map, document, .. } = &self.backups[at];
            if count > u64::from(document.cluster.segment_blocks) {
                return Err(mismatch(path));
            }
            if let Content::Delta(_, runs) = &entry.content {
                hashes.resize(usize::try_from(count).map_err(io::Error::other)?, 0);
                let changed = map.hashes(first, Run::total(runs))?;
                overlay(&mut hashes, runs, &changed).ok_or_else(|| mismatch(path))?;
            } else {
                hashes = map.hashes(first, count)?;
            }
        }
        debug_assert_eq!(u64::try_from(hashes.len()).ok(), Some(size.div_ceil(block_bytes)));
        Ok(Some(hashes))
    }
}

fn overlay(hashes: &mut [u64], runs: &[Run], changed: &[u64]) -> Option<()> {
    let mut changed = changed.iter();
    for run in runs {
        for block in run.first..run.first.checked_add(run.count)? {
            *hashes.get_mut(usize::try_from(block).ok()?)? = *changed.next()?;
        }
    }
    Some(())
}

fn mismatch(path: &str) -> io::Error {
    let text = format!("the lists of a chain do not fit together at {path}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn load_one(disk: &Disk, destination: &Path, label: &Label, keep: Keep) -> Result<Loaded> {
    let directory = label.directory(destination);
    let document = document::load_label(disk, &directory).map_err(|error| match error {
        document::DocumentError::Missing => {
            Error::new(ErrorCode::BackupNotFound, format!("there is no complete backup {label}"))
                .detail(format!("{} has no label", directory.display()))
        }
        document::DocumentError::Unreadable(error) => {
            crate::wal::identity::unreadable(&directory.join(layout::LABEL_FILE), &error)
        }
        document::DocumentError::Damaged(what) => damaged(&directory, &what),
    })?;
    let mut list = load_list(disk, &directory)?;
    if keep == Keep::Stored {
        list.entries.retain(|entry| entry.place().is_some());
        list.entries.shrink_to_fit();
    }
    let path = directory.join(layout::MAP_FILE);
    let map = MapReader::open(disk, &path).map_err(|error| not_read(&path, &error))?;
    Ok(Loaded { document, list, directory, map })
}

/// Reads the list of a backup.
///
/// # Errors
/// `RepositoryDamaged`, `RepositoryUnreadable`.
pub fn load_list(disk: &Disk, directory: &Path) -> Result<FileList> {
    let path = directory.join(layout::LIST_FILE);
    let stored = disk.read(&path, u64::from(u32::MAX)).map_err(|error| not_read(&path, &error))?;
    let text = zstd::bulk::decompress(&stored, list_bytes(&stored))
        .map_err(|error| damaged(&path, &error.to_string()))?;
    drop(stored);
    let text = String::from_utf8(text).map_err(|_| damaged(&path, "it is no text"))?;
    FileList::from_text(&text)
        .map_err(|line| damaged(&path, &format!("line {line} makes no sense")))
}

/// The size stands in the frame; a damaged one must not make us ask for all memory.
fn list_bytes(stored: &[u8]) -> usize {
    let said = zstd::zstd_safe::get_frame_content_size(stored).ok().flatten().unwrap_or(0);
    usize::try_from(said).unwrap_or(0).min(LIST_BYTES_MAX)
}

fn not_read(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => {
            damaged(path, &error.to_string())
        }
        _ => crate::wal::identity::unreadable(path, error),
    }
}

/// The error of something in the destination that does not hold what it promises.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(ErrorCode::RepositoryDamaged, format!("\"{}\" is damaged", path.display()))
        .detail(what)
}
