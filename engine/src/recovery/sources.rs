//! Where WAL is: the archive, the mirror, and the old `pg_wal`, in this order.
//!
//! A segment of the mirror or of `pg_wal` counts only when its first page fits its name: a
//! recycled file has the name of a segment to come and the content of an old one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Error, ErrorCode, Result, WalSource};
use crate::pg::types::TimelineId;
use crate::pg::wal::{
    PAGE_BYTES, SegmentName, SegmentSize, TimelineHistory, WalFileName, first_page,
};
use crate::sys::disk::Disk;
use crate::wal::archive::{Archive, Inventory, StoredFile};
use crate::wal::identity::unreadable;
use crate::wal::index::SegmentIndex;
use crate::wal::inspect::{self, Expected};
use crate::wal::store::{self, Content, StoredForm};

/// The mirror's directory in a destination.
pub const MIRROR_DIRECTORY: &str = "mirrored_wal";
/// A history has a line for each timeline.
const HISTORY_BYTES_MAX: u64 = 1 << 20;

/// A segment that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSegment {
    /// The segment.
    pub segment: SegmentName,
    /// The file's name: the segment's, or with `.partial`.
    pub name: WalFileName,
    /// Where from.
    pub source: WalSource,
    /// The file.
    pub path: PathBuf,
    form: StoredForm,
}

impl FoundSegment {
    /// An archived segment that is nowhere.
    #[cfg(test)]
    pub(crate) fn archived(segment: SegmentName) -> Self {
        let name = WalFileName::Segment(segment);
        let (source, form) = (WalSource::Archive, StoredForm::Plain);
        Self { segment, name, source, path: PathBuf::new(), form }
    }

    /// Whether it may end anywhere: it was never finished.
    #[must_use]
    pub fn may_end_early(&self) -> bool {
        matches!(self.name, WalFileName::Partial(_)) || self.source != WalSource::Archive
    }
}

/// A directory of segments as the server writes them.
#[derive(Clone, Debug)]
struct Loose {
    source: WalSource,
    directory: PathBuf,
    names: BTreeSet<WalFileName>,
}

/// All WAL of a cluster that is known.
#[derive(Clone, Debug)]
pub struct WalSources {
    disk: Disk,
    archive: Option<Archive>,
    inventory: Inventory,
    loose: Vec<Loose>,
    /// Bytes of a segment.
    pub size: SegmentSize,
    /// Whose WAL it must be.
    pub expected: Expected,
    histories: BTreeMap<TimelineId, TimelineHistory>,
}

impl WalSources {
    /// Lists the archive of a destination, its mirror, and directories of old WAL.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`; a destination without an archive has none.
    pub fn open(
        disk: &Disk,
        destination: &Path,
        old: &[PathBuf],
        expected: Expected,
    ) -> Result<Self> {
        let archive = Archive::open(disk, destination).ok();
        let inventory = archive.as_ref().map(Archive::list).transpose()?.unwrap_or_default();
        let mirror = destination.join(MIRROR_DIRECTORY);
        let mut loose = Vec::new();
        if disk.stat(&mirror).map_err(|error| unreadable(&mirror, &error))?.is_some() {
            let listed = Loose::list(disk, WalSource::Mirror, &mirror);
            loose.push(listed.map_err(|error| unreadable(&mirror, &error))?);
        }
        // What cannot be read of the old data is as good as lost, and that is why we are here.
        let listed = old.iter().filter_map(|one| Loose::list(disk, WalSource::OldWal, one).ok());
        loose.extend(listed);
        let size = match (expected.segment_size, &archive) {
            (Some(size), _) => size,
            (None, Some(archive)) => {
                archive.segment_size(&inventory)?.unwrap_or(SegmentSize::DEFAULT)
            }
            (None, None) => SegmentSize::DEFAULT,
        };
        let mut sources = Self {
            disk: disk.clone(),
            archive,
            inventory,
            loose,
            size,
            expected: Expected { segment_size: Some(size), ..expected },
            histories: BTreeMap::new(),
        };
        sources.load_histories()?;
        Ok(sources)
    }

    fn load_histories(&mut self) -> Result<()> {
        if let Some(archive) = &self.archive {
            for history in archive.histories(&self.inventory)? {
                self.histories.insert(history.timeline(), history);
            }
        }
        for loose in &self.loose {
            for name in &loose.names {
                let WalFileName::History(timeline) = *name else { continue };
                let path = loose.directory.join(name.to_string());
                let text = self.disk.read(&path, HISTORY_BYTES_MAX).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                if let Ok(history) = TimelineHistory::parse(timeline, &text) {
                    self.histories.entry(timeline).or_insert(history);
                }
            }
        }
        Ok(())
    }

    /// The timelines that have a segment or a history.
    #[must_use]
    pub fn timelines(&self) -> BTreeSet<TimelineId> {
        let loose = self.loose.iter().flat_map(|loose| &loose.names).map(|name| name.timeline());
        self.inventory.timelines().into_iter().chain(loose).collect()
    }

    /// A timeline's history. One without a file has no ancestors, as for the server.
    #[must_use]
    pub fn history(&self, timeline: TimelineId) -> TimelineHistory {
        let found = self.histories.get(&timeline).cloned();
        found.unwrap_or_else(|| TimelineHistory::root(timeline))
    }

    /// Every history there is a file of.
    pub fn histories(&self) -> impl Iterator<Item = &TimelineHistory> {
        self.histories.values()
    }

