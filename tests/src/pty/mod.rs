//! A program in a real pseudo-terminal, with a terminal emulator that reads its output.
//!
//! ```no_run
//! use pgdeck_tests::Console;
//!
//! let console = Console::pgdeck().args(["--ascii"]).size(80, 24).spawn();
//! console.wait_for("Status");
//! console.send("q");
//! assert!(console.wait_exit().success());
//! ```
//!
//! The program is the leader of a session of its own and its parent is in another one:
//! the kernel ignores Ctrl-Z for such a program. A test of suspending runs it under a
//! shell with job control, `bash -i`.

mod builder;
pub mod keys;
mod terminal;

use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{MasterPty, PtySize};
use rustix::process::{Pid, Signal, kill_process_group};
pub use vt100::{Cell, Color, Screen};

pub use builder::ConsoleBuilder;

use crate::hermetic::Home;
use crate::proc;
use terminal::Terminal;

/// How long a program may take to end once it should.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A program in a pseudo-terminal. It is killed when this is dropped.
pub struct Console {
    child: Mutex<Child>,
    pid: i32,
    /// Closed by a hangup.
    master: Option<Box<dyn MasterPty + Send>>,
    terminal: Terminal,
    timeout: Duration,
    home: Home,
}

impl Console {
    /// The program under test in a terminal.
    pub fn pgdeck() -> ConsoleBuilder {
        Self::builder(crate::bin::pgdeck())
    }

    /// Any program, by path or by its name on the search path.
    pub fn builder(program: impl Into<std::path::PathBuf>) -> ConsoleBuilder {
        ConsoleBuilder::new(program.into())
    }

    /// Types this text.
    pub fn send(&self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    /// Types these bytes.
    ///
    /// # Panics
    /// After a hangup.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.terminal.write(bytes);
    }

    /// Waits until the screen shows this text within one line.
    ///
    /// # Panics
    /// When it does not in time, or the program ended; with the screen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.try_wait_for(text).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The same for a text that may not come.
    ///
    /// # Errors
    /// It did not come in time, or the program ended; with the screen.
    pub fn try_wait_for(&self, text: &str) -> Result<(), String> {
        let shown = |screen: &Screen| terminal::text_of(screen).contains(text);
        self.wait(&format!("the screen does not show {text:?}"), shown)
    }

    /// Waits until the screen no longer shows this text.
    ///
    /// # Panics
    /// When it still does after the time allowed, with the screen.
    #[track_caller]
    pub fn wait_gone(&self, text: &str) {
        let gone = |screen: &Screen| !terminal::text_of(screen).contains(text);
        self.wait(&format!("the screen still shows {text:?}"), gone)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until the screen is as wanted.
    ///
    /// # Panics
    /// When it is not in time, or the program ended; with the screen.
    #[track_caller]
    pub fn wait_until(&self, condition: impl FnMut(&Screen) -> bool) {
        self.wait("the screen is not as wanted", condition)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until nothing has come for this long, as before counting bytes.
    ///
    /// # Panics
    /// When output goes on and on.
    #[track_caller]
    pub fn wait_quiet(&self, quiet: Duration) {
        let calm = proc::wait_for(self.timeout + quiet, || self.terminal.quiet_for() >= quiet);
        assert!(calm, "the output never pauses for {quiet:?}\n{}", self.report());
    }

    /// The lines of the screen, without blanks at their ends.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        self.terminal.look(terminal::rows_of)
    }

    /// The screen as one text, without blanks at the ends of lines.
    #[must_use]
    pub fn screen_text(&self) -> String {
        self.terminal.look(terminal::text_of)
    }

    /// Lets a function look at the screen: modes, cursor, cells.
    pub fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        self.terminal.look(look)
    }

    /// One cell with its text, colours and attributes; rows and columns count from 0.
    ///
    /// # Panics
    /// When it is outside of the screen.
    #[must_use]
    #[track_caller]
    pub fn cell(&self, row: u16, column: u16) -> Cell {
        self.look(|screen| screen.cell(row, column).cloned()).expect("the cell is on the screen")
    }

