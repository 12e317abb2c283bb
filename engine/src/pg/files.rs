//! What the parsers of this module ask of a file system. Owns the questions, not the
//! answers: `sys` implements the trait, and this module never opens a file itself.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// A file system to read from.
pub trait ReadFiles {
    /// The whole content of a file, symbolic links followed.
    ///
    /// # Errors
    /// Whatever the operating system says; [`io::ErrorKind::NotFound`] must stay itself,
    /// because a missing file is often no error.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Kind, owner and mode of a file, symbolic links followed.
    ///
    /// # Errors
    /// As for [`ReadFiles::read`].
    fn facts(&self, path: &Path) -> io::Result<FileFacts>;

    /// The names in a directory, in any order, without `.` and `..`.
    ///
    /// # Errors
    /// As for [`ReadFiles::read`].
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

/// What kind of thing a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A plain file.
    Regular,
    /// A directory.
    Directory,
    /// A socket, a device, a pipe.
    Other,
}

/// Kind, owner and mode of a file, as `stat` tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub kind: FileKind,
    /// The owner's user id.
    pub owner: u32,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
}

#[cfg(test)]
pub(crate) mod fake {
    //! Files in a map, for the parsers' tests.

    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    /// A file system held in memory.
    #[derive(Default)]
    pub(crate) struct FakeFiles(pub(crate) BTreeMap<PathBuf, (Vec<u8>, FileFacts)>);

    impl FakeFiles {
        /// Adds a plain file of the user 1000 with mode 0600.
        pub(crate) fn with(self, path: &str, content: impl AsRef<[u8]>) -> Self {
            self.with_mode(path, content, 0o600)
        }

        /// Adds a plain file with a mode.
        pub(crate) fn with_mode(
            mut self,
            path: &str,
            content: impl AsRef<[u8]>,
            mode: u32,
        ) -> Self {
            let facts = FileFacts { kind: FileKind::Regular, owner: 1000, mode };
            self.0.insert(path.into(), (content.as_ref().to_vec(), facts));
            self
        }
    }

    impl ReadFiles for FakeFiles {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            let found = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(found.0.clone())
        }

        fn facts(&self, path: &Path) -> io::Result<FileFacts> {
            if let Some((_, facts)) = self.0.get(path) {
                return Ok(*facts);
            }
            if self.0.keys().any(|key| key.starts_with(path)) {
                return Ok(FileFacts { kind: FileKind::Directory, owner: 1000, mode: 0o700 });
            }
            Err(io::ErrorKind::NotFound.into())
        }

        fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
            let mut names: Vec<OsString> = self
                .0
                .keys()
                .filter_map(|key| key.strip_prefix(directory).ok())
                .filter_map(|rest| rest.components().next())
                .map(|first| first.as_os_str().to_owned())
                .collect();
            names.dedup();
            names.reverse();
            if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
        }
    }
}
