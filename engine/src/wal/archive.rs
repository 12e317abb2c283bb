//! The WAL archive as a whole: what is in it, by timeline, and reading from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, Result};
use crate::pg::types::TimelineId;
use crate::pg::wal::{SegmentName, SegmentSize, TimelineHistory, WalFileName};
use crate::sys::disk::{Disk, EntryKind};
use crate::sys::memory::Scratch;

use super::identity::{self, RepositoryIdentity, unreadable};
use super::index::{INDEX_BYTES_MAX, SegmentIndex};
use super::store::{self, CONTENT_BYTES_MAX, Content, INDEX_SUFFIX, StoredForm};

/// The archive's directory in a backup destination, and its name in the operations guide.
pub const ARCHIVE_DIRECTORIES: [&str; 2] = ["archived_wal", "archived_xlog"];

/// Where files are written before they get their names, in the archive's directory.
pub const INCOMING_DIRECTORY: &str = ".incoming";

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What it is.
    pub name: WalFileName,
    /// How it is stored.
    pub form: StoredForm,
    /// Where.
    pub path: PathBuf,
    /// Bytes it takes.
    pub stored_bytes: u64,
}

/// Everything in the archive, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    files: BTreeMap<WalFileName, Vec<PathBuf>>,
    /// Files that belong to no segment, by path.
    pub strangers: Vec<PathBuf>,
}

impl Inventory {
    /// Every name, segments first, each kind in order.
    pub fn names(&self) -> impl Iterator<Item = WalFileName> + '_ {
        self.files.keys().copied()
    }

    /// Whether there is a file of that name, in any form.
    #[must_use]
    pub fn contains(&self, name: WalFileName) -> bool {
        self.files.contains_key(&name)
    }

    /// Where a name's forms are.
    #[must_use]
    pub fn paths(&self, name: WalFileName) -> &[PathBuf] {
        self.files.get(&name).map_or(&[], Vec::as_slice)
    }

    /// The timelines that have a segment or a history.
    #[must_use]
    pub fn timelines(&self) -> BTreeSet<TimelineId> {
        self.names().map(WalFileName::timeline).collect()
    }

    /// Complete segments of a timeline, in order.
    pub fn segments(&self, timeline: TimelineId) -> impl Iterator<Item = SegmentName> + '_ {
        self.names().filter_map(move |name| match name {
            WalFileName::Segment(segment) if segment.timeline() == timeline => Some(segment),
            _ => None,
        })
    }

    /// The newest segment of a timeline, a partial one included.
    #[must_use]
    pub fn newest(&self, timeline: TimelineId) -> Option<SegmentName> {
        let segments = self.names().filter_map(WalFileName::segment);
        segments.filter(|segment| segment.timeline() == timeline).max()
    }

    /// Adds a name, as listing a directory does.
    pub(super) fn add(&mut self, name: WalFileName, path: PathBuf) {
        self.files.entry(name).or_default().push(path);
    }
}

/// An archive that is there.
#[derive(Clone, Debug)]
pub struct Archive {
    disk: Disk,
    destination: PathBuf,
    directories: Vec<PathBuf>,
    scratch: Scratch,
}

impl Archive {
    /// Opens a destination's archive for reading. Where both directories exist, both belong
    /// to it.
    ///
    /// # Errors
    /// `RepositoryUnreadable` when there is no archive, or it cannot be told.
    pub fn open(disk: &Disk, destination: &Path) -> Result<Self> {
        Self::open_if_there(disk, destination)?.ok_or_else(|| {
            let fact = format!("there is no WAL archive in \"{}\"", destination.display());
            let detail = format!(
                "neither {} nor {} is there",
                ARCHIVE_DIRECTORIES[0], ARCHIVE_DIRECTORIES[1]
            );
            Error::new(ErrorCode::RepositoryUnreadable, fact).detail(detail)
        })
    }

    /// The same; `None` when nothing was ever archived there.
    ///
    /// # Errors
    /// `RepositoryUnreadable` when that cannot be told.
    pub fn open_if_there(disk: &Disk, destination: &Path) -> Result<Option<Self>> {
        let mut directories = Vec::new();
        for name in ARCHIVE_DIRECTORIES {
            let directory = destination.join(name);
            match disk.stat(&directory).map_err(|error| unreadable(&directory, &error))? {
                Some(stat) if stat.is_directory => directories.push(directory),
                _ => {}
            }
        }
        if directories.is_empty() {
            return Ok(None);
        }
        let (disk, destination) = (disk.clone(), destination.to_path_buf());
        Ok(Some(Self { disk, destination, directories, scratch: Scratch::default() }))
    }

    /// The backup destination.
    #[must_use]
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Its directories.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The repository's identity; `None` when it has none.
    ///
    /// # Errors
    /// As [`identity::load`].
    pub fn identity(&self) -> Result<Option<RepositoryIdentity>> {
        identity::load(&self.disk, &self.destination)
    }

