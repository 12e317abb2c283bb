//! Keys: a thread of their own that reads the terminal and can be trusted to end.
//!
//! The thread `pgdeck-keys` asks the kernel before each read, so a terminal that is gone ends it
//! (a reader that trusts its timeout spins at a full core on a dead terminal). It never waits
//! for the console: the channel holds 1,024 events, and keys beyond that are dropped.
//! A console that is so far behind must not act on them later; a lost key is seen and pressed
//! again. That the terminal is gone cannot be lost: it is the end of the channel.

mod csi;
mod decode;
mod paste;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use self::decode::Decoder;
use super::policy::TerminalPolicy;

/// Events that wait for the console.
const QUEUE_MAX: usize = 1_024;

/// How long after [`Keys::drain`] what arrives still counts as typed before it: what was on its
/// way through a slow line, or a key that repeats.
const DRAIN_SETTLES: Duration = Duration::from_millis(60);

/// How long [`Keys::pause`] waits for the thread to let go of the terminal.
const PAUSE_PATIENCE: Duration = Duration::from_millis(200);

/// After a read that returned nothing though there was something.
const STOLEN_BACKOFF: Duration = Duration::from_millis(10);

const STACK_LEN: usize = 128 * 1024;

/// What comes from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed, or repeats. Releases are not reported.
    Key(KeyEvent),
    /// Text was pasted: one line, nothing invisible in it.
    Paste(String),
    /// A button or the wheel; only when the mouse was asked for.
    Mouse(MouseEvent),
    /// The terminal is gone. Comes once and is the last.
    Hangup,
}

/// An [`Input`] and when its first byte arrived.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    input: Input,
    began: Instant,
}

/// The receiving end. Dropping it ends the thread.
#[derive(Debug)]
pub struct Keys {
    receiver: mpsc::Receiver<Event>,
    control: Arc<Control>,
    ignore_until: Option<Instant>,
    is_hung_up: bool,
}

impl Keys {
    /// Starts reading standard input, which must be the terminal of an open screen.
    ///
    /// # Errors
    ///
    /// When the thread or its wake-up pipe cannot be made.
    pub fn start(policy: &TerminalPolicy) -> io::Result<Self> {
        Self::start_on(rustix::stdio::stdin(), policy.escape_wait())
    }

    fn start_on(terminal: impl AsFd + Send + 'static, escape_wait: Duration) -> io::Result<Self> {
        let (wake_reader, wake_writer) = io::pipe()?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let control = Arc::new(Control {
            wanted: Mutex::new(Mode::Reading),
            changed: Condvar::new(),
            wake: wake_writer.into(),
        });
        let reader = Reader {
            terminal,
            wake: wake_reader.into(),
            control: Arc::clone(&control),
            sender,
            decoder: Decoder::default(),
            escape_wait,
        };
        std::thread::Builder::new()
            .name("pgdeck-keys".to_owned())
            .stack_size(STACK_LEN)
            .spawn(move || reader.run())?;
        Ok(Self { receiver, control, ignore_until: None, is_hung_up: false })
    }

    /// The next input. May be dropped and called again without losing any. After
    /// [`Input::Hangup`] it waits for ever.
    pub async fn next(&mut self) -> Input {
        loop {
            if self.is_hung_up {
                std::future::pending::<()>().await;
            }
            let event = self.receiver.recv().await;
            if let Some(input) = self.admit(event) {
                return input;
            }
        }
    }

    /// An input that waits already, if any: to take all of them before drawing once.
    pub fn try_next(&mut self) -> Option<Input> {
        while !self.is_hung_up {
            let event = match self.receiver.try_recv() {
                Ok(event) => Some(event),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => None,
            };
            if let Some(input) = self.admit(event) {
                return Some(input);
            }
        }
        None
    }

    /// Everything that was typed until now is void, also what is still on its way, a paste that
    /// has begun, and what a key that is held down goes on to repeat for a moment. For the
    /// opening of a dialog whose answer matters.
    pub fn drain(&mut self) {
        self.ignore_until = Some(Instant::now() + DRAIN_SETTLES);
    }

