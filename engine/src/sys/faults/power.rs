//! A power cut: what was done through the door and is not durable is undone.
//!
//! The model is that of POSIX where it promises least, with one thing more that every file
//! system of today gives:
//!
//! - Content written since the last `fsync` of a file is lost, and so is its size. With a seed a
//!   file may keep all of it, half of it, its size with zeros, or some writes and not others.
//! - A name that was given or taken is as it was before until its directory is synced. Syncing a
//!   file does not make its name durable, and a directory whose own name is lost takes with it
//!   whatever was durable inside.
//! - A rename is one change: it has happened, or it has not; it has for certain when the new
//!   name's directory was synced. With a seed any set of names is lost that the others do not
//!   rest on, or what came last, as a journal would have it.
//! - `syncfs` makes everything on a file system durable.
//!
//! Only what this process did through the door is known: what it found is durable. Modes and
//! owners are kept. A file that comes back has another inode.

mod loss;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Change;

/// Device and inode; they stay a thing's own while it is held open.
type Id = (u64, u64);

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Spot {
    directory: Id,
    name: OsString,
}

/// What a name stands for.
#[derive(Debug)]
enum Thing {
    /// Held open: what is removed can be read until then.
    File(File, Metadata),
    Directory(Id, Metadata),
    Link(PathBuf),
}

/// A change of names that is not durable.
#[derive(Debug)]
struct Renamed {
    /// The name; of a move the new one.
    spot: Spot,
    how: How,
}

#[derive(Debug)]
enum How {
    /// It was free; of a directory that was made, the directory.
    New(Option<Id>),
    Removed(Thing),
    /// It was the other one; what it stood for until then.
    Moved(Spot, Option<Thing>),
}

impl Renamed {
    fn spots(&self) -> impl Iterator<Item = &Spot> {
        let other = match &self.how {
            How::Moved(from, _) => Some(from),
            _ => None,
        };
        std::iter::once(&self.spot).chain(other)
    }
}

/// Content that is not durable.
#[derive(Debug)]
struct Content {
    file: File,
    /// Bytes that are durable.
    size: u64,
    /// What stood there before each write, as far as it was durable; the oldest first.
    pieces: Vec<(u64, Vec<u8>)>,
}

/// What is not durable, and how it is undone.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Directories in which names changed, held open so that they are found wherever they go.
    directories: HashMap<Id, File>,
    names: Vec<Renamed>,
    contents: BTreeMap<Id, Content>,
    /// The power was cut: of a process that lives on nothing more may come.
    is_off: bool,
}

impl Ledger {
    /// An empty one. It holds every file open that is not durable: the limit is raised for that.
    pub(super) fn new() -> Self {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        Self {
            directories: HashMap::new(),
            names: Vec::new(),
            contents: BTreeMap::new(),
            is_off: false,
        }
    }

    /// Makes a change and writes it down.
    ///
    /// # Errors
    /// Those of the change; those of the look before it.
    pub(super) fn record<T>(
        &mut self,
        change: Change<'_>,
        perform: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_off {
            return Err(rustix::io::Errno::IO.into());
        }
        let noted = self.before(change)?;
        let done = perform()?;
        match change {
            Change::New(path) => {
                let data = fs::symlink_metadata(path)?;
                let made = data.is_dir().then(|| id_of(&data));
                let spot = self.spot(path)?;
                self.names.push(Renamed { spot, how: How::New(made) });
            }
            Change::Sync(file) => drop(self.contents.remove(&id_of(&file.metadata()?))),
            Change::SyncDirectory(path) => {
                let synced = id_of(&fs::metadata(path)?);
                self.settle(|spot| spot.directory == synced);
            }
            Change::SyncFileSystem(path) => {
                let (device, _) = id_of(&fs::metadata(path)?);
                self.settle(|spot| spot.directory.0 == device);
                self.contents.retain(|id, _| id.0 != device);
            }
            _ => self.names.extend(noted),
        }
        Ok(done)
    }

    /// What must be known before it is gone.
    fn before(&mut self, change: Change<'_>) -> io::Result<Option<Renamed>> {
        Ok(match change {
            Change::Remove(path) => {
                let spot = self.spot(path)?;
                self.thing(path)?.map(|thing| Renamed { spot, how: How::Removed(thing) })
            }
            Change::Move(from, to) => {
                let replaced = self.thing(to)?;
                let how = How::Moved(self.spot(from)?, replaced);
                Some(Renamed { spot: self.spot(to)?, how })
            }
            Change::Write(mut file, offset, bytes) => {
                let offset = offset.map_or_else(|| file.stream_position(), Ok)?;
                let bytes = u64::try_from(bytes).map_err(io::Error::other)?;
                self.save(file, offset, offset.saturating_add(bytes))?;
                None
            }
            Change::Resize(file, size) => {
                self.save(file, size, u64::MAX)?;
                None
            }
            _ => None,
        })
    }

    /// What a path stands for; `None` for nothing, and for what no backup is made of.
    fn thing(&self, path: &Path) -> io::Result<Option<Thing>> {
        let data = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            data => data?,
        };
        Ok(match data.file_type() {
            kind if kind.is_file() => Some(Thing::File(File::open(path)?, data)),
            kind if kind.is_dir() => Some(Thing::Directory(id_of(&data), data)),
            kind if kind.is_symlink() => Some(Thing::Link(fs::read_link(path)?)),
            _ => None,
        })
    }

    fn spot(&mut self, path: &Path) -> io::Result<Spot> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = open_directory(parent.unwrap_or(Path::new(".")))?;
        let id = id_of(&directory.metadata()?);
        self.directories.entry(id).or_insert(directory);
        Ok(Spot { directory: id, name })
    }

    /// Keeps the durable bytes of a range that is about to change.
    fn save(&mut self, file: &File, from: u64, to: u64) -> io::Result<()> {
        let data = file.metadata()?;
        let content = match self.contents.entry(id_of(&data)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let file = file.try_clone()?;
                free.insert(Content { file, size: data.size(), pieces: Vec::new() })
            }
        };
        let end = to.min(content.size);
        if from < end {
            let mut piece = vec![0; usize::try_from(end - from).map_err(io::Error::other)?];
            let read = super::super::file::read_at(file, &mut piece, from)?;
            piece.truncate(read);
            content.pieces.push((from, piece));
        }
        Ok(())
    }

    /// Forgets the changes that are durable, and those that they rest on.
    fn settle(&mut self, is_synced: impl Fn(&Spot) -> bool) {
        let (mut durable, mut gone) = (HashSet::new(), HashSet::new());
        let mut left = Vec::new();
        while let Some(change) = self.names.pop() {
            let rests = |spot: &Spot| durable.contains(spot) || gone.contains(&spot.directory);
            if !is_synced(&change.spot) && !change.spots().any(rests) {
                left.push(change);
                continue;
            }
            if let How::Removed(Thing::Directory(id, _)) = &change.how {
                gone.insert(*id);
            }
            durable.extend(change.spots().cloned());
        }
        left.reverse();
        self.names = left;
    }

    /// A name of a directory that is held open, wherever that is now.
    fn path(&self, spot: &Spot) -> io::Result<PathBuf> {
        let directory = self.directories.get(&spot.directory).ok_or(io::ErrorKind::NotFound)?;
        Ok(Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(&spot.name))
    }
}

fn id_of(data: &Metadata) -> Id {
    (data.dev(), data.ino())
}

/// Opens a directory as a place, which takes no right to read it.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}
