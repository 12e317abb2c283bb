//! Processes: their state, signals to them, and child programs.
//!
//! A child gets null standard input and a session of its own, so that it can never ask the
//! terminal for a password.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use process_wrap::std::{CommandWrap, ProcessSession};
use rustix::process::Pid;
pub use rustix::process::Signal;

use super::credentials::Credentials;
use super::file;

const OUTPUT_BYTES_MAX: u64 = 256 << 10;

/// State letter of a process (`proc(5)`, `/proc/PID/stat` field 3) and what identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// `R`, `S`, `D`, `T`, `Z`, …
    pub state: char,
    /// Parent.
    pub parent: i32,
    /// Start time in clock ticks since boot: with the pid it names one process for good.
    pub start_ticks: u64,
}

impl ProcessInfo {
    /// Ended and not collected by its parent.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Stopped by a signal or a debugger.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

/// Looks at a process; `None` when there is none.
#[must_use]
pub fn info(pid: i32) -> Option<ProcessInfo> {
    let text = file::read_text(&PathBuf::from(format!("/proc/{pid}/stat")), 4096).ok()?;
    parse_stat(&text)
}

fn parse_stat(text: &str) -> Option<ProcessInfo> {
    // The command name may contain anything, even parentheses: look for the last one.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(ProcessInfo { state, parent, start_ticks })
}

/// The working directory of a process: a postmaster's is its data directory.
///
/// # Errors
/// As `readlink(2)`; `PermissionDenied` for another user's process.
pub fn working_directory(pid: i32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd"))
}

/// Where a process's standard error goes.
///
/// # Errors
/// As [`working_directory`].
pub fn standard_error(pid: i32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/fd/2"))
}

/// The command line; for a server process its title. `None` when it is gone.
#[must_use]
pub fn command_line(pid: i32) -> Option<String> {
    let bytes = file::read(&PathBuf::from(format!("/proc/{pid}/cmdline")), 64 << 10).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches('\0').replace('\0', " "))
}

/// The program's name as the kernel keeps it (`/proc/PID/comm`), even of a zombie.
#[must_use]
pub fn name(pid: i32) -> Option<String> {
    let text = file::read_text(&PathBuf::from(format!("/proc/{pid}/comm")), 64).ok()?;
    Some(text.trim_end().to_owned())
}

/// Processes whose parent is `pid`.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|child| info(*child).is_some_and(|found| found.parent == pid))
        .collect()
}

/// Sends a signal.
///
/// # Errors
/// As `kill(2)`: `NotFound` (ESRCH) when there is no such process.
pub fn send_signal(pid: i32, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    rustix::process::kill_process(pid, signal).map_err(|errno| match errno {
        rustix::io::Errno::SRCH => io::ErrorKind::NotFound.into(),
        other => other.into(),
    })
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Variables set on top of a clean `PATH`, `LANG`-free environment.
    pub env: Vec<(String, String)>,
    /// Whom to run it as.
    pub credentials: Credentials,
    /// Killed after this.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output and error, in the order they came, at most 256 KiB.
    pub output: String,
}

impl Program {
    /// Runs it and waits, on the calling thread.
    ///
    /// # Errors
    /// When it cannot be started, or with `TimedOut` when it was killed at its limit.
    pub fn run(&self) -> io::Result<Ended> {
        self.credentials.run(|| self.run_here())?
    }

    fn run_here(&self) -> io::Result<Ended> {
        let (mut reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("HOME", self.credentials.home())
            .env("USER", self.credentials.name())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut wrapped = CommandWrap::from(command);
        wrapped.wrap(ProcessSession);
        let mut child = wrapped.spawn()?;
        // The pipe's write ends live in the command; without this the reader never sees the end.
        drop(wrapped);
        let collector =
            std::thread::Builder::new().name("child-output".into()).spawn(move || {
                let mut bytes = Vec::new();
                let _ = reader.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
                bytes
            })?;
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = child.try_wait()? {
                let output = collect(collector);
                return Ok(Ended { code: status.code(), output });
            }
            if Instant::now() >= deadline {
                let _ = child.kill();
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A daemon may keep the pipe open after its parent has ended: wait for the rest only briefly.
fn collect(collector: std::thread::JoinHandle<Vec<u8>>) -> String {
    let deadline = Instant::now() + Duration::from_millis(500);
    while !collector.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    if !collector.is_finished() {
        return String::new();
    }
    let bytes = collector.join().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Starts a program that goes on after this one has ended: in a session of its own, without
/// standard input and output, as the user of this process. Its pid.
///
/// # Errors
/// When it cannot be started.
pub fn spawn_daemon(path: &Path, args: &[OsString]) -> io::Result<i32> {
    let mut command = Command::new(path);
    command
        .args(args)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut wrapped = CommandWrap::from(command);
    wrapped.wrap(ProcessSession);
    let child = wrapped.spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}

/// The first line of `program --version`, for telling which major version it is.
///
/// # Errors
/// As [`Program::run`].
pub fn version_line(path: &Path) -> io::Result<String> {
    let program = Program {
        path: path.to_path_buf(),
        args: vec!["--version".into()],
        env: Vec::new(),
        credentials: Credentials::current(),
        limit: Duration::from_secs(5),
    };
    Ok(program.run()?.output.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> io::Result<Ended> {
        Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("MARK".into(), "seen".into())],
            credentials: Credentials::current(),
            limit,
        }
        .run()
    }

    #[test]
    fn reads_stat_with_any_command_name() {
        let mut fields = vec!["Z", "7"];
        fields.extend(["0"; 17]);
        fields.push("4242");
        let text = format!("12 (a) b (c) {} 0 0", fields.join(" "));
        let info = parse_stat(&text).unwrap();
        assert_eq!(info, ProcessInfo { state: 'Z', parent: 7, start_ticks: 4242 });
        assert!(info.is_zombie());
        assert_eq!(parse_stat("12 (x"), None);
    }

    #[test]
    fn own_process_is_found() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(!info(pid).unwrap().is_zombie());
        assert_eq!(working_directory(pid).unwrap(), std::env::current_dir().unwrap());
        assert_eq!(info(0), None);
    }

    #[test]
    fn program_has_a_session_null_input_and_a_clean_environment() {
        let ended =
            sh("echo $MARK; cat; ps -o sid= -p $$ | tr -d ' '; echo $$", Duration::from_secs(10));
        let output = ended.unwrap().output;
        let lines: Vec<_> = output.lines().collect();
        assert_eq!(lines[0], "seen");
        assert_eq!(lines[1], lines[2], "its session is its own");
    }

    #[test]
    fn program_is_killed_at_its_limit() {
        let error = sh("sleep 30", Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn signal_to_nobody_is_not_found() {
        let error = send_signal(i32::MAX, Signal::TERM).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
