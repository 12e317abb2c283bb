//! What putting a cluster in place takes besides making files: writing at a position, links,
//! modes, moving directories, making a whole file system durable.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile};
use crate::sys::faults::{Change, Operation};

impl Disk {
    /// Makes a new file with this mode, whatever the umask, for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; as `open(2)` and `fchmod(2)`.
    pub fn create_with_mode(&self, path: &Path, mode: u32) -> io::Result<DiskFile> {
        self.plan.step(Operation::Create, path)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        let file = self.plan.change(Change::New(path), || options.open(path))?;
        let own = file.metadata()?.permissions().mode() & 0o7777;
        if own != mode {
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        Ok(DiskFile { file, plan: self.plan.clone() })
    }

    /// Renames a file or a directory; the new name must be free. Durable after
    /// [`Disk::sync_directory`] of both directories.
    ///
    /// # Errors
    /// `AlreadyExists`; as `rename(2)`.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step(Operation::Rename, to)?;
        // A directory cannot be linked, so where the kernel has no rename that refuses, the look
        // before must do: nobody else writes there.
        if fs::symlink_metadata(to).is_ok() {
            let text = format!("{} exists", to.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        self.plan.change(Change::Move(from, to), || fs::rename(from, to))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// `AlreadyExists`; as `symlink(2)`.
    pub fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.plan.step(Operation::Create, link)?;
        self.plan.change(Change::New(link), || std::os::unix::fs::symlink(target, link))
    }

    /// Where a symbolic link points, as it stands in the link; `None` when it is no link, or
    /// nothing is there.
    ///
    /// # Errors
    /// As `readlink(2)`.
    pub fn link_target(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.plan.step(Operation::Stat, path)?;
        match fs::read_link(path) {
            Ok(target) => Ok(Some(target)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the mode; symbolic links are followed.
    ///
    /// # Errors
    /// As `chmod(2)`.
    pub fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.plan.step(Operation::Mode, path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    /// Gives a file or directory to a user and group; a symbolic link is not followed. Root only.
    ///
    /// # Errors
    /// As `lchown(2)`.
    pub fn give(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        self.plan.step(Operation::Mode, path)?;
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
    }

    /// Makes everything on the file system of a directory durable.
    ///
    /// # Errors
    /// As `open(2)` and `syncfs(2)`.
    pub fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        self.plan.step(Operation::SyncFileSystem, directory)?;
        self.plan.change(Change::SyncFileSystem(directory), || {
            Ok(rustix::fs::syncfs(fs::File::open(directory)?)?)
        })
    }

    /// Removes a directory with everything in it, one operation a name; symbolic links are
    /// removed, not followed. Nothing there is no error.
    ///
    /// # Errors
    /// As `opendir(3)`, `unlink(2)` and `rmdir(2)`.
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let is_directory = match fs::symlink_metadata(path) {
            Ok(data) => data.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !is_directory {
            return self.remove_file(path);
        }
        self.plan.step(Operation::List, path)?;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.remove_tree(&entry.path())?;
            } else {
                self.remove_file(&entry.path())?;
            }
        }
        self.remove_directory(path)
    }
}

impl DiskFile {
    /// Writes everything at a position, without moving.
    ///
    /// # Errors
    /// As `pwrite(2)`.
    pub fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let allowed = self.plan.write_step(bytes.len())?;
            let change = Change::Write(&self.file, Some(offset), allowed);
            match self.plan.change(change, || self.file.write_at(&bytes[..allowed], offset)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset = offset.saturating_add(u64::try_from(count).unwrap_or(0));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The permission bits.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn mode(&self) -> io::Result<u32> {
        Ok(self.file.metadata()?.permissions().mode() & 0o7777)
    }

    /// Sets the mode.
    ///
    /// # Errors
    /// As `fchmod(2)`.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.plan.step(Operation::Mode, Path::new(""))?;
        self.file.set_permissions(fs::Permissions::from_mode(mode))
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::super::super::faults::{Fault, Plan, Spell};
    use super::*;

    #[test]
    fn a_rename_never_replaces() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let error = Disk::real().rename(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        fs::remove_dir(&to).unwrap();
        Disk::real().rename(&from, &to).unwrap();
        assert!(to.exists() && !from.exists());
    }

    #[test]
    fn a_short_write_at_a_position_is_gone_on_with() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        let plan = Plan::new(2, Fault::ShortWrite, Spell::Once);
        let file = Disk::with_plan(plan.clone()).create_with_mode(&path, 0o640).unwrap();
        file.write_at(b"content", 3).unwrap();
        assert!(plan.has_struck());
        assert_eq!(fs::read(&path).unwrap(), b"\0\0\0content");
        assert_eq!(file.mode().unwrap(), 0o640);
    }

    #[test]
    fn a_tree_is_removed_and_its_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (tree, beside) = (root.path().join("tree"), root.path().join("beside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("stays"), "x").unwrap();
        fs::write(tree.join("a/file"), "x").unwrap();
        Disk::real().symlink(&beside, &tree.join("link")).unwrap();
        assert_eq!(Disk::real().link_target(&tree.join("link")).unwrap(), Some(beside.clone()));
        assert_eq!(Disk::real().link_target(&tree.join("a")).unwrap(), None);
        Disk::real().remove_tree(&tree).unwrap();
        Disk::real().remove_tree(&tree).unwrap();
        assert!(!tree.exists() && beside.join("stays").exists());
    }
}
