//! Keeps the making of a pseudo-terminal apart from forks in other threads.
//!
//! `openpty` gives descriptors that a child inherits until they are marked, a moment later.
//! A server started in that moment by another thread would hold the terminal open for good,
//! and no test would see it hang up. `cargo test` runs tests as threads of one process.

use std::io;
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock};

static FORKS: RwLock<()> = RwLock::new(());

/// Starts a child while no pseudo-terminal is being made.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let _shared = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Does something while no child is being started.
pub(crate) fn hold_back<T>(work: impl FnOnce() -> T) -> T {
    let _exclusive = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    work()
}