    /// Lists everything.
    ///
    /// # Errors
    /// `RepositoryUnreadable` when a directory cannot be listed to its end.
    pub fn list(&self) -> Result<Inventory> {
        let mut inventory = Inventory::default();
        for directory in &self.directories {
            let entries =
                self.disk.list(directory).map_err(|error| unreadable(directory, &error))?;
            for entry in entries {
                let path = directory.join(&entry.name);
                if entry.name == INCOMING_DIRECTORY && entry.kind == EntryKind::Directory {
                    continue;
                }
                let base = entry.name.strip_suffix(INDEX_SUFFIX);
                match store::parse_stored_name(&entry.name) {
                    Some((name, _)) => inventory.add(name, path),
                    None if base.is_some_and(|base| WalFileName::parse(base).is_some()) => {}
                    None => inventory.strangers.push(path),
                }
            }
        }
        Ok(inventory)
    }

    /// Every stored form of a name; none when it is absent.
    ///
    /// # Errors
    /// `RepositoryUnreadable` when that cannot be told.
    pub fn find(&self, name: WalFileName) -> Result<Vec<StoredFile>> {
        let mut found = Vec::new();
        for directory in &self.directories {
            found.extend(find_in(&self.disk, directory, name, StoredForm::ALL)?);
        }
        Ok(found)
    }

    /// Reads a stored file; the checksums of compressed forms are verified.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`.
    pub fn read(&self, file: &StoredFile) -> Result<Content> {
        read_stored(&self.disk, file, &self.scratch)
    }

    /// The index beside a segment; `None` when there is none that makes sense.
    ///
    /// # Errors
    /// `RepositoryUnreadable` when it is there and cannot be read.
    pub fn index(&self, name: WalFileName) -> Result<Option<SegmentIndex>> {
        for directory in &self.directories {
            let path = directory.join(format!("{name}{INDEX_SUFFIX}"));
            match self.disk.read(&path, INDEX_BYTES_MAX) {
                Ok(text) => match SegmentIndex::from_text(&text) {
                    Ok(index) if Some(index.segment) == name.segment() => return Ok(Some(index)),
                    _ => {}
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(None)
    }

    /// A timeline's history. The first timeline has none and needs none.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`. A history that is not in the archive is
    /// `None`.
    pub fn history(&self, timeline: TimelineId) -> Result<Option<TimelineHistory>> {
        if timeline.as_u32() == 1 {
            return Ok(Some(TimelineHistory::root(timeline)));
        }
        let name = WalFileName::History(timeline);
        let Some(file) = self.find(name)?.into_iter().next() else { return Ok(None) };
        let content = self.read(&file)?;
        let text = String::from_utf8_lossy(&content);
        TimelineHistory::parse(timeline, &text).map(Some).map_err(|error| {
            let fact = format!("\"{}\" is damaged", file.path.display());
            Error::new(ErrorCode::RepositoryDamaged, fact).detail(error.to_string())
        })
    }

    /// The histories of every timeline that has one in the archive.
    ///
    /// # Errors
    /// As [`Self::history`].
    pub fn histories(&self, inventory: &Inventory) -> Result<Vec<TimelineHistory>> {
        let mut histories = Vec::new();
        for name in inventory.names() {
            if let WalFileName::History(timeline) = name {
                histories.extend(self.history(timeline)?);
            }
        }
        Ok(histories)
    }

    /// Bytes of the archive's segments: from the identity, else from a segment.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`.
    pub fn segment_size(&self, inventory: &Inventory) -> Result<Option<SegmentSize>> {
        if let Some(identity) = self.identity()? {
            return Ok(SegmentSize::from_bytes(identity.wal_segment_bytes));
        }
        let any = inventory.names().find(|name| matches!(name, WalFileName::Segment(_)));
        let Some(file) =
            any.map(|name| self.find(name)).transpose()?.and_then(|mut files| files.pop())
        else {
            return Ok(None);
        };
        let bytes = self.read(&file)?.len();
        Ok(u32::try_from(bytes).ok().and_then(SegmentSize::from_bytes))
    }
}

/// Which of these forms of a name are in one directory.
pub(super) fn find_in(
    disk: &Disk,
    directory: &Path,
    name: WalFileName,
    forms: impl IntoIterator<Item = StoredForm>,
) -> Result<Vec<StoredFile>> {
    let mut found = Vec::new();
    for form in forms {
        let path = directory.join(format!("{name}{}", form.suffix()));
        if let Some(stat) = disk.stat(&path).map_err(|error| unreadable(&path, &error))? {
            found.push(StoredFile { name, form, path, stored_bytes: stat.size });
        }
    }
    Ok(found)
}

/// Reads a stored file; the checksums of compressed forms are verified.
pub(super) fn read_stored(disk: &Disk, file: &StoredFile, scratch: &Scratch) -> Result<Content> {
    let stored = disk
        .read(&file.path, CONTENT_BYTES_MAX.saturating_mul(2))
        .map_err(|error| unreadable(&file.path, &error))?;
    store::decode(file.form, stored, scratch).map_err(|error| {
        let fact = format!("archived WAL file \"{}\" is damaged", file.path.display());
        Error::new(ErrorCode::RepositoryDamaged, fact).detail(error.to_string())
    })
}
