//! The door through which backups, archived WAL and everything else that must survive a power
//! cut is written and read.
//!
//! Each operation is one method, so that a test can make the N-th of them fail, whichever it
//! is (see [`super::faults`]). Nothing here overwrites: a finished file gets its name by
//! [`Disk::publish`], which refuses a name that is taken. A file is durable after
//! [`DiskFile::sync`] **and** [`Disk::sync_directory`] of the directory that names it, or after
//! [`Disk::sync_file_system`]. What only a recovery does stands in `placing`.

mod placing;

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::faults::{Change, Operation, Plan};
use super::file::{self, Stat};

/// Mode of files and directories made here: the owner's alone.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, a device, a pipe.
    Other,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name; what is not UTF-8 is replaced.
    pub name: String,
    /// What it is, links not followed.
    pub kind: EntryKind,
}

/// Whether the name was free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The file has its name now.
    Done,
    /// The name was taken; nothing changed.
    Taken,
}

/// The file system, as seen by what must be durable. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    plan: Plan,
}

impl Disk {
    /// The real one. In a debug build `PGDECK_FAULT` can make it fail.
    #[must_use]
    pub fn real() -> Self {
        Self { plan: Plan::from_environment() }
    }

    /// One that fails as planned.
    #[must_use]
    pub fn with_plan(plan: Plan) -> Self {
        Self { plan }
    }

    /// Makes a new file with mode 0600 for writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; as `open(2)`.
    pub fn create(&self, path: &Path) -> io::Result<DiskFile> {
        self.plan.step(Operation::Create, path)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let file = self.plan.change(Change::New(path), || options.open(path))?;
        Ok(DiskFile { file, plan: self.plan.clone() })
    }

    /// Opens a file that exists for reading and writing, as to resume it.
    ///
    /// # Errors
    /// As `open(2)`; a symbolic link is refused.
    pub fn open_for_update(&self, path: &Path) -> io::Result<DiskFile> {
        self.plan.step(Operation::Open, path)?;
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(nofollow).open(path)?;
        Ok(DiskFile { file, plan: self.plan.clone() })
    }

    /// Opens a file for reading, symbolic links followed.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(&self, path: &Path) -> io::Result<DiskFile> {
        self.plan.step(Operation::Open, path)?;
        Ok(DiskFile { file: fs::File::open(path)?, plan: self.plan.clone() })
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// `FileTooLarge` when it has more than `bytes_max`; as `open(2)` and `read(2)`.
    pub fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let size = file.size()?;
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(bytes_max)).unwrap_or(0));
        self.plan.step(Operation::Read, path)?;
        // By the file itself, into memory nobody has touched: a reader of our own would be given
        // zeroed buffers, which costs as much as reading a segment.
        (&file.file).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
            let text = format!("it has more than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    }

    /// Makes one directory with mode 0700; its parent must exist.
    ///
    /// # Errors
    /// `AlreadyExists`; as `mkdir(2)`.
    pub fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.plan.step(Operation::MakeDirectory, path)?;
        self.plan
            .change(Change::New(path), || fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path))
    }

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As `open(2)` and `fsync(2)`.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.plan.step(Operation::SyncDirectory, path)?;
        self.plan.change(Change::SyncDirectory(path), || fs::File::open(path)?.sync_all())
    }

    /// Gives a finished file or directory its name, unless the name is taken. Durable after
    /// [`Disk::sync_directory`] of the new name's directory.
    ///
    /// # Errors
    /// As `renameat2(2)`, and `link(2)` where the file system has no rename that refuses.
    pub fn publish(&self, from: &Path, to: &Path) -> io::Result<Published> {
        self.plan.step(Operation::Rename, to)?;
        let rename = || match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_and_unlink(from, to),
            renamed => renamed.map_err(io::Error::from),
        };
        match self.plan.change(Change::Move(from, to), rename) {
            Ok(()) => Ok(Published::Done),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::Taken),
            Err(error) => Err(error),
        }
    }

    /// Renames; a file of the new name is replaced. Only for what may be replaced.
    ///
    /// # Errors
    /// As `rename(2)`.
    pub fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step(Operation::Rename, to)?;
        self.plan.change(Change::Move(from, to), || fs::rename(from, to))
    }

    /// Removes a file or a symbolic link.
    ///
    /// # Errors
    /// As `unlink(2)`.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plan.step(Operation::Remove, path)?;
        self.plan.change(Change::Remove(path), || fs::remove_file(path))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As `rmdir(2)`.
    pub fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.plan.step(Operation::Remove, path)?;
        self.plan.change(Change::Remove(path), || fs::remove_dir(path))
    }

    /// Every name in a directory, sorted. A name that cannot be read is an error, not absent.
    ///
    /// # Errors
    /// As `opendir(3)` and `readdir(3)`.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.plan.step(Operation::List, path)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = match kind {
                _ if kind.is_file() => EntryKind::File,
                _ if kind.is_dir() => EntryKind::Directory,
                _ if kind.is_symlink() => EntryKind::Link,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Looks at a path, symbolic links followed; `None` when nothing is there.
    ///
    /// # Errors
    /// As `stat(2)`, but for `ENOENT`.
    pub fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.plan.step(Operation::Stat, path)?;
        match super::file::stat(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// For file systems without `RENAME_NOREPLACE`, such as NFS.
fn link_and_unlink(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).and_then(|()| fs::remove_file(from))
}

