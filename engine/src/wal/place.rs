//! Where a file goes in the archive, and how it gets there: written under `.incoming`, synced,
//! named without replacing anything, its directory synced.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::{Error, ErrorCode, Result, WalPlace, WalPush};
use crate::pg::wal::{Segment, WalFileName};
use crate::sys::clock;
use crate::sys::disk::{Disk, EntryKind, Published};
use crate::sys::memory::Scratch;

use super::archive::{self, ARCHIVE_DIRECTORIES, INCOMING_DIRECTORY, StoredFile};
use super::identity;
use super::index::{SegmentIndex, SegmentTail};
use super::store::{INDEX_SUFFIX, Stored, StoredForm};

/// A file under `.incoming` that nobody holds and that is older than this was left by a kill.
const LEFT_BEHIND_SECONDS: i64 = 600;

/// Where a file goes.
pub(super) struct Place {
    pub(super) destination: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) name: WalFileName,
}

impl Place {
    pub(super) fn of(disk: &Disk, request: &WalPush) -> Result<Self> {
        let source_name = wal_name(&request.source)?;
        let (destination, directory) = match &request.place {
            WalPlace::Destination(destination) => {
                (destination.clone(), directory_in(disk, destination)?)
            }
            WalPlace::File(file) => {
                let name = wal_name(file)?;
                if name != source_name {
                    let fact = format!("WAL file {source_name} is not to be archived as {name}");
                    let hint = "End the destination in archive_command with %f.";
                    return Err(Error::new(ErrorCode::WalInvalid, fact).hint(hint));
                }
                split_guide_path(file)?
            }
        };
        Ok(Self { destination, directory, name: source_name })
    }

    /// Whether nothing has the name; false also when that cannot be told.
    pub(super) fn is_free(&self, disk: &Disk) -> bool {
        let there = archive::find_in(disk, &self.directory, self.name, StoredForm::ALL);
        there.is_ok_and(|there| there.is_empty())
    }

    /// Makes the archive's directories. The destination itself must be there: a destination
    /// that is not mounted must not fill the disk below it.
    pub(super) fn prepare(&self, disk: &Disk) -> Result<()> {
        let incoming = self.directory.join(INCOMING_DIRECTORY);
        let make = |path: &Path| match disk.make_directory(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        };
        let outcome = match disk.stat(&incoming) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => make(&self.directory)
                .and_then(|()| disk.sync_directory(&self.destination))
                .and_then(|()| make(&incoming)),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| self.write_error(&error))
    }

    pub(super) fn write_error(&self, error: &io::Error) -> Error {
        let fact = format!("{} cannot be written to \"{}\"", self.name, self.directory.display());
        Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string())
    }

    /// Makes a file durable that another push put there and may not have finished.
    pub(super) fn settle(&self, disk: &Disk, there: &StoredFile) -> Result<()> {
        let outcome = disk.open(&there.path).and_then(|file| file.sync());
        outcome
            .and_then(|()| disk.sync_directory(&self.directory))
            .map_err(|error| self.write_error(&error))
    }

    /// Writes the file and gives it its name; where it stands, and whether another push of the
    /// same content was faster.
    pub(super) fn publish(
        &self,
        disk: &Disk,
        stored: &Stored<'_>,
        content: &[u8],
    ) -> Result<(PathBuf, bool)> {
        let form = stored.form;
        let path = self.directory.join(format!("{}{}", self.name, form.suffix()));
        let published = self
            .write_under(disk, &path, &stored.parts, Durable::Yes)
            .map_err(|error| self.write_error(&error))?;
        if published == Published::Done {
            // Another push may have stored it in another form at once.
            let others = StoredForm::ALL.into_iter().filter(|other| *other != form);
            same_content(disk, self, others, content)?;
            return Ok((path, false));
        }
        let Some(there) = same_content(disk, self, [form], content)? else {
            let error = io::Error::other("its name is being taken and given back");
            return Err(self.write_error(&error));
        };
        self.settle(disk, &there)?;
        Ok((there.path, true))
    }

    /// Writes under `.incoming`, syncs, and gives the name unless it is taken.
    fn write_under(
        &self,
        disk: &Disk,
        path: &Path,
        parts: &[Cow<'_, [u8]>],
        durable: Durable,
    ) -> io::Result<Published> {
        let temporary = self.directory.join(INCOMING_DIRECTORY).join(temporary_name(path));
        let write = || {
            let mut file = disk.create(&temporary)?;
            // Tells [`sweep`] that somebody is at work; some network file systems have no locks.
            let _ = file.try_lock();
            parts.iter().try_for_each(|part| file.write_all(part))?;
            match durable {
                Durable::Yes => {
                    file.sync()?;
                    let published = disk.publish(&temporary, path)?;
                    disk.sync_directory(&self.directory)?;
                    Ok(published)
                }
                Durable::No => disk.replace(&temporary, path).map(|()| Published::Done),
            }
        };
        let outcome = write();
        if !matches!(outcome, Ok(Published::Done)) {
            // The first error is the one to tell; the file may have its name already.
            let _ = disk.remove_file(&temporary);
        }
        outcome
    }

    /// Makes an index that is missing.
    pub(super) fn index(&self, disk: &Disk, segment: Segment<'_>, warnings: &mut Vec<String>) {
        let path = self.index_path();
        if matches!(disk.stat(&path), Ok(None)) {
            self.write_index(disk, &SegmentIndex::build(segment, None).0, warnings);
        }
    }

    fn index_path(&self) -> PathBuf {
        self.directory.join(format!("{}{INDEX_SUFFIX}", self.name))
    }

    /// Writes the index. It can be made again, so it is not synced and its failure is told
    /// and no more.
    pub(super) fn write_index(
        &self,
        disk: &Disk,
        index: &SegmentIndex,
        warnings: &mut Vec<String>,
    ) {
        let is_whole = matches!(self.name, WalFileName::Segment(_));
        if is_whole && index.tail == SegmentTail::Damaged {
            let at = index.tail_at.map_or_else(String::new, |at| format!(" at {at}"));
            warnings
                .push(format!("{} holds a damaged record{at}; it is archived as it is", self.name));
        }
        let text = index.to_text();
        let parts = [Cow::Borrowed(text.as_bytes())];
        if let Err(error) = self.write_under(disk, &self.index_path(), &parts, Durable::No) {
            warnings.push(format!("the index of {} was not written: {error}", self.name));
        }
    }
}

