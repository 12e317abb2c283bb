//! A pseudo-terminal with a program on it and an emulator that watches.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Long enough for a machine that is busy compiling.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Pty {
    /// `None` after a hangup.
    master: Option<File>,
    /// Kept open, so that the settings can be looked at when the program has ended.
    slave: Option<OwnedFd>,
    pub(crate) child: Child,
    /// Everything the program has written.
    pub(crate) bytes: Vec<u8>,
    pub(crate) emulator: vt100::Parser,
    pub(crate) settings_before: Termios,
}

/// The example under test; built here because `cargo test --test` does not build examples.
/// `tests/run.sh` has built it with everything else and says so: built by itself, cargo would
/// choose other features for its dependencies and compile them anew.
pub(crate) fn selftest() -> String {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let example = test.ancestors().nth(2).unwrap().join("examples/terminal_selftest");
        if std::env::var_os("PGDECK_EXAMPLES_BUILT").is_some() {
            assert!(example.exists(), "{} was to be built before", example.display());
            return example;
        }
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "pgdeck", "--example", "terminal_selftest"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        // What cargo tells a test about its package would make some build scripts run again.
        let is_of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars().filter(|(name, _)| is_of_package(name)) {
            build.env_remove(name);
        }
        assert!(build.status().unwrap().success(), "the example must build");
        example
    });
    path.to_str().unwrap().to_owned()
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn emulator(columns: u16, rows: u16) -> vt100::Parser {
    let dimension = |n: u16| NonZeroU16::new(n).unwrap();
    vt100::Parser::new(dimension(rows), dimension(columns), 0)
}

impl Pty {
    /// `command` on a new terminal of 80x24, with nothing in its environment but `PATH` and
    /// `words` (`NAME=value`).
    pub(crate) fn start(command: &[&str], words: &str) -> Self {
        Self::start_sized(command, words, 80, 24)
    }

    /// A size of 0x0 is told to the program; the emulator has 80x24 then.
    pub(crate) fn start_sized(command: &[&str], words: &str, columns: u16, rows: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        tcsetwinsize(&master, winsize(columns, rows)).unwrap();
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let settings_before = tcgetattr(&slave).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // `setsid --ctty` gives the program the terminal as a login would.
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(command)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(words.split_whitespace().map(|word| word.split_once('=').unwrap()))
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let (columns, rows) = if columns == 0 { (80, 24) } else { (columns, rows) };
        Self {
            master: Some(File::from(master)),
            slave: Some(slave),
            child,
            bytes: Vec::new(),
            emulator: emulator(columns, rows),
            settings_before,
        }
    }

    /// The selftest, already on the screen.
    pub(crate) fn selftest(arguments: &[&str], words: &str) -> Self {
        let program = selftest();
        let command: Vec<&str> = [&[program.as_str()], arguments].concat();
        let mut pty = Self::start(&command, words);
        pty.wait_for("quit");
        pty
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.master.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        tcsetwinsize(self.master.as_ref().unwrap(), winsize(columns, rows)).unwrap();
        let dimension = |n: u16| NonZeroU16::new(n).unwrap();
        self.emulator.screen_mut().set_size(dimension(rows), dimension(columns));
    }

    /// The line goes dead.
    pub(crate) fn hang_up(&mut self) {
        self.master = None;
        self.slave = None;
    }

    /// Takes what the program writes until `is_enough`; false when the time is up.
    pub(crate) fn pump(&mut self, patience: Duration, is_enough: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 65_536];
        loop {
            if is_enough(self) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            let mut master = self.master.as_ref().unwrap();
            let mut fds = [PollFd::new(&master, PollFlags::IN)];
            let slice = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            poll(&mut fds, Some(&slice)).unwrap();
            if let Ok(count) = master.read(&mut buffer) {
                self.bytes.extend_from_slice(&buffer[..count]);
                self.emulator.process(&buffer[..count]);
            }
        }
    }

    /// Until the screen shows `text`.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let is_shown = |pty: &Self| pty.contents().contains(text);
        if !self.pump(PATIENCE, is_shown) {
            panic!("no {text:?} on the screen:\n{}", self.contents());
        }
    }

    /// Takes what is written for a while.
    pub(crate) fn settle(&mut self) {
        self.pump(Duration::from_millis(200), |_| false);
    }

    pub(crate) fn contents(&self) -> String {
        self.emulator.screen().contents()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Waits for the end, taking what is written.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.master.is_some() {
                self.pump(Duration::from_millis(20), |_| false);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                if self.master.is_some() {
                    self.settle();
                }
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.contents());
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The process that the program has started.
    pub(crate) fn child_of_child(&self) -> u32 {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        children.unwrap().trim().parse().unwrap()
    }

    /// Processor time of the program, in clock ticks (100 a second).
    pub(crate) fn ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// The terminal is as it was: settings, main screen, cursor, attributes, paste mode.
    pub(crate) fn check_is_sane(&self) {
        self.check_settings();
        let screen = self.emulator.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste(), "paste mode is off");
        assert!(!screen.inverse() && !screen.bold(), "attributes are reset");
        assert_eq!(screen.fgcolor(), vt100::Color::Default);
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }

    /// As [`Self::check_is_sane`] while a shell waits at its prompt. The shell has settings of its
    /// own, so only what the program could have left behind is looked at.
    pub(crate) fn check_is_sane_in_shell(&self, context: &str) {
        let settings = tcgetattr(self.slave.as_ref().unwrap()).unwrap();
        let screen = self.emulator.screen();
        assert!(settings.output_modes.contains(rustix::termios::OutputModes::OPOST), "{context}");
        assert!(settings.local_modes.contains(rustix::termios::LocalModes::ISIG), "{context}");
        assert!(!screen.alternate_screen(), "{context}");
        assert!(!screen.hide_cursor(), "{context}");
    }

    pub(crate) fn check_settings(&self) {
        let (before, after) = (&self.settings_before, tcgetattr(self.slave.as_ref().unwrap()));
        let after = after.unwrap();
        assert_eq!(before.input_modes, after.input_modes);
        assert_eq!(before.output_modes, after.output_modes);
        assert_eq!(before.control_modes, after.control_modes);
        assert_eq!(before.local_modes, after.local_modes);
        assert_eq!(format!("{:?}", before.special_codes), format!("{:?}", after.special_codes));
    }

    /// The line of the screen that is shown in reverse, if there is one.
    pub(crate) fn selected_row(&self) -> Option<u16> {
        let screen = self.emulator.screen();
        let (rows, columns) = screen.size();
        let is_reverse =
            |row: u16, column: u16| screen.cell(row, column).is_some_and(vt100::Cell::inverse);
        (0..rows.get()).find(|&row| is_reverse(row, 2) && is_reverse(row, columns.get() / 2))
    }
}

/// Also true for a process that nobody has waited for.
pub(crate) fn has_ended(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => true,
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