    /// The numbers of a timeline's own segments, in order. Those that are only in the mirror or
    /// in `pg_wal` have been looked at.
    #[must_use]
    pub fn numbers(&self, timeline: TimelineId) -> BTreeSet<u64> {
        let of_timeline =
            |name: &WalFileName| name.segment().filter(|_| name.timeline() == timeline);
        let archived = self.inventory.names().filter_map(|name| of_timeline(&name));
        let mut numbers: BTreeSet<u64> =
            archived.filter_map(|segment| segment.number(self.size)).collect();
        for loose in &self.loose {
            for segment in loose.names.iter().filter_map(of_timeline) {
                let Some(number) = segment.number(self.size) else { continue };
                if !numbers.contains(&number) && self.find(segment).is_some() {
                    numbers.insert(number);
                }
            }
        }
        numbers
    }

    /// The best file of a segment.
    #[must_use]
    pub fn find(&self, segment: SegmentName) -> Option<FoundSegment> {
        let whole = WalFileName::Segment(segment);
        let partial = WalFileName::Partial(segment);
        let archived = |name| self.find_archived(segment, name);
        let loose = |name| self.loose.iter().find_map(|one| self.find_loose(one, segment, name));
        archived(whole)
            .or_else(|| loose(whole))
            .or_else(|| archived(partial))
            .or_else(|| loose(partial))
    }

    fn find_archived(&self, segment: SegmentName, name: WalFileName) -> Option<FoundSegment> {
        let path = self.inventory.paths(name).first()?.clone();
        let file_name = path.file_name()?.to_str()?;
        let (_, form) = store::parse_stored_name(file_name)?;
        Some(FoundSegment { segment, name, source: WalSource::Archive, path, form })
    }

    fn find_loose(
        &self,
        loose: &Loose,
        segment: SegmentName,
        name: WalFileName,
    ) -> Option<FoundSegment> {
        if !loose.names.contains(&name) {
            return None;
        }
        let path = loose.directory.join(name.to_string());
        let file = self.disk.open(&path).ok()?;
        let mut page = vec![0; PAGE_BYTES];
        let is_whole = file.size().ok()? == u64::from(self.size.bytes())
            && file.read_at(&mut page, 0).ok()? == PAGE_BYTES;
        let first = first_page(&page, segment, self.size).ok()?;
        let is_ours =
            self.expected.system_identifier.is_none_or(|own| own == first.system_identifier)
                && self.expected.major.is_none_or(|own| own == first.version.major());
        let form = StoredForm::Plain;
        let found = FoundSegment { segment, name, source: loose.source, path, form };
        (is_whole && is_ours).then_some(found)
    }

    /// The index beside an archived segment, when there is one and the file has a size that can be.
    ///
    /// # Errors
    /// Why the segment cannot be used, in words.
    pub fn index(&self, found: &FoundSegment) -> Result<Option<SegmentIndex>, String> {
        let Some(archive) = self.archive.as_ref().filter(|_| found.source == WalSource::Archive)
        else {
            return Ok(None);
        };
        let stat = self.disk.stat(&found.path).map_err(|error| error.to_string())?;
        let stored_bytes = stat.ok_or("it vanished")?.size;
        let fits = match found.form {
            StoredForm::Plain => stored_bytes == u64::from(self.size.bytes()),
            StoredForm::Zstd | StoredForm::Lz4 => stored_bytes > 0,
        };
        if !fits {
            return Err(format!("the archived file has {stored_bytes} bytes"));
        }
        archive.index(found.name).map_err(|error| error.to_string())
    }

    /// Reads a segment's content and proves whose it is.
    ///
    /// # Errors
    /// `RepositoryUnreadable`, `RepositoryDamaged`, `RepositoryForeign`, `FileAccess`.
    pub fn read(&self, found: &FoundSegment) -> Result<Content> {
        let content = self.content(found)?;
        if found.may_end_early() {
            // Pages behind its end may be anything.
            return Ok(content);
        }
        let damaged = |detail: &str| {
            let fact = format!("WAL file \"{}\" cannot be used", found.path.display());
            Error::new(ErrorCode::RepositoryDamaged, fact).detail(detail)
        };
        match inspect::check(found.name, &content, &self.expected) {
            Ok(_) => Ok(content),
            Err(refused) => Err(damaged(refused.detail())),
        }
    }

    fn content(&self, found: &FoundSegment) -> Result<Content> {
        if let Some(archive) = self.archive.as_ref().filter(|_| found.source == WalSource::Archive)
        {
            let file = StoredFile {
                name: found.name,
                form: found.form,
                path: found.path.clone(),
                stored_bytes: 0,
            };
            return archive.read(&file);
        }
        let read = self.disk.read(&found.path, u64::from(self.size.bytes()));
        read.map(Content::Read).map_err(|error| {
            let fact = format!("WAL file \"{}\" cannot be read", found.path.display());
            Error::new(ErrorCode::FileAccess, fact).detail(error.to_string())
        })
    }
}

impl Loose {
    fn list(disk: &Disk, source: WalSource, directory: &Path) -> io::Result<Self> {
        let entries = disk.list(directory)?;
        let names = entries.iter().filter_map(|entry| WalFileName::parse(&entry.name)).collect();
        Ok(Self { source, directory: directory.to_path_buf(), names })
    }
}