    /// Lets go of the terminal: when this returns, nothing reads it any more.
    pub fn pause(&self) {
        self.control.set(Mode::Pausing);
        let started = Instant::now();
        let mut mode = self.control.lock();
        while *mode == Mode::Pausing && started.elapsed() < PAUSE_PATIENCE {
            let waited = self.control.changed.wait_timeout(mode, PAUSE_PATIENCE);
            mode = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads again.
    pub fn resume(&self) {
        self.control.set(Mode::Reading);
    }

    fn admit(&mut self, event: Option<Event>) -> Option<Input> {
        let Some(event) = event else {
            self.is_hung_up = true;
            return Some(Input::Hangup);
        };
        match self.ignore_until {
            Some(until) if event.began < until => None,
            _ => {
                self.ignore_until = None;
                Some(event.input)
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.control.set(Mode::Ended);
    }
}

/// What the thread shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Reading,
    /// Asked to pause and has not answered yet.
    Pausing,
    Paused,
    Ended,
}

#[derive(Debug)]
struct Control {
    wanted: Mutex<Mode>,
    changed: Condvar,
    wake: OwnedFd,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Mode> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mode: Mode) {
        *self.lock() = mode;
        // The pipe can only fail when the thread is gone, and then nothing has to be woken.
        let _gone = rustix::io::write(&self.wake, &[0]);
    }

    /// What to do now; answers a request to pause.
    fn now(&self) -> Mode {
        let mut mode = self.lock();
        if *mode == Mode::Pausing {
            *mode = Mode::Paused;
            self.changed.notify_all();
        }
        *mode
    }
}

/// Why the thread goes round again, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Again,
    Over,
}

struct Reader<T> {
    terminal: T,
    wake: OwnedFd,
    control: Arc<Control>,
    sender: mpsc::Sender<Event>,
    decoder: Decoder,
    escape_wait: Duration,
}

impl<T: AsFd> Reader<T> {
    fn run(mut self) {
        loop {
            let turn = match self.control.now() {
                Mode::Reading => self.read_once(),
                Mode::Pausing | Mode::Paused => self.wait_for_wake(),
                Mode::Ended => Turn::Over,
            };
            if turn == Turn::Over {
                return;
            }
        }
    }

    fn wait_for_wake(&mut self) -> Turn {
        let mut fds = [PollFd::new(&self.wake, PollFlags::IN)];
        let _interrupted = poll(&mut fds, None);
        self.clear_wake()
    }

    fn clear_wake(&self) -> Turn {
        match rustix::io::read(&self.wake, &mut [0; 16]) {
            // Whoever wanted the keys is gone.
            Ok(0) => Turn::Over,
            _ => Turn::Again,
        }
    }

    fn read_once(&mut self) -> Turn {
        let timeout = self.decoder.patience(self.escape_wait);
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds =
            [PollFd::new(&self.terminal, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
        let ready = match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => return Turn::Again,
            Err(_) => return Turn::Over,
            Ok(count) => count,
        };
        let (terminal, wake) = (fds[0].revents(), fds[1].revents());
        if ready == 0 {
            self.decoder.expire();
            return self.send();
        }
        if !wake.is_empty() {
            return self.clear_wake();
        }
        self.read(terminal)
    }

    fn read(&mut self, ready: PollFlags) -> Turn {
        let is_gone = ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
        let mut buffer = [0; 1024];
        let now = Instant::now();
        match rustix::io::read(&self.terminal, &mut buffer) {
            Ok(count) if count > 0 => {
                self.decoder.feed(&buffer[..count], now);
                self.send()
            }
            Err(Errno::INTR | Errno::AGAIN) if !is_gone => Turn::Again,
            Ok(_) if !is_gone && rustix::termios::tcgetattr(&self.terminal).is_ok() => {
                // Someone else on this terminal was faster.
                std::thread::sleep(STOLEN_BACKOFF);
                Turn::Again
            }
            _ => Turn::Over,
        }
    }

    fn send(&mut self) -> Turn {
        for event in self.decoder.take() {
            match self.sender.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => return Turn::Over,
            }
        }
        Turn::Again
    }
}

/// The same key for a text area, whose library knows no crossterm here.
#[must_use]
pub fn textarea_input(key: KeyEvent) -> tui_textarea::Input {
    use tui_textarea::Key;
    let mapped = match key.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Enter => Key::Enter,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Tab | KeyCode::BackTab => Key::Tab,
        KeyCode::Delete => Key::Delete,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Esc => Key::Esc,
        KeyCode::F(number) => Key::F(number),
        _ => Key::Null,
    };
    let has = |modifier| key.modifiers.contains(modifier);
    tui_textarea::Input {
        key: mapped,
        ctrl: has(KeyModifiers::CONTROL),
        alt: has(KeyModifiers::ALT),
        shift: has(KeyModifiers::SHIFT),
    }
}

#[cfg(test)]
mod tests;
