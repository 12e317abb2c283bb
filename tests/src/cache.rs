//! The cache of server programs and cluster templates, and locks between test processes.
//!
//! Its place is that of `tests/majors.sh`; the two must agree.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use nix::unistd::Uid;

/// The cache directory.
pub(crate) fn directory() -> PathBuf {
    if let Some(set) = std::env::var_os("PGDECK_TEST_CACHE").filter(|value| !value.is_empty()) {
        return PathBuf::from(set);
    }
    if Uid::effective().is_root() {
        return PathBuf::from("/var/cache/pgdeck-tests");
    }
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    base.join("pgdeck-tests")
}

/// A lock that ends with this value or with the process, however that ends.
pub(crate) struct Lock {
    _file: File,
}

/// Waits for the lock of this name.
pub(crate) fn lock(name: &str) -> Lock {
    let file = lock_file(name);
    file.lock().unwrap_or_else(|error| panic!("cannot lock {name}: {error}"));
    Lock { _file: file }
}

/// Takes the lock of this name unless another process, or another value here, has it.
pub(crate) fn try_lock(name: &str) -> Option<Lock> {
    let file = lock_file(name);
    match file.try_lock() {
        Ok(()) => Some(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("cannot lock {name}: {error}"),
    }
}

fn lock_file(name: &str) -> File {
    let directory = directory().join("locks");
    std::fs::create_dir_all(&directory)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", directory.display()));
    let path = directory.join(name);
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()))
}