    /// Row and column where this text first stands on the screen.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<(u16, u16)> {
        self.look(|screen| terminal::find(screen, text))
    }

    /// The first cell of this text, to see how it is shown.
    ///
    /// # Panics
    /// When the screen does not show it.
    #[must_use]
    #[track_caller]
    pub fn cell_of(&self, text: &str) -> Cell {
        let Some((row, column)) = self.find(text) else {
            panic!("the screen does not show {text:?}\n{}", self.report())
        };
        self.cell(row, column)
    }

    /// Row and column of the cursor.
    #[must_use]
    pub fn cursor(&self) -> (u16, u16) {
        self.look(Screen::cursor_position)
    }

    /// Everything the program has written.
    #[must_use]
    pub fn raw_output(&self) -> Vec<u8> {
        self.terminal.raw_output()
    }

    /// How many bytes the program has written.
    #[must_use]
    pub fn bytes_total(&self) -> usize {
        self.terminal.bytes_total()
    }

    /// What the program has written since a moment: when each piece came, and its bytes.
    #[must_use]
    pub fn arrivals_since(&self, since: Instant) -> Vec<(Instant, usize)> {
        self.terminal.arrivals_since(since)
    }

    /// Gives the terminal another size; the kernel tells the program. With 0x0, as on a
    /// serial line, the emulator keeps the size it has.
    ///
    /// # Panics
    /// After a hangup.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.terminal.set_size(columns, rows);
        self.master
            .as_ref()
            .expect("the terminal has not hung up")
            .resize(builder::pty_size(columns, rows))
            .expect("the terminal can be resized");
    }

    /// The size the kernel tells the program: columns and rows.
    ///
    /// # Panics
    /// After a hangup.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let master = self.master.as_ref().expect("the terminal has not hung up");
        let PtySize { cols, rows, .. } = master.get_size().expect("the terminal has a size");
        (cols, rows)
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        proc::signal(self.pid, signal);
    }

    /// Hangs up, as a lost SSH connection does: the master side closes, and the kernel
    /// sends SIGHUP. Nothing is typed before. The last screen can still be read.
    pub fn hangup(&mut self) {
        self.terminal.close();
        self.master = None;
    }

    /// The program's pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The home directory it has.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Whether the program has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Waits for the program's end, for ten seconds.
    ///
    /// # Panics
    /// When it has not ended by then, with the screen.
    #[track_caller]
    pub fn wait_exit(&self) -> ExitStatus {
        self.wait_exit_within(EXIT_TIMEOUT)
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it has not ended by then, with the screen.
    #[track_caller]
    pub fn wait_exit_within(&self, timeout: Duration) -> ExitStatus {
        let _ = proc::wait_for(timeout, || !self.is_running());
        let status = self.exit_status();
        let status = status
            .unwrap_or_else(|| panic!("it has not ended after {timeout:?}\n{}", self.report()));
        self.terminal.drain();
        status
    }

    /// Processor time it has used, in seconds; 0 after its end.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        proc::cpu_seconds(self.pid).unwrap_or_default()
    }

    /// The same with every process it has started.
    #[must_use]
    pub fn cpu_seconds_with_children(&self) -> f64 {
        proc::cpu_seconds_with_children(self.pid)
    }

    /// Its resident memory in bytes; 0 after its end.
    #[must_use]
    pub fn rss_bytes(&self) -> u64 {
        proc::rss_bytes(self.pid).unwrap_or_default()
    }

    /// Its share of memory in bytes: pages that others map as well count in part.
    #[must_use]
    pub fn pss_bytes(&self) -> u64 {
        proc::pss_bytes(self.pid).unwrap_or_default()
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().expect("a child can be waited for")
    }

    fn wait(&self, failure: &str, condition: impl FnMut(&Screen) -> bool) -> Result<(), String> {
        if self.terminal.wait_until(self.timeout, condition) {
            Ok(())
        } else {
            Err(format!("{failure} (after at most {:?})\n{}", self.timeout, self.report()))
        }
    }

    /// The screen in a frame, and how the program stands.
    fn report(&self) -> String {
        let state = self.exit_status().map_or("runs".to_owned(), |status| status.to_string());
        let (columns, frame) = self.look(|screen| {
            let columns = usize::from(screen.size().1.get());
            let lines = terminal::rows_of(screen).into_iter();
            (columns, lines.map(|line| format!("|{line:columns$}|\n")).collect::<String>())
        });
        let edge = format!("+{}+\n", "-".repeat(columns));
        format!("process {}: {state}; screen:\n{edge}{frame}{edge}", self.pid)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if self.is_running() {
            // It leads a group of its own; what it started in the group goes with it.
            let group = Pid::from_raw(self.pid);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = proc::wait_for(EXIT_TIMEOUT, || !self.is_running());
        }
        self.hangup();
    }
}
