//! Runs a program to its end, without a terminal: one-shot commands as a script sees them.

mod running;

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::hermetic::Environment;
use crate::invocation::invocation_methods;
use crate::{bin, forks};

pub use running::Running;

/// How long a command may take unless the test says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command to be run, in an environment of its own.
#[must_use]
pub struct Run {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    timeout: Duration,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether a process that it started still holds its output open: a script that reads
    /// the output would wait for that process.
    pub output_held_open: bool,
    /// How long it took.
    pub took: Duration,
}

/// Runs `pgdeck` with these arguments.
///
/// # Panics
/// When it is not built, or not done after a minute.
pub fn run(arguments: &[&str]) -> Finished {
    Run::pgdeck().args(arguments).finish()
}

impl Run {
    /// The program under test.
    pub fn pgdeck() -> Self {
        Self::program(bin::pgdeck())
    }

    /// Any program, by path or by its name on the search path.
    pub fn program(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Environment::new(),
            directory: None,
            input: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    invocation_methods!();

    /// The working directory; without it, that of the test.
    pub fn current_directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// What it reads from standard input; without it, nothing.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// How long it may take; a minute without this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be run or takes too long, with what it has printed.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.try_finish().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same for a command that may take too long.
    ///
    /// # Errors
    /// It took too long and was killed, with its process group; what it has printed.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn try_finish(self) -> Result<Finished, String> {
        self.start().try_finish()
    }

    /// Starts it and goes on; dropping it kills it.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn start(self) -> Running {
        Running::new(self)
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        forks::spawn(&mut command)
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", self.program.display()))
    }
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Insists on this exit code.
    ///
    /// # Panics
    /// When it is another one, with all output.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            Some(code),
            "{}\nstdout:\n{}\nstderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Home;

    fn sh(script: &str) -> Run {
        Run::program("sh").arg("-c").arg(script)
    }

    #[test]
    fn captures_output_and_exit_code() {
        let done = sh("cat; echo no >&2; exit 3").input("yes").finish().expect_code(3);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("yes", "no\n"));
        assert!(!done.output_held_open);
        assert_eq!(sh("kill -9 $$").finish().signal(), Some(9));
    }

    #[test]
    fn inherits_nothing() {
        let done = sh("env").env("LANG", "C.UTF-8").finish();
        let mut names: Vec<_> =
            done.stdout.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        // PWD is the shell's own.
        assert_eq!(names, ["HOME", "LANG", "PATH", "PWD", "SHELL", "TZ"]);
    }

    #[test]
    fn a_shared_home_is_seen_by_both() {
        let home = Home::new();
        sh("echo 1 > $HOME/file").home(&home).finish().expect_code(0);
        assert_eq!(sh("cat $HOME/file").home(&home).finish().stdout, "1\n");
        let path = home.path().to_owned();
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn tells_of_a_descendant_that_holds_the_output() {
        let done = sh("sleep 5 & exit 0").finish();
        assert!(done.output_held_open);
        assert!(done.took < Duration::from_secs(5));
    }

    #[test]
    fn what_was_started_can_be_watched_and_ended() {
        let mut running = sh("echo begun; sleep 60").start();
        assert!(running.wait_stdout("begun", Duration::from_secs(10)));
        assert!(running.is_running());
        running.kill();
        assert_eq!(running.finish().signal(), Some(9));
    }

    #[test]
    fn kills_what_takes_too_long() {
        let started = Instant::now();
        let error = sh("echo begun; sleep 60")
            .timeout(Duration::from_millis(300))
            .try_finish()
            .unwrap_err();
        assert!(error.contains("is not done after 300ms\nstdout:\nbegun\n"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
