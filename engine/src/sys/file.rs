//! Reading files and directories, with limits.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What `stat` says that the engine asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Permission bits (07777).
    pub mode: u32,
    /// Device.
    pub device: u64,
    /// Bytes.
    pub size: u64,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether it is a plain file.
    pub is_regular: bool,
}

/// Looks at a path, symbolic links followed.
///
/// # Errors
/// As `stat(2)`.
pub fn stat(path: &Path) -> io::Result<Stat> {
    let data = fs::metadata(path)?;
    Ok(Stat {
        uid: data.uid(),
        gid: data.gid(),
        mode: data.mode() & 0o7777,
        device: data.dev(),
        size: data.len(),
        is_directory: data.is_dir(),
        is_regular: data.is_file(),
    })
}

/// Reads a file, at most `limit` bytes of it.
///
/// # Errors
/// As `open(2)` and `read(2)`.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text file, at most `limit` bytes of it; what is not UTF-8 is replaced.
///
/// # Errors
/// As [`read`].
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    read(path, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The last `limit` bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn read_end(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::{Seek, SeekFrom};
    let mut file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads at an offset until the buffer is full or the file ends; how many bytes there were.
///
/// # Errors
/// As `pread(2)`.
pub(super) fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(&mut buffer[done..], at) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The absolute path with every symbolic link followed.
///
/// # Errors
/// As `realpath(3)`.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Where a symbolic link points; relative targets are taken from the link's directory.
///
/// # Errors
/// `InvalidInput` when it is not a link.
pub fn link_target(path: &Path) -> io::Result<PathBuf> {
    let target = fs::read_link(path)?;
    match path.parent() {
        Some(parent) if target.is_relative() => Ok(parent.join(target)),
        _ => Ok(target),
    }
}

/// Names in a directory, sorted, at most `limit` of them.
///
/// # Errors
/// As `opendir(3)`.
pub fn list(path: &Path, limit: usize) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)?.take(limit) {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether anything is there (a dangling link is not).
#[must_use]
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Whether it is a file this user may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Makes a directory and its missing parents, the last ones with mode 0700.
///
/// # Errors
/// As `mkdir(2)`.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file with mode 0600, whole or not at all: to a temporary name, synced, renamed.
///
/// # Errors
/// As `open(2)`, `write(2)`, `fsync(2)` and `rename(2)`.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Puts new content in place of a file, whole or not at all, with its mode.
///
/// Acts as whoever calls: give the calling thread the credentials of the file's owner.
///
/// # Errors
/// As `open(2)`, `write(2)`, `fsync(2)` and `rename(2)`; the file is as it was.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = fs::canonicalize(path)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o7777;
    let mut name = path.as_os_str().to_owned();
    name.push(".pgdeck-new");
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
        return written;
    }
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a directory with everything in it; symbolic links are removed, not followed.
///
/// # Errors
/// As `unlink(2)` and `rmdir(2)`.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Bytes and files below a directory on its own device, symbolic links not followed.
///
/// Stops after `entries_max` entries, so that a directory of millions costs a bounded time;
/// then the figure is a lower bound and the flag says so.
#[must_use]
pub fn tree_size(root: &Path, entries_max: usize) -> (u64, bool) {
    let Ok(device) = fs::metadata(root).map(|data| data.dev()) else { return (0, false) };
    let mut pending = vec![root.to_path_buf()];
    let mut bytes = 0_u64;
    let mut seen = 0_usize;
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > entries_max {
                return (bytes, true);
            }
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() && data.dev() == device {
                pending.push(entry.path());
            } else if data.is_file() {
                bytes = bytes.saturating_add(data.blocks().saturating_mul(512));
            }
        }
    }
    (bytes, false)
}