/// An open file. Dropping it does not make it durable.
#[derive(Debug)]
pub struct DiskFile {
    file: fs::File,
    plan: Plan,
}

impl DiskFile {
    /// Makes the content durable.
    ///
    /// # Errors
    /// As `fsync(2)`. After a failure the content is lost: write the file anew.
    pub fn sync(&self) -> io::Result<()> {
        self.plan.step(Operation::Sync, Path::new(""))?;
        self.plan.change(Change::Sync(&self.file), || self.file.sync_all())
    }

    /// Bytes it has.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Seconds since 1970 of its last change.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn modified_seconds(&self) -> io::Result<i64> {
        Ok(self.file.metadata()?.mtime())
    }

    /// Cuts it, or makes it longer with zeros.
    ///
    /// # Errors
    /// As `ftruncate(2)`.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.plan.step(Operation::Write, Path::new(""))?;
        self.plan.change(Change::Resize(&self.file, bytes), || self.file.set_len(bytes))
    }

    /// Reads at a position, without moving; as many bytes as there are, up to the buffer's.
    ///
    /// # Errors
    /// As `pread(2)`.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.plan.step(Operation::Read, Path::new(""))?;
        file::read_at(&self.file, buffer, offset)
    }

    /// Locks it for this process until it is closed, if nobody else has.
    ///
    /// # Errors
    /// As `flock(2)`.
    pub fn try_lock(&self) -> io::Result<bool> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Read for DiskFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.plan.step(Operation::Read, Path::new(""))?;
        self.file.read(buffer)
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let allowed = self.plan.write_step(bytes.len())?;
        let mut file = &self.file;
        let change = Change::Write(file, None, allowed);
        self.plan.change(change, || file.write(&bytes[..allowed]))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for DiskFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::super::faults::{Fault, Spell};
    use super::*;

    #[test]
    fn a_taken_name_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert_eq!(Disk::real().publish(&from, &to).unwrap(), Published::Taken);
        let taken = link_and_unlink(&from, &to).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        fs::remove_file(&to).unwrap();
        link_and_unlink(&from, &to).unwrap();
        assert_eq!((from.exists(), fs::read_to_string(&to).unwrap()), (false, "new".to_owned()));
    }

    #[test]
    fn operation_n_fails_for_every_n() {
        let directory = tempfile::tempdir().unwrap();
        let write = |disk: &Disk, name: &str| -> io::Result<()> {
            let path = directory.path().join(name);
            let mut file = disk.create(&path)?;
            file.write_all(b"content")?;
            file.sync()?;
            disk.publish(&path, &path.with_extension("done"))?;
            disk.sync_directory(directory.path())
        };
        let mut failures = 0;
        for number in 1.. {
            let plan = Plan::new(number, Fault::Eio, Spell::Once);
            let outcome = write(&Disk::with_plan(plan.clone()), &number.to_string());
            assert_eq!(outcome.is_err(), plan.has_struck(), "operation {number}");
            if !plan.has_struck() {
                break;
            }
            failures += 1;
        }
        assert_eq!(failures, 5);
    }

    #[test]
    fn a_short_write_is_gone_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let plan = Plan::new(2, Fault::ShortWrite, Spell::Once);
        Disk::with_plan(plan.clone()).create(&path).unwrap().write_all(b"content").unwrap();
        assert!(plan.has_struck());
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "1234").unwrap();
        assert_eq!(Disk::real().read(&path, 4).unwrap(), b"1234");
        let error = Disk::real().read(&path, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
