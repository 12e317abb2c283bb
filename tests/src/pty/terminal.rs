//! The terminal's side: reads the output into an emulator, types the input.

use std::io::{PipeWriter, Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use filedescriptor::FileDescriptor;
use portable_pty::MasterPty;
use rustix::event::{PollFd, PollFlags, poll};
use vt100::{Parser, Screen};

/// How long the end of the output may lag behind the end of the program.
const DRAIN: Duration = Duration::from_secs(2);

/// The emulator with the thread that feeds it.
pub(super) struct Terminal {
    output: Arc<Output>,
    /// Both end with a hangup.
    open: Option<Open>,
}

struct Open {
    input: Mutex<FileDescriptor>,
    /// Wakes the reader when it is dropped.
    _waker: PipeWriter,
    reader: JoinHandle<()>,
}

struct Output {
    received: Mutex<Received>,
    changed: Condvar,
}

struct Received {
    parser: Parser,
    raw: Vec<u8>,
    /// When each piece came, and how long it was.
    arrivals: Vec<(Instant, usize)>,
    last_at: Instant,
    /// Nobody has the other end open any more, or we have closed ours.
    ended: bool,
}

impl Terminal {
    /// Reads and types at this master.
    ///
    /// Its descriptor is copied instead of taking portable-pty's reader and writer: that
    /// reader cannot be woken, so the terminal would never hang up; and that writer types
    /// Enter and Ctrl-D when it is dropped.
    pub(super) fn open(master: &dyn MasterPty, columns: u16, rows: u16) -> Self {
        let descriptor = master.as_raw_fd().expect("a pseudo-terminal has a descriptor");
        let copy = || FileDescriptor::dup(&descriptor).expect("a descriptor can be copied");
        let (wake, waker) = std::io::pipe().expect("a pipe can be made");
        let output = Arc::new(Output {
            received: Mutex::new(Received {
                parser: Parser::new(
                    NonZeroU16::new(rows).unwrap_or(Parser::DEFAULT_ROWS),
                    NonZeroU16::new(columns).unwrap_or(Parser::DEFAULT_COLS),
                    0,
                ),
                raw: Vec::new(),
                arrivals: Vec::new(),
                last_at: Instant::now(),
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let (source, sink) = (copy(), Arc::clone(&output));
        let reader = std::thread::spawn(move || read(source, &wake, &sink));
        let open = Open { input: Mutex::new(copy()), _waker: waker, reader };
        Self { output, open: Some(open) }
    }

    /// Types bytes.
    pub(super) fn write(&self, bytes: &[u8]) {
        let open = self.open.as_ref().expect("the terminal has not hung up");
        let mut input = open.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.write_all(bytes).expect("the terminal takes input");
    }

    /// Closes both copies of the descriptor.
    pub(super) fn close(&mut self) {
        if let Some(Open { input, _waker: waker, reader }) = self.open.take() {
            drop(waker);
            // A panic of the emulator has been reported by whoever looked at the screen.
            let _ = reader.join();
            drop(input);
        }
    }

    /// Waits until the output has ended: the program's last words may still be on their way.
    pub(super) fn drain(&self) {
        let _ = crate::proc::wait_for(DRAIN, || self.lock().ended);
    }

    pub(super) fn set_size(&self, columns: u16, rows: u16) {
        if let (Some(columns), Some(rows)) = (NonZeroU16::new(columns), NonZeroU16::new(rows)) {
            self.lock().parser.set_size(rows, columns);
        }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.lock().parser.screen())
    }

    pub(super) fn raw_output(&self) -> Vec<u8> {
        self.lock().raw.clone()
    }

    pub(super) fn bytes_total(&self) -> usize {
        self.lock().raw.len()
    }

    /// What came since a moment: when, and how many bytes.
    pub(super) fn arrivals_since(&self, since: Instant) -> Vec<(Instant, usize)> {
        let received = self.lock();
        let first = received.arrivals.partition_point(|(at, _)| *at < since);
        received.arrivals[first..].to_vec()
    }

    /// How long ago the last output came.
    pub(super) fn quiet_for(&self) -> Duration {
        self.lock().last_at.elapsed()
    }

    /// Waits for the condition; gives up when time is over or no more output can come.
    pub(super) fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&Screen) -> bool,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        let mut received = self.lock();
        loop {
            if condition(received.parser.screen()) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if received.ended || left.is_zero() {
                return false;
            }
            received = self
                .output
                .changed
                .wait_timeout(received, left)
                .expect("the emulator does not panic")
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.output.received.lock().expect("the emulator does not panic")
    }
}

/// Feeds the emulator until the other end is closed or `wake` is.
fn read(mut source: FileDescriptor, wake: &std::io::PipeReader, sink: &Output) {
    let mut buffer = [0; 65536];
    while wait_readable(&source, wake) {
        // EIO is how Linux says that nobody has the other end open any more.
        let Ok(count @ 1..) = source.read(&mut buffer) else { break };
        let mut received = sink.received.lock().expect("the emulator does not panic");
        received.parser.process(&buffer[..count]);
        received.raw.extend_from_slice(&buffer[..count]);
        received.last_at = Instant::now();
        let arrival = (received.last_at, count);
        received.arrivals.push(arrival);
        drop(received);
        sink.changed.notify_all();
    }
    sink.received.lock().expect("the emulator does not panic").ended = true;
    sink.changed.notify_all();
}

/// Waits until there is something to read; `false` when the reader shall end.
fn wait_readable(source: &FileDescriptor, wake: &std::io::PipeReader) -> bool {
    loop {
        let mut waiting = [PollFd::new(source, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        match poll(&mut waiting, None) {
            Ok(_) => return waiting[1].revents().is_empty(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("a terminal can be polled: {error}"),
        }
    }
}

/// The lines of a screen, without blanks at their ends.
pub(super) fn rows_of(screen: &Screen) -> Vec<String> {
    let columns = screen.size().1.get();
    screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
}

/// The screen as one text, without blanks at the ends of lines.
pub(super) fn text_of(screen: &Screen) -> String {
    rows_of(screen).join("\n")
}

/// Row and column of the first occurrence of a text within one line.
pub(super) fn find(screen: &Screen, text: &str) -> Option<(u16, u16)> {
    let (rows, columns) = screen.size();
    (0..rows.get()).find_map(|row| {
        let mut line = String::new();
        let mut starts = Vec::new();
        for column in 0..columns.get() {
            let cell = screen.cell(row, column)?;
            if cell.is_wide_continuation() {
                continue;
            }
            starts.push((line.len(), column));
            line.push_str(if cell.has_contents() { cell.contents() } else { " " });
        }
        let at = line.find(text)?;
        let (_, column) = starts.into_iter().rev().find(|&(start, _)| start <= at)?;
        Some((row, column))
    })
}
