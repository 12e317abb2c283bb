//! Going on in the background while the shell gets its prompt back.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getpgrp, kill_current_process_group};

use super::detach;

/// The shell has noticed within this that its job was stopped.
const SHELL_NOTICES: &str = "0.3";
/// A stop signal takes effect within this.
const STOP_SETTLES: Duration = Duration::from_millis(50);

/// Leaves the terminal for good and goes on as a background job.
///
/// A process with threads cannot fork itself away. Instead it does what a user does with Ctrl-Z
/// and `bg`: the group is stopped, the shell shows its prompt, and a helper in a group of its own
/// lets the group run on. Where no shell watches (a window of its own, `ssh host pgdeck`) the
/// kernel does not stop an orphaned group, and nothing is lost.
///
/// # Errors
/// When the terminal cannot be left; then the process stays where it is.
pub fn background() -> io::Result<()> {
    detach()?;
    let group = getpgrp().as_raw_nonzero();
    let helper = Command::new("/bin/sh")
        .args(["-c", &format!("sleep {SHELL_NOTICES}; kill -CONT -{group}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    // Without the helper nobody would wake us: stay in the foreground.
    let Ok(mut helper) = helper else { return Ok(()) };
    let _stopped = kill_current_process_group(Signal::TSTP);
    std::thread::sleep(STOP_SETTLES);
    helper.wait().map(|_| ())
}
