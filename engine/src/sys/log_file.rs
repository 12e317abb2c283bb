//! The door for reading logs: open, identify, read a range, list a directory.
//!
//! Everything here is read-only and bounded by the caller. It never follows a name to
//! something that could block (a pipe, a terminal): only regular files are opened. A read may
//! still wait for a slow or lost disk, so callers use a thread that may wait.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::{Uid, User};

/// Which file a name or an open handle stands for.
///
/// Two values are equal exactly while the file is the same one: a name that was renamed away
/// and made anew has another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// What the operating system says of a file now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Which file it is.
    pub identity: FileIdentity,
    /// Its length in bytes.
    pub size: u64,
}

impl FileStat {
    fn of(metadata: &Metadata) -> Self {
        Self {
            identity: FileIdentity { device: metadata.dev(), inode: metadata.ino() },
            size: metadata.len(),
        }
    }
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name without the directory; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// When it was last written.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub size: u64,
}

/// Who may use a file or directory: what to say when it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The file, or the directory on the way to it that refuses.
    pub path: PathBuf,
    /// Name of the owner, or the number of one without a name.
    pub owner: String,
    /// The permission bits, as in `chmod`.
    pub mode: u32,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// A regular file open for reading.
#[derive(Debug)]
pub struct LogFile {
    file: File,
}

impl LogFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// Those of the operating system; [`io::ErrorKind::InvalidInput`] when the name stands for
    /// something other than a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file: File::open(path)? })
    }

    /// What the open file is, and its length now.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn stat(&self) -> io::Result<FileStat> {
        Ok(FileStat::of(&self.file.metadata()?))
    }

    /// Up to `length_max` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn read_at(&self, offset: u64, length_max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length_max];
        let mut filled = 0;
        while filled < length_max {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(&mut bytes[filled..], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// What a name stands for now, links followed.
///
/// # Errors
/// Those of the operating system.
pub fn stat(path: &Path) -> io::Result<FileStat> {
    Ok(FileStat::of(&fs::metadata(path)?))
}

/// The regular files of a directory, at most `entries_max` of them, in no order.
///
/// # Errors
/// Those of the operating system for the directory; an entry that vanishes or cannot be looked
/// at is left out.
pub fn list(directory: &Path, entries_max: usize) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(directory)?.take(entries_max) {
        let entry = entry?;
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        let Ok(modified) = metadata.modified() else { continue };
        if metadata.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            listed.push(Listed { name, modified, size: metadata.len() });
        }
    }
    Ok(listed)
}

/// A small regular file, cut at `bytes_max`.
///
/// # Errors
/// Those of [`LogFile::open`] and of reading.
pub fn read_small(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    LogFile::open(path)?.file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a symbolic link, such as `/proc/PID/fd/2`.
///
/// # Errors
/// Those of the operating system.
pub fn link_target(path: &Path) -> io::Result<PathBuf> {
    fs::read_link(path)
}

/// Owner and mode of a path, or, when it may not even be looked at, of the directory on the
/// way to it that refuses. `None` when nothing on the way can be looked at.
#[must_use]
pub fn access(path: &Path) -> Option<Access> {
    path.ancestors().find_map(|path| {
        let metadata = fs::metadata(path).ok()?;
        let uid = metadata.uid();
        let owner = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .map_or_else(|| uid.to_string(), |user| user.name);
        Some(Access {
            path: path.to_owned(),
            owner,
            mode: metadata.mode() & 0o7777,
            is_directory: metadata.is_dir(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_and_tells_files_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, "0123456789").unwrap();
        let file = LogFile::open(&path).unwrap();
        assert_eq!(file.read_at(2, 3).unwrap(), b"234");
        assert_eq!(file.read_at(8, 10).unwrap(), b"89");
        assert_eq!(file.read_at(20, 10).unwrap(), b"");
        assert_eq!(file.stat().unwrap(), stat(&path).unwrap());

        fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        fs::write(&path, "new").unwrap();
        assert_ne!(file.stat().unwrap().identity, stat(&path).unwrap().identity);
        assert_eq!(file.read_at(0, 2).unwrap(), b"01");
        assert_eq!(read_small(&path, 2).unwrap(), b"ne");
        let mut names: Vec<_> =
            list(directory.path(), 10).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        assert_eq!(names, ["a.log", "a.log.1"]);
    }

    #[test]
    fn refuses_what_could_block() {
        assert_eq!(
            LogFile::open(Path::new("/dev/zero")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            LogFile::open(Path::new("/proc")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn names_owner_and_mode() {
        let seen = access(Path::new("/proc/1/no such entry")).unwrap();
        assert_eq!(seen.path, Path::new("/proc/1"));
        assert_eq!(seen.owner, "root");
        assert!(seen.is_directory);
    }
}
