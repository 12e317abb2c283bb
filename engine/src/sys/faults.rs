//! Failures on demand: the N-th operation of a [`super::disk::Disk`] fails.
//!
//! Only in debug builds and with the feature `faults`; in a release a plan is empty, has no
//! size and reads no variable. `PGDECK_FAULT=N:KIND[:on]` gives a program a plan: `KIND` is
//! `eio`, `enospc`, `short`, `sync` (the first `fsync` from that operation on), `kill` (SIGKILL
//! to itself before the operation); with `on` the operations after it fail, too.
//!
//! `PGDECK_FAULT=N:power[:SEED]` is a power cut before the N-th operation that makes something
//! durable: everything that is not durable is undone, or with a seed a part of it, then the
//! process kills itself. `power` has the model.

#[cfg(any(debug_assertions, feature = "faults"))]
mod armed;
#[cfg(any(debug_assertions, feature = "faults"))]
mod power;

use std::fs::File;
use std::io;
use std::path::Path;

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new file.
    Create,
    /// Opening a file that exists.
    Open,
    /// Reading.
    Read,
    /// Writing, or changing the size.
    Write,
    /// `fsync` of a file.
    Sync,
    /// `fsync` of a directory.
    SyncDirectory,
    /// `syncfs`.
    SyncFileSystem,
    /// Changing the mode.
    Mode,
    /// Giving a name.
    Rename,
    /// Removing a name.
    Remove,
    /// A new directory.
    MakeDirectory,
    /// Listing a directory.
    List,
    /// Looking at a path.
    Stat,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`.
    Eio,
    /// `ENOSPC`.
    Enospc,
    /// A write takes half of the bytes; other operations succeed.
    ShortWrite,
    /// `EIO` of the first `fsync` from then on; other operations succeed.
    Sync,
    /// The process is killed before the operation.
    Kill,
    /// What is not durable is lost, then the process is killed; with [`Spell::FromThenOn`] it
    /// lives, but no change is made any more. Only operations that make something durable are
    /// counted: between two of them only what can be lost grows.
    Power(Loss),
}

/// What a power cut takes of what is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    Everything,
    /// What follows from this seed: file systems may have kept any part.
    Part(u64),
}

/// A change that a power cut may take back, or the end of that.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A new file, directory or link.
    New(&'a Path),
    /// A name is removed.
    Remove(&'a Path),
    /// A name becomes another one; what had that is replaced.
    Move(&'a Path, &'a Path),
    /// So many bytes are written at an offset, or where the file stands.
    Write(&'a File, Option<u64>, usize),
    /// A file gets another size.
    Resize(&'a File, u64),
    /// A file's content becomes durable.
    Sync(&'a File),
    /// The names in a directory become durable.
    SyncDirectory(&'a Path),
    /// Everything on the file system of a directory becomes durable.
    SyncFileSystem(&'a Path),
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spell {
    /// Only that operation.
    Once,
    /// That operation and all after it.
    FromThenOn,
}

#[cfg(any(debug_assertions, feature = "faults"))]
pub use armed::Plan;
#[cfg(not(any(debug_assertions, feature = "faults")))]
pub use unarmed::Plan;

#[cfg(not(any(debug_assertions, feature = "faults")))]
mod unarmed {
    use super::{Change, Operation, Path, io};

    /// Nothing fails on demand in this build.
    #[derive(Clone, Debug, Default)]
    pub struct Plan;

    impl Plan {
        /// No plan.
        #[must_use]
        pub fn from_environment() -> Self {
            Self
        }

        /// Does nothing.
        ///
        /// # Errors
        /// Never.
        #[inline]
        pub fn step(&self, _operation: Operation, _path: &Path) -> io::Result<()> {
            Ok(())
        }

        /// Makes the change.
        ///
        /// # Errors
        /// Those of the change.
        #[inline]
        pub fn change<T>(
            &self,
            _change: Change<'_>,
            perform: impl FnOnce() -> io::Result<T>,
        ) -> io::Result<T> {
            perform()
        }

        /// All of them.
        ///
        /// # Errors
        /// Never.
        #[inline]
        pub fn write_step(&self, bytes: usize) -> io::Result<usize> {
            Ok(bytes)
        }
    }
}