#[derive(Clone, Copy)]
enum Durable {
    Yes,
    No,
}

/// The stored file that has this content already; `None` when the name is free in all of
/// these forms.
pub(super) fn same_content(
    disk: &Disk,
    place: &Place,
    forms: impl IntoIterator<Item = StoredForm>,
    content: &[u8],
) -> Result<Option<StoredFile>> {
    let mut same = None;
    for file in archive::find_in(disk, &place.directory, place.name, forms)? {
        let there = match archive::read_stored(disk, &file, &Scratch::default()) {
            Ok(there) => there,
            Err(error) if error.code == ErrorCode::RepositoryDamaged => {
                return Err(conflict(&file, "it is damaged: ", &error.detail));
            }
            Err(error) => return Err(error),
        };
        if *there != *content {
            let sizes = format!("{} bytes there, {} bytes to archive", there.len(), content.len());
            return Err(conflict(&file, "", &sizes));
        }
        same = Some(file);
    }
    Ok(same)
}

fn conflict(file: &StoredFile, what: &str, detail: &str) -> Error {
    let fact = format!("\"{}\" is in the archive with other content", file.path.display());
    Error::new(ErrorCode::WalConflict, fact).detail(format!("{what}{detail}"))
}

/// The archive's directory in a destination: the guide's, when that one alone is there.
fn directory_in(disk: &Disk, destination: &Path) -> Result<PathBuf> {
    let missing = |detail: String| {
        let fact = format!("backup destination \"{}\" is not there", destination.display());
        Error::new(ErrorCode::RepositoryUnreadable, fact).detail(detail)
    };
    match disk.stat(destination) {
        Ok(Some(stat)) if stat.is_directory => {}
        Ok(Some(_)) => return Err(missing("it is no directory".to_owned())),
        Ok(None) => return Err(missing("no such directory".to_owned())),
        Err(error) => return Err(missing(error.to_string())),
    }
    let [own, guide] = ARCHIVE_DIRECTORIES.map(|name| destination.join(name));
    let is_there = |path: &Path| {
        disk.stat(path)
            .map(|stat| stat.is_some())
            .map_err(|error| identity::unreadable(path, &error))
    };
    if !is_there(&own)? && is_there(&guide)? { Ok(guide) } else { Ok(own) }
}

/// Destination and archive directory of `DEST/archived_wal/%f`.
pub(super) fn split_guide_path(file: &Path) -> Result<(PathBuf, PathBuf)> {
    let directory = file.parent().filter(|directory| {
        let name = directory.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| ARCHIVE_DIRECTORIES.contains(&name))
    });
    match directory.and_then(|directory| Some((directory.parent()?, directory))) {
        Some((destination, directory)) => Ok((destination.to_path_buf(), directory.to_path_buf())),
        None => {
            let fact = format!("\"{}\" is no place in a WAL archive", file.display());
            let hint = "Write it as \"DEST/archived_wal/%f\", DEST being the backup destination.";
            Err(Error::new(ErrorCode::UsageInvalid, fact).hint(hint))
        }
    }
}

/// The name of a WAL file, from its path.
pub(super) fn wal_name(path: &Path) -> Result<WalFileName> {
    let name = file_name(path);
    WalFileName::parse(&name).ok_or_else(|| {
        let fact = format!("\"{name}\" is no name of a WAL file");
        let detail = "expected a segment, .history, .backup or .partial";
        Error::new(ErrorCode::WalInvalid, fact).detail(detail)
    })
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn temporary_name(path: &Path) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let moment = clock::now().timestamp_micros();
    format!("{}.{}-{moment}-{count}", file_name(path), std::process::id())
}

/// Removes what killed pushes left under `.incoming`. Nobody waits for it and nothing depends
/// on it; what is being written now is locked, and young.
pub(super) fn sweep(disk: &Disk, directory: &Path) {
    let incoming = directory.join(INCOMING_DIRECTORY);
    let Ok(entries) = disk.list(&incoming) else { return };
    let now = clock::now().timestamp();
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
        let path = incoming.join(&entry.name);
        let Ok(file) = disk.open(&path) else { continue };
        let is_old = file.modified_seconds().is_ok_and(|at| now - at > LEFT_BEHIND_SECONDS);
        if is_old && file.try_lock().unwrap_or(false) {
            let _ = disk.remove_file(&path);
        }
    }
}
