//! Going on without a terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use super::screen;

/// Keeps the write end of the empty standard input: a pipe without one is always readable.
static SILENCE: OnceLock<OwnedFd> = OnceLock::new();

/// Leaves the terminal for good, as after SIGHUP: gives the screen back (the terminal may still
/// be there, when the signal came from `kill`), then puts a pipe that never says anything in
/// place of standard input and `/dev/null` in place of standard output and error.
///
/// Whatever still reads, writes or polls the old descriptors comes to rest: a read on a dead
/// terminal returns at once, for ever, and a message to a dead standard error is a panic.
///
/// # Errors
///
/// When no descriptor can be had; the ones that could be replaced are.
pub fn detach() -> io::Result<()> {
    screen::give_back();
    let nowhere = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    let (reader, writer) = io::pipe()?;
    rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    rustix::stdio::dup2_stdin(&reader)?;
    // A second detach finds the pipe in place; its own writer may go.
    SILENCE.set(writer.into()).ok();
    Ok(())
}
