//! A companion: a process that goes on beside the server after the command that started it has
//! ended, and no longer than the server process the command was run for.
//!
//! PostgreSQL's startup process leads a process group (`InitPostmasterChild()` in `miscinit.c`)
//! and passes signals on to it. A companion stays in the group: a shutdown ends it, too, and
//! the group's leader tells whether there is still somebody to work for. While a group has a
//! member, its number is given to no other process.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getpgrp, getpid, setrlimit};

use super::process;

/// Starts a program in this process's group, without standard input and output and without any
/// file this process has open: a server's log and its tables must not stay open with it.
///
/// # Errors
/// When it cannot be started.
pub fn start(path: &Path, args: &[OsString]) -> io::Result<()> {
    close_fds::set_fds_cloexec(3, &[]);
    let mut command = Command::new(path);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

/// Whom a companion works for.
#[derive(Clone, Copy, Debug)]
pub struct Leader {
    /// `None` when the companion leads its group itself.
    pid: Option<i32>,
}

impl Leader {
    /// The leader of this process's group. From now on a quit signal leaves no core file: the
    /// server sends it at an immediate shutdown, and the directory here is its data.
    #[must_use]
    pub fn of_this_process() -> Self {
        // Where it cannot be set, the system's own limit stands.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        let leader = getpgrp();
        Self { pid: (leader != getpid()).then(|| leader.as_raw_nonzero().get()) }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.pid.is_some_and(|pid| process::info(pid).is_none_or(|found| found.is_zombie()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_of_this_group_is_there() {
        assert!(!Leader::of_this_process().is_gone());
    }

    #[test]
    fn a_leader_that_was_collected_is_gone() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let leader = Leader { pid: i32::try_from(child.id()).ok() };
        child.wait().unwrap();
        assert!(leader.is_gone());
    }
}
