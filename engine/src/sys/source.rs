//! Reading a data directory that is being written to: names, what `stat` says, and bytes at a
//! position. Nothing here changes anything.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::disk::EntryKind;
use super::file;

/// What identifies the content of a file as long as nobody writes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 of the last change of content.
    pub modified_ns: i64,
    /// Nanoseconds since 1970 of the last change of content, name or mode.
    pub changed_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Permission bits (07777).
    pub mode: u32,
}

impl FileStamp {
    fn of(data: &fs::Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: data.len(),
            modified_ns: nanoseconds(data.mtime(), data.mtime_nsec()),
            changed_ns: nanoseconds(data.ctime(), data.ctime_nsec()),
            inode: data.ino(),
            mode: data.mode() & 0o7777,
        }
    }
}

/// One name in a directory.
#[derive(Clone, Debug)]
pub struct Found {
    /// The name; `None` when it is not UTF-8, then [`Found::shown`] has it for people.
    pub name: Option<String>,
    /// The name with what is not UTF-8 replaced.
    pub shown: String,
    /// What it is; links are not followed.
    pub kind: EntryKind,
    /// What `lstat` says.
    pub stamp: FileStamp,
}

/// Everything in a directory. What vanishes meanwhile is left out.
///
/// # Errors
/// As `opendir(3)`, `readdir(3)` and `lstat(2)`, but for names that are gone.
pub fn list(path: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let data = match entry.metadata() {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let kind = match data.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Directory,
            kind if kind.is_symlink() => EntryKind::Link,
            _ => EntryKind::Other,
        };
        let name = entry.file_name();
        all.push(Found {
            name: std::str::from_utf8(name.as_bytes()).ok().map(str::to_owned),
            shown: name.to_string_lossy().into_owned(),
            kind,
            stamp: FileStamp::of(&data),
        });
    }
    Ok(all)
}

/// Where a symbolic link points, as it stands in the link.
///
/// # Errors
/// As `readlink(2)`.
pub fn link(path: &Path) -> io::Result<PathBuf> {
    fs::read_link(path)
}

/// A file open for reading.
#[derive(Debug)]
pub struct SourceFile {
    file: fs::File,
}

impl SourceFile {
    /// Opens a plain file; a symbolic link is refused. `None` when it is gone.
    ///
    /// # Errors
    /// As `open(2)`, but for `ENOENT`.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        match fs::OpenOptions::new().read(true).custom_flags(nofollow).open(path) {
            Ok(file) => {
                // The kernel reads ahead further; a refusal changes nothing.
                let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
                Ok(Some(Self { file }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What `fstat` says now.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn stamp(&self) -> io::Result<FileStamp> {
        Ok(FileStamp::of(&self.file.metadata()?))
    }

    /// Reads at a position until the buffer is full or the file ends; the bytes read.
    ///
    /// # Errors
    /// As `pread(2)`.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file::read_at(&self.file, buffer, offset)
    }
}
