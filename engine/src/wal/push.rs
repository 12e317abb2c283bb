//! `archive_command`: a file goes into the archive, durably and without overwriting anything.
//!
//! The order makes it safe to be killed at any step: check, write under `.incoming`, sync,
//! give the name unless it is taken, sync the directory, answer 0.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::{Error, ErrorCode, Result, WalCompression, WalPlace, WalPush, WalPushed};
use crate::pg::wal::{Segment, WalFileName};
use crate::sys::clock;
use crate::sys::disk::{Disk, EntryKind, Published};

use super::archive::{self, ARCHIVE_DIRECTORIES, INCOMING_DIRECTORY, StoredFile};
use super::cluster::{self, Cluster};
use super::identity::{self, RepositoryIdentity};
use super::index::{SegmentIndex, SegmentTail};
use super::inspect::{self, Refused};
use super::store::{self, CONTENT_BYTES_MAX, INDEX_SUFFIX, StoredForm};

/// A file under `.incoming` that nobody holds and that is older than this was left by a kill.
const LEFT_BEHIND_SECONDS: i64 = 600;

/// Puts a file into the archive. When it returns, file and name are durable.
///
/// # Errors
/// `WalInvalid` for a file that is not what its name says, `RepositoryForeign` for one of
/// another cluster, `WalConflict` when the name is taken by other content,
/// `RepositoryUnreadable`, `RepositoryDamaged` and `RepositoryWrite` for the destination,
/// `ControlFileDamaged` and `FileAccess` when the cluster cannot be told.
pub fn push(disk: &Disk, request: &WalPush) -> Result<WalPushed> {
    let place = Place::of(disk, request)?;
    let content = read_source(disk, &request.source)?;
    let mut warnings = Vec::new();
    let (cluster, identity) = who(disk, request, &place.destination, &mut warnings)?;
    let expected = cluster::expected(cluster.as_ref(), identity.as_ref());
    let segment = inspect::check(place.name, &content, &expected)
        .map_err(|refused| refused_source(&request.source, &refused))?;

    place.prepare(disk)?;
    if let (Some(cluster), None) = (&cluster, &identity) {
        identity::ensure(disk, &place.destination, &cluster.identity())?;
    }
    if let Some(there) = same_content(disk, &place, StoredForm::ALL, &content)? {
        place.settle(disk, &there)?;
        if let Some(segment) = segment {
            place.index(disk, segment, &mut warnings);
        }
        return Ok(WalPushed { stored_name: file_name(&there.path), was_there: true, warnings });
    }
    store_content(disk, request, &place, &content, segment, warnings)
}

/// Compresses, writes and names the file; the index is made meanwhile.
fn store_content(
    disk: &Disk,
    request: &WalPush,
    place: &Place,
    content: &[u8],
    segment: Option<Segment<'_>>,
    mut warnings: Vec<String>,
) -> Result<WalPushed> {
    // Histories are small, and read by people in bad hours.
    let compression = if segment.is_some() { request.compression } else { WalCompression::None };
    let (encoded, index) = encode_and_index(content, compression, segment);
    let (form, stored) = encoded.map_err(|error| place.write_error(&error))?;
    let (there, was_there) = place.publish(disk, form, &stored, content)?;
    if let Some(index) = index {
        place.write_index(disk, &index, &mut warnings);
    }
    sweep(disk, &place.directory);
    Ok(WalPushed { stored_name: file_name(&there), was_there, warnings })
}

type Encoded<'a> = io::Result<(StoredForm, Cow<'a, [u8]>)>;

fn encode_and_index<'a>(
    content: &'a [u8],
    compression: WalCompression,
    segment: Option<Segment<'_>>,
) -> (Encoded<'a>, Option<SegmentIndex>) {
    std::thread::scope(|scope| {
        let work = move || segment.map(|segment| SegmentIndex::build(segment, None).0);
        let indexer = std::thread::Builder::new().name("wal-index".to_owned());
        let indexer = indexer.spawn_scoped(scope, work);
        let encoded = store::encode(content, compression);
        // Without a thread, or with one that failed, there is no index this time.
        let index = indexer.ok().and_then(|thread| thread.join().ok()).flatten();
        (encoded, index)
    })
}

fn read_source(disk: &Disk, source: &Path) -> Result<Vec<u8>> {
    disk.read(source, CONTENT_BYTES_MAX).map_err(|error| {
        let fact = format!("WAL file \"{}\" cannot be read", source.display());
        Error::new(ErrorCode::WalInvalid, fact).detail(error.to_string())
    })
}

