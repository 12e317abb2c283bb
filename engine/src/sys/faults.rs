//! Failures on demand: the N-th operation of a [`super::disk::Disk`] fails.
//!
//! Only in debug builds and with the feature `faults`; in a release a plan is empty, has no
//! size and reads no variable. `PGDECK_FAULT=N:KIND[:on]` gives a program a plan: `KIND` is
//! `eio`, `enospc`, `short`, `kill` (SIGKILL to itself before the operation); with `on` the
//! operations after it fail, too.

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
    /// The process is killed before the operation.
    Kill,
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

#[cfg(any(debug_assertions, feature = "faults"))]
mod armed {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Fault, Operation, Path, Spell, io};

    /// Which operation is to fail, counted over all clones.
    #[derive(Clone, Debug, Default)]
    pub struct Plan {
        armed: Option<Arc<Armed>>,
    }

    #[derive(Debug)]
    struct Armed {
        number: u64,
        fault: Fault,
        spell: Spell,
        done: AtomicU64,
    }

    impl Plan {
        /// Operation `number`, from 1, fails.
        #[must_use]
        pub fn new(number: u64, fault: Fault, spell: Spell) -> Self {
            let armed = Armed { number, fault, spell, done: AtomicU64::new(0) };
            Self { armed: Some(Arc::new(armed)) }
        }

        /// What `PGDECK_FAULT` asks for.
        #[must_use]
        pub fn from_environment() -> Self {
            std::env::var("PGDECK_FAULT")
                .ok()
                .and_then(|text| Self::parse(&text))
                .unwrap_or_default()
        }

        fn parse(text: &str) -> Option<Self> {
            let mut parts = text.split(':');
            let number = parts.next()?.parse().ok()?;
            let fault = match parts.next()? {
                "eio" => Fault::Eio,
                "enospc" => Fault::Enospc,
                "short" => Fault::ShortWrite,
                "kill" => Fault::Kill,
                _ => return None,
            };
            let spell = if parts.next() == Some("on") { Spell::FromThenOn } else { Spell::Once };
            Some(Self::new(number, fault, spell))
        }

        /// Whether the operation was reached.
        #[must_use]
        pub fn has_struck(&self) -> bool {
            self.armed
                .as_ref()
                .is_some_and(|armed| armed.done.load(Ordering::Acquire) >= armed.number)
        }

        /// Operations so far.
        #[must_use]
        pub fn operations(&self) -> u64 {
            self.armed.as_ref().map_or(0, |armed| armed.done.load(Ordering::Acquire))
        }

        /// Called before each operation.
        ///
        /// # Errors
        /// The planned one.
        pub fn step(&self, _operation: Operation, _path: &Path) -> io::Result<()> {
            match self.due() {
                Some(fault) => strike(fault),
                None => Ok(()),
            }
        }

        /// Called before a write: how many of the bytes it may take.
        ///
        /// # Errors
        /// The planned one.
        pub fn write_step(&self, bytes: usize) -> io::Result<usize> {
            match self.due() {
                Some(Fault::ShortWrite) => Ok(bytes.div_ceil(2)),
                Some(fault) => strike(fault).map(|()| bytes),
                None => Ok(bytes),
            }
        }

        fn due(&self) -> Option<Fault> {
            let armed = self.armed.as_ref()?;
            let number = armed.done.fetch_add(1, Ordering::AcqRel) + 1;
            let is_due = match armed.spell {
                Spell::Once => number == armed.number,
                Spell::FromThenOn => number >= armed.number,
            };
            is_due.then_some(armed.fault)
        }
    }

    fn strike(fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Eio => Err(rustix::io::Errno::IO.into()),
            Fault::Enospc => Err(rustix::io::Errno::NOSPC.into()),
            Fault::ShortWrite => Ok(()),
            Fault::Kill => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
                // The signal is on its way; nothing more may be done.
                loop {
                    std::thread::park();
                }
            }
        }
    }
}

#[cfg(not(any(debug_assertions, feature = "faults")))]
mod unarmed {
    use super::{Operation, Path, io};

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
