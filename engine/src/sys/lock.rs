//! Lock files: one exclusive operation on an instance at a time, whichever process runs it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// A held lock. Dropping it, or the end of the process, releases it.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

/// What an attempt to lock gave.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Held(LockFile),
    /// Somebody else holds it; what they wrote into it.
    Taken(String),
}

impl LockFile {
    /// Takes the lock if nobody has it. `note` says for others who holds it and why.
    ///
    /// # Errors
    /// As `open(2)` and `flock(2)`; a symbolic link is refused.
    pub fn try_take(path: &Path, note: &str) -> io::Result<Attempt> {
        if let Some(directory) = path.parent() {
            super::file::make_private_directory(directory)?;
        }
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(note.as_bytes())?;
                Ok(Attempt::Held(Self { _file: file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut note = String::new();
                file.take(1024).read_to_string(&mut note)?;
                Ok(Attempt::Taken(note))
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_who_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/operation.lock");
        let Attempt::Held(first) = LockFile::try_take(&path, "stop by pid 7").unwrap() else {
            panic!("nobody held it");
        };
        match LockFile::try_take(&path, "start by pid 8").unwrap() {
            Attempt::Taken(note) => assert_eq!(note, "stop by pid 7"),
            Attempt::Held(_) => panic!("two holders"),
        }
        drop(first);
        assert!(matches!(LockFile::try_take(&path, "start").unwrap(), Attempt::Held(_)));
    }
}