fn refused_source(source: &Path, refused: &Refused) -> Error {
    let name = source.display();
    let (code, fact) = match refused {
        Refused::Invalid(_) => {
            (ErrorCode::WalInvalid, format!("\"{name}\" is not the WAL file its name says"))
        }
        Refused::Foreign(_) => {
            (ErrorCode::RepositoryForeign, format!("\"{name}\" is of another database cluster"))
        }
    };
    Error::new(code, fact).detail(refused.detail())
}

/// The cluster by its data directory and by the repository; one of them may be missing.
fn who(
    disk: &Disk,
    request: &WalPush,
    destination: &Path,
    warnings: &mut Vec<String>,
) -> Result<(Option<Cluster>, Option<RepositoryIdentity>)> {
    let identity = identity::load(disk, destination)?;
    let named = request.data_directory.as_deref();
    let directory = cluster::find_data_directory(named, &request.source);
    let cluster = match directory.map(|directory| Cluster::read(disk, &directory)) {
        Some(Ok(cluster)) => Some(cluster),
        Some(Err(error)) if identity.is_none() => return Err(error),
        Some(Err(error)) => {
            warnings.push(format!("the repository alone says whose file it is: {}", error.fact));
            None
        }
        None => None,
    };
    if let (Some(cluster), Some(identity)) = (&cluster, &identity) {
        identity.check(destination, &cluster.identity())?;
    }
    Ok((cluster, identity))
}

/// Where a file goes.
struct Place {
    destination: PathBuf,
    directory: PathBuf,
    name: WalFileName,
}

impl Place {
    fn of(disk: &Disk, request: &WalPush) -> Result<Self> {
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

    /// Makes the archive's directories. The destination itself must be there: a destination
    /// that is not mounted must not fill the disk below it.
    fn prepare(&self, disk: &Disk) -> Result<()> {
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

    fn write_error(&self, error: &io::Error) -> Error {
        let fact = format!("{} cannot be written to \"{}\"", self.name, self.directory.display());
        Error::new(ErrorCode::RepositoryWrite, fact).detail(error.to_string())
    }

    /// Makes a file durable that another push put there and may not have finished.
    fn settle(&self, disk: &Disk, there: &StoredFile) -> Result<()> {
        let outcome = disk.open(&there.path).and_then(|file| file.sync());
        outcome
            .and_then(|()| disk.sync_directory(&self.directory))
            .map_err(|error| self.write_error(&error))
    }

    /// Writes the file and gives it its name; where it stands, and whether another push of the
    /// same content was faster.
    fn publish(
        &self,
        disk: &Disk,
        form: StoredForm,
        stored: &[u8],
        content: &[u8],
    ) -> Result<(PathBuf, bool)> {
        let path = self.directory.join(format!("{}{}", self.name, form.suffix()));
        let published = self
            .write_under(disk, &path, stored, Durable::Yes)
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
        bytes: &[u8],
        durable: Durable,
    ) -> io::Result<Published> {
        let temporary = self.directory.join(INCOMING_DIRECTORY).join(temporary_name(path));
        let write = || {
            let mut file = disk.create(&temporary)?;
            // Tells [`sweep`] that somebody is at work; some network file systems have no locks.
            let _ = file.try_lock();
            file.write_all(bytes)?;
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
    fn index(&self, disk: &Disk, segment: Segment<'_>, warnings: &mut Vec<String>) {
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
    fn write_index(&self, disk: &Disk, index: &SegmentIndex, warnings: &mut Vec<String>) {
        let is_whole = matches!(self.name, WalFileName::Segment(_));
        if is_whole && index.tail == SegmentTail::Damaged {
            let at = index.tail_at.map_or_else(String::new, |at| format!(" at {at}"));
            warnings
                .push(format!("{} holds a damaged record{at}; it is archived as it is", self.name));
        }
        let text = index.to_text();
        if let Err(error) = self.write_under(disk, &self.index_path(), text.as_bytes(), Durable::No)
        {
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
fn same_content(
    disk: &Disk,
    place: &Place,
    forms: impl IntoIterator<Item = StoredForm>,
    content: &[u8],
) -> Result<Option<StoredFile>> {
    let mut same = None;
    for file in archive::find_in(disk, &place.directory, place.name, forms)? {
        let there = match archive::read_stored(disk, &file) {
            Ok(there) => there,
            Err(error) if error.code == ErrorCode::RepositoryDamaged => {
                return Err(conflict(&file, "it is damaged: ", &error.detail));
            }
            Err(error) => return Err(error),
        };
        if there != content {
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

fn file_name(path: &Path) -> String {
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
fn sweep(disk: &Disk, directory: &Path) {
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
