//! How a program in a terminal is asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize};

use super::Console;
use super::terminal::Terminal;
use crate::forks;
use crate::hermetic::Environment;
use crate::invocation::invocation_methods;

/// How long a test waits for something to appear.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A program to be run in a terminal. See [`Console`].
#[must_use]
pub struct ConsoleBuilder {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    directory: PathBuf,
    columns: u16,
    rows: u16,
    timeout: Duration,
}

impl ConsoleBuilder {
    /// 80x24, `TERM=xterm-256color`, no locale.
    pub(super) fn new(program: PathBuf) -> Self {
        let mut environment = Environment::new();
        environment.set("TERM", "xterm-256color");
        Self {
            program,
            arguments: Vec::new(),
            environment,
            directory: PathBuf::from("/"),
            columns: 80,
            rows: 24,
            timeout: TIMEOUT,
        }
    }

    invocation_methods!();

    /// Takes back every variable of the locale.
    pub fn env_clear_locale(mut self) -> Self {
        self.environment.clear_locale();
        self
    }

    /// Sets a UTF-8 locale; without one the terminal counts as ASCII.
    pub fn utf8(self) -> Self {
        self.env("LANG", "C.UTF-8")
    }

    /// The type of the terminal.
    pub fn term(self, name: &str) -> Self {
        self.env("TERM", name)
    }

    /// The working directory; without it, the root directory.
    pub fn current_directory(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// Columns and rows. With 0x0, as on a serial line, the emulator is of 80x24.
    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        (self.columns, self.rows) = (columns, rows);
        self
    }

    /// How long the `wait` functions wait; ten seconds without this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(self) -> Console {
        let mut command = CommandBuilder::new(&self.program);
        command.args(&self.arguments);
        command.env_clear();
        for (name, value) in self.environment.variables() {
            command.env(name, value);
        }
        command.cwd(&self.directory);
        // Both ends are made and the program is started before any other thread forks.
        let (child, master) = forks::hold_back(|| {
            let pair = portable_pty::native_pty_system()
                .openpty(pty_size(self.columns, self.rows))
                .expect("a pseudo-terminal can be made");
            let child = pair.slave.spawn_command(command).unwrap_or_else(|error| {
                panic!("{} cannot be run: {error}", self.program.display())
            });
            (child as Box<dyn portable_pty::Child>, pair.master)
        });
        // portable-pty's own exit status has lost the signal's number.
        let child = child
            .into_any()
            .downcast::<std::process::Child>()
            .expect("portable-pty starts plain processes on Unix");
        let pid = i32::try_from(child.id()).expect("process ids fit");
        let terminal = Terminal::open(master.as_ref(), self.columns, self.rows);
        Console {
            child: Mutex::new(*child),
            pid,
            master: Some(master),
            terminal,
            timeout: self.timeout,
            home: self.environment.home().clone(),
        }
    }
}

pub(super) fn pty_size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}
