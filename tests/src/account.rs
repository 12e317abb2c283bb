//! Who runs the servers. PostgreSQL refuses root: then it is the user `postgres`.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::{Gid, Uid, User};

use crate::forks;

/// The user that owns data directories when the tests run as root.
const SERVER_USER: &str = "postgres";

/// The account to switch to; `None` when the tests run as an ordinary user.
pub(crate) fn other() -> Option<(Uid, Gid)> {
    static ACCOUNT: OnceLock<Option<(Uid, Gid)>> = OnceLock::new();
    *ACCOUNT.get_or_init(|| {
        if !Uid::effective().is_root() {
            return None;
        }
        let user = User::from_name(SERVER_USER)
            .expect("the user database can be read")
            .unwrap_or_else(|| {
                panic!(
                    "the tests run as root and there is no user {SERVER_USER}: run tests/majors.sh"
                )
            });
        Some((user.uid, user.gid))
    })
}

/// A command that runs as the servers' user, in the C locale, with nothing else inherited.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", crate::hermetic::PATH)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("HOME", "/")
        // The tests' own directory may be closed to the servers' user.
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some((uid, gid)) = other() {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// Gives a file or directory to the servers' user.
pub(crate) fn give(path: &Path) {
    if let Some((uid, gid)) = other() {
        std::os::unix::fs::lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))
            .unwrap_or_else(|error| panic!("cannot give {} away: {error}", path.display()));
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// The command line and all it printed, when it cannot be run or does not end with 0.
pub(crate) fn output_of(mut command: Command) -> Result<String, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = forks::spawn(&mut command)
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("{command:?}: {error}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{:?} ended with {}:\n{text}", command.get_program(), output.status))
    }
}
