//! The way out to the terminal: bytes that never make the console wait.
//!
//! A serial line takes four seconds for a full screen at 9,600 baud, a stalled SSH connection
//! takes nothing at all. What the terminal does not take at once stays here as a tail, and the
//! console skips frames until the tail is gone.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// How long one frame may take before its rest is left for later: longer than any terminal
/// emulator needs, shorter than a person notices.
const FRAME_PATIENCE: Duration = Duration::from_millis(30);

/// How long the last words to a terminal may take.
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);

/// Aborts the escape sequence in which the tail may have been cut.
const CANCEL: u8 = 0x18;

/// Bytes at a time on a terminal that could only be had in blocking mode: about what it takes
/// without blocking once it says that it has room.
const BLOCKING_CHUNK_LEN: usize = 256;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The terminal has them all.
    Done,
    /// Some wait for the terminal to take them.
    Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    NonBlocking,
    Blocking,
}

#[derive(Debug)]
struct Line {
    fd: OwnedFd,
    mode: Mode,
    tail: Vec<u8>,
    sent: usize,
    is_closed: bool,
}

/// A handle on the terminal's output; clones write to the same line.
#[derive(Debug, Clone)]
pub(super) struct Output {
    line: Arc<Mutex<Line>>,
}

impl Output {
    /// Opens standard output's terminal once more, so that not waiting for it is our own choice
    /// and does not change the descriptor that the shell shares with us.
    ///
    /// # Errors
    ///
    /// When standard output cannot be duplicated either.
    pub(super) fn open() -> io::Result<Self> {
        let stdout = rustix::stdio::stdout();
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let none = rustix::fs::Mode::empty();
        let opened = rustix::termios::ttyname(stdout, Vec::new())
            .and_then(|name| rustix::fs::open(name.as_c_str(), flags, none))
            // After `su` the terminal belongs to someone else, but stays the controlling one.
            .or_else(|_| rustix::fs::open("/dev/tty", flags, none));
        match opened {
            Ok(fd) => Ok(Self::over(fd, Mode::NonBlocking)),
            Err(_) => Ok(Self::over(rustix::io::fcntl_dupfd_cloexec(stdout, 3)?, Mode::Blocking)),
        }
    }

    fn over(fd: OwnedFd, mode: Mode) -> Self {
        let line = Line { fd, mode, tail: Vec::new(), sent: 0, is_closed: false };
        Self { line: Arc::new(Mutex::new(line)) }
    }

    /// Sends what waits, as far as the terminal takes it within `patience`.
    ///
    /// # Errors
    ///
    /// When the terminal is gone, and after [`Output::close`].
    pub(super) fn push(&self, patience: Duration) -> io::Result<Progress> {
        self.lock().push(patience)
    }

    /// Says `last_words` and closes the line for good. Errors are of no interest any more. A tail
    /// is dropped: nobody will see that screen.
    pub(super) fn close(&self, last_words: &[u8]) {
        let mut line = self.lock();
        if !line.is_closed {
            let _gone = line.say(last_words);
            line.is_closed = true;
        }
    }

    /// Says `words` instead of what waits.
    ///
    /// # Errors
    ///
    /// As [`Output::push`].
    pub(super) fn interject(&self, words: &[u8]) -> io::Result<()> {
        self.lock().say(words).map(|_progress| ())
    }

    /// A panic elsewhere must not keep the terminal from being restored.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = self.lock();
        if line.is_closed {
            return Err(closed());
        }
        line.tail.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push(FRAME_PATIENCE).map(|_progress| ())
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the terminal has been left")
}

impl Line {
    fn push(&mut self, patience: Duration) -> io::Result<Progress> {
        if self.is_closed {
            return Err(closed());
        }
        let deadline = Instant::now() + patience;
        while self.sent < self.tail.len() {
            let is_taken = match self.write_some() {
                Ok(count) => {
                    self.sent += count;
                    true
                }
                Err(Errno::INTR) => true,
                Err(Errno::AGAIN) => self.has_room_before(deadline)?,
                Err(error) => return Err(error.into()),
            };
            if !is_taken {
                self.tail.drain(..self.sent);
                self.sent = 0;
                return Ok(Progress::Waiting);
            }
        }
        self.tail.clear();
        self.sent = 0;
        Ok(Progress::Done)
    }

    fn write_some(&self) -> rustix::io::Result<usize> {
        let bytes = &self.tail[self.sent..];
        match self.mode {
            Mode::NonBlocking => rustix::io::write(&self.fd, bytes),
            Mode::Blocking => {
                let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
                if poll(&mut fds, Some(&Timespec::default()))? == 0 {
                    return Err(Errno::AGAIN);
                }
                rustix::io::write(&self.fd, &bytes[..bytes.len().min(BLOCKING_CHUNK_LEN)])
            }
        }
    }

    fn has_room_before(&self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).ok();
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn say(&mut self, words: &[u8]) -> io::Result<Progress> {
        let was_cut = !self.tail.is_empty();
        self.tail.clear();
        self.sent = 0;
        if was_cut {
            self.tail.push(CANCEL);
        }
        self.tail.extend_from_slice(words);
        self.push(LEAVE_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn narrow_line() -> (Output, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        (Output::over(writer.into(), Mode::NonBlocking), reader)
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_up_nothing() {
        let (mut output, mut reader) = narrow_line();
        let frame = vec![b'x'; 300_000];
        let started = Instant::now();
        output.write_all(&frame).unwrap();
        output.flush().unwrap();
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(output.push(Duration::ZERO).unwrap(), Progress::Waiting);
        let mut received = 0;
        let mut buffer = vec![0; 65_536];
        while received < frame.len() {
            received += reader.read(&mut buffer).unwrap();
            output.push(Duration::ZERO).unwrap();
        }
        assert_eq!(output.push(Duration::ZERO).unwrap(), Progress::Done);
        assert_eq!(received, frame.len());
    }

    #[test]
    fn the_last_words_cut_a_waiting_frame_short() {
        let (mut output, mut reader) = narrow_line();
        output.write_all(&vec![b'x'; 300_000]).unwrap();
        output.flush().unwrap();
        let drain = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        output.close(b"bye");
        assert_eq!(output.write(b"more").unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert!(output.push(Duration::ZERO).is_err());
        drop(output);
        let all = drain.join().unwrap();
        assert!(all.ends_with(b"x\x18bye"), "ends {:?}", &all[all.len() - 8..]);
    }

    #[test]
    fn the_last_words_are_not_insisted_on() {
        let (mut output, _reader) = narrow_line();
        output.write_all(&vec![b'x'; 300_000]).unwrap();
        output.flush().unwrap();
        let started = Instant::now();
        output.close(b"bye");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }

    #[test]
    fn a_gone_terminal_is_an_error_and_not_a_wait() {
        let (mut output, reader) = narrow_line();
        drop(reader);
        output.write_all(b"x").unwrap();
        assert!(output.flush().is_err());
        output.close(b"bye");
    }
}
