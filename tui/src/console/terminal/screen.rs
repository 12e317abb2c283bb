//! The screen: a terminal taken over, and given back whatever happens.
//!
//! There is one terminal, so what is needed to give it back is kept once for the process, where
//! the panic hook, the signal side and `drop` all reach it. Whoever comes first gives it back.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::Termios;

use super::backend::AnsiBackend;
use super::clipboard::{self, Copied};
use super::glyph;
use super::input::Keys;
use super::line::{Output, Progress};
use super::modes::{self, Mouse};
use super::policy::TerminalPolicy;
use super::size::SizeSource;

/// How long after the stop signal we are surely stopped. The signal may be taken by another
/// thread; until then this one must not touch the terminal again.
const STOP_SETTLES: Duration = Duration::from_millis(50);

/// How long after we went on the signal that made us may still arrive.
const CONTINUE_ARRIVES: Duration = Duration::from_secs(1);

/// What it takes to give the terminal back.
struct Hold {
    output: Output,
    cooked: Termios,
    last_words: Vec<u8>,
    thread: ThreadId,
}

static HOLD: Mutex<Option<Hold>> = Mutex::new(None);

fn hold() -> MutexGuard<'static, Option<Hold>> {
    HOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the terminal back: attributes reset, cursor shown, main screen, settings as they were.
/// Returns false when there was nothing to give back.
///
/// Any thread may call this at any time, also the panic hook; it waits at most a fifth of a
/// second for a terminal that takes no bytes, and ignores errors. A [`Screen`] that is still
/// there can no longer draw.
pub fn give_back() -> bool {
    let Some(held) = hold().take() else { return false };
    held.output.close(&held.last_words);
    let _gone = modes::set_settings(&held.cooked);
    true
}

/// Whether the console has the terminal.
#[must_use]
pub fn is_open() -> bool {
    hold().is_some()
}

/// Whether this thread is the one that draws.
#[must_use]
pub fn is_drawing_thread() -> bool {
    hold().as_ref().is_some_and(|held| held.thread == std::thread::current().id())
}

/// How often to call [`Screen::draw`] again while it says [`Drawn::Behind`].
pub const RETRY: Duration = Duration::from_millis(20);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// The terminal has taken all of it: this many bytes, zero when nothing changed.
    Done(u64),
    /// The terminal has yet to take some of it, or of the one before, in which case nothing was
    /// drawn. Call again after [`RETRY`]: that sends the rest, then draws what has changed since.
    Behind,
}

/// The terminal while the console has it. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<AnsiBackend<Output>>,
    output: Output,
    mouse: Mouse,
    cooked: Termios,
    raw: Termios,
    /// When [`Screen::suspend`] last took the terminal again.
    resumed: Option<Instant>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    ///
    /// When standard input or output is no terminal, and when the terminal goes away meanwhile.
    /// Nothing stays changed then.
    pub fn open(policy: TerminalPolicy, mouse: Mouse) -> io::Result<Self> {
        let cooked = modes::settings()?;
        let raw = modes::raw(&cooked, &policy);
        let output = Output::open()?;
        let backend = AnsiBackend::new(output.clone(), policy, SizeSource::from_process());
        let terminal = Terminal::new(backend)?;
        *hold() = Some(Hold {
            output: output.clone(),
            cooked: cooked.clone(),
            last_words: modes::leave_sequence(&policy, mouse),
            thread: std::thread::current().id(),
        });
        let mut screen = Self { terminal, output, mouse, cooked, raw, resumed: None };
        screen.enter()?;
        Ok(screen)
    }

    /// What may be sent to this terminal.
    #[must_use]
    pub fn policy(&self) -> &TerminalPolicy {
        self.terminal.backend().policy()
    }

    /// Columns and rows.
    ///
    /// # Errors
    ///
    /// None today; ratatui's signature has one.
    pub fn size(&self) -> io::Result<ratatui::layout::Size> {
        self.terminal.size()
    }

    /// Draws one frame. Bytes go out only for what changed.
    ///
    /// # Errors
    ///
    /// When the terminal is gone or was given back.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<Drawn> {
        if self.output.push(Duration::ZERO)? == Progress::Waiting {
            return Ok(Drawn::Behind);
        }
        let before = self.terminal.backend().written_bytes();
        self.terminal.draw(|frame| {
            view(frame);
            glyph::mend(frame.buffer_mut());
        })?;
        match self.output.push(Duration::ZERO)? {
            Progress::Waiting => Ok(Drawn::Behind),
            Progress::Done => Ok(Drawn::Done(self.terminal.backend().written_bytes() - before)),
        }
    }

    /// The next frame is painted from nothing: after Ctrl-L, after SIGWINCH (a terminal that went
    /// to 40 columns and back shows other things than we remember), after anything else wrote to
    /// the terminal. Sends nothing by itself beyond the clear, and asks nothing.
    ///
    /// # Errors
    ///
    /// None today; ratatui's signature has one.
    pub fn repaint(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().forget();
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Ctrl-Z: gives the terminal back, stops the whole process group as the terminal itself
    /// would have, and takes the terminal again when continued.
    ///
    /// The group and not only ourselves, or `make` and `sudo` would go on waiting for a stopped
    /// child. In an orphaned group, where nothing could continue us, the kernel does not stop us
    /// and the screen just comes back.
    ///
    /// # Errors
    ///
    /// When the terminal went away meanwhile.
    pub fn suspend(&mut self, keys: &Keys) -> io::Result<()> {
        keys.pause();
        let last_words = modes::leave_sequence(self.policy(), self.mouse);
        self.output.interject(&last_words)?;
        modes::set_settings(&self.cooked)?;
        let _stopped = kill_current_process_group(Signal::TSTP);
        std::thread::sleep(STOP_SETTLES);
        let entered = self.enter();
        self.resumed = Some(Instant::now());
        keys.resume();
        entered
    }

    /// SIGCONT: someone else stopped us (`kill -STOP`) and the shell may have had the terminal.
    /// The signal that ends a [`Screen::suspend`] finds everything right already; a second
    /// repaint would take seconds on a serial line.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn continued(&mut self) -> io::Result<()> {
        let is_ours = self.resumed.take().is_some_and(|at| at.elapsed() < CONTINUE_ARRIVES);
        if modes::differ(&modes::settings()?, &self.raw) {
            return self.enter();
        }
        if is_ours { Ok(()) } else { self.repaint() }
    }

    /// Hands `text` to the terminal's clipboard. Whether it arrives cannot be known (tmux drops
    /// it unless told otherwise): say "sent to the terminal", and offer a plain view.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<Copied> {
        let Some(sequence) = clipboard::sequence(text, self.policy()) else {
            return Ok(Copied::Impossible);
        };
        self.output.write_all(&sequence)?;
        self.output.flush()?;
        Ok(Copied::Sent)
    }

    fn enter(&mut self) -> io::Result<()> {
        modes::set_settings(&self.raw)?;
        let words = modes::enter_sequence(self.policy(), self.mouse);
        self.output.interject(&words)?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        super::panic::tell_background_reports();
    }
}
